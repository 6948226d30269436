#ifndef XMMU_LIB_WORKLOAD_PACKED_READ_AHEAD_H_
#define XMMU_LIB_WORKLOAD_PACKED_READ_AHEAD_H_

// A packed trace that is decoded ahead of whoever reads it, by a thread of its
// own.

#include <memory>

#include "xmmu/workload/packed_trace.h"

namespace xmmu {

// Returns a reader that gives what `reader` would, operation for operation and
// error for error, by the same pieces. The thread begins with a task that is
// read for long, and decodes the task that was asked for last; for other tasks,
// and where it is not ahead, Next() decodes as `reader` does. At most
// 256 pieces are kept in all, whatever the number of tasks: 7 MiB.
std::unique_ptr<PackedTraceReader> ReadAhead(
    std::unique_ptr<PackedTraceReader> reader);

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_PACKED_READ_AHEAD_H_
