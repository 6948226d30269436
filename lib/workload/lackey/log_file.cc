#include "workload/lackey/log_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "workload/input/file_error.h"

namespace xmmu {
namespace {

// The buffer is so large that the work for each block is nothing beside parsing
// it.
constexpr size_t kBufferSize = 64 * 1024;

constexpr absl::string_view kGzipMagic = "\x1f\x8b";  // RFC 1952

absl::string_view KindOf(mode_t mode) {
  if (S_ISDIR(mode)) return "is a directory";
  if (S_ISFIFO(mode)) return "is a pipe and no regular file";
  if (S_ISSOCK(mode)) return "is a socket and no regular file";
  return "is a device and no regular file";
}

}  // namespace

absl::Status LogFile::Error(uint64_t line, absl::string_view what) const {
  return FileError(path_, line, what);
}

// The line in question follows those given out and those that are whole in the
// buffer.
absl::Status LogFile::ErrorHere(absl::string_view what) const {
  const char* begin = buffer_.data();
  const auto whole = std::count(begin, begin + filled_, '\n');
  return Error(lines_ + static_cast<uint64_t>(whole) + 1, what);
}

absl::StatusOr<std::unique_ptr<LogFile>> LogFile::Open(
    const std::string& path) {
  std::unique_ptr<LogFile> log(new LogFile(path));
  struct stat info;
  // The path is looked at before it is opened, as opening a device can have
  // effects, and again after, as it may be another file by then. O_NONBLOCK
  // keeps open() from waiting at a pipe.
  bool is_there = stat(path.c_str(), &info) == 0;
  if (is_there && S_ISREG(info.st_mode)) {
    log->descriptor_ = open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    is_there = log->descriptor_ >= 0 && fstat(log->descriptor_, &info) == 0;
  }
  if (!is_there) {
    return log->Error(1, absl::StrCat("cannot be read (", strerror(errno),
                                      "), expected a Lackey log"));
  }
  if (!S_ISREG(info.st_mode)) {
    return log->Error(
        1, absl::StrCat(KindOf(info.st_mode), ", expected a Lackey log"));
  }
  log->buffer_.resize(kBufferSize);
  const absl::StatusOr<size_t> begin = log->Read(log->buffer_.data(), 2);
  if (!begin.ok()) return begin.status();
  log->gzip_ =
      *begin == 2 && absl::string_view(log->buffer_.data(), 2) == kGzipMagic;
  if (lseek(log->descriptor_, 0, SEEK_SET) != 0) {
    return log->Error(1, "cannot be read from its start, expected a file");
  }
  if (log->gzip_) {
    log->input_.resize(kBufferSize);
    // Adding 16 makes zlib accept gzip alone (zlib.h).
    if (inflateInit2(&log->stream_, 16 + MAX_WBITS) != Z_OK) {
      log->gzip_ = false;
      return log->Error(1, "no memory to decompress it, expected some");
    }
  }
  return log;
}

LogFile::~LogFile() {
  if (gzip_) inflateEnd(&stream_);
  if (descriptor_ >= 0) close(descriptor_);
}

absl::StatusOr<size_t> LogFile::Read(char* to, size_t room) {
  for (;;) {
    const ssize_t got = read(descriptor_, to, room);
    if (got >= 0) return static_cast<size_t>(got);
    if (errno == EINTR) continue;
    return ErrorHere(absl::StrCat("the data cannot be read (", strerror(errno),
                                  "), expected an undamaged file"));
  }
}

absl::StatusOr<size_t> LogFile::Inflate(char* to, size_t room) {
  stream_.next_out = reinterpret_cast<Bytef*>(to);
  stream_.avail_out = static_cast<uInt>(room);
  while (stream_.avail_out == room) {
    if (stream_.avail_in == 0) {
      const absl::StatusOr<size_t> got = Read(input_.data(), input_.size());
      if (!got.ok()) return got.status();
      if (*got == 0 && !in_member_) return size_t{0};
      if (*got == 0) {
        return ErrorHere("the compressed data is cut off, expected more");
      }
      stream_.next_in = reinterpret_cast<Bytef*>(input_.data());
      stream_.avail_in = static_cast<uInt>(*got);
    }
    if (!in_member_) {
      inflateReset(&stream_);
      in_member_ = true;
    }
    // After a whole member either another one begins or the file must end.
    const bool more = members_ == 0 || stream_.total_in > 0 ||
                      *stream_.next_in == static_cast<Bytef>(kGzipMagic[0]);
    const int result = more ? inflate(&stream_, Z_NO_FLUSH) : Z_DATA_ERROR;
    if (result == Z_STREAM_END) {
      in_member_ = false;
      ++members_;
    } else if (result != Z_OK) {
      filled_ += room - stream_.avail_out;  // the lines before the damage
      if (members_ > 0 && stream_.total_out == 0) {
        return ErrorHere(
            "something else follows the compressed data, expected its end or "
            "more of gzip's");
      }
      const char* why = stream_.msg == nullptr ? "damaged" : stream_.msg;
      return ErrorHere(absl::StrCat("the data cannot be read (", why,
                                    "), expected an undamaged file"));
    }
  }
  return room - stream_.avail_out;
}

absl::StatusOr<bool> LogFile::Fill() {
  while (filled_ < buffer_.size()) {
    char* to = buffer_.data() + filled_;
    const size_t room = buffer_.size() - filled_;
    const absl::StatusOr<size_t> got =
        gzip_ ? Inflate(to, room) : Read(to, room);
    if (!got.ok()) return got.status();
    if (*got == 0) return false;
    filled_ += *got;
  }
  return true;
}

// What the last call did not give out, a line without its end, moves to the
// front of the buffer and is completed there.
absl::StatusOr<absl::string_view> LogFile::NextLines() {
  lines_ += static_cast<uint64_t>(
      std::count(buffer_.data(), buffer_.data() + given_, '\n'));
  memmove(buffer_.data(), buffer_.data() + given_, filled_ - given_);
  filled_ -= given_;
  given_ = 0;
  const absl::StatusOr<bool> more = Fill();
  if (!more.ok()) return more.status();
  // All whole lines of the buffer are given out at once.
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
  const absl::string_view mark(buffer_.data(), 2);
  if (mark != "==" && mark != "--" && mark != "**") {
    return Error(lines_ + 1, absl::StrCat("a line of more than ", filled_,
                                          " bytes, expected a Lackey record"));
  }
  // The front half of the line is kept, and the newline is looked for in the
  // other half.
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
