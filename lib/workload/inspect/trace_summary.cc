#include "workload/inspect/trace_summary.h"

#include <algorithm>

#include "workload/inspect/op_names.h"
#include "workload/inspect/op_pages.h"

namespace xmmu {

TraceSummary::TraceSummary(TaskId first_task) : states_(first_task) {
  tasks_.push_back({.id = first_task, .process = first_task});
  index_[first_task] = 0;
}

void TraceSummary::Add(const StreamPiece& piece) {
  const size_t task = index_.at(piece.task);
  uint64_t space = states_.Of(piece.task).space->id;
  for (const GuestOp& op : piece.ops) {
    KindSummary& kind = kinds_[static_cast<size_t>(op.kind)];
    ++kind.operations;
    if (!IsCounted(op.kind)) {
      states_.Apply(piece.task, op);
      continue;
    }
    ++tasks_[task].operations;
    kind.bytes += op.length;
    switch (op.kind) {
      case GuestOpKind::kFetch:
        AddAccess(tasks_[task], space, op, Touch::kFetched);
        break;
      case GuestOpKind::kLoad:
      case GuestOpKind::kCopyIn:
        AddAccess(tasks_[task], space, op, Touch::kRead);
        break;
      case GuestOpKind::kStore:
      case GuestOpKind::kModify:
      case GuestOpKind::kCopyOut:
        AddAccess(tasks_[task], space, op, Touch::kWritten);
        break;
      default:
        // An exec or exit is the last of its piece, and the task has another
        // address space behind it, or none.
        AddCall(tasks_[task], op);
    }
  }
}

void TraceSummary::AddAccess(TaskSummary& task, uint64_t space,
                             const GuestOp& op, Touch touch) {
  if (op.kind > GuestOpKind::kModify && (op.flags & kCallGoesOn) == 0) {
    ++calls_;
  }
  ForEachPage(op, [&](uint64_t page) {
    const Recent key{page << 2 | static_cast<uint64_t>(touch), space + 1};
    Recent& recent =
        recent_[(page ^ static_cast<uint64_t>(touch) << 8) % kRecent];
    if (recent == key) return;
    recent = key;
    std::unique_ptr<PageSet>& set = sets_[space];
    if (set == nullptr) set = std::make_unique<PageSet>();
    const uint64_t before = pages_.touched;
    set->Add(page, touch, pages_);
    task.pages += pages_.touched - before;
  });
}

void TraceSummary::AddCall(TaskSummary& task, const GuestOp& op) {
  const bool leaves =
      op.kind == GuestOpKind::kExec || op.kind == GuestOpKind::kExit;
  const TaskId id = task.id;
  const std::shared_ptr<SpaceState> left =
      leaves ? states_.Of(id).space : nullptr;
  if ((op.flags & kCallGoesOn) == 0) ++calls_;
  if (op.kind == GuestOpKind::kExec) ++task.execs;
  if (op.kind == GuestOpKind::kMap) {
    BackingSummary& backing = backings_[static_cast<size_t>(op.backing)];
    ++backing.mappings;
    backing.bytes += op.length;
  }
  if (op.file != 0) files_.insert(op.file);
  if (StartsTask(op.kind)) Start(task, op);
  states_.Apply(id, op);
  // Nobody comes back to an address space that only this task had.
  if (left != nullptr && left.use_count() == 1) sets_.erase(left->id);
  NotePeak();
}

void TraceSummary::NotePeak() {
  const uint64_t mapped = states_.mapped_bytes();
  if (mapped <= peak_) return;
  peak_ = mapped;
  for (const BackingRow& row : BackingRows()) {
    backings_[static_cast<size_t>(row.backing)].bytes_at_peak =
        states_.mapped_bytes(row.backing);
  }
}

void TraceSummary::Start(TaskSummary& parent, const GuestOp& op) {
  const TaskSummary child{
      .id = op.child,
      .parent = parent.id,
      .process = op.kind == GuestOpKind::kClone ? parent.process : op.child};
  index_[op.child] = tasks_.size();
  tasks_.push_back(child);  // `parent` may be gone
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
