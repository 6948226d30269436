#include "sim/stoppable_workload.h"

#include <algorithm>

#include "absl/status/status.h"

namespace xmmu {

absl::StatusOr<std::span<const GuestOp>> StoppableWorkload::Next(TaskId task) {
  if (stop_.stop_requested()) return absl::CancelledError("stopped");
  std::span<const GuestOp> ops;
  const auto rest = rest_.find(task);
  if (rest != rest_.end()) {
    ops = rest->second;
    rest_.erase(rest);
  } else {
    const absl::StatusOr<std::span<const GuestOp>> next = workload_.Next(task);
    if (!next.ok()) return next.status();
    ops = *next;
  }
  if (ops.size() <= kMostPiece) return ops;
  rest_[task] = ops.subspan(kMostPiece);
  return ops.first(kMostPiece);
}

}  // namespace xmmu
