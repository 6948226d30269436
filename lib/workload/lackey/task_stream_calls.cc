// Reads the lines of a log that are no accesses: system calls and messages.

#include <optional>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "workload/lackey/call_record.h"
#include "workload/lackey/log_text.h"
#include "workload/lackey/task_stream.h"
#include "workload/process/call_number.h"

namespace xmmu {
namespace {

// No record is longer: it has at most two paths of 4096 bytes (Linux,
// PATH_MAX).
constexpr size_t kLongestRecord = 32 * 1024;

bool IsExec(uint64_t number) {
  return number == kExecve || number == kExecveat;
}

// Whether the line is an access such as " S 1fff000ff8,8".
bool IsAccess(absl::string_view line) {
  if (line.size() < 5 || line[2] != ' ') return false;
  const absl::string_view kind = line.substr(0, 2);
  size_t at = line.find(',');
  if (kind != "I " && kind != " L" && kind != " S" && kind != " M")
    return false;
  return at != absl::string_view::npos &&
         ParseNumber(line, &++at, 10).has_value() && at == line.size();
}

// Says what has become of a log whose line tells of Valgrind's own end, or
// nothing. These lines have no mark with a process id. Lackey with --trace-mem
// ends at the first instruction that Valgrind does not know, whether or not the
// program would get as far as to its SIGILL: its assertion on the instruction's
// length fails (Valgrind 3.19, VEX/priv/guest_amd64_toIR.c and guest_x86_toIR.c,
// decode_failure; lackey/lk_main.c, addEvent_Ir; coregrind/m_libcassert.c).
std::string EndOfValgrind(absl::string_view line) {
  constexpr absl::string_view kUnknown = "unhandled instruction bytes: ";
  const size_t at = line.find(kUnknown);
  if (absl::StartsWith(line, "vex ") && at != absl::string_view::npos) {
    return absl::StrCat("Valgrind does not know the instruction of the bytes ",
                        Shown(line.substr(at + kUnknown.size())),
                        " and ended here, expected a program without it");
  }
  const bool impossible =
      absl::StartsWith(line, "valgrind: the 'impossible' happened") ||
      absl::StartsWith(line, "vex: the `impossible' happened");
  const bool assertion = absl::EndsWith(line, "' failed.") &&
                         (absl::StrContains(line, ": Assertion '") ||
                          absl::StrContains(line, ": Assertion `"));
  if (!impossible && !assertion) return "";
  return absl::StrCat("Valgrind itself failed here, '", Shown(line),
                      "', expected a log with its end");
}

// Whether Valgrind made the dynamic linker open the file, as it does in every
// program.
bool IsPreload(absl::string_view path) {
  return absl::StrContains(path, "/vgpreload_");
}

}  // namespace

absl::Status TaskStream::ReadOther(std::vector<Birth>* births) {
  const absl::string_view line = RestOfLine();
  if (absl::StartsWith(line, "SYSCALL[")) return ReadCall(line, births);
  if (line.empty()) {  // a record's newline, behind another thread's record
    Advance(0);
    return absl::OkStatus();
  }
  const uint32_t pid = MessagePid(line);
  if (pid == head_.pid) return ReadMessage(line);
  if (pid != 0) {
    return ErrorAt(line_, absl::StrCat("a message of process ", pid,
                                       " in the log of process ", head_.pid,
                                       ", expected a log for each process "
                                       "(--log-file=NAME.%p)"));
  }
  if (absl::StartsWith(line, "SB ")) return ReadSuperblock(line);
  const std::string ended = EndOfValgrind(line);
  if (!ended.empty()) return ErrorAt(line_, ended);
  return ReadForkReturn(line);
}

// With --trace-superblocks=yes a line says where a block of code is entered. It
// adds nothing, as the block's fetches are in the log, too.
absl::Status TaskStream::ReadSuperblock(absl::string_view line) {
  size_t at = line.find_first_not_of('0', 3);
  if (at == absl::string_view::npos) return Malformed();
  if (!ParseNumber(line, &at, 16).has_value() || at != line.size() || final()) {
    return Malformed();
  }
  Advance(line.size());
  return absl::OkStatus();
}

// The first record of a child's log is the return of the fork that created it.
absl::Status TaskStream::ReadForkReturn(absl::string_view line) {
  size_t length = 0;
  const auto result = ParseForkReturn(line, &length);
  if (!forked_return_ || final() || !result.has_value()) return Malformed();
  if (!result->success || result->value != 0) {
    return ErrorAt(line_,
                   "the fork returned something else in the child, "
                   "expected Success(0x0)");
  }
  forked_return_ = false;
  called_ = true;
  writer_.BeginChild();
  Advance(length);
  return absl::OkStatus();
}

// Takes the call that the thread is waiting in, if there is one.
std::optional<TaskStream::PendingCall> TaskStream::TakePending(
    uint32_t thread) {
  const auto it = pending_.find(thread);
  if (it == pending_.end()) return std::nullopt;
  std::optional<PendingCall> call = std::move(it->second);
  pending_.erase(it);
  return call;
}

absl::Status TaskStream::NextImage() {
  if (exited_ || final()) {
    return ErrorAt(line_, absl::StrCat("a second log of process ", head_.pid,
                                       " starts here, expected the end of "
                                       "the file"));
  }
  if (open_.has_value() && !IsExec(open_->number)) {
    return ErrorAt(open_->line, open_->problem);
  }
  // The first head of a log that starts behind a fork names no new program.
  renamed_ = !first_image_ || !head_.forked;
  if (!first_image_ || (forked_ && !head_.forked)) {
    // The record of an exec that succeeded has no end.
    SystemCall exec;
    if (open_.has_value()) exec = ReadOpenCall(open_->text, open_->number);
    writer_.BeginExec(exec);
  }
  first_image_ = false;
  pending_.clear();
  open_.reset();
  return absl::OkStatus();
}

absl::Status TaskStream::ReadMessage(absl::string_view line) {
  const absl::string_view text = MessageText(line);
  if (absl::StartsWith(text, kLackeyTitle)) {
    const absl::Status next = NextImage();
    if (!next.ok()) return next;
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
  constexpr absl::string_view kInstructions = "  guest instrs:";
  if (absl::StartsWith(text, "Process terminating")) {
    exited_ = true;
    killed_ = true;
    ended_ = true;
  } else if (absl::StartsWith(text, "Counted ")) {
    counting_ = true;
    ended_ = false;  // the exit code must follow
  } else if (absl::StartsWith(text, "Exit code:")) {
    closed_ = true;
    ended_ = true;
  } else if (counting_ && absl::StartsWith(text, kInstructions)) {
    executed_ |= text.substr(kInstructions.size()).find_first_of("123456789") !=
                 absl::string_view::npos;
  } else if ((exited_ || thread_exited_) && !counting_) {
    ended_ = true;  // --basic-counts=no prints no counts
  }
}

absl::Status TaskStream::Unended() const {
  bool exec = open_.has_value() && IsExec(open_->number);
  for (const auto& [thread, call] : pending_) exec |= IsExec(call.call.number);
  if (exec) {
    return ErrorAt(line_, absl::StrCat("the log of process ", head_.pid,
                                       " ends with an exec, expected that of "
                                       "the next program behind it: record "
                                       "with examples/record.sh"));
  }
  if (open_.has_value()) return ErrorAt(open_->line, open_->problem);
  return ErrorAt(line_, absl::StrCat("the log of process ", head_.pid,
                                     " ends here, expected the end of the "
                                     "process first"));
}

absl::Status TaskStream::CheckWhole() const {
  // A signal can end a process in the midst of a record, and also before its
  // first call. But once the process has other memory than its program and its
  // stack it has made a call: the dynamic linker first of all calls brk.
  const bool silent = killed_ ? !called_ && writer_.inferred_apart()
                              : !(exited_ || thread_exited_);
  if (silent && !called_) {
    return ErrorAt(
        line_, absl::StrCat("no system call in the log of process ", head_.pid,
                            ", expected those that it made, the "
                            "last of them exit: record with "
                            "--trace-syscalls=yes"));
  }
  if (open_.has_value() && !killed_) {
    return ErrorAt(open_->line, open_->problem);
  }
  // Valgrind prints no message for a process that kills itself by SIGKILL.
  const bool suicide =
      last_call_ == kKill || last_call_ == kTkill || last_call_ == kTgkill;
  if (silent && !suicide) {
    return ErrorAt(line_, absl::StrCat("the log of process ", head_.pid,
                                       " ends without its exit, expected a "
                                       "record of exit or exit_group"));
  }
  if (executed_ && !accessed_) {
    return ErrorAt(line_, absl::StrCat("no access to memory in the log of "
                                       "process ",
                                       head_.pid,
                                       ", expected at least its instructions: "
                                       "record with --trace-mem=yes"));
  }
  return absl::OkStatus();
}

absl::Status TaskStream::ReadCall(absl::string_view line,
                                  std::vector<Birth>* births) {
  if (final()) return Malformed();
  const auto record = ParseSystemCall(line);
  if (!record.ok()) return ErrorAt(line_, record.status().message());
  if (record->pid != head_.pid) {
    return ErrorAt(line_, absl::StrCat("a system call of process ", record->pid,
                                       " in the log of process ", head_.pid,
                                       ", expected a log for each process "
                                       "(--log-file=NAME.%p)"));
  }
  ended_ = false;
  called_ = true;
  const bool open = record->state == SystemCallRecord::State::kOpen;
  absl::Status taken;
  if (open) {
    open_ = OpenRecord{std::string(line.substr(0, record->length)),
                       record->call.number, line_, record->problem};
  } else {
    taken = Take(*record, births);
  }
  Advance(record->length);
  return taken;
}

// A line that begins a record of its own shows that the open one does not go
// on.
absl::Status TaskStream::ReadMore(std::vector<Birth>* births) {
  const absl::string_view line = RestOfLine();
  if (MessagePid(line) == head_.pid) return ReadMessage(line);
  if (absl::StartsWith(line, "SYSCALL[") || IsAccess(line) || final() ||
      open_->text.size() + line.size() > kLongestRecord) {
    return ErrorAt(open_->line, open_->problem);
  }
  const size_t before = open_->text.size() + 1;
  std::string text = absl::StrCat(open_->text, "\n", line);
  const auto record = ParseSystemCall(text);
  if (!record.ok()) return ErrorAt(line_, record.status().message());
  absl::Status taken;
  if (record->state == SystemCallRecord::State::kOpen) {
    open_->text = std::move(text);
    open_->problem = record->problem;
    open_->text.resize(record->length);
  } else {
    open_.reset();
    taken = Take(*record, births);
  }
  Advance(record->length - before);
  return taken;
}

absl::Status TaskStream::Take(const SystemCallRecord& record,
                              std::vector<Birth>* births) {
  const std::optional<PendingCall> pending = TakePending(record.tid);
  if (record.resumes) {
    if (!pending.has_value() || pending->call.number != record.call.number) {
      return ErrorAt(
          line_,
          absl::StrCat("the result of call ", record.call.number, " of thread ",
                       record.tid, ", expected one ",
                       pending.has_value()
                           ? absl::StrCat("of call ", pending->call.number)
                           : "for a call that waits for it"));
    }
    return Finish(pending->Call(), *record.result, births);
  }
  last_call_ = record.call.number;
  // A thread that begins another call got no result for its last one: a signal
  // cut it short.
  if (pending.has_value()) writer_.Abandon(pending->Call());
  if (record.state == SystemCallRecord::State::kBlocked) {
    pending_[record.tid] = {record.call, std::string(record.call.path),
                            std::string(record.call.other_path)};
    return absl::OkStatus();
  }
  thread_exited_ |= record.call.number == kExitThread;
  exited_ |= record.call.number == kExitGroup;
  return Finish(record.call, *record.result, births);
}

absl::Status TaskStream::Finish(const SystemCall& call,
                                const SystemCallResult& result,
                                std::vector<Birth>* births) {
  absl::Status finished = CheckCall(call, result);
  if (finished.ok()) finished = writer_.Finish(call, result);
  if (!finished.ok()) return ErrorAt(line_, finished.message());
  if (!result.success) return absl::OkStatus();
  executed_ |= IsPreload(call.path);
  if (call.child == 0) return absl::OkStatus();
  births->push_back({call.child, line_, writer_.ChildState(call)});
  return absl::OkStatus();
}

}  // namespace xmmu
