#include "guest/scheduler.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "guest/kernel_span.h"
#include "workload/next_operations.h"
#include "xmmu/policy/tick.h"

namespace xmmu {

Scheduler::Scheduler(KernelCore& core)
    : core_(core),
      ops_(MakeMmuOps(core)),
      memory_(core, *ops_),
      kernel_mappings_(core, *ops_),
      // init_mm is not owned: it is part of `core`.
      init_mm_(std::shared_ptr<void>(), &core.init_mm),
      vcpus_(core.vcpus.size()) {
  for (VcpuState& state : vcpus_) state.loaded = init_mm_;
}

// Among equals the first vCPU wins, so that runs are deterministic.
uint32_t Scheduler::LeastLoadedVcpu() const {
  const auto least = std::min_element(
      vcpus_.begin(), vcpus_.end(),
      [](const VcpuState& a, const VcpuState& b) { return a.tasks < b.tasks; });
  return static_cast<uint32_t>(least - vcpus_.begin());
}

absl::Status Scheduler::CreateFirst(TaskId id) {
  absl::StatusOr<Task*> task = AddTask(id, NewProcess(id));
  if (!task.ok()) return task.status();
  turn_.reset();
  Vcpu& vcpu = VcpuOf(**task);
  vcpu.Resume();
  if (accounts_ != nullptr) accounts_->Begin(vcpu.cpu());
  // A task that is run there by hand may be in user mode, where no kernel can
  // make tables.
  Task* const current = vcpus_[(*task)->vcpu].current;
  if (current != nullptr) Preempt(*current);
  absl::StatusOr<std::unique_ptr<AddressSpace>> mm = memory_.Create(vcpu);
  if (!mm.ok()) return mm.status();
  BeginUse(**task, *std::move(mm));
  (*task)->ready_at = vcpu.now();
  ops_->Activate(vcpu, *(*task)->mm);
  if (accounts_ != nullptr) accounts_->Add(NameOf(**task), vcpu.cpu(), 0);
  return core_.failure;
}

// An idle vCPU can go on when its first task becomes ready.
Cycles Scheduler::ReadyTime(const VcpuState& state, uint32_t id) const {
  const Cycles now = core_.vcpus[id]->now();
  if (state.current != nullptr) return now;
  return std::max(now, state.queue.front()->ready_at);
}

std::optional<uint32_t> Scheduler::PickVcpu() const {
  std::optional<uint32_t> best;
  Cycles best_time;
  for (uint32_t id = 0; id < vcpus_.size(); ++id) {
    const VcpuState& state = vcpus_[id];
    if (state.current == nullptr && state.queue.empty()) continue;
    const Cycles time = ReadyTime(state, id);
    if (best.has_value() && time >= best_time) continue;
    best = id;
    best_time = time;
  }
  return best;
}

absl::StatusOr<uint64_t> Scheduler::RunFor(Workload& workload,
                                           uint64_t operations) {
  uint64_t left = operations;
  while (left > 0) {
    if (!turn_.has_value()) {
      const std::optional<uint32_t> id = PickVcpu();
      if (!id.has_value()) break;
      turn_ = BeginTurn(*id);
    }
    const absl::Status status = accounts_ == nullptr
                                    ? RunTurn(workload, left)
                                    : RunAccountedTurn(workload, left);
    if (!status.ok()) return status;
  }
  if (left > 0 && has_tasks()) return Deadlock();
  return operations - left;
}

// The turn may be the task's last one.
absl::Status Scheduler::RunAccountedTurn(Workload& workload, uint64_t& left) {
  const Task& task = *vcpus_[turn_->vcpu].current;
  const TaskName name = NameOf(task);
  const Cpu& cpu = VcpuOf(task).cpu();
  const uint64_t before = left;
  absl::Status status = RunTurn(workload, left);
  accounts_->Add(name, cpu, before - left);
  return status;
}

std::vector<TaskAccount> Scheduler::TakeTaskAccounts() {
  return accounts_ == nullptr ? std::vector<TaskAccount>() : accounts_->Take();
}

absl::Status Scheduler::Fetch(Task& task, Workload& workload) {
  const auto ops =
      Interrupt(task, [&] { return NextOperations(workload, task.id); });
  if (!ops.ok()) return ops.status();
  task.pending = *ops;
  return absl::OkStatus();
}

Scheduler::Turn Scheduler::BeginTurn(uint32_t id) {
  VcpuState& state = vcpus_[id];
  Vcpu& vcpu = *core_.vcpus[id];
  vcpu.Resume();
  if (accounts_ != nullptr) accounts_->Begin(vcpu.cpu());
  if (state.current == nullptr) SwitchTo(*state.queue.front());
  TickIfDue(*state.current);
  Cycles limit = vcpu.cpu().next_tick - Cycles(1);
  for (uint32_t other = 0; other < vcpus_.size(); ++other) {
    const VcpuState& rival = vcpus_[other];
    const bool idle = rival.current == nullptr && rival.queue.empty();
    if (other != id && !idle) {
      limit = std::min(limit, ReadyTime(rival, other));
    }
  }
  return {id, limit};
}

absl::Status Scheduler::RunTurn(Workload& workload, uint64_t& left) {
  const Turn turn = *turn_;
  VcpuState& state = vcpus_[turn.vcpu];
  Vcpu& vcpu = *core_.vcpus[turn.vcpu];
  Task& task = *state.current;
  while (left > 0) {
    // Accesses are counted together, as most operations are such.
    const uint64_t room = std::min(task.slice_left, left);
    uint64_t unused = room;
    const GuestOp* call = nullptr;
    do {
      absl::Status status;
      if (task.pending.empty()) status = Fetch(task, workload);
      if (!status.ok()) return status;
      size_t taken = 1;
      if (task.pending.front().kind > GuestOpKind::kModify) {
        call = &task.pending.front();
      } else {
        const size_t most = std::min<uint64_t>(task.pending.size(), unused);
        taken = RunAccesses(task, vcpu, task.pending.first(most), turn.limit,
                            status);
        unused -= taken;
      }
      task.pending = task.pending.subspan(taken);
      if (!status.ok()) return status;
    } while (call == nullptr && unused > 0 && vcpu.now() <= turn.limit);
    task.slice_left -= room - unused;
    left -= room - unused;
    if (call == nullptr) {
      const bool slice_used = task.slice_left == 0;
      if (slice_used || vcpu.now() > turn.limit) turn_.reset();
      if (slice_used) Preempt(task);
      return absl::OkStatus();
    }
    // The call may end the task, and a stream's operations with it.
    const GuestOpKind kind = call->kind;
    absl::Status status = Execute(task, *call);
    if (status.ok()) status = core_.failure;
    if (!status.ok()) return status;
    if (kind < GuestOpKind::kPost) --left;
    // A system call may have woken others as well, so the turn is over, unless
    // the call goes on without having blocked.
    const bool goes_on = state.current == &task && task.in_call;
    if (!goes_on || kind == GuestOpKind::kYield) {
      turn_.reset();
      return absl::OkStatus();
    }
  }
  return absl::OkStatus();
}

void Scheduler::TickIfDue(const Task& task) {
  if (task.in_call) return;
  Vcpu& vcpu = VcpuOf(task);
  if (!TickIsDue(vcpu.context())) return;
  Interrupt(task, [&] {
    DeliverTick(core_.policy, vcpu.context());
    return 0;
  });
}

void Scheduler::Preempt(Task& task) {
  task.slice_left = core_.options.quantum_ops;
  VcpuState& state = vcpus_[task.vcpu];
  if (state.queue.empty()) return;  // nobody else: the tick changes nothing
  Vcpu& vcpu = VcpuOf(task);
  if (!vcpu.context().kernel_mode) {
    vcpu.SwitchMode(ModeSwitch::kInterrupt);
    task.interrupted = true;
  }
  task.ready_at = vcpu.now();
  state.queue.push_back(&task);
  state.current = nullptr;
}

absl::StatusOr<Task*> Scheduler::PutOnVcpu(TaskId id) {
  const auto it = tasks_.find(id);
  if (it == tasks_.end()) {
    return absl::InvalidArgumentError(absl::StrCat("no task ", id));
  }
  Task& task = *it->second;
  if (task.waits != WaitsFor::kNothing) {
    const bool point = task.waits == WaitsFor::kPoint;
    return absl::InvalidArgumentError(absl::StrCat(
        "task ", id, " waits for ",
        point ? absl::StrCat("task ", task.waits_for) : "a child or a thread"));
  }
  turn_.reset();
  VcpuState& state = vcpus_[task.vcpu];
  VcpuOf(task).Resume();
  if (state.current != &task) {
    if (state.current != nullptr) Preempt(*state.current);
    SwitchTo(task);
  }
  // What is done by hand is on no account.
  if (accounts_ != nullptr) accounts_->Begin(VcpuOf(task).cpu());
  TickIfDue(task);
  return &task;
}

absl::Status Scheduler::Perform(TaskId id, const GuestOp& op) {
  const absl::StatusOr<Task*> task = PutOnVcpu(id);
  if (!task.ok()) return task.status();
  const absl::Status status = Execute(**task, op);
  return status.ok() ? core_.failure : status;
}

// The last vCPU to leave an address space without tasks frees its roots (Linux:
// mmdrop).
void Scheduler::LoadMm(Vcpu& vcpu, const std::shared_ptr<AddressSpace>& mm) {
  VcpuState& state = vcpus_[vcpu.id()];
  if (state.loaded == mm) return;
  const Span span = KernelSpan(vcpu, "switch_mm_irqs_off");
  ops_->LoadRoot(vcpu, *mm);
  mm->active |= MaskOf(vcpu.id());
  const std::shared_ptr<AddressSpace> old = std::exchange(state.loaded, mm);
  old->active &= ~MaskOf(vcpu.id());
  if (old->users == 0 && old->active == 0) memory_.Destroy(vcpu, *old);
}

// The vCPU was idle until the task became ready; switching costs the path and,
// for another address space, the load of CR3.
void Scheduler::SwitchTo(Task& task) {
  VcpuState& state = vcpus_[task.vcpu];
  Vcpu& vcpu = VcpuOf(task);
  state.queue.erase(std::find(state.queue.begin(), state.queue.end(), &task));
  state.current = &task;
  state.ran = true;
  vcpu.cpu().clock.AdvanceTo(task.ready_at);
  Span span = KernelSpan(vcpu, "__schedule");
  span.Arg("task", task.id);
  vcpu.cpu().clock.Charge(CostEvent::kGuestSwitchPath);
  vcpu.cpu().counters.Add(Counter::kContextSwitches);
  LoadMm(vcpu, task.mm);
}

// A task that was interrupted goes on by IRET, one that made a system call by
// SYSRET or its like.
void Scheduler::EnterUser(Task& task, Vcpu& vcpu) {
  if (!vcpu.context().kernel_mode) return;
  task.in_call = false;
  ops_->FinishKernelWork(vcpu);
  const bool interrupted = std::exchange(task.interrupted, false);
  vcpu.SwitchMode(interrupted ? ModeSwitch::kFaultReturn : ModeSwitch::kSysret);
}

absl::StatusOr<VirtAddr> Scheduler::MapKernelPages(TaskId id, uint64_t pages) {
  const absl::StatusOr<Task*> task = PutOnVcpu(id);
  if (!task.ok()) return task.status();
  Vcpu& vcpu = VcpuOf(**task);
  EnterKernel(**task, vcpu);
  absl::StatusOr<VirtAddr> first = kernel_mappings_.Map(vcpu, pages);
  EnterUser(**task, vcpu);
  if (!core_.failure.ok()) return core_.failure;
  return first;
}

absl::StatusOr<uint64_t> Scheduler::KernelExchange(TaskId id, VirtAddr va,
                                                   uint64_t value) {
  const absl::StatusOr<Task*> task = PutOnVcpu(id);
  if (!task.ok()) return task.status();
  Vcpu& vcpu = VcpuOf(**task);
  EnterKernel(**task, vcpu);
  absl::StatusOr<uint64_t> seen =
      kernel_mappings_.Exchange(vcpu, *(*task)->mm, va, value);
  EnterUser(**task, vcpu);
  if (!core_.failure.ok()) return core_.failure;
  return seen;
}

const AddressSpace* Scheduler::FindSpace(TaskId id) const {
  const auto it = tasks_.find(id);
  return it == tasks_.end() ? nullptr : it->second->mm.get();
}

std::optional<ResidentMemory> Scheduler::ResidentOf(TaskId id) const {
  const AddressSpace* const mm = FindSpace(id);
  if (mm == nullptr) return std::nullopt;
  return memory_.Resident(*mm);
}

int Scheduler::idle_vcpus() const {
  return static_cast<int>(
      std::count_if(vcpus_.begin(), vcpus_.end(),
                    [](const VcpuState& state) { return !state.ran; }));
}

}  // namespace xmmu
