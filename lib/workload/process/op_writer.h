#ifndef XMMU_LIB_WORKLOAD_PROCESS_OP_WRITER_H_
#define XMMU_LIB_WORKLOAD_PROCESS_OP_WRITER_H_

// Turns accesses and finished system calls of one process into guest
// operations, keeping the process's state up to date.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "workload/process/call_buffers.h"
#include "workload/process/call_rules.h"
#include "workload/process/image_layout.h"
#include "workload/process/process_state.h"
#include "workload/process/system_call.h"
#include "xmmu/workload/workload.h"

namespace xmmu {

// The reach of one region: accesses within it need no other look-up.
struct AccessWindow {
  uint64_t start = 0;
  uint64_t size = 0;
  uint64_t shift = 0;
  uint8_t rights = 0;  // 0: nothing may be done here
};

// An execve of which nothing but itself is known.
SystemCall ExecCall();

class OpWriter {
 public:
  OpWriter(TaskId task, ProcessState state)
      : task_(task), state_(std::move(state)) {}

  std::vector<GuestOp>& ops() { return ops_; }
  ProcessState& state() { return state_; }

  // Whether an access showed memory that is neither in the program's image nor
  // on its stack. That is the dynamic linker's, or was mapped by a call that is
  // not in the log.
  bool inferred_apart() const { return inferred_apart_; }

  // Counts changes of the map: a window from before the last change is void.
  uint64_t generation() const { return generation_; }

  // Returns a window around [va, va + length), inferring regions if need be.
  // `store` and `fetch` say whether the access is one, for layouts by which that
  // matters. The window has no rights when the access cannot have happened or is
  // not the guest's.
  //
  // Errors: InvalidArgument with what is wrong; the caller adds FILE:LINE, here
  // and below.
  absl::StatusOr<AccessWindow> WindowFor(uint64_t va, uint64_t length,
                                         bool store = false,
                                         bool fetch = false);

  // Maps what of [start, region.end) is not mapped, as inferred: a file beside
  // the recording says that it was. A part of a file keeps its place in it.
  absl::Status MapHoles(uint64_t start, const Region& region);

  // Gives `right` to the mapping at `va`, within its aligned 64 KiB: an access
  // shows it, and the call that gave it is not in the recording.
  void Grant(uint64_t va, uint8_t right);

  // Advises large pages for what is mapped of [start, end).
  void AdviseHuge(uint64_t start, uint64_t end);

  // Call this when a call has returned. All its operations but the last have
  // kCallGoesOn.
  absl::Status Finish(const SystemCall& call, const SystemCallResult& result);

  // Call this when no record says how a call ended, because a signal came as it
  // did. A wait becomes a wait in the stream as long as there is a child.
  void Abandon(const SystemCall& call);

  // Call this when `call` makes the process start another program. Then call
  // Exec() with its name, as in "Command:".
  void BeginExec(const SystemCall& call);
  void Exec(absl::string_view program);

  // Maps [start, region.end), a part of an image that exec has mapped, where a
  // recording says so. Its effect is a kMap.
  //
  // Errors: InvalidArgument unless these are pages of user space.
  absl::Status MapImage(uint64_t start, Region region);

  // The state of the child that `call` has just created, and what the kernel
  // does as the child begins to run.
  ProcessState ChildState(const SystemCall& call) const;
  void BeginChild();

  void Push(GuestOpKind kind) { ops_.emplace_back().kind = kind; }

 private:
  // Whether an access to `va`, which no known mapping has, shows one.
  bool MayInfer(uint64_t va) const;
  // Maps what exec must have mapped around `va`: see lackey_trace.h for the
  // rule.
  absl::Status Infer(uint64_t va, bool store = false, bool fetch = false);
  AddressMap::Range StackAround(uint64_t va) const;
  // Infers a region for every hole of [start, end).
  absl::Status InferAll(uint64_t start, uint64_t end);
  // `flags` are MapFlags beside those that the region says.
  absl::Status Map(uint64_t start, uint64_t end, Region region,
                   uint8_t flags = 0);
  absl::Status Unmap(uint64_t start, uint64_t end);

  // Emits an operation for each mapped piece of the range.
  void PushPieces(GuestOp op, uint64_t start, uint64_t end);
  void PushPieces(GuestOpKind kind, uint64_t start, uint64_t end) {
    PushPieces(GuestOp{.kind = kind}, start, end);
  }
  // Lets the operations from the `first` on be one system call: all but the
  // last get kCallGoesOn. If there is none it is `otherwise`.
  void MakeOneCall(size_t first, GuestOpKind otherwise);

  absl::Status Succeed(const SystemCall& call, uint64_t value);
  // What a call that failed has done before it did.
  void Fail(const SystemCall& call, uint64_t error);

