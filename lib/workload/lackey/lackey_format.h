#ifndef XMMU_LIB_WORKLOAD_LACKEY_LACKEY_FORMAT_H_
#define XMMU_LIB_WORKLOAD_LACKEY_LACKEY_FORMAT_H_

// The row of Lackey's logs in the table of formats.

#include "workload/trace_format.h"

namespace xmmu {

// Whether the file is a log of Valgrind's: also of another tool or without a
// head, which OpenLackeyTrace() refuses in words.
bool IsLackeyLog(const TraceSample& sample);

absl::StatusOr<std::unique_ptr<Trace>> OpenLackeyLogs(
    std::vector<std::string> files, const TraceOptions& options);

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_LACKEY_LACKEY_FORMAT_H_
