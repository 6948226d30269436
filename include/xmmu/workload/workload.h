#ifndef XMMU_WORKLOAD_WORKLOAD_H_
#define XMMU_WORKLOAD_WORKLOAD_H_

// A workload is what guest programs do to memory, apart from any kernel or
// hypervisor.
//
// It is a set of tasks (processes, and threads that share one's memory). Each
// task is a stream of GuestOps in program order; a fork or clone brings the
// child's stream to life. The guest
// kernel's scheduler interleaves the streams: by a fixed number of operations
// on one vCPU, by the earliest clock on several. The scheduler decides when
// each stream is read and the workload what is in it, so a stream must not
// depend on how it is interleaved with others. Where the order of two tasks
// matters, the streams say so themselves, by kPost and kAwait.
//
// A workload is read as it is replayed: it holds a bounded piece of each live
// stream. Single-threaded.

#include <cstdint>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "xmmu/base/address.h"

namespace xmmu {

// Names a task for ever: the recorded process id, or a number that a synthetic
// workload gives out. No id is reused within one workload.
using TaskId = uint32_t;

// Rights of a mapping, as in mmap(2).
enum MapRights : uint8_t {
  kMapRead = 1,
  kMapWrite = 2,
  kMapExecute = 4,
};

// Where the pages of a mapping come from.
enum class Backing : uint8_t {
  kAnonymous,    // demand-zero, private
  kStack,        // demand-zero, private, grows down
  kFilePrivate,  // pages of a file or object, copied on write
  kFileShared,   // pages of a file or object, written in place
  // Demand-zero pages of an object that the mapping makes for itself, so that
  // only forks share it (`file` 0); or those of object `file` (memfd_create(2),
  // shmget(2)).
  kSharedAnonymous,
};

// How a mapping is made, as in mmap(2); bits of GuestOp::flags of a kMap.
enum MapFlags : uint8_t {
  kMapPopulate = 1,     // its pages are made at once (MAP_POPULATE)
  kMapLocked = 2,       // as mlock(2) does, at once (MAP_LOCKED, MCL_FUTURE)
  kMapLockOnFault = 4,  // locked, but its pages are made by faults
  // Pages of `file` are zero when they are first used, and zeroing them is
  // paid for: it is in tmpfs, a memfd or a System V segment (mm/shmem.c). Of a
  // kSharedAnonymous this always holds.
  kMapZeroFilled = 8,
  // Each fault maps one page: a System V segment's (shm_vm_ops has no
  // map_pages).
  kMapOnePageFaults = 16,
};

// A bit of GuestOp::flags of any system call: it goes on with the next one of
// the stream, so that both are one entry into the kernel. So a read(2) from a
// pipe is a kYield that goes on, and a kCopyOut.
inline constexpr uint8_t kCallGoesOn = 0x80;

// What a program says of its memory, as in madvise(2) and mlock(2).
enum class Advice : uint8_t {
  kHugePage,       // MADV_HUGEPAGE
  kNoHugePage,     // MADV_NOHUGEPAGE
  kPopulateRead,   // MADV_POPULATE_READ
  kPopulateWrite,  // MADV_POPULATE_WRITE
  kDontFork,       // MADV_DONTFORK
  kDoFork,         // MADV_DOFORK
  kWipeOnFork,     // MADV_WIPEONFORK
  kKeepOnFork,     // MADV_KEEPONFORK
  kFree,           // MADV_FREE
  kLock,           // mlock(2), mlockall(2) with MCL_CURRENT
  kLockOnFault,    // mlock2(2) with MLOCK_ONFAULT
  kUnlock,         // munlock(2), munlockall(2)
};

enum class GuestOpKind : uint8_t {
  // An access of `length` bytes at `va`. An access that crosses a page is one
  // operation; the kernel splits it.
  kFetch,
  kLoad,
  kStore,
  kModify,  // load and store of the same bytes by one instruction

  kMap,      // [va, va+length) <- backing, rights, file, file_offset; replaces
  kUnmap,    // [va, va+length)
  kProtect,  // [va, va+length) <- rights
  kRemap,    // [va, va+length) moves or resizes to [target, target+new_length);
             // with length 0 the file or object at va is mapped there, too
  kDiscard,  // [va, va+length) loses its pages (madvise MADV_DONTNEED)
  kAdvise,   // [va, va+length) gets `advice`; the last three of Advice with
             // length 0 are about all mappings (mlockall, munlockall)

