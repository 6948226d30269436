// What the guest's faults, flushes and MOV CR3 come to. Emulated stores are in
// shadow_2006_write.cc; searches, counts and the pool in shadow_2006_pool.cc.

#include "policy/shadow/shadow_2006_paging.h"

namespace xmmu {

Shadow2006Paging::Shadow2006Paging(Host& host, Domain& domain,
                                   const ShadowShape& shape,
                                   const Shadow2006Options& options,
                                   uint32_t shadows)
    : ShadowStrategy(host, domain, shape, shadows),
      options_(options),
      states_(domain.vcpu_count()) {}

void Shadow2006Paging::Finish(Cpu& cpu, CpuMask flushed) {
  while (Reap(cpu)) {
  }
  FlushOwed(cpu, flushed);
}

void Shadow2006Paging::BeforeCr3(VcpuContext& vcpu) { Lock(*vcpu.cpu); }

void Shadow2006Paging::AfterCr3(VcpuContext& vcpu) {
  states_[vcpu.id].unhooked = false;
}

std::optional<ShadowSlot> Shadow2006Paging::SlotFor(const VcpuContext& vcpu,
                                                    VirtAddr va) {
  ShadowId page = TopOf(vcpu, va);
  if (page == kNoShadow) return std::nullopt;
  for (int level = shape().top_level();; --level) {
    const ShadowSlot slot{page, shape().IndexIn(level, va)};
    if (level == 1) return slot;
    Charge(*vcpu.cpu, CostEvent::kXenPteRead);
    const Pte entry = pages().Read(slot);
    if (!entry.present()) return slot;
    page = Child(entry);
  }
}

// Xen: sh_invlpg. All is flushed by MOV CR3 with the value that is there: the
// root is looked up once more.
ShadowStrategy::FlushReach Shadow2006Paging::FollowFlush(
    VcpuContext& vcpu, const TlbFlush& flush) {
  if (flush.scope != FlushScope::kPage) {
    BeforeCr3(vcpu);
    Charge(*vcpu.cpu, CostEvent::kXenPteRead);  // the hash
    ReloadPdptes(vcpu);
    AfterCr3(vcpu);
    return FlushReach::kAll;
  }
  if (!IsCanonical(shape().guest(), flush.va)) return FlushReach::kNothing;
  const std::optional<ShadowSlot> slot = SlotFor(vcpu, flush.va);
  if (!slot.has_value() || pages()[slot->page].key.level > 1) {
    return FlushReach::kNothing;
  }
  if (pages()[slot->page].key.splinter) return FlushReach::kAll;
  PageFlushed(vcpu, *slot);
  return FlushReach::kPage;
}

FaultOutcome Shadow2006Paging::Answer(VcpuContext& vcpu, const PageFault& fault,
                                      const Access& access,
                                      MemoryOperand& operand) {
  fault_va_ = access.va;
  const FaultOutcome outcome = AnswerFault(vcpu, fault, access, operand);
  fault_va_.reset();
  return outcome;
}

FaultOutcome Shadow2006Paging::AnswerFault(VcpuContext& vcpu, const PageFault&,
                                           const Access& access,
                                           MemoryOperand& operand) {
  Lock(*vcpu.cpu);
  return AnswerByWalk(vcpu, access, operand);
}

FaultOutcome Shadow2006Paging::AnswerByWalk(VcpuContext& vcpu,
                                            const Access& access,
                                            MemoryOperand& operand) {
  Cpu& cpu = *vcpu.cpu;
  GuestWalk walk = Walk(vcpu, access);
  if (!walk.ok) {
    ForgetZeros(vcpu);
    Inject(vcpu);
    return {FaultAction::kReflect, {access.va, walk.error_code}};
  }
  if (domain().MfnOf(walk.gfn) == kInvalidMfn) {
    ForgetZeros(vcpu);
    Emulate(cpu, walk, access, operand);
    return {FaultAction::kEmulated, {}};
  }
  SetAccessedAndDirty(host(), cpu, shape().guest(), access, walk);
  if (access.is_write() && IsTableInSync(walk.gfn)) LetWrite(vcpu, walk.gfn);
  Map(vcpu, walk, access.va);
  // Making the path may have made a table of the page, or brought it in sync
  // again.
  if (access.is_write() && IsTableInSync(walk.gfn)) {
    if (!LetWrite(vcpu, walk.gfn)) {
      return WriteToTable(vcpu, walk, access, operand);
    }
    Map(vcpu, walk, access.va);
  }
  ForgetZeros(vcpu);
  return {FaultAction::kRetry, {}};
}

void Shadow2006Paging::Map(VcpuContext& vcpu, const GuestWalk& walk,
                           VirtAddr va) {
  Reserve(vcpu, walk, va);
  Fill(vcpu, walk, va);
}

// Shadows are always in sync, so an entry that is there is right.
bool Shadow2006Paging::IsCurrent(Cpu& cpu, const ShadowSlot& slot, Pte) {
  Charge(cpu, CostEvent::kXenPteRead);
  return pages().Read(slot).present();
}

}  // namespace xmmu
