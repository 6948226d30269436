#ifndef XMMU_GUEST_GUEST_KERNEL_H_
#define XMMU_GUEST_GUEST_KERNEL_H_

// A guest kernel that does to page tables what Linux does: kernel mappings
// shared the way its paging mode shares them, a direct map in which its own
// page tables are mapped too (read-only where the strategy demands it),
// processes with VMAs and threads, fork with copy-on-write, exec, mmap, munmap,
// mprotect, mremap, exit, its own copies to and from programs' memory,
// demand-zero and file faults, context switches, several vCPUs.
//
// It keeps a digest of everything that the guest could observe; with the same
// workload the digest is the same under every policy.
//
// Reading files in is free: nothing is charged for I/O. Running out of memory
// is an error, unless pages of files can be dropped (GuestOptions::reclaim).
//
// Owns its vCPU doors and all guest software state. Single-threaded.

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "xmmu/guest/guest_options.h"
#include "xmmu/guest/not_compared.h"
#include "xmmu/guest/resident_memory.h"
#include "xmmu/guest/task_account.h"
#include "xmmu/guest/vcpu.h"
#include "xmmu/workload/workload.h"

namespace xmmu {

class GuestKernel {
 public:
  // Returns InvalidArgument, with what would do, if the kernel of a guest of
  // `mode` cannot map `frames` frames of memory, all of which are in its direct
  // map (Linux: LOWMEM, as there is no high memory here).
  static absl::Status CheckMemory(PagingMode mode, uint64_t frames);

  // Builds the boot tables in `domain`'s memory, as its domain builder would,
  // and starts all vCPUs on them. What this charges is in no result: those
  // begin after the boot (see Simulator).
  // Errors: InvalidArgument if `options` do not go with the policy's ABI, with
  // what would; ResourceExhausted if the memory is too small; what
  // Policy::StartVcpu says.
  static absl::StatusOr<std::unique_ptr<GuestKernel>> Boot(
      Host& host, Policy& policy, Domain& domain, const GuestOptions& options);
  ~GuestKernel();

  GuestKernel(const GuestKernel&) = delete;
  GuestKernel& operator=(const GuestKernel&) = delete;

  // Runs the whole of `workload`: all tasks to their exit. On one vCPU tasks
  // take turns every quantum_ops operations; on several the vCPU with the
  // earliest clock goes next.
  // Errors: what the workload returns; ResourceExhausted when guest memory runs
  // out; InvalidArgument for an operation that no kernel would accept, and for
  // a stream that ends without kExit; FailedPrecondition for a policy under
  // which an access never goes through.
  absl::Status Run(Workload& workload);

  // Run() in pieces: Begin() makes the first task of `workload`, and each
  // RunFor() executes the next `operations` operations over all tasks, kPost
  // and kAwait not counted. Returns how many there were: fewer than asked for
  // if the last task has ended, as has_tasks() says. What happens does not
  // depend on how long the pieces are. REQUIRES: no other workload, and no
  // process run by hand, in between.
  // Errors: as Run().
  absl::Status Begin(Workload& workload);
  absl::StatusOr<uint64_t> RunFor(Workload& workload, uint64_t operations);
  bool has_tasks() const;

  // From now on Begin() and RunFor() keep an account of each task. That changes
  // nothing of what happens, and charges nothing.
  void KeepTaskAccounts();
  // Returns the accounts since KeepTaskAccounts() or the last call, in the order
  // of the tasks, those that have ended included; and begins anew. Empty if none
  // are kept.
  std::vector<TaskAccount> TakeTaskAccounts();

  // These two run processes by hand, for tests and examples, one after another
  // on vCPU 0. A process is named by the TaskId it was created with.
  absl::Status CreateProcess(TaskId task);
  absl::Status Perform(TaskId task, const GuestOp& op);

