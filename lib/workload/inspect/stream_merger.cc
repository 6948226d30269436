#include "workload/inspect/stream_merger.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "workload/inspect/op_names.h"
#include "workload/next_operations.h"

namespace xmmu {
namespace {

// GuestOptions::quantum_ops where nothing is said.
constexpr uint64_t kTurn = 100'000;  // accesses

// Whether what comes next may be of another task.
bool EndsPiece(GuestOpKind kind) {
  switch (kind) {
    case GuestOpKind::kFork:
    case GuestOpKind::kVfork:
    case GuestOpKind::kExec:
    case GuestOpKind::kClone:
    case GuestOpKind::kWait:
    case GuestOpKind::kYield:
    case GuestOpKind::kExit:
    case GuestOpKind::kPost:
    case GuestOpKind::kAwait:
      return true;
    default:
      return false;
  }
}

}  // namespace

StreamMerger::StreamMerger(Workload& workload) : workload_(workload) {
  auto process = std::make_shared<Process>();
  process->id = workload.first_task();
  // The first task cannot be there twice.
  (void)AddTask(process->id, process);
}

absl::Status StreamMerger::AddTask(TaskId id,
                                   std::shared_ptr<Process> process) {
  const auto [it, inserted] = tasks_.try_emplace(id);
  if (!inserted) {
    return absl::InvalidArgumentError(
        absl::StrCat("task ", id, " is started twice"));
  }
  process->threads.push_back(id);
  it->second.id = id;
  it->second.process = std::move(process);
  it->second.slice_left = kTurn;
  queue_.push_back(id);
  return absl::OkStatus();
}

absl::Status StreamMerger::Refill(Task& task) {
  if (!task.pending.empty()) return absl::OkStatus();
  const auto ops = NextOperations(workload_, task.id);
  if (!ops.ok()) return ops.status();
  task.pending = *ops;
  return absl::OkStatus();
}

absl::StatusOr<StreamPiece> StreamMerger::Next(uint64_t most) {
  if (queue_.empty()) {
    if (tasks_.empty()) return StreamPiece{};
    return Deadlock();
  }
  Task& task = tasks_.at(queue_.front());
  absl::Status status = Refill(task);
  if (!status.ok()) return status;
  size_t count = 0;
  while (count < task.pending.size()) {
    const GuestOpKind kind = task.pending[count++].kind;
    const bool ends =
        kind <= GuestOpKind::kModify ? --task.slice_left == 0 : EndsPiece(kind);
    if (ends || (IsCounted(kind) && --most == 0)) break;
  }
  const StreamPiece piece{task.id, task.pending.first(count)};
  task.pending = task.pending.subspan(count);
  status = Apply(task, piece.ops.back());
  if (!status.ok()) return status;
  return piece;
}

absl::Status StreamMerger::Apply(Task& task, const GuestOp& op) {
  switch (op.kind) {
    case GuestOpKind::kFork:
    case GuestOpKind::kVfork:
    case GuestOpKind::kClone:
      return Start(task, op);
    case GuestOpKind::kExec:
      EndVfork(task);
      break;
    case GuestOpKind::kWait:
      Wait(task, op.child);
      break;
    case GuestOpKind::kYield:
      if (queue_.size() > 1) Preempt(task);
      break;
    case GuestOpKind::kExit:
      Exit(task);
      break;
    case GuestOpKind::kPost:
      ++task.points;
      WakeAwaiting(task.id);
      break;
    case GuestOpKind::kAwait:
      Await(task, op);
      break;
    default:
      if (task.slice_left == 0) Preempt(task);
  }
  return absl::OkStatus();
}

absl::Status StreamMerger::Start(Task& task, const GuestOp& op) {
  if (op.kind == GuestOpKind::kClone) return AddTask(op.child, task.process);
  auto process = std::make_shared<Process>();
  process->id = op.child;
  process->parent = task.process;
  task.process->children.push_back(op.child);
  const TaskId parent = task.id;
  const absl::Status status = AddTask(op.child, std::move(process));
  // `task` may be elsewhere now.
  if (!status.ok() || op.kind == GuestOpKind::kFork) return status;
  tasks_.at(op.child).vfork_parent = parent;
  queue_.pop_front();
  return status;
}

void StreamMerger::Preempt(Task& task) {
  task.slice_left = kTurn;
  queue_.pop_front();
  queue_.push_back(task.id);
}

void StreamMerger::Wait(Task& task, TaskId id) {
  Process& process = *task.process;
  std::vector<TaskId>& zombies = process.zombies;
  const auto gone =
      id == 0 ? zombies.begin() : std::find(zombies.begin(), zombies.end(), id);
  if (gone != zombies.end()) {
    zombies.erase(gone);
    return;
  }
  const auto has = [id](const std::vector<TaskId>& tasks) {
    return std::find(tasks.begin(), tasks.end(), id) != tasks.end();
  };
  const bool lives = id == 0 ? !process.children.empty()
                             : has(process.children) ||
                                   (id != task.id && has(process.threads));
  if (!lives) return;
  task.waiting = true;
  task.waits_for = id;
  queue_.pop_front();
}

void StreamMerger::Wake(TaskId id) {
  Task& task = tasks_.at(id);
  task.waiting = false;
  task.slice_left = kTurn;
  queue_.push_back(id);
}

void StreamMerger::EndVfork(Task& task) {
  const TaskId parent = std::exchange(task.vfork_parent, 0);
  if (parent != 0 && tasks_.contains(parent)) Wake(parent);
}

void StreamMerger::Exit(Task& task) {
  EndVfork(task);
  queue_.pop_front();
  const TaskId id = task.id;
  const std::shared_ptr<Process> process = task.process;
  tasks_.erase(id);  // `task` is gone
  std::vector<TaskId>& threads = process->threads;
  threads.erase(std::find(threads.begin(), threads.end(), id));
  for (const TaskId other : threads) {
    const Task& waiter = tasks_.at(other);
    if (waiter.waiting && waiter.waits_for == id) Wake(other);
  }
  if (threads.empty()) WakeParent(*process);
  gone_.insert(id);
  WakeAwaiting(id);
}

void StreamMerger::Await(Task& task, const GuestOp& op) {
  if (HasPassed(op.child, op.length)) return;
  awaiting_.push_back({task.id, op.child, op.length});
  queue_.pop_front();
}

bool StreamMerger::HasPassed(TaskId id, uint64_t points) const {
  if (points == 0 || gone_.contains(id)) return true;
  const auto it = tasks_.find(id);
  return it != tasks_.end() && it->second.points >= points;
}

void StreamMerger::WakeAwaiting(TaskId id) {
  const auto goes_on = [&](const Awaiting& waiter) {
    return waiter.of == id && HasPassed(id, waiter.points);
  };
  for (const Awaiting& waiter : awaiting_) {
    if (goes_on(waiter)) Wake(waiter.task);
  }
  std::erase_if(awaiting_, goes_on);
}

absl::Status StreamMerger::Deadlock() const {
  if (awaiting_.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("task ", tasks_.begin()->first,
                     " waits for something that never happens"));
  }
  const Awaiting& first = awaiting_.front();
  return absl::InvalidArgumentError(absl::StrCat(
      "a trace whose tasks wait for one another: task ", first.task,
      " awaits point ", first.points, " of task ", first.of));
}

