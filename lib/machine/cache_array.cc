#include "xmmu/machine/internal/cache_array.h"

#include <algorithm>

#include "xmmu/base/check.h"

namespace xmmu {
namespace {

// In a set that resists thrashing one new line of 32 is made the most recently
// used, the others the least (Qureshi et al., "Adaptive Insertion Policies for
// High Performance Caching", ISCA 2007).
constexpr uint32_t kBimodalPeriod = 32;

constexpr size_t kVectorBytes = 16;

// Ages that the host handles at once.
template <typename Age>
using AgeVector __attribute__((vector_size(kVectorBytes))) = Age;
using HalfVector __attribute__((vector_size(kVectorBytes))) = uint64_t;

constexpr size_t RoundUp(size_t bytes, size_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

template <typename T>
void StoreTo(std::byte* at, T value) {
  std::memcpy(at, &value, sizeof(T));
}

// Returns the number of the first lane of `Age` that is set, or `none`.
template <typename Age, typename Mask>
size_t FirstLane(Mask mask, size_t none) {
  const auto halves = reinterpret_cast<HalfVector>(mask);
  constexpr size_t kBits = 8 * sizeof(Age);
  if (halves[0] != 0) {
    return static_cast<size_t>(std::countr_zero(halves[0])) / kBits;
  }
  if (halves[1] == 0) return none;
  return (64 + static_cast<size_t>(std::countr_zero(halves[1]))) / kBits;
}

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
  newest_ = static_cast<int>(ways_) + kOldest - 1;
  wide_ = ways_ > kMostByteAges;
  if (!wide_) simple_lines_ = kFreeTag;
  tag_bytes_ = RoundUp(ways_ * sizeof(uint32_t), kVectorBytes);
  const size_t age_bytes = ways_ * (wide_ ? sizeof(int16_t) : sizeof(int8_t));
  block_bytes_ = tag_bytes_ + RoundUp(age_bytes, kVectorBytes);
  // Every other block of 48 bytes would lie across two lines of the host.
  if (block_bytes_ == 48) block_bytes_ = sizeof(HostLine);
  blocks_.resize(RoundUp(sets_ * block_bytes_, sizeof(HostLine)) /
                 sizeof(HostLine));
  Clear();
}

CacheArray::Found CacheArray::UseOrFill(uint64_t line, uint64_t index,
                                        uint64_t& evicted) {
  const size_t set = SetOf(index);
  if (ABSL_PREDICT_FALSE(line >= simple_lines_)) {
    return UseOrFillAny(set, line, evicted);
  }
  const size_t way = WayWithTag(BlockOf(set), line);
  if (way != kNoWay) return UseWay<int8_t>(set, way);
  evicted = FillSet<int8_t>(set, line, /*prefetched=*/false);
  return Found::kNo;
}

CacheArray::Found CacheArray::UseOrFillAny(size_t set, uint64_t line,
                                           uint64_t& evicted) {
  const Found found = UseAny(set, line);
  if (found != Found::kNo) return found;
  evicted = FillAny(set, line, /*prefetched=*/false);
  return Found::kNo;
}

CacheArray::Found CacheArray::UseAny(size_t set, uint64_t line) {
  const size_t way = WayOf(set, line);
  if (way == kNoWay) return Found::kNo;
  return wide_ ? UseWay<int16_t>(set, way) : UseWay<int8_t>(set, way);
}

bool CacheArray::Holds(uint64_t line) const {
  return WayOf(SetOf(line), line) != kNoWay;
}

uint64_t CacheArray::Fill(uint64_t line, uint64_t index, bool prefetched) {
  return FillAny(SetOf(index), line, prefetched);
}

uint64_t CacheArray::FillAny(size_t set, uint64_t line, bool prefetched) {
  if (absent()) return kNoLine;
  if (line >= kFreeTag && high_parts_.empty()) {
    high_parts_.assign(sets_ * ways_, 0);
    simple_lines_ = 0;
  }
  return wide_ ? FillSet<int16_t>(set, line, prefetched)
               : FillSet<int8_t>(set, line, prefetched);
}

void CacheArray::Drop(uint64_t line) {
  const size_t set = SetOf(line);
  const size_t way = WayOf(set, line);
  if (way == kNoWay) return;
  if (wide_) {
    DropWay<int16_t>(set, way);
  } else {
    DropWay<int8_t>(set, way);
  }
}

void CacheArray::Clear() {
  if (wide_) {
    ClearBlocks<int16_t>();
  } else {
    ClearBlocks<int8_t>();
  }
}

// A free way may have the tag of a line with a high part, so its age is looked
// at, too.
size_t CacheArray::WayOf(size_t set, uint64_t line) const {
  if (absent()) return kNoWay;
  const std::byte* const block = BlockOf(set);
  const size_t way = WayWithTag(block, line);
  if (way == kNoWay || line < simple_lines_) return way;
  for (size_t i = 0; i < ways_; ++i) {
    if (LineAt(set, i) == line) return i;
  }
  return kNoWay;
}

uint64_t CacheArray::LineAt(size_t set, size_t way) const {
  const std::byte* const block = BlockOf(set);
  const int age =
      wide_ ? AgeOf<int16_t>(block, way) : AgeOf<int8_t>(block, way);
  if (age == kFree) return kNoLine;
  const uint64_t low = TagOf(block, way) & kTagMask;
  if (high_parts_.empty()) return low;
  return low | uint64_t{high_parts_[set * ways_ + way]} << kTagBits;
}

template <typename Age>
CacheArray::Found CacheArray::UseWay(size_t set, size_t way) {
  std::byte* const block = BlockOf(set);
  Renew<Age>(block, way);
  const uint32_t tag = TagOf(block, way);
  if (ABSL_PREDICT_TRUE((tag & kMark) == 0)) return Found::kYes;
  StoreTo(block + way * sizeof(tag), tag & kTagMask);
  return Found::kPrefetched;
}

// What was newer than the way loses a place; a way that was not in the order
// before makes all others lose one.
template <typename Age>
void CacheArray::Renew(std::byte* block, size_t way) {
  using Vector = AgeVector<Age>;
  const Age age = AgeOf<Age>(block, way);
  const auto newest = static_cast<Age>(newest_);
  if (age == newest) return;
  const Vector above = Vector{} + std::max<Age>(age, kNextToGo);
  std::byte* const end = block + block_bytes_;
  for (std::byte* at = block + tag_bytes_; at < end; at += kVectorBytes) {
    Vector ages = LoadFrom<Vector>(at);
    ages += ages > above;
    StoreTo(at, ages);
  }
  StoreTo(block + tag_bytes_ + way * sizeof(Age), newest);
}

// The least recently used line of the set goes; a line that was never filled is
// older than any other.
template <typename Age>
uint64_t CacheArray::FillSet(size_t set, uint64_t line, bool prefetched) {
  std::byte* const block = BlockOf(set);
  const size_t way = VictimIn<Age>(block);
  const uint64_t evicted = LineAt(set, way);
  const bool next_to_go = resists_thrashing_ && ++fills_ % kBimodalPeriod != 0;
  if (next_to_go) {
    StoreTo(block + tag_bytes_ + way * sizeof(Age), Age{kNextToGo});
  } else {
    Renew<Age>(block, way);
  }
  const uint32_t tag = static_cast<uint32_t>(line) & kTagMask;
  StoreTo(block + way * sizeof(tag), prefetched ? tag | kMark : tag);
  if (!high_parts_.empty()) {
    high_parts_[set * ways_ + way] = static_cast<uint16_t>(line >> kTagBits);
  }
  return evicted;
}

// Returns the first of the ways of the lowest age. Nearly all sets of nearly all
// arrays are full, and have one line of age kOldest.
template <typename Age>
size_t CacheArray::VictimIn(const std::byte* block) const {
  using Vector = AgeVector<Age>;
  for (const int age : {kFree, kNextToGo, kOldest}) {
    const Vector wanted = Vector{} + static_cast<Age>(age);
    constexpr size_t kLanes = kVectorBytes / sizeof(Age);
    for (size_t first = 0; first < ways_; first += kLanes) {
      const auto ages =
          LoadFrom<Vector>(block + tag_bytes_ + first * sizeof(Age));
      const size_t lane = FirstLane<Age>(ages == wanted, kLanes);
      if (lane != kLanes) return first + lane;
    }
  }
  XMMU_CHECK(false);
  return 0;
}

// The places below the line's move up, so that the order keeps its end.
template <typename Age>
void CacheArray::DropWay(size_t set, size_t way) {
  std::byte* const block = BlockOf(set);
  const Age age = AgeOf<Age>(block, way);
  for (size_t i = 0; i < ways_; ++i) {
    const Age other = AgeOf<Age>(block, i);
    const bool moves = other >= kOldest && other < age;
    if (moves) {
      StoreTo(block + tag_bytes_ + i * sizeof(Age),
              static_cast<Age>(other + 1));
    }
  }
  StoreTo(block + tag_bytes_ + way * sizeof(Age), Age{kFree});
  StoreTo(block + way * sizeof(uint32_t), kFreeTag);
}

template <typename Age>
void CacheArray::ClearBlocks() {
  for (size_t set = 0; set < sets_; ++set) {
    std::byte* const block = BlockOf(set);
    for (size_t at = 0; at < tag_bytes_; at += sizeof(uint32_t)) {
      StoreTo(block + at, kFreeTag);
    }
    const size_t lanes = (block_bytes_ - tag_bytes_) / sizeof(Age);
    for (size_t i = 0; i < lanes; ++i) {
      const int age = i < ways_ ? kFree : kNoAge;
      StoreTo(block + tag_bytes_ + i * sizeof(Age), static_cast<Age>(age));
    }
  }
}

}  // namespace xmmu
