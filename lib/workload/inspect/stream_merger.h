#ifndef XMMU_LIB_WORKLOAD_INSPECT_STREAM_MERGER_H_
#define XMMU_LIB_WORKLOAD_INSPECT_STREAM_MERGER_H_

// Reads all streams of a workload as one, in an order in which they can have
// run: that in which the guest kernel's scheduler runs them on one vCPU with
// turns of 100,000 accesses (GuestOptions::quantum_ops), if each access takes
// no time. So a task's operations follow the fork that brings it to life, a
// wait is followed by what comes after the child's exit, and the number of an
// operation is the same for whoever reads the trace.
//
// It keeps a little of each live task. Single-threaded.

#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "xmmu/workload/workload.h"

namespace xmmu {

// Some operations of one task, one behind the other in its stream.
struct StreamPiece {
  TaskId task = 0;
  // Empty at the end of the workload. An operation that lets others run (a
  // fork, a wait, an exit) is the last of its piece.
  std::span<const GuestOp> ops;
};

class StreamMerger {
 public:
  // `workload` outlives the merger, and nobody else reads it.
  explicit StreamMerger(Workload& workload);

  // Returns the next piece; its operations stay valid until the next call. At
  // most `most` of them, at least 1, are counted ones (IsCounted()).
  //
  // Errors: those of Workload::Next(); InvalidArgument for a task that is
  // started twice and for tasks that wait for something that never happens.
  absl::StatusOr<StreamPiece> Next(
      uint64_t most = std::numeric_limits<uint64_t>::max());

  // Tasks that live behind all pieces so far, by number.
  std::vector<TaskId> LiveTasks() const;
  // The kWait or kAwait that a live task is in, behind all pieces so far.
  std::optional<GuestOp> BlockedIn(TaskId task) const;
  // Children of the process of a live task that have ended and that nobody has
  // waited for, in the order in which they ended.
  const std::vector<TaskId>& ZombiesOf(TaskId task) const;

 private:
  struct Process;
  struct Task {
    TaskId id = 0;
    std::shared_ptr<Process> process;
    std::span<const GuestOp> pending;
    uint64_t slice_left = 0;  // accesses
    bool waiting = false;     // in a kWait
    TaskId waits_for = 0;     // 0: any child
    uint64_t points = 0;      // passed (kPost)
    TaskId vfork_parent = 0;  // waits until this task execs or exits
  };
  // As in the guest kernel's scheduler (lib/guest/scheduler.h).
  struct Process {
    TaskId id = 0;
    std::vector<TaskId> threads;
    std::weak_ptr<Process> parent;
    std::vector<TaskId> children;
    std::vector<TaskId> zombies;
  };

  absl::Status AddTask(TaskId id, std::shared_ptr<Process> process);
  // Makes sure that the task has operations that are not in a piece yet.
  absl::Status Refill(Task& task);
  // Does what `op`, the last of a piece of the running task, does to the order.
  absl::Status Apply(Task& task, const GuestOp& op);
  absl::Status Start(Task& task, const GuestOp& op);
  void Wait(Task& task, TaskId id);
  void Await(Task& task, const GuestOp& op);
  bool HasPassed(TaskId id, uint64_t points) const;
  // Wakes who awaits what task `id` has come to.
  void WakeAwaiting(TaskId id);
  // The error of tasks that are left and can never go on.
  absl::Status Deadlock() const;
  void Exit(Task& task);
  void EndVfork(Task& task);
  void Preempt(Task& task);
  void Wake(TaskId id);
  // Wakes who waits in a kWait for the process, of which the last thread ended.
  void WakeParent(const Process& process);

  Workload& workload_;
  absl::btree_map<TaskId, Task> tasks_;
  std::deque<TaskId> queue_;  // runnable; the first one runs
  absl::flat_hash_set<TaskId> gone_;
  struct Awaiting {
    TaskId task;
    TaskId of;
    uint64_t points;
  };
  std::vector<Awaiting> awaiting_;  // in the order in which they blocked
};

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_INSPECT_STREAM_MERGER_H_
