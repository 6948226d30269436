// The part of OpWriter that knows system calls.

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "guest/trace/op_writer.h"

namespace xmmu {
namespace {

// Linux, arch/x86/entry/syscalls/syscall_64.tbl.
enum CallNumber : uint64_t {
  kRead = 0,
  kOpen = 2,
  kClose = 3,
  kPoll = 7,
  kMmap = 9,
  kMprotect = 10,
  kMunmap = 11,
  kBrk = 12,
  kReadv = 19,
  kSelect = 23,
  kSchedYield = 24,
  kMremap = 25,
  kMadvise = 28,
  kShmget = 29,
  kShmat = 30,
  kDup = 32,
  kDup2 = 33,
  kPause = 34,
  kNanosleep = 35,
  kAccept = 43,
  kRecvfrom = 45,
  kRecvmsg = 47,
  kClone = 56,
  kForkCall = 57,
  kVforkCall = 58,
  kWait4 = 61,
  kSemop = 65,
  kShmdt = 67,
  kMsgrcv = 70,
  kFcntl = 72,
  kFlock = 73,
  kCreat = 85,
  kRtSigtimedwait = 128,
  kRtSigsuspend = 130,
  kFutex = 202,
  kSemtimedop = 220,
  kClockNanosleep = 230,
  kExitGroup = 231,
  kEpollWait = 232,
  kMqTimedreceive = 243,
  kWaitid = 247,
  kOpenat = 257,
  kPselect6 = 270,
  kPpoll = 271,
  kEpollPwait = 281,
  kAccept4 = 288,
  kDup3 = 292,
  kMemfdCreate = 319,
  kPkeyMprotect = 329,
  kOpenat2 = 437,
  kEpollPwait2 = 441,
};

// Flags of Linux's include/uapi: mman-common.h, sched.h, fcntl.h, wait.h,
// shm.h.
constexpr uint64_t kMapTypeMask = 0xf;
constexpr uint64_t kMapPrivate = 2;
constexpr uint64_t kMapAnonymous = 0x20;
constexpr uint64_t kMapGrowsDown = 0x100;
constexpr uint64_t kProtMask = 7;
constexpr uint64_t kMadvDontNeed = 4;
constexpr uint64_t kMadvFree = 8;
constexpr uint64_t kMremapDontUnmap = 4;
constexpr uint64_t kCloneVfork = 0x4000;
constexpr uint64_t kOpenCloseOnExec = 02000000;
constexpr uint64_t kFcntlDup = 0;
constexpr uint64_t kFcntlDupCloseOnExec = 1030;
constexpr uint64_t kMemfdCloseOnExec = 1;
constexpr uint64_t kWaitidByPid = 1;
constexpr uint64_t kWaitNoHang = 1;
constexpr uint64_t kWaitKeep = 0x1000000;
constexpr uint64_t kShmReadOnly = 010000;

uint64_t PageUp(uint64_t va) {
  return (va + kPageOffsetMask) & ~kPageOffsetMask;
}

// The pages of [start, start + length).
absl::Status CheckRange(absl::string_view call, uint64_t start,
                        uint64_t length) {
  if ((start & kPageOffsetMask) == 0 && start < kUserEnd && length > 0 &&
      length <= kUserEnd - start) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat(call, " of ", length, " bytes at 0x", absl::Hex(start),
                   " cannot have succeeded, expected whole pages below 2^47"));
}

Backing MmapBacking(uint64_t flags) {
  const bool is_private = (flags & kMapTypeMask) == kMapPrivate;
  if ((flags & kMapGrowsDown) != 0) return Backing::kStack;
  if ((flags & kMapAnonymous) != 0) {
    return is_private ? Backing::kAnonymous : Backing::kSharedAnonymous;
  }
  return is_private ? Backing::kFilePrivate : Backing::kFileShared;
}

}  // namespace

