// Does the work of mmap, munmap, mprotect and madvise (Linux: mm/mmap.c,
// mm/mprotect.c, mm/madvise.c).

#include <utility>

#include "absl/strings/str_format.h"
#include "guest/kernel_span.h"
#include "guest/memory_manager.h"
#include "xmmu/base/check.h"

namespace xmmu {
namespace {

// An entry whose page may not be touched (PROT_NONE) is not present. The bit
// that Linux uses for it (_PAGE_PROTNONE) tells it from an empty one.
constexpr uint64_t kProtNone = pte::kGlobal;

constexpr VirtAddr RoundUp(VirtAddr va) {
  return VirtAddr((va.value() + kPageOffsetMask) & ~kPageOffsetMask);
}

// Huge pages are never locked (mmap_region). A mapping that mlockall has made
// to be locked on fault stays so.
MemoryLock LockOf(const GuestOp& op) {
  if (op.page_shift != 0) return MemoryLock::kNone;
  if ((op.flags & kMapLockOnFault) != 0) return MemoryLock::kOnFault;
  if ((op.flags & kMapLocked) != 0) return MemoryLock::kLocked;
  return MemoryLock::kNone;
}

}  // namespace

// A range that wraps around ends below its start.
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

uint64_t MemoryManager::TakeEntry(Vcpu& vcpu, AddressSpace& mm,
                                  const PteSlot& slot) {
  const Span span = EntrySpan(vcpu, "ptep_get_and_clear_full");
  return ops_.ClearPte(vcpu, mm, slot);
}

void MemoryManager::Zap(Vcpu& vcpu, AddressSpace& mm, const Vma& vma,
                        TaskDigest& digest, TlbGather& gather, bool flush) {
  const Span span = KernelSpan(vcpu, "unmap_page_range");
  bool dirty_shared = false;
  const auto clear = [&](const PteSlot& slot, uint64_t) {
    const uint64_t entry = TakeEntry(vcpu, mm, slot);
    const Pfn page = core_.PfnOf(entry);
    const bool large = slot.level > 1;
    const bool reclaimable = LeavesCache(vma, slot.va, entry);
    for (uint64_t i = 0; i < LeafFrames(slot.level) && !reclaimable; ++i) {
      const Mfn mfn = core_.MfnOf(page + i);
      digest.GaveUp(vma, slot.va + i * kPageSize, entry,
                    core_.host.memory().ContentToken(mfn));
    }
    if (large && !vma.hugetlb()) tables_.DropDeposit(mm);
    zapped_.emplace_back(page, large);
    gather.AddLeaf(slot.va, slot.level);
    dirty_shared |= vma.shared() && Pte(entry).dirty();
    return absl::OkStatus();
  };
  const auto flush_table = [&] {
    // Nobody may write to such a page after its dirty flag has been read
    // (zap_pte_range).
    if (flush && dirty_shared) FlushGather(vcpu, mm, gather);
    dirty_shared = false;
  };
  XMMU_CHECK(
      tables_.ForEachEntry(vcpu, mm, vma.start, vma.end, clear, flush_table)
          .ok());
}

// Source: flush_tlb_mm_range, which counts steps of the gathered size against
// the ceiling.
void MemoryManager::FlushGather(Vcpu& vcpu, AddressSpace& mm,
                                TlbGather& gather) {
  if (gather.empty()) return;
  const Span span = KernelSpan(vcpu, "tlb_flush_mmu_tlbonly");
  const TlbGather what = std::exchange(gather, {});
  const uint64_t step = what.step(core_.mode());
  const bool elsewhere = (mm.active & ~MaskOf(vcpu.id())) != 0;
  if (elsewhere && gathers()) {
    // xen_flush_tlb_multi makes one request, whatever the size.
    ops_.Flush(vcpu, mm,
               what.end - what.start <= kPageSize ? TlbFlush::Page(what.start)
                                                  : TlbFlush::NonGlobal());
  } else if ((what.end - what.start) / step >
             core_.options.flush_ceiling_pages) {
    ops_.Flush(vcpu, mm, TlbFlush::NonGlobal());
  } else {
    // A table that goes, too, may begin within a step of the large pages.
    const VirtAddr first(what.start.value() & ~(step - 1));
    const uint64_t count = (what.end - first + step - 1) / step;
    ops_.Flush(vcpu, mm, TlbFlush::Pages(first, count, step));
  }
}

void MemoryManager::GatherTables(const std::vector<TablePage>& tables,
                                 VirtAddr floor, TlbGather& gather) {
  for (const TablePage& table : tables) {
    gather.Add(std::max(table.base, floor), table.level + 1);
  }
}

void MemoryManager::FlushRange(Vcpu& vcpu, AddressSpace& mm, const Range& range,
                               TlbGather& gather) {
  const Span span = KernelSpan(vcpu, "flush_tlb_mm_range");
  if (gathers() || gather.only_large()) {
    FlushGather(vcpu, mm, gather);
  } else if (range.pages() <= core_.options.flush_ceiling_pages) {
    ops_.Flush(vcpu, mm,
               TlbFlush::Pages(range.start, range.pages(), kPageSize));
  } else {
    ops_.Flush(vcpu, mm, TlbFlush::NonGlobal());
  }
}

void MemoryManager::ReleasePages() {
  for (const Zapped& zapped : zapped_) {
    if (zapped.large()) {
      core_.frames.PutBlock(zapped.page());
    } else {
      core_.frames.Put(zapped.page());
    }
  }
  zapped_.clear();
}

// Frames may be reused only after the flush: another CPU could still write to
// them.
absl::Status MemoryManager::Unmap(Vcpu& vcpu, AddressSpace& mm, VirtAddr va,
                                  uint64_t length, TaskDigest& digest) {
  absl::StatusOr<Range> range = PageRange(va, length);
  if (!range.ok()) return range.status();
  if (CutsHugetlb(mm, *range)) return RefuseToCut(mm, *range, "munmap");
  const std::vector<Vma> gone = mm.vmas.Carve(range->start, range->end);
  if (gone.empty()) return absl::OkStatus();
  TlbGather gather;
  for (const Vma& vma : gone) Zap(vcpu, mm, vma, digest, gather, gathers());
  std::vector<TablePage> tables;
  tables_.FreeUnused(vcpu, mm, range->start, range->end, tables);
  // Linux counts a freed table from its base on, which may be below the
  // mapping. Here the range is always the mapping's.
  GatherTables(tables, range->start, gather);
  if (!zapped_.empty() || !tables.empty()) {
    FlushRange(vcpu, mm, *range, gather);
  }
  ReleasePages();
  tables_.ReleaseFrames(tables);
  return absl::OkStatus();
}

absl::Status MemoryManager::Map(Vcpu& vcpu, AddressSpace& mm, const GuestOp& op,
                                FileRef file, TaskDigest& digest) {
  absl::StatusOr<Range> range = MapRange(op);
  if (!range.ok()) return range.status();
  absl::Status status =
      Unmap(vcpu, mm, range->start, range->end - range->start, digest);
  if (!status.ok()) return status;
  Vma vma{.start = range->start,
          .end = range->end,
          .rights = op.rights,
          .backing = op.backing,
          .file = std::move(file),
          .file_offset = op.file_offset,
          .page_shift = op.page_shift,
          .lock = LockOf(op),
          .one_page_faults = (op.flags & kMapOnePageFaults) != 0};
  // How many faults it takes depends on how much memory there is, and on which
  // pages the guest has; and on who came first, where a fault maps those pages
  // of an object around it that are in memory. The digest of one vCPU leaves
  // these out, too, so that it is that of several.
  const bool around = core_.options.fault_around_pages > 1;
  vma.digest_plain = IsReclaimable(vma) || vma.hugetlb() ||
                     (around && vma.file != nullptr && vma.file->zero_filled());
  mm.vmas.Insert(vma);
  NoteShared(mm, vma);
  if ((op.flags & (kMapPopulate | kMapLocked)) == 0) return absl::OkStatus();
  return Populate(vcpu, mm, *range, AfterError::kGoOn);
}

uint64_t MemoryManager::ProtectedEntry(const Vma& vma, int level,
                                       uint64_t entry) const {
  const Pfn page = core_.PfnOf(entry);
  // A private page becomes writable on the next write fault, or at once where
  // that fault would do nothing else. In Linux 6.1 large pages wait for it in
  // any case (change_huge_pmd).
  const bool own = core_.options.recent_mm && level == 1 &&
                   Pte(entry).dirty() && core_.frames.exclusive(page);
  const bool shared =
      WritableUnwritten(vma) || (vma.shared() && Pte(entry).dirty());
  const bool writable = (vma.rights & kMapWrite) != 0 && (shared || own);
  const uint64_t size = level > 1 ? pte::kPageSize : 0;
  const uint64_t kept = entry & (pte::kAccessed | pte::kDirty | size);
  const uint64_t value =
      (UserEntry(page, vma, writable, false) & ~pte::kAccessed) | kept;
  return vma.rights == 0 ? (value & ~pte::kPresent) | kProtNone : value;
}

absl::Status MemoryManager::ProtectVma(Vcpu& vcpu, AddressSpace& mm, Vma vma,
                                       uint8_t rights, TlbGather& gather) {
  const Span span = KernelSpan(vcpu, "change_protection");
  // The program has locked the page so as not to wait for it, so it is copied
  // now (mprotect_fixup).
  const bool populate = vma.lock == MemoryLock::kLocked && !vma.shared() &&
                        (vma.rights & kMapWrite) == 0 &&
                        (rights & kMapWrite) != 0;
  vma.rights = rights;
  mm.vmas.Insert(vma);
  const absl::Status status = tables_.ForEachEntry(
      vcpu, mm, vma.start, vma.end, [&](const PteSlot& slot, uint64_t entry) {
        const Span set = EntrySpan(vcpu, "ptep_modify_prot_commit");
        ops_.ProtectPte(vcpu, mm, slot, entry,
                        ProtectedEntry(vma, slot.level, entry));
        gather.AddLeaf(slot.va, slot.level);
        return absl::OkStatus();
      });
  if (!status.ok() || !populate) return status;
  return PopulatePages(vcpu, mm, {vma.start, vma.end}, /*write=*/true);
}

// The call ends at the first hole, with ENOMEM (do_mprotect_pkey). What has
// these rights already is passed over (mprotect_fixup).
absl::Status MemoryManager::Protect(Vcpu& vcpu, AddressSpace& mm, VirtAddr va,
                                    uint64_t length, uint8_t rights) {
  return SetRights(vcpu, mm, va, length, rights, /*anew=*/false);
}

absl::Status MemoryManager::SetRights(Vcpu& vcpu, AddressSpace& mm, VirtAddr va,
                                      uint64_t length, uint8_t rights,
                                      bool anew) {
  absl::StatusOr<Range> range = PageRange(va, length);
  if (!range.ok()) return range.status();
  range->end = mm.vmas.EndOfMapped(range->start, range->end);
  if (CutsHugetlb(mm, *range)) return RefuseToCut(mm, *range, "mprotect");
  TlbGather gather;
  for (const Vma& vma : mm.vmas.Carve(range->start, range->end)) {
    if (vma.rights == rights && !anew) {
      mm.vmas.Insert(vma);
      continue;
    }
    const absl::Status status = ProtectVma(vcpu, mm, vma, rights, gather);
    if (!status.ok()) return status;
  }
  if (!gather.empty()) FlushRange(vcpu, mm, *range, gather);
  return absl::OkStatus();
}

// The walk goes over holes and ends at what is locked, or where it would begin
// within a hugetlb page, with EINVAL; within one it ends before
// (madvise_walk_vmas, madvise_dontneed_free_valid_vma).
absl::Status MemoryManager::Discard(Vcpu& vcpu, AddressSpace& mm, VirtAddr va,
                                    uint64_t length, TaskDigest& digest) {
  absl::StatusOr<Range> range = PageRange(va, length);
  if (!range.ok()) return range.status();
  TlbGather gather;
  for (Vma vma : mm.vmas.Overlapping(range->start, range->end)) {
    if (vma.lock != MemoryLock::kNone) break;
    vma.Clip(range->start, range->end);
    if (!vma.IsBetweenPages(vma.start)) break;
    vma.end = vma.end - (vma.end.value() & (vma.page_bytes() - 1));
    if (vma.end <= vma.start) continue;
    Zap(vcpu, mm, vma, digest, gather, gathers());
  }
  if (!zapped_.empty()) FlushRange(vcpu, mm, *range, gather);
  ReleasePages();
  return absl::OkStatus();
}

}  // namespace xmmu
