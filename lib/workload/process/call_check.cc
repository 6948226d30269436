// Checks that Linux can have given a call's result, by the record alone.

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "workload/process/call_number.h"
#include "workload/process/call_rules.h"
#include "workload/process/system_call.h"
#include "xmmu/base/address.h"

namespace xmmu {
namespace {

// Linux, include/linux/err.h, MAX_ERRNO.
constexpr uint64_t kMostErrno = 4095;
// Descriptors are of type int and not negative.
constexpr uint64_t kDescriptorEnd = uint64_t{1} << 31;

// Linux, include/uapi: mman-common.h, mman.h, sched.h.
constexpr uint64_t kMmapTypes = 0xf;
constexpr uint64_t kMapShared = 1;
constexpr uint64_t kMapSharedValidate = 3;
// The bits PROT_READ, WRITE, EXEC, SEM, GROWSDOWN and GROWSUP.
constexpr uint64_t kProtBits = 0x0300000f;
constexpr uint64_t kCloneVm = 0x100;

std::string HexOf(uint64_t value) {
  return absl::StrCat("0x", absl::Hex(value));
}

absl::Status NotPossible(absl::string_view call, absl::string_view what,
                         absl::string_view expected) {
  return absl::InvalidArgumentError(absl::StrCat(
      call, " ", what, " cannot have succeeded, expected ", expected));
}

absl::Status CheckRightBits(absl::string_view call, uint64_t rights) {
  if ((rights & ~kProtBits) == 0) return absl::OkStatus();
  return NotPossible(call, absl::StrCat("with rights ", HexOf(rights)),
                     "PROT_ bits that Linux has");
}

// Source: do_mmap (Linux, mm/mmap.c). A fixed mapping is where it was asked
// for.
absl::Status CheckMmapFields(const SystemCall& call, uint64_t value) {
  const auto [hint, length, rights, flags, descriptor, offset] = call.args;
  const uint64_t type = flags & kMmapTypes;
  if ((type < kMapShared || type > kMapSharedValidate) &&
      type != kMapDroppable) {
    return NotPossible(
        "mmap", absl::StrCat("with flags ", HexOf(flags)),
        "MAP_SHARED, MAP_PRIVATE or MAP_SHARED_VALIDATE in them");
  }
  if ((offset & kPageOffsetMask) != 0) {
    return NotPossible("mmap", absl::StrCat("from offset ", offset),
                       "a multiple of 4096");
  }
  if ((flags & (kMapFixed | kMapFixedNoReplace)) != 0 && value != hint) {
    return NotPossible(
        "mmap",
        absl::StrCat("at a fixed ", HexOf(hint), " with result ", HexOf(value)),
        "the one to be the other");
  }
  return CheckRightBits("mmap", rights);
}

absl::Status WantZero(absl::string_view call, uint64_t value) {
  if (value == 0) return absl::OkStatus();
  return NotPossible(call, absl::StrCat("with result ", HexOf(value)), "0");
}

absl::Status WantDescriptor(absl::string_view call, uint64_t value) {
  if (value < kDescriptorEnd) return absl::OkStatus();
  return NotPossible(call, absl::StrCat("with result ", HexOf(value)),
                     "a file descriptor");
}

// Valgrind names the child of a fork; a thread shares its parent's memory and
// is none.
absl::Status CheckForkFields(const SystemCall& call, uint64_t value) {
  const uint64_t flags = call.args[0];
  const bool thread = call.number == kClone && (flags & kCloneVm) != 0 &&
                      (flags & kCloneVfork) == 0;
  if (thread) {
    if (call.child == 0) return absl::OkStatus();
    return NotPossible("clone",
                       absl::StrCat("of a thread with child ", call.child),
                       "no process to be created");
  }
  if (call.child == 0) {
    return NotPossible("a fork", "that names no child",
                       "'process PID created child PID'");
  }
  if (value == call.child) return absl::OkStatus();
  return NotPossible("a fork",
                     absl::StrCat("that created child ", call.child,
                                  " with result ", HexOf(value)),
                     "the one to be the other");
}

// A wait for one child returns that child, or 0 with WNOHANG.
absl::Status CheckWaitFields(const SystemCall& call, uint64_t value) {
  // The argument is of type int, which Valgrind prints with 32 bits or with 64.
  const auto named = static_cast<int32_t>(static_cast<uint32_t>(call.args[0]));
  const bool right =
      value < kProcessIdEnd && (value == 0 || named <= 0 ||
                                value == static_cast<uint64_t>(int64_t{named}));
  if (right) return absl::OkStatus();
  return NotPossible("wait4",
                     absl::StrCat("for ", named, " with result ", HexOf(value)),
                     "0 or the process id of what was waited for");
}

}  // namespace

absl::Status CheckCall(const SystemCall& call, const SystemCallResult& result) {
  const uint64_t value = result.value;
  if (!result.success) {
    if (value >= 1 && value <= kMostErrno) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat("a system call failed with error ", value,
                     ", expected one from 1 to ", kMostErrno));
  }
  // Only calls that the replay depends on are checked further.
  switch (call.number) {
    case kMmap:
      return CheckMmapFields(call, value);
    case kMprotect:
    case kPkeyMprotect: {
      absl::Status right = CheckRightBits("mprotect", call.args[2]);
      right.Update(WantZero("mprotect", value));
      return right;
    }
    case kMunmap:
      return WantZero("munmap", value);
    case kMadvise:
      return WantZero("madvise", value);
    case kShmdt:
      return WantZero("shmdt", value);
    case kClose:
      return WantZero("close", value);
    case kExitGroup:
    case kExitThread:
      return WantZero("exit", value);
    case kClone:
    case kForkCall:
    case kVforkCall:
      return CheckForkFields(call, value);
    case kWait4:
      return CheckWaitFields(call, value);
    case kOpen:
    case kOpenat:
    case kOpenat2:
    case kCreat:
    case kDup:
    case kMemfdCreate:
      return WantDescriptor("open or dup", value);
    case kDup2:
    case kDup3:
      if (value == (call.args[1] & 0xffffffff)) {
        return WantDescriptor("dup2", value);
      }
      return NotPossible(
          "dup2", absl::StrCat("onto ", call.args[1], " with result ", value),
          "the one to be the other");
    case kFcntl:
      if (call.args[1] != kFcntlDup && call.args[1] != kFcntlDupCloseOnExec) {
        return absl::OkStatus();
      }
      return WantDescriptor("fcntl", value);
    default:
      return absl::OkStatus();
  }
}

}  // namespace xmmu
