#include "absl/strings/str_format.h"
#include "guest/memory_manager.h"
#include "xmmu/base/check.h"

// What moves pages: mremap, and exec with the arguments it has written to the
// new stack (Linux: mm/mremap.c; fs/exec.c, setup_arg_pages).

namespace xmmu {

absl::Status MemoryManager::MoveEntries(Vcpu& vcpu, AddressSpace& mm,
                                        const Range& from, VirtAddr to) {
  if (!tables_.Find(vcpu, mm, from.start).has_value()) return absl::OkStatus();
  absl::StatusOr<PteSlot> target = tables_.Make(vcpu, mm, to);
  if (!target.ok()) return target.status();
  TlbGather gather;
  const absl::Status status = tables_.ForEachEntry(
      vcpu, mm, from.start, from.end, [&](const PteSlot& slot, uint64_t) {
        const uint64_t offset = slot.va - from.start;
        const PteSlot place{
            target->table,
            target->index + static_cast<int>(offset >> kPageShift),
            to + offset};
        ops_.SetPte(vcpu, mm, place, ops_.ClearPte(vcpu, mm, slot));
        gather.Add(slot.va, 1);
        return absl::OkStatus();
      });
  if (!status.ok() || gather.empty() || !gathers()) return status;
  // move_ptes flushes all that it was to move.
  gather.Add(from.start, 1);
  gather.Add(from.end - kPageSize, 1);
  FlushGather(vcpu, mm, gather);
  return absl::OkStatus();
}

absl::Status MemoryManager::MovePages(Vcpu& vcpu, AddressSpace& mm,
                                      const Range& from, VirtAddr to) {
  const uint64_t span = uint64_t{1} << LevelShift(core_.mode(), 2);
  const auto left_in_table = [&](VirtAddr va) {
    return span - va.value() % span;
  };
  for (VirtAddr va = from.start; va < from.end;) {
    const VirtAddr target = to + (va - from.start);
    const uint64_t piece =
        std::min({from.end - va, left_in_table(va), left_in_table(target)});
    const Range range{va, va + piece};
    va += piece;
    if (core_.options.recent_mm && piece == span) {
      absl::StatusOr<bool> moved =
          tables_.MoveTable(vcpu, mm, range.start, target);
      if (!moved.ok()) return moved.status();
      if (*moved) {
        if (gathers()) ops_.Flush(vcpu, mm, TlbFlush::NonGlobal());
        continue;
      }
    }
    const absl::Status status = MoveEntries(vcpu, mm, range, target);
    if (!status.ok()) return status;
  }
  TlbGather none;
  if (!gathers()) FlushRange(vcpu, mm, from, none);
  return absl::OkStatus();
}

void MemoryManager::FreeLeftTables(Vcpu& vcpu, AddressSpace& mm,
                                   const Range& range, VirtAddr floor) {
  std::vector<TablePage> tables;
  tables_.FreeUnused(vcpu, mm, range.start, range.end, tables);
  if (tables.empty()) return;
  TlbGather gather;
  GatherTables(tables, floor, gather);
  if (gathers()) {
    FlushGather(vcpu, mm, gather);
  } else {
    ops_.Flush(vcpu, mm, TlbFlush::NonGlobal());
  }
  tables_.ReleaseFrames(tables);
}

absl::Status MemoryManager::Remap(Vcpu& vcpu, AddressSpace& mm,
                                  const GuestOp& op, TaskDigest& digest) {
  absl::StatusOr<Range> from = PageRange(op.va, op.length);
  if (!from.ok()) return from.status();
  absl::StatusOr<Range> to = PageRange(op.target, op.new_length);
  if (!to.ok()) return to.status();
  const Vma* const old = mm.vmas.Find(from->start);
  if (old == nullptr) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "mremap of 0x%x, where nothing is mapped", op.va.value()));
  }
  Vma vma = *old;
  vma.file_offset += from->start - vma.start;
  vma.start = to->start;
  vma.end = to->end;
  absl::Status status;
  if (to->pages() < from->pages()) {  // the tail goes first
    status = Unmap(vcpu, mm, from->start + (to->end - to->start),
                   (from->end - from->start) - (to->end - to->start), digest);
  }
  if (!status.ok()) return status;
  const Range kept{from->start, from->start + std::min(from->end - from->start,
                                                       to->end - to->start)};
  if (to->start != from->start) {
    status = Unmap(vcpu, mm, to->start, to->end - to->start, digest);
    if (status.ok()) status = MovePages(vcpu, mm, kept, to->start);
    if (!status.ok()) return status;
  }
  mm.vmas.Carve(kept.start, kept.end);
  mm.vmas.Carve(to->start, to->end);
  mm.vmas.Insert(vma);
  NoteShared(mm, vma);
  if (to->start != from->start) FreeLeftTables(vcpu, mm, kept, kept.start);
  return absl::OkStatus();
}

MemoryManager::Range MemoryManager::ArgumentPages(uint64_t length) const {
  // STACK_TOP_MAX: one page below the end of a 64-bit program's memory.
  const VirtAddr top = core_.layout.user_end - kPageSize;
  return {top - length, top};
}

absl::Status MemoryManager::PlaceArguments(Vcpu& vcpu, AddressSpace& mm,
                                           const GuestOp& op) {
  if (op.length == 0) return absl::OkStatus();
  absl::StatusOr<Range> to = PageRange(op.va, op.length);
  if (!to.ok()) return to.status();
  const Range pages = ArgumentPages(to->end - to->start);
  if (to->end > pages.start && to->start != pages.start) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "exec: a stack at 0x%x reaches into where arguments are written, at "
        "0x%x",
        op.va.value(), pages.start.value()));
  }
  Vma vma{.start = pages.start,
          .end = pages.end,
          .rights = kMapRead | kMapWrite,
          .backing = Backing::kStack};
  absl::Status status;
  // From the last byte down (copy_strings).
  for (VirtAddr va = pages.end; va > pages.start && status.ok();) {
    va = va - kPageSize;
    absl::StatusOr<PteSlot> slot = tables_.Make(vcpu, mm, va);
    status = slot.ok() ? FaultIn(vcpu, mm, vma, *slot, /*write=*/true)
                       : slot.status();
  }
  mm.vmas.Insert(vma);
  return status;
}

absl::Status MemoryManager::MoveArguments(Vcpu& vcpu, AddressSpace& mm,
                                          const GuestOp& op) {
  if (op.length == 0) return absl::OkStatus();
  const VirtAddr to = PageBase(op.va);
  const Range pages =
      ArgumentPages(PageRange(op.va, op.length)->pages() << kPageShift);
  absl::Status status = Protect(vcpu, mm, pages.start, pages.end - pages.start,
                                kMapRead | kMapWrite);
  if (!status.ok() || to == pages.start) return status;
  status = MovePages(vcpu, mm, pages, to);
  for (Vma vma : mm.vmas.Carve(pages.start, pages.end)) {
    vma.start = to;
    vma.end = to + (pages.end - pages.start);
    mm.vmas.Insert(vma);
  }
  if (status.ok()) FreeLeftTables(vcpu, mm, pages, VirtAddr(0));
  return status;
}

}  // namespace xmmu
