// Executes one operation of a task.

#include <algorithm>

#include "absl/strings/str_format.h"
#include "guest/scheduler.h"
#include "xmmu/base/check.h"

namespace xmmu {
namespace {

// A program's access goes through after one fault, on several vCPUs after a
// few, as another vCPU may change the entry in between. If it takes more the
// kernel is broken.
constexpr int kMaxFaults = 8;

// Whether others may write what is at `va`. Its content is then no part of the
// digest, as it depends on how tasks interleave.
bool IsShared(AddressSpace& mm, VirtAddr va) {
  if (ABSL_PREDICT_TRUE(va < mm.shared_low || va >= mm.shared_high)) {
    return false;
  }
  const Vma* const vma = mm.vmas.Find(va);
  return vma != nullptr && vma->shared();
}

// Returns what an access by `task` stores, which nothing else does.
uint64_t NextValue(Task& task, AccessKind kind) {
  return kind == AccessKind::kWrite ? MixHash(task.id, ++task.stores) : 0;
}

absl::Status FaultsForEver(VirtAddr va) {
  return absl::InternalError(
      absl::StrFormat("an access at 0x%x faults for ever", va.value()));
}

}  // namespace

absl::Status Scheduler::Execute(Task& task, const GuestOp& op) {
  Vcpu& vcpu = VcpuOf(task);
  if (op.kind <= GuestOpKind::kModify) return ExecuteAccess(task, vcpu, op);
  if (!task.in_call) EnterKernel(task, vcpu);
  task.in_call = (op.flags & kCallGoesOn) != 0;
  return ExecuteSyscall(task, vcpu, op);
}

void Scheduler::EnterKernel(Task& task, Vcpu& vcpu) {
  EnterUser(task, vcpu);
  vcpu.SwitchMode(ModeSwitch::kSyscall);
  vcpu.cpu().clock.Charge(CostEvent::kGuestSyscallPath);
}

absl::Status Scheduler::ExecuteAccess(Task& task, Vcpu& vcpu,
                                      const GuestOp& op) {
  EnterUser(task, vcpu);
  AccessKind kind = AccessKind::kRead;
  if (op.kind == GuestOpKind::kFetch) kind = AccessKind::kExecute;
  // A read-modify-write asks for write access at once.
  if (op.kind >= GuestOpKind::kStore) kind = AccessKind::kWrite;
  const uint64_t room = kPageSize - PageOffset(op.va);
  if (ABSL_PREDICT_TRUE(op.length <= room)) {
    return AccessPage(task, vcpu, kind, op.va);
  }
  const VirtAddr end = op.va + op.length;
  for (VirtAddr va = op.va; va < end; va = PageBase(va) + kPageSize) {
    const absl::Status status = AccessPage(task, vcpu, kind, va);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Scheduler::AccessPage(Task& task, Vcpu& vcpu, AccessKind kind,
                                   VirtAddr va) {
  const uint64_t value = NextValue(task, kind);
  for (int i = 0; i < kMaxFaults; ++i) {
    uint64_t token = 0;
    const std::optional<PageFault> fault =
        vcpu.UserAccess(kind, va, value, &token);
    if (ABSL_PREDICT_TRUE(!fault.has_value())) {
      Note(task, kind, va, token);
      return absl::OkStatus();
    }
    absl::StatusOr<FaultResult> result =
        Fault(task, vcpu, *fault, ModeSwitch::kFaultReturn);
    if (!result.ok()) return result.status();
    if (*result == FaultResult::kRefused) {
      // A signal: the program goes on without the access.
      vcpu.cpu().counters.Add(Counter::kSignals);
      task.digest.Refused(va);
      return absl::OkStatus();
    }
    if (!core_.failure.ok()) return core_.failure;
  }
  return FaultsForEver(va);
}

absl::StatusOr<FaultResult> Scheduler::Fault(Task& task, Vcpu& vcpu,
                                             const PageFault& fault,
                                             ModeSwitch back) {
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
  const AccessKind kind =
      op.kind == GuestOpKind::kCopyOut ? AccessKind::kWrite : AccessKind::kRead;
  const VirtAddr end = op.va + op.length;
  for (VirtAddr va = op.va; va < end; va = PageBase(va) + kPageSize) {
    const uint64_t bytes = std::min(end, PageBase(va) + kPageSize) - va;
    const absl::StatusOr<bool> copied = CopyInPage(task, vcpu, kind, va, bytes);
    if (!copied.ok()) return copied.status();
    if (!*copied) return absl::OkStatus();
  }
  return absl::OkStatus();
}

// A fault that nobody resolves ends the copy instead of the program (EFAULT;
// Linux: fixup_exception).
absl::StatusOr<bool> Scheduler::CopyInPage(Task& task, Vcpu& vcpu,
                                           AccessKind kind, VirtAddr va,
                                           uint64_t bytes) {
  const uint64_t value = NextValue(task, kind);
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
      task.digest.Refused(va);
      return false;
    }
  }
  return FaultsForEver(va);
}

void Scheduler::Note(Task& task, AccessKind kind, VirtAddr va, uint64_t token) {
  const bool read = kind != AccessKind::kWrite;
  if (ABSL_PREDICT_FALSE(task.digest.sightings() != nullptr)) {
    Sight(task, va, read, token);
  } else if (read && !IsShared(*task.mm, va)) {
    task.digest.Loaded(token);
  }
}

void Scheduler::Sight(Task& task, VirtAddr va, bool read, uint64_t token) {
  Sightings& sightings = *task.digest.sightings();
  if (!read) {
    sightings.Store(*task.mm, va, writers_);
  } else if (sightings.Load(*task.mm, va, token)) {
    task.digest.Loaded(token);
  }
}

absl::Status Scheduler::ExecuteSyscall(Task& task, Vcpu& vcpu,
                                       const GuestOp& op) {
  absl::Status status;
  switch (op.kind) {
    case GuestOpKind::kFork:
    case GuestOpKind::kVfork:
      status = Fork(task, vcpu, op);
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
  if (task.vfork_child) mm.changed_by_child = true;
  mm.epoch = ++core_.epochs;
  switch (op.kind) {
    case GuestOpKind::kMap:
      return memory_.Map(vcpu, mm, op, FileOf(task, op), task.digest);
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
    memory_.cache().Remove(op.file);
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
  return memory_.cache().Named(op.file,
                               object || (op.flags & kMapZeroFilled) != 0);
}

// A vfork child borrows the address space, and its parent sleeps until it execs
// or exits.
absl::Status Scheduler::Fork(Task& task, Vcpu& vcpu, const GuestOp& op) {
  absl::StatusOr<Task*> child = AddTask(op.child, task.id);
  if (!child.ok()) return child.status();
  (*child)->files = std::make_shared<OpenFiles>(*task.files);
  vcpu.cpu().counters.Add(Counter::kForks);
  ++task.live_children;
  if (op.kind == GuestOpKind::kVfork) {
    (*child)->mm = task.mm;
    ++task.mm->users;
    (*child)->vfork_child = true;
    task.waiting = task.in_vfork = true;
    vcpus_[task.vcpu].current = nullptr;
  } else {
    absl::StatusOr<std::unique_ptr<AddressSpace>> mm =
        memory_.Fork(vcpu, *task.mm);
    if (!mm.ok()) return mm.status();
    (*child)->mm = *std::move(mm);
  }
  (*child)->ready_at = vcpu.now();
  return absl::OkStatus();
}

// The new address space is complete before the old one goes, so that exec can
// fail until then (flush_old_exec).
absl::Status Scheduler::Exec(Task& task, Vcpu& vcpu, const GuestOp& op) {
  vcpu.cpu().counters.Add(Counter::kExecs);
  absl::StatusOr<std::unique_ptr<AddressSpace>> mm = memory_.Create(vcpu);
  if (!mm.ok()) return mm.status();
  absl::Status status = memory_.PlaceArguments(vcpu, **mm, op);
  if (!status.ok()) return status;
  const std::shared_ptr<AddressSpace> old = task.mm;
  task.mm = *std::move(mm);
  ops_->Activate(vcpu, *task.mm);
  LoadMm(vcpu, task.mm);
  if (--old->users == 0) {
    memory_.Teardown(vcpu, *old, task.digest);
    if (old->active == 0) memory_.Destroy(vcpu, *old);
  }
  status = memory_.MoveArguments(vcpu, *task.mm, op);
  EndVfork(task, vcpu.now());
  return status;
}

// A child that has exited already is taken at once; without such a child the
// call fails (ECHILD).
void Scheduler::Wait(Task& task, TaskId child) {
  auto gone = child == 0
                  ? task.zombies.begin()
                  : std::find(task.zombies.begin(), task.zombies.end(), child);
  if (gone != task.zombies.end()) {
    task.zombies.erase(gone);
    return;
  }
  const auto it = tasks_.find(child);
  const bool lives = child == 0
                         ? task.live_children > 0
                         : it != tasks_.end() && it->second->parent == task.id;
  if (!lives) return;  // ECHILD
  task.waiting = true;
  task.waits_for = child;
  vcpus_[task.vcpu].current = nullptr;
}

void Scheduler::DropMm(Task& task, Vcpu& vcpu) {
  const std::shared_ptr<AddressSpace> mm = task.mm;
  VcpuState& state = vcpus_[vcpu.id()];
  if (--mm->users > 0) {
    // Other tasks use the address space, so it must not stay behind in this
    // vCPU's CR3.
    LoadMm(vcpu, init_mm_);
    return;
  }
  memory_.Teardown(vcpu, *mm, task.digest);
  // Retire() may have left it already; else it stays loaded until the next
  // switch, as in Linux's lazy TLB mode.
  if ((mm->active & MaskOf(vcpu.id())) == 0) {
    state.loaded = init_mm_;
    memory_.Destroy(vcpu, *mm);
  }
}

void Scheduler::Exit(Task& task, Vcpu& vcpu) {
  vcpu.cpu().counters.Add(Counter::kExits);
  DropMm(task, vcpu);
  task.files.reset();
  memory_.FreeDropped(vcpu);
  ops_->FinishKernelWork(vcpu);
  EndVfork(task, vcpu.now());
  digest_of_the_gone_ += MixHash(task.id, task.digest.value());
  if (task.digest.sightings() != nullptr) {
    sightings_of_the_gone_.emplace_back(task.id, task.digest.TakeSightings());
  }
  VcpuState& state = vcpus_[task.vcpu];
  state.current = nullptr;
  --state.tasks;
  const auto parent_it = tasks_.find(task.parent);
  if (parent_it != tasks_.end()) {
    Task& parent = *parent_it->second;
    --parent.live_children;
    const bool awaited = parent.waiting && !parent.in_vfork &&
                         (parent.waits_for == 0 || parent.waits_for == task.id);
    if (awaited) {
      Wake(parent, vcpu.now());
    } else {
      parent.zombies.push_back(task.id);
    }
  }
  tasks_.erase(task.id);
}

}  // namespace xmmu
