#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "workload/input/file_error.h"
#include "workload/lackey/log_text.h"
#include "workload/lackey/task_stream.h"
#include "workload/process/system_call.h"

namespace xmmu {
namespace {

constexpr absl::string_view kExpectedTitle =
    "expected '==PID== Lackey, an example Valgrind tool'";

// Gives the lines at the start of a file, one by one.
class HeadLines {
 public:
  explicit HeadLines(LogFile* file) : file_(file) {}

  // Returns nothing at the end of the file.
  absl::StatusOr<std::optional<absl::string_view>> Next() {
    if (lines_.empty()) {
      const absl::StatusOr<absl::string_view> block = file_->NextLines();
      if (!block.ok()) return block.status();
      lines_ = *block;
      if (lines_.empty()) return std::nullopt;
    }
    ++number_;
    const size_t end = lines_.find('\n');
    const absl::string_view line = lines_.substr(0, end);
    lines_.remove_prefix(end + 1);
    return line;
  }

  uint64_t number() const { return number_; }  // of the last line

 private:
  LogFile* file_;
  absl::string_view lines_;
  uint64_t number_ = 0;
};

// Says what a file is that does not start with the title, as far as that shows.
std::string Foreign(absl::string_view begin) {
  static constexpr struct {
    absl::string_view start;
    absl::string_view what;
  } kKinds[] = {
      {"\x1f\x8b", "compressed twice by gzip"},
      {"\xfd"
       "7zXZ",
       "compressed by xz, expected a plain log or one of gzip"},
      {"\x28\xb5\x2f\xfd",
       "compressed by zstd, expected a plain log or one of gzip"},
      {"BZh", "compressed by bzip2, expected a plain log or one of gzip"},
      {"PK\x03\x04", "a zip file, expected a plain log or one of gzip"},
      {"<?xml", "the output of another Valgrind tool (--xml=yes)"},
      {"I  ", "a log without its head (recorded with -q?)"},
      {" L ", "a log without its head (recorded with -q?)"},
      {" S ", "a log without its head (recorded with -q?)"},
      {" M ", "a log without its head (recorded with -q?)"},
      {"SYSCALL[", "a log without its head (recorded with -q?)"},
  };
  for (const auto& kind : kKinds) {
    if (!absl::StartsWith(begin, kind.start)) continue;
    const bool says = absl::StrContains(kind.what, "expected");
    return absl::StrCat(kind.what, says ? "" : ", ",
                        says ? "" : kExpectedTitle);
  }
  return absl::StrCat("no Lackey log, ", kExpectedTitle);
}

// The first line must be Lackey's title, behind the mark with the process id.
absl::Status CheckTitle(const std::string& path, absl::string_view line) {
  const absl::string_view text = MessageText(line);
  if (text.size() == line.size()) return FileError(path, 1, Foreign(line));
  if (!absl::StartsWith(text, kLackeyTitle)) {
    return FileError(path, 1,
                     absl::StrCat("'", Shown(text), "' is no log of Lackey's, ",
                                  kExpectedTitle));
  }
  if (MessagePid(line) != 0) return absl::OkStatus();
  return FileError(
      path, 1,
      absl::StrCat("'", Shown(line.substr(0, line.size() - text.size())),
                   "' names no process, expected an id from 1 to ",
                   kProcessIdEnd - 1));
}

// Reads the title. What is no log at all is told by its beginning, which is
// looked at before an error of its lines: it may have no newline at all.
absl::Status ReadTitle(const LogFile& file, HeadLines& lines, LogHead* head) {
  const auto line = lines.Next();
  const absl::string_view begin = file.buffered();
  if (!begin.empty() && MessageText(begin).size() == begin.size()) {
    return FileError(head->path, 1, Foreign(begin));
  }
  if (!line.ok()) return line.status();
  if (!line->has_value()) {
    return FileError(head->path, 1,
                     absl::StrCat("the file is empty, ", kExpectedTitle));
  }
  head->pid = MessagePid(**line);
  return CheckTitle(head->path, **line);
}

// Reads "Parent PID: 7".
absl::Status ReadParent(absl::string_view text, uint64_t line, LogHead* head) {
  size_t at = kParent.size();
  const auto parent = ParseNumber(text, &at, 10);
  if (!parent.has_value() || *parent >= kProcessIdEnd || at != text.size()) {
    return FileError(head->path, line,
                     absl::StrCat("'", Shown(text), "', expected '", kParent,
                                  "' and a process id below ", kProcessIdEnd));
  }
  head->parent = static_cast<TaskId>(*parent);
  return absl::OkStatus();
}

// Reads the messages of the process up to the first other line, which in the
// log of a forked process is the return of the fork. An error of a line behind
// the parent is left to the stream, which reads all lines again.
absl::Status ReadMessages(HeadLines& lines, LogHead* head, bool* has_parent) {
  for (;;) {
    const auto line = lines.Next();
    if (!line.ok() && !*has_parent) return line.status();
    if (!line.ok() || !line->has_value()) return absl::OkStatus();
    const absl::string_view text = MessageText(**line);
    if (MessagePid(**line) != head->pid) {
      head->forked = absl::StartsWith(**line, " --> ");
      return absl::OkStatus();
    }
    if (absl::StartsWith(text, kCommand)) {
      head->command = std::string(text.substr(kCommand.size()));
      head->program = std::string(FirstWord(head->command));
    } else if (absl::StartsWith(text, kParent)) {
      const absl::Status read = ReadParent(text, lines.number(), head);
      if (!read.ok()) return read;
      *has_parent = true;
    }
  }
}

}  // namespace

absl::StatusOr<LogHead> ReadLogHead(const std::string& path) {
  absl::StatusOr<std::unique_ptr<LogFile>> file = LogFile::Open(path);
  if (!file.ok()) return file.status();
  HeadLines lines(file->get());
  LogHead head;
  head.path = path;
  bool has_parent = false;
  absl::Status read = ReadTitle(**file, lines, &head);
  if (read.ok()) read = ReadMessages(lines, &head, &has_parent);
  if (!read.ok()) return read;
  if (head.program.empty() || !has_parent) {
    return FileError(
        path, lines.number(),
        "the head of the log has no command or no parent, expected "
        "'==PID== Command: ...' and '==PID== Parent PID: ...', "
        "as --log-file=NAME.%p writes");
  }
  return head;
}

}  // namespace xmmu
