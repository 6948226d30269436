#include "cli/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"

namespace xmmu::cli {
namespace {

constexpr mode_t kFileMode = 0666;  // less the umask
constexpr mode_t kRights = 0777;
// How long a pipe may take to find its reader, which may just be starting.
constexpr int kPipeTries = 40;
constexpr std::chrono::milliseconds kPipeWait{50};

absl::Status Failed(const std::string& path) {
  return absl::UnavailableError(absl::StrCat(
      path.empty() ? "standard output" : path, ": ", std::strerror(errno)));
}

// What is wrong with the path of an option, whose name Open() adds.
absl::Status Refused(const std::string& path, std::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(path, ": ", std::string(why)));
}

bool WriteAll(int descriptor, const std::string& text) {
  for (size_t done = 0; done < text.size();) {
    const ssize_t written =
        write(descriptor, text.data() + done, text.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    done += static_cast<size_t>(written);
  }
  return true;
}

// Makes a file beside `path` that was not there, whatever others may have put
// into the directory, and writes its name to `name`.
int MakeBeside(const std::string& path, std::string& name) {
  constexpr int kTries = 100;
  for (int i = 0; i < kTries; ++i) {
    // Short, as that of `path` may be as long as names can be.
    name = absl::StrCat(path.substr(0, path.rfind('/') + 1), ".xmmu.", getpid(),
                        ".", i);
    const int descriptor =
        open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
             kFileMode);
    if (descriptor >= 0 || errno != EEXIST) return descriptor;
  }
  return -1;
}

// Puts a file with `text` in the place of the one at `path`.
absl::Status Replace(const std::string& path, const std::string& text,
                     Console& console) {
  const Console::Hold hold(console);
  std::string name;
  const int descriptor = MakeBeside(path, name);
  if (descriptor < 0) return Failed(path);
  struct stat old;
  const bool same_rights = stat(path.c_str(), &old) != 0 ||
                           fchmod(descriptor, old.st_mode & kRights) == 0;
  bool good = same_rights && WriteAll(descriptor, text);
  int error = errno;
  if (close(descriptor) != 0 && good) {
    good = false;
    error = errno;
  }
  if (good && std::rename(name.c_str(), path.c_str()) == 0) {
    return absl::OkStatus();
  }
  if (good) error = errno;
  unlink(name.c_str());
  errno = error;
  return Failed(path);
}

// Whether Replace() will find the directory writable, and the name one that a
// file there can have.
absl::Status CheckReplaceable(const std::string& path, Console& console) {
  if (access(path.c_str(), W_OK) != 0 && errno != ENOENT) {
    return Refused(path, std::strerror(errno));
  }
  const Console::Hold hold(console);
  std::string name;
  const int descriptor = MakeBeside(path, name);
  if (descriptor < 0) return Refused(path, std::strerror(errno));
  close(descriptor);
  unlink(name.c_str());
  return absl::OkStatus();
}

bool IsSame(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

// A pipe is opened once somebody reads it.
int OpenInPlace(const std::string& path) {
  int descriptor = -1;
  for (int i = 0; i < kPipeTries; ++i) {
    descriptor = open(path.c_str(),
                      O_WRONLY | O_TRUNC | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (descriptor >= 0 || errno != ENXIO) break;
    std::this_thread::sleep_for(kPipeWait);
  }
  if (descriptor >= 0) {
    fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) & ~O_NONBLOCK);
  }
  return descriptor;
}

// A descriptor of this process by name, of which a copy would stand elsewhere.
bool IsDescriptor(const std::string& path) {
  return path.starts_with("/dev/") || path.starts_with("/proc/");
}

// The file that `path` leads to by links; `path` itself if there is none.
absl::StatusOr<std::string> FollowLinks(const std::string& path) {
  struct stat link;
  if (lstat(path.c_str(), &link) != 0 || !S_ISLNK(link.st_mode)) return path;
  char target[PATH_MAX];
  if (realpath(path.c_str(), target) != nullptr) return std::string(target);
  return Refused(path, absl::StrCat("a link: ", std::strerror(errno)));
}

}  // namespace

absl::Status WriteStandardOutput(const std::string& text) {
  return WriteAll(STDOUT_FILENO, text) && close(STDOUT_FILENO) == 0
             ? absl::OkStatus()
             : Failed("");
}

OutputFile::OutputFile(std::string path, int descriptor, Console& console)
    : path_(std::move(path)), descriptor_(descriptor), console_(&console) {}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      console_(other.console_) {}

OutputFile::~OutputFile() {
  if (descriptor_ > STDERR_FILENO) close(descriptor_);
}

absl::StatusOr<OutputFile> OutputFile::Open(std::string_view option,
                                            const std::string& path,
                                            std::span<const std::string> inputs,
                                            Console& console) {
  auto file = OpenPath(path, inputs, console);
  if (file.ok() || !absl::IsInvalidArgument(file.status())) return file;
  return absl::InvalidArgumentError(
      absl::StrCat("--", std::string(option), ": ", file.status().message()));
}

absl::StatusOr<OutputFile> OutputFile::OpenPath(
    const std::string& path, std::span<const std::string> inputs,
    Console& console) {
  if (path.empty()) return OutputFile("", -1, console);
  struct stat status;
  const bool exists = stat(path.c_str(), &status) == 0;
  struct stat other;
  if (exists && fstat(STDOUT_FILENO, &other) == 0 && IsSame(status, other)) {
    return OutputFile("", -1, console);
  }
  for (const std::string& input : inputs) {
    if (exists && stat(input.c_str(), &other) == 0 && IsSame(status, other)) {
      return Refused(path, "is also read; want another file");
    }
  }
  if (exists && (!S_ISREG(status.st_mode) || IsDescriptor(path))) {
    const int descriptor = OpenInPlace(path);
    if (descriptor >= 0) return OutputFile(path, descriptor, console);
    return Refused(path,
                   errno == ENXIO ? "nobody reads it" : std::strerror(errno));
  }
  const absl::StatusOr<std::string> file = FollowLinks(path);
  if (!file.ok()) return file.status();
  const absl::Status replaceable = CheckReplaceable(*file, console);
  if (!replaceable.ok()) return replaceable;
  return OutputFile(*file, -1, console);
}

bool OutputFile::IsAlso(const OutputFile& other) const {
  if (path_.empty() || other.path_.empty()) return path_ == other.path_;
  // A relative path of which nothing exists would stay relative.
  const auto whole = [](const std::string& path) {
    std::error_code error;  // of a path that is none: it stays as it is
    return std::filesystem::weakly_canonical(
        std::filesystem::absolute(path, error), error);
  };
  return whole(path_) == whole(other.path_);
}

absl::Status OutputFile::Write(const std::string& text) {
  const absl::Status begun = console_->BeginOutput();
  if (!begun.ok()) return begun;
  if (path_.empty()) return WriteStandardOutput(text);
  if (descriptor_ < 0) return Replace(path_, text, *console_);
  const bool written = WriteAll(descriptor_, text);
  const int error = errno;
  const bool closed = close(std::exchange(descriptor_, -1)) == 0;
  if (!written) errno = error;
  return written && closed ? absl::OkStatus() : Failed(path_);
}

}  // namespace xmmu::cli
