#include <memory>

#include "policy/builtin.h"
#include "policy/paravirtual.h"

// writable-page-tables: direct paging whose L1 tables the guest writes to with
// plain stores, many for one trap. Xen 2.0 and 3.0 had it, from October 2004
// (2e415918c1) to August 2006 (228f081e08); here as in Xen 3.0.0, with the
// checks of mid-2006. The guest switches it on with
// vm_assist(writable_pagetables).
//
// A domain has two slots, each a table at most:
//
//                 write fault of the guest kernel on the
//                 read-only mapping of a validated L1
//   validated ------------------------------------------> open
//   (hooked, mapped    active: P off in its L2 entry,       | the guest stores
//    read-only)          all of the domain's CPUs flushed   | what it likes
//      ^               snapshot taken                       |
//      |               RW on in the entry that maps it      |
//      |                                                    v
//      +------------------------------------------------ closing
//          RW off, INVLPG; entries unlike the snapshot get references, those
//          in it lose theirs; active: P on again. A refused entry: the rest
//          as in the snapshot, and the domain crashes.
//
// The active slot is for a table hooked in the address space in use: what Xen
// has not validated must not be walked. The inactive one is for any other.
//
// Closed is: the active table, by an access of any vCPU to the addresses that
// it maps; a slot, by a fault that wants it; both, by nearly every hypercall
// (see Mm), thus also by a change of CR3 and by flushes, and by a store that is
// emulated on an SMP guest. Xen 2.0 also closed both when it scheduled; in 3.0
// and here the state is the domain's, and stays.
//
// Emulated, as trap-and-emulate does all, is a store: to a table of unknown
// place or one that maps itself; on an SMP guest, to one that anything else
// refers to; and the one after a batch of none, which says that the guest does
// not get on with it (the next one opens again).
//
// Meanwhile the guest finds an L2 entry without P: Linux then took for empty
// only an entry of zero (pmd_present).
//
// Source: Xen 3.0.0, xen/arch/x86/mm.c, ptwr_do_page_fault, ptwr_flush.

namespace xmmu {
namespace {

class WritablePageTables final : public ParavirtualPolicy {
 public:
  explicit WritablePageTables(Host& host)
      : ParavirtualPolicy(host, /*stores_to_l1=*/true) {}

  std::string_view name() const override { return "writable-page-tables"; }

  FaultOutcome HandlePageFault(VcpuContext& vcpu, const PageFault& fault,
                               const Access& access,
                               MemoryOperand& operand) override {
    vcpu.cpu->clock.Charge(CostEvent::kExceptionEntry);
    const FaultAction action = Handle(vcpu, fault, access, operand);
    if (action == FaultAction::kReflect || vcpu.domain->crashed()) {
      return Reflect(vcpu, fault);
    }
    vcpu.cpu->clock.Charge(CostEvent::kIret);
    return {action, {}};
  }

 private:
  FaultAction Handle(VcpuContext& vcpu, const PageFault& fault,
                     const Access& access, MemoryOperand& operand) {
    const bool handles = fault.vector == FaultVector::kPageFault &&
                         vcpu.domain->writable_pagetables();
    if (!handles || vcpu.domain->crashed()) return FaultAction::kReflect;
    if (mm_.MeetsUnhooked(vcpu, access)) {
      mm_.CloseTable(vcpu, PtwrSlot::kActive);
      return FaultAction::kRetry;
    }
    const bool may_be =
        vcpu.kernel_mode && fault.is_write() && !fault.not_present();
    if (!may_be) return FaultAction::kReflect;
    const TableWrite write = mm_.FindTableWrite(vcpu, fault, access);
    switch (write.kind) {
      case TableWrite::Kind::kNotOurs:
        return FaultAction::kReflect;
      case TableWrite::Kind::kSpurious:
        return FaultAction::kRetry;
      case TableWrite::Kind::kOpen:
        if (Open(vcpu, write)) return FaultAction::kRetry;
        break;
      case TableWrite::Kind::kEmulate:
        break;
    }
    return mm_.EmulatePteWrite(vcpu, fault, access, operand,
                               /*holds_lock=*/true)
               ? FaultAction::kEmulated
               : FaultAction::kReflect;
  }

  // False if the store is to be emulated instead.
  bool Open(VcpuContext& vcpu, const TableWrite& write) {
    if (vcpu.domain->vcpu_count() > 1 && !write.sole_use) {
      mm_.CloseTables(vcpu);
      return false;
    }
    mm_.CloseTable(vcpu, write.slot);
    PtwrInfo& info = vcpu.domain->ptwr(write.slot);
    if (info.last_updates == 0) {
      info.last_updates = 1;
      return false;
    }
    mm_.OpenTable(vcpu, write);
    return true;
  }
};

}  // namespace

std::unique_ptr<Policy> MakeWritablePageTables(Host& host) {
  return std::make_unique<WritablePageTables>(host);
}

}  // namespace xmmu
