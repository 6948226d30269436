#include "workload/linux_text/linux_event.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "workload/process/call_number.h"
#include "workload/process/image_layout.h"

namespace xmmu {
namespace {

using absl::string_view;

// What trace-cmd prints before fields whose format it cannot evaluate.
constexpr string_view kUnparsed = "[FAILED TO PARSE] ";

struct NamedCall {
  string_view name;
  uint64_t number;
  int arguments;  // that matter
};

// Calls that change mappings, fork or exec, and whose arguments are numbers.
constexpr NamedCall kNamedCalls[] = {
    {"mmap", kMmap, 6},
    {"mprotect", kMprotect, 3},
    {"munmap", kMunmap, 2},
    {"brk", kBrk, 1},
    {"mremap", kMremap, 5},
    {"madvise", kMadvise, 3},
    {"pkey_mprotect", kPkeyMprotect, 3},
    {"shmget", kShmget, 3},
    {"shmat", kShmat, 3},
    {"shmctl", kShmctl, 2},
    {"shmdt", kShmdt, 1},
    {"mlock", kMlock, 2},
    {"mlock2", kMlock2, 3},
    {"munlock", kMunlock, 2},
    {"mlockall", kMlockall, 1},
    {"munlockall", kMunlockall, 0},
    {"clone", kClone, 1},
    {"clone3", kClone3, 0},
    {"fork", kForkCall, 0},
    {"vfork", kVforkCall, 0},
    {"execve", kExecve, 0},
    {"execveat", kExecveat, 0},
};

const NamedCall* FindNamedCall(string_view name) {
  for (const NamedCall& call : kNamedCalls) {
    if (call.name == name) return &call;
  }
  return nullptr;
}

absl::Status NoSuchArguments(const TextEvent& event, string_view expected) {
  const string_view prefix = event.enters  ? "sys_enter_"
                             : event.exits ? "sys_exit_"
                                           : "";
  return absl::InvalidArgumentError(
      absl::StrCat("'", event.arguments.substr(0, 200), "' is nothing that ",
                   prefix, event.name, " prints, expected ", expected));
}

// A number in decimal that takes all of `text`.
std::optional<uint32_t> ProcessIdOf(std::optional<string_view> text) {
  uint32_t id = 0;
  if (!text.has_value() || !absl::SimpleAtoi(*text, &id)) return std::nullopt;
  if (id >= kProcessIdEnd) return std::nullopt;
  return id;
}

// What stands behind the last `key`, up to the next blank: names before it may
// hold anything.
std::optional<string_view> WordBehindLast(string_view text, string_view key) {
  const size_t at = text.rfind(key);
  if (at == string_view::npos) return std::nullopt;
  text.remove_prefix(at + key.size());
  return text.substr(0, text.find(' '));
}

// The number behind the last `error_code=`, which Linux prints with 0x, and
// trace-cmd without where it cannot evaluate Linux's format.
std::optional<uint64_t> ErrorCodeOf(string_view text, bool unparsed) {
  const auto word = WordBehindLast(text, " error_code=");
  if (!word.has_value()) return std::nullopt;
  uint64_t code = 0;
  if (unparsed && absl::SimpleAtoi(*word, &code)) return code;
  return absl::StartsWith(*word, "0x") ? HexNumber(*word) : std::nullopt;
}

// `address=A ip=I error_code=C`; kernel addresses may be symbols, which have
// blanks if they are a module's.
absl::StatusOr<LinuxEvent> ReadFault(const TextEvent& event) {
  constexpr string_view kExpected = "address=ADDRESS ip=ADDRESS error_code=0xN";
  LinuxEvent read;
  read.kind = LinuxEventKind::kFault;
  read.in_kernel = event.name == "page_fault_kernel";
  string_view text = event.arguments;
  const bool unparsed = absl::ConsumePrefix(&text, kUnparsed);
  const auto code = ErrorCodeOf(text, unparsed);
  const bool begins = absl::ConsumePrefix(&text, "address=");
  const size_t ip = text.find(" ip=");
  if (!begins || ip == string_view::npos || ip == 0 || !code.has_value() ||
      *code > UINT32_MAX) {
    return NoSuchArguments(event, kExpected);
  }
  const string_view address = text.substr(0, ip);
  read.code = static_cast<uint32_t>(*code);
  if (absl::StartsWith(address, "0x")) {
    const auto number = HexNumber(address);
    if (!number.has_value()) return NoSuchArguments(event, kExpected);
    if (*number < kUserEnd) read.address = *number;
  } else if (absl::ascii_isdigit(static_cast<unsigned char>(address[0]))) {
    return NoSuchArguments(event, kExpected);
  }
  return read;
}

absl::StatusOr<LinuxEvent> ReadFork(const TextEvent& event) {
  LinuxEvent read;
  read.kind = LinuxEventKind::kFork;
  const auto child =
      ProcessIdOf(WordBehindLast(event.arguments, " child_pid="));
  if (!child.has_value() || *child == 0) {
    return NoSuchArguments(event,
                           "comm=NAME pid=PID child_comm=NAME child_pid=PID");
  }
  read.pid = *child;
  return read;
}

absl::StatusOr<LinuxEvent> ReadExec(const TextEvent& event) {
  LinuxEvent read;
  read.kind = LinuxEventKind::kExec;
  string_view text = event.arguments;
  absl::ConsumePrefix(&text, kUnparsed);
  const auto old_pid = ProcessIdOf(WordBehindLast(text, " old_pid="));
  const size_t end = text.rfind(" pid=");
  const auto pid = ProcessIdOf(WordBehindLast(text, " pid="));
  if (!absl::StartsWith(text, "filename=") || !old_pid.has_value() ||
      !pid.has_value() || end == string_view::npos || end < 9) {
    return NoSuchArguments(event, "filename=PATH pid=PID old_pid=PID");
  }
  read.path = text.substr(9, end - 9);
  read.pid = *pid;
  read.old_pid = *old_pid;
  return read;
}

absl::StatusOr<LinuxEvent> ReadExit(const TextEvent& event) {
  LinuxEvent read;
  read.kind = LinuxEventKind::kExit;
  const auto pid = ProcessIdOf(WordBehindLast(event.arguments, " pid="));
  if (!pid.has_value()) {
    return NoSuchArguments(event, "comm=NAME pid=PID prio=N");
  }
  read.pid = *pid;
  return read;
}

// States S and D sleep, whatever stands behind them (TASK_STATE_TO_CHAR_STR);
// `R+` is preempted.
absl::StatusOr<LinuxEvent> ReadSwitch(const TextEvent& event) {
  LinuxEvent read;
  read.kind = LinuxEventKind::kSwitch;
  const size_t arrow = event.arguments.rfind(" ==> ");
  const string_view before = event.arguments.substr(0, arrow);
  const auto pid = ProcessIdOf(WordBehindLast(before, " prev_pid="));
  const auto state = WordBehindLast(before, " prev_state=");
  if (arrow == string_view::npos || !pid.has_value() || !state.has_value() ||
      state->empty()) {
    return NoSuchArguments(event,
                           "prev_comm=NAME prev_pid=PID prev_prio=N "
                           "prev_state=STATE ==> next_comm=NAME and so on");
  }
  read.pid = *pid;
  read.sleeps = (*state)[0] == 'S' || (*state)[0] == 'D';
  return read;
}

// Takes `NAME: VALUE` off the front, with what follows up to the next comma: a
// newer Linux prints also what the value stands for.
std::optional<uint64_t> TakeArgument(string_view& text) {
  const size_t colon = text.find(": ");
  if (colon == string_view::npos) return std::nullopt;
  const size_t comma = std::min(text.find(", ", colon), text.size());
  string_view value = text.substr(colon + 2, comma - colon - 2);
  const size_t blank = value.find(' ');
  const string_view behind = value.substr(std::min(blank, value.size()));
  if (!behind.empty() && !absl::StartsWith(behind, " (")) return std::nullopt;
  value = value.substr(0, blank);
  text.remove_prefix(std::min(comma + 2, text.size()));
  return HexNumber(value);
}

absl::StatusOr<LinuxEvent> ReadCallEnter(const TextEvent& event) {
  LinuxEvent read;
  read.kind = LinuxEventKind::kCallEnter;
  read.call.number = kOtherCall;
  const NamedCall* const call = FindNamedCall(event.name);
  if (call == nullptr) return read;
  read.call.number = call->number;
  read.call.readable = true;
  string_view text = event.arguments;
  for (int i = 0; i < call->arguments; ++i) {
    const auto value = TakeArgument(text);
    if (!value.has_value()) {
      return NoSuchArguments(
          event, absl::StrCat(call->arguments, " arguments as `len: 2000`"));
    }
    read.call.args[static_cast<size_t>(i)] = *value;
  }
  return read;
}

absl::StatusOr<LinuxEvent> ReadCallExit(const TextEvent& event) {
  LinuxEvent read;
  read.kind = LinuxEventKind::kCallExit;
  const NamedCall* const call = FindNamedCall(event.name);
  read.call.number = call == nullptr ? kOtherCall : call->number;
  const auto result = HexNumber(event.arguments);
  if (!result.has_value()) {
    return NoSuchArguments(event, "a result in hexadecimal");
  }
  read.result = *result;
  return read;
}

}  // namespace

std::optional<uint64_t> HexNumber(string_view text) {
  absl::ConsumePrefix(&text, "0x");
  uint64_t value = 0;
  if (text.empty() || text.size() > 16 || !absl::SimpleHexAtoi(text, &value)) {
    return std::nullopt;
  }
  for (const char c : text) {
    if (!absl::ascii_isxdigit(static_cast<unsigned char>(c))) {
      return std::nullopt;
    }
  }
  return value;
}

std::optional<string_view> TakeWord(string_view& text, string_view key) {
  if (!absl::ConsumePrefix(&text, key)) return std::nullopt;
  const size_t end = std::min(text.find_first_of(" ,"), text.size());
  const string_view word = text.substr(0, end);
  text.remove_prefix(end);
  while (!text.empty() && (text[0] == ' ' || text[0] == ',')) {
    text.remove_prefix(1);
  }
  if (word.empty()) return std::nullopt;
  return word;
}

absl::StatusOr<LinuxEvent> ParseLinuxEvent(const TextEvent& event) {
  if (event.enters) return ReadCallEnter(event);
  if (event.exits) return ReadCallExit(event);
  const string_view name = event.name;
  if (name == "page_fault_user" || name == "page_fault_kernel") {
    return ReadFault(event);
  }
  if (name == "sched_switch") return ReadSwitch(event);
  if (name == "sched_process_fork") return ReadFork(event);
  if (name == "sched_process_exec") return ReadExec(event);
  if (name == "sched_process_exit") return ReadExit(event);
  return LinuxEvent{};
}

}  // namespace xmmu
