// Gives programs transparent large pages (Linux 6.1: mm/huge_memory.c).
//
//   empty --first write--> a large page, zeroed --write after fork--> split,
//     |                                            unless it is the last user's
//     +--first read--> the large zero page --first write--> split
//
// Memory that has 4 KiB pages keeps them: there is no khugepaged.

#include "guest/kernel_span.h"
#include "guest/memory_manager.h"

namespace xmmu {

MemoryManager::Range MemoryManager::LargeRegion(VirtAddr va) const {
  const uint64_t span = LeafFrames(2) << kPageShift;
  const VirtAddr start(va.value() & ~(span - 1));
  return {start, start + span};
}

bool MemoryManager::WantsHuge(const AddressSpace& mm, const Vma& vma,
                              VirtAddr va, Thp thp) const {
  if (thp == Thp::kNever || vma.huge == HugeAdvice::kNoHuge) return false;
  if (thp == Thp::kMadvise && vma.huge != HugeAdvice::kHuge) return false;
  if (vma.file_backed() || vma.hugetlb()) return false;
  const Range region = LargeRegion(va);
  return mm.vmas.OneMapping(region.start, region.end).has_value();
}

void MemoryManager::ZeroBlock(Vcpu& vcpu, Pfn head, uint64_t frames) {
  for (uint64_t i = 0; i < frames; ++i) {
    vcpu.ZeroPage(core_.layout.DirectVa(head + i));
  }
}

// The table for a split is laid by before the page is mapped.
absl::StatusOr<bool> MemoryManager::FaultInHuge(Vcpu& vcpu, AddressSpace& mm,
                                                Vma& vma, const PteSlot& slot,
                                                bool write) {
  const Span span = KernelSpan(vcpu, "do_huge_pmd_anonymous_page");
  const bool known = !write && core_.huge_zero_page != kInvalidPfn;
  const std::optional<Pfn> head =
      known ? core_.huge_zero_page : core_.frames.AllocBlock(LeafFrames(2));
  if (!head.has_value()) {
    vcpu.cpu().counters.Add(Counter::kThpFaultFallback);
    return false;
  }
  if (!known) ZeroBlock(vcpu, *head, LeafFrames(2));
  const absl::Status status = tables_.Deposit(vcpu, mm);
  if (!status.ok()) return status;
  if (!write) {
    core_.huge_zero_page = *head;
    core_.frames.GetBlock(*head);
  }
  core_.frames.SetExclusive(*head, write);
  vma.has_own_pages = true;
  ops_.InstallPte(vcpu, mm, slot, LeafEntry(*head, vma, write, write));
  vcpu.cpu().counters.Add(write ? Counter::kThpFaultAlloc
                                : Counter::kThpZeroPage);
  return true;
}

// A reference of anybody else, be it of one 4 KiB page, stands in the way.
bool MemoryManager::ReuseHuge(Vcpu& vcpu, AddressSpace& mm, const Vma& vma,
                              const PteSlot& slot, uint64_t entry) {
  const Span span = KernelSpan(vcpu, "do_huge_pmd_wp_page");
  const Pfn head = core_.PfnOf(entry);
  const bool own =
      core_.frames.exclusive(head) ||
      (head != core_.huge_zero_page && core_.frames.references(head) == 1);
  if (!own) return false;
  core_.frames.SetExclusive(head, true);
  vcpu.cpu().counters.Add(Counter::kCowReuses);
  ops_.UpgradePte(vcpu, mm, slot, LeafEntry(head, vma, true, true));
  return true;
}

// What cannot be large goes on by 4 KiB (VM_FAULT_FALLBACK).
absl::StatusOr<std::optional<FaultResult>> MemoryManager::MakeHugePage(
    Vcpu& vcpu, AddressSpace& mm, Vma& vma, const PteSlot& slot, bool write) {
  const Pte entry(tables_.Load(vcpu, slot));
  if (entry.raw() == 0) {
    const absl::StatusOr<bool> made = FaultInHuge(vcpu, mm, vma, slot, write);
    if (!made.ok()) return made.status();
    if (!*made) return std::nullopt;
  } else if (!write || entry.writable()) {
    return FaultResult::kSpurious;
  } else if (!ReuseHuge(vcpu, mm, vma, slot, entry.raw())) {
    tables_.Split(vcpu, mm, slot);
    return std::nullopt;
  }
  return FaultResult::kResolved;
}

// VMAs that continue each other are kept apart here, where Linux merges them; a
// large page over both makes them one.
void MemoryManager::SettleEdges(Vcpu& vcpu, AddressSpace& mm,
                                const GuestOp& op) {
  const bool moves = op.kind == GuestOpKind::kRemap;
  const VirtAddr start = PageBase(moves ? op.target : op.va);
  const uint64_t length = moves ? op.new_length : op.length;
  const absl::StatusOr<Range> range = PageRange(start, length);
  if (!range.ok()) return;
  mm.vmas.SpreadPlain(range->start, range->end);
  if (mm.deposits.empty()) return;
  for (const VirtAddr edge : {range->start, range->end}) {
    const Range region = LargeRegion(edge);
    if (edge == region.start) continue;
    if (mm.vmas.OneMapping(region.start, region.end).has_value()) {
      mm.vmas.Join(region.start, region.end);
    } else {
      tables_.SplitAt(vcpu, mm, edge);
    }
  }
}

}  // namespace xmmu
