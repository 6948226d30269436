// trap-and-emulate: direct paging whose L1 tables may also be changed by plain
// stores, as in Xen since August 2006 (228f081e08). The guest switches it on
// with vm_assist(writable_pagetables).
//
// What becomes of a store to a typed L1 table (all other state is direct
// paging's):
//
//   store --table mapped read-only--> #PF in Xen
//   #PF --guest kernel, write to a present read-only mapping of an own L1-->
//       decode; validate the new entry --refused--> the fault is the guest's
//                                      --taken--> entry written for the guest,
//                                                 old references dropped
//
// Nothing is flushed here: the guest flushes, as it does on bare hardware.
//
// The variant trap-and-emulate-next stays in the emulator after such a store
// and executes what follows, for the second half of a PAE entry is likely to:
//
//   entry written --next instruction accesses no memory--> back to the guest
//     ^             --reads--> emulated, on to the next, up to four
//     |             --writes what can be written--> back to the guest, its own
//     +-------------- writes to such a table: emulated, then back to the guest
//
// Xen 3.1 did so, in its shadow code only (6b73fb435b: up to four instructions
// more for a PAE guest); here for every guest of direct paging, so that what it
// saves and what it wastes shows.

#include <memory>
#include <span>

#include "xmmu/policy/direct/paravirtual.h"
#include "xmmu/policy/policies.h"
#include "xmmu/xen/emulator.h"

namespace xmmu {
namespace {

class TrapAndEmulate final : public ParavirtualPolicy {
 public:
  TrapAndEmulate(Host& host, bool goes_on)
      : ParavirtualPolicy(host, /*stores_to_l1=*/true,
                          /*stores_trap=*/true),
        goes_on_(goes_on) {}

  std::string_view name() const override {
    return goes_on_ ? "trap-and-emulate-next" : "trap-and-emulate";
  }

  FaultOutcome HandleGuestFault(VcpuContext& vcpu, const PageFault& fault,
                                const Access& access,
                                MemoryOperand& operand) override {
    if (vcpu.kernel_mode && vcpu.domain->direct().writable_pagetables() &&
        fault.is_write() && !fault.not_present() &&
        paging().EmulatePteWrite(vcpu, fault, access, operand)) {
      if (goes_on_) {
        EmulateFollowing(paging().host(), vcpu, access,
                         [&](const Access& next, MemoryOperand& store) {
                           return EmulateStore(vcpu, next, store);
                         });
      }
      vcpu.cpu->clock.Charge(CostEvent::kIret);
      return {FaultAction::kEmulated, {}};
    }
    return Reflect(vcpu, fault);
  }

 private:
  // Performs the write `access` if it is one to an own L1 table. Returns
  // whether it was.
  bool EmulateStore(VcpuContext& vcpu, const Access& access,
                    MemoryOperand& operand) {
    const TranslateResult target = vcpu.cpu->mmu.Probe(access);
    return !target.ok() &&
           paging().EmulatePteWrite(vcpu, target.fault(), access, operand);
  }

  const bool goes_on_;
};

template <bool kGoesOn>
std::unique_ptr<Policy> MakeTrapAndEmulate(Host& host) {
  return std::make_unique<TrapAndEmulate>(host, kGoesOn);
}

}  // namespace

std::span<const PolicyEntry> TrapAndEmulateRows() {
  static constexpr PolicyEntry kRows[] = {
      {"trap-and-emulate",
       "direct paging; stores to L1 tables trap, are validated and emulated",
       &MakeTrapAndEmulate<false>},
      {"trap-and-emulate-next",
       "trap-and-emulate whose emulator goes on to the instructions that "
       "follow",
       &MakeTrapAndEmulate<true>, "trap-and-emulate"},
  };
  return kRows;
}

}  // namespace xmmu
