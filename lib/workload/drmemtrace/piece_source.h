#ifndef XMMU_LIB_WORKLOAD_DRMEMTRACE_PIECE_SOURCE_H_
#define XMMU_LIB_WORKLOAD_DRMEMTRACE_PIECE_SOURCE_H_

// The records of all threads of one process, in one order.
//
// The records of each thread are cut into pieces, at every timestamp but those
// that a chunk repeats; what stands before the first is of the first piece.
// Then always the piece with the smallest (timestamp, processor, thread) among
// the next pieces of all threads comes next. That is the order of DynamoRIO's
// serial_schedule.bin (clients/drcachesim/tracer/raw2trace.cpp,
// aggregate_and_write_schedule_files).

#include <cstdint>

#include "absl/status/statusor.h"
#include "workload/drmemtrace/record_reader.h"

namespace xmmu {

class PieceSource {
 public:
  virtual ~PieceSource() = default;

  // Returns the next records, or an ended batch. They stay valid until the next
  // call.
  //
  // Errors: as RecordReader::Read().
  virtual absl::StatusOr<RecordBatch> Read() = 0;

  // Records read so far, of all kinds.
  virtual uint64_t records() const = 0;
};

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_DRMEMTRACE_PIECE_SOURCE_H_
