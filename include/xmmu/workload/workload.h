#ifndef XMMU_WORKLOAD_WORKLOAD_H_
#define XMMU_WORKLOAD_WORKLOAD_H_

// A workload is what guest programs do to memory, apart from any kernel or
// hypervisor.
//
// It is a set of tasks (processes). Each task is a stream of GuestOps in
// program order; a fork op brings the child's stream to life. The guest
// kernel's scheduler interleaves the streams: by a fixed number of operations
// on one vCPU, by the earliest clock on several. The scheduler decides when
// each stream is read and the workload what is in it, so a stream must not
// depend on how it is interleaved with others.
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
  kAnonymous,        // demand-zero, private
  kStack,            // demand-zero, private, grows down
  kFilePrivate,      // file pages, copied on write
  kFileShared,       // file pages, written in place
  kSharedAnonymous,  // demand-zero, shared across fork
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
  kRemap,    // [va, va+length) moves or resizes to [target, target+new_length)
  kDiscard,  // [va, va+length) loses its pages (madvise MADV_DONTNEED)

  kFork,     // starts task `child` as a copy of this one
  kVfork,    // as kFork; this task then waits until the child execs or exits
  kExec,     // a new address space, empty but for the arguments and what else
             // exec writes to the new stack's pages [va, va+length) (0: none)
  kWait,     // until child `child` has exited (0: any one child)
  kYield,    // gives up the processor (a blocking system call)
  kSyscall,  // any other system call: into the kernel and back
  kExit,     // last operation of a task
};

// One operation. Fields that its kind does not name are zero.
struct GuestOp {
  GuestOpKind kind = GuestOpKind::kLoad;
  uint8_t rights = 0;  // MapRights
  Backing backing = Backing::kAnonymous;
  VirtAddr va = {};
  uint64_t length = 0;       // bytes
  VirtAddr target = {};      // kRemap
  uint64_t new_length = 0;   // bytes, kRemap
  TaskId child = 0;          // kFork, kVfork, kWait
  uint32_t file = 0;         // identity of the file, kMap
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
  // named by a fork operation already returned.
  //
  // Errors: InvalidArgument with `FILE:LINE: what is wrong, what was expected`
  // for a recorded stream that cannot be read on.
  virtual absl::StatusOr<std::span<const GuestOp>> Next(TaskId task) = 0;
};

}  // namespace xmmu

#endif  // XMMU_WORKLOAD_WORKLOAD_H_
