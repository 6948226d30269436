#include "guest/kernel_span.h"

namespace xmmu {

const char* SyscallName(GuestOpKind kind) {
  switch (kind) {
    case GuestOpKind::kMap:
      return "mmap";
    case GuestOpKind::kUnmap:
      return "munmap";
    case GuestOpKind::kProtect:
      return "mprotect";
    case GuestOpKind::kRemap:
      return "mremap";
    case GuestOpKind::kDiscard:
    case GuestOpKind::kAdvise:
      return "madvise";
    case GuestOpKind::kCopyIn:
      return "copy_from_user";
    case GuestOpKind::kCopyOut:
      return "copy_to_user";
    case GuestOpKind::kOpenFile:
      return "open";
    case GuestOpKind::kCloseFile:
      return "close";
    case GuestOpKind::kRemoveFile:
      return "unlink";
    case GuestOpKind::kFork:
      return "fork";
    case GuestOpKind::kVfork:
      return "vfork";
    case GuestOpKind::kExec:
      return "execve";
    case GuestOpKind::kClone:
      return "clone";
    case GuestOpKind::kWait:
      return "wait";
    case GuestOpKind::kYield:
      return "sched_yield";
    case GuestOpKind::kExit:
      return "exit";
    default:
      return "system call";
  }
}

}  // namespace xmmu
