#ifndef XMMU_LIB_GUEST_TASK_ACCOUNTS_H_
#define XMMU_LIB_GUEST_TASK_ACCOUNTS_H_

#include <cstdint>
#include <vector>

#include "absl/container/btree_map.h"
#include "xmmu/guest/task_account.h"

namespace xmmu {

// The accounts of a guest's tasks, dead ones included. One CPU is under
// observation at a time: the one whose turn it is.
class TaskAccounts {
 public:
  // The host outlives this.
  explicit TaskAccounts(const Host& host) : host_(host) {}

  // What happens on `cpu` from now on is some task's.
  void Begin(const Cpu& cpu) { mark_ = WorkOf(host_, cpu); }
  // What has happened there since Begin(), or since the last call, was a task's
  // own, which executed `operations` operations. REQUIRES: `cpu` is that of
  // Begin().
  void Add(const TaskName& name, const Cpu& cpu, uint64_t operations);

  // Returns the accounts in the order of the tasks, and begins anew.
  std::vector<TaskAccount> Take();

 private:
  const Host& host_;
  CpuWork mark_;
  absl::btree_map<TaskId, TaskAccount> accounts_;
};

}  // namespace xmmu

#endif  // XMMU_LIB_GUEST_TASK_ACCOUNTS_H_
