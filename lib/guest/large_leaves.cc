// Splits the leaves of large pages, and keeps the tables that this takes
// (Linux: mm/huge_memory.c, mm/pgtable-generic.c).

#include "guest/kernel_span.h"
#include "guest/page_tables.h"
#include "xmmu/base/check.h"

namespace xmmu {

absl::Status PageTables::Deposit(Vcpu& vcpu, AddressSpace& mm) {
  absl::StatusOr<Pfn> table = AllocTable(vcpu);
  if (!table.ok()) return table.status();
  mm.deposits.push_back(*table);
  return absl::OkStatus();
}

void PageTables::DropDeposit(AddressSpace& mm) {
  XMMU_CHECK(!mm.deposits.empty());
  XMMU_CHECK(core_.frames.Put(mm.deposits.back()));
  mm.deposits.pop_back();
  core_.CountTable(-1);
}

// The leaf is made invalid and flushed before the table takes its place, as no
// processor may hold translations of both sizes (pmdp_invalidate). The new
// entries keep all flags but D: Linux 6.1 leaves it to the next write to set
// ("we don't do pte_mkdirty when dirty==true").
void PageTables::Split(Vcpu& vcpu, AddressSpace& mm, const PteSlot& slot) {
  const Span span = KernelSpan(vcpu, "__split_huge_pmd");
  XMMU_CHECK(slot.level == 2 && !mm.deposits.empty());
  const Pte old(ops_.ClearPte(vcpu, mm, slot));
  ops_.Flush(vcpu, mm, TlbFlush::Page(slot.va));
  const TablePage table{.pfn = mm.deposits.back(), .level = 1, .base = slot.va};
  mm.deposits.pop_back();
  ops_.TableAllocated(vcpu, mm, table);
  mm.tables.Add(table);
  const Pfn head = core_.PfnOf(old.raw());
  const bool zero = head == core_.huge_zero_page;
  if (!zero) core_.frames.SplitBlock(head);
  const uint64_t flags = old.Without(pte::kPageSize | pte::kDirty).flags();
  PteSlot part = SlotOf(table.pfn, 1, slot.va);
  for (const int count = EntryCount(core_.mode(), 1); part.index < count;
       ++part.index, part.va += kPageSize) {
    const Pfn page =
        zero ? core_.zero_page : head + static_cast<uint64_t>(part.index);
    if (zero) core_.frames.Get(page);
    vcpu.cpu().clock.Charge(CostEvent::kGuestPteWork);
    ops_.SetPte(vcpu, mm, part, core_.MakeEntry(page, flags));
  }
  if (zero) core_.frames.PutBlock(head);
  ops_.SetTableEntry(vcpu, mm, 2, slot.table, slot.index,
                     core_.MakeTableEntry(2, table.pfn));
  vcpu.cpu().counters.Add(Counter::kThpSplitPmd);
}

void PageTables::SplitAt(Vcpu& vcpu, AddressSpace& mm, VirtAddr va) {
  const std::optional<PteSlot> slot = Find(vcpu, mm, va);
  if (slot.has_value() && slot->level == 2 && slot->va < va) {
    Split(vcpu, mm, *slot);
  }
}

}  // namespace xmmu
