#ifndef XMMU_LIB_GUEST_MMU_OPS_H_
#define XMMU_LIB_GUEST_MMU_OPS_H_

// How a guest kernel issues its page-table operations: Linux's pv_ops.mmu. The
// kernel says what it wants, and an implementation turns that into instructions
// or hypercalls, at once or batched.
//
// `vcpu` issues the operation, and `mm` is the address space whose tables
// change.

#include <memory>

#include "guest/kernel_core.h"

namespace xmmu {

class MmuOps {
 public:
  virtual ~MmuOps() = default;

  // Stores `value` in an entry that was not present (set_pte_at).
  virtual void SetPte(Vcpu& vcpu, AddressSpace& mm, const PteSlot& slot,
                      uint64_t value) = 0;
  // As SetPte(), for an entry that a fault of the running program asks for.
  virtual void InstallPte(Vcpu& vcpu, AddressSpace& mm, const PteSlot& slot,
                          uint64_t value) {
    SetPte(vcpu, mm, slot, value);
  }
  // Clears an entry and returns what it was (ptep_get_and_clear).
  virtual uint64_t ClearPte(Vcpu& vcpu, AddressSpace& mm,
                            const PteSlot& slot) = 0;
  // Clears the writable flag of `old` in place (ptep_set_wrprotect).
  virtual void WriteProtectPte(Vcpu& vcpu, AddressSpace& mm,
                               const PteSlot& slot, uint64_t old) = 0;
  // Replaces the rights of `old`, keeping A and D (ptep_modify_prot).
  virtual void ProtectPte(Vcpu& vcpu, AddressSpace& mm, const PteSlot& slot,
                          uint64_t old, uint64_t value) = 0;
  // Replaces a present entry and flushes its page (ptep_clear_flush and set,
  // for copy-on-write).
  virtual void ReplacePte(Vcpu& vcpu, AddressSpace& mm, const PteSlot& slot,
                          uint64_t value) = 0;
  // Gives a present entry more rights to the same page
  // (ptep_set_access_flags).
  virtual void UpgradePte(Vcpu& vcpu, AddressSpace& mm, const PteSlot& slot,
                          uint64_t value) {
    ReplacePte(vcpu, mm, slot, value);
  }

  // Stores `value` in slot `index` of a table of `level` >= 2. For the root of
  // a 64-bit paravirtual guest this includes the user-mode root.
  virtual void SetTableEntry(Vcpu& vcpu, AddressSpace& mm, int level, Pfn table,
                             int index, uint64_t value) = 0;

  // A zeroed page becomes a table page of `mm`, or stops being one after it was
  // unlinked. The page is mapped writable before and after.
  virtual void TableAllocated(Vcpu& vcpu, AddressSpace& mm,
                              const TablePage& table) = 0;
  virtual void TableReleased(Vcpu& vcpu, AddressSpace& mm,
                             const TablePage& table) = 0;
  // As TableAllocated() and TableReleased(), for the roots, which already have
  // their kernel entries.
  virtual void RootAllocated(Vcpu& vcpu, AddressSpace& mm) = 0;
  virtual void RootReleased(Vcpu& vcpu, AddressSpace& mm) = 0;

  // An L1 table has been unlinked and is about to be linked elsewhere in `mm`.
  virtual void TableMoved(Vcpu&, AddressSpace&, const TablePage&) {}

  // `mm` is complete and will be used (end of fork, first switch).
  virtual void Activate(Vcpu& vcpu, AddressSpace& mm) = 0;
  // The last task of `mm` is gone; all its entries will be cleared.
  virtual void Retire(Vcpu& vcpu, AddressSpace& mm) = 0;
  // Puts `mm` in CR3.
  virtual void LoadRoot(Vcpu& vcpu, AddressSpace& mm) = 0;

  // Flushes on all vCPUs that have `mm` loaded.
  virtual void Flush(Vcpu& vcpu, AddressSpace& mm, const TlbFlush& flush) = 0;

  // Changes between the two need not take effect before LeaveLazy().
  virtual void EnterLazy(Vcpu&) {}
  virtual void LeaveLazy(Vcpu&) {}
  // The kernel is about to leave for user mode: nothing may be left undone.
  virtual void FinishKernelWork(Vcpu&) {}
};

// Makes the operations that `core`'s options name, on its ABI.
std::unique_ptr<MmuOps> MakeMmuOps(KernelCore& core);

// These use plain instructions.
std::unique_ptr<MmuOps> MakeNativeMmuOps(KernelCore& core);
// These are a paravirtual guest's of Xen.
std::unique_ptr<MmuOps> MakeXenMmuOps(KernelCore& core);
// These are for GuestOps::kPvops. REQUIRES: all vCPUs exist.
std::unique_ptr<MmuOps> MakePvopsMmuOps(KernelCore& core);

// Stores to an L1 entry as the kernel's C code would: one store in 2-level and
// 64-bit modes; in PAE two, upper half first where the entry becomes present
// and lower half first where it stops being so (Linux, include/asm-i386/
// pgtable-3level.h).
void StorePteByInstruction(KernelCore& core, Vcpu& vcpu, const PteSlot& slot,
                           uint64_t value);
// Clears an L1 entry by XCHG and returns what it was; in PAE the lower half is
// exchanged before the upper one is cleared (ptep_get_and_clear).
uint64_t ExchangePteByInstruction(KernelCore& core, Vcpu& vcpu,
                                  const PteSlot& slot);
// Clears flags by LOCK AND of the low half (clear_bit).
void ClearPteFlagsByInstruction(KernelCore& core, Vcpu& vcpu,
                                const PteSlot& slot, uint64_t flags);

}  // namespace xmmu

#endif  // XMMU_LIB_GUEST_MMU_OPS_H_
