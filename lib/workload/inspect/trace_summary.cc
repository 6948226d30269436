#include "workload/inspect/trace_summary.h"

#include <algorithm>

#include "workload/inspect/op_names.h"

namespace xmmu {

TraceSummary::TraceSummary(TaskId first_task) {
  tasks_.push_back({.id = first_task, .process = first_task});
  index_[first_task] = 0;
}

void TraceSummary::Add(const StreamPiece& piece) {
  const size_t task = index_.at(piece.task);
  for (const GuestOp& op : piece.ops) {
    KindSummary& kind = kinds_[static_cast<size_t>(op.kind)];
    ++kind.operations;
    if (!IsCounted(op.kind)) continue;
    ++tasks_[task].operations;
    kind.bytes += op.length;
    if (op.kind > GuestOpKind::kModify) AddCall(task, op);
  }
}

void TraceSummary::AddCall(size_t task, const GuestOp& op) {
  switch (op.kind) {
    case GuestOpKind::kFork:
    case GuestOpKind::kVfork:
      Start(task, op.child, /*thread=*/false);
      break;
    case GuestOpKind::kClone:
      Start(task, op.child, /*thread=*/true);
      break;
    case GuestOpKind::kExec:
      ++tasks_[task].execs;
      break;
    case GuestOpKind::kExit:
      tasks_[task].ended = true;
      break;
    default:
      break;
  }
}

void TraceSummary::Start(size_t parent, TaskId id, bool thread) {
  index_[id] = tasks_.size();
  tasks_.push_back({.id = id,
                    .parent = tasks_[parent].id,
                    .process = thread ? tasks_[parent].process : id});
}

uint64_t TraceSummary::operations() const {
  uint64_t sum = 0;
  for (const OpKindRow& row : OpKindRows()) {
    if (IsCounted(row.kind)) sum += of(row.kind).operations;
  }
  return sum;
}

uint64_t TraceSummary::processes() const {
  return static_cast<uint64_t>(std::count_if(
      tasks_.begin(), tasks_.end(),
      [](const TaskSummary& task) { return task.process == task.id; }));
}

absl::Status Summarize(Workload& workload, TraceSummary& summary) {
  StreamMerger merger(workload);
  for (;;) {
    const auto piece = merger.Next();
    if (!piece.ok()) return piece.status();
    if (piece->ops.empty()) return absl::OkStatus();
    summary.Add(*piece);
  }
}

}  // namespace xmmu
