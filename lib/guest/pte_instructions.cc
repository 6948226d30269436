#include "guest/pte_instructions.h"

#include "xmmu/base/check.h"

namespace xmmu {
namespace {

// The kernel reads the entry through its direct map.
uint64_t LoadPte(KernelCore& core, Vcpu& vcpu, const PteSlot& slot) {
  return vcpu.Load(core.EntryVa(slot.table, slot.index), core.entry_bytes());
}

// Linux 2.6.18, include/asm-i386/mach-xen/asm/pgtable-3level.h: the entry is
// loaded first to be compared with. It does not change in between, as one
// kernel works at a time here.
uint64_t TakeByCmpxchg8b(KernelCore& core, Vcpu& vcpu, const PteSlot& slot) {
  const uint64_t old = LoadPte(core, vcpu, slot);
  MemoryOperand operand{.kind = OperandKind::kCmpxchg, .expected = old};
  vcpu.KernelExecute(core.EntryVa(slot.table, slot.index), operand);
  XMMU_CHECK(operand.zf);
  vcpu.cpu().counters.Add(Counter::kPteStores);
  return old;
}

}  // namespace

uint64_t TakePteByInstruction(KernelCore& core, Vcpu& vcpu,
                              const PteSlot& slot) {
  switch (core.traits.instructions) {
    case PteInstructions::kLocked:
      break;
    case PteInstructions::kPlain: {
      const uint64_t old = LoadPte(core, vcpu, slot);
      StorePteByInstruction(core, vcpu, slot, 0);
      return old;
    }
    case PteInstructions::kCmpxchg8b:
      if (core.mode() != PagingMode::kPae) break;
      return TakeByCmpxchg8b(core, vcpu, slot);
  }
  return ExchangePteByInstruction(core, vcpu, slot);
}

void WriteProtectByInstruction(KernelCore& core, Vcpu& vcpu,
                               const PteSlot& slot) {
  if (core.traits.instructions != PteInstructions::kPlain) {
    ClearPteFlagsByInstruction(core, vcpu, slot, pte::kWritable);
    return;
  }
  const Pte old(LoadPte(core, vcpu, slot));
  StorePteByInstruction(core, vcpu, slot, old.Without(pte::kWritable).raw());
}

}  // namespace xmmu
