#ifndef XMMU_MACHINE_INTERNAL_CACHE_ARRAY_H_
#define XMMU_MACHINE_INTERNAL_CACHE_ARRAY_H_

// One set-associative array of line tags: a data cache without its data.
// Replacement is least recently used (assumed; real policies are unpublished),
// or resists thrashing (CacheRules). A line that a prefetcher brought is marked
// until its first use.
//
// Charges nothing. Single-threaded.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "absl/base/optimization.h"
#include "xmmu/base/address.h"
#include "xmmu/machine/machine_model.h"

namespace xmmu {

// A line of 64 bytes by number: machine address / 64.
inline constexpr int kLineShift = 6;
inline constexpr uint64_t kNoLine = ~uint64_t{0};

class CacheArray {
 public:
  // An array of zero bytes never hits.
  explicit CacheArray(const CacheGeometry& geometry,
                      bool resists_thrashing = false);

  enum class Found : uint8_t { kNo, kYes, kPrefetched };

  // Whether the line of `addr` was present; makes it the most recently used,
  // evicting the least recently used of its set if it was not.
  bool Touch(MachineAddr addr) {
    const uint64_t line = addr.value() >> kLineShift;
    uint64_t evicted = kNoLine;
    return UseOrFill(line, line, evicted) != Found::kNo;
  }

  // Looks for `line`, in the set that `index` chooses: a line number, the
  // line's own unless linear addresses choose. Makes it the most recently used.
  // A prefetched line loses its mark, and the answer says that it had one.
  Found Use(uint64_t line, uint64_t index) {
    const size_t set = SetOf(index);
    if (ABSL_PREDICT_FALSE(line >= simple_lines_)) return UseAny(set, line);
    const std::byte* const block = BlockOf(set);
    const size_t way = WayWithTag(block, line);
    if (way == kNoWay) return Found::kNo;
    const bool newest = AgeOf<int8_t>(block, way) == newest_;
    if (ABSL_PREDICT_TRUE(newest && TagOf(block, way) == line)) {
      return Found::kYes;
    }
    return UseWay<int8_t>(set, way);
  }
  // As Use(), and as Fill() if the line is absent; `evicted` is set in that
  // case alone.
  Found UseOrFill(uint64_t line, uint64_t index, uint64_t& evicted);
  // Whether `line` is there; nothing changes.
  bool Holds(uint64_t line) const;
  // Puts an absent line in and returns the one evicted, or kNoLine.
  uint64_t Fill(uint64_t line, uint64_t index, bool prefetched = false);
  // Removes `line`, if it is there.
  void Drop(uint64_t line);
  void Clear();
  bool absent() const { return sets_ == 0; }

 private:
  // A set is one block of the host's memory: the tags of its ways, then their
  // ages, so that 12 ways are one line of the host's cache. A tag is the low
  // part of a line's number, with the mark of a prefetched line above it.
  static constexpr int kTagBits = 31;
  static constexpr uint32_t kMark = uint32_t{1} << kTagBits;
  static constexpr uint32_t kTagMask = kMark - 1;
  // The tag of a free way, and of those that fill a block up. A line that has
  // it, too, is told apart by its high part.
  static constexpr uint32_t kFreeTag = kTagMask;
  static constexpr size_t kNoWay = ~size_t{0};

  // The age of a way: it is free, its line is the next to go, or its line has
  // a place in the order of use. That order has no gaps. It ends with `newest_`
  // and has room for all ways from kOldest on, so a use lowers what was newer.
  static constexpr int kFree = 0;
  static constexpr int kNextToGo = 1;
  static constexpr int kOldest = 2;
  // The age of ways that fill a block up: it never changes, and taken as
  // unsigned is the last to be chosen.
  static constexpr int kNoAge = -1;
  // With more ways ages take two bytes.
  static constexpr uint32_t kMostByteAges = 120;

  // Vectors of the compiler: SSE2, NEON, or what else the host has.
  using Tags __attribute__((vector_size(16))) = uint32_t;
  static constexpr size_t kTagsAtOnce = 4;

  struct alignas(64) HostLine {
    std::byte bytes[64];
  };

  // The steps of the functions above, by the type of ages.
  template <typename Age>
  Found UseWay(size_t set, size_t way);
  template <typename Age>
  uint64_t FillSet(size_t set, uint64_t line, bool prefetched);
  template <typename Age>
  size_t VictimIn(const std::byte* block) const;
  // Makes `way` the newest.
  template <typename Age>
  void Renew(std::byte* block, size_t way);
  template <typename Age>
  void DropWay(size_t set, size_t way);
  template <typename Age>
  void ClearBlocks();

