#ifndef XMMU_LIB_WORKLOAD_INSPECT_TRACE_SUMMARY_H_
#define XMMU_LIB_WORKLOAD_INSPECT_TRACE_SUMMARY_H_

// What is in a trace: its tasks, its operations by kind, the pages that it
// touches, and what it maps.
//
// A page is one of an address space: two processes that touch the same page of
// a file, or a forked child what its parent has touched, count it twice.
//
// It keeps the set of pages of each live address space (page_set.h), a few
// bytes for each task and each file, and nothing for an operation.
// Single-threaded.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "workload/inspect/page_set.h"
#include "workload/inspect/stream_merger.h"
#include "workload/inspect/task_states.h"
#include "xmmu/workload/workload.h"

namespace xmmu {

// Kinds of operations.
inline constexpr size_t kOpKinds = static_cast<size_t>(GuestOpKind::kAwait) + 1;

struct KindSummary {
  uint64_t operations = 0;
  uint64_t bytes = 0;  // of accesses, copies and ranges
};

struct BackingSummary {
  uint64_t mappings = 0;  // operations that made one
  uint64_t bytes = 0;     // that these mapped, all together
  // Of all live address spaces together, when most was mapped.
  uint64_t bytes_at_peak = 0;
};

struct TaskSummary {
  TaskId id = 0;
  TaskId parent = 0;   // the task that started it; of the first one 0
  TaskId process = 0;  // the task that its process began with
  uint64_t operations = 0;
  uint64_t execs = 0;
  uint64_t pages = 0;  // of 4 KiB, that it was the first to touch
};

class TraceSummary {
 public:
  explicit TraceSummary(TaskId first_task);

  void Add(const StreamPiece& piece);

  const KindSummary& of(GuestOpKind kind) const {
    return kinds_[static_cast<size_t>(kind)];
  }
  const BackingSummary& of(Backing backing) const {
    return backings_[static_cast<size_t>(backing)];
  }
  // Operations of all kinds but kPost and kAwait, which are not counted.
  uint64_t operations() const;
  // System calls: the operations of one are joined by kCallGoesOn.
  uint64_t system_calls() const { return calls_; }
  // In the order in which they began.
  std::span<const TaskSummary> tasks() const { return tasks_; }
  // Tasks with a process of their own.
  uint64_t processes() const;
  // Of all address spaces together.
  const PageCounts& pages() const { return pages_; }
  uint64_t address_spaces() const { return states_.spaces_begun(); }
  uint64_t peak_mapped_bytes() const { return peak_; }
  // Files and objects that were mapped or opened.
  uint64_t files() const { return files_.size(); }

 private:
  using Touch = PageSet::Touch;
  // Pages that were touched last, by what they are of: most accesses are to one
  // of them.
  static constexpr size_t kRecent = 1024;
  struct Recent {
    uint64_t page_and_touch = 0;
    uint64_t space_from_1 = 0;
    bool operator==(const Recent&) const = default;
  };

  void AddAccess(TaskSummary& task, uint64_t space, const GuestOp& op,
                 Touch touch);
  void AddCall(TaskSummary& task, const GuestOp& op);
  void Start(TaskSummary& parent, const GuestOp& op);
  void NotePeak();

  std::array<KindSummary, kOpKinds> kinds_;
  std::array<BackingSummary, kBackingKinds> backings_;
  std::vector<TaskSummary> tasks_;
  absl::btree_map<TaskId, size_t> index_;  // in tasks_
  TaskStates states_;
  PageCounts pages_;
  // By address space.
  absl::flat_hash_map<uint64_t, std::unique_ptr<PageSet>> sets_;
  std::array<Recent, kRecent> recent_{};
  absl::flat_hash_set<uint32_t> files_;
  uint64_t peak_ = 0;
  uint64_t calls_ = 0;
};

// Reads all of `workload` into `summary`.
// Errors: those of StreamMerger::Next().
absl::Status Summarize(Workload& workload, TraceSummary& summary);

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_INSPECT_TRACE_SUMMARY_H_
