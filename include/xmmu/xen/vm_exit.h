#ifndef XMMU_XEN_VM_EXIT_H_
#define XMMU_XEN_VM_EXIT_H_

// The ways out of a guest that runs unmodified on VMX or SVM, and back in.
//
// Single-threaded.

#include <vector>

#include "xmmu/xen/host.h"

namespace xmmu {

// The guest on `cpu` exits to the hypervisor, which sees to it and enters it
// again. Charges kVmExit and kVmExitWork; counts kVmExits.
void ChargeVmExit(Cpu& cpu, uint64_t times = 1);

// The hypervisor enters `vcpu` with a page fault for its own handler. Charges
// kExceptionEntry: the processor delivers it as it would on bare hardware.
void InjectPageFault(VcpuContext& vcpu);

// A guest interrupts others of its processors to have them flush: each of them
// exits for the interrupt and again for the instruction that flushes, and the
// initiator for the interrupt command. What Host::Flush charges for interrupts
// and flushes comes on top.
class GuestShootdown {
 public:
  // `vcpu` interrupts `others` of its domain. Charges the exits to each.
  GuestShootdown(Host& host, VcpuContext& vcpu, CpuMask others);
  // The slowest of them has done what they were charged since. Charges the
  // initiator kIpiWait for that.
  void Wait();

 private:
  Host& host_;
  Cpu& initiator_;
  CpuMask cpus_;
  std::vector<Cycles> before_;
};

}  // namespace xmmu

#endif  // XMMU_XEN_VM_EXIT_H_
