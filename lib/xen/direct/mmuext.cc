// HYPERVISOR_mmuext_op: Xen 4.17, xen/arch/x86/mm.c, do_mmuext_op.

#include "pv_context.h"

namespace xmmu {

HypercallResult PvContext::MmuextOps(const MmuextCall& call) {
  Count(Counter::kCallsToMmuextOp);
  HypercallResult result;
  XenErrno error = XenErrno::kOk;
  // A 32-bit guest's operations are translated first, and of none nothing
  // further is looked at (Xen 4.17, xen/arch/x86/x86_64/compat/mm.c).
  if (rules_.hidden_l4 && call.ops.empty()) return result;
  DomainId owner = kDomInvalid;
  if (!ResolveOwner(call.owner, owner, error)) {
    result.status = StatusOf(error);
    return result;
  }
  for (const MmuextOp& op : call.ops) {
    Charge(CostEvent::kCopyIn);
    error = OneOp(op, owner);
    if (error != XenErrno::kOk) break;
    ++result.done;
  }
  Count(Counter::kNumMmuextOps, result.done);
  result.status = StatusOf(error);
  return result;
}

XenErrno PvContext::OneOp(const MmuextOp& op, DomainId owner) {
  switch (op.command) {
    case MmuextCommand::kPinL1:
      return PinOp(op, owner, 1);
    case MmuextCommand::kPinL2:
      return PinOp(op, owner, 2);
    case MmuextCommand::kPinL3:
      return PinOp(op, owner, 3);
    case MmuextCommand::kPinL4:
      return PinOp(op, owner, 4);
    case MmuextCommand::kUnpin:
    case MmuextCommand::kClearPage:
    case MmuextCommand::kCopyPage:
      return PageOp(op, owner);
    case MmuextCommand::kUnknown:
      why_ = "unknown mmuext_op command";
      return XenErrno::kENOSYS;
    default:
      break;
  }
  if (op.command == MmuextCommand::kNewUserBaseptr &&
      rules_.user_baseptr != XenErrno::kOk) {
    why_ = "32-bit guests have one base pointer";
    return rules_.user_baseptr;
  }
  if (owner != domain_.id()) {
    why_ = "only for the own domain";
    return XenErrno::kEPERM;
  }
  if (op.command == MmuextCommand::kNewBaseptr) return NewBasePointer(op.mfn);
  if (op.command == MmuextCommand::kNewUserBaseptr) {
    return NewUserBasePointer(op.mfn);
  }
  return FlushOp(op);
}

XenErrno PvContext::PinOp(const MmuextOp& op, DomainId owner, int level) {
  if (level > LevelCount(rules_.mode) && owner == domain_.id()) {
    return rules_.pin_above_root == XenErrno::kOk
               ? XenErrno::kOk
               : Refuse(rules_.pin_above_root, "no table of that level");
  }
  if (!GetPage(op.mfn, owner)) {
    return Refuse(XenErrno::kEINVAL, "the table is not the domain's");
  }
  const XenErrno error = Pin(op.mfn, level);
  if (error != XenErrno::kOk) PutPage(op.mfn);
  return error;
}

XenErrno PvContext::PageOp(const MmuextOp& op, DomainId owner) {
  if (op.command == MmuextCommand::kCopyPage && !GetPage(op.source, owner)) {
    return Refuse(XenErrno::kEINVAL, "the source is not the domain's");
  }
  XenErrno error = XenErrno::kOk;
  if (!GetPage(op.mfn, owner)) {
    error = Refuse(XenErrno::kEINVAL, "the frame is not the domain's");
  } else {
    if (op.command == MmuextCommand::kUnpin) {
      error = Unpin(op.mfn);
    } else {
      error = GetPageType(op.mfn, {PageType::kWritable});
      if (error == XenErrno::kOk) {
        if (op.command == MmuextCommand::kClearPage) {
          Charge(CostEvent::kZeroPage);
          host_.memory().ZeroFrame(op.mfn);
        } else {
          Charge(CostEvent::kCopyPage);
          host_.memory().CopyFrame(op.mfn, op.source);
        }
        MarkDirty(cpu_, domain_, op.mfn);
        PutPageType(op.mfn);
      }
    }
    PutPage(op.mfn);
    // Xen: once nothing is referred to any more; who is free by now is
    // nobody's.
    const bool unpinned =
        op.command == MmuextCommand::kUnpin && error == XenErrno::kOk;
    if (unpinned) NotePinChange(op.mfn);
  }
  if (op.command == MmuextCommand::kCopyPage) PutPage(op.source);
  return error;
}

XenErrno PvContext::FlushOp(const MmuextOp& op) {
  const CpuMask multi = domain_.CpusOf(op.vcpus) & domain_.dirty_cpus();
  switch (op.command) {
    case MmuextCommand::kTlbFlushLocal:
      if (rules_.defers_local_flush) {
        pending_.Add(own_cpu(), FullFlush());
      } else {
        FlushNow(own_cpu(), FullFlush());
      }
      return XenErrno::kOk;
    case MmuextCommand::kTlbFlushMulti:
      FlushNow(multi, FullFlush());
      return XenErrno::kOk;
    case MmuextCommand::kTlbFlushAll:
      FlushNow(domain_.dirty_cpus(), FullFlush());
      return XenErrno::kOk;
    case MmuextCommand::kInvlpgLocal:
      if (!IsHypervisorAddress(rules_.mode, op.va)) {
        FlushNow(own_cpu(), TlbFlush::Page(op.va));
      }
      return XenErrno::kOk;
    case MmuextCommand::kInvlpgMulti:
      FlushPage(multi, op.va);
      return XenErrno::kOk;
    case MmuextCommand::kInvlpgAll:
      FlushPage(domain_.dirty_cpus(), op.va);
      return XenErrno::kOk;
    case MmuextCommand::kFlushCache:
      // Caches hold no data of the simulated machine: nothing to write back.
      if (domain_.io_privileged()) return XenErrno::kOk;
      return Refuse(XenErrno::kEACCES, "no rights on the caches");
    case MmuextCommand::kSetLdt:
      if (PageOffset(op.va) == 0 && !IsHypervisorAddress(rules_.mode, op.va)) {
        return XenErrno::kOk;
      }
      return Refuse(XenErrno::kEINVAL, "not a place for an LDT");
    default:
      return Refuse(XenErrno::kENOSYS, "unknown mmuext_op command");
  }
}

// INVLPG on a set of CPUs.
void PvContext::FlushPage(CpuMask cpus, VirtAddr va) {
  if (IsHypervisorAddress(rules_.mode, va)) return;
  if (rules_.invlpg_mask_is_full_here && (cpus & own_cpu()) != 0) {
    FlushNow(own_cpu(), FullFlush());
    cpus &= ~own_cpu();
  }
  FlushNow(cpus, TlbFlush::Page(va));
}

}  // namespace xmmu
