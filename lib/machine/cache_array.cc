#include "xmmu/machine/internal/cache_array.h"

#include <algorithm>
#include <bit>

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
  if (power_of_two_) set_mask_ = sets_ - 1;
  if (sets_ <= uint64_t{1} << (64 - kLineBits)) {
    inverse_ = ~uint64_t{0} / sets_ + 1;
  }
  simple_lines_ = kFirstHigh;
  if (sets_ <= kMostSetsNoted) noted_sets_ = sets_;
  last_used_.assign(noted_sets_, kNoLine);
  free_ways_ = sets_ * ways_;
  tags_ = TagSets(sets_, ways_);
}

// The least recently used line of the set goes; a line that was never filled is
// older than any other. Only an array that resists thrashing has lines that are
// to be the next to go.
inline size_t CacheArray::VictimOf(const TagSets::Set& tags) {
  if (ABSL_PREDICT_TRUE(free_ways_ == 0)) {
    return resists_thrashing_ ? tags.VictimOfFull() : tags.OldestOfFull();
  }
  const size_t way = tags.Victim();
  if (tags.IsFree(way)) --free_ways_;
  return way;
}

inline void CacheArray::FillWay(size_t set, TagSets::Set& tags, size_t way,
                                uint64_t line, bool prefetched) {
  if (ABSL_PREDICT_FALSE(line >= kFirstHigh && high_parts_.empty())) {
    high_parts_.assign(sets_ * ways_, 0);
    simple_lines_ = 0;
  }
  const bool next_to_go = resists_thrashing_ && ++fills_ % kBimodalPeriod != 0;
  NoteLastUsed(set, next_to_go || prefetched ? kNoLine : line);
  if (next_to_go) {
    tags.MakeNextToGo(way);
  } else {
    tags.Renew(way);
  }
  tags.set_tag(way, prefetched ? LowPart(line) | kMark : LowPart(line));
  if (ABSL_PREDICT_FALSE(!high_parts_.empty())) {
    high_parts_[set * ways_ + way] = static_cast<uint16_t>(line >> kTagBits);
  }
}

bool CacheArray::Holds(uint64_t line) const {
  if (absent()) return false;
  const size_t set = SetOf(line);
  return WayOf(set, tags_[set], line) != kNoWay;
}

uint64_t CacheArray::Fill(uint64_t line, uint64_t index, bool prefetched) {
  if (absent()) return kNoLine;
  const size_t set = SetOf(index);
  TagSets::Set tags = tags_[set];
  const size_t way = VictimOf(tags);
  const uint64_t evicted = LineAt(set, tags, way);
  FillWay(set, tags, way, line, prefetched);
  return evicted;
}

void CacheArray::Drop(uint64_t line) {
  if (absent()) return;
  const size_t set = SetOf(line);
  TagSets::Set tags = tags_[set];
  const size_t way = WayOf(set, tags, line);
  NoteLastUsed(set, kNoLine);
  if (way == kNoWay) return;
  tags.Free(way);
  ++free_ways_;
}

void CacheArray::Clear() {
  tags_.Clear();
  free_ways_ = sets_ * ways_;
  std::fill(last_used_.begin(), last_used_.end(), kNoLine);
}

bool CacheArray::UseOrFillSet(size_t set, uint64_t line) {
  TagSets::Set tags = tags_[set];
  const size_t way = WayOf(set, tags, line);
  if (ABSL_PREDICT_TRUE(way != kNoWay)) {
    UseWay(set, tags, way, line);
    return true;
  }
  FillWay(set, tags, VictimOf(tags), line, /*prefetched=*/false);
  return false;
}

size_t CacheArray::WayOfAny(size_t set, const TagSets::Set& tags,
                            uint64_t line) const {
  if (tags.Find<kTagMask>(LowPart(line)) == kNoWay) return kNoWay;
  for (size_t way = 0; way < ways_; ++way) {
    if (LineAt(set, tags, way) == line) return way;
  }
  return kNoWay;
}

uint64_t CacheArray::LineAt(size_t set, const TagSets::Set& tags,
                            size_t way) const {
  if (tags.IsFree(way)) return kNoLine;
  const uint64_t low = LowPart(tags.tag(way));
  if (ABSL_PREDICT_TRUE(high_parts_.empty())) return low;
  return low | uint64_t{high_parts_[set * ways_ + way]} << kTagBits;
}

}  // namespace xmmu
