#ifndef XMMU_LIB_WORKLOAD_QEMU_TASK_IDS_H_
#define XMMU_LIB_WORKLOAD_QEMU_TASK_IDS_H_

#include <cstdint>

#include "absl/container/flat_hash_set.h"
#include "workload/process/system_call.h"
#include "xmmu/workload/workload.h"

namespace xmmu {

// Gives out the tasks of a recording's processes and threads: their recorded id,
// or, where an id was used again, numbers from 2^22 on, which no process has.
// Single-threaded.
class TaskIds {
 public:
  TaskId Take(uint64_t recorded) {
    const auto task = static_cast<TaskId>(recorded);
    return used_.insert(task).second ? task : next_++;
  }

 private:
  absl::flat_hash_set<TaskId> used_;
  TaskId next_ = kProcessIdEnd;
};

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_QEMU_TASK_IDS_H_
