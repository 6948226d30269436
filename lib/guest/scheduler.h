#ifndef XMMU_LIB_GUEST_SCHEDULER_H_
#define XMMU_LIB_GUEST_SCHEDULER_H_

// The guest kernel's tasks and its scheduler.
//
//        kFork, kClone              picked
//   (none) --------> runnable ----------------> running
//                     ^    ^                     |  |  |
//                     |    +-- slice used up ----+  |  +-- kExit --> (gone)
//                     +-- child exits or execs, -- waiting
//                         task passes a point
//
// Tasks are threads of processes; most processes have one.
//
// A task stays on the vCPU that it was given at the start, the one with the
// fewest tasks. On one vCPU turns end after a fixed number of operations; on
// several, the vCPU with the earliest clock executes next. Operations of one
// system call (kCallGoesOn) are one turn, unless the task blocks.

#include <deque>
#include <memory>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/functional/function_ref.h"
#include "guest/digest.h"
#include "guest/kernel_core.h"
#include "guest/kernel_mappings.h"
#include "guest/memory_manager.h"
#include "guest/mmu_ops.h"
#include "guest/sightings.h"
#include "guest/task_accounts.h"
#include "xmmu/guest/not_compared.h"
#include "xmmu/workload/workload.h"

namespace xmmu {

struct Task;

// What the threads of a process share as such (Linux: signal_struct). Memory
// and files belong to the threads.
struct Process {
  TaskId id = 0;  // its first thread's
  // That live, by Task::start.
  absl::btree_map<uint64_t, Task*> threads;
  uint32_t waiting = 0;                  // threads in a kWait
  std::weak_ptr<Process> parent;         // if it has any threads left
  absl::flat_hash_set<TaskId> children;  // processes that live
  std::deque<TaskId> zombies;            // that have exited, not yet waited for
};

// What a task waits for.
enum class WaitsFor : uint8_t {
  kNothing,
  kExit,   // of a child or thread (kWait)
  kVfork,  // the end of a vfork: its child execs or exits
  kPoint,  // a point of a task (kAwait)
};

struct Task {
  TaskId id = 0;
  uint64_t start = 0;  // how many tasks were started before
  std::shared_ptr<Process> process;
  uint32_t vcpu = 0;
  std::shared_ptr<AddressSpace> mm;
  TaskDigest digest;
  uint64_t stores = 0;       // so far; they make each store's value unique
  uint64_t slice_left = 0;   // accesses
  bool walks_often = false;  // of late; the host alone goes by it
  bool interrupted = false;  // goes on by returning from an interrupt
  bool in_call = false;      // its next operation is of the same system call
  Cycles ready_at;           // when it last became runnable
  WaitsFor waits = WaitsFor::kNothing;
  TaskId waits_for = 0;     // kExit: 0 is any child; kPoint: the task awaited
  uint64_t point = 0;       // kPoint: how many of it
  uint64_t points = 0;      // passed by this task itself (kPost)
  TaskId vfork_parent = 0;  // waits until this task execs or exits
  std::span<const GuestOp> pending;  // operations fetched, not yet executed
  std::shared_ptr<OpenFiles> files = std::make_shared<OpenFiles>();
  uint32_t objects_made = 0;   // nameless ones, so far
  uint32_t spaces_shared = 0;  // address spaces to which it added threads first

  // Returns what its next access stores, which nothing else does.
  uint64_t NextValue(AccessKind kind) {
    return kind == AccessKind::kWrite ? MixHash(id, ++stores) : 0;
  }
  // Whether it waits in a kWait that names `whom`.
  bool WaitsForExitOf(TaskId whom) const {
    return waits == WaitsFor::kExit && waits_for == whom;
  }
};

class Scheduler {
 public:
  explicit Scheduler(KernelCore& core);

  absl::Status CreateFirst(TaskId id);
  // See GuestKernel for the next two; CreateFirst() begins a workload.
  absl::StatusOr<uint64_t> RunFor(Workload& workload, uint64_t operations);
  bool has_tasks() const { return !tasks_.empty(); }
  // Performs one operation of one task, which is put on its vCPU first.
  absl::Status Perform(TaskId id, const GuestOp& op);

  // See GuestKernel for the next two.
  absl::StatusOr<VirtAddr> MapKernelPages(TaskId id, uint64_t pages);
  absl::StatusOr<uint64_t> KernelExchange(TaskId id, VirtAddr va,
                                          uint64_t value);

  // See GuestKernel for the next two.
  void KeepTaskAccounts() {
    accounts_ = std::make_unique<TaskAccounts>(core_.host);
  }
  std::vector<TaskAccount> TakeTaskAccounts();

  // See GuestKernel for the next three.
  uint64_t digest() const;
  int idle_vcpus() const;
  NotCompared not_compared() const;
  // Returns the address space of a live task, or nullptr.
  const AddressSpace* FindSpace(TaskId id) const;
  // See GuestKernel.
  std::optional<ResidentMemory> ResidentOf(TaskId id) const;

