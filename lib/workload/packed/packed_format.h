#ifndef XMMU_LIB_WORKLOAD_PACKED_PACKED_FORMAT_H_
#define XMMU_LIB_WORKLOAD_PACKED_PACKED_FORMAT_H_

// The row of the packed trace in the table of formats.

#include "workload/trace_format.h"

namespace xmmu {

bool IsPackedTrace(const TraceSample& sample);

// Errors: as OpenTrace(), and for more than one file.
absl::StatusOr<std::unique_ptr<Trace>> OpenPackedTrace(
    std::vector<std::string> files, const TraceOptions& options);

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_PACKED_PACKED_FORMAT_H_
