#ifndef XMMU_LIB_WORKLOAD_CHAMPSIM_CHAMPSIM_FORMAT_H_
#define XMMU_LIB_WORKLOAD_CHAMPSIM_CHAMPSIM_FORMAT_H_

// The row of ChampSim's traces in the table of formats. lib/workload/README.md
// says what they have and what is made up.

#include "workload/trace_format.h"

namespace xmmu {

// Whether the file has nothing but records of ChampSim. As the format has no
// magic number, its row is the last.
bool IsChampsim(const TraceSample& sample);

// Opens files, each of which is a program of its own.
//
// Errors: InvalidArgument, `FILE:OFFSET: what`, for what cannot be read.
absl::StatusOr<std::unique_ptr<Trace>> OpenChampsim(
    std::vector<std::string> files, const TraceOptions& options);

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_CHAMPSIM_CHAMPSIM_FORMAT_H_
