#include "cli/record_spool.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace xmmu::cli {

// As lib/workload/qemu/plugin/spool.h has it.
struct Spool::Status {
  static constexpr size_t kBytes = 65536;

  std::atomic<uint64_t> failed;
  std::atomic<uint64_t> used;
  uint64_t recorder;
  uint64_t pid_namespace;
  char text[kBytes - 4 * sizeof(uint64_t)];
};

namespace {

absl::Status Refuse(const std::string& directory) {
  return absl::InvalidArgumentError(absl::StrCat(
      directory, ": cannot hold a recording: ", std::strerror(errno),
      "; choose another place with -o"));
}

// The directory that `file` is in, with all links followed; empty, with errno
// set, if there is none.
std::string DirectoryOf(const std::string& file) {
  const size_t slash = file.rfind('/');
  const std::string directory =
      slash == std::string::npos ? "." : file.substr(0, slash + 1);
  char path[PATH_MAX];
  return realpath(directory.c_str(), path) == nullptr ? "" : path;
}

// Makes the file that the plug-in tells its errors in; returns its mapping, or
// null with errno set.
void* MapStatus(const std::string& directory, size_t bytes) {
  const std::string name = absl::StrCat(directory, "/status");
  const int descriptor =
      open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (descriptor < 0) return nullptr;
  const int error = posix_fallocate(descriptor, 0, static_cast<off_t>(bytes));
  void* const page = error != 0 ? MAP_FAILED
                                : mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                                       MAP_SHARED, descriptor, 0);
  if (error != 0) errno = error;
  close(descriptor);
  return page == MAP_FAILED ? nullptr : page;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Spool>> Spool::Create(
    const std::string& beside) {
  const std::string parent = DirectoryOf(beside);
  if (parent.empty()) return Refuse(beside);
  std::string directory = absl::StrCat(parent, "/.record.XXXXXX");
  if (mkdtemp(directory.data()) == nullptr) return Refuse(parent);
  void* const page = MapStatus(directory, Status::kBytes);
  if (page == nullptr) {
    const absl::Status refused = Refuse(parent);
    std::error_code ignored;
    std::filesystem::remove_all(directory, ignored);
    return refused;
  }
  auto* const status = static_cast<Status*>(page);
  struct stat own;
  status->recorder = static_cast<uint64_t>(getpid());
  if (stat("/proc/self/ns/pid", &own) == 0) status->pid_namespace = own.st_ino;
  return std::unique_ptr<Spool>(new Spool(std::move(directory), status));
}

Spool::~Spool() {
  munmap(status_, Status::kBytes);
  std::error_code ignored;
  if (!kept_) std::filesystem::remove_all(directory_, ignored);
}

bool Spool::HasFailed() const { return status_->failed != 0; }

std::vector<std::string> Spool::Lines() const {
  const size_t used = std::min<size_t>(status_->used, sizeof(status_->text));
  const std::string text(status_->text, used);
  std::vector<std::string> lines;
  for (const absl::string_view part : absl::StrSplit(text, '\n')) {
    const std::string line(part);
    if (line.empty() || line.front() == '\0') continue;
    if (std::find(lines.begin(), lines.end(), line) == lines.end()) {
      lines.push_back(line);
    }
  }
  return lines;
}

bool Spool::HasFiles(bool (*of_interest)(const std::string& extension)) const {
  std::error_code ignored;
  for (const auto& entry :
       std::filesystem::directory_iterator(directory_, ignored)) {
    if (of_interest(entry.path().extension())) return true;
  }
  return false;
}

bool Spool::HasBegun() const {
  return HasFiles(
      [](const std::string& extension) { return extension == ".blocks"; });
}

// A thread has a file from its first instruction on.
bool Spool::HasPrograms() const {
  return HasFiles([](const std::string& extension) {
    return extension.size() > 1 && extension[1] >= '0' && extension[1] <= '9';
  });
}

}  // namespace xmmu::cli
