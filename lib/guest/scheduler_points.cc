// Keeps the order that a workload asks for between tasks: kPost and kAwait.

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "guest/scheduler.h"

namespace xmmu {

void Scheduler::Post(Task& task, Cycles when) {
  ++task.points;
  WakeAwaiting(task.id, when);
}

// The task leaves its processor as one that is preempted does, since a switch
// is the kernel's work.
void Scheduler::Await(Task& task, const GuestOp& op) {
  if (HasPassed(op.child, op.length)) return;
  Vcpu& vcpu = VcpuOf(task);
  if (!vcpu.context().kernel_mode) {
    vcpu.SwitchMode(ModeSwitch::kInterrupt);
    task.interrupted = true;
  }
  task.point = op.length;
  awaiting_.push_back(&task);
  Block(task, WaitsFor::kPoint, op.child);
}

// A task that is neither alive nor gone may still begin.
bool Scheduler::HasPassed(TaskId id, uint64_t points) const {
  if (points == 0 || gone_.contains(id)) return true;
  const auto it = tasks_.find(id);
  return it != tasks_.end() && it->second->points >= points;
}

void Scheduler::WakeAwaiting(TaskId id, Cycles when) {
  const auto goes_on = [&](const Task* waiter) {
    return waiter->waits_for == id && HasPassed(id, waiter->point);
  };
  for (Task* const waiter : awaiting_) {
    if (goes_on(waiter)) Wake(*waiter, when);
  }
  const auto awake = [](const Task* task) {
    return task->waits == WaitsFor::kNothing;
  };
  awaiting_.erase(std::remove_if(awaiting_.begin(), awaiting_.end(), awake),
                  awaiting_.end());
}

absl::Status Scheduler::Deadlock() const {
  constexpr size_t kNamed = 4;
  if (awaiting_.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("task ", tasks_.begin()->first,
                     " waits for something that never happens"));
  }
  std::string text = "a trace whose tasks wait for one another:";
  for (size_t i = 0; i < std::min(awaiting_.size(), kNamed); ++i) {
    const Task& task = *awaiting_[i];
    const auto awaited = tasks_.find(task.waits_for);
    absl::StrAppend(
        &text, i == 0 ? "" : ";", " task ", task.id, " awaits point ",
        task.point, " of task ", task.waits_for,
        awaited == tasks_.end()
            ? ", which never begins"
            : absl::StrCat(", which has passed ", awaited->second->points));
  }
  if (awaiting_.size() > kNamed) {
    absl::StrAppend(&text, "; and ", awaiting_.size() - kNamed, " more");
  }
  return absl::InvalidArgumentError(text);
}

}  // namespace xmmu
