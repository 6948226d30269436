#ifndef XMMU_TESTS_WORKLOAD_INSPECT_NAIVE_REPLAY_H_
#define XMMU_TESTS_WORKLOAD_INSPECT_NAIVE_REPLAY_H_

// A second model of what operations do to tasks and mappings: a map of pages
// for each address space, and tasks that take turns of one operation. It says
// which accesses find their page mapped with the right to it.

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "workload/inspect/ops_workload.h"
#include "xmmu/workload/workload.h"

namespace xmmu {

class NaiveReplay {
 public:
  explicit NaiveReplay(const TaskOps& ops, TaskId first) : ops_(ops) {
    Begin(first, first, 0);
    tasks_[first].pages = std::make_shared<Pages>();
    tasks_[first].open = std::make_shared<Open>();
  }

  // Runs all tasks to their ends, or until none can go on.
  void Run() {
    for (bool moved = true; moved;) {
      moved = false;
      for (const TaskId id : std::vector<TaskId>(order_)) {
        if (tasks_[id].ended || !MayGoOn(id)) continue;
        Step(id);
        moved = true;
      }
    }
  }

  uint64_t good() const { return good_; }
  // The first accesses that were refused, in words.
  const std::vector<std::string>& bad() const { return bad_; }
  // Whether every task that was begun has ended.
  bool AllEnded() const {
    for (const auto& [id, task] : tasks_) {
      if (!task.ended) return false;
    }
    return tasks_.size() == ops_.size();
  }

 private:
  using Pages = std::map<uint64_t, uint8_t>;  // rights
  using Open = std::map<uint32_t, int>;
  struct Task {
    TaskId process = 0;
    TaskId parent = 0;
    size_t next = 0;
    std::shared_ptr<Pages> pages;
    std::shared_ptr<Open> open;
    uint64_t points = 0;
    bool ended = false;
    bool reaped = false;
    TaskId vforked = 0;  // waits for its exec or exit
    bool execed = false;
  };

  void Begin(TaskId id, TaskId process, TaskId parent) {
    order_.push_back(id);
    tasks_[id].process = process;
    tasks_[id].parent = parent;
  }

  bool HasEnded(TaskId process) const {
    for (const auto& [id, task] : tasks_) {
      if (task.process == process && !task.ended) return false;
    }
    return true;
  }

  // Children of the process of `id` that were not waited for.
  std::vector<TaskId> Children(TaskId id) const {
    std::vector<TaskId> children;
    for (const auto& [child, task] : tasks_) {
      if (task.process == child && task.parent != 0 && !task.reaped &&
          tasks_.at(task.parent).process == tasks_.at(id).process) {
        children.push_back(child);
      }
    }
    return children;
  }

  bool MayGoOn(TaskId id) {
    Task& task = tasks_[id];
    if (task.vforked != 0) {
      const Task& child = tasks_[task.vforked];
      if (!child.execed && !child.ended) return false;
      task.vforked = 0;
    }
    const GuestOp& op = ops_.at(id).at(task.next);
    if (op.kind == GuestOpKind::kAwait) {
      const auto other = tasks_.find(op.child);
      return other != tasks_.end() &&
             (other->second.ended || other->second.points >= op.length);
    }
    if (op.kind != GuestOpKind::kWait) return true;
    bool any = false;
    for (const TaskId child : Children(id)) {
      if (op.child != 0 && op.child != child) continue;
      any = true;
      if (HasEnded(child)) return true;
    }
    const auto thread = tasks_.find(op.child);
    if (thread != tasks_.end() && thread->second.process == task.process) {
      return thread->second.ended;
    }
    return !any;
  }

