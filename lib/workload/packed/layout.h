#ifndef XMMU_LIB_WORKLOAD_PACKED_LAYOUT_H_
#define XMMU_LIB_WORKLOAD_PACKED_LAYOUT_H_

// The numbers of the packed trace and how they are written. lib/workload's
// README, "The packed trace", is the text that this follows. Pure functions.

#include <zlib.h>

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "absl/base/optimization.h"
#include "absl/strings/string_view.h"
#include "xmmu/workload/workload.h"

namespace xmmu {

// The first byte is no text's, and a transfer that changes ends of lines
// changes the others (the signature of PNG has the same reasons).
inline constexpr std::string_view kPackedMagic = "\x89XMMU\r\n\x1a";
inline constexpr uint32_t kPackedVersion = 1;
inline constexpr size_t kPackedHeaderBytes = 80;
inline constexpr size_t kBlockHeaderBytes = 32;
inline constexpr uint32_t kMostBlockOps = 1u << 18;
// Of the columns of a block: the writer ends a block within 1024 operations, of
// less than 80 bytes each, of half as many.
inline constexpr uint32_t kMostBlockBytes = 8u << 20;
inline constexpr uint64_t kMostTailBytes = uint64_t{1} << 30;

// The operations by their number in the file, which never changes; a new kind
// goes to the end.
inline constexpr std::array kPackedKinds = {
    GuestOpKind::kFetch,    GuestOpKind::kLoad,      GuestOpKind::kStore,
    GuestOpKind::kModify,   GuestOpKind::kMap,       GuestOpKind::kUnmap,
    GuestOpKind::kProtect,  GuestOpKind::kRemap,     GuestOpKind::kDiscard,
    GuestOpKind::kAdvise,   GuestOpKind::kCopyIn,    GuestOpKind::kCopyOut,
    GuestOpKind::kOpenFile, GuestOpKind::kCloseFile, GuestOpKind::kRemoveFile,
    GuestOpKind::kFork,     GuestOpKind::kVfork,     GuestOpKind::kExec,
    GuestOpKind::kClone,    GuestOpKind::kWait,      GuestOpKind::kYield,
    GuestOpKind::kSyscall,  GuestOpKind::kExit,      GuestOpKind::kPost,
    GuestOpKind::kAwait};

constexpr bool IsAccess(GuestOpKind kind) {
  return kind == GuestOpKind::kFetch || kind == GuestOpKind::kLoad ||
         kind == GuestOpKind::kStore || kind == GuestOpKind::kModify;
}

uint8_t PackedNumberOf(GuestOpKind kind);

// Little-endian numbers of 4 and 8 bytes.
void PutFixed32(std::string* out, uint32_t value);
void PutFixed64(std::string* out, uint64_t value);
uint32_t Fixed32(const char* at);
uint64_t Fixed64(const char* at);

// Numbers of 7 bits a byte, the lowest first; bit 7 says that more follow
// (LEB128).
void PutVarint(std::string* out, uint64_t value);
// The length as a varint, and the bytes.
void PutText(std::string* out, absl::string_view text);

// Differences modulo 2^64, with the sign in bit 0.
constexpr uint64_t ZigZag(uint64_t difference) {
  return (difference << 1) ^ (0 - (difference >> 63));
}
constexpr uint64_t UnZigZag(uint64_t coded) {
  return (coded >> 1) ^ (0 - (coded & 1));
}

// CRC-32 as zlib, gzip and PNG have it.
inline uint32_t Crc32(absl::string_view bytes, uint32_t so_far = 0) {
  return static_cast<uint32_t>(crc32_z(
      so_far, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

// Reads numbers out of bytes. After the first that is not there or is too long
// it has failed, and gives 0.
class ByteCursor {
 public:
  ByteCursor() = default;
  explicit ByteCursor(absl::string_view bytes)
      : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  uint64_t Varint() {
    if (at_ != end_ && static_cast<uint8_t>(*at_) < 0x80) {
      return static_cast<uint8_t>(*at_++);
    }
    return LongVarint();
  }
  uint8_t Byte() {
    if (at_ == end_) return Fail();
    return static_cast<uint8_t>(*at_++);
  }
  uint32_t Varint32();
  uint64_t Number64();
  absl::string_view Text(uint64_t bytes);

  const char* at() const { return at_; }
  bool failed() const { return failed_; }
  size_t left() const { return static_cast<size_t>(end_ - at_); }

 private:
  uint64_t LongVarint();
  uint8_t Fail() {
    failed_ = true;
    at_ = end_;
    return 0;
  }

  const char* at_ = nullptr;
  const char* end_ = nullptr;
  bool failed_ = false;
};

// Takes varints one by one, each of up to 8 bytes as quickly: for numbers whose
// sizes nobody can foresee. kBehindColumn bytes of 0 are behind all that it is
// given, so it looks at its end but once for many numbers; those that are not
// there are 0.
class UnevenCursor {
 public:
  UnevenCursor() = default;
  explicit UnevenCursor(absl::string_view bytes)
      : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  uint64_t Varint() {
    const uint64_t word = WordAt(at_);
    // Bit 7 of each byte that is a last one.
    const uint64_t ends = ~word & 0x8080808080808080;
    if (ABSL_PREDICT_FALSE(ends == 0)) return LongVarint();
    const auto last = static_cast<size_t>(std::countr_zero(ends)) / 8;
    at_ += last + 1;
    // Of the bytes of the number the 7 bits that count: in pairs, in fours and
    // all together.
    uint64_t bits = word & kNumberBits[last];
    bits -= (bits & 0x7F007F007F007F00) >> 1;
    bits = (bits & 0x00003FFF00003FFF) | (bits & 0x3FFF00003FFF0000) >> 2;
    return (bits & 0x000000000FFFFFFF) | (bits & 0x0FFFFFFF00000000) >> 4;
  }
  bool failed() const { return at_ > end_; }
  bool at_end() const { return at_ == end_; }

 private:
  // By the number of the last byte.
  static constexpr std::array<uint64_t, 8> kNumberBits = {
      0x7F,         0x7F7F,         0x7F7F7F,         0x7F7F7F7F,
      0x7F7F7F7F7F, 0x7F7F7F7F7F7F, 0x7F7F7F7F7F7F7F, 0x7F7F7F7F7F7F7F7F};

  // REQUIRES: the next 8 bytes are there.
  uint64_t LongVarint();
  // The 8 bytes at `at` as a little-endian number.
  static uint64_t WordAt(const char* at) {
    if constexpr (std::endian::native != std::endian::little) {
      return Fixed64(at);
    }
    uint64_t word;
    std::memcpy(&word, at, sizeof(word));
    return word;
  }

  const char* at_ = nullptr;
  const char* end_ = nullptr;
};

// The hash of a stream of operations, 128 bits in two lanes.
class OpHash {
 public:
  void Add(const GuestOp& op);
  std::pair<uint64_t, uint64_t> value() const { return {low_, high_}; }

 private:
  // Each lane takes a word in by exclusive or, multiplies by an odd constant of
  // its own and folds the upper half down, as Murmur's finalizer does.
  void Word(uint64_t word) {
    low_ = (low_ ^ word) * 0xFF51AFD7ED558CCD;
    low_ ^= low_ >> 32;
    high_ = (high_ ^ word) * 0xC4CEB9FE1A85EC53;
    high_ ^= high_ >> 29;
  }

  uint64_t low_ = 0;
  uint64_t high_ = 0;
};

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_PACKED_LAYOUT_H_
