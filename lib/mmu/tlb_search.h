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

// A division is slow on the host, and nearly all TLBs have 2^n sets.
inline size_t Tlb::SetOf(const Home& home, uint64_t vpn) {
  const uint64_t set = ABSL_PREDICT_TRUE(home.power_of_two)
                           ? vpn & (home.sets - 1)
                           : vpn % home.sets;
  return home.first + set * home.ways;
}

ABSL_ATTRIBUTE_ALWAYS_INLINE inline size_t Tlb::FindInLevel(const Level& level,
                                                            VirtAddr va,
                                                            uint64_t key,
                                                            size_t& set) const {
  if (level.search == Search::kNone) return 0;
  if (ABSL_PREDICT_FALSE(level.search == Search::kAny)) {
    return FindAmongSizes(level, va, key);
  }
  const Home& home = level.homes[0];
  const uint64_t vpn = va.value() >> kPageShift;
  set = home.first + (vpn & (home.sets - 1)) * home.ways;
  const uint32_t tag = FilterTag(0, vpn);
  uint32_t marks;
  if (level.search == Search::kFour) {
    marks = lanes::MarkEqual4(&tags_[set], tag);
  } else {
    marks = lanes::MarkEqual16(&tags_[set], tag) & ((1u << home.ways) - 1);
  }
  if (marks == 0) return 0;
  const size_t index = set + static_cast<uint32_t>(std::countr_zero(marks));
  if (ABSL_PREDICT_TRUE(slots_[index].Matches(key) && IsOwn(index))) {
    return index;
  }
  return FindAmongSizes(level, va, key);
}

ABSL_ATTRIBUTE_ALWAYS_INLINE inline const TlbSlot* Tlb::FindL1(TlbSide side,
                                                               VirtAddr va,
                                                               uint16_t pcid,
                                                               L1Set& set) {
  const size_t found =
      FindInLevel(L1(side), va, TlbSlot::Key(va, pcid), set.first);
  if (found == 0) return nullptr;
  SetHint(side, va, found);
  stamps_[found] = NextStamp();
  return &slots_[found];
}

ABSL_ATTRIBUTE_ALWAYS_INLINE inline const TlbSlot* Tlb::FindL2(TlbSide side,
                                                               VirtAddr va,
                                                               uint16_t pcid) {
  size_t set = 0;
  const size_t found = FindInLevel(L2(side), va, TlbSlot::Key(va, pcid), set);
  if (found == 0) return nullptr;
  stamps_[found] = NextStamp();
  return &slots_[found];
}

// A free slot has the stamp 0, so that it counts as the oldest.
ABSL_ATTRIBUTE_ALWAYS_INLINE inline size_t Tlb::OldestOf(Search search,
                                                         size_t set,
                                                         uint32_t ways) const {
  const uint32_t* const stamps = &stamps_[set];
  if (search == Search::kFour) return set + lanes::IndexOfSmallest4(stamps);
  return set + lanes::IndexOfSmallest16(stamps, ways);
}

// Where only pages of 4 KiB are held, an entry of the same kind as the one that
// it replaces needs no booking.
ABSL_ATTRIBUTE_ALWAYS_INLINE inline size_t Tlb::PutQuickly(const Level& level,
                                                           size_t set,
                                                           uint64_t vpn,
                                                           TlbSlot entry,
                                                           TlbExtras extras) {
  const size_t index = OldestOf(level.search, set, level.homes[0].ways);
  TlbSlot& slot = slots_[index];
  if (ABSL_PREDICT_FALSE(!slot.IsOfKind(entry))) return 0;
  slot = entry;
  tags_[index] = FilterTag(0, vpn);
  stamps_[index] = NextStamp();
  if (ABSL_PREDICT_FALSE(has_extras_)) extras_[index] = extras;
  return index;
}

ABSL_ATTRIBUTE_ALWAYS_INLINE inline void Tlb::Refill(TlbSide side, VirtAddr va,
                                                     const TlbSlot& found,
                                                     L1Set set) {
  if (ABSL_PREDICT_TRUE(set.first != 0)) {
    const size_t index = PutQuickly(
        L1(side), set.first, va.value() >> kPageShift, found, ExtrasOf(found));
    if (ABSL_PREDICT_TRUE(index != 0)) return SetHint(side, va, index);
  }
  PutInL1(side, va, found, ExtrasOf(found));
}

ABSL_ATTRIBUTE_ALWAYS_INLINE inline size_t Tlb::PutBySearch(Level& level,
                                                            VirtAddr va,
                                                            TlbSlot entry,
                                                            TlbExtras extras) {
  if (level.search == Search::kFour || level.search == Search::kSixteen) {
    const Home& home = level.homes[0];
    const uint64_t vpn = va.value() >> kPageShift;
    const size_t set = home.first + (vpn & (home.sets - 1)) * home.ways;
    const size_t index = PutQuickly(level, set, vpn, entry, extras);
    if (ABSL_PREDICT_TRUE(index != 0)) return index;
  }
  return Put(level, va, entry, extras);
}

}  // namespace xmmu

#endif  // XMMU_LIB_MMU_TLB_SEARCH_H_
