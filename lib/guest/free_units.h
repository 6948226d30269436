#ifndef XMMU_LIB_GUEST_FREE_UNITS_H_
#define XMMU_LIB_GUEST_FREE_UNITS_H_

// The free units of a FramePool: numbers, as runs of neighbours, so that all
// memory of a big guest is one record.

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>

#include "absl/container/btree_map.h"
#include "xmmu/base/check.h"

namespace xmmu {

class FreeUnits {
 public:
  bool empty() const { return runs_.empty(); }
  uint64_t size() const { return size_; }
  // How many runs of neighbours there are.
  size_t runs() const { return runs_.size(); }

  // Adds [first, first + count). REQUIRES: none of them is there.
  void Insert(uint64_t first, uint64_t count) {
    if (count == 0) return;
    size_ += count;
    uint64_t end = first + count;
    auto next = runs_.lower_bound(first);
    if (next != runs_.end() && next->first == end) {
      end = next->second;
      next = runs_.erase(next);
    }
    if (next != runs_.begin() && std::prev(next)->second == first) {
      std::prev(next)->second = end;
    } else {
      runs_.emplace(first, end);
    }
  }

  // Takes [first, first + count) away. REQUIRES: they are there.
  void Erase(uint64_t first, uint64_t count) {
    auto run = runs_.upper_bound(first);
    XMMU_CHECK(run != runs_.begin());
    --run;
    const uint64_t end = run->second;
    XMMU_CHECK(first + count <= end);
    size_ -= count;
    if (run->first == first) {
      runs_.erase(run);
    } else {
      run->second = first;
    }
    if (first + count < end) runs_.emplace(first + count, end);
  }

  // Takes the lowest one away and returns it. REQUIRES: !empty().
  uint64_t TakeLowest() {
    const uint64_t unit = runs_.begin()->first;
    Erase(unit, 1);
    return unit;
  }

  // Returns the highest of the runs of `count` units whose first one, plus
  // `offset`, is a multiple of `count`.
  std::optional<uint64_t> FindHighest(uint64_t count, uint64_t offset) const {
    for (auto run = runs_.rbegin(); run != runs_.rend(); ++run) {
      const auto [first, end] = *run;
      if (end - first < count) continue;
      const uint64_t last = end - count;
      const uint64_t too_high = (last + offset) % count;
      if (last - first >= too_high) return last - too_high;
    }
    return std::nullopt;
  }

 private:
  absl::btree_map<uint64_t, uint64_t> runs_;  // first to end; none touch
  uint64_t size_ = 0;
};

}  // namespace xmmu

#endif  // XMMU_LIB_GUEST_FREE_UNITS_H_