void StreamMerger::WakeParent(const Process& process) {
  const std::shared_ptr<Process> parent = process.parent.lock();
  if (parent == nullptr) return;
  std::vector<TaskId>& children = parent->children;
  children.erase(std::find(children.begin(), children.end(), process.id));
  bool taken = false;
  for (const TaskId other : parent->threads) {
    const Task& waiter = tasks_.at(other);
    if (!waiter.waiting) continue;
    const bool any = waiter.waits_for == 0;
    if (!any && waiter.waits_for != process.id) continue;
    if (taken && any && !children.empty()) continue;
    taken = true;
    Wake(other);
  }
  if (!taken) parent->zombies.push_back(process.id);
}

std::vector<TaskId> StreamMerger::LiveTasks() const {
  std::vector<TaskId> ids;
  for (const auto& [id, task] : tasks_) ids.push_back(id);
  return ids;
}

std::optional<GuestOp> StreamMerger::BlockedIn(TaskId id) const {
  const Task& task = tasks_.at(id);
  if (task.waiting) {
    return GuestOp{.kind = GuestOpKind::kWait, .child = task.waits_for};
  }
  for (const Awaiting& waiter : awaiting_) {
    if (waiter.task != id) continue;
    return GuestOp{.kind = GuestOpKind::kAwait,
                   .length = waiter.points,
                   .child = waiter.of};
  }
  return std::nullopt;
}

const std::vector<TaskId>& StreamMerger::ZombiesOf(TaskId task) const {
  return tasks_.at(task).process->zombies;
}

}  // namespace xmmu
