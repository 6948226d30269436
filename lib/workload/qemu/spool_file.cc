#include "workload/qemu/spool_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "workload/input/file_error.h"

namespace xmmu {
namespace {

constexpr size_t kPieceWords = 8192;

// The words of a spool are little-endian.
static_assert(std::endian::native == std::endian::little);

// A descriptor that is closed in the end.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int number() const { return number_; }

 private:
  int number_;
};

// Reads up to `bytes` bytes from `offset` on. Returns how many, or -1.
ssize_t ReadAt(int descriptor, void* to, size_t bytes, uint64_t offset) {
  size_t got = 0;
  while (got < bytes) {
    const ssize_t n = pread(descriptor, static_cast<char*>(to) + got,
                            bytes - got, static_cast<off_t>(offset + got));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -1;
    if (n == 0) break;
    got += static_cast<size_t>(n);
  }
  return static_cast<ssize_t>(got);
}

}  // namespace

absl::Status SpoolFile::ErrorAt(uint64_t offset, absl::string_view what) const {
  return FileError(path_, offset, what);
}

absl::Status SpoolFile::Refill() {
  const uint64_t from = offset();
  // O_NONBLOCK: a pipe without a writer is not waited for.
  const Descriptor file(open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.number() < 0) return ErrorAt(from, strerror(errno));
  struct stat facts = {};
  if (fstat(file.number(), &facts) != 0 || !S_ISREG(facts.st_mode)) {
    return ErrorAt(from, "no regular file, expected one of a recording");
  }
  words_.resize(kPieceWords);
  const ssize_t got = ReadAt(file.number(), words_.data(),
                             kPieceWords * sizeof(uint64_t), from);
  if (got < 0) return ErrorAt(from, strerror(errno));
  piece_ = from;
  at_ = words_.data();
  end_ = at_ + static_cast<size_t>(got) / sizeof(uint64_t);
  if (static_cast<size_t>(got) % sizeof(uint64_t) != 0 && at_ == end_) {
    return ErrorAt(from,
                   "the file ends here, expected a whole word of 8 bytes");
  }
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> SpoolFile::Peek() {
  const absl::Status filled = Fill();
  if (!filled.ok()) return filled;
  return at_ == end_ ? 0 : *at_;
}

absl::Status SpoolFile::Take(uint64_t count, uint64_t record,
                             std::vector<uint64_t>& words) {
  words.clear();
  while (words.size() < count) {
    const absl::Status filled = Fill();
    if (!filled.ok()) return filled;
    if (at_ == end_) {
      const absl::Status error = ErrorAt(
          offset(),
          absl::StrCat("the file ends here, expected ", count - words.size(),
                       " more words of the record at ", record));
      return IsAtBorder() ? absl::OutOfRangeError(error.message()) : error;
    }
    const auto some = std::min<uint64_t>(count - words.size(),
                                         static_cast<uint64_t>(end_ - at_));
    words.insert(words.end(), at_, at_ + some);
    at_ += some;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> SpoolFile::TakeBytes(uint64_t bytes,
                                                 uint64_t record) {
  std::vector<uint64_t> words;
  const absl::Status taken = Take((bytes + 7) / 8, record, words);
  if (!taken.ok()) return taken;
  std::string text(words.size() * 8, '\0');
  if (!words.empty()) memcpy(text.data(), words.data(), text.size());
  text.resize(bytes);
  return text;
}

void SpoolFile::Release() {
  const uint64_t from = offset();
  std::vector<uint64_t>().swap(words_);
  piece_ = from;
  at_ = end_ = words_.data();
}

}  // namespace xmmu
