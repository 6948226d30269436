#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "guest/trace/log_text.h"
#include "guest/trace/task_stream.h"

namespace xmmu {
namespace {

constexpr absl::string_view kExpectedTitle =
    "expected '==PID== Lackey, an example Valgrind tool'";

// Takes the first line off `lines`.
absl::string_view TakeLine(absl::string_view* lines) {
  const size_t end = lines->find('\n');
  const absl::string_view line = lines->substr(0, end);
  lines->remove_prefix(end + 1);
  return line;
}

}  // namespace

absl::StatusOr<LogHead> ReadLogHead(const std::string& path) {
  absl::StatusOr<std::unique_ptr<LogFile>> file = LogFile::Open(path);
  if (!file.ok()) return file.status();
  const absl::StatusOr<absl::string_view> block = (*file)->NextLines();
  // A foreign file may have no lines at all.
  const absl::string_view begin = (*file)->buffered();
  if (!begin.empty() && !absl::StartsWith(begin, "==")) {
    return LogError(path, 1, absl::StrCat("no Lackey log, ", kExpectedTitle));
  }
  if (!block.ok()) return block.status();
  absl::string_view lines = *block;
  if (lines.empty()) {
    return LogError(path, 1,
                    absl::StrCat("the file is empty, ", kExpectedTitle));
  }
  LogHead head;
  head.path = path;
  absl::string_view line = TakeLine(&lines);
  head.pid = MessagePid(line);
  if (head.pid == 0 || !absl::StartsWith(MessageText(line), kLackeyTitle)) {
    return LogError(path, 1, absl::StrCat("no Lackey log, ", kExpectedTitle));
  }
  uint64_t number = 1;
  bool has_parent = false;
  for (; !lines.empty(); ++number) {
    line = TakeLine(&lines);
    if (MessagePid(line) != head.pid) break;
    const absl::string_view text = MessageText(line);
    if (absl::StartsWith(text, kCommand)) {
      head.program = std::string(FirstWord(text.substr(kCommand.size())));
    } else if (absl::StartsWith(text, kParent)) {
      size_t at = kParent.size();
      head.parent = static_cast<TaskId>(ParseNumber(text, &at, 10).value_or(0));
      has_parent = true;
    }
  }
  if (head.program.empty() || !has_parent) {
    return LogError(path, number,
                    "the head of the log has no command or no parent, expected "
                    "'==PID== Command: ...' and '==PID== Parent PID: ...'");
  }
  head.forked = absl::StartsWith(line, " --> ");
  return head;
}

}  // namespace xmmu
