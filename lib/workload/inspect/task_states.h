#ifndef XMMU_LIB_WORKLOAD_INSPECT_TASK_STATES_H_
#define XMMU_LIB_WORKLOAD_INSPECT_TASK_STATES_H_

// What a trace has come to at some point of it: which tasks live, what each has
// mapped and holds open. It follows the operations and runs no kernel, so it
// knows nothing of pages.
//
// Single-threaded.

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/container/btree_map.h"
#include "workload/inspect/mappings.h"
#include "xmmu/workload/workload.h"

namespace xmmu {

// An address space. Threads share one, and so do a vfork's parent and child.
struct SpaceState {
  uint64_t id = 0;  // 0, 1, ... in the order in which they began
  Mappings mappings;
};

// A file or object that is held open.
struct OpenState {
  uint32_t times = 0;
  bool zero_filled = false;
};
using OpenStates = absl::btree_map<uint32_t, OpenState>;

struct TaskState {
  TaskId id = 0;
  TaskId parent = 0;   // the task that started it; 0: the first task
  TaskId process = 0;  // the task that its process began with
  bool vfork = false;  // its parent waits for its exec or exit
  bool ended = false;
  uint64_t points = 0;                // passed (kPost)
  std::shared_ptr<SpaceState> space;  // null once the task has ended
  std::shared_ptr<OpenStates> open;   // null once the task has ended
};

class TaskStates {
 public:
  explicit TaskStates(TaskId first_task);

  // Follows one operation. REQUIRES: `task` lives; no task starts twice.
  void Apply(TaskId task, const GuestOp& op);

  // All tasks, those that have ended, too, by number.
  const absl::btree_map<TaskId, TaskState>& tasks() const { return tasks_; }
  const TaskState& Of(TaskId task) const { return tasks_.at(task); }
  TaskId first_task() const { return first_task_; }
  // In the order in which they began.
  const std::vector<TaskId>& order() const { return order_; }

  // Bytes that are mapped in all live address spaces together.
  uint64_t mapped_bytes(Backing backing) const {
    return mapped_[static_cast<size_t>(backing)];
  }
  uint64_t mapped_bytes() const;
  uint64_t spaces_begun() const { return spaces_; }

 private:
  TaskState& Add(TaskId id, TaskId parent, TaskId process);
  void Start(TaskState& parent, const GuestOp& op);
  void Exec(TaskState& task, const GuestOp& op);
  void Exit(TaskState& task);
  void ApplyToSpace(SpaceState& space, const GuestOp& op);
  std::shared_ptr<SpaceState> NewSpace(const Mappings* from);
  // Takes a task from its address space, which ends with the last one.
  void LeaveSpace(TaskState& task);
  void Count(const Mappings& mappings, bool add);

  TaskId first_task_;
  absl::btree_map<TaskId, TaskState> tasks_;
  std::vector<TaskId> order_;
  std::array<uint64_t, kBackingKinds> mapped_{};
  uint64_t spaces_ = 0;
  uint64_t objects_ = 0;
};

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_INSPECT_TASK_STATES_H_