  // The kernel reads or writes [va, va+length) of the program's memory for a
  // system call (copy_from_user, copy_to_user): its own accesses, which fault
  // as the program's do. What is not mapped, or not with that right, ends the
  // copy (EFAULT).
  kCopyIn,
  kCopyOut,

  // The task holds `file` open once more, or once less. A fork copies what is
  // held, an exit gives it up. With kMapZeroFilled the object's pages are zero
  // when they are first used.
  kOpenFile,
  kCloseFile,
  // `file` loses its name (unlink, shmctl with IPC_RMID; memfd_create's has
  // none): its pages go when nothing maps it or holds it open. A later mapping
  // by the same number is of a new object, but for tasks that hold the old one
  // open: they map what they have opened last by that number.
  kRemoveFile,

  kFork,   // starts task `child` as a copy of this one
  kVfork,  // as kFork; this task then waits until the child execs or exits
  kExec,   // a new address space, empty but for the arguments and what else
           // exec writes to the new stack's pages [va, va+length) (0: none)
  kClone,  // starts task `child` as a thread of this one: it shares the address
           // space, and what is held open (CLONE_VM, CLONE_FILES)
  kWait,   // until child `child` has exited (0: any one child), or thread
           // `child` that this task has started (pthread_join)
  kYield,  // gives up the processor (a blocking system call)
  kSyscall,  // any other system call: into the kernel and back
  kExit,     // last operation of a task

  // The next two keep the order that was recorded between tasks, such as
  // between one thread's munmap and another's accesses. They are no system
  // calls, touch nothing, and cost no cycles. They may stand in the middle of a
  // system call (kCallGoesOn).
  kPost,   // this task has passed one more point
  kAwait,  // the task goes on when task `child` has passed `length` points since
  // it began, or has ended; be it that it begins only later. If that is
  // not so already the task gives up its processor until then, as if
  // it were preempted: that switch is paid for. With length 0 there is
  // nothing to wait for.
};

// Whether an operation of this kind brings task GuestOp::child to life.
constexpr bool StartsTask(GuestOpKind kind) {
  return kind == GuestOpKind::kFork || kind == GuestOpKind::kVfork ||
         kind == GuestOpKind::kClone;
}

// One operation. Fields that its kind does not name are zero.
struct GuestOp {
  GuestOpKind kind = GuestOpKind::kLoad;
  uint8_t rights = 0;  // MapRights
  Backing backing = Backing::kAnonymous;
  uint8_t flags = 0;  // MapFlags of kMap and kOpenFile; kCallGoesOn
  // kMap: 0, or the log2 of the size of its pages in bytes (MAP_HUGETLB: 21,
  // 22 or 30). A guest without pages of that size takes its next smaller ones.
  uint8_t page_shift = 0;
  Advice advice = Advice::kHugePage;  // kAdvise
  VirtAddr va = {};
  uint64_t length = 0;      // bytes; points of a kAwait
  VirtAddr target = {};     // kRemap
  uint64_t new_length = 0;  // bytes, kRemap
  TaskId child = 0;         // kFork, kVfork, kClone, kWait, kAwait
  uint32_t file = 0;        // identity of the file: kMap, kOpenFile and its kin
  uint64_t file_offset = 0;  // bytes, kMap
};

// A source of task streams.
class Workload {
 public:
  virtual ~Workload() = default;

  // Names the workload in reports, e.g. "fork:pages=1000".
  virtual std::string name() const = 0;

  // The task that runs first.
  virtual TaskId first_task() const = 0;

  // The next operations of `task`, at least one; the span stays valid until the
  // next call for the same task. The last operation of every task is kExit and
  // nothing may be asked for after it. REQUIRES: `task` is first_task() or was
  // named by a fork or clone already returned.
  //
  // Errors: InvalidArgument with `FILE:LINE: what is wrong, what was expected`
  // for a recorded stream that cannot be read on.
  virtual absl::StatusOr<std::span<const GuestOp>> Next(TaskId task) = 0;
};

}  // namespace xmmu

#endif  // XMMU_WORKLOAD_WORKLOAD_H_
