#ifndef XMMU_POLICY_TICK_H_
#define XMMU_POLICY_TICK_H_

// The periodic tick of a policy: control while a program computes, and nothing
// that a hypervisor intercepts happens. Off unless Policy::tick() asks for it.
//
// Each CPU has ticks of its own, by its own clock, all of one period. A tick is
// due at the end of each period and is delivered between two operations of the
// guest, as soon as its kernel runs a task there: never in the middle of an
// instruction, of an access with the faults that it takes, or of a system call.
// (A real timer would interrupt a guest's kernel, too; that it waits is
// assumed, as each operation is simulated in one piece.) So a tick comes late,
// by the rest of the operation at hand, or as long as the CPU is idle. The
// periods that have passed by then are one tick, as the local APIC keeps one
// pending interrupt of a vector (SDM Vol. 3A, "Interrupt Acceptance for Fixed
// Interrupts"), and so are those that pass while the policy handles one. Ticks
// stay on the multiples of the period.
//
// A tick is a hypervisor's timer interrupt, and is charged as it reaches the
// hypervisor: from a virtual machine by a VM exit (kVmExit and kVmExitWork, and
// what Mmu::VmExit drops), else by the interrupt itself (kExceptionEntry and
// kIret), which the guest does not see. What the policy does then, it charges.
//
// Single-threaded.

#include "xmmu/policy/policy.h"
#include "xmmu/xen/host.h"

namespace xmmu {

// The ticks that `policy` asks for, if any, count from the present time of each
// CPU of `host`. Simulator::Create calls it when all guests have been booted.
// REQUIRES: a period asked for is not 0.
void StartTicks(const Policy& policy, Host& host);

// Delivers the tick that is due on the CPU of `vcpu`, which runs there, to
// `policy`, and asks it when the next one is wanted. Charges as said above.
// REQUIRES: TickIsDue(vcpu).
void DeliverTick(Policy& policy, VcpuContext& vcpu);

inline bool TickIsDue(const VcpuContext& vcpu) {
  return vcpu.cpu->clock.now() >= vcpu.cpu->next_tick;
}

}  // namespace xmmu

#endif  // XMMU_POLICY_TICK_H_
