#ifndef XMMU_LIB_WORKLOAD_INSPECT_TRACE_SUMMARY_H_
#define XMMU_LIB_WORKLOAD_INSPECT_TRACE_SUMMARY_H_

// What is in a trace: its tasks and its operations by kind.
//
// Single-threaded.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/status/status.h"
#include "workload/inspect/stream_merger.h"
#include "xmmu/workload/workload.h"

namespace xmmu {

// Kinds of operations.
inline constexpr size_t kOpKinds = static_cast<size_t>(GuestOpKind::kAwait) + 1;

struct KindSummary {
  uint64_t operations = 0;
  uint64_t bytes = 0;  // of accesses and copies, and of ranges of mappings
};

struct TaskSummary {
  TaskId id = 0;
  TaskId parent = 0;   // the task that started it; of the first one 0
  TaskId process = 0;  // the task that its process began with
  uint64_t operations = 0;
  uint64_t execs = 0;
  bool ended = false;
};

class TraceSummary {
 public:
  explicit TraceSummary(TaskId first_task);

  void Add(const StreamPiece& piece);

  const KindSummary& of(GuestOpKind kind) const {
    return kinds_[static_cast<size_t>(kind)];
  }
  // Operations of all kinds but kPost and kAwait, which are not counted.
  uint64_t operations() const;
  // In the order in which they began.
  std::span<const TaskSummary> tasks() const { return tasks_; }
  // Tasks with a process of their own.
  uint64_t processes() const;

 private:
  void AddCall(size_t task, const GuestOp& op);
  void Start(size_t parent, TaskId id, bool thread);

  std::array<KindSummary, kOpKinds> kinds_;
  std::vector<TaskSummary> tasks_;
  absl::btree_map<TaskId, size_t> index_;  // in tasks_
};

// Reads all of `workload` into `summary`.
// Errors: those of StreamMerger::Next().
absl::Status Summarize(Workload& workload, TraceSummary& summary);

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_INSPECT_TRACE_SUMMARY_H_
