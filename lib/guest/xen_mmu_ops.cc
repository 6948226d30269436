#include <array>

#include "guest/hypercall_queue.h"
#include "guest/paravirtual_mmu_ops.h"

// The page-table operations of a kernel that runs on Xen.
//
// Life of an address space's tables: guest/paravirtual_mmu_ops.h.
// While tables are read-only their entries change only through Xen, in the way
// that GuestOps names.

namespace xmmu {
namespace {

class XenMmuOps final : public ParavirtualMmuOps {
 public:
  explicit XenMmuOps(KernelCore& core) : ParavirtualMmuOps(core) {}

  void SetPte(Vcpu& vcpu, AddressSpace& mm, const PteSlot& slot,
              uint64_t value) override {
    WritePte(vcpu, mm, slot, value, FlushScope::kNone);
  }

  uint64_t ClearPte(Vcpu& vcpu, AddressSpace& mm,
                    const PteSlot& slot) override {
    if (ByInstruction(mm)) return ExchangePteByInstruction(core_, vcpu, slot);
    const uint64_t old =
        vcpu.Load(core_.EntryVa(slot.table, slot.index), core_.entry_bytes());
    WritePte(vcpu, mm, slot, 0, FlushScope::kNone);
    return old;
  }

  void WriteProtectPte(Vcpu& vcpu, AddressSpace& mm, const PteSlot& slot,
                       uint64_t old) override {
    if (ByInstruction(mm)) {
      ClearPteFlagsByInstruction(core_, vcpu, slot, pte::kWritable);
    } else {
      WritePte(vcpu, mm, slot, Pte(old).Without(pte::kWritable).raw(),
               FlushScope::kNone);
    }
  }

  void ProtectPte(Vcpu& vcpu, AddressSpace& mm, const PteSlot& slot, uint64_t,
                  uint64_t value) override {
    if (ByInstruction(mm)) {
      ExchangePteByInstruction(core_, vcpu, slot);
      StorePteByInstruction(core_, vcpu, slot, value);
    } else if (core_.options.ops == GuestOps::kMulticall) {
      Update(vcpu, slot.table, slot.index, value,
             MmuUpdateCommand::kPreserveAd);
    } else {
      WritePte(vcpu, mm, slot, value, FlushScope::kNone);
    }
  }

  void ReplacePte(Vcpu& vcpu, AddressSpace& mm, const PteSlot& slot,
                  uint64_t value) override {
    if (core_.options.ops == GuestOps::kUpdateVaMapping && !ByInstruction(mm)) {
      WritePte(vcpu, mm, slot, value, FlushScope::kPage);
      return;
    }
    WritePte(vcpu, mm, slot, value, FlushScope::kNone);
    Flush(vcpu, mm, TlbFlush::Page(slot.va));
  }

  void SetTableEntry(Vcpu& vcpu, AddressSpace& mm, int, Pfn table, int index,
                     uint64_t value) override {
    const bool both_roots = table == mm.root && mm.user_root != kInvalidPfn;
    if (!mm.tables_read_only) {
      vcpu.Store(core_.EntryVa(table, index), core_.entry_bytes(), value);
      if (both_roots) {
        vcpu.Store(core_.EntryVa(mm.user_root, index), core_.entry_bytes(),
                   value);
      }
      return;
    }
    std::array<MmuUpdate, 2> requests = {MmuUpdate{
        .entry = core_.EntryMachineAddr(table, index), .value = value}};
    if (both_roots) {
      requests[1] = {.entry = core_.EntryMachineAddr(mm.user_root, index),
                     .value = value};
    }
    // Later loads and accesses rely on it: nothing may stay queued.
    QueueOf(vcpu).Issue(MmuUpdateCall{
        .requests = std::span(requests).first(both_roots ? 2 : 1)});
  }

  void TableAllocated(Vcpu& vcpu, AddressSpace& mm,
                      const TablePage& table) override {
    if (!Early() && !mm.tables_read_only) return;
    HypercallQueue& queue = QueueOf(vcpu);
    AddReadOnly(queue, table.pfn);
    if (PinsAlone(table)) AddPin(queue, table);
    queue.IssueMembers();
  }

  void TableReleased(Vcpu& vcpu, AddressSpace& mm,
                     const TablePage& table) override {
    if (!mm.tables_read_only) return;
    HypercallQueue& queue = QueueOf(vcpu);
    if (PinsAlone(table)) AddUnpin(queue, table.pfn);
    AddWritable(queue, table.pfn);
    queue.IssueMembers();
  }

  void LoadRoot(Vcpu& vcpu, AddressSpace& mm) override {
    std::array<MmuextOp, 2> ops = {
        MmuextOp{.command = MmuextCommand::kNewBaseptr, .mfn = MfnOf(mm.root)},
        // Frame 0 means: no user base.
        MmuextOp{
            .command = MmuextCommand::kNewUserBaseptr,
            .mfn = mm.user_root == kInvalidPfn ? Mfn(0) : MfnOf(mm.user_root)}};
    const bool user_base = core_.levels() >= 4;
    QueueOf(vcpu).Issue(
        MmuextCall{.ops = std::span(ops).first(user_base ? 2 : 1)});
  }

