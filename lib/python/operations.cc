#include "python/operations.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>

#include "absl/container/btree_set.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "workload/packed/op_check.h"

namespace xmmu::python {
namespace {

// Operations that are copied and checked at a time.
constexpr size_t kPiece = 512;
// The most bytes that a call copies: Linux's MAX_RW_COUNT (include/linux/fs.h),
// with pages of 4 KiB. An operation ends before a run can be stopped.
constexpr uint64_t kMostCopied = 0x7ffff000;

class OperationWorkload final : public Workload {
 public:
  explicit OperationWorkload(const OperationSet& set) : set_(set) {
    started_.insert(set.first_task);
  }

  std::string name() const override { return set_.name; }
  TaskId first_task() const override { return set_.first_task; }

  absl::StatusOr<std::span<const GuestOp>> Next(TaskId task) override {
    const auto found = set_.tasks.find(task);
    if (found == set_.tasks.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat(set_.name, ": there is no task ", task));
    }
    const OperationArray& array = found->second;
    Reading& reading = reading_[task];
    const size_t count = std::min(kPiece, array.count - reading.position);
    reading.piece.resize(count);
    for (size_t i = 0; i < count; ++i) {
      const auto index = static_cast<std::ptrdiff_t>(reading.position + i);
      std::memcpy(static_cast<void*>(&reading.piece[i]),
                  array.first + index * array.stride, sizeof(GuestOp));
    }
    const absl::Status status = Check(task, array, reading);
    if (!status.ok()) return status;
    reading.position += count;
    if (count == 0) reading.piece.push_back({.kind = GuestOpKind::kExit});
    // The last operation of a task stays valid for ever.
    if (reading.piece.back().kind == GuestOpKind::kExit) {
      reading.piece.shrink_to_fit();
    }
    return reading.piece;
  }

  // Errors: InvalidArgument if a task of the set has not been started.
  absl::Status CheckAllStarted() const {
    for (const auto& [task, array] : set_.tasks) {
      if (started_.contains(task)) continue;
      return absl::InvalidArgumentError(
          absl::StrCat(set_.name, ": task ", task,
                       ": nothing starts it; want a fork, vfork or clone with "
                       "it as child"));
    }
    return absl::OkStatus();
  }

 private:
  struct Reading {
    size_t position = 0;         // index of the operation behind the piece
    std::vector<GuestOp> piece;  // returned last
  };

  absl::Status Check(TaskId task, const OperationArray& array,
                     const Reading& reading) {
    for (size_t i = 0; i < reading.piece.size(); ++i) {
      const size_t index = reading.position + i;
      const std::string wrong =
          WrongIn(reading.piece[i], index + 1 == array.count);
      if (wrong.empty()) continue;
      return absl::InvalidArgumentError(absl::StrCat(
          set_.name, ": task ", task, ", operation ", index, ": ", wrong));
    }
    return absl::OkStatus();
  }

  std::string WrongIn(const GuestOp& op, bool is_last) {
    if (const char* const wrong = WrongInOp(op)) return wrong;
    const bool copies =
        op.kind == GuestOpKind::kCopyIn || op.kind == GuestOpKind::kCopyOut;
    if (copies && op.length > kMostCopied) {
      return absl::StrCat("a copy of more than ", kMostCopied, " bytes");
    }
    if (op.kind == GuestOpKind::kExit && !is_last) {
      return "an exit, expected only as the last operation of a task";
    }
    if (!StartsTask(op.kind)) return "";
    if (!set_.tasks.contains(op.child)) {
      return absl::StrCat("starts task ", op.child,
                          ", which has no operations");
    }
    if (!started_.insert(op.child).second) {
      return absl::StrCat("starts task ", op.child,
                          ", which has been started before");
    }
    return "";
  }

  const OperationSet& set_;
  absl::btree_set<TaskId> started_;
  absl::btree_map<TaskId, Reading> reading_;
};

}  // namespace

absl::Status CheckOperations(const OperationSet& set) {
  OperationWorkload workload(set);
  for (const auto& [task, array] : set.tasks) {
    for (bool more = true; more;) {
      const auto ops = workload.Next(task);
      if (!ops.ok()) return ops.status();
      more = ops->back().kind != GuestOpKind::kExit;
    }
  }
  return workload.CheckAllStarted();
}

std::unique_ptr<Workload> WorkloadOfOperations(const OperationSet& set) {
  return std::make_unique<OperationWorkload>(set);
}

}  // namespace xmmu::python
