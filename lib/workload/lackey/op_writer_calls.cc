// Turns system calls that have returned into operations, but for those on
// mappings.

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "workload/lackey/call_number.h"
#include "workload/lackey/op_writer.h"

namespace xmmu {
namespace {

// Source: Linux, include/uapi: fcntl.h, memfd.h, wait.h.
constexpr uint64_t kOpenCloseOnExec = 02000000;
constexpr uint64_t kCreatFlags = 01101;  // O_CREAT | O_WRONLY | O_TRUNC
constexpr uint64_t kMemfdCloseOnExec = 1;
constexpr uint64_t kCloseRangeOnExec = 4;  // close_range.h
constexpr uint64_t kWaitidByPid = 1;
constexpr uint64_t kWaitNoHang = 1;
constexpr uint64_t kWaitKeep = 0x1000000;

}  // namespace

absl::Status OpWriter::Finish(const SystemCall& call,
                              const SystemCallResult& result) {
  if (call.number == kExitGroup) return absl::OkStatus();
  if (!result.success) {
    // A failed call changes nothing, but it may have slept.
    Push(Blocks(call) ? GuestOpKind::kYield : GuestOpKind::kSyscall);
    return absl::OkStatus();
  }
  TrackDescriptor(call, result.value);
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
      return MemoryCall(call, result.value);
    case kClone:
    case kForkCall:
    case kVforkCall:
      FinishFork(call);
      return absl::OkStatus();
    case kWait4:
      FinishWait(static_cast<TaskId>(result.value));
      return absl::OkStatus();
    case kWaitid: {
      const bool one = call.args[0] == kWaitidByPid &&
                       (call.args[3] & (kWaitNoHang | kWaitKeep)) == 0;
      FinishWait(one ? static_cast<TaskId>(call.args[1]) : 0);
      return absl::OkStatus();
    }
    case kShmget: {
      // For an existing segment shmget may ask for less than its size, so the
      // largest size asked for is kept.
      uint64_t& size = state_.shared_memory[result.value];
      size = std::max(size, call.args[1]);
      break;
    }
    default:
      break;
  }
  Push(Blocks(call) ? GuestOpKind::kYield : GuestOpKind::kSyscall);
  return absl::OkStatus();
}

// CLONE_VFORK suspends the parent as vfork does (posix_spawn).
void OpWriter::FinishFork(const SystemCall& call) {
  if (call.child == 0) {  // a thread
    Push(GuestOpKind::kSyscall);
    return;
  }
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

// Keeps the table of descriptors that name files, whose mappings and reads
// depend on which file it is.
void OpWriter::TrackDescriptor(const SystemCall& call, uint64_t value) {
  auto& table = state_.descriptors;
  const auto copy = [&](bool close_on_exec) {
    // A copy of a descriptor that names no file names none, either.
    const auto from = table.find(call.args[0]);
    if (from == table.end()) {
      table.erase(value);
    } else {
      ProcessState::Descriptor same = from->second;
      same.close_on_exec = close_on_exec;
      table[value] = same;
    }
  };
  switch (call.number) {
    case kOpen:
    case kOpenat:
    case kCreat: {
      const uint64_t flags = call.number == kOpenat ? call.args[2]
                             : call.number == kOpen ? call.args[1]
                                                    : kCreatFlags;
      table[value] = {FileIdentity(call.path), (flags & kOpenCloseOnExec) != 0};
      break;
    }
    case kOpenat2:  // its flags are not in the log
      table[value] = {FileIdentity(call.path), false};
      break;
    case kMemfdCreate:
      table[value] = {FileIdentity(absl::StrCat("memfd ", task_, " ", value)),
                      (call.args[1] & kMemfdCloseOnExec) != 0};
      break;
    case kClose:
      table.erase(call.args[0]);
      break;
    case kCloseRange:
      if ((call.args[2] & kCloseRangeOnExec) == 0) {
        table.erase(table.lower_bound(call.args[0]),
                    table.upper_bound(call.args[1]));
      }
      break;
    case kDup:
    case kDup2:
      copy(false);
      break;
    case kDup3:
      copy((call.args[2] & kOpenCloseOnExec) != 0);
      break;
    case kFcntl:
      if (call.args[1] == kFcntlDup || call.args[1] == kFcntlDupCloseOnExec) {
        copy(call.args[1] == kFcntlDupCloseOnExec);
      }
      break;
    default:
      break;
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
    case kEpollPwait2:
      return true;
    default:
      return false;
  }
}

}  // namespace xmmu
