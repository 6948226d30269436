#include "workload/linux_text/text_event.h"

#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"
#include "workload/process/system_call.h"

namespace xmmu {
namespace {

using absl::string_view;

// Linux, include/linux/threads.h: NR_CPUS of x86-64 is 8192 at most.
constexpr uint64_t kMostTextCpus = 8192;
constexpr uint64_t kNanoseconds = 1000000000;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsNameChar(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' ||
         c == '.';
}

void SkipBlanks(string_view& text) {
  while (!text.empty() && (text[0] == ' ' || text[0] == '\t')) {
    text.remove_prefix(1);
  }
}

string_view WithoutBlanksBehind(string_view text) {
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) {
    text.remove_suffix(1);
  }
  return text;
}

// Takes the digits off the front of `text`, if they make a number.
std::optional<uint64_t> TakeNumber(string_view& text) {
  size_t digits = 0;
  while (digits < text.size() && IsDigit(text[digits])) ++digits;
  uint64_t number = 0;
  if (digits == 0 || !absl::SimpleAtoi(text.substr(0, digits), &number)) {
    return std::nullopt;
  }
  text.remove_prefix(digits);
  return number;
}

// Takes the digits off the end of `text`, if they make a process id.
std::optional<uint32_t> TakeIdBehind(string_view& text) {
  size_t digits = 0;
  while (digits < text.size() && IsDigit(text[text.size() - 1 - digits])) {
    ++digits;
  }
  uint32_t id = 0;
  if (digits == 0 || digits > 7 ||
      !absl::SimpleAtoi(text.substr(text.size() - digits), &id) ||
      id >= kProcessIdEnd) {
    return std::nullopt;
  }
  text.remove_suffix(digits);
  return id;
}

// Takes `(TGID)` or `(-----)` off the end of `text`.
bool TakeGroupBehind(string_view& text, uint32_t& group) {
  if (text.empty() || text.back() != ')') return true;
  const size_t open = text.rfind('(');
  if (open == string_view::npos) return false;
  string_view inside = text.substr(open + 1, text.size() - open - 2);
  SkipBlanks(inside);
  text = WithoutBlanksBehind(text.substr(0, open));
  if (inside.find_first_not_of('-') == string_view::npos) return true;
  const std::optional<uint32_t> id = TakeIdBehind(inside);
  if (!id.has_value() || !inside.empty()) return false;
  group = *id;
  return true;
}

// Reads what stands before `[CPU]`: `NAME-PID`, `NAME-PID (TGID)`, `NAME PID`
// or `NAME PID/TID`.
bool ReadTaskField(string_view text, TextEvent& event) {
  text = WithoutBlanksBehind(text);
  if (!TakeGroupBehind(text, event.group)) return false;
  std::optional<uint32_t> id = TakeIdBehind(text);
  if (!id.has_value() || text.empty()) return false;
  event.pid = *id;
  if (text.back() == '-') {
    event.rendering = TextRendering::kFtrace;
    text.remove_suffix(1);
  } else {
    event.rendering = TextRendering::kPerf;
    if (text.back() == '/') {
      text.remove_suffix(1);
      id = TakeIdBehind(text);
      if (!id.has_value() || text.empty()) return false;
      event.group = *id;
    }
    if (text.back() != ' ' && text.back() != '\t') return false;
    text = WithoutBlanksBehind(text);
  }
  SkipBlanks(text);
  event.task = text;
  return !text.empty();
}

// Takes the time off the front, with the ": " behind it.
bool TakeTime(string_view& text, TextEvent& event) {
  const std::optional<uint64_t> whole = TakeNumber(text);
  if (!whole.has_value()) return false;
  event.time = *whole;
  if (absl::ConsumePrefix(&text, ".")) {
    event.seconds = true;
    const size_t before = text.size();
    const std::optional<uint64_t> fraction = TakeNumber(text);
    const size_t digits = before - text.size();
    if (!fraction.has_value() || digits > 9) return false;
    if (*whole >= UINT64_MAX / kNanoseconds) return false;
    uint64_t scale = kNanoseconds;
    for (size_t i = 0; i < digits; ++i) scale /= 10;
    event.time = *whole * kNanoseconds + *fraction * scale;
  }
  return absl::ConsumePrefix(&text, ": ");
}

// Takes ftrace's flags off the front (irqs-off, need-resched and so on). They
// never begin with a digit, as a time does (trace_print_lat_fmt).
bool TakeFlags(string_view& text) {
  if (text.empty() || IsDigit(text[0])) return false;
  const size_t end = text.find(' ');
  if (end == string_view::npos || end < 4 || end > 6) return false;
  text.remove_prefix(end);
  SkipBlanks(text);
  return true;
}

size_t NameLength(string_view text) {
  size_t length = 0;
  while (length < text.size() && IsNameChar(text[length])) ++length;
  return length;
}

// Recognizes `sys_X(ARGUMENTS)` and `sys_X -> RESULT`.
bool ReadFtraceCall(string_view text, size_t name_length, TextEvent& event) {
  string_view name = text.substr(0, name_length);
  string_view rest = text.substr(name_length);
  if (!absl::ConsumePrefix(&name, "sys_") || name.empty()) return false;
  if (absl::ConsumePrefix(&rest, "(")) {
    event.enters = absl::ConsumeSuffix(&rest, ")");
  } else {
    event.exits = absl::ConsumePrefix(&rest, " -> ");
  }
  event.name = name;
  event.arguments = rest;
  return event.enters || event.exits;
}

bool ReadEvent(string_view text, TextEvent& event) {
  SkipBlanks(text);
  size_t length = NameLength(text);
  if (ReadFtraceCall(text, length, event)) return true;
  const bool named = length > 0 && length < text.size() && text[length] == ':';
  if (!named) {
    // What prints no `name: `: a tracer of functions, a stack's head.
    event.name = text.substr(0, text.find(' '));
    event.arguments = text.substr(event.name.size());
    return !text.empty();
  }
  // perf prints the subsystem before the name.
  const string_view behind = text.substr(length + 1);
  const size_t second = NameLength(behind);
  if (second > 0 && second < behind.size() && behind[second] == ':') {
    text = behind;
    length = second;
  }
  event.name = text.substr(0, length);
  event.arguments = text.substr(length + 1);
  SkipBlanks(event.arguments);
  event.enters = absl::ConsumePrefix(&event.name, "sys_enter_");
  event.exits = !event.enters && absl::ConsumePrefix(&event.name, "sys_exit_");
  return true;
}

// `text` begins behind `[CPU]`.
bool ReadBehindCpu(string_view text, TextEvent& event) {
  SkipBlanks(text);
  const bool flags = TakeFlags(text);
  if (!TakeTime(text, event)) return false;
  // trace-cmd prints no flags; neither does ftrace without its option irq-info,
  // whose lines are the same then.
  if (event.rendering == TextRendering::kFtrace && !flags) {
    event.rendering = TextRendering::kTraceCmd;
  }
  return ReadEvent(text, event);
}

bool ReadEventLine(string_view line, TextEvent& event) {
  for (size_t open = line.find('['); open != string_view::npos;
       open = line.find('[', open + 1)) {
    string_view rest = line.substr(open + 1);
    const std::optional<uint64_t> cpu = TakeNumber(rest);
    if (!cpu.has_value() || *cpu >= kMostTextCpus) continue;
    if (!absl::ConsumePrefix(&rest, "]")) continue;
    TextEvent read;
    read.cpu = static_cast<uint32_t>(*cpu);
    if (!ReadTaskField(line.substr(0, open), read)) continue;
    if (!ReadBehindCpu(rest, read)) continue;
    event = read;
    return true;
  }
  return false;
}

// `CPU:1 [LOST 12 EVENTS]` of ftrace (trace.c, print_trace_line), `CPU:1 [12
// EVENTS DROPPED]` of trace-cmd.
bool ReadLost(string_view line, uint64_t& lost) {
  SkipBlanks(line);
  if (!absl::ConsumePrefix(&line, "CPU:")) return false;
  if (!TakeNumber(line).has_value()) return false;
  SkipBlanks(line);
  if (!absl::ConsumePrefix(&line, "[") || !absl::StrContains(line, "EVENTS") ||
      !absl::EndsWith(line, "]")) {
    return false;
  }
  absl::ConsumePrefix(&line, "LOST ");
  lost = TakeNumber(line).value_or(0);
  return true;
}

// A step of a stack's trace: ` => FUNCTION`, or of perf `  ADDRESS FUNCTION
// (FILE)`.
bool IsStackStep(string_view line) {
  if (line.empty() || (line[0] != ' ' && line[0] != '\t')) return false;
  SkipBlanks(line);
  if (absl::StartsWith(line, "=> ")) return true;
  size_t digits = 0;
  while (digits < line.size() &&
         absl::ascii_isxdigit(static_cast<unsigned char>(line[digits]))) {
    ++digits;
  }
  return digits >= 4 && digits <= 16 && digits < line.size() &&
         line[digits] == ' ' && absl::EndsWith(line, ")");
}

// What is no event: comments of ftrace, the head of trace-cmd's report.
bool IsRemark(string_view line) {
  const string_view all = WithoutBlanksBehind(line);
  if (all.empty() || all[0] == '#') return true;
  for (string_view head : {"cpus=", "version = ", "CPU "}) {
    string_view rest = all;
    if (!absl::ConsumePrefix(&rest, head)) continue;
    if (!TakeNumber(rest).has_value()) continue;
    return rest.empty() || rest == " is empty";
  }
  return IsStackStep(all);
}

}  // namespace

TextLine ParseTextLine(string_view line) {
  TextLine parsed;
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  // A task's name is never at the beginning of a line: names are of 15
  // characters at most and are printed in a column of 16.
  const bool comment = absl::StartsWith(line, "#");
  if (!comment && ReadEventLine(line, parsed.event)) {
    parsed.kind = TextLineKind::kEvent;
  } else if (ReadLost(line, parsed.lost)) {
    parsed.kind = TextLineKind::kLost;
  } else if (IsRemark(line)) {
    parsed.kind = TextLineKind::kRemark;
  }
  return parsed;
}

string_view RenderingName(TextRendering rendering) {
  switch (rendering) {
    case TextRendering::kFtrace:
      return "ftrace";
    case TextRendering::kTraceCmd:
      return "trace-cmd report";
    case TextRendering::kPerf:
      return "perf script";
  }
  return "";
}

}  // namespace xmmu
