// HYPERVISOR_mmuext_op: Xen 4.17, xen/arch/x86/mm.c, do_mmuext_op.

#include "xen/direct/base_pointers.h"
#include "xen/direct/hypercalls.h"

namespace xmmu {
namespace {

// Xen 4.17, xen/include/public/xen.h.
const char* SpanName(MmuextCommand command) {
  switch (command) {
    case MmuextCommand::kPinL1:
      return "MMUEXT_PIN_L1_TABLE";
    case MmuextCommand::kPinL2:
      return "MMUEXT_PIN_L2_TABLE";
    case MmuextCommand::kPinL3:
      return "MMUEXT_PIN_L3_TABLE";
    case MmuextCommand::kPinL4:
      return "MMUEXT_PIN_L4_TABLE";
    case MmuextCommand::kUnpin:
      return "MMUEXT_UNPIN_TABLE";
    case MmuextCommand::kNewBaseptr:
      return "MMUEXT_NEW_BASEPTR";
    case MmuextCommand::kNewUserBaseptr:
      return "MMUEXT_NEW_USER_BASEPTR";
    case MmuextCommand::kTlbFlushLocal:
      return "MMUEXT_TLB_FLUSH_LOCAL";
    case MmuextCommand::kInvlpgLocal:
      return "MMUEXT_INVLPG_LOCAL";
    case MmuextCommand::kTlbFlushMulti:
      return "MMUEXT_TLB_FLUSH_MULTI";
    case MmuextCommand::kInvlpgMulti:
      return "MMUEXT_INVLPG_MULTI";
    case MmuextCommand::kTlbFlushAll:
      return "MMUEXT_TLB_FLUSH_ALL";
    case MmuextCommand::kInvlpgAll:
      return "MMUEXT_INVLPG_ALL";
    case MmuextCommand::kFlushCache:
      return "MMUEXT_FLUSH_CACHE";
    case MmuextCommand::kSetLdt:
      return "MMUEXT_SET_LDT";
    case MmuextCommand::kClearPage:
      return "MMUEXT_CLEAR_PAGE";
    case MmuextCommand::kCopyPage:
      return "MMUEXT_COPY_PAGE";
    case MmuextCommand::kUnknown:
      break;
  }
  return "unknown mmuext_op";
}

}  // namespace

HypercallResult Hypercalls::MmuextOps(const MmuextCall& call) {
  Count(Counter::kCallsToMmuextOp);
  HypercallResult result;
  XenErrno error = XenErrno::kOk;
  // A 32-bit guest's operations are translated first; if there are none, Xen
  // does not look at the owner either (Xen 4.17,
  // xen/arch/x86/x86_64/compat/mm.c).
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

namespace {

// A page to be forgotten has a linear address, and flushes of all have nothing
// (xen/include/public/xen.h, struct mmuext_op).
void TellOperand(const MmuextOp& op, Span& span) {
  switch (op.command) {
    case MmuextCommand::kInvlpgLocal:
    case MmuextCommand::kInvlpgMulti:
    case MmuextCommand::kInvlpgAll:
      span.Hex("va", op.va.value());
      return;
    case MmuextCommand::kTlbFlushLocal:
    case MmuextCommand::kTlbFlushMulti:
    case MmuextCommand::kTlbFlushAll:
    case MmuextCommand::kFlushCache:
    case MmuextCommand::kSetLdt:
      return;
    default:
      span.Hex("frame", op.mfn.value());
  }
}

}  // namespace

XenErrno Hypercalls::OneOp(const MmuextOp& op, DomainId owner) {
  Span span = XenSpan(SpanName(op.command));
  TellOperand(op, span);
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
      return RefuseAs(XenErrno::kENOSYS, "unknown mmuext_op command");
    default:
      break;
  }
  if (op.command == MmuextCommand::kNewUserBaseptr &&
      rules_.user_baseptr != XenErrno::kOk) {
    return RefuseAs(rules_.user_baseptr, "32-bit guests have one base pointer");
  }
  if (owner != domain_.id()) {
    return RefuseAs(XenErrno::kEPERM, "only for the own domain");
  }
  if (op.command == MmuextCommand::kNewBaseptr) {
    return BasePointers(request_).NewBasePointer(op.mfn);
  }
  if (op.command == MmuextCommand::kNewUserBaseptr) {
    return BasePointers(request_).NewUserBasePointer(op.mfn);
  }
  return FlushOp(op);
}

XenErrno Hypercalls::PinOp(const MmuextOp& op, DomainId owner, int level) {
  if (level > LevelCount(rules_.mode) && owner == domain_.id()) {
    return rules_.pin_above_root == XenErrno::kOk
               ? XenErrno::kOk
               : Refuse(rules_.pin_above_root, "no table of that level");
  }
  if (!types_.GetPage(op.mfn, owner)) {
    return Refuse(XenErrno::kEINVAL, "the table is not the domain's");
  }
  const XenErrno error = BasePointers(request_).Pin(op.mfn, level);
  if (error != XenErrno::kOk) types_.PutPage(op.mfn);
  return error;
}

XenErrno Hypercalls::PageOp(const MmuextOp& op, DomainId owner) {
  if (op.command == MmuextCommand::kCopyPage &&
      !types_.GetPage(op.source, owner)) {
    return Refuse(XenErrno::kEINVAL, "the source is not the domain's");
  }
  XenErrno error = XenErrno::kOk;
  if (!types_.GetPage(op.mfn, owner)) {
    error = Refuse(XenErrno::kEINVAL, "the frame is not the domain's");
  } else {
    if (op.command == MmuextCommand::kUnpin) {
      error = BasePointers(request_).Unpin(op.mfn);
    } else {
      error = types_.GetPageType(op.mfn, {PageType::kWritable});
      if (error == XenErrno::kOk) {
        if (op.command == MmuextCommand::kClearPage) {
          Charge(CostEvent::kZeroPage);
          host_.memory().ZeroFrame(op.mfn);
        } else {
          Charge(CostEvent::kCopyPage);
          host_.memory().CopyFrame(op.mfn, op.source);
        }
        MarkDirty(cpu_, domain_, op.mfn);
        types_.PutPageType(op.mfn);
      }
    }
    types_.PutPage(op.mfn);
    // Xen notes the change after it has dropped its references; a table that
    // has become free by that is nobody's, and is not marked.
    const bool unpinned =
        op.command == MmuextCommand::kUnpin && error == XenErrno::kOk;
    if (unpinned) types_.NotePinChange(op.mfn);
  }
  if (op.command == MmuextCommand::kCopyPage) types_.PutPage(op.source);
  return error;
}

XenErrno Hypercalls::FlushOp(const MmuextOp& op) {
  const CpuMask multi = domain_.CpusOf(op.vcpus) & domain_.dirty_cpus();
  switch (op.command) {
    case MmuextCommand::kTlbFlushLocal:
      if (rules_.defers_local_flush) {
        request_.pending.Add(own_cpu(), FullFlush());
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
      // Caches hold no data of the simulated machine, so that there is nothing
      // to write back.
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

}  // namespace xmmu
