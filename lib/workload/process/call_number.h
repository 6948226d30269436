#ifndef XMMU_LIB_WORKLOAD_PROCESS_CALL_NUMBER_H_
#define XMMU_LIB_WORKLOAD_PROCESS_CALL_NUMBER_H_

// The x86-64 Linux system calls that the reader interprets.

#include <cstdint>

namespace xmmu {

// Source: Linux, arch/x86/entry/syscalls/syscall_64.tbl.
enum CallNumber : uint64_t {
  kRead = 0,
  kWrite = 1,
  kOpen = 2,
  kClose = 3,
  kPoll = 7,
  kMmap = 9,
  kMprotect = 10,
  kMunmap = 11,
  kBrk = 12,
  kIoctl = 16,
  kPwrite64 = 18,
  kReadv = 19,
  kSelect = 23,
  kSchedYield = 24,
  kMremap = 25,
  kMadvise = 28,
  kShmget = 29,
  kShmat = 30,
  kShmctl = 31,
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
  kExecve = 59,
  kExitThread = 60,
  kWait4 = 61,
  kKill = 62,
  kSemop = 65,
  kShmdt = 67,
  kMsgrcv = 70,
  kFcntl = 72,
  kFlock = 73,
  kChdir = 80,
  kFchdir = 81,
  kRename = 82,
  kCreat = 85,
  kUnlink = 87,
  kRtSigtimedwait = 128,
  kRtSigsuspend = 130,
  kMlock = 149,
  kMunlock = 150,
  kMlockall = 151,
  kMunlockall = 152,
  kTkill = 200,
  kFutex = 202,
  kSemtimedop = 220,
  kClockNanosleep = 230,
  kExitGroup = 231,
  kEpollWait = 232,
  kMqTimedreceive = 243,
  kTgkill = 234,
  kWaitid = 247,
  kOpenat = 257,
  kUnlinkat = 263,
  kRenameat = 264,
  kPselect6 = 270,
  kPpoll = 271,
  kEpollPwait = 281,
  kAccept4 = 288,
  kDup3 = 292,
  kRecvmmsg = 299,
  kRenameat2 = 316,
  kMemfdCreate = 319,
  kExecveat = 322,
  kMlock2 = 325,
  kPkeyMprotect = 329,
  kCloseRange = 436,
  kOpenat2 = 437,
  kEpollPwait2 = 441,
};

// Flags and commands of these calls (Linux, include/uapi: sched.h, fcntl.h).
inline constexpr uint64_t kCloneVfork = 0x4000;
inline constexpr uint64_t kFcntlDup = 0;
inline constexpr uint64_t kFcntlDupCloseOnExec = 1030;

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_PROCESS_CALL_NUMBER_H_
