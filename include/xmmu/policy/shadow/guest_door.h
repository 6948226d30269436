#ifndef XMMU_POLICY_SHADOW_GUEST_DOOR_H_
#define XMMU_POLICY_SHADOW_GUEST_DOOR_H_

// How a guest on shadow page tables comes in to the hypervisor, and goes out
// again: by VM exits, or from ring 1.
//
//   event                  virtual machine       from ring 1
//   ---------------------  --------------------  ---------------------------
//   MOV CR3                VM exit               mmuext_op
//   flush of several CPUs  VM exits on each      mmuext_op, once for all
//   page fault             VM exit               exception, and the return
//   #GP                    stays in the guest    exception, and the return
//   fault for the guest    event injected        bounced to its handler
//   interrupt              delivered, no charge  bounced to its handler
//   memory hypercall       VM exit               INT 0x82
//
// The way out is in the price of the way in: kVmExit is an exit and an entry,
// and an exception or hypercall is charged with its return.
//
// Stateless constants; any thread.

#include <cstdint>
#include <optional>
#include <string_view>

#include "xmmu/mmu/access.h"
#include "xmmu/policy/policy.h"
#include "xmmu/xen/host.h"

namespace xmmu {

class GuestDoor {
 public:
  // Whether guests of `mode` come by this door, and which do, in words.
  virtual bool HasGuests(PagingMode mode) const = 0;
  virtual std::string_view guests() const = 0;
  // Takes from `abi` what such a guest does not find.
  virtual void Restrict(GuestAbi& abi) const = 0;

  // `vcpu` has been started on its shadows as a virtual machine; makes it what
  // it is by this door. Charges nothing.
  virtual void Start(VcpuContext& vcpu) const = 0;

  // The guest on `cpu` executes MOV CR3. Charges the way in and out.
  virtual void EnterByCall(Cpu& cpu) const = 0;
  // The guest flushes TLBs, its own one if `own`, by `exits` instructions a
  // CPU. Charges the way in and out of its own CPU. Returns how many exits each
  // other CPU takes that it interrupts; nothing, if the hypervisor interrupts
  // them on its behalf: see GuestShootdown.
  virtual std::optional<uint64_t> EnterToFlush(Cpu& cpu, bool own,
                                               uint64_t exits) const = 0;
  // The guest meets a fault. Charges the way in and out, as far as the fault
  // comes to the hypervisor at all.
  virtual void EnterByFault(Cpu& cpu, FaultVector vector) const = 0;
  // The guest executes a hypercall about its memory. Charges the way in and
  // out.
  virtual void EnterForHypercall(Cpu& cpu) const = 0;

  // Hands a fault to the handler of `vcpu`, which is in kernel mode from now
  // on. Charges the delivery.
  virtual void Inject(VcpuContext& vcpu) const = 0;
  // `vcpu` changes its mode. Charges what that takes beside bare hardware's
  // way, if the hypervisor has a part in it.
  virtual void SwitchMode(VcpuContext& vcpu, ModeSwitch how) const = 0;

  // Whether the hypervisor has a part of the guest's address space, which is in
  // the shadows then, with linear slots in which it finds the guest's tables.
  virtual bool hypervisor_in_shadows() const = 0;

 protected:
  ~GuestDoor() = default;
};

// The guest is a virtual machine (VMX, SVM).
const GuestDoor& VmDoor();
// The guest is a paravirtual one whose kernel runs in ring 1, and which knows
// that its frame numbers are translated.
const GuestDoor& Ring1Door();

}  // namespace xmmu

#endif  // XMMU_POLICY_SHADOW_GUEST_DOOR_H_
