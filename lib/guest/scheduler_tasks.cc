// Lets tasks come and go: fork, clone, exec, wait and exit (Linux:
// kernel/fork.c, kernel/exit.c; fs/exec.c, begin_new_exec).

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "guest/scheduler.h"

namespace xmmu {

absl::StatusOr<Task*> Scheduler::AddTask(TaskId id,
                                         std::shared_ptr<Process> process) {
  auto [it, inserted] = tasks_.try_emplace(id);
  if (!inserted) {
    return absl::InvalidArgumentError(
        absl::StrCat("task ", id, " is started twice"));
  }
  it->second = std::make_unique<Task>();
  Task& task = *it->second;
  task.id = id;
  task.process = std::move(process);
  task.start = starts_++;
  task.process->threads[task.start] = &task;
  task.vcpu = LeastLoadedVcpu();
  task.slice_left = core_.options.quantum_ops;
  if (vcpus_.size() > 1) task.digest.KeepSightings(id);
  VcpuState& state = vcpus_[task.vcpu];
  ++state.tasks;
  state.queue.push_back(&task);
  return &task;
}

std::shared_ptr<Process> Scheduler::NewProcess(TaskId id) {
  auto process = std::make_shared<Process>();
  process->id = id;
  return process;
}

// A vfork child borrows the address space, and its parent sleeps until it execs
// or exits.
absl::Status Scheduler::Fork(Task& task, Vcpu& vcpu, const GuestOp& op) {
  absl::StatusOr<Task*> child = AddTask(op.child, NewProcess(op.child));
  if (!child.ok()) return child.status();
  (*child)->process->parent = task.process;
  task.process->children.insert(op.child);
  (*child)->files = std::make_shared<OpenFiles>(*task.files);
  vcpu.cpu().counters.Add(Counter::kForks);
  if (op.kind == GuestOpKind::kVfork) {
    BeginUse(**child, task.mm);
    ++task.mm->users;
    (*child)->vfork_parent = task.id;
    Block(task, WaitsFor::kVfork, op.child);
  } else {
    absl::StatusOr<std::unique_ptr<AddressSpace>> mm =
        memory_.Fork(vcpu, *task.mm);
    if (!mm.ok()) return mm.status();
    BeginUse(**child, *std::move(mm));
    (*child)->mm->object = task.mm->object;
    if (task.mm->object != 0) ++threaded_spaces_;
  }
  SightRaces(**child);
  (*child)->ready_at = vcpu.now();
  return absl::OkStatus();
}

// CLONE_VM, CLONE_FILES, CLONE_THREAD: nothing is copied.
absl::Status Scheduler::Clone(Task& task, Vcpu& vcpu, const GuestOp& op) {
  absl::StatusOr<Task*> thread = AddTask(op.child, task.process);
  if (!thread.ok()) return thread.status();
  (*thread)->files = task.files;
  BeginUse(**thread, task.mm);
  ++task.mm->users;
  BeginThreads(task);
  SightRaces(**thread);
  (*thread)->ready_at = vcpu.now();
  return absl::OkStatus();
}

// The new address space is complete before the old one goes, so that exec can
// fail until then (begin_new_exec). Linux then ends the other threads
// (de_thread); here they go on in the old address space to the end of their
// streams.
absl::Status Scheduler::Exec(Task& task, Vcpu& vcpu, const GuestOp& op) {
  vcpu.cpu().counters.Add(Counter::kExecs);
  absl::StatusOr<std::unique_ptr<AddressSpace>> mm = memory_.Create(vcpu);
  if (!mm.ok()) return mm.status();
  absl::Status status = memory_.PlaceArguments(vcpu, **mm, op);
  if (!status.ok()) return status;
  const std::shared_ptr<AddressSpace> old = task.mm;
  EndUse(task);
  BeginUse(task, *std::move(mm));
  task.files = std::make_shared<OpenFiles>(*task.files);  // unshare_files
  ops_->Activate(vcpu, *task.mm);
  LoadMm(vcpu, task.mm);
  if (--old->users == 0) {
    memory_.Teardown(vcpu, *old, task.digest);
    if (old->active == 0) memory_.Destroy(vcpu, *old);
  }
  SightRaces(task);
  status = memory_.MoveArguments(vcpu, *task.mm, op);
  EndVfork(task, vcpu.now());
  return status;
}

// A child that has exited already is taken at once; without such a child the
// call fails (ECHILD). A thread that is gone is not waited for.
void Scheduler::Wait(Task& task, TaskId id) {
  Process& process = *task.process;
  std::deque<TaskId>& zombies = process.zombies;
  const auto gone =
      id == 0 ? zombies.begin() : std::find(zombies.begin(), zombies.end(), id);
  if (gone != zombies.end()) {
    zombies.erase(gone);
    return;
  }
  const auto other = tasks_.find(id);
  const bool thread = id != task.id && other != tasks_.end() &&
                      other->second->process == task.process;
  const bool child =
      id == 0 ? !process.children.empty() : process.children.contains(id);
  if (!child && !thread) return;
  ++process.waiting;
  Block(task, WaitsFor::kExit, id);
}

void Scheduler::Block(Task& task, WaitsFor what, TaskId whom) {
  task.waits = what;
  task.waits_for = whom;
  vcpus_[task.vcpu].current = nullptr;
}

void Scheduler::BeginUse(Task& task, std::shared_ptr<AddressSpace> mm) {
  task.mm = std::move(mm);
  ++vcpus_[task.vcpu].users[task.mm.get()];
}

void Scheduler::EndUse(Task& task) {
  auto& users = vcpus_[task.vcpu].users;
  const auto it = users.find(task.mm.get());
  if (--it->second == 0) users.erase(it);
}

// As long as a live task of this vCPU uses the address space it stays in CR3:
// the switch to that task loads nothing (switch_mm). If all those are elsewhere
// it must not stay behind, as nothing here would leave it when it is torn down.
void Scheduler::DropMm(Task& task, Vcpu& vcpu) {
  const std::shared_ptr<AddressSpace> mm = task.mm;
  VcpuState& state = vcpus_[vcpu.id()];
  EndUse(task);
  if (--mm->users > 0) {
    const bool stays = mm->threaded && state.users.contains(mm.get());
    if (!stays) LoadMm(vcpu, init_mm_);
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
  LeaveProcess(task, vcpu.now());
  const TaskId id = task.id;
  tasks_.erase(id);
  gone_.insert(id);
  WakeAwaiting(id, vcpu.now());
}

// A process is gone with the last of its threads (delay_group_leader).
void Scheduler::LeaveProcess(Task& task, Cycles when) {
  const std::shared_ptr<Process> process = task.process;
  process->threads.erase(task.start);
  for (const auto& [start, other] : process->threads) {
    if (process->waiting == 0) break;
    if (other->WaitsForExitOf(task.id)) Wake(*other, when);
  }
  const std::shared_ptr<Process> parent = process->parent.lock();
  if (!process->threads.empty() || parent == nullptr) return;
  parent->children.erase(process->id);
  // One of the parent's threads that wait gets the child; the calls of those
  // that have nothing left to wait for fail.
  bool taken = false;
  for (const auto& [start, waiter] : parent->threads) {
    if (parent->waiting == 0) break;
    const bool awaited = waiter->WaitsForExitOf(process->id);
    const bool any = waiter->WaitsForExitOf(0);
    if (!awaited && !any) continue;
    if (taken && any && !parent->children.empty()) continue;
    taken = true;
    Wake(*waiter, when);
  }
  if (!taken) parent->zombies.push_back(process->id);
}

// A woken task gets a whole slice.
void Scheduler::Wake(Task& task, Cycles when) {
  if (task.waits == WaitsFor::kExit) --task.process->waiting;
  task.waits = WaitsFor::kNothing;
  task.ready_at = when;
  task.slice_left = core_.options.quantum_ops;
  vcpus_[task.vcpu].queue.push_back(&task);
}

void Scheduler::EndVfork(Task& task, Cycles when) {
  if (task.vfork_parent == 0) return;
  const auto parent = tasks_.find(std::exchange(task.vfork_parent, 0));
  if (parent != tasks_.end()) Wake(*parent->second, when);
}

}  // namespace xmmu