  // In a system call of `task` the kernel maps `pages` zeroed pages outside of
  // its direct map (Linux: vmalloc). Returns their first address. Other address
  // spaces fault the upper entries in, one at a time, unless they share the
  // table. The pages are never unmapped.
  // Errors: ResourceExhausted; as Perform.
  absl::StatusOr<VirtAddr> MapKernelPages(TaskId task, uint64_t pages);
  // In a system call of `task` the kernel exchanges the 4 bytes at `va`, which
  // is in such a page, for `value`, and returns what was there. This is no part
  // of the digest.
  // Errors: InvalidArgument if nothing is mapped there; as Perform.
  absl::StatusOr<uint64_t> KernelExchange(TaskId task, VirtAddr va,
                                          uint64_t value);

  // A hash of what the guest programs and the guest kernel could observe: data
  // loaded, faults delivered, accessed and dirty flags and contents of pages
  // given up; combined over tasks independently of their interleaving. It
  // contains no frame numbers and nothing that is loaded through a shared
  // mapping. On several vCPUs it also leaves out what depends on which task
  // comes first, which depends on the clocks, and so on the policy: loads from
  // a page of a file that another task writes through a shared mapping,
  // whatever mapping they go through; loads from memory that another thread of
  // the same address space stores to, maps, unmaps, discards or moves, or from
  // a fork's copy of it; and in both address spaces all faults that are
  // resolved, and what is given up. On any number of vCPUs it has no faults but
  // those that are refused, and no flags, of memory where these depend on what
  // the guest has: where some guest may have large pages (GuestOptions::
  // digest_thp, MAP_HUGETLB); mappings of files that can be reclaimed, if
  // GuestOptions::reclaim is on; and mappings of zero-filled objects, if
  // fault-around is on, as it maps what others have made.
  uint64_t digest() const;

  // The number of vCPUs that have never run a task.
  int idle_vcpus() const;

  // Counts what digest() leaves out; with the same workload the counts are the
  // same under every policy. On one vCPU they are zero.
  NotCompared not_compared() const;

  const GuestOptions& options() const;
  const GuestAbi& abi() const;
  Vcpu& vcpu(uint32_t id);

  // The root tables of a live process. The tables below them say how the guest
  // wants its addresses translated. For tests and audits; charges nothing.
  struct Roots {
    Pfn root;
    Pfn user_root;  // 64-bit paravirtual: in user mode; else kInvalidPfn
  };
  // Returns nullopt for a process that is not alive.
  std::optional<Roots> RootsOf(TaskId task) const;

  // Returns the MapRights of a live process's mapping at `va`, or nullopt if
  // there is no such mapping or process. For tests; charges nothing.
  std::optional<uint8_t> RightsAt(TaskId task, VirtAddr va) const;

  // Frames of guest memory that are free.
  uint64_t free_frames() const;
  // Bytes of the simulating computer's memory that the page allocator takes.
  uint64_t host_bytes() const;

  // What of a live process's memory is in memory now, or nullopt if there is no
  // such process. Charges nothing.
  std::optional<ResidentMemory> ResidentOf(TaskId task) const;
  // How many faults the kernel has resolved in a live process's address space,
  // and pages it has made there without one, as getrusage(2) counts ru_minflt
  // for RUSAGE_SELF (mm_account_fault): spurious faults count, refused ones do
  // not. An exec begins anew, and a vfork child's faults are its parent's.
  // Returns nullopt if there is no such process.
  std::optional<uint64_t> MinorFaultsOf(TaskId task) const;

  // Frames of guest memory in use as page tables, now and at the peak.
  uint64_t page_table_frames() const;
  uint64_t peak_page_table_frames() const;
  // How many of the frames at the peak the boot made, for the kernel's own
  // address space, and how many address spaces shared the others.
  uint64_t boot_page_table_frames() const;
  uint64_t peak_address_spaces() const;

 private:
  class Impl;
  explicit GuestKernel(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace xmmu

#endif  // XMMU_GUEST_GUEST_KERNEL_H_
