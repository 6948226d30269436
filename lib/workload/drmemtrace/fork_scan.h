#ifndef XMMU_LIB_WORKLOAD_DRMEMTRACE_FORK_SCAN_H_
#define XMMU_LIB_WORKLOAD_DRMEMTRACE_FORK_SCAN_H_

#include <cstdint>

#include "absl/status/status.h"
#include "workload/drmemtrace/trace_set.h"

namespace xmmu {

// Whether the call makes a process or a thread, so that its result is an id.
bool MakesTask(uint64_t number);

// Notes the parents of processes that the result of a call names. Each process
// keeps its records apart (DynamoRIO issue 2384), so that this takes a look at
// all of them; it does nothing for one process, or without results.
//
// Errors: as PieceSource::Read().
absl::Status FindForks(TraceSet* set);

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_DRMEMTRACE_FORK_SCAN_H_
