#include "workload/process/op_relocation.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "xmmu/base/check.h"

namespace xmmu {
namespace {

constexpr uint64_t kSegmentBytes = uint64_t{1} << kSegmentShift;

// Whether the operation has no range in user space, so that the guest refuses
// it wherever it is.
bool HasNoRange(VirtAddr va, uint64_t length) {
  return length == 0 || va.value() + length < va.value();
}

absl::Status DoesNotFit(VirtAddr va, uint64_t length) {
  return absl::InvalidArgumentError(absl::StrCat(
      "the mapping 0x", absl::Hex(va.value()), "-0x",
      absl::Hex(va.value() + length),
      " does not fit, expected room in one piece below the address limit "
      "(segments of 256 MiB)"));
}

}  // namespace

OpRelocation::OpRelocation(uint64_t limit, TaskId first_task, MmapLayout layout)
    : limit_(limit), layout_(layout) {
  tables_[first_task] = std::make_shared<SegmentTable>(limit, layout);
}

absl::StatusOr<size_t> OpRelocation::Append(TaskId task,
                                            std::span<const GuestOp> ops,
                                            std::vector<GuestOp>* moved) {
  for (size_t i = 0; i < ops.size(); ++i) {
    const absl::Status status = Move(task, ops[i], moved);
    if (!status.ok()) return status;
    if (ops[i].kind == GuestOpKind::kAwait) return i + 1;
  }
  return ops.size();
}

absl::Status OpRelocation::Move(TaskId task, const GuestOp& op,
                                std::vector<GuestOp>* moved) {
  const auto found = tables_.find(task);
  XMMU_CHECK(found != tables_.end());
  const Table table = found->second;
  switch (op.kind) {
    case GuestOpKind::kFetch:
    case GuestOpKind::kLoad:
    case GuestOpKind::kStore:
    case GuestOpKind::kModify:
      return MoveAccess(*table, op, moved);
    case GuestOpKind::kMap:
    case GuestOpKind::kRemap:
      return MoveMapping(*table, op, moved);
    case GuestOpKind::kUnmap:
    case GuestOpKind::kProtect:
    case GuestOpKind::kDiscard:
    case GuestOpKind::kAdvise:
    case GuestOpKind::kCopyIn:
    case GuestOpKind::kCopyOut:
      MovePieces(*table, op, moved);
      return absl::OkStatus();
    case GuestOpKind::kExec: {
      Table& fresh = tables_[task];
      fresh = std::make_shared<SegmentTable>(limit_, layout_);
      return MoveMapping(*fresh, op, moved);
    }
    case GuestOpKind::kFork:
    case GuestOpKind::kVfork:
    case GuestOpKind::kClone:
      Start(op, table);
      break;
    case GuestOpKind::kExit:
      tables_.erase(task);
      break;
    default:
      break;
  }
  moved->push_back(op);
  return absl::OkStatus();
}

void OpRelocation::Start(const GuestOp& op, const Table& parent) {
  const bool thread = op.kind == GuestOpKind::kClone;
  tables_[op.child] = thread ? parent : std::make_shared<SegmentTable>(*parent);
}

absl::Status OpRelocation::MoveMapping(SegmentTable& table, GuestOp op,
                                       std::vector<GuestOp>* moved) {
  if (op.kind == GuestOpKind::kRemap) {
    // What is moved is one mapping; its first page tells where that is.
    op.va += table.ShiftOf(op.va.value()).value_or(0);
    if (!HasNoRange(op.target, op.new_length)) {
      const auto shift =
          table.Place(op.target.value(), op.target.value() + op.new_length);
      if (!shift.has_value()) return DoesNotFit(op.target, op.new_length);
      op.target += *shift;
    }
  } else if (!HasNoRange(op.va, op.length)) {
    const auto shift = table.Place(op.va.value(), op.va.value() + op.length);
    if (!shift.has_value()) return DoesNotFit(op.va, op.length);
    op.va += *shift;
  }
  moved->push_back(op);
  return absl::OkStatus();
}

// Memory that nothing has mapped is placed as if it were mapped: the guest's
// fault is then at an address of its own.
absl::Status OpRelocation::MoveAccess(SegmentTable& table, const GuestOp& op,
                                      std::vector<GuestOp>* moved) {
  const uint64_t va = op.va.value();
  const uint64_t last = va + op.length - 1;
  if (last < va) return absl::OkStatus();
  std::optional<uint64_t> shift = table.ShiftOf(va);
  if (!shift.has_value()) {
    shift = table.Place(va, va + 1);
    if (!shift.has_value()) return DoesNotFit(op.va, op.length);
  }
  if (va >> kSegmentShift != last >> kSegmentShift &&
      table.ShiftOf(last) != shift) {
    return absl::OkStatus();
  }
  moved->push_back(op);
  moved->back().va += *shift;
  return absl::OkStatus();
}

void OpRelocation::MovePieces(const SegmentTable& table, const GuestOp& op,
                              std::vector<GuestOp>* moved) {
  const size_t first = moved->size();
  if (HasNoRange(op.va, op.length)) {
    moved->push_back(op);
    return;
  }
  const uint64_t end = op.va.value() + op.length;
  for (uint64_t at = op.va.value(); at < end;) {
    // The last segment of all ends at 2^64.
    const uint64_t room = kSegmentBytes - at % kSegmentBytes;
    const uint64_t bytes = std::min(room, end - at);
    const std::optional<uint64_t> shift = table.ShiftOf(at);
    at += bytes;
    if (!shift.has_value()) continue;
    const VirtAddr start(at - bytes + *shift);
    if (moved->size() > first &&
        moved->back().va + moved->back().length == start) {
      moved->back().length += bytes;
      continue;
    }
    GuestOp& piece = moved->emplace_back(op);
    piece.va = start;
    piece.length = bytes;
    piece.flags |= kCallGoesOn;
  }
  if (moved->size() == first) {
    moved->push_back({.kind = GuestOpKind::kSyscall});
  }
  moved->back().flags = op.flags;
}

}  // namespace xmmu
