#ifndef XMMU_WORKLOAD_SYSTEM_CALLS_H_
#define XMMU_WORKLOAD_SYSTEM_CALLS_H_

// What the reader of recorded programs (lackey_trace.h) makes of each system
// call, and which of what the kernel does to a program's memory it leaves out.
// Pure functions over one table, the reader's own; thread-safe.

#include <string>
#include <vector>

namespace xmmu {

// One system call of x86-64 Linux.
struct ReplayedCall {
  int number = 0;       // arch/x86/entry/syscalls/syscall_64.tbl
  std::string name;     // Linux's, e.g. "newfstatat"
  std::string becomes;  // which operations; "kSyscall" for one without effect
  // The arguments that are memory, counted from 0, each with its length, e.g.
  // "1: as many as returned" or "2: 144 bytes"; or empty.
  std::string reads;   // by kCopyIn, before the call
  std::string writes;  // by kCopyOut, after it
};

// The calls that the reader knows, by number. Any other call is a kSyscall, and
// what the kernel reads and writes for it is left out.
std::vector<ReplayedCall> ReplayedCalls();

// Something that the kernel does to a program's memory, and that a replay does
// not, since it is not in a log or is not modelled.
struct UnreplayedAccess {
  std::string name;    // of the call, e.g. "io_uring_enter", or of the event
  std::string reason;  // what is left out, and why
};
std::vector<UnreplayedAccess> UnreplayedAccesses();

}  // namespace xmmu

#endif  // XMMU_WORKLOAD_SYSTEM_CALLS_H_
