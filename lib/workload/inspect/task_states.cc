#include "workload/inspect/task_states.h"

namespace xmmu {

TaskStates::TaskStates(TaskId first_task) : first_task_(first_task) {
  TaskState& task = Add(first_task, 0, first_task);
  task.space = NewSpace(nullptr);
  task.open = std::make_shared<OpenStates>();
}

TaskState& TaskStates::Add(TaskId id, TaskId parent, TaskId process) {
  TaskState& task = tasks_[id];
  task.id = id;
  task.parent = parent;
  task.process = process;
  order_.push_back(id);
  return task;
}

std::shared_ptr<SpaceState> TaskStates::NewSpace(const Mappings* from) {
  auto space = std::make_shared<SpaceState>();
  space->id = spaces_++;
  if (from != nullptr) {
    space->mappings = *from;
    space->mappings.Fork();
    Count(space->mappings, /*add=*/true);
  }
  return space;
}

void TaskStates::Count(const Mappings& mappings, bool add) {
  for (size_t i = 0; i < kBackingKinds; ++i) {
    const uint64_t bytes = mappings.bytes(static_cast<Backing>(i));
    mapped_[i] = add ? mapped_[i] + bytes : mapped_[i] - bytes;
  }
}

uint64_t TaskStates::mapped_bytes() const {
  uint64_t sum = 0;
  for (const uint64_t bytes : mapped_) sum += bytes;
  return sum;
}

void TaskStates::Apply(TaskId id, const GuestOp& op) {
  if (op.kind <= GuestOpKind::kModify) return;
  TaskState& task = tasks_.at(id);
  switch (op.kind) {
    case GuestOpKind::kFork:
    case GuestOpKind::kVfork:
    case GuestOpKind::kClone:
      Start(task, op);
      break;
    case GuestOpKind::kExec:
      Exec(task, op);
      break;
    case GuestOpKind::kExit:
      Exit(task);
      break;
    case GuestOpKind::kPost:
      ++task.points;
      break;
    case GuestOpKind::kOpenFile: {
      OpenState& file = (*task.open)[op.file];
      ++file.times;
      file.zero_filled = (op.flags & kMapZeroFilled) != 0;
      break;
    }
    case GuestOpKind::kCloseFile: {
      const auto file = task.open->find(op.file);
      if (file != task.open->end() && --file->second.times == 0) {
        task.open->erase(file);
      }
      break;
    }
    default:
      ApplyToSpace(*task.space, op);
  }
}

void TaskStates::ApplyToSpace(SpaceState& space, const GuestOp& op) {
  if (op.kind < GuestOpKind::kMap || op.kind > GuestOpKind::kAdvise) return;
  Count(space.mappings, /*add=*/false);
  space.mappings.Apply(op, ++objects_);
  Count(space.mappings, /*add=*/true);
}

void TaskStates::Start(TaskState& parent, const GuestOp& op) {
  const bool thread = op.kind == GuestOpKind::kClone;
  const std::shared_ptr<SpaceState> space =
      op.kind == GuestOpKind::kFork ? NewSpace(&parent.space->mappings)
                                    : parent.space;
  const std::shared_ptr<OpenStates> open =
      thread ? parent.open : std::make_shared<OpenStates>(*parent.open);
  TaskState& child =
      Add(op.child, parent.id, thread ? parent.process : op.child);
  child.vfork = op.kind == GuestOpKind::kVfork;
  child.space = space;
  child.open = open;
}

void TaskStates::LeaveSpace(TaskState& task) {
  if (task.space.use_count() == 1) Count(task.space->mappings, /*add=*/false);
  task.space.reset();
}

void TaskStates::Exec(TaskState& task, const GuestOp& op) {
  LeaveSpace(task);
  task.vfork = false;
  task.space = NewSpace(nullptr);
  task.space->mappings.MapArguments(op);
  Count(task.space->mappings, /*add=*/true);
  task.open = std::make_shared<OpenStates>(*task.open);  // unshare_files
}

void TaskStates::Exit(TaskState& task) {
  LeaveSpace(task);
  task.open.reset();
  task.vfork = false;
  task.ended = true;
}

}  // namespace xmmu
