#ifndef XMMU_LIB_GUEST_PARAVIRTUAL_MMU_OPS_H_
#define XMMU_LIB_GUEST_PARAVIRTUAL_MMU_OPS_H_

// When a kernel that runs on Xen makes the tables of an address space read-only
// and pins them (PinWhen), by whatever requests:
//
//   early   allocated --> read-only, pinned --> released: unpinned, writable
//   late    allocated writable; plain stores --Activate--> read-only, pinned
//           --Retire--> unpinned, writable; plain stores
//   never   as late, without the pins: Xen validates the tree each time it is
//           loaded and tears it down each time it is left

#include "guest/mmu_ops.h"

namespace xmmu {

class ParavirtualMmuOps : public MmuOps {
 public:
  explicit ParavirtualMmuOps(KernelCore& core) : core_(core) {}

  void RootAllocated(Vcpu& vcpu, AddressSpace& mm) override {
    if (Early()) MakeReadOnly(vcpu, mm);
  }
  void RootReleased(Vcpu& vcpu, AddressSpace& mm) override {
    if (mm.tables_read_only) MakeWritable(vcpu, mm);
  }
  void Activate(Vcpu& vcpu, AddressSpace& mm) override {
    if (!mm.tables_read_only) MakeReadOnly(vcpu, mm);
  }
  void Retire(Vcpu& vcpu, AddressSpace& mm) override {
    if (Early() || !mm.tables_read_only) return;
    // Linux: exit_mmap leaves the dying tables before it unpins them.
    if ((mm.active & MaskOf(vcpu.id())) != 0) {
      LoadRoot(vcpu, core_.init_mm);
      mm.active &= ~MaskOf(vcpu.id());
      core_.init_mm.active |= MaskOf(vcpu.id());
    }
    MakeWritable(vcpu, mm);
  }

 protected:
  // Make the whole tree read-only and pinned, as the options say, and undo
  // that.
  virtual void MakeReadOnly(Vcpu& vcpu, AddressSpace& mm) = 0;
  virtual void MakeWritable(Vcpu& vcpu, AddressSpace& mm) = 0;

  bool Early() const { return core_.options.pin == PinWhen::kEarly; }
  // Whether a table has a pin of its own beside its tree's. Every one has when
  // pinned early, and so have the L1s of mainline Linux, as each has a lock
  // that must be held meanwhile (split page-table locks). Xen 3.0 pins no PAE
  // L2, and Xen 4.17 none that maps the kernel.
  bool PinsAlone(const TablePage& table) const {
    if (core_.options.pin == PinWhen::kNever || table.kernel_l2) return false;
    return Early() || (core_.traits.pins_l1_tables && table.level == 1);
  }
  Mfn MfnOf(Pfn pfn) const { return core_.domain.p2m().MfnOf(pfn); }

  static MmuextCommand PinCommand(int level) {
    return static_cast<MmuextCommand>(static_cast<int>(MmuextCommand::kPinL1) +
                                      level - 1);
  }
  // Returns the request to flush on all vCPUs that have `mm` loaded. REQUIRES:
  // it is of one page at most.
  static MmuextOp FlushOp(const Vcpu& vcpu, const AddressSpace& mm,
                          const TlbFlush& flush) {
    const bool page = flush.scope == FlushScope::kPage;
    MmuextOp op{.va = flush.va, .vcpus = mm.active};
    if (mm.active == MaskOf(vcpu.id())) {
      op.command =
          page ? MmuextCommand::kInvlpgLocal : MmuextCommand::kTlbFlushLocal;
    } else {
      op.command =
          page ? MmuextCommand::kInvlpgMulti : MmuextCommand::kTlbFlushMulti;
    }
    return op;
  }

  KernelCore& core_;
};

}  // namespace xmmu

#endif  // XMMU_LIB_GUEST_PARAVIRTUAL_MMU_OPS_H_
