#include "workload/inspect/cut_setup.h"

#include <algorithm>

namespace xmmu {
namespace {

// No process of Linux has this number or a higher one (PID_MAX_LIMIT,
// include/linux/threads.h).
constexpr TaskId kNoPid = 4 * 1024 * 1024;

GuestOp Starting(GuestOpKind kind, TaskId child) {
  return {.kind = kind, .child = child};
}

GuestOp MapOp(uint64_t start, const Mapping& mapping) {
  GuestOp op = {.kind = GuestOpKind::kMap,
                .rights = mapping.rights,
                .backing = mapping.backing,
                .flags = mapping.flags,
                .page_shift = mapping.page_shift,
                .va = VirtAddr(start),
                .length = mapping.end - start,
                .file = mapping.file,
                .file_offset = mapping.offset};
  if (mapping.lock == PageLock::kLocked) op.flags |= kMapLocked;
  if (mapping.lock == PageLock::kOnFault) op.flags |= kMapLockOnFault;
  return op;
}

bool HasOffset(Backing backing) {
  return backing != Backing::kAnonymous && backing != Backing::kStack;
}

void AddAdvice(const GuestOp& map, Advice advice, std::vector<GuestOp>& ops) {
  ops.push_back({.kind = GuestOpKind::kAdvise,
                 .advice = advice,
                 .va = map.va,
                 .length = map.length});
}

// Opens and closes so that `held` becomes `wanted`.
void AddOpens(const OpenStates& held, const OpenStates& wanted,
              std::vector<GuestOp>& ops) {
  for (const auto& [file, open] : wanted) {
    const auto old = held.find(file);
    for (uint32_t i = old == held.end() ? 0 : old->second.times; i < open.times;
         ++i) {
      ops.push_back(
          {.kind = GuestOpKind::kOpenFile,
           .flags = open.zero_filled ? uint8_t{kMapZeroFilled} : uint8_t{0},
           .file = file});
    }
  }
  for (const auto& [file, open] : held) {
    const auto kept = wanted.find(file);
    for (uint32_t i = kept == wanted.end() ? 0 : kept->second.times;
         i < open.times; ++i) {
      ops.push_back({.kind = GuestOpKind::kCloseFile, .file = file});
    }
  }
}

}  // namespace

CutSetup::CutSetup(const TaskStates& states, const StreamMerger& merger)
    : states_(states), merger_(merger) {
  FindProcesses();
  FindChildren();
  first_task_ = states.first_task();
  const bool root_lives = plans_.contains(first_task_);
  if (root_lives && !orphans_.empty()) {
    orphans_.push_back(first_task_);
    first_task_ = kNoPid;
    while (states.tasks().contains(first_task_)) ++first_task_;
  }
  for (const auto& [id, plan] : plans_) AddProcess(id);
  if (plans_.contains(first_task_)) return;
  for (const TaskId orphan : orphans_) {
    streams_[first_task_].push_back(Starting(GuestOpKind::kFork, orphan));
  }
  streams_[first_task_].push_back({.kind = GuestOpKind::kExit});
}

void CutSetup::FindProcesses() {
  for (const TaskId id : states_.order()) {
    const TaskState& task = states_.Of(id);
    if (task.ended) continue;
    ProcessPlan& plan = plans_[task.process];
    plan.threads.push_back(id);
    if (plan.space_of == 0) plan.space_of = id;
  }
}

void CutSetup::FindChildren() {
  for (const TaskId id : states_.order()) {
    const TaskState& task = states_.Of(id);
    const auto plan = plans_.find(id);
    if (task.process != id || plan == plans_.end()) continue;
    if (task.vfork && !task.ended) {
      plan->second.borrows = true;
      vforked_[task.parent] = id;
      continue;
    }
    if (task.parent == 0) continue;
    const auto parent = plans_.find(states_.Of(task.parent).process);
    std::vector<TaskId>& siblings =
        parent == plans_.end() ? orphans_ : parent->second.children;
    siblings.push_back(id);
  }
  for (auto& [id, plan] : plans_) {
    for (const TaskId zombie : merger_.ZombiesOf(plan.threads.front())) {
      plan.children.push_back(zombie);
      streams_[zombie] = {{.kind = GuestOpKind::kExit}};
    }
    if (plan.borrows) continue;
    Inherit(id);
  }
}

// A process that borrows is reached from the one that it borrows from, which
// may borrow itself.
void CutSetup::Inherit(TaskId process) {
  for (const TaskId thread : plans_.at(process).threads) {
    const auto child = vforked_.find(thread);
    if (child == vforked_.end()) continue;
    ProcessPlan& borrower = plans_.at(child->second);
    borrower.inherited = *states_.Of(thread).open;
    for (const TaskId grandchild : borrower.children) {
      const auto plan = plans_.find(grandchild);
      if (plan == plans_.end()) continue;
      plan->second.needs_exec = true;
      plan->second.inherited = borrower.inherited;
    }
    Inherit(child->second);
  }
}

void CutSetup::AddProcess(TaskId id) {
  const ProcessPlan& plan = plans_.at(id);
  const TaskState& main = states_.Of(plan.space_of);
  std::vector<GuestOp> ops;
  if (plan.needs_exec) ops.push_back({.kind = GuestOpKind::kExec});
  for (const TaskId child : plan.children) {
    ops.push_back(Starting(GuestOpKind::kFork, child));
  }
  if (!plan.borrows) AddMappings(main.space->mappings, ops);
  AddOpens(plan.inherited, *main.open, ops);
  for (const TaskId thread : plan.threads) {
    if (thread == id) continue;
    ops.push_back(Starting(GuestOpKind::kClone, thread));
    AddThread(thread, plan);
  }
  if (states_.Of(id).ended) {
    ops.push_back({.kind = GuestOpKind::kExit});
  } else {
    AddWait(id, ops);
  }
  streams_[id] = std::move(ops);
}

// A thread that has called exec has memory and files of its own.
void CutSetup::AddThread(TaskId id, const ProcessPlan& plan) {
  const TaskState& task = states_.Of(id);
  const TaskState& main = states_.Of(plan.space_of);
  std::vector<GuestOp> ops;
  if (task.space != main.space) {
    ops.push_back({.kind = GuestOpKind::kExec});
    AddMappings(task.space->mappings, ops);
    AddOpens(*main.open, *task.open, ops);
  }
  AddWait(id, ops);
  streams_[id] = std::move(ops);
}

void CutSetup::AddMappings(const Mappings& mappings,
                           std::vector<GuestOp>& ops) {
  for (const auto& [start, mapping] : mappings) {
    GuestOp map = MapOp(start, mapping);
    if (mapping.object != 0) map.file = NumberOf(mapping.object);
    if (!HasOffset(mapping.backing)) map.file_offset = 0;
    ops.push_back(map);
    if (mapping.huge == HugePages::kWanted) {
      AddAdvice(map, Advice::kHugePage, ops);
    } else if (mapping.huge == HugePages::kNotWanted) {
      AddAdvice(map, Advice::kNoHugePage, ops);
    }
    if (mapping.dont_fork) AddAdvice(map, Advice::kDontFork, ops);
    if (mapping.wipe_on_fork) AddAdvice(map, Advice::kWipeOnFork, ops);
  }
}

void CutSetup::AddWait(TaskId id, std::vector<GuestOp>& ops) {
  const auto vforked = vforked_.find(id);
  if (vforked != vforked_.end()) {
    ops.push_back(Starting(GuestOpKind::kVfork, vforked->second));
    return;
  }
  auto wait = merger_.BlockedIn(id);
  if (!wait.has_value()) return;
  if (wait->kind == GuestOpKind::kAwait &&
      states_.tasks().contains(wait->child)) {
    wait->length -= states_.Of(wait->child).points;
  }
  ops.push_back(*wait);
}

uint32_t CutSetup::NumberOf(uint64_t object) {
  const auto [it, inserted] = objects_.try_emplace(object, 0);
  if (!inserted) return it->second;
  while (IsFileKnown(next_object_)) --next_object_;
  it->second = next_object_--;
  return it->second;
}

bool CutSetup::IsFileKnown(uint32_t file) const {
  return std::any_of(
      states_.tasks().begin(), states_.tasks().end(), [&](const auto& entry) {
        const TaskState& task = entry.second;
        if (task.ended) return false;
        const Mappings& mappings = task.space->mappings;
        return task.open->contains(file) ||
               std::any_of(
                   mappings.begin(), mappings.end(),
                   [&](const auto& m) { return m.second.file == file; });
      });
}

}  // namespace xmmu
