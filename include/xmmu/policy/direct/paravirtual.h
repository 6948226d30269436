#ifndef XMMU_POLICY_DIRECT_PARAVIRTUAL_H_
#define XMMU_POLICY_DIRECT_PARAVIRTUAL_H_

// The base of all strategies of direct paging, built-in ones and a user's own:
// hypercalls, handing exceptions to the guest, changing its mode, emulating
// privileged instructions, logging writes. What is left to each strategy is
// what a fault on a page table comes to.
//
// A 64-bit guest runs its kernel in ring 3 like its programs, on a root table
// of its own: each change of mode goes through Xen and loads CR3. A 32-bit
// guest's kernel is in ring 1: system calls and returns do not concern Xen.
// Source: Xen 4.17, xen/arch/x86/pv/traps.c, xen/arch/x86/x86_64/entry.S;
// Xen 3.0.0, xen/arch/x86/x86_32/entry.S.
//
// To write a strategy of one's own, derive from ParavirtualPolicy:
//
//  * Pass to the constructor what the guest is told of stores to its L1 tables.
//  * Override name() and HandleGuestFault(). The exception that it answers has
//    been charged; it charges what it does, and how it ends: a fault of the
//    guest's own by returning Reflect(), which charges the rest; else kIret,
//    with kRetry or kEmulated.
//  * Deschedule(), Tick(), Figures() and the like may be overridden as in any
//    Policy. What is overridden of the functions below calls the base's.
//
// What must hold whenever the guest runs, and Audit() checks: no page that is
// typed as a page table, and no descriptor table, has a writable mapping; each
// entry of a typed table has the references that it needs; and what a processor
// has cached grants no more than that. The functions of paging() keep all of it;
// who changes an entry without them breaks it.
//
// Single-threaded.

#include "xmmu/policy/policy.h"
#include "xmmu/xen/direct/direct_paging.h"

namespace xmmu {

class ParavirtualPolicy : public Policy {
 public:
  // What becomes of stores to L1 tables in use: see GuestAbi.
  ParavirtualPolicy(Host& host, bool stores_to_l1, bool stores_trap)
      : paging_(host),
        host_(host),
        stores_to_l1_(stores_to_l1),
        stores_trap_(stores_trap) {}

  absl::StatusOr<GuestAbi> Abi(PagingMode mode) const override;
  absl::Status StartVcpu(VcpuContext& vcpu, Gfn root, Gfn user_root) override;
  HypercallResult Hypercall(VcpuContext& vcpu,
                            const xmmu::Hypercall& call) override;
  // MOV to CR3 by a deprivileged kernel: it faults into Xen, which emulates it
  // as a new base pointer (Xen 4.17: emul-priv-op.c).
  absl::Status LoadCr3(VcpuContext& vcpu, Gfn root) override;
  // INVLPG or a flush by privileged instruction: likewise emulated, on the
  // vCPU's own CPU and, for `vcpus`, by mmuext_op.
  void FlushTlb(VcpuContext& vcpu, CpuMask vcpus,
                const TlbFlush& flush) override;
  void SwitchMode(VcpuContext& vcpu, ModeSwitch how) override;
  // Charges the exception. While the domain is being logged its shadows come
  // first (assumed; Xen 4.17 looks for stores to tables before them), and only
  // what the guest's own tables forbid goes on to HandleGuestFault().
  FaultOutcome HandlePageFault(VcpuContext& vcpu, const PageFault& fault,
                               const Access& access,
                               MemoryOperand& operand) final;
  // Logs writes by shadows of the guest's tables (Xen: "log-dirty mode").
  absl::StatusOr<WriteLogging*> WriteLoggingOf(Domain& domain) override;
  // AuditDomain for every domain, what logs it, and AuditSharing.
  absl::Status Audit() const override;

 protected:
  // What each strategy makes of a fault that the guest's tables answer. As
  // HandlePageFault(), the exception itself being charged.
  virtual FaultOutcome HandleGuestFault(VcpuContext& vcpu,
                                        const PageFault& fault,
                                        const Access& access,
                                        MemoryOperand& operand) = 0;

  // Xen hands `fault` to the guest's handler. Charges kBounce and Xen's kIret,
  // and the switch to kernel mode of a 64-bit guest. The exception itself has
  // been charged.
  FaultOutcome Reflect(VcpuContext& vcpu, const PageFault& fault);

  // Direct paging itself: validates, counts references, makes entries. Each
  // function charges what it does.
  DirectPaging& paging() { return paging_; }

 private:
  // Puts the roots of the other mode of a 64-bit guest in place, and counts it.
  void Toggle(VcpuContext& vcpu, bool to_kernel);
  // Hands an interrupt to the guest, as Reflect() does a fault.
  void BounceInterrupt(VcpuContext& vcpu);

  DirectPaging paging_;
  Host& host_;
  const bool stores_to_l1_;
  const bool stores_trap_;
};

}  // namespace xmmu

#endif  // XMMU_POLICY_DIRECT_PARAVIRTUAL_H_