  // op_writer_memory.cc
  absl::Status MemoryCall(const SystemCall& call, uint64_t value);
  absl::Status FinishMmap(const SystemCall& call, uint64_t value);
  void NameMapping(const SystemCall& call, Region* region);
  absl::Status FinishProtect(const SystemCall& call);
  void Protect(uint64_t start, uint64_t end, uint64_t rights);
  void FailProtect(const SystemCall& call, uint64_t error);
  absl::Status FinishRemap(const SystemCall& call, uint64_t value);
  SystemCall WholePages(SystemCall call) const;
  absl::Status MoveTo(uint64_t start, uint64_t end, Region region,
                      VirtAddr from, uint64_t length);
  // Unmaps what was inferred in [start, end): a later call shows that the
  // inferred region reached too far.
  absl::Status UnmapInferred(uint64_t start, uint64_t end);
  absl::Status FinishBrk(const SystemCall& call, uint64_t value);

  // op_writer_segments.cc
  void FinishGet(const SystemCall& call, uint64_t value);
  absl::Status FinishAttach(const SystemCall& call, uint64_t value);
  absl::Status FinishDetach(const SystemCall& call);
  // Returns the part from `start` on of a segment of unknown size, if the
  // mapping below `start` is one.
  std::optional<Region> MoreOfSegment(uint64_t start) const;
  void NoteSize(uint32_t file, uint64_t bytes);
  // Returns where the segment `file` ends if it is attached at `address`; the
  // end of user space, if its size is not known.
  uint64_t SegmentEnd(uint64_t address, uint32_t file) const;
  // Lets segments of unknown size grow over the holes in a range all of which a
  // call found mapped. It does nothing for what is no range of user space.
  absl::Status GrowSegments(uint64_t start, uint64_t length);
  void RemoveSegment(uint64_t id);
  // Gives up removed segments that are attached no more.
  void CloseSegments();

  // op_writer_advice.cc
  absl::Status FinishMadvise(const SystemCall& call);
  void FailMadvise(const SystemCall& call, uint64_t error);
  // Does what the advice does to [start, end).
  void Follow(uint64_t advice, uint64_t start, uint64_t end);
  void Discard(uint64_t start, uint64_t end, bool relock);
  void PushAdvice(Advice advice, uint64_t start, uint64_t end);
  void LockCall(const SystemCall& call);
  void FailLock(const SystemCall& call, uint64_t error);
  void SetLock(uint64_t start, uint64_t end, Lock lock);
  void SetLockOfAll(Lock lock);
  void LockAll(uint64_t flags);

  // op_writer_files.cc
  void FileCall(const SystemCall& call, uint64_t value);
  void FinishOpen(const SystemCall& call, uint64_t value);
  void FinishMemfd(const SystemCall& call, uint64_t value);
  void FinishDup(const SystemCall& call, uint64_t value);
  // `to` is opened on what `from` has open, or is a copy of it.
  void CopyDescriptor(uint64_t from, uint64_t to, bool close_on_exec);
  void FinishFcntl(const SystemCall& call, uint64_t value);
  void FinishCloseRange(const SystemCall& call);
  void Rename(const SystemCall& call);
  void Hold(uint64_t descriptor, ProcessState::Descriptor held);
  void Release(uint64_t descriptor);
  void PushFile(GuestOpKind kind, uint32_t file);
  bool Holds(uint32_t file) const;
  // Returns the path that `path` stands for, looked up from `directory`, a
  // descriptor or AT_FDCWD.
  std::string Resolve(uint64_t directory, absl::string_view path) const;
  uint32_t FileNamed(const std::string& path) const;
  // An identity that no path has.
  uint32_t NewIdentity(absl::string_view kind);
  // The file at `path` loses its name.
  void Forget(const std::string& path);
  // What is made at `path` later is none of the files that are open.
  void Renew(const std::string& path);

  // op_writer_copies.cc: what the kernel reads or writes for a call.
  void PushCopies(CallBuffer::Way way, const SystemCall& call,
                  const SystemCallResult& result);
  void Copy(CallBuffer::Way way, uint64_t va, uint64_t length);
  // Whether what is written goes nowhere, so that the buffer is not read.
  bool Drops(const SystemCall& call, const CallBuffer& buffer) const;

  void FinishFork(const SystemCall& call);
  void FinishWait(TaskId child);
  // Whether the call may put the process to sleep, so that another one runs.
  bool Blocks(const SystemCall& call) const;

  TaskId task_;
  ProcessState state_;
  std::vector<GuestOp> ops_;
  uint64_t generation_ = 0;
  bool inferred_apart_ = false;
};

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_PROCESS_OP_WRITER_H_
