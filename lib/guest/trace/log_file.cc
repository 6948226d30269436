#include "guest/trace/log_file.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"

namespace xmmu {
namespace {

// Large enough that the work for each block is nothing beside parsing it.
constexpr size_t kBufferSize = 64 * 1024;

}  // namespace

absl::Status LogError(absl::string_view file, uint64_t line,
                      absl::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat(absl::StrReplaceAll(file, {{"\n", "?"}}), ":", line, ": ",
                   absl::StrReplaceAll(what, {{"\n", "?"}})));
}

absl::Status LogFile::Error(uint64_t line, absl::string_view what) const {
  return LogError(path_, line, what);
}

absl::StatusOr<std::unique_ptr<LogFile>> LogFile::Open(
    const std::string& path) {
  std::unique_ptr<LogFile> log(new LogFile(path));
  struct stat info;
  if (stat(path.c_str(), &info) != 0) {
    return log->Error(1, absl::StrCat("cannot be read (", strerror(errno),
                                      "), expected a Lackey log"));
  }
  if (!S_ISREG(info.st_mode)) {
    return log->Error(1, S_ISDIR(info.st_mode)
                             ? "is a directory, expected a Lackey log"
                             : "is no regular file, expected a Lackey log");
  }
  log->file_.reset(gzopen(path.c_str(), "rb"));
  if (log->file_ == nullptr) {
    return log->Error(1, absl::StrCat("cannot be read (", strerror(errno),
                                      "), expected a Lackey log"));
  }
  gzbuffer(log->file_.get(), kBufferSize);
  log->buffer_.resize(kBufferSize);
  return log;
}

absl::StatusOr<bool> LogFile::Fill() {
  const size_t room = buffer_.size() - filled_;
  const int got = gzread(file_.get(), buffer_.data() + filled_,
                         static_cast<unsigned>(room));
  if (got > 0) filled_ += static_cast<size_t>(got);
  if (got == static_cast<int>(room)) return true;
  int error = Z_OK;
  const char* message = gzerror(file_.get(), &error);
  if (got >= 0 && error == Z_OK) return false;
  const char* lines_begin = buffer_.data();
  const auto whole = std::count(lines_begin, lines_begin + filled_, '\n');
  const uint64_t line = lines_ + static_cast<uint64_t>(whole) + 1;
  if (error == Z_BUF_ERROR) {
    return Error(line, "the compressed data is cut off, expected more");
  }
  absl::string_view reason = message;
  absl::ConsumePrefix(&reason, path_ + ": ");
  if (error == Z_ERRNO) reason = strerror(errno);
  return Error(line, absl::StrCat("the data cannot be read (", reason,
                                  "), expected an undamaged file"));
}

absl::StatusOr<absl::string_view> LogFile::NextLines() {
  lines_ += static_cast<uint64_t>(
      std::count(buffer_.data(), buffer_.data() + given_, '\n'));
  memmove(buffer_.data(), buffer_.data() + given_, filled_ - given_);
  filled_ -= given_;
  given_ = 0;
  const absl::StatusOr<bool> more = Fill();
  if (!more.ok()) return more.status();
  const absl::string_view data(buffer_.data(), filled_);
  const size_t last = data.rfind('\n');
  if (last != absl::string_view::npos) {
    given_ = last + 1;
    return data.substr(0, given_);
  }
  if (*more) {
    const absl::Status cut = CutLongLine();
    if (!cut.ok()) return cut;
    return absl::string_view(buffer_.data(), given_);
  }
  if (data.empty()) return data;
  return Error(lines_ + 1,
               "the last line is cut off, expected a log with its end");
}

absl::Status LogFile::CutLongLine() {
  if (absl::string_view(buffer_.data(), 2) != "==") {
    return Error(lines_ + 1, absl::StrCat("a line of more than ", filled_,
                                          " bytes, expected a Lackey record"));
  }
  // Keeps the front half and looks for the newline in the other.
  const size_t half = buffer_.size() / 2;
  for (bool more = true;;) {
    const absl::string_view data(buffer_.data(), filled_);
    const size_t end = data.find('\n', half);
    if (end != absl::string_view::npos) {
      memmove(buffer_.data() + half, buffer_.data() + end, filled_ - end);
      filled_ -= end - half;
      given_ = half + 1;
      return absl::OkStatus();
    }
    if (!more) {
      return Error(lines_ + 1,
                   "the last line is cut off, expected a log with its end");
    }
    filled_ = half;
    const absl::StatusOr<bool> filled = Fill();
    if (!filled.ok()) return filled.status();
    more = *filled;
  }
}

}  // namespace xmmu
