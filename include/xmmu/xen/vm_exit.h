#ifndef XMMU_XEN_VM_EXIT_H_
#define XMMU_XEN_VM_EXIT_H_

// The ways out of a guest that runs unmodified on VMX or SVM, and back in.
//
// Single-threaded.

#include "xmmu/xen/host.h"

namespace xmmu {

// The guest on `cpu` exits to the hypervisor, which sees to it and enters it
// again. Charges kVmExit and kVmExitWork; counts kVmExits.
void ChargeVmExit(Cpu& cpu, uint64_t times = 1);

// The hypervisor enters `vcpu` with a page fault for its own handler. Charges
// kExceptionEntry: the processor delivers it as it would on bare hardware.
void InjectPageFault(VcpuContext& vcpu);

// `vcpu` interrupts `others` of its domain to have them flush; each of them
// exits for the interrupt and again for the instruction that flushes, and
// `vcpu` for the interrupt command. What Host::Flush charges for the interrupts
// comes on top. Charges the exits to each, and kIpiWait to the initiator for
// those of the others.
void ChargeGuestShootdown(Host& host, VcpuContext& vcpu, CpuMask others);

}  // namespace xmmu

#endif  // XMMU_XEN_VM_EXIT_H_
