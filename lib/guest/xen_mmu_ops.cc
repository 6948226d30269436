// The page-table operations of a kernel that runs on Xen, pvops excepted.
//
// guest/paravirtual_mmu_ops.h shows the life of an address space's tables.
// While they are read-only their entries change as guest/kernel_traits.h says
// for the kernel.

#include <array>

#include "guest/hypercall_queue.h"
#include "guest/paravirtual_mmu_ops.h"
#include "guest/pte_instructions.h"

namespace xmmu {
namespace {

class XenMmuOps final : public ParavirtualMmuOps {
 public:
  explicit XenMmuOps(KernelCore& core) : ParavirtualMmuOps(core) {}

  void SetPte(Vcpu& vcpu, AddressSpace& mm, const PteSlot& slot,
              uint64_t value) override {
    WritePte(vcpu, mm, slot, value, core_.traits.set);
  }

  void InstallPte(Vcpu& vcpu, AddressSpace& mm, const PteSlot& slot,
                  uint64_t value) override {
    WritePte(vcpu, mm, slot, value, core_.traits.install);
  }

  // Without an instruction that returns the old entry, the kernel reads it
  // first.
  uint64_t ClearPte(Vcpu& vcpu, AddressSpace& mm,
                    const PteSlot& slot) override {
    if (Resolve(vcpu, mm, core_.traits.clear) == PteWay::kStore) {
      return TakePteByInstruction(core_, vcpu, slot);
    }
    const uint64_t old =
        vcpu.Load(core_.EntryVa(slot.table, slot.index), core_.entry_bytes());
    WritePte(vcpu, mm, slot, 0, core_.traits.clear);
    return old;
  }

  void WriteProtectPte(Vcpu& vcpu, AddressSpace& mm, const PteSlot& slot,
                       uint64_t old) override {
    const PteWay way = core_.traits.write_protect;
    if (Resolve(vcpu, mm, way) == PteWay::kStore) {
      WriteProtectByInstruction(core_, vcpu, slot);
    } else {
      WritePte(vcpu, mm, slot, Pte(old).Without(pte::kWritable).raw(), way);
    }
  }

  // Tables that are still ordinary memory are changed as on bare hardware.
  void ProtectPte(Vcpu& vcpu, AddressSpace& mm, const PteSlot& slot, uint64_t,
                  uint64_t value) override {
    const ProtectBy by = core_.traits.protect;
    if (!mm.tables_read_only || by == ProtectBy::kClearAndSet) {
      ClearPte(vcpu, mm, slot);
      SetPte(vcpu, mm, slot, value);
    } else if (by == ProtectBy::kPreserveAd) {
      Update(vcpu, slot.table, slot.index, value,
             MmuUpdateCommand::kPreserveAd);
    } else {
      SetPte(vcpu, mm, slot, value);
    }
  }

  // update_va_mapping changes and flushes at once (ptep_establish); other ways
  // need a flush of their own.
  void ReplacePte(Vcpu& vcpu, AddressSpace& mm, const PteSlot& slot,
                  uint64_t value) override {
    const PteWay way = core_.traits.replace;
    if (Resolve(vcpu, mm, way) == PteWay::kMapping) {
      IssueMapping(vcpu, mm, slot, value, FlushScope::kPage);
      return;
    }
    WritePte(vcpu, mm, slot, value, way);
    Flush(vcpu, mm, TlbFlush::Page(slot.va));
  }

  // A link in a 64-bit guest's root is put into its user-mode root as well.
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
    // Later loads and accesses rely on a new link, but not on one that is
    // cleared.
    QueueOf(vcpu).IssueUpdates(std::span(requests).first(both_roots ? 2 : 1),
                               /*now=*/value != 0);
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

  // Some kernels pin a tree when it is first loaded: see LoadRoot().
  void Activate(Vcpu& vcpu, AddressSpace& mm) override {
    if (!core_.traits.pins_when_loaded) ParavirtualMmuOps::Activate(vcpu, mm);
  }

  // A tree that is pinned late is pinned here at the latest.
  void LoadRoot(Vcpu& vcpu, AddressSpace& mm) override {
    if (!mm.tables_read_only) MakeReadOnly(vcpu, mm);
    std::array<MmuextOp, 2> ops = {
        MmuextOp{.command = MmuextCommand::kNewBaseptr, .mfn = MfnOf(mm.root)},
        // Frame 0 stands for no user base.
        MmuextOp{
            .command = MmuextCommand::kNewUserBaseptr,
            .mfn = mm.user_root == kInvalidPfn ? Mfn(0) : MfnOf(mm.user_root)}};
    const bool user_base = core_.levels() >= 4;
    QueueOf(vcpu).IssueOps(std::span(ops).first(user_base ? 2 : 1));
  }

  // Without a vCPU to flush, what is queued is still issued, since the caller
  // relies on it.
  void Flush(Vcpu& vcpu, AddressSpace& mm, const TlbFlush& flush) override {
    if (mm.active == 0 || flush.scope == FlushScope::kNone) {
      QueueOf(vcpu).Flush();
      return;
    }
    flush.ForEach([&](const TlbFlush& part) {
      const MmuextOp op = FlushOp(vcpu, mm, part);
      QueueOf(vcpu).IssueOps({&op, 1});
    });
  }

