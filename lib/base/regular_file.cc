#include "base/regular_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/text.h"

namespace xmmu {
namespace {

constexpr size_t kChunk = 64 << 10;

absl::Status Unreadable(const std::string& path) {
  return absl::InvalidArgumentError(
      absl::StrCat("cannot read ", path, ": ", std::strerror(errno)));
}

// Names what stands at a path instead of a regular file, for the error.
std::string_view KindOf(mode_t mode) {
  if (S_ISDIR(mode)) return "a directory";
  if (S_ISFIFO(mode)) return "a pipe";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

absl::StatusOr<std::string> ReadAll(int descriptor, const std::string& path,
                                    uint64_t max_bytes) {
  std::string text;
  // The size is not asked for: a file may grow, and those of /proc report none.
  while (true) {
    const size_t size = text.size();
    text.resize(size + kChunk);
    const ssize_t got = read(descriptor, text.data() + size, kChunk);
    if (got < 0 && errno != EINTR) return Unreadable(path);
    text.resize(size + static_cast<size_t>(got < 0 ? 0 : got));
    if (got == 0) return text;
    if (text.size() > max_bytes) {
      return absl::InvalidArgumentError(absl::StrCat(
          path, ": larger than can be, want at most ", max_bytes, " bytes"));
    }
  }
}

}  // namespace

absl::StatusOr<std::string> ReadRegularFile(const std::string& path,
                                            uint64_t max_bytes) {
  // Without O_NONBLOCK opening a pipe would wait for a writer. Opening a socket
  // fails with ENXIO; stat() then tells what it is.
  const int descriptor =
      open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  struct stat status;
  if (descriptor < 0 && errno != ENXIO) return Unreadable(path);
  if (descriptor < 0 ? stat(path.c_str(), &status) != 0
                     : fstat(descriptor, &status) != 0) {
    return Unreadable(path);
  }
  if (descriptor < 0 || !S_ISREG(status.st_mode)) {
    if (descriptor >= 0) close(descriptor);
    return absl::InvalidArgumentError(
        absl::StrCat("cannot read ", path, ": it is ",
                     Abs(KindOf(status.st_mode)), ", want a regular file"));
  }
  absl::StatusOr<std::string> text = ReadAll(descriptor, path, max_bytes);
  close(descriptor);
  return text;
}

}  // namespace xmmu