absl::Status OpWriter::Finish(const SystemCall& call,
                              const SystemCallResult& result) {
  if (call.number == kExitGroup) return absl::OkStatus();
  if (!result.success) {
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
    case kShmget:
      state_.shared_memory[result.value] = call.args[1];
      break;
    default:
      break;
  }
  Push(Blocks(call) ? GuestOpKind::kYield : GuestOpKind::kSyscall);
  return absl::OkStatus();
}

absl::Status OpWriter::MemoryCall(const SystemCall& call, uint64_t value) {
  switch (call.number) {
    case kMmap:
      return FinishMmap(call, value);
    case kMprotect:
    case kPkeyMprotect:
      return FinishProtect(call);
    case kBrk:
      return FinishBrk(value);
    case kMremap:
      return FinishRemap(call, value);
    case kShmat:
      return FinishAttach(call, value);
    case kShmdt:
      return FinishDetach(call.args[0]);
    case kMunmap: {
      const absl::Status range =
          CheckRange("munmap", call.args[0], call.args[1]);
      if (!range.ok()) return range;
      return Unmap(call.args[0], PageUp(call.args[0] + call.args[1]));
    }
    default:
      break;
  }
  const bool discards =
      call.args[2] == kMadvDontNeed || call.args[2] == kMadvFree;
  if (!discards || call.args[1] == 0) {
    Push(GuestOpKind::kSyscall);
    return absl::OkStatus();
  }
  const absl::Status range = CheckRange("madvise", call.args[0], call.args[1]);
  if (!range.ok()) return range;
  PushPieces(GuestOpKind::kDiscard, call.args[0],
             PageUp(call.args[0] + call.args[1]), 0);
  return absl::OkStatus();
}

absl::Status OpWriter::FinishMmap(const SystemCall& call, uint64_t value) {
  const auto [hint, length, rights, flags, descriptor, offset] = call.args;
  const absl::Status range = CheckRange("mmap", value, length);
  if (!range.ok()) return range;
  Region region;
  region.rights = static_cast<uint8_t>(rights & kProtMask);
  region.backing = MmapBacking(flags);
  if ((flags & kMapAnonymous) == 0) {
    const auto known = state_.descriptors.find(descriptor);
    region.file =
        known != state_.descriptors.end()
            ? known->second.file
            : FileIdentity(absl::StrCat("descriptor ", task_, " ", descriptor));
    region.offset = offset;
  }
  return Map(value, PageUp(value + length), region);
}

absl::Status OpWriter::FinishProtect(const SystemCall& call) {
  const auto [start, length, rights, a, b, c] = call.args;
  if (length == 0) {
    Push(GuestOpKind::kSyscall);
    return absl::OkStatus();
  }
  const absl::Status range = CheckRange("mprotect", start, length);
  if (!range.ok()) return range;
  const uint64_t end = PageUp(start + length);
  const absl::Status inferred = InferAll(start, end);
  if (!inferred.ok()) return inferred;
  uint8_t granted = static_cast<uint8_t>(rights & kProtMask);
  if (granted != 0) granted |= kMapRead;
  PushPieces(GuestOpKind::kProtect, start, end, granted);
  state_.map.Protect(start, end, granted);
  ++generation_;
  return absl::OkStatus();
}

