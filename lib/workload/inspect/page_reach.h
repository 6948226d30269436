#ifndef XMMU_LIB_WORKLOAD_INSPECT_PAGE_REACH_H_
#define XMMU_LIB_WORKLOAD_INSPECT_PAGE_REACH_H_

// How much of a trace's memory a TLB of so many entries reaches: the misses of
// fully associative LRU TLBs of all sizes at once, with pages of 4 KiB and of
// 2 MiB.
//
// A page is a virtual one of an address space, for as long as that lives: what
// is unmapped and mapped again is the same page, an exec or a fork begins
// others. All address spaces share the TLB, which is never flushed (tagged).
// What the kernel copies counts as data, a touch for each page.
//
// Single-threaded. See reuse_distances.h for what it keeps.

#include <cstdint>

#include "absl/status/status.h"
#include "workload/inspect/reuse_distances.h"
#include "xmmu/workload/workload.h"

namespace xmmu {

// Which accesses count.
enum class ReachOf : uint8_t { kAll, kFetches, kData };

struct ReachOptions {
  ReachOf of = ReachOf::kAll;
  TaskId process = 0;  // the task that the process began with; 0: all processes
};

struct PageReach {
  ReuseDistances small;  // 4 KiB
  ReuseDistances large;  // 2 MiB
};

// Reads all of `workload` into `reach`.
// Errors: those of StreamMerger::Next(); InvalidArgument if no process began
// with the task that is named.
absl::Status MeasureReach(Workload& workload, const ReachOptions& options,
                          PageReach& reach);

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_INSPECT_PAGE_REACH_H_
