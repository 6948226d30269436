// Makes pages without a fault of the program, and locks mappings: MAP_POPULATE
// and MAP_LOCKED, mlock and its kin, MADV_POPULATE_READ and _WRITE (Linux:
// mm/gup.c, __mm_populate, populate_vma_page_range, faultin_vma_page_range;
// mm/mlock.c; mm/madvise.c, madvise_populate).

#include "guest/kernel_span.h"
#include "guest/memory_manager.h"

namespace xmmu {

// follow_page_mask looks each page up, and faultin_page makes what is missing.
// That is one kGuestPteWork a page, however large (assumed) and the loads of
// the walk, beside what making the page takes.
absl::Status MemoryManager::PopulatePages(Vcpu& vcpu, AddressSpace& mm,
                                          const Range& range, bool write) {
  const Span span = KernelSpan(vcpu, "populate_vma_page_range");
  ops_.FinishKernelWork(vcpu);
  for (VirtAddr va = range.start; va < range.end;) {
    vcpu.cpu().clock.Charge(CostEvent::kGuestPteWork);
    int level = 1;
    absl::StatusOr<FaultResult> made =
        MakePage(vcpu, mm, *mm.vmas.Find(va), va, write, &level);
    if (!made.ok()) return made.status();
    if (*made == FaultResult::kResolved) {
      vcpu.cpu().counters.Add(Counter::kPopulated);
      ++mm.minor_faults;  // faultin_page, mm_account_fault
      // The next page's entry may be among those just written.
      ops_.FinishKernelWork(vcpu);
    }
    va = tables_.EndOfEntry(level, va);
  }
  return absl::OkStatus();
}

// Private pages that may be written are made as by a write, so that there is
// nothing left to copy; shared ones are not to be dirty for nothing. Where
// faults are to make the pages there is nothing to do. What may not be touched
// is EFAULT (check_vma_flags): mmap passes over it, mlock ends there.
absl::Status MemoryManager::Populate(Vcpu& vcpu, AddressSpace& mm,
                                     const Range& range, AfterError after) {
  for (const Vma& vma : mm.vmas.Overlapping(range.start, range.end)) {
    if (vma.lock == MemoryLock::kOnFault) continue;
    if (vma.rights == 0) {
      if (after == AfterError::kGoOn) continue;
      break;
    }
    const bool write = (vma.rights & kMapWrite) != 0 && !vma.shared();
    const absl::Status status = PopulatePages(vcpu, mm, range.In(vma), write);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

// Unlike mlock this makes pages as it is told, or ends: EINVAL where the right
// is missing.
absl::Status MemoryManager::AdvisePopulate(Vcpu& vcpu, AddressSpace& mm,
                                           const Range& range, bool write) {
  const uint8_t needed = write ? kMapWrite : kMapRead;
  for (const Vma& vma : mm.vmas.Overlapping(range.start, range.end)) {
    if ((vma.rights & needed) == 0) break;
    const absl::Status status = PopulatePages(vcpu, mm, range.In(vma), write);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

// apply_vma_lock_flags ends at the first hole (ENOMEM), and nothing is made
// then. mlockall and munlockall pass over holes, and over what cannot be made
// (apply_mlockall_flags). Huge pages are never locked, but made (mlock_fixup).
absl::Status MemoryManager::Lock(Vcpu& vcpu, AddressSpace& mm,
                                 const GuestOp& op, MemoryLock lock) {
  const bool all = op.length == 0;
  Range range{VirtAddr(0), core_.layout.user_end};
  if (!all) {
    absl::StatusOr<Range> given = PageRange(op.va, op.length);
    if (!given.ok()) return given.status();
    range = *given;
  }
  const VirtAddr end =
      all ? range.end : mm.vmas.EndOfMapped(range.start, range.end);
  ChangeVmas(mm, {range.start, end}, [lock](Vma& vma) {
    if (!vma.hugetlb()) vma.lock = lock;
    return true;
  });
  if (lock == MemoryLock::kNone || end < range.end) return absl::OkStatus();
  return Populate(vcpu, mm, range, all ? AfterError::kGoOn : AfterError::kStop);
}

}  // namespace xmmu
