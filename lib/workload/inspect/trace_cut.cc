#include "workload/inspect/trace_cut.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "workload/inspect/cut_setup.h"
#include "workload/inspect/op_names.h"

namespace xmmu {
namespace {

uint64_t CountedOf(std::span<const GuestOp> ops) {
  return static_cast<uint64_t>(
      std::count_if(ops.begin(), ops.end(),
                    [](const GuestOp& op) { return IsCounted(op.kind); }));
}

}  // namespace

absl::StatusOr<std::unique_ptr<TraceCut>> TraceCut::Begin(Workload& workload,
                                                          uint64_t from) {
  std::unique_ptr<TraceCut> cut(new TraceCut(workload, from));
  const absl::Status status = cut->ReadUpTo(from);
  if (!status.ok()) return status;
  const CutSetup setup(cut->states_, cut->merger_);
  cut->first_task_ = setup.first_task();
  cut->setup_ = setup.streams();
  return cut;
}

absl::Status TraceCut::ReadUpTo(uint64_t from) {
  for (uint64_t number = 0; number < from;) {
    const auto piece = merger_.Next(from - number);
    if (!piece.ok()) return piece.status();
    if (piece->ops.empty()) break;
    for (const GuestOp& op : piece->ops) states_.Apply(piece->task, op);
    number += CountedOf(piece->ops);
  }
  if (!merger_.LiveTasks().empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("no operation ", from, ": all tasks have ended before"));
}

uint64_t TraceCut::setup_operations() const {
  uint64_t count = 0;
  for (const auto& [task, ops] : setup_) count += CountedOf(ops);
  return count;
}

// Points that were passed before the cut are not passed in the piece.
std::vector<GuestOp> TraceCut::FromHere(const StreamPiece& piece) const {
  std::vector<GuestOp> ops(piece.ops.begin(), piece.ops.end());
  GuestOp& last = ops.back();  // an await ends its piece
  if (last.kind != GuestOpKind::kAwait) return ops;
  const auto awaited = states_.tasks().find(last.child);
  if (awaited == states_.tasks().end()) return ops;
  const TaskState& task = awaited->second;
  if (task.ended || last.length <= task.points) {
    ops.pop_back();
  } else {
    last.length -= task.points;
  }
  return ops;
}

absl::StatusOr<uint64_t> TraceCut::Write(std::optional<uint64_t> to,
                                         AppendOps append) {
  for (const auto& [task, ops] : setup_) {
    if (ops.empty()) continue;
    const absl::Status status = append(task, ops);
    if (!status.ok()) return status;
  }
  const uint64_t most =
      to.value_or(std::numeric_limits<uint64_t>::max()) - from_;
  uint64_t written = 0;
  while (written < most) {
    const auto piece = merger_.Next(most - written);
    if (!piece.ok()) return piece.status();
    if (piece->ops.empty()) break;
    const absl::Status status = append(piece->task, FromHere(*piece));
    if (!status.ok()) return status;
    written += CountedOf(piece->ops);
  }
  const GuestOp exit = {.kind = GuestOpKind::kExit};
  for (const TaskId task : merger_.LiveTasks()) {
    const absl::Status status = append(task, {&exit, 1});
    if (!status.ok()) return status;
  }
  return written;
}

}  // namespace xmmu
