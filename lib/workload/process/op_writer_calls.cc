// Turns system calls that have returned into operations, but for those on
// mappings.

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "workload/process/call_number.h"
#include "workload/process/op_writer.h"

namespace xmmu {
namespace {

// Source: Linux, include/uapi: ipc.h, wait.h.
constexpr uint64_t kIpcRemove = 0;
constexpr uint64_t kIpcCommand = 0xff;  // less IPC_64
constexpr uint64_t kWaitidByPid = 1;
constexpr uint64_t kWaitNoHang = 1;
constexpr uint64_t kWaitKeep = 0x1000000;

}  // namespace

SystemCall ExecCall() {
  SystemCall call;
  call.number = kExecve;
  return call;
}

absl::Status OpWriter::Finish(const SystemCall& call,
                              const SystemCallResult& result) {
  if (call.number == kExitGroup) return absl::OkStatus();
  const size_t first = ops_.size();
  PushCopies(CallBuffer::Way::kIn, call, result);
  const size_t own = ops_.size();
  if (result.success) {
    const absl::Status done = Succeed(call, result.value);
    if (!done.ok()) return done;
  } else {
    Fail(call, result.value);
  }
  // What sleeps does so before it gets to the program's memory again.
  if (ops_.size() == own && Blocks(call)) Push(GuestOpKind::kYield);
  PushCopies(CallBuffer::Way::kOut, call, result);
  MakeOneCall(first, GuestOpKind::kSyscall);
  return absl::OkStatus();
}

absl::Status OpWriter::Succeed(const SystemCall& call, uint64_t value) {
  switch (call.number) {
    case kMmap:
    case kMprotect:
    case kPkeyMprotect:
    case kMunmap:
    case kBrk:
    case kMremap:
    case kMadvise:
    case kShmat:
    case kShmdt:
      return MemoryCall(call, value);
    case kClone:
    case kForkCall:
    case kVforkCall:
      FinishFork(call);
      break;
    case kWait4:
      FinishWait(static_cast<TaskId>(value));
      break;
    case kWaitid: {
      const bool one = call.args[0] == kWaitidByPid &&
                       (call.args[3] & (kWaitNoHang | kWaitKeep)) == 0;
      FinishWait(one ? static_cast<TaskId>(call.args[1]) : 0);
      break;
    }
    case kShmget:
      FinishGet(call, value);
      break;
    case kShmctl:
      if (call.readable && (call.args[1] & kIpcCommand) == kIpcRemove) {
        RemoveSegment(call.args[0]);
      }
      break;
    case kMlock:
    case kMlock2:
    case kMunlock:
    case kMlockall:
    case kMunlockall:
      LockCall(call);
      break;
    default:
      FileCall(call, value);
      break;
  }
  return absl::OkStatus();
}

void OpWriter::Fail(const SystemCall& call, uint64_t error) {
  switch (call.number) {
    case kMprotect:
    case kPkeyMprotect:
      FailProtect(call, error);
      break;
    case kMadvise:
      FailMadvise(call, error);
      break;
    case kMlock:
    case kMlock2:
    case kMunlock:
      FailLock(call, error);
      break;
    default:
      break;
  }
}

// CLONE_VFORK suspends the parent as vfork does (posix_spawn).
void OpWriter::FinishFork(const SystemCall& call) {
  if (call.thread != 0) {
    Push(GuestOpKind::kClone);
    ops_.back().child = call.thread;
  }
  if (call.child == 0) return;  // a thread
  const bool suspends =
      call.number == kVforkCall ||
      (call.number == kClone && (call.args[0] & kCloneVfork) != 0);
  Push(suspends ? GuestOpKind::kVfork : GuestOpKind::kFork);
  ops_.back().child = call.child;
  state_.children.insert(call.child);
}

// A return for no child, or for one that was waited for already, becomes no
// wait: with WUNTRACED the first return can have been for a stopped child.
void OpWriter::FinishWait(TaskId child) {
  if (state_.children.erase(child) == 0) {
    Push(GuestOpKind::kYield);
    return;
  }
  state_.unnamed_waits =
      std::min<uint64_t>(state_.unnamed_waits, state_.children.size());
  Push(GuestOpKind::kWait);
  ops_.back().child = child;
}

void OpWriter::Abandon(const SystemCall& call) {
  const bool waits = call.number == kWait4 && (call.args[2] & kWaitNoHang) == 0;
  const auto named = static_cast<TaskId>(call.args[0]);
  if (waits && state_.children.count(named) != 0) {
    FinishWait(named);
  } else if (waits && state_.unnamed_waits < state_.children.size()) {
    ++state_.unnamed_waits;
    Push(GuestOpKind::kWait);
  } else {
    Push(Blocks(call) ? GuestOpKind::kYield : GuestOpKind::kSyscall);
  }
}

// A descriptor that names no file is a pipe, a socket or a terminal, and
// reading from it may wait for data.
bool OpWriter::Blocks(const SystemCall& call) const {
  switch (call.number) {
    case kRead:
    case kReadv:
      return state_.descriptors.count(call.args[0]) == 0;
    case kPoll:
    case kSelect:
    case kSchedYield:
    case kPause:
    case kNanosleep:
    case kAccept:
    case kRecvfrom:
    case kRecvmsg:
    case kSemop:
    case kMsgrcv:
    case kFlock:
    case kRtSigtimedwait:
    case kRtSigsuspend:
    case kFutex:
    case kSemtimedop:
    case kClockNanosleep:
    case kEpollWait:
    case kMqTimedreceive:
    case kPselect6:
    case kPpoll:
    case kEpollPwait:
    case kAccept4:
    case kRecvmmsg:
    case kEpollPwait2:
      return true;
    default:
      return false;
  }
}

}  // namespace xmmu
