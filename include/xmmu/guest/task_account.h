#ifndef XMMU_GUEST_TASK_ACCOUNT_H_
#define XMMU_GUEST_TASK_ACCOUNT_H_

// What each task of a guest has taken of the CPUs that it ran on, as Linux keeps
// it in task_struct (utime, stime; account_user_time, account_system_time): a
// CPU's clock and counters are read when a task's turn begins and when it ends,
// and what lies between is the task's. Reading charges nothing.
//
// A task's are: its accesses and system calls, its faults, the switch to it, the
// first address space of a first task, and what the hypervisor does on that CPU
// meanwhile, for whomever. No task's are: interrupts by which other CPUs flush
// this one, which come between two turns there; the policy's own timer; calls
// of a toolstack; a CPU's change from one domain to another.
//
// Plain values; any thread.

#include <cstdint>
#include <vector>

#include "xmmu/base/counters.h"
#include "xmmu/base/cycles.h"
#include "xmmu/workload/workload.h"
#include "xmmu/xen/host.h"

namespace xmmu {

// What one CPU was charged, and what was counted there.
struct CpuWork {
  Cycles cycles;  // serialised, as CycleClock::busy()
  Cycles hidden;  // of these
  CostTally tally{};
  std::vector<uint64_t> own_tally;  // by OwnEventId
  Counters counters;

  // Adds what was charged and counted from `earlier` to `later`, two readings
  // of one CPU.
  void AddSince(const CpuWork& earlier, const CpuWork& later);
};

// Returns everything charged and counted on CPU `cpu` of `host` so far.
CpuWork WorkOf(const Host& host, const Cpu& cpu);

// A task by its TaskId, and its process by that of its first thread.
struct TaskName {
  TaskId process = 0;
  TaskId task = 0;
};

struct TaskAccount {
  TaskName name;
  // Operations of the workload that it has executed, kPost and kAwait not
  // counted.
  uint64_t operations = 0;
  CpuWork work;
};

}  // namespace xmmu

#endif  // XMMU_GUEST_TASK_ACCOUNT_H_
