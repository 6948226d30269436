#include "compare/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace xmmu::compare {
namespace {

constexpr mode_t kFileMode = 0666;  // less the umask

absl::Status Failed(const std::string& path) {
  return absl::UnavailableError(absl::StrCat(
      path.empty() ? "standard output" : path, ": ", std::strerror(errno)));
}

// A device or a pipe is written in place; a regular file is replaced.
bool IsReplaceable(const std::string& path) {
  struct stat status;
  return stat(path.c_str(), &status) != 0 || S_ISREG(status.st_mode);
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

}  // namespace

OutputFile::OutputFile(std::string path, std::string temporary, int descriptor)
    : path_(std::move(path)),
      temporary_(std::move(temporary)),
      descriptor_(descriptor) {}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::move(other.temporary_)),
      descriptor_(std::exchange(other.descriptor_, -1)) {
  other.temporary_.clear();
}

OutputFile::~OutputFile() {
  if (descriptor_ > STDERR_FILENO) close(descriptor_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

absl::StatusOr<OutputFile> OutputFile::Open(const std::string& path) {
  if (path.empty()) return OutputFile("", "", STDOUT_FILENO);
  std::string temporary;
  if (IsReplaceable(path)) temporary = absl::StrCat(path, ".tmp.", getpid());
  const std::string& name = temporary.empty() ? path : temporary;
  const int descriptor =
      open(name.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, kFileMode);
  if (descriptor < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("--output: ", Failed(path).message()));
  }
  return OutputFile(path, std::move(temporary), descriptor);
}

absl::Status OutputFile::Write(const std::string& text) {
  if (!WriteAll(descriptor_, text)) return Failed(path_);
  if (path_.empty()) return absl::OkStatus();
  if (close(std::exchange(descriptor_, -1)) != 0) return Failed(path_);
  if (temporary_.empty()) return absl::OkStatus();
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0) return Failed(path_);
  temporary_.clear();
  return absl::OkStatus();
}

}  // namespace xmmu::compare
