#ifndef XMMU_LIB_MMU_TLB_SEARCH_H_
#define XMMU_LIB_MMU_TLB_SEARCH_H_

// The part of the Tlb that every access beyond the hint goes through, to be
// inlined where it is used. Each search has the few instructions of the usual
// case in line (pages of 4 KiB alone, sets of 4 to 16 ways, of which there are
// 2^n, and the first slot with the tag is the one) and leaves the others to
// Tlb::FindAmongSizes().

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "xmmu/base/internal/lanes.h"
#include "xmmu/mmu/internal/tlb.h"

namespace xmmu {

// An access, and where FindL1() has looked for it.
class Tlb::Probe {
 public:
  Probe(VirtAddr va, uint16_t pcid)
      : va_(va),
        key_(TlbSlot::Key(va, pcid)),
        vpn_(va.value() >> kPageShift),
        tag_(lanes::Broadcast(FilterTag(0, vpn_))) {}

 private:
  friend class Tlb;

  const VirtAddr va_;
  const uint64_t key_;
  // Of a page of 4 KiB.
  const uint64_t vpn_;
  const lanes::Lanes tag_;
  // Index of the first slot of the set of L1 if it was searched quickly, else 0.
  size_t l1_set_ = 0;
};

// A division is slow on the host, and nearly all TLBs have 2^n sets.
inline size_t Tlb::SetOf(const Home& home, uint64_t vpn) {
  const uint64_t set = ABSL_PREDICT_TRUE(home.power_of_two)
                           ? vpn & (home.sets - 1)
                           : vpn % home.sets;
  return home.first + set * home.ways;
}

ABSL_ATTRIBUTE_ALWAYS_INLINE inline uint32_t Tlb::MarksIn(const Home& home,
                                                          size_t set,
                                                          size_t size_class,
                                                          uint64_t vpn) const {
  const lanes::Lanes tag = lanes::Broadcast(FilterTag(size_class, vpn));
  return lanes::MarkEqual16(&tags_[set], tag) & home.way_bits;
}

inline size_t Tlb::QuickSet(const Level& level, const Probe& probe) {
  const Home& home = level.homes[0];
  return home.first + (probe.vpn_ & (home.sets - 1)) * home.ways;
}

ABSL_ATTRIBUTE_ALWAYS_INLINE inline uint32_t Tlb::QuickMarks(
    const Level& level, size_t set, const Probe& probe) const {
  if (level.search == Search::kFour) {
    return lanes::MarkEqual4(&tags_[set], probe.tag_);
  }
  return lanes::MarkEqual16(&tags_[set], probe.tag_) & level.homes[0].way_bits;
}

ABSL_ATTRIBUTE_ALWAYS_INLINE inline size_t Tlb::FindInLevel(const Level& level,
                                                            const Probe& probe,
                                                            size_t& set) const {
  if (ABSL_PREDICT_FALSE(level.search == Search::kAny)) {
    return FindAmongSizes(level, probe);
  }
  set = QuickSet(level, probe);
  const uint32_t marks = QuickMarks(level, set, probe);
  if (marks == 0) return 0;
  const size_t index = set + static_cast<uint32_t>(std::countr_zero(marks));
  if (ABSL_PREDICT_TRUE(slots_[index].Matches(probe.key_) && IsOwn(index))) {
    return index;
  }
  return FindAmongSizes(level, probe);
}

ABSL_ATTRIBUTE_ALWAYS_INLINE inline size_t Tlb::FindL1(TlbSide side,
                                                       Probe& probe) {
  const size_t found = FindInLevel(L1(side), probe, probe.l1_set_);
  if (found == 0) return 0;
  SetHint(side, probe.va_, found);
  Touch(found);
  return found;
}

ABSL_ATTRIBUTE_ALWAYS_INLINE inline size_t Tlb::FindL2(TlbSide side,
                                                       const Probe& probe) {
  size_t set = 0;
  const size_t found = FindInLevel(L2(side), probe, set);
  if (found == 0) return 0;
  Touch(found);
  return found;
}

template <bool kSearches>
ABSL_ATTRIBUTE_ALWAYS_INLINE inline bool Tlb::FindPlaces(TlbSide side,
                                                         VirtAddr va,
                                                         Places& places) const {
  const QuickSide& quick = quick_[static_cast<size_t>(side)];
  if (ABSL_PREDICT_FALSE(!quick.usable)) return false;
  const uint64_t vpn = va.value() >> kPageShift;
  places.l1 = quick.l1_first + (vpn & quick.l1_last_set) * 4;
  places.l2 = quick.l2_first + (vpn & quick.l2_last_set) * quick.l2_ways;
  if constexpr (kSearches) {
    const lanes::Lanes tag = lanes::Broadcast(FilterTag(0, vpn));
    const uint32_t marks =
        lanes::MarkEqual4(&tags_[places.l1], tag) |
        (lanes::MarkEqual16(&tags_[places.l2], tag) & quick.l2_way_bits);
    if (marks != 0) return false;
    if (ABSL_PREDICT_FALSE(!quick.small_only)) return LacksLarge(side, va);
  }
  return true;
}

// A free slot has the stamp 0, so that it counts as the oldest.
ABSL_ATTRIBUTE_ALWAYS_INLINE inline size_t Tlb::OldestOf(Search search,
                                                         size_t set,
                                                         uint32_t ways) const {
  const uint32_t* const stamps = &stamps_[set];
  if (search == Search::kFour) return set + lanes::IndexOfSmallest4(stamps);
  return set + lanes::IndexOfSmallest16(stamps, ways);
}

// An entry of the same kind as the one that it replaces needs no booking.
ABSL_ATTRIBUTE_ALWAYS_INLINE inline bool Tlb::Replace(
    Level& level, size_t index, uint64_t vpn, TlbSlot entry, TlbExtras extras) {
  TlbSlot& slot = slots_[index];
  if (ABSL_PREDICT_FALSE(!slot.IsOfKind(entry))) {
    if (slot.valid() || entry.size_class() != 0) return false;
    Book(level, index, 0, entry.global());
  }
  slot = entry;
  tags_[index] = FilterTag(0, vpn);
  Touch(index);
  if (ABSL_PREDICT_FALSE(has_extras_)) extras_[index] = extras;
  return true;
}

ABSL_ATTRIBUTE_ALWAYS_INLINE inline size_t Tlb::PutQuickly(
    Level& level, size_t set, uint64_t vpn, TlbSlot entry, TlbExtras extras) {
  const Home& home = level.homes[0];
  const size_t index = OldestOf(home.search, set, home.ways);
  return Replace(level, index, vpn, entry, extras) ? index : 0;
}

ABSL_ATTRIBUTE_ALWAYS_INLINE inline void Tlb::Refill(TlbSide side, size_t found,
                                                     const Probe& probe) {
  const TlbSlot entry = slots_[found];
  const TlbExtras extras = ExtrasOf(found);
  if (ABSL_PREDICT_TRUE(probe.l1_set_ != 0)) {
    const size_t index =
        PutQuickly(L1(side), probe.l1_set_, probe.vpn_, entry, extras);
    if (ABSL_PREDICT_TRUE(index != 0)) return SetHint(side, probe.va_, index);
  }
  PutInL1(side, probe.va_, entry, extras);
}

// All that might forbid it is asked before anything changes.
template <typename Serves>
ABSL_ATTRIBUTE_ALWAYS_INLINE inline Tlb::Quick Tlb::RefillQuickly(
    TlbSide side, VirtAddr va, uint16_t pcid, TlbSlot& entry, Serves serves) {
  const QuickSide& quick = quick_[static_cast<size_t>(side)];
  const uint32_t stamp = stamp_;
  if (ABSL_PREDICT_FALSE(!quick.usable || last_stamp_ - stamp < 2)) {
    return Quick::kOther;
  }
  if (ABSL_PREDICT_FALSE(!quick.small_only) && !LacksLarge(side, va)) {
    return Quick::kOther;
  }
  const Probe probe(va, pcid);
  const size_t l1_set = quick.l1_first + (probe.vpn_ & quick.l1_last_set) * 4;
  if (lanes::MarkEqual4(&tags_[l1_set], probe.tag_) != 0) return Quick::kOther;
  const size_t l2_set =
      quick.l2_first + (probe.vpn_ & quick.l2_last_set) * quick.l2_ways;
  const uint32_t marks =
      lanes::MarkEqual16(&tags_[l2_set], probe.tag_) & quick.l2_way_bits;
  if (marks == 0) return Quick::kMissed;
  const size_t found = l2_set + static_cast<uint32_t>(std::countr_zero(marks));
  entry = slots_[found];
  const size_t victim = l1_set + lanes::IndexOfSmallest4(&stamps_[l1_set]);
  if (ABSL_PREDICT_FALSE(!entry.MatchesSmall(probe.key_) || !serves(entry) ||
                         !slots_[victim].IsOfKind(entry))) {
    return Quick::kOther;
  }
  if (ABSL_PREDICT_FALSE(has_extras_)) {
    if (!IsOwn(found)) return Quick::kOther;
    extras_[victim] = extras_[found];
  }
  slots_[victim] = entry;
  tags_[victim] = FilterTag(0, probe.vpn_);
  stamps_[found] = stamp + 1;
  stamps_[victim] = stamp + 2;
  stamp_ = stamp + 2;
  SetHint(side, va, victim);
  return Quick::kRefilled;
}

ABSL_ATTRIBUTE_ALWAYS_INLINE inline size_t Tlb::PutBySearch(Level& level,
                                                            VirtAddr va,
                                                            TlbSlot entry,
                                                            TlbExtras extras) {
  const Home& home = level.homes[0];
  if (ABSL_PREDICT_TRUE(home.search != Search::kAny &&
                        entry.size_class() == 0)) {
    const uint64_t vpn = va.value() >> kPageShift;
    const size_t set = home.first + (vpn & (home.sets - 1)) * home.ways;
    const size_t index = PutQuickly(level, set, vpn, entry, extras);
    if (ABSL_PREDICT_TRUE(index != 0)) return index;
  }
  return Put(level, va, entry, extras);
}

ABSL_ATTRIBUTE_ALWAYS_INLINE inline void Tlb::FillSmall(TlbSide side,
                                                        VirtAddr va,
                                                        const Places& places,
                                                        TlbSlot entry,
                                                        uint16_t pcid) {
  const TlbExtras extras(vm_, /*guest_shift=*/0, entry.global(), pcid);
  has_extras_ |= extras.any();
  const uint64_t vpn = va.value() >> kPageShift;
  size_t index = places.l1 + lanes::IndexOfSmallest4(&stamps_[places.l1]);
  if (!Replace(L1(side), index, vpn, entry, extras)) {
    index = Put(L1(side), va, entry, extras);
  }
  SetHint(side, va, index);
  const uint32_t ways = quick_[static_cast<size_t>(side)].l2_ways;
  index = places.l2 + lanes::IndexOfSmallest16(&stamps_[places.l2], ways);
  if (!Replace(L2(side), index, vpn, entry, extras)) {
    Put(L2(side), va, entry, extras);
  }
}

}  // namespace xmmu

#endif  // XMMU_LIB_MMU_TLB_SEARCH_H_
