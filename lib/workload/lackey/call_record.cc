#include "workload/lackey/call_record.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "workload/lackey/call_arguments.h"
#include "workload/lackey/call_form.h"
#include "workload/lackey/log_text.h"
#include "workload/process/call_buffers.h"
#include "workload/process/call_number.h"

namespace xmmu {
namespace {

// Parses one record by recursive descent. For the error it remembers how far
// any attempt got and what was missing there.
class RecordParser {
 public:
  explicit RecordParser(absl::string_view text) : text_(text) {}

  absl::StatusOr<SystemCallRecord> Parse();
  bool ForkReturn(SystemCallRecord* record);

 private:
  using State = SystemCallRecord::State;

  bool AtEnd() const { return at_ == text_.size(); }
  absl::string_view Rest() const { return text_.substr(at_); }

  // Moves over `wanted` if it is next.
  bool Take(absl::string_view wanted);
  // As Take(), but notes what was wanted if it is not there.
  bool Want(absl::string_view wanted);
  bool Number(unsigned base, absl::string_view what, uint64_t* value);
  bool Fail(absl::string_view wanted) { return FailAt(at_, wanted); }
  bool FailAt(size_t at, absl::string_view wanted);
  bool ProcessId(uint64_t* value);
  absl::Status Failure() const;

  // "SYSCALL[PID,TID](NR) "
  bool Front();
  // The name and all behind it.
  absl::Status Body();
  // Ends the text here; the record goes on in a later line.
  bool Open();
  bool Unhandled();
  bool FormedCall(const CallForm& form);
  bool Arguments(const CallForm& form, size_t index);
  bool Argument(uint64_t* value, bool bare_hex);
  bool BehindArguments(const CallForm& form, size_t count);
  // "  fork: process P created child C"
  bool Child();
  bool AnyText();
  // " --> ...", or the end of the line of a record that goes on.
  bool Ending();
  // "Success(0x0)" or "Failure(0x2)"
  bool Result();
  // Whether a message of Valgrind's interrupts the record here.
  bool Message() const;

