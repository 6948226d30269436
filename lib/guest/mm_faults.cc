// Handles faults of the program: demand-zero, file pages, copy-on-write (Linux:
// mm/memory.c, handle_mm_fault).

#include "guest/kernel_span.h"
#include "guest/memory_manager.h"
#include "xmmu/base/check.h"

namespace xmmu {
namespace {

const char* FaultInName(const Vma& vma, bool write) {
  if (vma.file == nullptr) return "do_anonymous_page";
  if (!write) return "do_read_fault";
  return vma.shared() ? "do_shared_fault" : "do_cow_fault";
}

}  // namespace

// The entry has A set, as Linux's vm_page_prot has it.
uint64_t MemoryManager::UserEntry(Pfn pfn, const Vma& vma, bool writable,
                                  bool dirty) const {
  uint64_t flags = pte::kPresent | pte::kUser | pte::kAccessed;
  if (writable) flags |= pte::kWritable;
  if (dirty) flags |= pte::kDirty;
  if ((vma.rights & kMapExecute) == 0 && core_.has_no_execute()) {
    flags |= pte::kNoExecute;
  }
  return core_.MakeEntry(pfn, flags);
}

bool MemoryManager::WritableUnwritten(const Vma& vma) const {
  const bool told = core_.options.recent_mm &&
                    vma.backing == Backing::kFileShared &&
                    !vma.file->zero_filled();
  return vma.shared() && (vma.rights & kMapWrite) != 0 && !told;
}

absl::StatusOr<Pfn> MemoryManager::ZeroedPage(Vcpu& vcpu) {
  const Span span = KernelSpan(vcpu, "clear_page");
  absl::StatusOr<Pfn> pfn = core_.AllocFrame();
  if (!pfn.ok()) return pfn;
  vcpu.ZeroPage(core_.layout.DirectVa(*pfn));
  vcpu.cpu().counters.Add(Counter::kDemandZero);
  return pfn;
}

// A copy of the zero page is a zeroed page, which costs less.
absl::StatusOr<Pfn> MemoryManager::CopyOf(Vcpu& vcpu, Pfn page) {
  if (page == core_.zero_page) return ZeroedPage(vcpu);
  const Span span = KernelSpan(vcpu, "copy_user_highpage");
  absl::StatusOr<Pfn> copy = core_.AllocFrame();
  if (!copy.ok()) return copy;
  vcpu.CopyPage(core_.layout.DirectVa(*copy), core_.layout.DirectVa(page));
  vcpu.cpu().counters.Add(Counter::kCowCopies);
  return copy;
}

absl::StatusOr<Pfn> MemoryManager::FilePage(Vcpu& vcpu, const Vma& vma,
                                            VirtAddr va) {
  const uint64_t page = vma.FilePage(va);
  const auto it = vma.file->pages.find(page);
  if (it == vma.file->pages.end()) {
    absl::StatusOr<Pfn> fresh = NewFilePage(vcpu, vma, page);
    if (fresh.ok()) core_.frames.Get(*fresh);
    return fresh;
  }
  if (IsReclaimable(vma)) cache_.Touch(*vma.file, page);
  if (vma.shared() && core_.shared.Contains(it->second)) {
    absl::StatusOr<Pfn> own = Unshare(vcpu, vma.file, page, it->second);
    if (!own.ok()) return own;
    it->second = *own;
  }
  core_.frames.Get(it->second);
  return it->second;
}

// Files are in memory from the start, so reading them is not charged. tmpfs
// zeroes a page when it is first used, as anonymous memory is
// (shmem_get_folio_gfp).
absl::StatusOr<Pfn> MemoryManager::NewFilePage(Vcpu& vcpu, const Vma& vma,
                                               uint64_t page) {
  FileObject& file = *vma.file;
  absl::StatusOr<Pfn> pfn =
      file.zero_filled() ? ZeroedPage(vcpu) : core_.AllocFrame();
  if (!pfn.ok()) return pfn;
  file.pages.emplace(page, *pfn);
  if (file.zero_filled()) return pfn;
  if (IsReclaimable(vma)) cache_.Touch(file, page);
  const Mfn mfn = core_.domain.p2m().MfnOf(*pfn);
  core_.host.memory().ZeroFrame(mfn);
  core_.host.memory().SetContentToken(mfn, MixHash(file.identity() + 1, page));
  // Whoever does input for a guest reports the pages it has written (Xen:
  // XEN_DMOP_modified_memory, grant mappings).
  core_.domain.dirty_log().Mark(*pfn);
  if (Shares(vma)) fresh_.push_back(*pfn);
  return pfn;
}

void MemoryManager::FreeDropped(Vcpu& vcpu) {
  for (const Pfn head : cache_.TakeDroppedBlocks()) {
    core_.frames.PutBlock(head);
  }
  for (const Pfn page : cache_.TakeDropped()) FreeCachePage(vcpu, page);
}

void MemoryManager::FreeCachePage(Vcpu& vcpu, Pfn page) {
  XMMU_CHECK(core_.frames.references(page) == 1);
  if (!core_.shared.empty() && core_.shared.Contains(page)) {
    LeaveShare(vcpu, page);
  } else {
    core_.frames.Put(page);
  }
}

absl::Status MemoryManager::FaultAround(Vcpu& vcpu, AddressSpace& mm,
                                        const Vma& vma, const PteSlot& slot) {
  const Span span = KernelSpan(vcpu, "do_fault_around");
  // The window begins at a multiple of its size, or else with the VMA, and it
  // has that size from there on, within the VMA and the L1 table
  // (do_fault_around). Each entry is set by itself, as Linux does.
  const auto window = static_cast<uint64_t>(core_.options.fault_around_pages)
                      << kPageShift;
  const VirtAddr start =
      std::max(VirtAddr(slot.va.value() & ~(window - 1)), vma.start);
  const VirtAddr end =
      std::min({start + window, vma.end, tables_.EndOfEntry(2, slot.va)});
  const absl::Status shared = ShareWindow(vcpu, vma, start, end);
  if (!shared.ok()) return shared;
  for (VirtAddr va = start; va < end; va += kPageSize) {
    PteSlot near = slot;
    near.index +=
        static_cast<int>(static_cast<int64_t>(va.value() - slot.va.value()) /
                         static_cast<int64_t>(kPageSize));
    near.va = va;
    vcpu.cpu().clock.Charge(CostEvent::kGuestPteWork);
    if (va != slot.va && tables_.Load(vcpu, near) != 0) continue;
    // Only what is in memory is mapped around (filemap_map_pages), and of a
    // file that is not zero-filled that is all.
    if (va != slot.va && vma.file->zero_filled() &&
        !vma.file->pages.contains(vma.FilePage(va))) {
      continue;
    }
    absl::StatusOr<Pfn> page = FilePage(vcpu, vma, va);
    if (!page.ok()) return page.status();
    uint64_t entry =
        UserEntry(*page, vma, WritableUnwritten(vma), /*dirty=*/false);
    if (va != slot.va) entry &= ~pte::kAccessed;
    const Span set = EntrySpan(vcpu, "set_pte_at");
    ops_.InstallPte(vcpu, mm, near, entry);
    vcpu.cpu().counters.Add(Counter::kFileMapped);
  }
  return absl::OkStatus();
}

absl::Status MemoryManager::FaultIn(Vcpu& vcpu, AddressSpace& mm, Vma& vma,
                                    const PteSlot& slot, bool write) {
  // If faults map one page at a time, pages of a shared file need no path of
  // their own.
  const bool around = vma.backing == Backing::kFilePrivate ||
                      (vma.shared() && !vma.one_page_faults &&
                       core_.options.fault_around_pages > 1);
  if (!write && around) return FaultAround(vcpu, mm, vma, slot);
  const Span span = KernelSpan(vcpu, FaultInName(vma, write));
  absl::StatusOr<Pfn> page;
  bool writable = write;
  if (vma.shared()) {
    page = FilePage(vcpu, vma, slot.va);
    writable = write || WritableUnwritten(vma);
    vcpu.cpu().counters.Add(Counter::kFileMapped);
  } else if (vma.backing == Backing::kFilePrivate) {
    absl::StatusOr<Pfn> original = FilePage(vcpu, vma, slot.va);
    if (!original.ok()) return original.status();
    ShareFresh(vcpu);
    page = CopyOf(vcpu, *original);
    core_.frames.Put(*original);
  } else if (write) {
    page = ZeroedPage(vcpu);
  } else {
    core_.frames.Get(core_.zero_page);
    page = core_.zero_page;
  }
  if (!page.ok()) return page.status();
  if (!vma.shared()) {
    // What was only read needs no anon_vma (do_anonymous_page), and a fork
    // leaves its zeros to the child's faults.
    const bool own = *page != core_.zero_page;
    vma.has_own_pages |= own;
    core_.frames.SetExclusive(*page, own);
  }
  const Span set = EntrySpan(vcpu, "set_pte_at");
  ops_.InstallPte(vcpu, mm, slot, UserEntry(*page, vma, writable, write));
  return absl::OkStatus();
}

absl::Status MemoryManager::BreakCow(Vcpu& vcpu, AddressSpace& mm, Vma& vma,
                                     const PteSlot& slot, uint64_t entry) {
  const Span span = KernelSpan(vcpu, "do_wp_page");
  const Pfn page = core_.PfnOf(entry);
  // The mark tells that other domains use the frame, too.
  const bool others = (entry & kSharedMark) != 0;
  const bool last_owner = !others && (core_.frames.exclusive(page) ||
                                      core_.frames.references(page) == 1);
  if (vma.shared() || last_owner) {
    // Nobody else uses the page, or all are to see the write: it becomes
    // writable.
    vcpu.cpu().counters.Add(Counter::kCowReuses);
    if (!vma.shared()) core_.frames.SetExclusive(page, true);
    const Span set = EntrySpan(vcpu, "ptep_set_access_flags");
    ops_.UpgradePte(vcpu, mm, slot, UserEntry(page, vma, true, true));
    return absl::OkStatus();
  }
  absl::StatusOr<Pfn> copy = CopyOf(vcpu, page);
  if (!copy.ok()) return copy.status();
  vma.has_own_pages = true;
  core_.frames.SetExclusive(*copy, true);
  {
    const Span set = EntrySpan(vcpu, "ptep_clear_flush, set_pte_at");
    ops_.ReplacePte(vcpu, mm, slot, UserEntry(*copy, vma, true, true));
  }
  core_.frames.Put(page);
  return absl::OkStatus();
}

// #GP and anything without a VMA that allows it is a signal to the program
// (SIGSEGV).
absl::StatusOr<FaultResult> MemoryManager::HandleFault(Vcpu& vcpu,
                                                       AddressSpace& mm,
                                                       const PageFault& fault) {
  if (fault.vector != FaultVector::kPageFault) return FaultResult::kRefused;
  const Span span = KernelSpan(vcpu, "handle_mm_fault");
  Vma* const vma = mm.vmas.Find(fault.va);
  if (vma == nullptr) return FaultResult::kRefused;
  const bool fetch = (fault.error_code & pf::kFetch) != 0;
  const uint8_t needed = fault.is_write() ? kMapWrite
                         : fetch          ? kMapExecute
                                          : kMapRead;
  // On x86 any right lets a page be read.
  const bool allowed =
      needed == kMapRead ? vma->rights != 0 : (vma->rights & needed) != 0;
  if (!allowed) return FaultResult::kRefused;
  // Linux counts spurious faults, too (mm_account_fault).
  ++mm.minor_faults;
  return MakePage(vcpu, mm, *vma, fault.va, fault.is_write());
}

void MemoryManager::FoldFault(const AddressSpace& mm, const PageFault& fault,
                              FaultResult result, TaskDigest& digest) {
  // Whether a translation is stale is between kernel and hardware.
  if (result == FaultResult::kSpurious) return;
  const Vma* const vma = mm.vmas.Find(fault.va);
  const bool plain = vma != nullptr && vma->digest_plain;
  if (!plain) {
    digest.Faulted(fault);
  } else if (result == FaultResult::kRefused) {
    digest.FaultedInPlain(fault);
  }
}

absl::StatusOr<FaultResult> MemoryManager::MakePage(Vcpu& vcpu,
                                                    AddressSpace& mm, Vma& vma,
                                                    VirtAddr va, bool write,
                                                    int* level) {
  Reserve(vcpu, FramesOfFault());
  if (vma.hugetlb() && core_.LevelOfPages(vma.page_shift) > 1) {
    if (level != nullptr) *level = core_.LevelOfPages(vma.page_shift);
    return MakeHugetlbPage(vcpu, mm, vma, va, write);
  }
  if (!vma.digest_plain && WantsHuge(mm, vma, va, core_.options.digest_thp)) {
    mm.vmas.MarkPlain(va);
  }
  const bool wants = WantsHuge(mm, vma, va, core_.options.thp);
  const bool large = wants && core_.abi.large_pages;
  const size_t tables = mm.tables.size();
  absl::StatusOr<PteSlot> slot = tables_.Make(vcpu, mm, va, large ? 2 : 1);
  if (!slot.ok()) return slot.status();
  // The first access to a region finds no table there.
  const bool denied = vma.hugetlb() || (wants && !large);
  if (denied && mm.tables.size() > tables) {
    vcpu.cpu().counters.Add(Counter::kLargeDenied);
  }
  Vma* pages_of = &vma;
  if (slot->level > 1) {
    if (large) {  // Linux has merged what is one mapping
      const Range region = LargeRegion(va);
      pages_of = &mm.vmas.Join(region.start, region.end);
    }
    const absl::StatusOr<std::optional<FaultResult>> result =
        MakeHugePage(vcpu, mm, *pages_of, *slot, write);
    if (!result.ok()) return result.status();
    if (result->has_value()) {
      if (level != nullptr) *level = slot->level;
      return **result;
    }
    slot = tables_.Make(vcpu, mm, va);
    if (!slot.ok()) return slot.status();
  }
  return MakePageIn(vcpu, mm, *pages_of, *slot, write);
}

absl::StatusOr<FaultResult> MemoryManager::MakePageIn(
    Vcpu& vcpu, AddressSpace& mm, Vma& vma, const PteSlot& slot, bool write) {
  const Pte entry(tables_.Load(vcpu, slot));
  absl::Status status;
  if (!entry.present()) {
    status = FaultIn(vcpu, mm, vma, slot, write);
  } else if (write && !entry.writable()) {
    status = BreakCow(vcpu, mm, vma, slot, entry.raw());
  } else {
    // The entry already allows the access. The fault itself has dropped the
    // stale translation.
    return FaultResult::kSpurious;
  }
  if (!status.ok()) return status;
  return FaultResult::kResolved;
}

}  // namespace xmmu
