// The page-table operations of a present-day 64-bit Linux on Xen (6.1,
// arch/x86/xen/mmu_pv.c).
//
//   set_pte                 mmu_update, also of a table not yet read-only;
//                           queued inside lazy regions
//   ptep_modify_prot_commit mmu_update keeping A and D, queued likewise
//   ptep_get_and_clear, ptep_set_wrprotect
//                           an atomic instruction on the table; pv_ops has no
//                           call for them, so that Xen has to emulate it where
//                           the table is read-only. Never queued.
//   set_pmd, set_pud, set_p4d
//                           mmu_update if the table is read-only, else a store
//
// Such an instruction does not flush the queue first: within one lazy region
// Linux never clears what it has just set.

#include <algorithm>
#include <array>

#include "guest/multicall_queue.h"
#include "guest/paravirtual_mmu_ops.h"

namespace xmmu {
namespace {

class PvopsMmuOps final : public ParavirtualMmuOps {
 public:
  explicit PvopsMmuOps(KernelCore& core) : ParavirtualMmuOps(core) {
    for (const std::unique_ptr<Vcpu>& vcpu : core.vcpus) {
      queues_.push_back(std::make_unique<MulticallQueue>(core, *vcpu));
    }
  }

  void SetPte(Vcpu& vcpu, AddressSpace&, const PteSlot& slot,
              uint64_t value) override {
    Update(vcpu, slot.table, slot.index, value, MmuUpdateCommand::kNormal);
    QueueOf(vcpu).Issue();
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
    Update(vcpu, slot.table, slot.index, value, MmuUpdateCommand::kPreserveAd);
    QueueOf(vcpu).Issue();
  }

  void ReplacePte(Vcpu& vcpu, AddressSpace& mm, const PteSlot& slot,
                  uint64_t value) override {
    ClearPte(vcpu, mm, slot);
    Flush(vcpu, mm, TlbFlush::Page(slot.va));
    SetPte(vcpu, mm, slot, value);
  }

  // A stale translation with fewer rights costs its user a spurious fault.
  void UpgradePte(Vcpu& vcpu, AddressSpace& mm, const PteSlot& slot,
                  uint64_t value) override {
    SetPte(vcpu, mm, slot, value);
  }

  // A link in a 64-bit guest's root is put into its user-mode root as well
  // (xen_set_p4d).
  void SetTableEntry(Vcpu& vcpu, AddressSpace& mm, int, Pfn table, int index,
                     uint64_t value) override {
    const bool both_roots = table == mm.root && mm.user_root != kInvalidPfn;
    const std::array<Pfn, 2> tables = {table, mm.user_root};
    for (Pfn pfn : std::span(tables).first(both_roots ? 2 : 1)) {
      if (mm.tables_read_only) {
        Update(vcpu, pfn, index, value, MmuUpdateCommand::kNormal);
      } else {
        vcpu.Store(core_.EntryVa(pfn, index), core_.entry_bytes(), value);
      }
    }
    // Later loads and accesses rely on the new link.
    if (mm.tables_read_only) QueueOf(vcpu).Flush();
  }

  // Source: xen_alloc_ptpage, which acts only on a tree that is pinned.
  void TableAllocated(Vcpu& vcpu, AddressSpace& mm,
                      const TablePage& table) override {
    if (!Early() && !mm.tables_read_only) return;
    AddMapping(vcpu, table.pfn, /*writable=*/false);
    if (PinsAlone(table)) AddPin(vcpu, table.pfn, table.level);
    QueueOf(vcpu).Issue();
  }

  // Source: xen_release_ptpage.
  void TableReleased(Vcpu& vcpu, AddressSpace& mm,
                     const TablePage& table) override {
    if (!mm.tables_read_only) return;
    if (PinsAlone(table)) AddUnpin(vcpu, table.pfn);
    AddMapping(vcpu, table.pfn, /*writable=*/true);
    QueueOf(vcpu).Issue();
  }

  // pmd_populate announces the table as if it were new; it is pinned already.
  void TableMoved(Vcpu& vcpu, AddressSpace& mm,
                  const TablePage& table) override {
    if (!mm.tables_read_only) return;
    AddMapping(vcpu, table.pfn, /*writable=*/false);
    QueueOf(vcpu).Issue();
  }

  // Source: xen_write_cr3, which queues both roots in one multicall.
  void LoadRoot(Vcpu& vcpu, AddressSpace& mm) override {
    MulticallQueue& queue = QueueOf(vcpu);
    queue.AddOp({.command = MmuextCommand::kNewBaseptr, .mfn = MfnOf(mm.root)});
    if (core_.levels() >= 4) {
      // Frame 0 stands for no user base.
      queue.AddOp(
          {.command = MmuextCommand::kNewUserBaseptr,
           .mfn = mm.user_root == kInvalidPfn ? Mfn(0) : MfnOf(mm.user_root)});
    }
    queue.Flush();
  }

