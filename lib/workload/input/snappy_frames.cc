#include "workload/input/snappy_frames.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace xmmu {
namespace {

// Chunk types (framing_format.txt, 4); the second and the last of those with
// data are DynamoRIO's.
constexpr uint8_t kCompressed = 0x00;
constexpr uint8_t kPlain = 0x01;
constexpr uint8_t kPlainUnchecked = 0x03;
constexpr uint8_t kFirstSkippable = 0x80;
constexpr uint8_t kStreamIdentifier = 0xff;

constexpr size_t kChunkHead = 4;            // bytes
constexpr size_t kChecksum = 4;             // bytes
constexpr size_t kMostContent = 64 * 1024;  // of one chunk, bytes

uint32_t LittleEndian(absl::string_view bytes) {
  uint32_t value = 0;
  for (size_t i = bytes.size(); i-- > 0;) {
    value = value << 8 | static_cast<unsigned char>(bytes[i]);
  }
  return value;
}

constexpr std::array<uint32_t, 256> kCrcTable = [] {
  constexpr uint32_t kReversedPolynomial = 0x82f63b78;
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < table.size(); ++i) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) {
      value = value >> 1 ^ ((value & 1) != 0 ? kReversedPolynomial : 0);
    }
    table[i] = value;
  }
  return table;
}();

// framing_format.txt, 3.
uint32_t Masked(uint32_t crc) {
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8;
}

// Reads the elements of a block (format_description.txt, 2).
class BlockReader {
 public:
  BlockReader(absl::string_view block, std::string* to)
      : rest_(block), to_(*to), begin_(to->size()) {}

  // The length that stands in front: a little-endian varint of 32 bits.
  bool Length(size_t* length) {
    uint64_t value = 0;
    for (int shift = 0; shift < 35 && !rest_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(rest_[0]);
      rest_.remove_prefix(1);
      value |= uint64_t{byte & 0x7fu} << shift;
      if ((byte & 0x80) == 0) {
        *length = value;
        return value <= UINT32_MAX;
      }
    }
    return false;
  }

  bool AtEnd() const { return rest_.empty(); }

  bool Element(size_t most) {
    const unsigned tag = static_cast<unsigned char>(rest_[0]);
    rest_.remove_prefix(1);
    if ((tag & 3) == 0) return Literal(tag, most);
    uint32_t low = 0;
    const size_t bytes = (tag & 3) == 3 ? 4 : tag & 3;
    if (!Take(bytes, &low)) return false;
    const bool near = (tag & 3) == 1;
    const size_t length = near ? (tag >> 2 & 7) + 4u : (tag >> 2) + 1u;
    const size_t offset = near ? (tag >> 5 << 8 | low) : low;
    return Copy(offset, length, most);
  }

 private:
  bool Take(size_t bytes, uint32_t* value) {
    if (rest_.size() < bytes) return false;
    *value = LittleEndian(rest_.substr(0, bytes));
    rest_.remove_prefix(bytes);
    return true;
  }

  bool Literal(unsigned tag, size_t most) {
    uint32_t less_one = tag >> 2;
    if (less_one >= 60 && !Take(less_one - 59, &less_one)) return false;
    const size_t length = size_t{less_one} + 1;
    if (length > rest_.size() || length > most) return false;
    to_.append(rest_.data(), length);
    rest_.remove_prefix(length);
    return true;
  }

  // A copy may overlap what it makes.
  bool Copy(size_t offset, size_t length, size_t most) {
    if (offset == 0 || offset > to_.size() - begin_ || length > most) {
      return false;
    }
    for (size_t i = 0; i < length; ++i) to_.push_back(to_[to_.size() - offset]);
    return true;
  }

  absl::string_view rest_;
  std::string& to_;
  size_t begin_;
};

}  // namespace

uint32_t Crc32c(absl::string_view bytes) {
  uint32_t crc = ~uint32_t{0};
  for (const char c : bytes) {
    crc = crc >> 8 ^ kCrcTable[(crc ^ static_cast<unsigned char>(c)) & 0xff];
  }
  return ~crc;
}

bool UncompressSnappy(absl::string_view block, size_t most, std::string* to) {
  BlockReader reader(block, to);
  size_t length = 0;
  if (!reader.Length(&length) || length > most) return false;
  const size_t end = to->size() + length;
  while (!reader.AtEnd()) {
    if (!reader.Element(end - to->size())) return false;
  }
  return to->size() == end;
}

absl::StatusOr<bool> SnappyFrames::Read(size_t size) {
  chunk_.resize(size);
  size_t have = 0;
  while (have < size) {
    const ssize_t got = pread(descriptor_, chunk_.data() + have, size - have,
                              static_cast<off_t>(position_));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          "cannot be read (", strerror(errno), "), expected its data"));
    }
    if (got == 0 && have == 0) return false;
    if (got == 0) {
      return absl::InvalidArgumentError(
          "the Snappy data ends within a chunk, expected an undamaged file");
    }
    have += static_cast<size_t>(got);
    position_ += static_cast<uint64_t>(got);
  }
  return true;
}

absl::StatusOr<absl::string_view> SnappyFrames::Next() {
  for (;;) {
    const absl::StatusOr<bool> more = Read(kChunkHead);
    if (!more.ok()) return more.status();
    if (!*more) return absl::string_view();
    const auto type = static_cast<uint8_t>(chunk_[0]);
    const size_t length = LittleEndian(absl::string_view(chunk_).substr(1));
    const bool skipped = type >= kFirstSkippable && type != kStreamIdentifier;
    if (skipped) {
      position_ += length;
      continue;
    }
    if (type > kPlainUnchecked && type != kStreamIdentifier) {
      return absl::InvalidArgumentError(
          absl::StrCat("a Snappy chunk of type ", type, ", expected 0 to 3"));
    }
    const absl::StatusOr<bool> body = Read(length);
    if (!body.ok()) return body.status();
    if (!*body && length != 0) {
      return absl::InvalidArgumentError(
          "the Snappy data ends before a chunk, expected an undamaged file");
    }
    if (type == kStreamIdentifier) {
      if (chunk_ == kSnappyMagic.substr(kChunkHead)) continue;
      return absl::InvalidArgumentError(
          "a Snappy stream without its name, expected 'sNaPpY'");
    }
    absl::StatusOr<absl::string_view> data = Data(type);
    if (!data.ok() || !data->empty()) return data;
  }
}

absl::StatusOr<absl::string_view> SnappyFrames::Data(uint8_t type) {
  absl::string_view body = chunk_;
  const bool checked = type == kCompressed || type == kPlain;
  const absl::string_view sum = body.substr(0, checked ? kChecksum : 0);
  if (checked && sum.size() != kChecksum) {
    return absl::InvalidArgumentError(
        "a Snappy chunk without room for its checksum, expected 4 bytes");
  }
  body.remove_prefix(sum.size());
  content_.clear();
  const bool plain = type == kPlain || type == kPlainUnchecked;
  if (plain && body.size() <= kMostContent) {
    content_.assign(body.data(), body.size());
  } else if (plain || !UncompressSnappy(body, kMostContent, &content_)) {
    return absl::InvalidArgumentError(
        "a Snappy chunk is damaged, expected at most 64 KiB of data in it");
  }
  if (checked && Masked(Crc32c(content_)) != LittleEndian(sum)) {
    return absl::InvalidArgumentError(
        "a Snappy chunk does not have its checksum, expected an undamaged "
        "file");
  }
  return absl::string_view(content_);
}

}  // namespace xmmu