  void EnterLazy(Vcpu& vcpu) override { QueueOf(vcpu).set_lazy(true); }
  void LeaveLazy(Vcpu& vcpu) override {
    HypercallQueue& queue = QueueOf(vcpu);
    queue.set_lazy(false);
    if (core_.traits.lazy_batch > core_.traits.batch) queue.Flush();
  }
  void FinishKernelWork(Vcpu& vcpu) override { QueueOf(vcpu).Flush(); }

 private:
  // Returns what `way` comes to for `mm` at this moment, which is never
  // kMappingOrStore.
  static PteWay Resolve(const Vcpu& vcpu, const AddressSpace& mm, PteWay way) {
    // Tables that are not read-only are still ordinary memory.
    if (!mm.tables_read_only) return PteWay::kStore;
    if (way == PteWay::kStore || way == PteWay::kRequest) return way;
    if ((mm.active & MaskOf(vcpu.id())) != 0) return PteWay::kMapping;
    return way == PteWay::kMapping ? PteWay::kRequest : PteWay::kStore;
  }
  HypercallQueue& QueueOf(Vcpu& vcpu) {
    const size_t id = vcpu.id();
    if (ABSL_PREDICT_FALSE(queues_.size() <= id)) MakeQueues(id);
    return *queues_[id];
  }
  // Makes the queues of the vCPUs up to `last`.
  ABSL_ATTRIBUTE_NOINLINE void MakeQueues(size_t last) {
    while (queues_.size() <= last) {
      Vcpu& vcpu = *core_.vcpus[queues_.size()];
      queues_.push_back(std::make_unique<HypercallQueue>(core_, vcpu));
    }
  }

  void Update(Vcpu& vcpu, Pfn table, int index, uint64_t value,
              MmuUpdateCommand command) {
    QueueOf(vcpu).Update({.entry = core_.EntryMachineAddr(table, index),
                          .value = value,
                          .command = command});
  }

  // Changes an entry the way that the kernel does at this moment.
  void WritePte(Vcpu& vcpu, AddressSpace& mm, const PteSlot& slot,
                uint64_t value, PteWay way) {
    switch (Resolve(vcpu, mm, way)) {
      case PteWay::kMapping:
        IssueMapping(vcpu, mm, slot, value, FlushScope::kNone);
        return;
      case PteWay::kRequest:
        Update(vcpu, slot.table, slot.index, value, MmuUpdateCommand::kNormal);
        return;
      case PteWay::kStore:
      case PteWay::kMappingOrStore:
        StorePteByInstruction(core_, vcpu, slot, value);
    }
  }

  // Issues update_va_mapping; with kPage the same request flushes the page.
  void IssueMapping(Vcpu& vcpu, AddressSpace& mm, const PteSlot& slot,
                    uint64_t value, FlushScope flush) {
    const bool elsewhere = mm.active != MaskOf(vcpu.id());
    QueueOf(vcpu).Issue(
        {.va = slot.va,
         .value = value,
         .flush = {.scope = flush, .vcpus = elsewhere ? mm.active : 0}});
  }

  void AddReadOnly(HypercallQueue& queue, Pfn pfn,
                   FlushScope flush = FlushScope::kNone) {
    queue.AddMapping({.va = core_.layout.DirectVa(pfn),
                      .value = core_.MakeKernelEntry(pfn, /*writable=*/false),
                      .flush = {.scope = flush}});
  }
  void AddWritable(HypercallQueue& queue, Pfn pfn) {
    queue.AddMapping({.va = core_.layout.DirectVa(pfn),
                      .value = core_.MakeKernelEntry(pfn, /*writable=*/true)});
  }
  void AddPin(HypercallQueue& queue, const TablePage& table) {
    queue.AddExtended(
        {.command = PinCommand(table.level), .mfn = MfnOf(table.pfn)});
  }
  void AddUnpin(HypercallQueue& queue, Pfn pfn) {
    queue.AddExtended({.command = MmuextCommand::kUnpin, .mfn = MfnOf(pfn)});
  }

  // The roots come last: pinning one validates the whole tree, whose tables
  // must be read-only by then.
  void MakeReadOnly(Vcpu& vcpu, AddressSpace& mm) override {
    HypercallQueue& queue = QueueOf(vcpu);
    for (const TablePage& table : mm.tables) {
      AddReadOnly(queue, table.pfn);
      if (PinsAlone(table)) AddPin(queue, table);
    }
    mm.pinned = core_.options.pin != PinWhen::kNever;
    for (Pfn root : {mm.user_root, mm.root}) {
      if (root == kInvalidPfn) continue;
      const bool flush = core_.traits.flushes_at_pin && root == mm.root;
      AddReadOnly(queue, root,
                  flush ? FlushScope::kNonGlobal : FlushScope::kNone);
      if (mm.pinned) {
        AddPin(queue, {root, static_cast<uint8_t>(core_.levels())});
      }
    }
    queue.IssueMembers();
    mm.tables_read_only = true;
  }

  // Unpins before it makes tables writable: Xen would refuse a writable mapping
  // of a table.
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
    queue.Flush();  // the pages may be reused from now on
    if (core_.traits.flushes_at_pin) {
      const MmuextOp op{.command = MmuextCommand::kTlbFlushLocal};
      queue.IssueOps({&op, 1});
    }
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
