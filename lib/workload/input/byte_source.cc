#include "workload/input/byte_source.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "workload/input/file_error.h"

namespace xmmu {
namespace {

constexpr size_t kReadAtOnce = 64 * 1024;              // bytes
constexpr absl::string_view kZipMagic = "PK\x03\x04";  // APPNOTE.TXT 4.3.7

// What libarchive found wrong, less its full stop.
std::string WhyOf(archive* reader) {
  const char* const text = archive_error_string(reader);
  return text == nullptr ? "damaged" : text;
}

}  // namespace

absl::Status ByteSource::ErrorAt(uint64_t position,
                                 absl::string_view what) const {
  return FileError(path_, position, what);
}

absl::StatusOr<std::unique_ptr<ByteSource>> ByteSource::Open(
    const std::string& path) {
  std::unique_ptr<ByteSource> source(new ByteSource(path));
  // O_NONBLOCK keeps open() from waiting at a pipe.
  const int descriptor =
      open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (descriptor < 0) {
    return source->ErrorAt(0,
                           absl::StrCat("cannot be opened (", strerror(errno),
                                        "), expected a file to read"));
  }
  source->descriptor_ = descriptor;
  struct stat info;
  if (fstat(descriptor, &info) != 0 || !S_ISREG(info.st_mode)) {
    return source->ErrorAt(0, "is no regular file, expected a trace");
  }
  if (info.st_size == 0) {
    return source->ErrorAt(0, "is empty, expected a trace");
  }
  const absl::Status begun = source->Begin(descriptor);
  if (!begun.ok()) return begun;
  return source;
}

// Filters are named one by one: libarchive's old .lzma takes the bytes 19 00 00
// 00 01 for its own, which is how a drmemtrace begins.
absl::Status ByteSource::Begin(int descriptor) {
  char bytes[kSnappyMagic.size()];
  const ssize_t got = pread(descriptor, bytes, sizeof(bytes), 0);
  const absl::string_view magic(bytes, got < 0 ? 0 : static_cast<size_t>(got));
  if (magic == kSnappyMagic) {
    snappy_ = std::make_unique<SnappyFrames>(descriptor);
    return absl::OkStatus();
  }
  zip_ = absl::StartsWith(magic, kZipMagic);
  archive_ = archive_read_new();
  if (archive_ == nullptr) return ErrorAt(0, "no memory to read it");
  if (zip_) {
    archive_read_support_format_zip_seekable(archive_);
  } else {
    archive_read_support_filter_gzip(archive_);
    archive_read_support_filter_xz(archive_);
    archive_read_support_filter_bzip2(archive_);
    archive_read_support_filter_lz4(archive_);
    archive_read_support_filter_zstd(archive_);
    archive_read_support_format_raw(archive_);
  }
  if (archive_read_open_fd(archive_, descriptor, kReadAtOnce) != ARCHIVE_OK) {
    return ErrorAt(
        0, zip_ ? "a zip that is cut off, or none, expected its directory at "
                  "the end"
                : absl::StrCat("the data cannot be read (", WhyOf(archive_),
                               "), expected an undamaged file"));
  }
  return absl::OkStatus();
}

ByteSource::~ByteSource() {
  if (archive_ != nullptr) archive_read_free(archive_);
  if (descriptor_ >= 0) close(descriptor_);
}

absl::StatusOr<bool> ByteSource::NextMember() {
  archive_entry* entry = nullptr;
  const int got = archive_read_next_header(archive_, &entry);
  if (got == ARCHIVE_EOF) return false;
  if (got != ARCHIVE_OK) {
    return ErrorAt(offset_ + given_,
                   absl::StrCat("the data cannot be read (", WhyOf(archive_),
                                "), expected an undamaged file"));
  }
  member_ = members_++;
  in_member_ = true;
  return true;
}

absl::StatusOr<absl::string_view> ByteSource::Next() {
  offset_ += std::exchange(given_, 0);
  if (snappy_ != nullptr) {
    absl::StatusOr<absl::string_view> bytes = snappy_->Next();
    if (!bytes.ok()) return ErrorAt(offset_, bytes.status().message());
    given_ = bytes->size();
    return bytes;
  }
  for (;;) {
    if (ended_) return absl::string_view();
    if (!in_member_) {
      const absl::StatusOr<bool> more = NextMember();
      if (!more.ok()) return more.status();
      ended_ = !*more;
      continue;
    }
    const void* block = nullptr;
    size_t bytes = 0;
    int64_t at = 0;
    const int got = archive_read_data_block(archive_, &block, &bytes, &at);
    if (got == ARCHIVE_EOF) {
      in_member_ = false;
      continue;
    }
    if (got != ARCHIVE_OK) {
      return ErrorAt(offset_,
                     absl::StrCat("the data cannot be read (", WhyOf(archive_),
                                  "), expected an undamaged file"));
    }
    if (bytes == 0) continue;
    given_ = bytes;
    return absl::string_view(static_cast<const char*>(block), bytes);
  }
}

}  // namespace xmmu
