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
// that Invalidate Cached Mappings"). With them it is entered with one of its
// own, a new one after each MOV CR3 of the hypervisor's, hence after each
// switch of vCPUs (Xen to 4.13, xen/arch/x86/flushtlb.c, pre_flush:
// hvm_flush_guest_tlbs).
VmControls ShadowControls(const MachineModel& model);

// The guest on `cpu` exits to the hypervisor, which sees to it and enters it
// again. Charges kVmExit and kVmExitWork; counts kVmExits; drops what
// Mmu::VmExit does.
void ChargeVmExit(Cpu& cpu, uint64_t times = 1);

// The hypervisor enters `vcpu` with a page fault for its own handler. Charges
// kExceptionEntry: the processor delivers it as it would on bare hardware.
void InjectPageFault(VcpuContext& vcpu);

// A guest interrupts others of its processors to have them flush. The exits
// that this takes where interrupts are not virtualized (assumed: the first
// years of either vendor):
//
//   sender     the interrupt command, one for all (assumed: logical
//              destinations, the command register alone is written)
//   each       the interrupt itself, which Host::Flush charges with its
//   receiver   delivery; the end of interrupt, written to its APIC; and the
//              instructions that flush, as far as they exit
//
// Receivers that do not run have their flush while they are away: they take
// the interrupt with others, once they run.
class GuestShootdown {
 public:
  // `vcpu` interrupts `others` of its domain; each executes `exits`
  // instructions that exit: on shadows one for INVLPG or MOV CR3, with nested
  // paging none. Charges the exits above. Without `exits` the hypervisor
  // interrupts them for a guest that asked it to: charges nothing.
  GuestShootdown(Host& host, VcpuContext& vcpu, CpuMask others,
                 std::optional<uint64_t> exits);
  // CPUs that run a receiver.
  CpuMask cpus() const { return cpus_; }
  // The slowest of them has done what they were charged since. Charges the
  // initiator kIpiWait for that. To be called before Host::Flush, which waits
  // for what it charges.
  void Wait();

 private:
  Host& host_;
  Cpu& initiator_;
  CpuMask cpus_ = 0;
  std::vector<Cycles> before_;
};

}  // namespace xmmu

#endif  // XMMU_XEN_VM_EXIT_H_
