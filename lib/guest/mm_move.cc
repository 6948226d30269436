// Moves pages, for mremap, and for exec with the arguments it has written to
// the new stack (Linux: mm/mremap.c; fs/exec.c, setup_arg_pages).

#include "absl/strings/str_format.h"
#include "guest/kernel_span.h"
#include "guest/memory_manager.h"
#include "xmmu/base/check.h"

namespace xmmu {

absl::Status MemoryManager::MoveEntries(Vcpu& vcpu, AddressSpace& mm,
                                        const Range& from, VirtAddr to,
                                        VirtAddr* next) {
  int absent_level = 0;
  const std::optional<PteSlot> source =
      tables_.Find(vcpu, mm, from.start, &absent_level);
  if (!source.has_value()) {
    *next = tables_.EndOfEntry(absent_level, from.start);
    return absl::OkStatus();
  }
  if (source->level > 1) tables_.Split(vcpu, mm, *source);
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
  // move_ptes flushes the whole range that it was asked to move.
  gather.Add(from.start, 1);
  gather.Add(from.end - kPageSize, 1);
  FlushGather(vcpu, mm, gather);
  return absl::OkStatus();
}

// Kernels without mmu_gather flush once at the end; the others flush piece by
// piece (move_ptes).
absl::Status MemoryManager::MovePages(Vcpu& vcpu, AddressSpace& mm,
                                      const Range& from, VirtAddr to) {
  const Span move = KernelSpan(vcpu, "move_page_tables");
  const uint64_t span = uint64_t{1} << LevelShift(core_.mode(), 2);
  // The tables of the new place, at either end of which some may be shared.
  Reserve(vcpu, (from.end - from.start) / span + 2 * FramesOfFault());
  bool only_leaves = true;  // each of which has been flushed
  // A piece lies in one L1 table at either end.
  const auto left_in_table = [&](VirtAddr va) {
    return span - va.value() % span;
  };
  for (VirtAddr va = from.start; va < from.end;) {
    const VirtAddr target = to + (va - from.start);
    const uint64_t piece =
        std::min({from.end - va, left_in_table(va), left_in_table(target)});
    const Range range{va, va + piece};
    va += piece;
    const bool tables = core_.options.recent_mm;
    if (piece == span && (tables || !mm.deposits.empty())) {
      absl::StatusOr<PageTables::Moved> moved =
          tables_.MoveL2Entry(vcpu, mm, range.start, target, tables);
      if (!moved.ok()) return moved.status();
      if (*moved == PageTables::Moved::kLeaf) continue;
      if (*moved == PageTables::Moved::kTable) {
        only_leaves = false;
        if (gathers()) ops_.Flush(vcpu, mm, TlbFlush::NonGlobal());
        continue;
      }
    }
    only_leaves = false;
    VirtAddr next = va;
    const absl::Status status = MoveEntries(vcpu, mm, range, target, &next);
    if (!status.ok()) return status;
    va = std::max(va, next);
  }
  TlbGather none;
  if (!gathers() && !only_leaves) FlushRange(vcpu, mm, from, none);
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

// mremap first cuts off what does not fit, then moves; growing in place changes
// no entry.
absl::Status MemoryManager::Remap(Vcpu& vcpu, AddressSpace& mm,
                                  const GuestOp& op, TaskDigest& digest) {
  if (op.length == 0) return Duplicate(vcpu, mm, op, digest);
  absl::StatusOr<Range> from = PageRange(op.va, op.length);
  if (!from.ok()) return from.status();
  absl::StatusOr<Range> to = PageRange(op.target, op.new_length);
  if (!to.ok()) return to.status();
  if (const Vma* const vma = mm.vmas.Find(from->start)) {
    from->end = from->start + vma->RoundUp(from->end - from->start);
    to->end = to->start + vma->RoundUp(to->end - to->start);
  }
  const char* const refusal = RefusalOfRemap(mm, *from, *to);
  if (refusal != nullptr) {
    if (mm.changed_by_several)
      return absl::OkStatus();  // an error to the program
    return absl::InvalidArgumentError(absl::StrFormat(
        "mremap of 0x%x bytes at 0x%x to 0x%x bytes at 0x%x: %s",
        from->end - from->start, from->start.value(), to->end - to->start,
        to->start.value(), refusal));
  }
  const uint64_t kept_bytes =
      std::min(from->end - from->start, to->end - to->start);
  const Range kept{from->start, from->start + kept_bytes};
  if (kept.end < from->end) {  // the tail goes first
    const absl::Status status =
        Unmap(vcpu, mm, kept.end, from->end - kept.end, digest);
    if (!status.ok()) return status;
  }
  if (to->start == from->start && to->end == kept.end) return absl::OkStatus();
  Vma vma = *mm.vmas.OneMapping(kept.start, kept.end);
  if (to->start != from->start) {
    absl::Status status =
        Unmap(vcpu, mm, to->start, to->end - to->start, digest);
    const int level = core_.LevelOfPages(vma.page_shift);
    if (status.ok()) {
      status = level > 1 ? MoveHugetlb(vcpu, mm, kept, to->start, level)
                         : MovePages(vcpu, mm, kept, to->start);
    }
    if (!status.ok()) return status;
  }
  mm.vmas.Carve(kept.start, kept.end);
  vma.start = to->start;
  vma.end = to->end;
  mm.vmas.Insert(vma);
  NoteShared(mm, vma);
  if (to->start != from->start) FreeLeftTables(vcpu, mm, kept, kept.start);
  const VirtAddr grown = to->start + kept_bytes;
  if (vma.lock == MemoryLock::kNone || grown == to->end) {
    return absl::OkStatus();
  }
  return Populate(vcpu, mm, {grown, to->end}, AfterError::kGoOn);
}

// Of private memory Linux refuses it (vma_to_resize). The new mapping gets its
// pages by faults.
absl::Status MemoryManager::Duplicate(Vcpu& vcpu, AddressSpace& mm,
                                      const GuestOp& op, TaskDigest& digest) {
  absl::StatusOr<Range> to = PageRange(op.target, op.new_length);
  if (!to.ok()) return to.status();
  const Vma* const found = mm.vmas.Find(op.va);
  if (found == nullptr || found->file == nullptr || found->hugetlb()) {
    if (mm.changed_by_several) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrFormat(
        "mremap of 0 bytes at 0x%x: no file or object is mapped there by "
        "4 KiB pages",
        op.va.value()));
  }
  Vma vma = *found;
  vma.file_offset = vma.FilePage(op.va) << kPageShift;
  const absl::Status status =
      Unmap(vcpu, mm, to->start, to->end - to->start, digest);
  if (!status.ok()) return status;
  vma.start = to->start;
  vma.end = to->end;
  mm.vmas.Insert(vma);
  NoteShared(mm, vma);
  if (vma.lock == MemoryLock::kNone) return absl::OkStatus();
  return Populate(vcpu, mm, *to, AfterError::kGoOn);
}

// Source: mremap, mremap_to, vma_to_resize, vma_expandable.
const char* MemoryManager::RefusalOfRemap(AddressSpace& mm, const Range& from,
                                          const Range& to) {
  const Vma* const vma = mm.vmas.Find(from.start);
  if (vma == nullptr) return "nothing is mapped there";
  if (vma->hugetlb()) {
    if (!vma->IsBetweenPages(from.start) || !vma->IsBetweenPages(to.start)) {
      return "a page of MAP_HUGETLB does not begin there";
    }
    if (to.pages() > from.pages()) return "MAP_HUGETLB does not grow";
  }
  const bool in_place = to.start == from.start;
  if (in_place && to.end <= from.end) return nullptr;
  if (!in_place && to.start < from.end && from.start < to.end) {
    return "the ranges overlap";
  }
  if (!mm.vmas.OneMapping(from.start, from.end).has_value()) {
    return "it is not all of one mapping";
  }
  if (in_place && mm.vmas.Overlaps(from.end, to.end)) {
    return "something is mapped where it would grow";
  }
  return nullptr;
}

MemoryManager::Range MemoryManager::ArgumentPages(uint64_t length) const {
  // STACK_TOP_MAX is one page below the end of a 64-bit program's memory.
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
  Reserve(vcpu, pages.pages() + FramesOfFault());
  absl::Status status;
  // Linux writes the arguments from the last byte down (copy_strings).
  for (VirtAddr va = pages.end; va > pages.start && status.ok();) {
    va = va - kPageSize;
    absl::StatusOr<PteSlot> slot = tables_.Make(vcpu, mm, va);
    status = slot.ok() ? FaultIn(vcpu, mm, vma, *slot, /*write=*/true)
                       : slot.status();
  }
  mm.vmas.Insert(vma);
  return status;
}

// setup_arg_pages sets the rights of the new stack first (mprotect_fixup),
// where at least VM_STACK_INCOMPLETE_SETUP goes, then moves it down
// (shift_arg_pages).
absl::Status MemoryManager::MoveArguments(Vcpu& vcpu, AddressSpace& mm,
                                          const GuestOp& op) {
  if (op.length == 0) return absl::OkStatus();
  const VirtAddr to = PageBase(op.va);
  const Range pages =
      ArgumentPages(PageRange(op.va, op.length)->pages() << kPageShift);
  absl::Status status =
      SetRights(vcpu, mm, pages.start, pages.end - pages.start,
                kMapRead | kMapWrite, /*anew=*/true);
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
