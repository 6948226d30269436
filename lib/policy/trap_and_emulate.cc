#include <memory>

#include "policy/builtin.h"
#include "policy/paravirtual.h"

// trap-and-emulate: direct paging whose L1 tables may also be changed by plain
// stores, as in Xen since August 2006 (228f081e08). The guest switches it on
// with vm_assist(writable_pagetables).
//
// State of a store to a typed L1 table (all other state is direct paging's):
//
//   store --table mapped read-only--> #PF in Xen
//   #PF --guest kernel, write to a present read-only mapping of an own L1-->
//       decode; validate the new entry --refused--> the fault is the guest's
//                                      --taken--> entry written for the guest,
//                                                 old references dropped
//   Nothing is flushed: that stays the guest's business, as on hardware.

namespace xmmu {
namespace {

class TrapAndEmulate final : public ParavirtualPolicy {
 public:
  explicit TrapAndEmulate(Host& host)
      : ParavirtualPolicy(host, /*stores_to_l1=*/true) {}

  std::string_view name() const override { return "trap-and-emulate"; }

  FaultOutcome HandlePageFault(VcpuContext& vcpu, const PageFault& fault,
                               const Access& access,
                               MemoryOperand& operand) override {
    vcpu.cpu->clock.Charge(CostEvent::kExceptionEntry);
    if (vcpu.kernel_mode && vcpu.domain->writable_pagetables() &&
        fault.is_write() && !fault.not_present() &&
        mm_.EmulatePteWrite(vcpu, fault, access, operand)) {
      vcpu.cpu->clock.Charge(CostEvent::kIret);
      return {FaultAction::kEmulated, {}};
    }
    return Reflect(vcpu, fault);
  }
};

}  // namespace

std::unique_ptr<Policy> MakeTrapAndEmulate(Host& host) {
  return std::make_unique<TrapAndEmulate>(host);
}

}  // namespace xmmu
