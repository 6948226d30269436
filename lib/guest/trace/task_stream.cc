#include "guest/trace/task_stream.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "guest/trace/call_number.h"
#include "guest/trace/log_text.h"

namespace xmmu {
namespace {

// Operations in one span, but for those that the last line adds.
constexpr size_t kBatch = 1024;

// Longer than any access that x86 makes with one instruction (XSAVE area with
// AMX tiles, SDM "XSAVE-Managed Features").
constexpr uint64_t kLongestAccess = 16 * 1024;

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
  absl::string_view line = RestOfLine();
  const bool is_long = line.size() > 60;
  if (is_long) line = line.substr(0, 60);
  std::string shown;
  for (const char c : line) shown += c >= ' ' && c <= '~' ? c : '?';
  return ErrorAt(line_, absl::StrCat("'", shown, is_long ? "..." : "",
                                     "' is no record of Lackey's, expected I, "
                                     "L, S, M, SYSCALL or a message"));
}

absl::string_view TaskStream::RestOfLine() const {
  // NextLines() gives whole lines: there is a newline.
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

absl::StatusOr<std::span<const GuestOp>> TaskStream::Next(
    std::vector<Birth>* births) {
  if (!failure_.ok()) return failure_;
  writer_.ops().clear();
  if (!started_) failure_ = Start();
  while (failure_.ok() && file_ != nullptr && writer_.ops().size() < kBatch) {
    failure_ = cursor_ == limit_ ? Refill() : ReadBlock(births);
  }
  if (!failure_.ok()) return failure_;
  if (writer_.ops().empty()) Exit();
  return std::span<const GuestOp>(writer_.ops());
}

absl::Status TaskStream::Start() {
  absl::StatusOr<std::unique_ptr<LogFile>> file = LogFile::Open(head_.path);
  if (!file.ok()) return file.status();
  file_ = *std::move(file);
  started_ = true;
  writer_.ops().reserve(kBatch + 64);
  return absl::OkStatus();
}

absl::Status TaskStream::Refill() {
  const absl::StatusOr<absl::string_view> lines = file_->NextLines();
  if (!lines.ok()) return lines.status();
  cursor_ = lines->data();
  limit_ = cursor_ + lines->size();
  return lines->empty() ? End() : absl::OkStatus();
}

absl::Status TaskStream::End() {
  if (!ended_) {
    return ErrorAt(line_, absl::StrCat("the log of process ", head_.pid,
                                       " ends here, expected the end of the "
                                       "process first"));
  }
  file_.reset();
  return absl::OkStatus();
}

// The exit is a span of its own: it outlives this call for as long as the
// workload, and so must be small.
void TaskStream::Exit() {
  std::vector<GuestOp>(1).swap(writer_.ops());
  writer_.ops()[0].kind = GuestOpKind::kExit;
  writer_.state() = ProcessState(0);
  done_ = true;
}

absl::Status TaskStream::ReadBlock(std::vector<Birth>* births) {
  const std::vector<GuestOp>& ops = writer_.ops();
  while (cursor_ != limit_ && ops.size() < kBatch) {
    const absl::Status read = ReadLine(births);
    if (!read.ok()) return read;
  }
  return absl::OkStatus();
}

absl::Status TaskStream::ReadLine(std::vector<Birth>* births) {
  // Short circuits keep the looks within the line.
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
  return access;
}

inline absl::Status TaskStream::Access(GuestOpKind kind, uint64_t va,
                                       uint64_t length) {
  // By 64 KiB: code, data and stack rarely share an entry.
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

absl::Status TaskStream::ReadOther(std::vector<Birth>* births) {
  const absl::string_view line = RestOfLine();
  if (absl::StartsWith(line, "SYSCALL[")) return ReadCall(line, births);
  if (line.empty()) {  // a record's newline, behind another thread's record
    Advance(0);
    return absl::OkStatus();
  }
  if (IsMessage(line, head_.pid)) return ReadMessage(line);
  // The first record of a child's log ends the fork it comes from.
  if (final() || !(call_open_ || forked_return_)) return Malformed();
  const bool last = line.find("--> ") != absl::string_view::npos;
  if (last) call_open_ = forked_return_ = false;
  size_t length = 0;
  const auto result = ParseResult(line, &length);
  if (!result.has_value()) {
    Advance(line.size());
    return absl::OkStatus();
  }
  const std::optional<PendingCall> pending = TakePending(last_thread_);
  absl::Status finished;
  if (pending.has_value()) finished = Finish(pending->Call(), *result, births);
  Advance(length);
  return finished;
}

std::optional<TaskStream::PendingCall> TaskStream::TakePending(
    uint32_t thread) {
  const auto it = pending_.find(thread);
  if (it == pending_.end()) return std::nullopt;
  std::optional<PendingCall> call = std::move(it->second);
  pending_.erase(it);
  return call;
}

absl::Status TaskStream::ReadMessage(absl::string_view line) {
  const absl::string_view text = MessageText(line);
  if (absl::StartsWith(text, kLackeyTitle)) {
    if (exited_ || final()) {
      return ErrorAt(line_, absl::StrCat("a second log of process ", head_.pid,
                                         " starts here, expected the end of "
                                         "the file"));
    }
    renamed_ = !first_image_ || !head_.forked;
    if (!first_image_ || (forked_ && !head_.forked)) {
      writer_.Push(GuestOpKind::kExec);
    }
    first_image_ = false;
    pending_.clear();
  } else if (renamed_ && absl::StartsWith(text, kCommand)) {
    renamed_ = false;
    writer_.Exec(FirstWord(text.substr(kCommand.size())));
  } else {
    NoteEnding(text);
  }
  Advance(line.size());
  return absl::OkStatus();
}

void TaskStream::NoteEnding(absl::string_view text) {
  if (absl::StartsWith(text, "Process terminating")) {
    exited_ = true;
    ended_ = true;
  } else if (absl::StartsWith(text, "Counted ")) {
    counting_ = true;
    ended_ = false;  // the counts have an end of their own
  } else if (absl::StartsWith(text, "Exit code:")) {
    closed_ = true;
    ended_ = true;
  } else if ((exited_ || thread_exited_) && !counting_) {
    ended_ = true;  // all there is with --basic-counts=no
  }
}

absl::Status TaskStream::ReadCall(absl::string_view line,
                                  std::vector<Birth>* births) {
  const auto record = ParseSystemCall(line);
  if (!record.has_value() || record->pid != head_.pid || final()) {
    return Malformed();
  }
  ended_ = false;
  const std::optional<PendingCall> pending = TakePending(record->tid);
  absl::Status finished;
  if (record->resumes && record->result.has_value()) {
    if (pending.has_value()) {
      finished = Finish(pending->Call(), *record->result, births);
    }
    Advance(record->length);
    return finished;
  }
  if (pending.has_value()) writer_.Abandon(pending->Call());
  if (record->result.has_value()) {
    thread_exited_ |= record->call.number == kExitThread;
    exited_ |= record->call.number == kExitGroup;
    finished = Finish(record->call, *record->result, births);
  } else {
    last_thread_ = record->tid;
    call_open_ = record->open;
    pending_[record->tid] = {record->call, std::string(record->call.path)};
  }
  Advance(record->length);
  return finished;
}

absl::Status TaskStream::Finish(const SystemCall& call,
                                const SystemCallResult& result,
                                std::vector<Birth>* births) {
  const absl::Status finished = writer_.Finish(call, result);
  if (!finished.ok()) return ErrorAt(line_, finished.message());
  if (call.child == 0 || !result.success) return absl::OkStatus();
  Birth birth{call.child, line_, writer_.state()};
  birth.state.children.clear();
  births->push_back(std::move(birth));
  return absl::OkStatus();
}

}  // namespace xmmu