  void Step(TaskId id) {
    const GuestOp op = ops_.at(id).at(tasks_[id].next++);
    Task& task = tasks_[id];
    switch (op.kind) {
      case GuestOpKind::kFork:
      case GuestOpKind::kVfork:
      case GuestOpKind::kClone:
        Start(id, op);
        break;
      case GuestOpKind::kExec:
        task.pages = std::make_shared<Pages>();
        task.open = std::make_shared<Open>(*task.open);
        task.execed = true;
        break;
      case GuestOpKind::kExit:
        EXPECT_EQ(task.next, ops_.at(id).size()) << "task " << id;
        task.ended = true;
        break;
      case GuestOpKind::kWait:
        for (const TaskId child : Children(id)) {
          if ((op.child != 0 && op.child != child) || !HasEnded(child)) {
            continue;
          }
          tasks_[child].reaped = true;
          break;
        }
        break;
      case GuestOpKind::kPost:
        ++task.points;
        break;
      case GuestOpKind::kOpenFile:
        ++(*task.open)[op.file];
        break;
      case GuestOpKind::kCloseFile:
        if (--(*task.open)[op.file] < 0) Refuse(id, op, op.file);
        break;
      default:
        TouchOrChange(id, op);
    }
  }

  void Start(TaskId id, const GuestOp& op) {
    const bool thread = op.kind == GuestOpKind::kClone;
    Begin(op.child, thread ? tasks_[id].process : op.child, id);
    Task& parent = tasks_[id];
    Task& child = tasks_[op.child];
    child.pages = op.kind == GuestOpKind::kFork
                      ? std::make_shared<Pages>(*parent.pages)
                      : parent.pages;
    child.open = thread ? parent.open : std::make_shared<Open>(*parent.open);
    if (op.kind == GuestOpKind::kVfork) parent.vforked = op.child;
  }

  void TouchOrChange(TaskId id, const GuestOp& op) {
    Pages& pages = *tasks_[id].pages;
    const uint64_t first = op.va.value() >> kPageShift;
    const uint64_t end =
        (op.va.value() + op.length + kPageSize - 1) >> kPageShift;
    if (op.kind == GuestOpKind::kRemap) {
      Remap(pages, op);
      return;
    }
    for (uint64_t page = first; page < end; ++page) {
      const auto found = pages.find(page);
      if (op.kind == GuestOpKind::kMap) {
        pages[page] = op.rights;
      } else if (op.kind == GuestOpKind::kUnmap) {
        pages.erase(page);
      } else if (op.kind == GuestOpKind::kProtect) {
        if (found != pages.end()) found->second = op.rights;
      } else if (const uint8_t right = RightFor(op.kind); right != 0) {
        const bool good =
            found != pages.end() && (found->second & right) == right;
        if (!good) Refuse(id, op, page << kPageShift);
        good_ += good ? 1 : 0;
      }
    }
  }

  static void Remap(Pages& pages, const GuestOp& op) {
    Pages moved;
    const uint64_t from = op.va.value() >> kPageShift;
    const uint64_t to = op.target.value() >> kPageShift;
    for (uint64_t i = 0; i << kPageShift < op.new_length; ++i) {
      moved[to + i] = pages.at(from);
    }
    for (uint64_t i = 0; i << kPageShift < op.length; ++i) {
      pages.erase(from + i);
    }
    for (const auto& [page, rights] : moved) pages[page] = rights;
  }

  static uint8_t RightFor(GuestOpKind kind) {
    switch (kind) {
      case GuestOpKind::kFetch:
        return kMapExecute;
      case GuestOpKind::kLoad:
      case GuestOpKind::kCopyIn:
        return kMapRead;
      case GuestOpKind::kStore:
      case GuestOpKind::kModify:
      case GuestOpKind::kCopyOut:
        return kMapWrite;
      default:
        return 0;
    }
  }

  void Refuse(TaskId id, const GuestOp& op, uint64_t where) {
    if (bad_.size() >= 5) return;
    bad_.push_back("task " + std::to_string(id) + " kind " +
                   std::to_string(static_cast<int>(op.kind)) + " at " +
                   std::to_string(where));
  }

  const TaskOps& ops_;
  std::map<TaskId, Task> tasks_;
  std::vector<TaskId> order_;
  uint64_t good_ = 0;
  std::vector<std::string> bad_;
};

}  // namespace xmmu

#endif  // XMMU_TESTS_WORKLOAD_INSPECT_NAIVE_REPLAY_H_
