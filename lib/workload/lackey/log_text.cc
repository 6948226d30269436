#include "workload/lackey/log_text.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "base/printable.h"
#include "workload/process/system_call.h"

namespace xmmu {
namespace {

unsigned DigitValue(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a') + 10;
  return 255;
}

// Returns the length of "DD:HH:MM:SS.mmm ", which --time-stamp=yes puts before
// the process id, or 0 if it is not there.
size_t TimeStamp(absl::string_view line) {
  constexpr absl::string_view kForm = "00:00:00:00.000 ";
  if (line.size() < kForm.size()) return 0;
  for (size_t i = 0; i < kForm.size(); ++i) {
    const bool digit = line[i] >= '0' && line[i] <= '9';
    if (kForm[i] == '0' ? !digit : line[i] != kForm[i]) return 0;
  }
  return kForm.size();
}

// Returns the length of "==PID==" and sets `pid`, or returns 0 if it is not
// there.
size_t MessageMark(absl::string_view line, uint64_t* pid) {
  if (line.size() < 2 || line[0] != line[1]) return 0;
  if (line[0] != '=' && line[0] != '-' && line[0] != '*') return 0;
  size_t at = 2 + TimeStamp(line.substr(2));
  const auto number = ParseNumber(line, &at, 10);
  if (!number.has_value()) return 0;
  if (line.substr(at, 2) != line.substr(0, 2)) return 0;
  *pid = *number;
  return at + 2;
}

}  // namespace

uint32_t MessagePid(absl::string_view line) {
  uint64_t pid = 0;
  if (MessageMark(line, &pid) == 0 || pid >= kProcessIdEnd) return 0;
  return static_cast<uint32_t>(pid);
}

absl::string_view MessageText(absl::string_view line) {
  uint64_t pid = 0;
  const size_t mark = MessageMark(line, &pid);
  if (mark == 0) return line;
  absl::string_view text = line.substr(mark);
  if (!text.empty() && text[0] == ' ') text.remove_prefix(1);
  return text;
}

std::string Shown(absl::string_view text) {
  constexpr size_t kMost = 60;
  if (text.size() <= kMost) return Printable({text.data(), text.size()});
  return absl::StrCat(Printable({text.data(), kMost}), "...");
}

absl::string_view FirstWord(absl::string_view command) {
  for (size_t i = 0; i < command.size(); ++i) {
    if (command[i] == '\\') {
      ++i;
    } else if (command[i] == ' ') {
      return command.substr(0, i);
    }
  }
  return command;
}

std::optional<uint64_t> ParseNumber(absl::string_view line, size_t* at,
                                    unsigned base) {
  uint64_t value = 0;
  const size_t begin = *at;
  for (; *at < line.size() && DigitValue(line[*at]) < base; ++*at) {
    const unsigned digit = DigitValue(line[*at]);
    if (value > (UINT64_MAX - digit) / base) return std::nullopt;
    value = value * base + digit;
  }
  const size_t length = *at - begin;
  if (length == 0 || (line[begin] == '0' && length > 1)) return std::nullopt;
  return value;
}

}  // namespace xmmu
