#ifndef XMMU_LIB_WORKLOAD_DRMEMTRACE_DRMEMTRACE_FORMAT_H_
#define XMMU_LIB_WORKLOAD_DRMEMTRACE_DRMEMTRACE_FORMAT_H_

// The row of DynamoRIO's drmemtrace in the table of formats: final traces of
// versions 1 to 7, as directories or files. lib/workload/README.md says what
// they have, what is inferred and how to record them.

#include "workload/trace_format.h"

namespace xmmu {

// Whether the file or directory is of drmemtrace: also a raw one or one of
// another machine, which OpenDrmemtrace() refuses in words.
bool IsDrmemtrace(const TraceSample& sample);

// Opens the trace, and reads all of it if forks are to be found or core-sharded
// files to be regrouped.
//
// Errors: InvalidArgument, `FILE:OFFSET: what`, as in ReadTraceSet().
absl::StatusOr<std::unique_ptr<Trace>> OpenDrmemtrace(
    std::vector<std::string> files, const TraceOptions& options);

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_DRMEMTRACE_DRMEMTRACE_FORMAT_H_