absl::Status OpWriter::FinishRemap(const SystemCall& call, uint64_t value) {
  const auto [start, length, new_length, flags, a, b] = call.args;
  absl::Status range = CheckRange("mremap", value, new_length);
  // No old length: a second mapping of shared pages.
  range.Update(CheckRange("mremap", start, std::max(length, kPageSize)));
  if (!range.ok()) return range;
  const uint64_t end = PageUp(start + length);
  const uint64_t new_end = PageUp(value + new_length);
  const absl::Status inferred =
      InferAll(start, std::max(end, start + kPageSize));
  if (!inferred.ok()) return inferred;
  const auto found = state_.map.Find(start);
  Region region = found->second;
  const uint64_t from = start + region.shift;
  if (region.backing == Backing::kFilePrivate ||
      region.backing == Backing::kFileShared) {
    region.offset += start - found->first;
  }
  if (length == 0) return Map(value, new_end, region);
  if (value != start) state_.map.Unmap(start, end);
  absl::Status mapped = Map(value, new_end, region);
  if (!mapped.ok()) return mapped;
  if (value == start && end > new_end) state_.map.Unmap(new_end, end);
  // The map operation has the target; it becomes the move.
  GuestOp& op = ops_.back();
  GuestOp move;
  move.kind = GuestOpKind::kRemap;
  move.va = VirtAddr(from);
  move.length = end - start;
  move.target = op.va;
  move.new_length = op.length;
  op = move;
  if ((flags & kMremapDontUnmap) != 0 && value != start) {
    region.offset = 0;
    region.file = 0;
    region.backing = Backing::kAnonymous;
    return Map(start, end, region);
  }
  return absl::OkStatus();
}

absl::Status OpWriter::FinishBrk(uint64_t value) {
  const uint64_t old_end = PageUp(state_.brk);
  const uint64_t new_end = PageUp(value);
  const bool known = state_.brk != 0;
  state_.brk = value;
  if (!known || new_end == old_end) {
    Push(GuestOpKind::kSyscall);
    return absl::OkStatus();
  }
  if (new_end < old_end) return Unmap(new_end, old_end);
  const absl::Status range = CheckRange("brk", old_end, new_end - old_end);
  if (!range.ok()) return range;
  Region region;
  region.rights = kMapRead | kMapWrite;
  return Map(old_end, new_end, region);
}

absl::Status OpWriter::FinishAttach(const SystemCall& call, uint64_t value) {
  const auto known = state_.shared_memory.find(call.args[0]);
  // Attached by an inherited number: found by its accesses.
  if (known == state_.shared_memory.end()) {
    Push(GuestOpKind::kSyscall);
    return absl::OkStatus();
  }
  const absl::Status range = CheckRange("shmat", value, known->second);
  if (!range.ok()) return range;
  Region region;
  region.backing = Backing::kFileShared;
  region.rights = kMapRead;
  if ((call.args[2] & kShmReadOnly) == 0) region.rights |= kMapWrite;
  region.file = FileIdentity(absl::StrCat("shared memory ", call.args[0]));
  return Map(value, PageUp(value + known->second), region);
}

absl::Status OpWriter::FinishDetach(uint64_t address) {
  const auto found = state_.map.Find(address);
  if (found == state_.map.end() || found->first != address) {
    Push(GuestOpKind::kSyscall);
    return absl::OkStatus();
  }
  return Unmap(address, found->second.end);
}

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

// A child that was waited for already, and none, are no reason to wait: with
// WUNTRACED the first return can have been for a stopped child.
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

void OpWriter::TrackDescriptor(const SystemCall& call, uint64_t value) {
  auto& table = state_.descriptors;
  const auto copy = [&](bool close_on_exec) {
    const auto from = table.find(call.args[0]);
    if (from == table.end()) {
      table.erase(value);
    } else {
      const uint32_t file = from->second.file;
      table[value] = {file, close_on_exec};
    }
  };
  switch (call.number) {
    case kOpen:
    case kOpenat:
    case kCreat: {
      const uint64_t flags = call.number == kOpenat ? call.args[2]
                             : call.number == kOpen ? call.args[1]
                                                    : 0;
      table[value] = {FileIdentity(call.path), (flags & kOpenCloseOnExec) != 0};
      break;
    }
    case kOpenat2:  // its flags are in memory
      table[value] = {FileIdentity(call.path), false};
      break;
    case kMemfdCreate:
      table[value] = {FileIdentity(absl::StrCat("memfd ", task_, " ", value)),
                      (call.args[1] & kMemfdCloseOnExec) != 0};
      break;
    case kClose:
      table.erase(call.args[0]);
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
