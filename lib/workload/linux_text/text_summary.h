#ifndef XMMU_LIB_WORKLOAD_LINUX_TEXT_TEXT_SUMMARY_H_
#define XMMU_LIB_WORKLOAD_LINUX_TEXT_TEXT_SUMMARY_H_

// What a Linux did while a text was recorded: how much of it the workload has,
// and what its kernel asked of Xen meanwhile. Plain values; any thread.

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "workload/linux_text/process_tree.h"
#include "workload/linux_text/xen_tally.h"

namespace xmmu {

// Events of the tasks that the workload has.
struct ProgramEvents {
  uint64_t faults = 0;  // at addresses of user space
  uint64_t forks = 0;   // of processes
  uint64_t execs = 0;
  uint64_t exits = 0;  // of threads, too
  uint64_t calls = 0;  // system calls that the text has the begin of
};

struct LinuxTextSummary {
  ProcessTree tree;
  ProgramEvents program;
  // What is counted is of the lines from the first one that becomes an operation
  // to the last one of a task of the program's.
  uint64_t first_line = 0;
  uint64_t last_line = 0;
  // As TextEvent::time; the first one is that of the event before, as Xen
  // bounces a fault before Linux's event of it.
  uint64_t first_time = 0;
  uint64_t last_time = 0;
  uint64_t cpus = 0;  // that have events there
  bool has_xen_events = false;
  // Of tasks that the workload has, and of all others: threads of the kernel,
  // programs that were not recorded.
  XenCounts xen;
  XenCounts xen_of_others;
  uint64_t flushes_unlike_queue = 0;  // XenTally
};

// Reads the whole text twice.
//
// Errors: as ReadProcessTree().
absl::StatusOr<LinuxTextSummary> SummarizeLinuxText(const std::string& path);

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_LINUX_TEXT_TEXT_SUMMARY_H_
