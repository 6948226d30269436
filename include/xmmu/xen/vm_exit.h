#ifndef XMMU_XEN_VM_EXIT_H_
#define XMMU_XEN_VM_EXIT_H_

// The ways out of a guest that runs unmodified on VMX or SVM, and back in.
//
// Single-threaded.

#include <optional>
#include <vector>

#include "xmmu/xen/host.h"

namespace xmmu {

// How a guest on shadows is run. On machines without VPID or ASID each of its
// exits costs it all that its processor has cached (SDM Vol. 3C, "Operations
// that Invalidate Cached Mappings"). On machines with them the guest is entered
// under a tag of its own, a new one after each MOV CR3 of the hypervisor's,
// hence after each switch of vCPUs (Xen to 4.13, xen/arch/x86/flushtlb.c,
// pre_flush: hvm_flush_guest_tlbs).
VmControls ShadowControls(const MachineModel& model);

// Charges what it takes to leave the guest on `cpu` by a VM exit and to enter
// it again, `times` times: kVmExit and kVmExitWork. Counts kVmExits; drops what
// Mmu::VmExit does.
void ChargeVmExit(Cpu& cpu, uint64_t times = 1);

// Enters `vcpu` with a page fault for the guest's own handler. Charges
// kExceptionEntry: the processor delivers the fault as on bare hardware.
void InjectPageFault(VcpuContext& vcpu);

// A guest's interrupt to others of its processors, to have them flush. These
// are the exits that it takes where interrupts are not virtualized (assumed:
// the first years of either vendor):
//
//   sender     the interrupt command, one for all (assumed: logical
//              destinations, the command register alone is written)
//   each       the interrupt itself, which Host::Flush charges with its
//   receiver   delivery; the end of interrupt, written to its APIC; and the
//              instructions that flush, as far as they exit
//
// A receiver that does not run at the moment takes the interrupt once it runs,
// together with others; its flush is done while it is away.
class GuestShootdown {
 public:
  // `vcpu` interrupts the vCPUs `others` of its domain. Each of them executes
  // `exits` instructions that exit: on shadows one for INVLPG or MOV CR3, with
  // nested paging none. Charges the exits above. Without `exits` the hypervisor
  // itself interrupts them, for a guest that has asked it to, and nothing is
  // charged here.
  GuestShootdown(Host& host, VcpuContext& vcpu, CpuMask others,
                 std::optional<uint64_t> exits);
  // The CPUs that run a receiver.
  CpuMask cpus() const { return cpus_; }
  // Lets the initiator wait until the slowest receiver has done what it was
  // charged since construction, and charges kIpiWait for that. To be called
  // before Host::Flush, which waits for what it charges itself.
  void Wait();

 private:
  Host& host_;
  Cpu& initiator_;
  CpuMask cpus_ = 0;
  std::vector<Cycles> before_;
};

}  // namespace xmmu

#endif  // XMMU_XEN_VM_EXIT_H_
