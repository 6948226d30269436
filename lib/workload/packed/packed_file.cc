#include "workload/packed/packed_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "workload/input/file_error.h"

namespace xmmu {
namespace {

// Offsets in the header.
constexpr size_t kVersionAt = 8;
constexpr size_t kHeaderCrcAt = 12;
constexpr size_t kTailOffsetAt = 16;
constexpr size_t kTailBytesAt = 24;
constexpr size_t kTailCrcAt = 32;
constexpr size_t kHashAt = 36;
constexpr size_t kHashDigits = 40;

}  // namespace

absl::Status PackedFile::ErrorAt(uint64_t offset,
                                 absl::string_view what) const {
  return FileError(path_, offset, what);
}

absl::StatusOr<std::unique_ptr<PackedFile>> PackedFile::Open(
    const std::string& path) {
  std::unique_ptr<PackedFile> file(new PackedFile(path));
  absl::Status status = file->OpenFile();
  if (status.ok()) status = file->ReadHeader();
  if (status.ok()) status = file->ReadTail();
  if (!status.ok()) return status;
  return file;
}

PackedFile::~PackedFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

absl::Status PackedFile::OpenFile() {
  // O_NONBLOCK keeps open() from waiting at a pipe.
  descriptor_ =
      open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  struct stat info;
  if (descriptor_ < 0 || fstat(descriptor_, &info) != 0) {
    return ErrorAt(0, absl::StrCat("cannot be opened (", strerror(errno),
                                   "), expected a packed trace"));
  }
  if (!S_ISREG(info.st_mode)) {
    return ErrorAt(0, "is no regular file, expected a packed trace");
  }
  size_ = static_cast<uint64_t>(info.st_size);
  return absl::OkStatus();
}

absl::Status PackedFile::Read(uint64_t offset, uint64_t bytes,
                              std::string* to) const {
  to->resize(static_cast<size_t>(bytes));
  size_t done = 0;
  while (done < to->size()) {
    const ssize_t got = pread(descriptor_, to->data() + done, to->size() - done,
                              static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      return ErrorAt(offset, absl::StrCat("cannot be read (", strerror(errno),
                                          "), expected ", bytes, " bytes"));
    }
    if (got == 0) {
      return ErrorAt(offset + done,
                     absl::StrCat("the file ends here, expected ",
                                  to->size() - done, " more bytes"));
    }
    done += static_cast<size_t>(got);
  }
  return absl::OkStatus();
}

absl::Status PackedFile::ReadHeader() {
  std::string bytes;
  absl::Status read = Read(0, kPackedMagic.size() + 4, &bytes);
  if (!read.ok()) return read;
  if (!absl::StartsWith(bytes, Abs(kPackedMagic))) {
    return ErrorAt(0, "no packed trace, expected its signature");
  }
  const uint32_t version = Fixed32(&bytes[kVersionAt]);
  if (version == 0 || version > kPackedVersion) {
    return ErrorAt(
        kVersionAt,
        absl::StrCat("a packed trace of version ", version,
                     ", expected one from 1 to ", kPackedVersion,
                     version == 0 ? "" : ": a newer xmmu may read it"));
  }
  read = Read(0, kPackedHeaderBytes, &bytes);
  if (!read.ok()) return read;
  const absl::string_view whole = bytes;
  const uint32_t crc =
      Crc32(whole.substr(kTailOffsetAt), Crc32(whole.substr(0, kHeaderCrcAt)));
  if (crc != Fixed32(&bytes[kHeaderCrcAt])) {
    return ErrorAt(
        kHeaderCrcAt,
        absl::StrCat("the header is damaged: its checksum is ",
                     Fixed32(&bytes[kHeaderCrcAt]), ", expected ", crc));
  }
  header_ = {.tail_offset = Fixed64(&bytes[kTailOffsetAt]),
             .tail_bytes = Fixed64(&bytes[kTailBytesAt]),
             .tail_crc = Fixed32(&bytes[kTailCrcAt]),
             .content_hash = std::string(whole.substr(kHashAt, kHashDigits))};
  return absl::OkStatus();
}

absl::Status PackedFile::ReadTail() {
  const auto& [offset, bytes, stated_crc, hash] = header_;
  if (offset < kPackedHeaderBytes || bytes > kMostTailBytes ||
      offset > uint64_t{1} << 62) {
    return ErrorAt(kTailOffsetAt,
                   absl::StrCat("an index of ", bytes, " bytes at ", offset,
                                ", expected one behind the header"));
  }
  if (size_ < offset + bytes) {
    return ErrorAt(size_, absl::StrCat("the file ends here, expected ",
                                       offset + bytes - size_, " more bytes"));
  }
  if (size_ > offset + bytes) {
    return ErrorAt(offset + bytes,
                   absl::StrCat(size_ - offset - bytes,
                                " bytes behind the index, expected none"));
  }
  std::string tail;
  const absl::Status read = Read(offset, bytes, &tail);
  if (!read.ok()) return read;
  const uint32_t crc = Crc32(tail);
  if (crc != stated_crc) {
    return ErrorAt(offset, absl::StrCat("the index is damaged: its checksum "
                                        "is ",
                                        crc, ", expected ", stated_crc));
  }
  std::optional<PackedDirectory> directory = ParseDirectory(tail, offset);
  if (!directory.has_value() || hash != ContentHashOf(*directory)) {
    return ErrorAt(offset,
                   "an index that cannot be, expected one of the blocks");
  }
  directory_ = *std::move(directory);
  return absl::OkStatus();
}

absl::Status PackedFile::ReadBlock(const IndexedTask& task, size_t number,
                                   ColumnBytes* columns) {
  const uint64_t at = task.blocks[number].offset;
  const uint64_t room = header_.tail_offset - at;
  std::string head;
  absl::Status read =
      Read(at, std::min<uint64_t>(room, kBlockHeaderBytes), &head);
  if (!read.ok()) return read;
  if (head.size() < kBlockHeaderBytes) {
    return ErrorAt(at,
                   "a block that reaches into the index, expected one "
                   "before it");
  }
  const BlockHeader header = ParseBlockHeader(head);
  if (header.unpacked > kMostBlockBytes ||
      header.packed > 2 * kMostBlockBytes ||
      header.packed > room - kBlockHeaderBytes) {
    return ErrorAt(
        at, absl::StrCat("a block of ", header.packed, " bytes for ",
                         header.unpacked, ", expected less: it is damaged"));
  }
  read = Read(at + kBlockHeaderBytes, header.packed, &packed_);
  if (!read.ok()) return read;
  if (CrcOf(head, packed_) != StatedCrc(head)) {
    return ErrorAt(
        at, absl::StrCat("a block is damaged: its checksum is ",
                         CrcOf(head, packed_), ", expected ", StatedCrc(head)));
  }
  if (header.task != task.task.id ||
      header.first != task.blocks[number].first ||
      header.operations != OperationsOf(task, number)) {
    return ErrorAt(
        at, absl::StrCat("a block of task ", header.task, " from operation ",
                         header.first, ", expected task ", task.task.id,
                         " from operation ", task.blocks[number].first,
                         " as the index has it"));
  }
  const char* const wrong = unpacker_.Unpack(packed_, header.unpacked, columns);
  if (wrong != nullptr) {
    return ErrorAt(at + kBlockHeaderBytes,
                   absl::StrCat(wrong, ", expected none"));
  }
  return absl::OkStatus();
}

}  // namespace xmmu
