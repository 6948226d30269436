#include "workload/inspect/trace_check.h"

#include "workload/inspect/op_names.h"
#include "workload/inspect/op_pages.h"

namespace xmmu {
namespace {

constexpr FindingRow kFindingRows[] = {
    {FindingKind::kUnmapped, "unmapped",
     "accesses to what is not mapped: the guest gets a signal and goes on"},
    {FindingKind::kRight, "no-right",
     "accesses that the mapping does not allow: the guest gets a signal and "
     "goes on"},
    {FindingKind::kCopy, "short-copy",
     "copies by the kernel that come to what is not mapped, or not with that "
     "right: they end there"},
    {FindingKind::kRange, "empty-range",
     "ranges that lose pages or rights where nothing is mapped: nothing "
     "happens"},
    {FindingKind::kClose, "not-open",
     "files that are closed and not open: nothing happens"},
};

uint8_t RightsFor(GuestOpKind kind) {
  switch (kind) {
    case GuestOpKind::kFetch:
      return kMapExecute;
    case GuestOpKind::kLoad:
    case GuestOpKind::kCopyIn:
      return kMapRead;
    default:
      return kMapWrite;
  }
}

}  // namespace

std::span<const FindingRow> FindingRows() { return kFindingRows; }

void TraceCheck::Add(const StreamPiece& piece) {
  if (known_task_ != piece.task) known_ = {};
  known_task_ = piece.task;
  for (const GuestOp& op : piece.ops) {
    Look(piece.task, op);
    states_.Apply(piece.task, op);
    if (IsCounted(op.kind)) ++number_;
  }
}

void TraceCheck::Look(TaskId task, const GuestOp& op) {
  if (TouchesMemory(op.kind)) {
    LookAtAccess(task, op);
    return;
  }
  known_ = {};
  LookAtCall(task, op);
}

void TraceCheck::LookAtAccess(TaskId task, const GuestOp& op) {
  const uint8_t rights = RightsFor(op.kind);
  const uint64_t va = op.va.value();
  Known& known = known_[rights];
  if (va >= known.start && va < known.end && op.length <= known.end - va) {
    return;
  }
  const Mappings& mappings = states_.Of(task).space->mappings;
  const auto mapping = mappings.Find(va);
  if (mappings.Allows(va, op.length, rights)) {
    known = {mapping->first, mapping->second.end};
  } else if (op.kind > GuestOpKind::kModify) {
    Note(FindingKind::kCopy, task, op);
  } else {
    const bool mapped = mappings.Allows(va, op.length, 0);
    Note(mapped ? FindingKind::kRight : FindingKind::kUnmapped, task, op);
  }
}

void TraceCheck::LookAtCall(TaskId task, const GuestOp& op) {
  const TaskState& state = states_.Of(task);
  if (op.kind == GuestOpKind::kCloseFile && !state.open->contains(op.file)) {
    Note(FindingKind::kClose, task, op);
  }
  const bool changes = op.kind == GuestOpKind::kUnmap ||
                       op.kind == GuestOpKind::kProtect ||
                       op.kind == GuestOpKind::kDiscard;
  if (!changes) return;
  const Mappings& mappings = state.space->mappings;
  if (!mappings.Meets(op.va.value(), op.length)) {
    Note(FindingKind::kRange, task, op);
  }
}

void TraceCheck::Note(FindingKind kind, TaskId task, const GuestOp& op) {
  Finding& finding = findings_[static_cast<size_t>(kind)];
  if (finding.times++ > 0) return;
  finding.number = number_;
  finding.task = task;
  finding.op = op;
}

absl::Status CheckTrace(Workload& workload, TraceCheck& check) {
  StreamMerger merger(workload);
  for (;;) {
    const auto piece = merger.Next();
    if (!piece.ok()) return piece.status();
    if (piece->ops.empty()) return absl::OkStatus();
    check.Add(*piece);
  }
}

}  // namespace xmmu
