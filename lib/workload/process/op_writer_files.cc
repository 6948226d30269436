// Turns system calls on files that have returned into operations: which file a
// descriptor or a path names, and when it goes.

#include <algorithm>
#include <optional>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "workload/process/call_number.h"
#include "workload/process/call_rules.h"
#include "workload/process/op_writer.h"

namespace xmmu {
namespace {

// Source: Linux, include/uapi: fcntl.h, memfd.h, close_range.h, ioctls.h.
constexpr uint64_t kOpenCreate = 0100;
constexpr uint64_t kOpenExclusive = 0200;
constexpr uint64_t kOpenCloseOnExec = 02000000;
constexpr uint64_t kOpenTemporary = 020000000;  // __O_TMPFILE
constexpr uint64_t kCreatFlags = 01101;         // O_CREAT | O_WRONLY | O_TRUNC
constexpr uint64_t kMemfdCloseOnExec = 1;
constexpr uint64_t kMemfdHugetlb = 4;
constexpr uint64_t kCloseRangeOnExec = 4;
constexpr uint64_t kFcntlSetFlags = 2;  // F_SETFD
constexpr uint64_t kFcntlCloseOnExec = 1;
constexpr uint64_t kIoctlNotCloseOnExec = 0x5450;
constexpr uint64_t kIoctlCloseOnExec = 0x5451;
constexpr uint64_t kRenameExchange = 2;
constexpr uint32_t kWorkingDirectory = 0xffffff9c;  // AT_FDCWD, as printed

// tmpfs for shm_open(3), and hugetlbfs where systemd mounts it.
constexpr absl::string_view kTmpfs = "/dev/shm/";
constexpr absl::string_view kHugetlbfs = "/dev/hugepages/";

// The path without "." and empty components, and without ".." where the
// component before it is known.
std::string Normal(absl::string_view path) {
  const bool absolute = absl::StartsWith(path, "/");
  std::vector<absl::string_view> parts;
  for (const absl::string_view part : absl::StrSplit(path, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == ".." && !parts.empty() && parts.back() != "..") {
      parts.pop_back();
    } else if (part != ".." || !absolute) {
      parts.push_back(part);
    }
  }
  std::string normal = absolute ? "/" : "";
  for (const absl::string_view part : parts) {
    absl::StrAppend(&normal, normal.empty() || normal == "/" ? "" : "/", part);
  }
  return normal;
}

// Returns the descriptor of process `pid` that a path is a link to, if it is.
// Source: fs/proc/fd.c, Documentation/admin-guide/devices.rst (Linux).
std::optional<uint64_t> LinkedDescriptor(absl::string_view path, TaskId pid) {
  if (path == "/dev/stdin") return 0;
  if (path == "/dev/stdout") return 1;
  if (path == "/dev/stderr") return 2;
  const bool links =
      absl::ConsumePrefix(&path, "/dev/fd/") ||
      absl::ConsumePrefix(&path, "/proc/self/fd/") ||
      absl::ConsumePrefix(&path, "/proc/thread-self/fd/") ||
      absl::ConsumePrefix(&path, absl::StrCat("/proc/", pid, "/fd/"));
  uint32_t descriptor = 0;
  if (!links || !absl::SimpleAtoi(path, &descriptor)) return std::nullopt;
  return descriptor;
}

}  // namespace

std::string OpWriter::Resolve(uint64_t directory,
                              absl::string_view path) const {
  if (absl::StartsWith(path, "/")) return Normal(path);
  std::string from = state_.directory;
  if (static_cast<uint32_t>(directory) != kWorkingDirectory) {
    const auto known = state_.descriptors.find(directory);
    from = known == state_.descriptors.end() ? "" : known->second.path;
  }
  return Normal(from.empty() ? std::string(path)
                             : absl::StrCat(from, "/", path));
}

uint32_t OpWriter::FileNamed(const std::string& path) const {
  const auto known = state_.names.find(path);
  return known == state_.names.end() ? FileIdentity(path) : known->second;
}

uint32_t OpWriter::NewIdentity(absl::string_view kind) {
  return FileIdentity(absl::StrCat(kind, " ", task_, " ", ++state_.objects));
}

bool OpWriter::Holds(uint32_t file) const {
  return std::any_of(
      state_.descriptors.begin(), state_.descriptors.end(),
      [&](const auto& entry) { return entry.second.file == file; });
}

void OpWriter::PushFile(GuestOpKind kind, uint32_t file) {
  GuestOp& op = ops_.emplace_back();
  op.kind = kind;
  op.file = file;
}

void OpWriter::Hold(uint64_t descriptor, ProcessState::Descriptor held) {
  // A number that comes again was closed, by a call or not.
  Release(descriptor);
  PushFile(GuestOpKind::kOpenFile, held.file);
  if (held.zero_filled) ops_.back().flags = kMapZeroFilled;
  held.opening = ++state_.openings;
  state_.descriptors[descriptor] = std::move(held);
}

void OpWriter::Release(uint64_t descriptor) {
  const auto known = state_.descriptors.find(descriptor);
  if (known == state_.descriptors.end()) return;
  const ProcessState::Descriptor closed = known->second;
  state_.descriptors.erase(known);
  const bool has_copies =
      std::any_of(state_.descriptors.begin(), state_.descriptors.end(),
                  [&](const auto& entry) {
                    return entry.second.opening == closed.opening;
                  });
  if (!has_copies) PushFile(GuestOpKind::kCloseFile, closed.file);
}

void OpWriter::Renew(const std::string& path) {
  if (Holds(FileIdentity(path))) {
    state_.names[path] = NewIdentity(path);
  } else {
    state_.names.erase(path);
  }
}

// As long as another path leads to the file it keeps a name.
void OpWriter::Forget(const std::string& path) {
  const uint32_t file = FileNamed(path);
  Renew(path);
  const bool has_more =
      std::any_of(state_.names.begin(), state_.names.end(),
                  [&](const auto& entry) { return entry.second == file; });
  if (!has_more) PushFile(GuestOpKind::kRemoveFile, file);
}

void OpWriter::FileCall(const SystemCall& call, uint64_t value) {
  switch (call.number) {
    case kOpen:
    case kOpenat:
    case kOpenat2:
    case kCreat:
      return FinishOpen(call, value);
    case kMemfdCreate:
      return FinishMemfd(call, value);
    case kClose:
      return Release(call.args[0]);
    case kCloseRange:
      return FinishCloseRange(call);
    case kDup:
    case kDup2:
    case kDup3:
      return FinishDup(call, value);
    case kFcntl:
    case kIoctl:
      return FinishFcntl(call, value);
    default:
      break;
  }
  // The arguments of the others need not be readable.
  if (!call.readable) return;
  switch (call.number) {
    case kUnlink:
      return Forget(Resolve(kWorkingDirectory, call.path));
    case kUnlinkat:
      return Forget(Resolve(call.args[0], call.path));
    case kRename:
    case kRenameat:
    case kRenameat2:
      return Rename(call);
    case kChdir:
      state_.directory = Resolve(kWorkingDirectory, call.path);
      return;
    case kFchdir: {
      const auto known = state_.descriptors.find(call.args[0]);
      state_.directory =
          known == state_.descriptors.end() ? "" : known->second.path;
      return;
    }
    default:
      return;
  }
}

void OpWriter::FinishOpen(const SystemCall& call, uint64_t value) {
  const bool at = call.number == kOpenat || call.number == kOpenat2;
  uint64_t flags = 0;  // those of openat2 are not in the log
  if (call.number == kOpen) flags = call.args[1];
  if (call.number == kOpenat) flags = call.args[2];
  if (call.number == kCreat) flags = kCreatFlags;
  ProcessState::Descriptor held;
  held.path = Resolve(at ? call.args[0] : kWorkingDirectory, call.path);
  held.close_on_exec = (flags & kOpenCloseOnExec) != 0;
  if (const auto linked = LinkedDescriptor(held.path, task_)) {
    if ((flags & kOpenTemporary) == 0) {
      return CopyDescriptor(*linked, value, held.close_on_exec);
    }
    const auto known = state_.descriptors.find(*linked);
    if (known != state_.descriptors.end()) held.path = known->second.path;
  }
  held.zero_filled = absl::StartsWith(held.path + "/", kTmpfs) ||
                     absl::StartsWith(held.path, kHugetlbfs);
  if (absl::StartsWith(held.path, kHugetlbfs)) held.page_shift = HugeShift(0);
  held.dev_zero = held.path == "/dev/zero";
  held.drops = held.dev_zero || held.path == "/dev/null";
  if ((flags & kOpenTemporary) != 0) {  // in a directory, without a name
    held.file = NewIdentity(held.path);
    const uint32_t file = held.file;
    Hold(value, std::move(held));
    return PushFile(GuestOpKind::kRemoveFile, file);
  }
  // It did not exist, so what had this path before has lost it.
  if ((flags & kOpenCreate) != 0 && (flags & kOpenExclusive) != 0) {
    Forget(held.path);
  }
  held.file = FileNamed(held.path);
  Hold(value, std::move(held));
}

void OpWriter::FinishMemfd(const SystemCall& call, uint64_t value) {
  const uint64_t flags = call.args[1];
  ProcessState::Descriptor held;
  held.file = NewIdentity("memfd");
  held.zero_filled = true;
  held.close_on_exec = (flags & kMemfdCloseOnExec) != 0;
  if ((flags & kMemfdHugetlb) != 0) held.page_shift = HugeShift(flags);
  const uint32_t file = held.file;
  Hold(value, std::move(held));
  PushFile(GuestOpKind::kRemoveFile, file);
}

// A copy holds what the descriptor holds, which may have no name by now and
// which the last of them closes. One of what names no file names none, either.
void OpWriter::CopyDescriptor(uint64_t from, uint64_t to, bool close_on_exec) {
  const auto known = state_.descriptors.find(from);
  if (known == state_.descriptors.end()) return Release(to);
  if (from == to) return;
  ProcessState::Descriptor same = known->second;
  same.close_on_exec = close_on_exec;
  Release(to);
  state_.descriptors[to] = std::move(same);
}

void OpWriter::FinishDup(const SystemCall& call, uint64_t value) {
  if (value == call.args[0]) return;
  CopyDescriptor(
      call.args[0], value,
      (call.number == kDup3 && (call.args[2] & kOpenCloseOnExec) != 0) ||
          (call.number == kFcntl && call.args[1] == kFcntlDupCloseOnExec));
}

void OpWriter::FinishFcntl(const SystemCall& call, uint64_t value) {
  const auto [descriptor, command, argument, a, b, c] = call.args;
  const bool is_fcntl = call.number == kFcntl;
  if (is_fcntl && (command == kFcntlDup || command == kFcntlDupCloseOnExec)) {
    return FinishDup(call, value);
  }
  const auto known = state_.descriptors.find(descriptor);
  if (known == state_.descriptors.end() || !call.readable) return;
  bool& closes = known->second.close_on_exec;
  if (is_fcntl && command == kFcntlSetFlags) {
    closes = (argument & kFcntlCloseOnExec) != 0;
  } else if (!is_fcntl && command == kIoctlCloseOnExec) {
    closes = true;
  } else if (!is_fcntl && command == kIoctlNotCloseOnExec) {
    closes = false;
  }
}

void OpWriter::FinishCloseRange(const SystemCall& call) {
  const auto [first, last, flags, a, b, c] = call.args;
  std::vector<uint64_t> closed;
  for (auto it = state_.descriptors.lower_bound(first);
       it != state_.descriptors.end() && it->first <= last; ++it) {
    if ((flags & kCloseRangeOnExec) != 0) {
      it->second.close_on_exec = true;
    } else {
      closed.push_back(it->first);
    }
  }
  for (const uint64_t descriptor : closed) Release(descriptor);
}

// A file that is open here keeps its identity under its new path. Of any other
// nothing is known but the path, so that both paths stand for new files.
void OpWriter::Rename(const SystemCall& call) {
  const bool at = call.number != kRename;
  const std::string from =
      Resolve(at ? call.args[0] : kWorkingDirectory, call.path);
  const std::string to =
      Resolve(at ? call.args[2] : kWorkingDirectory, call.other_path);
  const uint32_t file = FileNamed(from);
  const uint32_t replaced = FileNamed(to);
  if (file == replaced) return;
  const bool exchanges =
      call.number == kRenameat2 && (call.args[4] & kRenameExchange) != 0;
  if (exchanges) {
    state_.names[from] = replaced;
    state_.names[to] = file;
    return;
  }
  const bool known =
      Holds(file) || state_.names.count(from) != 0 ||
      state_.map.FirstWhere(0, kUserEnd, [&](const Region& region) {
        return region.file == file;
      }) != state_.map.end();
  Forget(to);
  if (!known) return Forget(from);
  state_.names[to] = file;
  // The old path is free, and what is made there is another file.
  if (FileIdentity(from) == file) {
    state_.names[from] = NewIdentity(from);
  } else {
    Renew(from);
  }
}

}  // namespace xmmu
