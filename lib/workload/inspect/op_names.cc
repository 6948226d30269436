#include "workload/inspect/op_names.h"

#include <algorithm>
#include <iterator>

namespace xmmu {
namespace {

constexpr OpKindRow kOpKindRows[] = {
    {GuestOpKind::kFetch, "fetch", "instruction fetches"},
    {GuestOpKind::kLoad, "load", "loads"},
    {GuestOpKind::kStore, "store", "stores"},
    {GuestOpKind::kModify, "modify",
     "loads and stores of the same bytes by "
     "one instruction"},
    {GuestOpKind::kMap, "map", "mappings made: mmap, brk upwards, shmat"},
    {GuestOpKind::kUnmap, "unmap",
     "ranges unmapped: munmap, brk downwards, "
     "shmdt"},
    {GuestOpKind::kProtect, "protect",
     "ranges that got other rights: mprotect"},
    {GuestOpKind::kRemap, "remap", "ranges moved or resized: mremap"},
    {GuestOpKind::kDiscard, "discard",
     "ranges that lost their pages: "
     "MADV_DONTNEED, MADV_REMOVE"},
    {GuestOpKind::kAdvise, "advise", "other advice on ranges: madvise, mlock"},
    {GuestOpKind::kCopyIn, "copy-in",
     "buffers that the kernel read for a "
     "system call"},
    {GuestOpKind::kCopyOut, "copy-out",
     "buffers that the kernel wrote for a "
     "system call"},
    {GuestOpKind::kOpenFile, "open", "files opened"},
    {GuestOpKind::kCloseFile, "close", "files closed by their last descriptor"},
    {GuestOpKind::kRemoveFile, "remove", "files that lost their name"},
    {GuestOpKind::kFork, "fork", "processes forked"},
    {GuestOpKind::kVfork, "vfork", "processes forked while the parent waits"},
    {GuestOpKind::kExec, "exec", "programs begun by exec"},
    {GuestOpKind::kClone, "clone", "threads begun"},
    {GuestOpKind::kWait, "wait", "waits for a child or thread"},
    {GuestOpKind::kYield, "yield", "system calls that block"},
    {GuestOpKind::kSyscall, "syscall", "other system calls"},
    {GuestOpKind::kExit, "exit", "tasks that ended"},
    {GuestOpKind::kPost, "post",
     "points that tasks passed; not counted among "
     "the operations"},
    {GuestOpKind::kAwait, "await",
     "points of other tasks that were awaited; "
     "not counted among the operations"},
};

constexpr BackingRow kBackingRows[] = {
    {Backing::kAnonymous, "anonymous", "private anonymous memory"},
    {Backing::kStack, "stack", "stacks that grow down"},
    {Backing::kFilePrivate, "file-private", "files, copied on write"},
    {Backing::kFileShared, "file-shared", "files, written in place"},
    {Backing::kSharedAnonymous, "shared-anonymous",
     "shared anonymous memory and its objects"},
};

}  // namespace

std::span<const OpKindRow> OpKindRows() { return kOpKindRows; }

std::string_view OpKindName(GuestOpKind kind) {
  return kOpKindRows[static_cast<size_t>(kind)].name;
}

std::optional<GuestOpKind> ParseOpKind(std::string_view name) {
  const auto row =
      std::find_if(std::begin(kOpKindRows), std::end(kOpKindRows),
                   [&](const OpKindRow& kind) { return kind.name == name; });
  if (row == std::end(kOpKindRows)) return std::nullopt;
  return row->kind;
}

std::span<const BackingRow> BackingRows() { return kBackingRows; }

std::string_view BackingName(Backing backing) {
  return kBackingRows[static_cast<size_t>(backing)].name;
}

std::string RightsText(uint8_t rights) {
  std::string text = "---";
  if ((rights & kMapRead) != 0) text[0] = 'r';
  if ((rights & kMapWrite) != 0) text[1] = 'w';
  if ((rights & kMapExecute) != 0) text[2] = 'x';
  return text;
}

std::string_view AdviceName(Advice advice) {
  switch (advice) {
    case Advice::kHugePage:
      return "MADV_HUGEPAGE";
    case Advice::kNoHugePage:
      return "MADV_NOHUGEPAGE";
    case Advice::kPopulateRead:
      return "MADV_POPULATE_READ";
    case Advice::kPopulateWrite:
      return "MADV_POPULATE_WRITE";
    case Advice::kDontFork:
      return "MADV_DONTFORK";
    case Advice::kDoFork:
      return "MADV_DOFORK";
    case Advice::kWipeOnFork:
      return "MADV_WIPEONFORK";
    case Advice::kKeepOnFork:
      return "MADV_KEEPONFORK";
    case Advice::kFree:
      return "MADV_FREE";
    case Advice::kLock:
      return "mlock";
    case Advice::kLockOnFault:
      return "mlock2 with MLOCK_ONFAULT";
    case Advice::kUnlock:
      return "munlock";
  }
  return "";
}

}  // namespace xmmu
