#include "workload/lackey/task_stream.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "workload/lackey/call_record.h"
#include "workload/lackey/log_text.h"
#include "workload/lackey/valgrind_layout.h"
#include "workload/process/call_number.h"

namespace xmmu {
namespace {

// A span ends with the line that reaches this many operations.
constexpr size_t kOpsOfABatch = 1024;

// No access of one x86 instruction is longer (XSAVE area with AMX tiles, SDM
// "XSAVE-Managed Features").
constexpr uint64_t kLongestAccess = 16 * 1024;

// A read-modify-write needs the right to write, which on x86 includes reading.
constexpr uint8_t RightFor(GuestOpKind kind) {
  switch (kind) {
    case GuestOpKind::kFetch:
      return kMapExecute;
    case GuestOpKind::kLoad:
      return kMapRead;
    default:
      return kMapWrite;
  }
}

// The value of each hexadecimal digit as Lackey prints it, else 255.
constexpr std::array<uint8_t, 256> kHexValue = [] {
  std::array<uint8_t, 256> values{};
  values.fill(255);
  for (uint8_t i = 0; i < 10; ++i) values['0' + i] = i;
  for (uint8_t i = 0; i < 6; ++i) {
    values['a' + i] = static_cast<uint8_t>(10 + i);
  }
  return values;
}();

unsigned HexValue(char c) { return kHexValue[static_cast<unsigned char>(c)]; }

}  // namespace

TaskStream::TaskStream(const LogHead& head, bool forked, ProcessState state,
                       bool fetches)
    : head_(head),
      forked_(forked),
      fetches_(fetches),
      forked_return_(head.forked),
      writer_(head.pid, std::move(state)) {}

absl::Status TaskStream::Malformed() const {
  return ErrorAt(line_, absl::StrCat("'", Shown(RestOfLine()),
                                     "' is no record of Lackey's, expected I, "
                                     "L, S, M, SYSCALL or a message"));
}

absl::string_view TaskStream::RestOfLine() const {
  // NextLines() gives whole lines, so there is a newline.
  const auto room = static_cast<size_t>(limit_ - cursor_);
  const void* end = memchr(cursor_, '\n', room);
  return {cursor_,
          static_cast<size_t>(static_cast<const char*>(end) - cursor_)};
}

void TaskStream::Advance(size_t length) {
  cursor_ += length;
  if (*cursor_ == '\n') {
    ++cursor_;
    ++line_;
  }
}

// Errors stay: a stream cannot go on after one.
absl::StatusOr<std::span<const GuestOp>> TaskStream::Next(
    std::vector<Birth>* births) {
  if (!failure_.ok()) return failure_;
  writer_.ops().clear();
  if (!started_) failure_ = Start();
  while (failure_.ok() && file_ != nullptr &&
         writer_.ops().size() < kOpsOfABatch) {
    failure_ = cursor_ == limit_ ? Refill() : ReadBlock(births);
  }
  if (!failure_.ok()) return failure_;
  if (writer_.ops().empty()) Exit();
  return std::span<const GuestOp>(writer_.ops());
}

// The log is opened when the stream is first asked for, so that only live
// streams hold a file open.
absl::Status TaskStream::Start() {
  absl::StatusOr<std::unique_ptr<LogFile>> file = LogFile::Open(head_.path);
  if (!file.ok()) return file.status();
  file_ = *std::move(file);
  started_ = true;
  writer_.ops().reserve(kOpsOfABatch + 64);
  return absl::OkStatus();
}

absl::Status TaskStream::Refill() {
  const absl::StatusOr<absl::string_view> lines = file_->NextLines();
  if (!lines.ok()) {
    // An exec leaves its record without a newline: then the log of the next
    // program is missing.
    const absl::string_view rest = file_->buffered();
    const auto record = ParseSystemCall(rest);
    if (!record.ok() || record->call.number != kExecve ||
        absl::StrContains(rest, '\n')) {
      return lines.status();
    }
    open_ = OpenRecord{std::string(rest), kExecve, line_, record->problem};
    return Unended();
  }
  cursor_ = lines->data();
  limit_ = cursor_ + lines->size();
  return lines->empty() ? End() : absl::OkStatus();
}

absl::Status TaskStream::End() {
  if (!ended_) return Unended();
  const absl::Status whole = CheckWhole();
  if (whole.ok()) file_.reset();
  return whole;
}

// The exit is a span of its own. It stays valid as long as the workload, so it
// takes a small vector, and the process's state goes.
void TaskStream::Exit() {
  std::vector<GuestOp>(1).swap(writer_.ops());
  writer_.ops()[0].kind = GuestOpKind::kExit;
  writer_.state() = ProcessState(0, kValgrindLayout);
  done_ = true;
}

absl::Status TaskStream::ReadBlock(std::vector<Birth>* births) {
  const std::vector<GuestOp>& ops = writer_.ops();
  while (cursor_ != limit_ && ops.size() < kOpsOfABatch) {
    const absl::Status read = ReadLine(births);
    if (!read.ok()) return read;
  }
  return absl::OkStatus();
}

absl::Status TaskStream::ReadLine(std::vector<Birth>* births) {
  if (open_.has_value()) [[unlikely]]
    return ReadMore(births);
  // No character is read beyond the newline: a comparison before it fails.
  const char* line = cursor_;
  if (line[0] == 'I') {
    if (line[1] == ' ' && line[2] == ' ') {
      return ReadAccess(GuestOpKind::kFetch, line + 3);
    }
  } else if (line[0] == ' ' && line[1] != '\n' && line[2] == ' ') {
    if (line[1] == 'L') return ReadAccess(GuestOpKind::kLoad, line + 3);
    if (line[1] == 'S') return ReadAccess(GuestOpKind::kStore, line + 3);
    if (line[1] == 'M') return ReadAccess(GuestOpKind::kModify, line + 3);
  }
  return ReadOther(births);
}

absl::Status TaskStream::ReadAccess(GuestOpKind kind, const char* digits) {
  const char* at = digits;
  // Lackey prints an address in hexadecimal, without 0x, in 16 digits at most.
  uint64_t va = 0;
  unsigned digit = HexValue(*at);
  while (digit < 16) {
    va = va << 4 | digit;
    digit = HexValue(*++at);
  }
  if (*at != ',' || at == digits || at - digits > 16) return Malformed();
  const char* size = ++at;
  uint64_t length = 0;
  while (*at >= '0' && *at <= '9' && length <= kLongestAccess) {
    length = length * 10 + static_cast<uint64_t>(*at++ - '0');
  }
  if (*at != '\n' || at == size || length == 0 || length > kLongestAccess ||
      final()) {
    return Malformed();
  }
  const bool wanted = fetches_ || kind != GuestOpKind::kFetch;
  const absl::Status access =
      wanted ? Access(kind, va, length) : absl::OkStatus();
  cursor_ = at + 1;
  ++line_;
  accessed_ = true;
  return access;
}

inline absl::Status TaskStream::Access(GuestOpKind kind, uint64_t va,
                                       uint64_t length) {
  // Windows are cached by 64 KiB: code, data and stack rarely share an entry.
  CachedWindow& cached = windows_[(va >> 16) % windows_.size()];
  const uint64_t into = va - cached.window.start;
  if (cached.generation != writer_.generation() || into >= cached.window.size ||
      length > cached.window.size - into) {
    const absl::StatusOr<AccessWindow> window = writer_.WindowFor(va, length);
    if (!window.ok()) return ErrorAt(line_, window.status().message());
    cached.window = *window;
    cached.generation = writer_.generation();
  }
  if ((cached.window.rights & RightFor(kind)) == 0) return absl::OkStatus();
  GuestOp& op = writer_.ops().emplace_back();
  op.kind = kind;
  op.va = VirtAddr(va + cached.window.shift);
  op.length = length;
  return absl::OkStatus();
}

}  // namespace xmmu
