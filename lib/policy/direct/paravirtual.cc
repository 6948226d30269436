// What every strategy of direct paging does alike.
//
//   event            32-bit guest (ring 1)        64-bit guest (ring 3)
//   ---------------  ---------------------------  --------------------------
//   system call      its gate leads to the guest  bounced by Xen, CR3 loaded
//   return from it   the kernel's own IRET        iret hypercall, CR3 loaded
//   page fault       comes to Xen; the guest's own is bounced to its handler
//   interrupt        comes to Xen, which bounces it to the guest's handler
//   MOV CR3, INVLPG  #GP in Xen, which executes it as mmuext_op does

#include "xmmu/policy/direct/paravirtual.h"

#include <array>

#include "xen/direct/audit.h"
#include "xen/direct/direct_write_logging.h"
#include "xmmu/base/span_log.h"

namespace xmmu {
namespace {

bool KernelInRing3(const VcpuContext& vcpu) {
  return LevelCount(vcpu.domain->mode()) >= 4;
}

}  // namespace

absl::StatusOr<GuestAbi> ParavirtualPolicy::Abi(PagingMode mode) const {
  if (mode == PagingMode::k5Level) {
    return absl::UnimplementedError(
        "Xen has no paravirtual guests with 5-level paging");
  }
  if (!HasLinearMap(host_.linear_map(), mode)) {
    return absl::UnimplementedError(
        "a linear map in a shared kernel L2 is for PAE guests");
  }
  return GuestAbi{
      .paravirtual = true,
      .translated = false,
      .stores_to_l1 = stores_to_l1_,
      .stores_trap = stores_trap_,
      .large_pages = false,
      .global_pages = false,
      .private_pae_kernel_l2 = host_.linear_map() != LinearMap::kSharedL2};
}

absl::Status ParavirtualPolicy::StartVcpu(VcpuContext& vcpu, Gfn root,
                                          Gfn user_root) {
  return paging_.StartVcpu(vcpu, Mfn(root.value()), Mfn(user_root.value()));
}

HypercallResult ParavirtualPolicy::Hypercall(VcpuContext& vcpu,
                                             const xmmu::Hypercall& call) {
  return paging_.Execute(vcpu, call);
}

FaultOutcome ParavirtualPolicy::HandlePageFault(VcpuContext& vcpu,
                                                const PageFault& fault,
                                                const Access& access,
                                                MemoryOperand& operand) {
  vcpu.cpu->clock.Charge(CostEvent::kExceptionEntry);
  Span span(vcpu.cpu->clock, Actor::kXen, "do_page_fault");
  DirectWriteLogging* const log = vcpu.domain->direct().write_logging();
  if (log == nullptr) return HandleGuestFault(vcpu, fault, access, operand);
  const std::optional<PageFault> guest_fault =
      log->HandleFault(vcpu, fault, access);
  if (guest_fault.has_value()) {
    return HandleGuestFault(vcpu, *guest_fault, access, operand);
  }
  vcpu.cpu->clock.Charge(CostEvent::kIret);
  return {FaultAction::kRetry, {}};
}

absl::StatusOr<WriteLogging*> ParavirtualPolicy::WriteLoggingOf(
    Domain& domain) {
  return &paging_.WriteLoggingOf(domain);
}

FaultOutcome ParavirtualPolicy::Reflect(VcpuContext& vcpu,
                                        const PageFault& fault) {
  Span span(vcpu.cpu->clock, Actor::kXen, "create_bounce_frame");
  const bool from_user = !vcpu.kernel_mode;
  if (from_user && KernelInRing3(vcpu)) {
    paging_.ToggleGuestMode(vcpu, /*to_kernel=*/true);
  }
  vcpu.kernel_mode = true;
  vcpu.cpu->clock.Charge(CostEvent::kBounce);
  vcpu.cpu->clock.Charge(CostEvent::kIret);
  PageFault seen = fault;
  // U/S tells the guest its own idea of user mode, not the processor's ring: the
  // kernel of a 64-bit guest is in ring 3.
  seen.error_code &= ~pf::kUser;
  if (from_user && fault.vector == FaultVector::kPageFault) {
    seen.error_code |= pf::kUser;
  }
  return {FaultAction::kReflect, seen};
}

void ParavirtualPolicy::SwitchMode(VcpuContext& vcpu, ModeSwitch how) {
  CycleClock& clock = vcpu.cpu->clock;
  const bool ring3 = KernelInRing3(vcpu);
  bool to_kernel = false;
  bool stays = false;
  switch (how) {
    case ModeSwitch::kSyscall:
      // A 32-bit guest's INT 0x80 gate leads straight to ring 1.
      clock.Charge(ring3 ? CostEvent::kSyscallFast : CostEvent::kSyscallInt);
      if (ring3) clock.Charge(CostEvent::kSyscallBounce);
      to_kernel = true;
      break;
    case ModeSwitch::kInterrupt:
      clock.Charge(CostEvent::kExceptionEntry);
      return BounceInterrupt(vcpu);
    case ModeSwitch::kSysret:
      if (ring3) clock.Charge(CostEvent::kIretHypercall);
      break;
    case ModeSwitch::kFaultReturnToKernel:
      to_kernel = stays = true;
      clock.Charge(ring3 ? CostEvent::kIretHypercall : CostEvent::kIret);
      break;
    case ModeSwitch::kFaultReturn:
      clock.Charge(ring3 ? CostEvent::kIretHypercall : CostEvent::kIret);
      break;
  }
  if (ring3 && !stays) Toggle(vcpu, to_kernel);
  vcpu.kernel_mode = to_kernel;
}

void ParavirtualPolicy::Toggle(VcpuContext& vcpu, bool to_kernel) {
  vcpu.cpu->counters.Add(Counter::kModeSwitches);
  paging_.ToggleGuestMode(vcpu, to_kernel);
}

// The frame is pushed onto the kernel's stack by its own tables (Xen 4.17,
// xen/arch/x86/x86_64/entry.S, create_bounce_frame).
void ParavirtualPolicy::BounceInterrupt(VcpuContext& vcpu) {
  const Span span(vcpu.cpu->clock, Actor::kXen, "create_bounce_frame");
  if (KernelInRing3(vcpu)) Toggle(vcpu, /*to_kernel=*/true);
  vcpu.kernel_mode = true;
  vcpu.cpu->clock.Charge(CostEvent::kBounce);
  vcpu.cpu->clock.Charge(CostEvent::kIret);
}

absl::Status ParavirtualPolicy::LoadCr3(VcpuContext& vcpu, Gfn root) {
  vcpu.cpu->clock.Charge(CostEvent::kExceptionEntry);
  vcpu.cpu->clock.Charge(CostEvent::kEmulate);
  const std::array op = {MmuextOp{.command = MmuextCommand::kNewBaseptr,
                                  .mfn = Mfn(root.value())}};
  return paging_.Execute(vcpu, MmuextCall{.ops = op}).status;
}

void ParavirtualPolicy::FlushTlb(VcpuContext& vcpu, CpuMask vcpus,
                                 const TlbFlush& flush) {
  if (flush.scope == FlushScope::kNone || vcpus == 0) return;
  const bool page = flush.scope == FlushScope::kPage;
  const bool local = vcpus == MaskOf(vcpu.id);
  const MmuextCommand command = local ? (page ? MmuextCommand::kInvlpgLocal
                                              : MmuextCommand::kTlbFlushLocal)
                                      : (page ? MmuextCommand::kInvlpgMulti
                                              : MmuextCommand::kTlbFlushMulti);
  // Such a request names one page.
  flush.ForEach([&](const TlbFlush& part) {
    const std::array op = {
        MmuextOp{.command = command, .va = part.va, .vcpus = vcpus}};
    paging_.Execute(vcpu, MmuextCall{.ops = op}).status.IgnoreError();
  });
}

absl::Status ParavirtualPolicy::Audit() const {
  for (size_t i = 0; i < host_.domain_count(); ++i) {
    const Domain& domain = host_.domain(i);
    absl::Status status = AuditDomain(host_, domain);
    if (status.ok() && domain.direct().write_logging() != nullptr) {
      status = domain.direct().write_logging()->Audit();
    }
    if (!status.ok()) return status;
  }
  return AuditSharing(host_);
}

}  // namespace xmmu
