#include "workload/next_operations.h"

#include "absl/strings/str_cat.h"

namespace xmmu {

absl::StatusOr<std::span<const GuestOp>> NextOperations(Workload& workload,
                                                        TaskId task) {
  absl::StatusOr<std::span<const GuestOp>> ops = workload.Next(task);
  if (!ops.ok() || !ops->empty()) return ops;
  return absl::InvalidArgumentError(
      absl::StrCat("the workload has no next operation of task ", task,
                   ": want one at least, and kExit for the last"));
}

}  // namespace xmmu
