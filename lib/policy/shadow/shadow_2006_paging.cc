// What the guest's faults, flushes and MOV CR3 come to. Emulated stores are in
// shadow_2006_write.cc; searches, counts and the pool in shadow_2006_pool.cc.

#include "policy/shadow/shadow_2006_paging.h"

#include "xmmu/xen/vm_exit.h"

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

absl::Status Shadow2006Paging::LoadCr3(VcpuContext& vcpu, Gfn root) {
  Cpu& cpu = *vcpu.cpu;
  ChargeVmExit(cpu);
  Lock(cpu);
  BeforeCr3(vcpu);
  const absl::Status status = SetRoot(vcpu, root);
  states_[vcpu.id].unhooked = false;
  AfterCr3(vcpu);
  Finish(cpu);
  return status;
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

// Xen: sh_invlpg, and what the guest's MOV CR3 with the value that is there
// comes to. Whether more than a page has to go; `nothing`: no shadow of the
// page, so that the TLB can't hold anything either.
bool Shadow2006Paging::FlushNeedsAll(VcpuContext& vcpu, const TlbFlush& flush,
                                     bool& nothing) {
  if (flush.scope != FlushScope::kPage) {
    Lock(*vcpu.cpu);
    BeforeCr3(vcpu);
    Charge(*vcpu.cpu, CostEvent::kXenPteRead);  // the hash
    ReloadPdptes(vcpu);
    states_[vcpu.id].unhooked = false;
    AfterCr3(vcpu);
    nothing = false;
    return true;
  }
  if (!IsCanonical(shape().guest(), flush.va)) return false;
  const std::optional<ShadowSlot> slot = SlotFor(vcpu, flush.va);
  if (!slot.has_value() || pages()[slot->page].key.level > 1) return false;
  nothing = false;
  if (pages()[slot->page].key.splinter) return true;
  PageFlushed(vcpu, *slot);
  return false;
}

void Shadow2006Paging::FlushTlb(VcpuContext& vcpu, CpuMask vcpus,
                                const TlbFlush& flush) {
  Cpu& cpu = *vcpu.cpu;
  const CpuMask own = vcpus & MaskOf(vcpu.id);
  // All is flushed by clearing and setting CR4.PGE.
  const uint64_t exits = flush.scope == FlushScope::kAll ? 2 : 1;
  if (own != 0) ChargeVmExit(cpu, exits);
  GuestShootdown shootdown(host(), vcpu, vcpus & ~own, exits);
  bool nothing = true;
  bool all = own != 0 && FlushNeedsAll(vcpu, flush, nothing);
  // The interrupt must reach the others, whatever they find to be done.
  CpuMask cpus = shootdown.cpus();
  if (own != 0 && !nothing) cpus |= MaskOf(cpu.id);
  for (uint32_t id = 0; id < domain().vcpu_count(); ++id) {
    if (((vcpus & ~own) & MaskOf(id)) == 0) continue;
    all |= FlushNeedsAll(domain().vcpu(id), flush, nothing);
  }
  shootdown.Wait();
  if (cpus != 0) {
    host().Flush(cpu, cpus, all ? TlbFlush::NonGlobal() : flush);
  }
  Finish(cpu, all ? cpus : 0);
}

FaultOutcome Shadow2006Paging::HandlePageFault(VcpuContext& vcpu,
                                               const PageFault& fault,
                                               const Access& access,
                                               MemoryOperand& operand) {
  Cpu& cpu = *vcpu.cpu;
  if (fault.vector != FaultVector::kPageFault) {  // not intercepted
    InjectPageFault(vcpu);
    return {FaultAction::kReflect, fault};
  }
  ChargeVmExit(cpu);
  fault_va_ = access.va;
  const FaultOutcome outcome = Answer(vcpu, fault, access, operand);
  fault_va_.reset();
  Finish(cpu);
  return outcome;
}

FaultOutcome Shadow2006Paging::Answer(VcpuContext& vcpu, const PageFault&,
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
    InjectPageFault(vcpu);
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
  // It may have become a table only now, or in sync again.
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

// Shadows are in sync: what is there is right.
bool Shadow2006Paging::IsCurrent(Cpu& cpu, const ShadowSlot& slot, Pte) {
  Charge(cpu, CostEvent::kXenPteRead);
  return pages().Read(slot).present();
}

}  // namespace xmmu
