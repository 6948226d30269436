#ifndef XMMU_LIB_WORKLOAD_LACKEY_OP_WRITER_H_
#define XMMU_LIB_WORKLOAD_LACKEY_OP_WRITER_H_

// Turns accesses and finished system calls of one process into guest
// operations, keeping the process's state up to date.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "workload/lackey/process_layout.h"
#include "workload/lackey/process_state.h"
#include "workload/lackey/system_call.h"
#include "xmmu/workload/workload.h"

namespace xmmu {

// The reach of one region: accesses within it need no other look-up.
struct AccessWindow {
  uint64_t start = 0;
  uint64_t size = 0;
  uint64_t shift = 0;
  uint8_t rights = 0;  // 0: nothing may be done here
};

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
  // The window has no rights when the access cannot have happened or is not the
  // guest's.
  //
  // Errors: InvalidArgument with what is wrong; the caller adds FILE:LINE, here
  // and below.
  absl::StatusOr<AccessWindow> WindowFor(uint64_t va, uint64_t length);

  // Call this when a call has returned.
  absl::Status Finish(const SystemCall& call, const SystemCallResult& result);

  // Call this when no record says how a call ended, because a signal came as it
  // did. A wait becomes a wait in the stream as long as there is a child.
  void Abandon(const SystemCall& call);

  // Call this when the process starts another program, named as in "Command:".
  void Exec(absl::string_view program);

  void Push(GuestOpKind kind) { ops_.emplace_back().kind = kind; }

 private:
  // Maps what exec must have mapped around `va`: see lackey_trace.h for the
  // rule.
  absl::Status Infer(uint64_t va);
  // Infers a region for every hole of [start, end).
  absl::Status InferAll(uint64_t start, uint64_t end);
  absl::Status Map(uint64_t start, uint64_t end, Region region);
  absl::Status Unmap(uint64_t start, uint64_t end);

  // Emits `kind` for each mapped piece of the range, or kSyscall if there is
  // none.
  void PushPieces(GuestOpKind kind, uint64_t start, uint64_t end,
                  uint8_t rights);

  absl::Status MemoryCall(const SystemCall& call, uint64_t value);
  absl::Status FinishMmap(const SystemCall& call, uint64_t value);
  absl::Status FinishProtect(const SystemCall& call);
  absl::Status FinishRemap(const SystemCall& call, uint64_t value);
  // Unmaps what was inferred in [start, end): a later call shows that the
  // inferred region reached too far.
  absl::Status UnmapInferred(uint64_t start, uint64_t end);
  absl::Status FinishBrk(const SystemCall& call, uint64_t value);
  absl::Status FinishAttach(const SystemCall& call, uint64_t value);
  absl::Status FinishDetach(const SystemCall& call);
  void FinishFork(const SystemCall& call);
  void FinishWait(TaskId child);
  void TrackDescriptor(const SystemCall& call, uint64_t value);
  // Whether the call may put the process to sleep, so that another one runs.
  bool Blocks(const SystemCall& call) const;

  TaskId task_;
  ProcessState state_;
  std::vector<GuestOp> ops_;
  uint64_t generation_ = 0;
  bool inferred_apart_ = false;
};

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_LACKEY_OP_WRITER_H_
