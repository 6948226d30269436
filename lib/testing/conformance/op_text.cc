#include "testing/conformance/op_text.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace xmmu::conformance {
namespace {

std::string_view BackingText(Backing backing) {
  switch (backing) {
    case Backing::kAnonymous:
      return "anonymous";
    case Backing::kStack:
      return "stack";
    case Backing::kFilePrivate:
      return "private file";
    case Backing::kFileShared:
      return "shared file";
    case Backing::kSharedAnonymous:
      return "shared anonymous";
  }
  return "other";
}

}  // namespace

std::string_view NameOf(GuestOpKind kind) {
  switch (kind) {
    case GuestOpKind::kFetch:
      return "fetch";
    case GuestOpKind::kLoad:
      return "load";
    case GuestOpKind::kStore:
      return "store";
    case GuestOpKind::kModify:
      return "read-modify-write";
    case GuestOpKind::kMap:
      return "mmap";
    case GuestOpKind::kUnmap:
      return "munmap";
    case GuestOpKind::kProtect:
      return "mprotect";
    case GuestOpKind::kRemap:
      return "mremap";
    case GuestOpKind::kDiscard:
      return "madvise";
    case GuestOpKind::kAdvise:
      return "advice";
    case GuestOpKind::kCopyIn:
      return "copy from the program";
    case GuestOpKind::kCopyOut:
      return "copy to the program";
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
    case GuestOpKind::kClone:
      return "clone";
    case GuestOpKind::kExec:
      return "exec";
    case GuestOpKind::kWait:
      return "wait";
    case GuestOpKind::kYield:
      return "yield";
    case GuestOpKind::kSyscall:
      return "system call";
    case GuestOpKind::kExit:
      return "exit";
    case GuestOpKind::kPost:
      return "point";
    case GuestOpKind::kAwait:
      return "await";
  }
  return "operation";
}

std::string RightsText(uint8_t rights) {
  std::string text = "---";
  if ((rights & kMapRead) != 0) text[0] = 'r';
  if ((rights & kMapWrite) != 0) text[1] = 'w';
  if ((rights & kMapExecute) != 0) text[2] = 'x';
  return text;
}

std::string OpText(const GuestOp& op) {
  std::string text(NameOf(op.kind));
  if (op.kind == GuestOpKind::kAwait) {
    return absl::StrCat(text, " point ", op.length, " of task ", op.child);
  }
  if (op.child != 0) absl::StrAppendFormat(&text, " of process %d", op.child);
  if (op.length == 0) return text;
  const bool short_one = op.length < kPageSize;
  absl::StrAppend(
      &text, " of ",
      short_one ? absl::StrCat(op.length) : absl::StrFormat("0x%x", op.length),
      absl::StrFormat(" bytes at 0x%x", op.va.value()));
  switch (op.kind) {
    case GuestOpKind::kMap:
      absl::StrAppendFormat(&text, ", %s, %s memory", RightsText(op.rights),
                            BackingText(op.backing));
      break;
    case GuestOpKind::kAdvise:
      absl::StrAppendFormat(&text, " (advice %d)", static_cast<int>(op.advice));
      break;
    case GuestOpKind::kProtect:
      absl::StrAppendFormat(&text, " to %s", RightsText(op.rights));
      break;
    case GuestOpKind::kRemap:
      absl::StrAppendFormat(&text, " to 0x%x bytes at 0x%x", op.new_length,
                            op.target.value());
      break;
    default:
      break;
  }
  return text;
}

}  // namespace xmmu::conformance
