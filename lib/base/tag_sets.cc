#include "xmmu/base/internal/tag_sets.h"

#include "xmmu/base/check.h"

namespace xmmu {
namespace {

constexpr size_t RoundUp(size_t bytes, size_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

}  // namespace

TagSets::TagSets(size_t sets, size_t ways)
    : sets_(sets), ways_(ways), wide_(ways > kMostByteAges) {
  XMMU_CHECK(sets != 0 && ways != 0 && ways <= 4096);
  newest_ = static_cast<int>(ways_) + kOldest - 1;
  tag_bytes_ = RoundUp(ways_ * sizeof(uint32_t), vectors::kBytes);
  const size_t age_bytes = ways_ * (wide_ ? sizeof(int16_t) : sizeof(int8_t));
  used_bytes_ = tag_bytes_ + RoundUp(age_bytes, vectors::kBytes);
  block_bytes_ = used_bytes_;
  // Every other block of 48 bytes would lie across two lines of the host.
  if (block_bytes_ == 48) block_bytes_ = sizeof(HostLine);
  blocks_.resize(RoundUp(sets_ * block_bytes_, sizeof(HostLine)) /
                 sizeof(HostLine));
  Clear();
}

void TagSets::Set::Free(size_t way) {
  const int age = AgeOf(way);
  if (!wide_) {
    CloseGap<int8_t>(age);
  } else {
    CloseGap<int16_t>(age);
  }
  SetAge(way, kFree);
  set_tag(way, kFreeTag);
}

// The places below move up, so that the order keeps its end.
template <typename Age>
void TagSets::Set::CloseGap(int age) {
  const auto gap = vectors::Vector<Age>{} + static_cast<Age>(age);
  for (std::byte* at = ages_; at != end_; at += vectors::kBytes) {
    auto ages = vectors::Load<Age>(at);
    ages -= (ages > Age{kNextToGo}) & (ages < gap);
    std::memcpy(at, &ages, vectors::kBytes);
  }
}

void TagSets::Clear() {
  const size_t lanes = tag_bytes_ / sizeof(uint32_t);
  const size_t ages = (used_bytes_ - tag_bytes_) / (wide_ ? 2 : 1);
  for (size_t i = 0; i < sets_; ++i) {
    Set set = (*this)[i];
    for (size_t way = 0; way < lanes; ++way) set.set_tag(way, kFreeTag);
    for (size_t way = 0; way < ages; ++way) {
      set.SetAge(way, way < ways_ ? kFree : kNoAge);
    }
  }
}

}  // namespace xmmu
