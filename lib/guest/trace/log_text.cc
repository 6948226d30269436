#include "guest/trace/log_text.h"

#include "guest/trace/system_call.h"

namespace xmmu {
namespace {

// Length of "==PID==", and the pid; 0 if it is not there.
size_t MessageMark(absl::string_view line, uint64_t* pid) {
  if (line.size() < 2 || line[0] != line[1]) return 0;
  if (line[0] != '=' && line[0] != '-' && line[0] != '*') return 0;
  size_t at = 2;
  const auto number = ParseNumber(line, &at, 10);
  if (!number.has_value() || *number == 0 || *number > UINT32_MAX) return 0;
  if (line.substr(at, 2) != line.substr(0, 2)) return 0;
  *pid = *number;
  return at + 2;
}

}  // namespace

uint32_t MessagePid(absl::string_view line) {
  uint64_t pid = 0;
  return MessageMark(line, &pid) == 0 ? 0 : static_cast<uint32_t>(pid);
}

absl::string_view MessageText(absl::string_view line) {
  uint64_t pid = 0;
  absl::string_view text = line.substr(MessageMark(line, &pid));
  if (!text.empty() && text[0] == ' ') text.remove_prefix(1);
  return text;
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

}  // namespace xmmu
