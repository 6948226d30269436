#ifndef XMMU_LIB_WORKLOAD_LINUX_TEXT_LINUX_TEXT_FORMAT_H_
#define XMMU_LIB_WORKLOAD_LINUX_TEXT_LINUX_TEXT_FORMAT_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "workload/trace_format.h"
#include "xmmu/workload/trace.h"

namespace xmmu {

// Whether the sample begins as what Linux's tracing prints: with ftrace's or
// trace-cmd's head, or with an event.
bool IsLinuxText(const TraceSample& sample);

// Opens a text as a workload of what faulted, and of the calls that changed
// mappings. lib/workload/README.md says what becomes what. Reads it once, to
// find the processes.
//
// Processes that were there before the trace began start empty, as what they
// had is in no event. If there are several, a first task that no event is of
// forks them all and waits for them.
//
// Errors: InvalidArgument for more than one file, for an address limit that is
// none, and as ReadProcessTree().
absl::StatusOr<std::unique_ptr<Trace>> OpenLinuxText(
    std::vector<std::string> files, const TraceOptions& options);

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_LINUX_TEXT_LINUX_TEXT_FORMAT_H_
