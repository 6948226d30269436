// Does what programs say of their memory by madvise and mlock (Linux:
// mm/madvise.c, mm/mlock.c). A call that Linux refuses half way has done its
// half, and to the program it has failed.

#include "guest/memory_manager.h"

namespace xmmu {
namespace {

// Whether both VMAs are told apart by nothing that ChangeVmas() may change.
bool SameAdvice(const Vma& a, const Vma& b) {
  return a.huge == b.huge && a.lock == b.lock && a.dont_fork == b.dont_fork &&
         a.wipe_on_fork == b.wipe_on_fork;
}

}  // namespace

absl::Status MemoryManager::Advise(Vcpu& vcpu, AddressSpace& mm,
                                   const GuestOp& op, TaskDigest&) {
  switch (op.advice) {
    case Advice::kLock:
      return Lock(vcpu, mm, op, MemoryLock::kLocked);
    case Advice::kLockOnFault:
      return Lock(vcpu, mm, op, MemoryLock::kOnFault);
    case Advice::kUnlock:
      return Lock(vcpu, mm, op, MemoryLock::kNone);
    default:
      break;
  }
  absl::StatusOr<Range> range = PageRange(op.va, op.length);
  if (!range.ok()) return range.status();
  switch (op.advice) {
    case Advice::kPopulateRead:
      return AdvisePopulate(vcpu, mm, *range, /*write=*/false);
    case Advice::kPopulateWrite:
      return AdvisePopulate(vcpu, mm, *range, /*write=*/true);
    case Advice::kFree:
      return AdviseFree(vcpu, mm, *range);
    default:
      ChangeVmas(mm, *range,
                 [&op](Vma& vma) { return TakeAdvice(op.advice, vma); });
      return absl::OkStatus();
  }
}

// Large pages that are there already stay (hugepage_madvise).
bool MemoryManager::TakeAdvice(Advice advice, Vma& vma) {
  switch (advice) {
    case Advice::kHugePage:
      vma.huge = HugeAdvice::kHuge;
      return true;
    case Advice::kNoHugePage:
      vma.huge = HugeAdvice::kNoHuge;
      return true;
    case Advice::kDontFork:
      vma.dont_fork = true;
      return true;
    case Advice::kDoFork:
      vma.dont_fork = false;
      return true;
    case Advice::kWipeOnFork:
      // Only private memory that is of no file can be wiped; hugetlb's is.
      if (vma.file_backed() || vma.hugetlb()) return false;
      vma.wipe_on_fork = true;
      return true;
    case Advice::kKeepOnFork:
      vma.wipe_on_fork = false;
      return true;
    default:
      return false;
  }
}

// What stays as it is stays in one piece (vma_merge).
void MemoryManager::ChangeVmas(AddressSpace& mm, const Range& range,
                               absl::FunctionRef<bool(Vma&)> change) {
  for (const Vma& vma : mm.vmas.Overlapping(range.start, range.end)) {
    Vma changed = vma;
    if (!change(changed)) return;
    if (SameAdvice(changed, vma)) continue;
    const Range part = range.In(vma);
    if (CutsHugetlb(mm, part)) return;
    for (Vma piece : mm.vmas.Carve(part.start, part.end)) {
      change(piece);
      mm.vmas.Insert(piece);
    }
  }
}

// Pages lose A and D, so that they could be told from those that are used
// again; there is no swap, so nothing takes them (simplified). The walk goes
// over holes and ends at what is no private anonymous memory, or locked:
// EINVAL (madvise_free_single_vma, madvise_dontneed_free_valid_vma).
absl::Status MemoryManager::AdviseFree(Vcpu& vcpu, AddressSpace& mm,
                                       const Range& range) {
  for (const Vma& vma : mm.vmas.Overlapping(range.start, range.end)) {
    if (vma.file_backed() || vma.hugetlb() || vma.lock != MemoryLock::kNone) {
      break;
    }
    const Range part = range.In(vma);
    TlbGather gather;
    const absl::Status status = tables_.ForEachEntry(
        vcpu, mm, part.start, part.end,
        [&](const PteSlot& slot, uint64_t entry) {
          const bool used = Pte(entry).accessed() || Pte(entry).dirty();
          const Pfn page = core_.PfnOf(entry);
          // A large page that others map as well stays as it is
          // (madvise_free_huge_pmd).
          const bool others =
              slot.level > 1 && core_.frames.references(page) != 1;
          if (!used || others || page == core_.zero_page ||
              page == core_.huge_zero_page) {
            return absl::OkStatus();
          }
          const Pte old(ops_.ClearPte(vcpu, mm, slot));
          ops_.SetPte(vcpu, mm, slot,
                      old.Without(pte::kAccessed | pte::kDirty).raw());
          gather.AddLeaf(slot.va, slot.level);
          return absl::OkStatus();
        });
    if (!status.ok()) return status;
    if (!gather.empty()) FlushRange(vcpu, mm, part, gather);
  }
  return absl::OkStatus();
}

}  // namespace xmmu
