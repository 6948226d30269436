// Does what programs say of their memory by madvise and mlock (Linux:
// mm/madvise.c, mm/mlock.c).

#include "guest/memory_manager.h"

namespace xmmu {

absl::Status MemoryManager::Advise(Vcpu&, AddressSpace& mm, const GuestOp& op,
                                   TaskDigest&) {
  switch (op.advice) {
    case Advice::kHugePage:
      return AdviseHuge(mm, op, HugeAdvice::kHuge);
    case Advice::kNoHugePage:
      return AdviseHuge(mm, op, HugeAdvice::kNoHuge);
    default:
      return absl::InvalidArgumentError("unknown advice");
  }
}

// Large pages that are there already stay (hugepage_madvise).
absl::Status MemoryManager::AdviseHuge(AddressSpace& mm, const GuestOp& op,
                                       HugeAdvice advice) {
  absl::StatusOr<Range> range = PageRange(op.va, op.length);
  if (!range.ok()) return range.status();
  for (Vma vma : mm.vmas.Carve(range->start, range->end)) {
    vma.huge = advice;
    mm.vmas.Insert(vma);
  }
  return absl::OkStatus();
}

}  // namespace xmmu