  absl::string_view text_;
  size_t at_ = 0;
  size_t farthest_ = 0;  // the farthest place of a Fail()
  std::string wanted_;
  bool cut_ = false;  // a string goes on in the next line
  SystemCallRecord record_;
};

bool RecordParser::Take(absl::string_view wanted) {
  if (!absl::StartsWith(Rest(), wanted)) return false;
  at_ += wanted.size();
  return true;
}

// The attempt that got farthest says best what is wrong; at one place the last
// attempt counts.
bool RecordParser::FailAt(size_t at, absl::string_view wanted) {
  if (at >= farthest_) {
    farthest_ = at;
    wanted_ = std::string(wanted);
  }
  return false;
}

bool RecordParser::ProcessId(uint64_t* value) {
  const size_t begin = at_;
  const bool right =
      Number(10, "a process id", value) && *value > 0 && *value < kProcessIdEnd;
  return right || FailAt(begin, absl::StrCat("a process id from 1 to ",
                                             kProcessIdEnd - 1));
}

bool RecordParser::Want(absl::string_view wanted) {
  return Take(wanted) || Fail(absl::StrCat("'", wanted, "'"));
}

bool RecordParser::Number(unsigned base, absl::string_view what,
                          uint64_t* value) {
  size_t at = at_;
  const std::optional<uint64_t> number = ParseNumber(text_, &at, base);
  if (!number.has_value()) return Fail(what);
  at_ = at;
  *value = *number;
  return true;
}

absl::Status RecordParser::Failure() const {
  return absl::InvalidArgumentError(
      absl::StrCat("'", Shown(text_.substr(farthest_)),
                   "' in a system call, expected ", wanted_));
}

bool RecordParser::Front() {
  uint64_t pid = 0;
  uint64_t tid = 0;
  if (!Want("SYSCALL[") || !ProcessId(&pid) || !Want(",")) return false;
  const size_t begin = at_;
  if (!Number(10, "a thread's number", &tid)) return false;
  if (tid == 0 || tid >= kProcessIdEnd) {
    return FailAt(begin, "a thread's number from 1 on");
  }
  record_.pid = static_cast<uint32_t>(pid);
  record_.tid = static_cast<uint32_t>(tid);
  return Want("](") && Number(10, "a call's number", &record_.call.number) &&
         Want(") ");
}

absl::StatusOr<SystemCallRecord> RecordParser::Parse() {
  // Valgrind prints C strings, so no text of a record contains a NUL.
  const size_t nul = text_.find('\0');
  if (nul != absl::string_view::npos) {
    FailAt(nul, "text without NUL bytes");
    return Failure();
  }
  if (!Front()) return Failure();
  if (Take("... ")) {
    record_.resumes = true;
    if (!Want("[async] --> ") || !Result()) return Failure();
  } else {
    const absl::Status body = Body();
    if (!body.ok()) return body;
  }
  record_.length = at_;
  return std::move(record_);
}

// Messages, or the kernel's lack of the call, can stand in place of the name.
absl::Status RecordParser::Body() {
  const CallForm* form = FindCallForm(record_.call.number);
  bool parsed = false;
  if (Message() || absl::StartsWith(Rest(), "\n") ||
      absl::StartsWith(Rest(), "unimplemented (by the kernel)")) {
    parsed = Unhandled();
  } else {
    size_t end = at_;
    while (end < text_.size() &&
           ((text_[end] >= '0' && text_[end] <= '9') || text_[end] == '_' ||
            (text_[end] >= 'a' && text_[end] <= 'z'))) {
      ++end;
    }
    const std::string wrong =
        CheckCallName(record_.call.number, text_.substr(at_, end - at_));
    if (!wrong.empty()) return absl::InvalidArgumentError(wrong);
    if (form != nullptr && form->most != kNoList) {
      at_ = end;
      parsed = FormedCall(*form);
    } else {
      parsed = AnyText();
    }
  }
  if (parsed) return absl::OkStatus();
  if (!cut_) return Failure();
  record_.state = State::kOpen;
  record_.problem = std::string(Failure().message());
  at_ = text_.size();
  return absl::OkStatus();
}

bool RecordParser::Open() {
  record_.state = State::kOpen;
  record_.problem =
      "a system call without its result, expected '[sync] --> ' or ' --> ' "
      "behind it";
  return true;
}

// A call without a wrapper in Valgrind, which prints messages in place of the
// name (the joined lines of the record lack them), or a call that it knows the
// kernel not to have. Neither can succeed.
bool RecordParser::Unhandled() {
  if (Message()) return Open();
  if (Rest()[0] != '\n' &&
      !Want(absl::StrCat("unimplemented (by the kernel) syscall: ",
                         record_.call.number, "! (ni_syscall)"))) {
    return false;
  }
  const size_t ending = at_;
  if (!Ending()) return false;
  const bool succeeded = record_.result.has_value() && record_.result->success;
  return !succeeded || FailAt(ending, "' --> [pre-fail] Failure(0x26)'");
}

// Parses what follows the name in "sys_NAME ( ARGS )".
bool RecordParser::FormedCall(const CallForm& form) {
  if (form.number == kFcntl && Take("[")) {
    const size_t close = Rest().find(']');
    if (close == absl::string_view::npos) return Fail("']'");
    at_ += close + 1;
  }
  Take(" ");  // some wrappers print none
  if (!Want("(")) return false;
  if (form.most == 0) {
    return Want(" )") && BehindArguments(form, 0);
  }
  return Want(" ") && Arguments(form, 0);
}

// Most wrappers print 0x before a hexadecimal number; clone's first argument
// has none.
bool RecordParser::Argument(uint64_t* value, bool bare_hex) {
  constexpr absl::string_view kNumber = "a number";
  if (bare_hex || Take("0x")) return Number(16, kNumber, value);
  const bool negative = Take("-");
  if (!Number(10, kNumber, value)) return false;
  if (!negative) return true;
  if (*value == 0) return FailAt(at_ - 1, "a number that is not -0");
  *value = 0 - *value;
  return true;
}

// Parses the arguments from the `index`th on, and all behind them. A string can
// contain anything, so every ')' is tried as its end until the rest of the
// record makes sense.
bool RecordParser::Arguments(const CallForm& form, size_t index) {
  uint64_t value = 0;
  if (!Argument(&value, form.number == kClone && index == 0)) return false;
  record_.call.args[index] = value;
  const auto go_on = [&] {
    if (Take(" )")) return BehindArguments(form, index + 1);
    if (index + 1 == form.most) return Want(" )");
    const bool bare = form.number == kPkeyMprotect && index == 2 && Take(" ");
    return (bare || Take(", ") || Fail("', ' or ' )'")) &&
           Arguments(form, index + 1);
  };
  if (!Take("(") || !record_.call.path.empty()) return go_on();
  const size_t begin = at_;
  for (size_t end = text_.find(')', begin); end != absl::string_view::npos;
       end = text_.find(')', end + 1)) {
    const absl::string_view behind = text_.substr(end + 1, 2);
    if (behind != ", " && behind != " )") continue;
    record_.call.path = text_.substr(begin, end - begin);
    record_.call.path_argument = static_cast<uint8_t>(index);
    at_ = end + 1;
    if (go_on()) return true;
  }
  cut_ = true;
  at_ = begin;
  return Fail("the end of a string");
}

bool RecordParser::BehindArguments(const CallForm& form, size_t count) {
  if (count < form.least || count > form.most) {
    return FailAt(at_ - 2, absl::StrCat(form.least, " to ", form.most,
                                        " arguments of ", form.name));
  }
  record_.call.readable = true;
  return Child() && Ending();
}

// Only calls that fork have this text between their arguments and the result.
bool RecordParser::Child() {
  const uint64_t number = record_.call.number;
  const bool forks =
      number == kClone || number == kForkCall || number == kVforkCall;
  if (!forks || !absl::StartsWith(Rest(), "  ")) return true;
  while (Take(" ")) {
  }
  uint64_t parent = 0;
  uint64_t child = 0;
  Take("clone(fork): ") || Take("fork: ");
  if (!Want("process ")) return false;
  const size_t begin = at_;
  if (!ProcessId(&parent)) return false;
  if (parent != record_.pid) return FailAt(begin, absl::StrCat(record_.pid));
  if (!Want(" created child ") || !ProcessId(&child)) return false;
  record_.call.child = static_cast<uint32_t>(child);
  return true;
}

// Skips the text of a call that must have no form, up to what ends the record,
// and reads its arguments if they have that of its row.
bool RecordParser::AnyText() {
  const size_t begin = at_;
  for (size_t arrow = text_.find("-->", begin);
       arrow != absl::string_view::npos; arrow = text_.find("-->", arrow + 1)) {
    at_ = arrow - 1;  // at least Front()'s blank is before it
    constexpr absl::string_view kSync = "[sync] -->";
    if (absl::StartsWith(text_.substr(at_ - 6), kSync)) at_ -= 6;
    const size_t end = at_;
    if (!Ending()) continue;
    const CallRow* row = FindCallRow(record_.call.number);
    if (row != nullptr) {
      ReadArguments(text_.substr(begin, end - begin), *row, &record_.call);
    }
    return true;
  }
  for (size_t i = begin; i < text_.size(); ++i) {
    at_ = i;
    if (Message()) return Open();
  }
  farthest_ = begin;
  at_ = begin;
  cut_ = true;
  return Fail("the call's result behind it");
}

bool RecordParser::Message() const { return MessagePid(Rest()) == record_.pid; }

// [pre-success] and [pre-fail] announce the result that follows.
bool RecordParser::Ending() {
  if (AtEnd() || Message()) return Open();
  Take("\n");
  if (Take("[sync] --> ")) return Result();
  if (!Want(" --> ")) return false;
  if (Take("[sync] ")) return Result();
  const bool pre_success = Take("[pre-success] ");
  const size_t begin = at_;
  if (pre_success && Take("NoWriteResult")) {  // rt_sigreturn
    if (FindCallForm(record_.call.number) != nullptr) {
      return FailAt(begin, "'Success(0x'");
    }
    record_.result = SystemCallResult{true, 0};
    Take(" ");
    return true;
  }
  if (pre_success || Take("[pre-fail] ")) {
    const size_t result = at_;
    if (!Result()) return false;
    if (record_.result->success == pre_success) return true;
    return FailAt(result, pre_success ? "Success" : "Failure");
  }
  if (!Take("[async] ...")) {
    return Fail("'[sync] ', '[pre-success] ', '[pre-fail] ' or '[async] ...'");
  }
  Take(" ");
  if (!AtEnd()) return Fail("the end of the line");
  record_.state = State::kBlocked;
  return true;
}

bool RecordParser::Result() {
  SystemCallResult result;
  result.success = Take("Success(");
  if (!result.success && !Take("Failure(")) {
    return Fail("'Success(0x' or 'Failure(0x'");
  }
  if (!Want("0x") || !Number(16, "a number", &result.value) || !Want(")")) {
    return false;
  }
  Take(" ");
  record_.result = result;
  return true;
}

bool RecordParser::ForkReturn(SystemCallRecord* record) {
  const bool parsed = Take(" --> [pre-success] ") && Result();
  record_.length = at_;
  *record = record_;
  return parsed;
}

}  // namespace

std::optional<SystemCallResult> ParseForkReturn(absl::string_view line,
                                                size_t* length) {
  SystemCallRecord record;
  if (!RecordParser(line).ForkReturn(&record)) return std::nullopt;
  *length = record.length;
  return record.result;
}

SystemCall ReadOpenCall(absl::string_view text, uint64_t number) {
  SystemCall call;
  call.number = number;
  const CallRow* row = FindCallRow(number);
  const size_t front = text.find(") ");
  if (row == nullptr || front == absl::string_view::npos) return call;
  ReadArguments(text.substr(front + 2), *row, &call);
  return call;
}

absl::StatusOr<SystemCallRecord> ParseSystemCall(absl::string_view text) {
  return RecordParser(text).Parse();
}

}  // namespace xmmu
