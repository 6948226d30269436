#ifndef XMMU_LIB_WORKLOAD_INSPECT_TRACE_POINT_H_
#define XMMU_LIB_WORKLOAD_INSPECT_TRACE_POINT_H_

// Points of a trace as people name them: by the number of an operation, or by
// what happens there, so that a region of interest can be marked by a function
// that the program calls:
//
//   1000000                  operation 1,000,000 (see op_words.h)
//   fetch:0x401136           the first fetch of that address
//   fetch:0x401136:3         the third one
//   store:0x7fff0000         the first store to that byte
//   exec                     the first exec; exec::2 the second one
//
// Address and count of an instruction are how regions of programs are marked
// elsewhere, too (Sabu, Patil, Heirman, Carlson, "LoopPoint", HPCA 2022), and
// every format with fetches has them: no recorder has to know of marks.
//
// Single-threaded.

#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/status/statusor.h"
#include "xmmu/workload/workload.h"

namespace xmmu {

struct TracePoint {
  uint64_t number = 0;  // of the operation, unless `kind` is there

  std::optional<GuestOpKind> kind;
  std::optional<uint64_t> address;  // a byte that the operation is about
  uint64_t count = 1;               // which of these operations, from 1
};

// Errors: InvalidArgument, "want ...", for what is none.
absl::StatusOr<TracePoint> ParseTracePoint(std::string_view text);

// Where points are: the numbers of operations.
struct TraceRegion {
  uint64_t from = 0;
  std::optional<uint64_t> to;  // the first one behind the region
};

// Finds the operations of `from` and, if it is there, of `to`, whose count
// begins with `from`, and whose number is no less. Reads as far as it must.
// Errors: those of StreamMerger::Next(); InvalidArgument if the trace has no
// such point.
absl::StatusOr<TraceRegion> FindRegion(Workload& workload,
                                       const TracePoint& from,
                                       const std::optional<TracePoint>& to);

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_INSPECT_TRACE_POINT_H_
