// The two ways in which a guest on shadows comes to the hypervisor.

#include "xmmu/policy/shadow/guest_door.h"

#include "xmmu/base/check.h"
#include "xmmu/xen/vm_exit.h"

namespace xmmu {
namespace {

class ByVmExit final : public GuestDoor {
 public:
  bool HasGuests(PagingMode mode) const override {
    return mode != PagingMode::k5Level;
  }
  std::string_view guests() const override {
    return "2-level, PAE and 4-level guests";
  }
  void Restrict(GuestAbi&) const override {}
  void Start(VcpuContext&) const override {}

  void EnterByCall(Cpu& cpu) const override { ChargeVmExit(cpu); }
  std::optional<uint64_t> EnterToFlush(Cpu& cpu, bool own,
                                       uint64_t exits) const override {
    if (own) ChargeVmExit(cpu, exits);
    return exits;
  }
  // Only page faults are intercepted.
  void EnterByFault(Cpu& cpu, FaultVector vector) const override {
    if (vector == FaultVector::kPageFault) ChargeVmExit(cpu);
  }
  void EnterForHypercall(Cpu& cpu) const override { ChargeVmExit(cpu); }

  void Inject(VcpuContext& vcpu) const override { InjectPageFault(vcpu); }
  void SwitchMode(VcpuContext&, ModeSwitch) const override {}
  bool hypervisor_in_shadows() const override { return false; }
};

// Shadow mode "translate" of Xen 3.0 without "external": the hypervisor keeps
// its own part of the address space, in the shadows. It is the fourth way of
// giving Xen a linear map of a PAE guest's tables that I. Pratt's message to
// xen-devel names ("understanding __linear_l2_table and friends", 2005): the
// linear slots are in the shadows, and the guest shares its kernel L2 among all
// roots as on bare hardware.
//
// The guest is a paravirtual one that knows it is translated (XenLinux:
// XENFEAT_auto_translated_physmap, XENFEAT_writable_page_tables): its kernel
// runs in ring 1, it writes to its tables by plain stores and pins nothing; it
// loads CR3 and flushes by mmuext_op. Its faults and interrupts come to Xen
// first, which bounces what is the guest's own; the INT 0x80 gate of its system
// calls leads straight to ring 1.
//
// There are 32-bit guests only: the kernel of a 64-bit one is in ring 3 and has
// two roots, and nobody is known to have run one so.
class FromRing1 final : public GuestDoor {
 public:
  bool HasGuests(PagingMode mode) const override {
    return LevelCount(mode) < 4;
  }
  std::string_view guests() const override { return "2-level and PAE guests"; }
  void Restrict(GuestAbi& abi) const override {
    abi.large_pages = false;
    abi.global_pages = false;
  }
  void Start(VcpuContext& vcpu) const override {
    vcpu.vm = {};
    if (vcpu.cpu->current != &vcpu) return;
    XMMU_CHECK(!vcpu.cpu->mmu.EnterVm({}, *vcpu.registers).has_value());
  }

  void EnterByCall(Cpu& cpu) const override {
    cpu.clock.Charge(CostEvent::kHypercallInt);
    cpu.clock.Charge(CostEvent::kHypercallWork);
    cpu.clock.Charge(CostEvent::kCopyIn);
    cpu.counters.Add(Counter::kHypercalls);
    cpu.counters.Add(Counter::kCallsToMmuextOp);
    cpu.counters.Add(Counter::kNumMmuextOps);
  }
  // One call has Xen flush all CPUs.
  std::optional<uint64_t> EnterToFlush(Cpu& cpu, bool,
                                       uint64_t) const override {
    EnterByCall(cpu);
    return std::nullopt;
  }
  // Xen returns by IRET, whether to the faulting instruction or to the guest's
  // handler.
  void EnterByFault(Cpu& cpu, FaultVector) const override {
    cpu.clock.Charge(CostEvent::kExceptionEntry);
    cpu.clock.Charge(CostEvent::kIret);
  }
  void EnterForHypercall(Cpu& cpu) const override {
    cpu.clock.Charge(CostEvent::kHypercallInt);
  }

  void Inject(VcpuContext& vcpu) const override {
    vcpu.cpu->clock.Charge(CostEvent::kBounce);
    vcpu.kernel_mode = true;
  }
  void SwitchMode(VcpuContext& vcpu, ModeSwitch how) const override {
    if (how != ModeSwitch::kInterrupt) return;
    vcpu.cpu->clock.Charge(CostEvent::kBounce);
    vcpu.cpu->clock.Charge(CostEvent::kIret);
  }
  bool hypervisor_in_shadows() const override { return true; }
};

}  // namespace

const GuestDoor& VmDoor() {
  static constexpr ByVmExit kDoor;
  return kDoor;
}

const GuestDoor& Ring1Door() {
  static constexpr FromRing1 kDoor;
  return kDoor;
}

}  // namespace xmmu