  void Flush(Vcpu& vcpu, AddressSpace& mm, const TlbFlush& flush) override {
    QueueOf(vcpu).Flush();
    if (mm.active == 0 || flush.scope == FlushScope::kNone) return;
    const MmuextOp op = FlushOp(vcpu, mm, flush);
    QueueOf(vcpu).Issue(MmuextCall{.ops = {&op, 1}});
  }

  void EnterLazy(Vcpu& vcpu) override { QueueOf(vcpu).set_lazy(true); }
  void LeaveLazy(Vcpu& vcpu) override {
    HypercallQueue& queue = QueueOf(vcpu);
    queue.set_lazy(false);
    if (core_.options.ops == GuestOps::kMulticall) queue.Flush();
  }
  void FinishKernelWork(Vcpu& vcpu) override { QueueOf(vcpu).Flush(); }

 private:
  // Tables that are still ordinary memory, and L1 tables of a guest that leaves
  // its stores to the hypervisor.
  bool ByInstruction(const AddressSpace& mm) const {
    return !mm.tables_read_only || core_.options.ops == GuestOps::kStores;
  }
  HypercallQueue& QueueOf(Vcpu& vcpu) {
    while (queues_.size() <= vcpu.id()) {
      const auto id = static_cast<uint32_t>(queues_.size());
      queues_.push_back(
          std::make_unique<HypercallQueue>(core_, *core_.vcpus[id]));
    }
    return *queues_[vcpu.id()];
  }

  void Update(Vcpu& vcpu, Pfn table, int index, uint64_t value,
              MmuUpdateCommand command) {
    QueueOf(vcpu).Update({.entry = core_.EntryMachineAddr(table, index),
                          .value = value,
                          .command = command});
  }

  // Changes an L1 entry in the way the options name; kPage asks for its page to
  // be flushed by the same request where it can.
  void WritePte(Vcpu& vcpu, AddressSpace& mm, const PteSlot& slot,
                uint64_t value, FlushScope flush) {
    if (ByInstruction(mm)) {
      StorePteByInstruction(core_, vcpu, slot, value);
      return;
    }
    const bool current = (mm.active & MaskOf(vcpu.id())) != 0;
    if (core_.options.ops == GuestOps::kUpdateVaMapping && current) {
      const bool elsewhere = mm.active != MaskOf(vcpu.id());
      QueueOf(vcpu).Issue(UpdateVaMappingCall{
          .va = slot.va,
          .value = value,
          .flush = {.scope = flush, .vcpus = elsewhere ? mm.active : 0}});
      return;
    }
    Update(vcpu, slot.table, slot.index, value, MmuUpdateCommand::kNormal);
    if (flush == FlushScope::kPage) {
      Flush(vcpu, mm, TlbFlush::Page(slot.va));
    }
  }

  void AddReadOnly(HypercallQueue& queue, Pfn pfn) {
    queue.AddMapping(core_.layout.DirectVa(pfn),
                     core_.MakeKernelEntry(pfn, /*writable=*/false));
  }
  void AddWritable(HypercallQueue& queue, Pfn pfn) {
    queue.AddMapping(core_.layout.DirectVa(pfn),
                     core_.MakeKernelEntry(pfn, /*writable=*/true));
  }
  void AddPin(HypercallQueue& queue, const TablePage& table) {
    queue.AddExtended(
        {.command = PinCommand(table.level), .mfn = MfnOf(table.pfn)});
  }
  void AddUnpin(HypercallQueue& queue, Pfn pfn) {
    queue.AddExtended({.command = MmuextCommand::kUnpin, .mfn = MfnOf(pfn)});
  }

  // The whole tree: leaves first, the roots last.
  void MakeReadOnly(Vcpu& vcpu, AddressSpace& mm) override {
    HypercallQueue& queue = QueueOf(vcpu);
    for (const TablePage& table : mm.tables) {
      AddReadOnly(queue, table.pfn);
      if (PinsAlone(table)) AddPin(queue, table);
    }
    mm.pinned = core_.options.pin != PinWhen::kNever;
    for (Pfn root : {mm.user_root, mm.root}) {
      if (root == kInvalidPfn) continue;
      AddReadOnly(queue, root);
      if (mm.pinned) {
        AddPin(queue, {root, static_cast<uint8_t>(core_.levels())});
      }
    }
    queue.IssueMembers();
    mm.tables_read_only = true;
  }

  void MakeWritable(Vcpu& vcpu, AddressSpace& mm) override {
    HypercallQueue& queue = QueueOf(vcpu);
    for (Pfn root : {mm.root, mm.user_root}) {
      if (root == kInvalidPfn) continue;
      if (mm.pinned) AddUnpin(queue, root);
    }
    for (const TablePage& table : mm.tables) {
      if (PinsAlone(table)) AddUnpin(queue, table.pfn);
      AddWritable(queue, table.pfn);
    }
    for (Pfn root : {mm.root, mm.user_root}) {
      if (root != kInvalidPfn) AddWritable(queue, root);
    }
    queue.IssueMembers();
    mm.tables_read_only = false;
    mm.pinned = false;
  }

  std::vector<std::unique_ptr<HypercallQueue>> queues_;
};

}  // namespace

std::unique_ptr<MmuOps> MakeXenMmuOps(KernelCore& core) {
  return std::make_unique<XenMmuOps>(core);
}

}  // namespace xmmu