 private:
  struct VcpuState {
    std::deque<Task*> queue;
    Task* current = nullptr;
    std::shared_ptr<AddressSpace> loaded;
    uint32_t tasks = 0;
    // How many of them use an address space, if any does.
    absl::flat_hash_map<const AddressSpace*, uint32_t> users;
    bool ran = false;  // whether it ever ran a task
  };

  Vcpu& VcpuOf(const Task& task) { return *core_.vcpus[task.vcpu]; }

  absl::Status Execute(Task& task, const GuestOp& op);
  // --- The next are in scheduler_access.cc.
  // Executes the accesses that `ops` begins with: one, and more until the clock
  // is past `limit`, a fault sets `status` or an operation is none. Returns how
  // many. REQUIRES: the first is an access.
  size_t RunAccesses(Task& task, Vcpu& vcpu, std::span<const GuestOp> ops,
                     Cycles limit, absl::Status& status);
  // Executes one. REQUIRES: the vCPU is in user mode.
  absl::Status ExecuteAccess(Task& task, Vcpu& vcpu, const GuestOp& op);
  // Accesses one page until the access goes through or is refused.
  absl::Status AccessPage(Task& task, Vcpu& vcpu, AccessKind kind, VirtAddr va);
  // Goes on with an access to one page after its first fault, which the policy
  // has not seen yet.
  absl::Status FinishAccess(Task& task, Vcpu& vcpu, AccessKind kind,
                            VirtAddr va, uint64_t value,
                            const PageFault& first);
  static absl::Status FaultsForEver(VirtAddr va);
  // Records an access that went through.
  void Note(Task& task, AccessKind kind, VirtAddr va, uint64_t token);
  // ---
  // Lets the kernel handle a fault of the program, or of its own as it copies,
  // and returns to where it was taken.
  absl::StatusOr<FaultResult> Fault(Task& task, Vcpu& vcpu,
                                    const PageFault& fault, ModeSwitch back);
  // --- The next are in scheduler_digest.cc.
  // The address space of `task` has several threads from now on, of which the
  // new one is not told yet.
  void BeginThreads(Task& task);
  // Tells the sightings of `task` whether others change its memory, which
  // depends on its address space.
  void SightRaces(Task& task);
  // The same for all that use the address space of `task`, which has had no
  // second thread before.
  void SightRacesOfUsers(Task& task);
  // A mapping of `file`, shared or not, in an address space of several threads.
  void NoteShared(Backing backing, const FileRef& file);
  // Records what an operation of `task` on a range changes or depends on, where
  // others change its memory.
  void NoteChange(const Task& task, const GuestOp& op);
  // Records an access that was refused, or that a copy that was refused before
  // did not come to.
  void NoteRefused(Task& task, AccessKind kind, VirtAddr va);
  void NoteLeft(Task& task, AccessKind kind, VirtAddr va);
  absl::Status ExecuteSyscall(Task& task, Vcpu& vcpu, const GuestOp& op);
  // copy_from_user, copy_to_user: up to the first page that is refused.
  absl::Status Copy(Task& task, Vcpu& vcpu, const GuestOp& op);
  // Copies what lies in one page. Returns whether the kernel may go on.
  absl::StatusOr<bool> CopyInPage(Task& task, Vcpu& vcpu, AccessKind kind,
                                  VirtAddr va, uint64_t bytes, uint64_t value);
  absl::Status ExecuteMemoryCall(Task& task, Vcpu& vcpu, const GuestOp& op);
  // Executes kOpenFile, kCloseFile or kRemoveFile.
  void ExecuteFileCall(Task& task, const GuestOp& op);
  // Returns the file or object that `op`, a kMap or kOpenFile, is about, or
  // nullptr if it is anonymous memory.
  FileRef FileOf(Task& task, const GuestOp& op);

  absl::Status Fork(Task& task, Vcpu& vcpu, const GuestOp& op);
  absl::Status Clone(Task& task, Vcpu& vcpu, const GuestOp& op);
  absl::Status Exec(Task& task, Vcpu& vcpu, const GuestOp& op);
  // Suspends the task until its child `id` (0: any), or thread `id` of its
  // process, has exited, if there is one.
  void Wait(Task& task, TaskId id);
  void Exit(Task& task, Vcpu& vcpu);
  // Takes an exiting task from its process, and wakes who waited for either.
  void LeaveProcess(Task& task, Cycles when);
  // Lets `task` use `mm`, of whose users it is one already, from now on, or the
  // one that it has no longer.
  void BeginUse(Task& task, std::shared_ptr<AddressSpace> mm);
  void EndUse(Task& task);
  // Drops `task`'s use of its address space; the last use tears it down.
  void DropMm(Task& task, Vcpu& vcpu);
  // Makes a waiting task runnable at `when`.
  void Wake(Task& task, Cycles when);
  // --- The next are in scheduler_points.cc.
  // kPost and kAwait.
  void Post(Task& task, Cycles when);
  void Await(Task& task, const GuestOp& op);
  // Whether task `id` has passed `points` points, or has ended.
  bool HasPassed(TaskId id, uint64_t points) const;
  // Wakes at `when` who awaits what task `id` has come to.
  void WakeAwaiting(TaskId id, Cycles when);
  // The error of tasks that are left and can never go on.
  absl::Status Deadlock() const;
  // Takes a task that cannot go on from its vCPU.
  void Block(Task& task, WaitsFor what, TaskId whom);
  // Wakes the parent of a vfork child that execs or exits.
  void EndVfork(Task& task, Cycles when);