  void Flush(Vcpu& vcpu, AddressSpace& mm, const TlbFlush& flush) override {
    if (mm.active == 0 || flush.scope == FlushScope::kNone) return;
    flush.ForEach([&](const TlbFlush& part) {
      QueueOf(vcpu).AddOp(FlushOp(vcpu, mm, part));
      QueueOf(vcpu).Flush();
    });
  }

  void EnterLazy(Vcpu& vcpu) override { QueueOf(vcpu).set_lazy(true); }
  void LeaveLazy(Vcpu& vcpu) override {
    QueueOf(vcpu).set_lazy(false);
    QueueOf(vcpu).Flush();
  }

 private:
  MulticallQueue& QueueOf(Vcpu& vcpu) { return *queues_[vcpu.id()]; }

  void Update(Vcpu& vcpu, Pfn table, int index, uint64_t value,
              MmuUpdateCommand command) {
    QueueOf(vcpu).AddUpdate({.entry = core_.EntryMachineAddr(table, index),
                             .value = value,
                             .command = command});
  }
  void AddMapping(Vcpu& vcpu, Pfn pfn, bool writable,
                  FlushScope flush = FlushScope::kNone) {
    QueueOf(vcpu).AddMapping({.va = core_.layout.DirectVa(pfn),
                              .value = core_.MakeKernelEntry(pfn, writable),
                              .flush = {.scope = flush}});
  }
  void AddPin(Vcpu& vcpu, Pfn pfn, int level) {
    QueueOf(vcpu).AddOp({.command = PinCommand(level), .mfn = MfnOf(pfn)});
  }
  void AddUnpin(Vcpu& vcpu, Pfn pfn) {
    QueueOf(vcpu).AddOp({.command = MmuextCommand::kUnpin, .mfn = MfnOf(pfn)});
  }

  // Returns every table below the roots, each before those under it
  // (xen_pgd_walk).
  static std::vector<TablePage> Walk(const AddressSpace& mm) {
    std::vector<TablePage> tables(mm.tables.begin(), mm.tables.end());
    std::sort(tables.begin(), tables.end(),
              [](const TablePage& a, const TablePage& b) {
                return a.base != b.base ? a.base < b.base : a.level > b.level;
              });
    return tables;
  }

  // Source: xen_pgd_pin. A root's remapping asks for a flush of everything,
  // which covers the tables before it (xen_pin_page).
  void MakeReadOnly(Vcpu& vcpu, AddressSpace& mm) override {
    for (const TablePage& table : Walk(mm)) {
      AddMapping(vcpu, table.pfn, /*writable=*/false);
      if (PinsAlone(table)) AddPin(vcpu, table.pfn, table.level);
    }
    mm.pinned = core_.options.pin != PinWhen::kNever;
    for (Pfn root : {mm.root, mm.user_root}) {
      if (root == kInvalidPfn) continue;
      AddMapping(vcpu, root, /*writable=*/false, FlushScope::kNonGlobal);
      if (mm.pinned) AddPin(vcpu, root, core_.levels());
    }
    QueueOf(vcpu).Flush();
    mm.tables_read_only = true;
  }

  // Source: xen_pgd_unpin.
  void MakeWritable(Vcpu& vcpu, AddressSpace& mm) override {
    if (mm.pinned) {
      AddUnpin(vcpu, mm.root);
      if (mm.user_root != kInvalidPfn) AddUnpin(vcpu, mm.user_root);
    }
    if (mm.user_root != kInvalidPfn) {
      AddMapping(vcpu, mm.user_root, /*writable=*/true, FlushScope::kNonGlobal);
    }
    for (const TablePage& table : Walk(mm)) {
      if (PinsAlone(table)) AddUnpin(vcpu, table.pfn);
      AddMapping(vcpu, table.pfn, /*writable=*/true);
    }
    AddMapping(vcpu, mm.root, /*writable=*/true, FlushScope::kNonGlobal);
    QueueOf(vcpu).Flush();
    mm.tables_read_only = false;
    mm.pinned = false;
  }

  std::vector<std::unique_ptr<MulticallQueue>> queues_;
};

}  // namespace

std::unique_ptr<MmuOps> MakePvopsMmuOps(KernelCore& core) {
  return std::make_unique<PvopsMmuOps>(core);
}

}  // namespace xmmu
