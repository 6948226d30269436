#include "xmmu/machine/internal/cache_array.h"

#include <bit>
#include <utility>

#include "xmmu/base/check.h"

namespace xmmu {
namespace {

// In a set that resists thrashing one new line of 32 is made the most recently
// used, the others the least (Qureshi et al., "Adaptive Insertion Policies for
// High Performance Caching", ISCA 2007).
constexpr uint32_t kBimodalPeriod = 32;

}  // namespace

CacheArray::CacheArray(const CacheGeometry& geometry, bool resists_thrashing)
    : resists_thrashing_(resists_thrashing) {
  if (geometry.bytes == 0) return;
  XMMU_CHECK(std::has_single_bit(geometry.line_bytes) &&
             geometry.line_bytes >> kLineShift != 0);
  coarse_shift_ = std::countr_zero(geometry.line_bytes) - kLineShift;
  ways_ = geometry.ways;
  sets_ = geometry.bytes / geometry.line_bytes / geometry.ways;
  power_of_two_ = std::has_single_bit(sets_);
  lines_.resize(sets_ * ways_);
}

bool CacheArray::Touch(MachineAddr addr) {
  const uint64_t line = addr.value() >> kLineShift;
  if (Use(line, line) != Found::kNo) return true;
  Fill(line, line);
  return false;
}

bool CacheArray::Holds(uint64_t line) const {
  const size_t set = SetOf(line);
  for (size_t i = set; i < set + ways_; ++i) {
    if ((lines_[i].tag & ~kPrefetchedBit) == line) return true;
  }
  return false;
}

// The least recently used line of the set goes; a line that was never filled is
// older than any other.
uint64_t CacheArray::Fill(uint64_t line, uint64_t index, bool prefetched) {
  if (absent()) return kNoLine;
  const size_t set = SetOf(index);
  Line* victim = &lines_[set];
  for (size_t i = set + 1; i < set + ways_; ++i) {
    if (lines_[i].last_use < victim->last_use) victim = &lines_[i];
  }
  const Line evicted = *victim;
  const bool next_to_go = resists_thrashing_ && ++fills_ % kBimodalPeriod != 0;
  // A use of 0 marks a line that was never filled; 1 makes this line the first
  // to be evicted of those that were.
  *victim = {prefetched ? line | kPrefetchedBit : line,
             next_to_go ? 1 : ++use_};
  return evicted.last_use == 0 ? kNoLine : evicted.tag & ~kPrefetchedBit;
}

void CacheArray::Drop(uint64_t line) {
  const size_t set = SetOf(line);
  for (size_t i = set; i < set + ways_; ++i) {
    if ((lines_[i].tag & ~kPrefetchedBit) == line) lines_[i] = Line();
  }
}

void CacheArray::Clear() {
  for (Line& line : lines_) line = Line();
}

}  // namespace xmmu
