#ifndef XMMU_LIB_POLICY_PARAVIRTUAL_H_
#define XMMU_LIB_POLICY_PARAVIRTUAL_H_

// What every paravirtual strategy does alike, without state of its own: handing
// exceptions to the guest, changing its mode, refusing privileged instructions.
//
// A 64-bit guest runs its kernel in ring 3 like its programs, on a root table
// of its own: each change of mode goes through Xen and loads CR3. A 32-bit
// guest's kernel is in ring 1: system calls and returns do not concern Xen.
// Source: Xen 4.17, xen/arch/x86/pv/traps.c, xen/arch/x86/x86_64/entry.S;
// Xen 3.0.0, xen/arch/x86/x86_32/entry.S.

#include "xmmu/policy/policy.h"
#include "xmmu/xen/mm.h"

namespace xmmu::paravirtual {

// The ABI of a guest of `mode`. Unimplemented for 5-level.
absl::StatusOr<GuestAbi> Abi(PagingMode mode);

// Xen hands `fault` to the guest's handler. Charges kBounce and Xen's kIret,
// and the switch to kernel mode of a 64-bit guest. The exception itself has
// been charged.
FaultOutcome Reflect(Mm& mm, VcpuContext& vcpu, const PageFault& fault);

// See Policy::SwitchMode.
void SwitchMode(Mm& mm, VcpuContext& vcpu, ModeSwitch how);

// MOV to CR3 by a deprivileged kernel: it faults into Xen, which emulates it as
// a new base pointer (Xen 4.17: emul-priv-op.c).
absl::Status LoadCr3(Mm& mm, VcpuContext& vcpu, Gfn root);

// INVLPG or a flush by privileged instruction: likewise emulated, on the vCPU's
// own CPU and, for `vcpus`, by mmuext_op.
void FlushTlb(Mm& mm, VcpuContext& vcpu, CpuMask vcpus, const TlbFlush& flush);

// Xen's bookkeeping of the frames of all domains: a struct page_info and an
// entry of the machine-to-phys table each. 32 + 8 bytes on 64-bit Xen (4.17,
// which also runs PAE guests), 24 + 4 on Xen 3.0.0 for i386 (struct pfn_info).
uint64_t BookkeepingBytes(Host& host);

// AuditDomain for every domain, and AuditSharing.
absl::Status Audit(Host& host);

}  // namespace xmmu::paravirtual

#endif  // XMMU_LIB_POLICY_PARAVIRTUAL_H_