  static std::shared_ptr<Process> NewProcess(TaskId id);
  // Adds a thread to `process`.
  absl::StatusOr<Task*> AddTask(TaskId id, std::shared_ptr<Process> process);
  uint32_t LeastLoadedVcpu() const;
  // Calls `visit(task, sightings)` for all tasks, on several vCPUs.
  void ForEachSightings(
      absl::FunctionRef<void(TaskId, const Sightings&)> visit) const;

  // Puts a task that can go on onto its vCPU, and returns it.
  absl::StatusOr<Task*> PutOnVcpu(TaskId id);
  // Leaves the kernel, if the vCPU is in it; a system call ends with that.
  void EnterUser(Task& task, Vcpu& vcpu);
  // Enters the kernel by a system call.
  void EnterKernel(Task& task, Vcpu& vcpu);
  // Gives the policy its tick if one is due on the CPU of `task`, which runs
  // and is not in the middle of a system call: see xmmu/policy/tick.h.
  void TickIfDue(const Task& task);
  // Lets a queued task run on its vCPU; the clock goes on to when it was ready.
  void SwitchTo(Task& task);
  // Loads an address space, and frees the one left if it is gone.
  void LoadMm(Vcpu& vcpu, const std::shared_ptr<AddressSpace>& mm);
  // Ends a task's turn if another one waits for the vCPU.
  void Preempt(Task& task);

  // A vCPU's task runs until it must wait, or its slice ends, or a clock says
  // so.
  struct Turn {
    uint32_t vcpu = 0;
    // Where the policy's next tick is due, and on several vCPUs where another
    // one falls behind.
    Cycles limit;
  };

  // Returns the vCPU to run next, or nothing when no task is runnable.
  std::optional<uint32_t> PickVcpu() const;
  // Returns when the vCPU can execute something. REQUIRES: it has a task.
  Cycles ReadyTime(const VcpuState& state, uint32_t id) const;
  // Lets a task of the vCPU run, if none does.
  Turn BeginTurn(uint32_t id);
  // Goes on with turn_ to its end, which resets it, or for `left` operations,
  // from which those executed are taken.
  absl::Status RunTurn(Workload& workload, uint64_t& left);
  // RunTurn() with an account of it, where accounts are kept.
  absl::Status RunAccountedTurn(Workload& workload, uint64_t& left);
  // Fetches more operations of a task that has none pending. What that charges,
  // as a toolstack between two operations may, is no task's.
  absl::Status Fetch(Task& task, Workload& workload);
  // The task that runs has its turn interrupted by what is no task's, which
  // `work` does.
  template <typename Work>
  auto Interrupt(const Task& task, Work work) {
    const Cpu& cpu = VcpuOf(task).cpu();
    if (accounts_ != nullptr) accounts_->Add(NameOf(task), cpu, 0);
    auto result = work();
    if (accounts_ != nullptr) accounts_->Begin(cpu);
    return result;
  }
  static TaskName NameOf(const Task& task) {
    return {.process = task.process->id, .task = task.id};
  }

  // A program's access goes through after one fault, on several vCPUs after a
  // few, as another vCPU may change the entry in between. If it takes more the
  // kernel is broken.
  static constexpr int kMaxFaults = 8;

  KernelCore& core_;
  std::unique_ptr<MmuOps> ops_;
  MemoryManager memory_;
  KernelMappings kernel_mappings_;
  std::shared_ptr<AddressSpace> init_mm_;
  std::vector<VcpuState> vcpus_;
  absl::btree_map<TaskId, std::unique_ptr<Task>> tasks_;
  uint64_t starts_ = 0;  // of tasks, so far
  // Where RunFor() has stopped in the middle of a turn, which its next call
  // goes on with: so what happens does not depend on where it stops.
  std::optional<Turn> turn_;
  std::unique_ptr<TaskAccounts> accounts_;  // if they are kept
  absl::flat_hash_set<TaskId> gone_;
  std::vector<Task*> awaiting_;  // points, in the order in which they blocked
  uint64_t digest_of_the_gone_ = 0;
  uint64_t threaded_spaces_ = 0;  // see NotCompared
  // Both are used on several vCPUs alone.
  ObjectWriters writers_;
  std::vector<std::pair<TaskId, std::unique_ptr<Sightings>>>
      sightings_of_the_gone_;
};

}  // namespace xmmu

#endif  // XMMU_LIB_GUEST_SCHEDULER_H_