  // As Use(), UseOrFill() and Fill(), for lines that need not be simple.
  Found UseAny(size_t set, uint64_t line);
  Found UseOrFillAny(size_t set, uint64_t line, uint64_t& evicted);
  uint64_t FillAny(size_t set, uint64_t line, bool prefetched);
  // Returns the way that has `line`, which need not be simple, or kNoWay.
  size_t WayOf(size_t set, uint64_t line) const;
  // Returns the line in a way, or kNoLine.
  uint64_t LineAt(size_t set, size_t way) const;

  // The set that `index` chooses; an absent array has an empty one.
  size_t SetOf(uint64_t index) const {
    const uint64_t coarse = index >> coarse_shift_;
    return power_of_two_ ? coarse & set_mask_ : Remainder(coarse);
  }
  const std::byte* BlockOf(size_t set) const {
    return blocks_.data()->bytes + set * block_bytes_;
  }
  std::byte* BlockOf(size_t set) {
    return blocks_.data()->bytes + set * block_bytes_;
  }
  // `number` % sets_. A division is slow on the host. With r = inverse_ * sets_
  // - 2^64, which is 1 to sets_, the product is number / sets_ + number * r /
  // (sets_ * 2^64), and the second part is less than 1 / sets_ as long as
  // number * sets_ <= 2^64.
  uint64_t Remainder(uint64_t number) const {
    if (ABSL_PREDICT_FALSE(number >> kLineBits != 0 || inverse_ == 0)) {
      return number % sets_;
    }
    __extension__ using Product = unsigned __int128;
    const auto quotient =
        static_cast<uint64_t>(Product{number} * inverse_ >> 64);
    return number - quotient * sets_;
  }
  static constexpr int kLineBits = 52 - kLineShift;

  template <typename T>
  static T LoadFrom(const std::byte* at) {
    T value;
    std::memcpy(&value, at, sizeof(T));
    return value;
  }
  static uint32_t TagOf(const std::byte* block, size_t way) {
    return LoadFrom<uint32_t>(block + way * sizeof(uint32_t));
  }
  template <typename Age>
  Age AgeOf(const std::byte* block, size_t way) const {
    return LoadFrom<Age>(block + tag_bytes_ + way * sizeof(Age));
  }

  // Returns the way whose tag is the low part of `line`, or kNoWay. If there
  // are several, which takes high parts, it is some number but kNoWay.
  size_t WayWithTag(const std::byte* block, uint64_t line) const {
    const uint32_t low = static_cast<uint32_t>(line) & kTagMask;
    const Tags wanted = {low, low, low, low};
    Tags number = {1, 2, 3, 4};
    Tags found = {};
    for (size_t at = 0; at != tag_bytes_; at += sizeof(Tags)) {
      const Tags tags = LoadFrom<Tags>(block + at) & kTagMask;
      found |= number & reinterpret_cast<Tags>(tags == wanted);
      number += kTagsAtOnce;
    }
    using Halves __attribute__((vector_size(16))) = uint64_t;
    const auto halves = reinterpret_cast<Halves>(found);
    const uint64_t half = halves[0] | halves[1];
    return static_cast<size_t>(static_cast<uint32_t>(half | half >> 32)) - 1;
  }

  uint64_t sets_ = 0;
  uint64_t set_mask_ = 0;  // sets_ - 1, if the sets are a power of two
  uint32_t ways_ = 0;
  int coarse_shift_ = 0;  // above 0 for lines of more than 64 bytes
  bool power_of_two_ = true;
  bool resists_thrashing_ = false;
  bool wide_ = false;  // ages take two bytes
  int newest_ = 0;     // the age of the most recently used line
  uint32_t fills_ = 0;
  size_t tag_bytes_ = 0;
  size_t block_bytes_ = 0;
  uint64_t inverse_ = 0;  // 2^64 / sets_, rounded up; or 0
  // Lines below this one are simple: their tag tells which they are, and ages
  // take a byte.
  uint64_t simple_lines_ = 0;
  std::vector<HostLine> blocks_;
  // By set and way, the high parts of lines. Empty until a line has one.
  std::vector<uint16_t> high_parts_;
};

}  // namespace xmmu

#endif  // XMMU_MACHINE_INTERNAL_CACHE_ARRAY_H_
