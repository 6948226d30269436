#include <array>

#include "guest/mmu_ops.h"
#include "xmmu/base/check.h"

namespace xmmu {
namespace {

// The operations of a kernel on hardware, real or virtualized: plain
// instructions, and flushes by INVLPG, CR3 and IPIs.
class NativeMmuOps final : public MmuOps {
 public:
  explicit NativeMmuOps(KernelCore& core) : core_(core) {}

  void SetPte(Vcpu& vcpu, AddressSpace&, const PteSlot& slot,
              uint64_t value) override {
    StorePteByInstruction(core_, vcpu, slot, value);
  }
  uint64_t ClearPte(Vcpu& vcpu, AddressSpace&, const PteSlot& slot) override {
    return ExchangePteByInstruction(core_, vcpu, slot);
  }
  void WriteProtectPte(Vcpu& vcpu, AddressSpace&, const PteSlot& slot,
                       uint64_t) override {
    ClearPteFlagsByInstruction(core_, vcpu, slot, pte::kWritable);
  }
  void ProtectPte(Vcpu& vcpu, AddressSpace&, const PteSlot& slot, uint64_t,
                  uint64_t value) override {
    ExchangePteByInstruction(core_, vcpu, slot);
    StorePteByInstruction(core_, vcpu, slot, value);
  }
  void ReplacePte(Vcpu& vcpu, AddressSpace& mm, const PteSlot& slot,
                  uint64_t value) override {
    StorePteByInstruction(core_, vcpu, slot, value);
    Flush(vcpu, mm, TlbFlush::Page(slot.va));
  }
  void SetTableEntry(Vcpu& vcpu, AddressSpace& mm, int level, Pfn table,
                     int index, uint64_t value) override {
    vcpu.Store(core_.EntryVa(table, index), core_.entry_bytes(), value);
    // Only MOV to CR3 loads the PDPTE registers (SDM Vol. 3A, "PDPTE
    // Registers"). So Linux reloads CR3 in pud_populate wherever the tables are
    // loaded (flush_tlb_mm).
    if (core_.mode() != PagingMode::kPae || level != 3) return;
    const CpuMask own = mm.active & MaskOf(vcpu.id());
    const CpuMask others = mm.active & ~own;
    if (own != 0) LoadRoot(vcpu, mm);
    if (others != 0) vcpu.FlushTlb(others, TlbFlush::NonGlobal());
  }
  void TableAllocated(Vcpu&, AddressSpace&, const TablePage&) override {}
  void TableReleased(Vcpu&, AddressSpace&, const TablePage&) override {}
  void RootAllocated(Vcpu&, AddressSpace&) override {}
  void RootReleased(Vcpu&, AddressSpace&) override {}
  void Activate(Vcpu&, AddressSpace&) override {}
  void Retire(Vcpu&, AddressSpace&) override {}

  void LoadRoot(Vcpu& vcpu, AddressSpace& mm) override {
    const absl::Status status = vcpu.LoadCr3(core_.domain.GfnOf(mm.root));
    if (!status.ok()) core_.Fail(status);
  }

  void Flush(Vcpu& vcpu, AddressSpace& mm, const TlbFlush& flush) override {
    if (mm.active != 0) vcpu.FlushTlb(mm.active, flush);
  }

 private:
  KernelCore& core_;
};

// The offset of the upper half of a PAE entry.
constexpr uint64_t kUpperHalf = 4;

Instruction Half(OperandKind kind, VirtAddr va, uint64_t value) {
  return {.va = va, .operand = {.kind = kind, .size = 4, .value = value}};
}

}  // namespace

std::unique_ptr<MmuOps> MakeNativeMmuOps(KernelCore& core) {
  return std::make_unique<NativeMmuOps>(core);
}

std::unique_ptr<MmuOps> MakeMmuOps(KernelCore& core) {
  if (!core.abi.paravirtual) return MakeNativeMmuOps(core);
  return core.options.ops == GuestOps::kPvops ? MakePvopsMmuOps(core)
                                              : MakeXenMmuOps(core);
}

void StorePteByInstruction(KernelCore& core, Vcpu& vcpu, const PteSlot& slot,
                           uint64_t value) {
  const VirtAddr va = core.EntryVa(slot.table, slot.index);
  if (core.mode() == PagingMode::kPae) {
    vcpu.StoreByHalves(va, value);
  } else {
    vcpu.Store(va, core.entry_bytes(), value);
  }
  vcpu.cpu().counters.Add(Counter::kPteStores);
}

// Once the lower half is zero the entry is not present, so the upper half can
// be read and cleared by plain instructions.
uint64_t ExchangePteByInstruction(KernelCore& core, Vcpu& vcpu,
                                  const PteSlot& slot) {
  const VirtAddr va = core.EntryVa(slot.table, slot.index);
  vcpu.cpu().counters.Add(Counter::kPteStores);
  if (core.mode() != PagingMode::kPae) {
    return vcpu.Exchange(va, core.entry_bytes(), 0);
  }
  std::array code = {Half(OperandKind::kXchg, va, 0),
                     Half(OperandKind::kLoad, va + kUpperHalf, 0),
                     Half(OperandKind::kStore, va + kUpperHalf, 0)};
  vcpu.KernelExecute(code);
  return code[1].operand.seen << 32 | code[0].operand.seen;
}

// All flags that are ever cleared alone lie in the lower half.
void ClearPteFlagsByInstruction(KernelCore& core, Vcpu& vcpu,
                                const PteSlot& slot, uint64_t flags) {
  XMMU_CHECK(flags >> 32 == 0);
  MemoryOperand operand{
      .kind = OperandKind::kAnd, .size = 4, .value = ~flags & 0xffffffff};
  vcpu.KernelExecute(core.EntryVa(slot.table, slot.index), operand);
  vcpu.cpu().counters.Add(Counter::kPteStores);
}

}  // namespace xmmu
