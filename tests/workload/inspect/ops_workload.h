#ifndef XMMU_TESTS_WORKLOAD_INSPECT_OPS_WORKLOAD_H_
#define XMMU_TESTS_WORKLOAD_INSPECT_OPS_WORKLOAD_H_

// A workload that is written down: the operations of each task. It checks that
// it is read as a workload may be.

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "xmmu/workload/workload.h"

namespace xmmu {

using TaskOps = std::map<TaskId, std::vector<GuestOp>>;

class OpsWorkload final : public Workload {
 public:
  // The first task is the lowest. Next() returns `batch` operations at a time.
  explicit OpsWorkload(TaskOps ops, size_t batch = 3)
      : ops_(std::move(ops)), batch_(batch), begun_{ops_.begin()->first} {}

  std::string name() const override { return "ops"; }
  TaskId first_task() const override { return ops_.begin()->first; }

  absl::StatusOr<std::span<const GuestOp>> Next(TaskId task) override {
    EXPECT_TRUE(begun_.contains(task)) << "task " << task << " is not there";
    const std::vector<GuestOp>& ops = ops_.at(task);
    size_t& next = next_[task];
    EXPECT_LT(next, ops.size()) << "task " << task << " has ended";
    const size_t count = std::min(batch_, ops.size() - next);
    // The former span must not be looked at any more.
    given_[task].assign(
        ops.begin() + static_cast<std::ptrdiff_t>(next),
        ops.begin() + static_cast<std::ptrdiff_t>(next + count));
    next += count;
    for (const GuestOp& op : given_[task]) {
      if (StartsTask(op.kind)) begun_.insert(op.child);
    }
    return std::span<const GuestOp>(given_[task]);
  }

  // Whether every task was read to its end.
  bool AllRead() const {
    return std::all_of(ops_.begin(), ops_.end(), [&](const auto& task) {
      const auto next = next_.find(task.first);
      return next != next_.end() && next->second == task.second.size();
    });
  }

 private:
  TaskOps ops_;
  size_t batch_;
  std::set<TaskId> begun_;
  std::map<TaskId, size_t> next_;
  std::map<TaskId, std::vector<GuestOp>> given_;
};

inline GuestOp Op(GuestOpKind kind, uint64_t va = 0, uint64_t length = 0) {
  return {.kind = kind, .va = VirtAddr(va), .length = length};
}
inline GuestOp Load(uint64_t va, uint64_t length = 8) {
  return Op(GuestOpKind::kLoad, va, length);
}
inline GuestOp Store(uint64_t va, uint64_t length = 8) {
  return Op(GuestOpKind::kStore, va, length);
}
inline GuestOp OfTask(GuestOpKind kind, TaskId child, uint64_t length = 0) {
  return {.kind = kind, .length = length, .child = child};
}
inline GuestOp Exit() { return Op(GuestOpKind::kExit); }
inline GuestOp MapOf(uint64_t va, uint64_t length,
                     Backing backing = Backing::kAnonymous,
                     uint8_t rights = kMapRead | kMapWrite) {
  return {.kind = GuestOpKind::kMap,
          .rights = rights,
          .backing = backing,
          .va = VirtAddr(va),
          .length = length};
}

}  // namespace xmmu

#endif  // XMMU_TESTS_WORKLOAD_INSPECT_OPS_WORKLOAD_H_
