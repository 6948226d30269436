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
  bool Touch(MachineAddr addr);

  // Looks for `line`, in the set that `index` chooses: a line number, the
  // line's own unless linear addresses choose. Makes it the most recently used.
  // A prefetched line loses its mark, and the answer says that it had one.
  Found Use(uint64_t line, uint64_t index) {
    const size_t set = SetOf(index);
    for (size_t i = set; i < set + ways_; ++i) {
      if ((lines_[i].tag & ~kPrefetchedBit) != line) continue;
      lines_[i].last_use = ++use_;
      if (ABSL_PREDICT_TRUE(lines_[i].tag == line)) return Found::kYes;
      lines_[i].tag = line;
      return Found::kPrefetched;
    }
    return Found::kNo;
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
  // Machine addresses have at most 52 bits, so line numbers leave this one
  // free.
  static constexpr uint64_t kPrefetchedBit = uint64_t{1} << 62;

  struct Line {
    uint64_t tag = ~kPrefetchedBit;  // a tag that no line has
    uint64_t last_use = 0;
  };

  // The first line of the set; an absent array has one set without ways.
  size_t SetOf(uint64_t index) const {
    const uint64_t coarse = index >> coarse_shift_;
    return (power_of_two_ ? coarse & (sets_ - 1) : coarse % sets_) * ways_;
  }

  uint64_t sets_ = 0;
  uint32_t ways_ = 0;
  int coarse_shift_ = 0;  // above 0 for lines of more than 64 bytes
  bool power_of_two_ = true;
  bool resists_thrashing_ = false;
  uint64_t use_ = 1;
  uint32_t fills_ = 0;
  std::vector<Line> lines_;
};

}  // namespace xmmu

#endif  // XMMU_MACHINE_INTERNAL_CACHE_ARRAY_H_
