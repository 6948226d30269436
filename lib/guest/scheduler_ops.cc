// Executes one operation of a task.

#include <algorithm>

#include "guest/kernel_span.h"
#include "guest/scheduler.h"
#include "xmmu/base/check.h"

namespace xmmu {

absl::Status Scheduler::Execute(Task& task, const GuestOp& op) {
  Vcpu& vcpu = VcpuOf(task);
  if (op.kind <= GuestOpKind::kModify) {
    EnterUser(task, vcpu);
    return ExecuteAccess(task, vcpu, op);
  }
  if (op.kind == GuestOpKind::kPost) {
    Post(task, vcpu.now());
    return absl::OkStatus();
  }
  if (op.kind == GuestOpKind::kAwait) {
    Await(task, op);
    return absl::OkStatus();
  }
  const Span span = KernelSpan(vcpu, SyscallName(op.kind));
  if (!task.in_call) EnterKernel(task, vcpu);
  task.in_call = (op.flags & kCallGoesOn) != 0;
  return ExecuteSyscall(task, vcpu, op);
}

void Scheduler::EnterKernel(Task& task, Vcpu& vcpu) {
  EnterUser(task, vcpu);
  vcpu.SwitchMode(ModeSwitch::kSyscall);
  vcpu.cpu().clock.Charge(CostEvent::kGuestSyscallPath);
}

absl::StatusOr<FaultResult> Scheduler::Fault(Task& task, Vcpu& vcpu,
                                             const PageFault& fault,
                                             ModeSwitch back) {
  const Span span = KernelSpan(vcpu, "do_user_addr_fault");
  vcpu.cpu().clock.Charge(CostEvent::kGuestFaultPath);
  absl::StatusOr<FaultResult> result =
      memory_.HandleFault(vcpu, *task.mm, fault);
  ops_->FinishKernelWork(vcpu);
  vcpu.SwitchMode(back);
  if (result.ok()) {
    MemoryManager::FoldFault(*task.mm, fault, *result, task.digest);
  }
  return result;
}

// The kernel refuses addresses that are no program's without touching them
// (access_ok); what is refused later has been copied up to there.
absl::Status Scheduler::Copy(Task& task, Vcpu& vcpu, const GuestOp& op) {
  const VirtAddr user_end = core_.layout.user_end;
  if (op.va >= user_end || op.length > user_end - op.va) {
    task.digest.Refused(op.va);
    return absl::OkStatus();
  }
  NoteChange(task, op);
  const AccessKind kind =
      op.kind == GuestOpKind::kCopyOut ? AccessKind::kWrite : AccessKind::kRead;
  const VirtAddr end = op.va + op.length;
  bool goes_on = true;
  for (VirtAddr va = op.va; va < end; va = PageBase(va) + kPageSize) {
    // What later stores bring does not depend on how far a copy comes.
    const uint64_t value = task.NextValue(kind);
    if (!goes_on) {
      NoteLeft(task, kind, va);
      continue;
    }
    const uint64_t bytes = std::min(end, PageBase(va) + kPageSize) - va;
    const absl::StatusOr<bool> copied =
        CopyInPage(task, vcpu, kind, va, bytes, value);
    if (!copied.ok()) return copied.status();
    goes_on = *copied;
  }
  return absl::OkStatus();
}

// A fault that nobody resolves ends the copy instead of the program (EFAULT;
// Linux: fixup_exception).
absl::StatusOr<bool> Scheduler::CopyInPage(Task& task, Vcpu& vcpu,
                                           AccessKind kind, VirtAddr va,
                                           uint64_t bytes, uint64_t value) {
  for (int i = 0; i < kMaxFaults; ++i) {
    uint64_t token = 0;
    const std::optional<PageFault> fault =
        vcpu.UserCopy(kind, va, bytes, value, &token);
    if (!core_.failure.ok()) return core_.failure;
    if (!fault.has_value()) {
      Note(task, kind, va, token);
      return true;
    }
    vcpu.cpu().counters.Add(Counter::kCopyFaults);
    const absl::StatusOr<FaultResult> result =
        Fault(task, vcpu, *fault, ModeSwitch::kFaultReturnToKernel);
    if (!result.ok()) return result.status();
    if (*result == FaultResult::kRefused) {
      NoteRefused(task, kind, va);
      return false;
    }
  }
  return FaultsForEver(va);
}

absl::Status Scheduler::ExecuteSyscall(Task& task, Vcpu& vcpu,
                                       const GuestOp& op) {
  absl::Status status;
  switch (op.kind) {
    case GuestOpKind::kFork:
    case GuestOpKind::kVfork:
      status = Fork(task, vcpu, op);
      break;
    case GuestOpKind::kClone:
      status = Clone(task, vcpu, op);
      break;
    case GuestOpKind::kExec:
      status = Exec(task, vcpu, op);
      break;
    case GuestOpKind::kWait:
      Wait(task, op.child);
      break;
    case GuestOpKind::kExit:
      Exit(task, vcpu);  // `task` is gone
      return absl::OkStatus();
    case GuestOpKind::kYield:
      if (!vcpus_[task.vcpu].queue.empty()) Preempt(task);
      break;
    case GuestOpKind::kSyscall:
      break;
    case GuestOpKind::kOpenFile:
    case GuestOpKind::kCloseFile:
    case GuestOpKind::kRemoveFile:
      ExecuteFileCall(task, op);
      break;
    case GuestOpKind::kCopyIn:
    case GuestOpKind::kCopyOut:
      status = Copy(task, vcpu, op);
      break;
    default:
      status = ExecuteMemoryCall(task, vcpu, op);
      memory_.SettleEdges(vcpu, *task.mm, op);
  }
  memory_.FreeDropped(vcpu);
  // This is the way back to user mode, or on within the call; a task that waits
  // takes it when it goes on. Other vCPUs see what the kernel has queued.
  if (task.in_call) {
    ops_->FinishKernelWork(vcpu);
  } else if (vcpus_[vcpu.id()].current == &task) {
    EnterUser(task, vcpu);
  }
  return status;
}

absl::Status Scheduler::ExecuteMemoryCall(Task& task, Vcpu& vcpu,
                                          const GuestOp& op) {
  AddressSpace& mm = *task.mm;
  if (task.vfork_parent != 0) mm.changed_by_several = true;
  NoteChange(task, op);
  mm.epoch = ++core_.epochs;
  switch (op.kind) {
    case GuestOpKind::kMap: {
      const FileRef file = FileOf(task, op);
      if (mm.object != 0) NoteShared(op.backing, file);
      return memory_.Map(vcpu, mm, op, file, task.digest);
    }
    case GuestOpKind::kUnmap:
      return memory_.Unmap(vcpu, mm, op.va, op.length, task.digest);
    case GuestOpKind::kProtect:
      return memory_.Protect(vcpu, mm, op.va, op.length, op.rights);
    case GuestOpKind::kRemap:
      return memory_.Remap(vcpu, mm, op, task.digest);
    case GuestOpKind::kDiscard:
      return memory_.Discard(vcpu, mm, op.va, op.length, task.digest);
    case GuestOpKind::kAdvise:
      return memory_.Advise(vcpu, mm, op, task.digest);
    default:
      return absl::InvalidArgumentError("unknown operation");
  }
}

void Scheduler::ExecuteFileCall(Task& task, const GuestOp& op) {
  if (op.kind == GuestOpKind::kOpenFile) {
    const bool zero_filled = (op.flags & kMapZeroFilled) != 0;
    task.files->Open(op.file, memory_.cache().Named(op.file, zero_filled));
  } else if (op.kind == GuestOpKind::kCloseFile) {
    task.files->Close(op.file);
  } else {
    // On several vCPUs another task may open the file before or after: for the
    // digest both are one, which this task changes.
    const bool several = vcpus_.size() > 1;
    memory_.cache().Remove(op.file, /*renews=*/!several);
    if (several) writers_.AddRange(op.file, 0, ~uint64_t{0}, task.id);
  }
}

// A program maps what it holds open, be it without a name by now.
FileRef Scheduler::FileOf(Task& task, const GuestOp& op) {
  const bool anonymous =
      op.backing == Backing::kAnonymous || op.backing == Backing::kStack;
  if (anonymous) return nullptr;
  const bool object = op.backing == Backing::kSharedAnonymous;
  if (object && op.file == 0) {
    return memory_.cache().MakeNameless(task.id, ++task.objects_made);
  }
  if (FileRef held = task.files->Find(op.file)) return held;
  return memory_.cache().Named(op.file, object || op.page_shift != 0 ||
                                            (op.flags & kMapZeroFilled) != 0);
}

}  // namespace xmmu
