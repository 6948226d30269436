#ifndef XMMU_LIB_WORKLOAD_DRMEMTRACE_TRACE_HEAD_H_
#define XMMU_LIB_WORKLOAD_DRMEMTRACE_TRACE_HEAD_H_

// The first records of a file of a drmemtrace.

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "workload/drmemtrace/record_reader.h"

namespace xmmu {

struct TraceHead {
  std::string path;
  uint64_t version = 0;    // 1 to kNewestTraceVersion
  uint64_t file_type = 0;  // FileTypeBits; 0 if the file does not say
  uint64_t thread = 0;
  uint64_t process = 0;
  PieceKey first;  // of its first piece; zero without a timestamp

  bool core_sharded() const { return (file_type & kFileCoreSharded) != 0; }
};

// Whether a file that holds `content` is of drmemtrace, be it one that
// OpenDrmemtrace() refuses: a final trace, a 32-bit one, or a raw file.
bool IsDrmemtraceContent(absl::string_view content);

// Reads and checks the head of a file.
//
// Errors: InvalidArgument, `FILE:OFFSET: what`, for what is no final trace of
// an x86-64 program in versions 1 to 7, by name and with what to do.
absl::StatusOr<TraceHead> ReadTraceHead(const std::string& path);

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_DRMEMTRACE_TRACE_HEAD_H_
