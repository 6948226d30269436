#include "absl/strings/str_format.h"
#include "guest/memory_manager.h"
#include "xmmu/base/check.h"

// mmap, munmap, mprotect, mremap, madvise (Linux: mm/mmap.c, mm/mprotect.c,
// mm/mremap.c).

namespace xmmu {
namespace {

// An entry whose page is there but may not be touched (PROT_NONE): not present,
// told from an empty one by the bit that Linux uses for it (_PAGE_PROTNONE).
constexpr uint64_t kProtNone = pte::kGlobal;

constexpr VirtAddr RoundUp(VirtAddr va) {
  return VirtAddr((va.value() + kPageOffsetMask) & ~kPageOffsetMask);
}

}  // namespace

absl::StatusOr<MemoryManager::Range> MemoryManager::PageRange(
    VirtAddr va, uint64_t length) const {
  const Range range{PageBase(va), RoundUp(va + length)};
  if (length == 0 || range.end <= range.start ||
      range.end > core_.layout.user_end) {
    return absl::InvalidArgumentError(
        absl::StrFormat("no program's memory in %s paging: 0x%x bytes at 0x%x",
                        PagingModeName(core_.mode()), length, va.value()));
  }
  return range;
}

void MemoryManager::NoteShared(AddressSpace& mm, const Vma& vma) {
  if (!vma.shared()) return;
  mm.shared_low = std::min(mm.shared_low, vma.start);
  mm.shared_high = std::max(mm.shared_high, vma.end);
}

void MemoryManager::Zap(Vcpu& vcpu, AddressSpace& mm, const Vma& vma,
                        VirtAddr start, VirtAddr end, TaskDigest& digest) {
  const absl::Status status = tables_.ForEachEntry(
      vcpu, mm, start, end, [&](const PteSlot& slot, uint64_t) {
        const uint64_t entry = ops_.ClearPte(vcpu, mm, slot);
        const Pfn page = core_.PfnOf(entry);
        const Mfn mfn = core_.domain.p2m().MfnOf(page);
        digest.GaveUp(slot.va, entry,
                      vma.shared() ? 0 : core_.host.memory().ContentToken(mfn));
        zapped_.push_back(page);
        return absl::OkStatus();
      });
  XMMU_CHECK(status.ok());
}

void MemoryManager::FlushRange(Vcpu& vcpu, AddressSpace& mm,
                               const Range& range) {
  if (range.pages() <= core_.options.flush_ceiling_pages) {
    for (VirtAddr va = range.start; va < range.end; va += kPageSize) {
      ops_.Flush(vcpu, mm, TlbFlush::Page(va));
    }
  } else {
    ops_.Flush(vcpu, mm, TlbFlush::NonGlobal());
  }
}

void MemoryManager::ReleasePages() {
  for (Pfn page : zapped_) core_.frames.Put(page);
  zapped_.clear();
}

absl::Status MemoryManager::Unmap(Vcpu& vcpu, AddressSpace& mm, VirtAddr va,
                                  uint64_t length, TaskDigest& digest) {
  absl::StatusOr<Range> range = PageRange(va, length);
  if (!range.ok()) return range.status();
  const std::vector<Vma> gone = mm.vmas.Carve(range->start, range->end);
  if (gone.empty()) return absl::OkStatus();
  for (const Vma& vma : gone) Zap(vcpu, mm, vma, vma.start, vma.end, digest);
  std::vector<Pfn> tables;
  tables_.FreeUnused(vcpu, mm, range->start, range->end, tables);
  if (!zapped_.empty() || !tables.empty()) FlushRange(vcpu, mm, *range);
  ReleasePages();
  tables_.ReleaseFrames(tables);
  return absl::OkStatus();
}

absl::Status MemoryManager::Map(Vcpu& vcpu, AddressSpace& mm, const GuestOp& op,
                                TaskDigest& digest) {
  absl::StatusOr<Range> range = PageRange(op.va, op.length);
  if (!range.ok()) return range.status();
  absl::Status status = Unmap(vcpu, mm, op.va, op.length, digest);
  if (!status.ok()) return status;
  const Vma vma{.start = range->start,
                .end = range->end,
                .rights = op.rights,
                .backing = op.backing,
                .file = op.file,
                .file_offset = op.file_offset};
  mm.vmas.Insert(vma);
  NoteShared(mm, vma);
  return absl::OkStatus();
}

absl::Status MemoryManager::Protect(Vcpu& vcpu, AddressSpace& mm, VirtAddr va,
                                    uint64_t length, uint8_t rights) {
  absl::StatusOr<Range> range = PageRange(va, length);
  if (!range.ok()) return range.status();
  bool changed = false;
  for (Vma vma : mm.vmas.Carve(range->start, range->end)) {
    vma.rights = rights;
    mm.vmas.Insert(vma);
    const absl::Status status = tables_.ForEachEntry(
        vcpu, mm, vma.start, vma.end, [&](const PteSlot& slot, uint64_t entry) {
          const uint64_t kept = entry & (pte::kAccessed | pte::kDirty);
          // Private pages become writable on the next write fault.
          const bool writable = (rights & kMapWrite) != 0 && vma.shared();
          uint64_t value =
              (UserEntry(core_.PfnOf(entry), vma, writable, false) &
               ~pte::kAccessed) |
              kept;
          if (rights == 0) value = (value & ~pte::kPresent) | kProtNone;
          ops_.ProtectPte(vcpu, mm, slot, entry, value);
          changed = true;
          return absl::OkStatus();
        });
    if (!status.ok()) return status;
  }
  if (changed) FlushRange(vcpu, mm, *range);
  return absl::OkStatus();
}

absl::Status MemoryManager::Discard(Vcpu& vcpu, AddressSpace& mm, VirtAddr va,
                                    uint64_t length, TaskDigest& digest) {
  absl::StatusOr<Range> range = PageRange(va, length);
  if (!range.ok()) return range.status();
  for (const Vma& vma : mm.vmas.Carve(range->start, range->end)) {
    mm.vmas.Insert(vma);
    Zap(vcpu, mm, vma, vma.start, vma.end, digest);
  }
  if (!zapped_.empty()) FlushRange(vcpu, mm, *range);
  ReleasePages();
  return absl::OkStatus();
}

absl::Status MemoryManager::MovePages(Vcpu& vcpu, AddressSpace& mm,
                                      const Range& from, VirtAddr to) {
  const absl::Status status = tables_.ForEachEntry(
      vcpu, mm, from.start, from.end, [&](const PteSlot& slot, uint64_t) {
        absl::StatusOr<PteSlot> target =
            tables_.Make(vcpu, mm, to + (slot.va - from.start));
        if (!target.ok()) return target.status();
        const uint64_t entry = ops_.ClearPte(vcpu, mm, slot);
        ops_.SetPte(vcpu, mm, *target, entry);
        return absl::OkStatus();
      });
  if (status.ok()) FlushRange(vcpu, mm, from);
  return status;
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
  std::vector<Pfn> tables;
  if (to->start != from->start) {
    tables_.FreeUnused(vcpu, mm, kept.start, kept.end, tables);
    if (!tables.empty()) ops_.Flush(vcpu, mm, TlbFlush::NonGlobal());
    tables_.ReleaseFrames(tables);
  }
  return absl::OkStatus();
}

}  // namespace xmmu
