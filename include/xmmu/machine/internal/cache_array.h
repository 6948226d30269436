#ifndef XMMU_MACHINE_INTERNAL_CACHE_ARRAY_H_
#define XMMU_MACHINE_INTERNAL_CACHE_ARRAY_H_

// One set-associative array of line tags: a data cache without its data.
// Replacement is least recently used (assumed; real policies are unpublished),
// or resists thrashing (CacheRules). A line that a prefetcher brought is marked
// until its first use.
//
// Charges nothing. Single-threaded.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/base/optimization.h"
#include "xmmu/base/address.h"
#include "xmmu/base/internal/tag_sets.h"
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
    if (absent()) return false;
    const uint64_t line = addr.value() >> kLineShift;
    const size_t set = SetOf(line);
    return ABSL_PREDICT_TRUE(IsLastUsed(set, line)) || UseOrFillSet(set, line);
  }

  // Asks the host to bring the set of `addr` into its caches.
  void PrefetchHost(MachineAddr addr) const {
    if (!absent()) tags_.PrefetchHost(SetOf(addr.value() >> kLineShift));
  }

  // Looks for `line`, in the set that `index` chooses: a line number, the
  // line's own unless linear addresses choose. Makes it the most recently used.
  // A prefetched line loses its mark, and the answer says that it had one.
  Found Use(uint64_t line, uint64_t index) {
    if (absent()) return Found::kNo;
    const size_t set = SetOf(index);
    if (IsLastUsed(set, line)) return Found::kYes;
    TagSets::Set tags = tags_[set];
    const size_t way = WayOf(set, tags, line);
    return way == kNoWay ? Found::kNo : UseWay(set, tags, way, line);
  }
  // Whether `line` is known to be the one that was used last in the set that
  // `index` chooses, and to have no mark: then Use() would find it and change
  // nothing.
  bool WasUsedLast(uint64_t line, uint64_t index) const {
    return IsLastUsed(SetOf(index), line);
  }
  // Whether `line` is there; nothing changes.
  bool Holds(uint64_t line) const;
  // Puts an absent line in and returns the one evicted, or kNoLine.
  uint64_t Fill(uint64_t line, uint64_t index, bool prefetched = false);
  // Removes `line`, if it is there.
  void Drop(uint64_t line);
  void Clear();
  bool absent() const { return sets_ == 0; }

 private:
  static constexpr size_t kNoWay = TagSets::kNoWay;
  // A tag is the low part of a line's number, with the mark of a prefetched
  // line above it. Below kFirstHigh the low part tells which line it is.
  static constexpr int kTagBits = 31;
  static constexpr uint32_t kMark = uint32_t{1} << kTagBits;
  static constexpr uint32_t kTagMask = kMark - 1;
  static constexpr uint64_t kFirstHigh = TagSets::kFreeTag;

  static uint32_t LowPart(uint64_t line) {
    return static_cast<uint32_t>(line) & kTagMask;
  }

  // Returns the way that has `line`, or kNoWay.
  size_t WayOf(size_t set, const TagSets::Set& tags, uint64_t line) const {
    if (ABSL_PREDICT_FALSE(line >= simple_lines_)) {
      return WayOfAny(set, tags, line);
    }
    return tags.Find<kTagMask>(static_cast<uint32_t>(line));
  }
  // As WayOf(), of a line that its tag alone does not tell.
  size_t WayOfAny(size_t set, const TagSets::Set& tags, uint64_t line) const;
  // Whether `line` is known to be the one that was used last in the set, and to
  // have no mark: to use it once more changes nothing.
  bool IsLastUsed(size_t set, uint64_t line) const {
    return set < noted_sets_ && last_used_[set] == line;
  }
  void NoteLastUsed(size_t set, uint64_t line) {
    if (set < noted_sets_) last_used_[set] = line;
  }
  Found UseWay(size_t set, TagSets::Set& tags, size_t way, uint64_t line) {
    NoteLastUsed(set, line);
    tags.Renew(way);
    const uint32_t tag = tags.tag(way);
    if (ABSL_PREDICT_TRUE((tag & kMark) == 0)) return Found::kYes;
    tags.set_tag(way, tag & kTagMask);
    return Found::kPrefetched;
  }
  // Returns the way that is filled next.
  size_t VictimOf(const TagSets::Set& tags);
  // Puts a line into such a way.
  void FillWay(size_t set, TagSets::Set& tags, size_t way, uint64_t line,
               bool prefetched);
  // As Touch(), out of line so that what is used again takes few instructions.
  bool UseOrFillSet(size_t set, uint64_t line);
  // Returns the line in a way, or kNoLine.
  uint64_t LineAt(size_t set, const TagSets::Set& tags, size_t way) const;

  // The set that `index` chooses.
  size_t SetOf(uint64_t index) const {
    const uint64_t coarse = index >> coarse_shift_;
    return power_of_two_ ? coarse & set_mask_ : Remainder(coarse);
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

  uint64_t sets_ = 0;
  uint64_t set_mask_ = 0;  // sets_ - 1, if the sets are a power of two
  uint64_t inverse_ = 0;   // 2^64 / sets_, rounded up; or 0
  uint32_t ways_ = 0;
  int coarse_shift_ = 0;  // above 0 for lines of more than 64 bytes
  bool power_of_two_ = true;
  bool resists_thrashing_ = false;
  uint32_t fills_ = 0;
  uint64_t free_ways_ = 0;
  // The tags of lines below this one tell which they are. It is kFirstHigh, or
  // 0 once there are high parts.
  uint64_t simple_lines_ = 0;
  // By set, the line that was used last, or kNoLine if it is not known. Empty
  // if there are so many sets that the host's caches would miss it.
  std::vector<uint64_t> last_used_;
  uint64_t noted_sets_ = 0;  // their number
  static constexpr uint64_t kMostSetsNoted = 1024;
  TagSets tags_;
  // By set and way, the high parts of lines. Empty until a line has one.
  std::vector<uint16_t> high_parts_;
};

}  // namespace xmmu

#endif  // XMMU_MACHINE_INTERNAL_CACHE_ARRAY_H_
