// Implements how a Tlb is laid out, and which of its searches will do.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "xmmu/base/check.h"
#include "xmmu/base/internal/lanes.h"
#include "xmmu/mmu/internal/tlb.h"

namespace xmmu {

Tlb::Tlb(const TlbGeometry& geometry, uint32_t last_stamp)
    : unified_l2_(geometry.unified_l2), last_stamp_(last_stamp) {
  MakeLevel(geometry.instruction_l1, levels_[0]);
  MakeLevel(geometry.data_l1, levels_[1]);
  if (!unified_l2_) MakeLevel(geometry.instruction_l2, levels_[2]);
  MakeLevel(geometry.data_l2, levels_[3]);
  XMMU_CHECK(slots_.size() <= size_t{1} << 16);  // hints are 16 bits
  XMMU_CHECK(last_stamp > slots_.size() && last_stamp <= kLastStamp);
  const size_t words = slots_.size() + lanes::kReadOn;
  tags_.resize(words, kFreeTag);
  stamps_.resize(words);
  extras_.resize(slots_.size());
}

// Appends the arrays of a level to slots_. The first array that holds a page
// size is its home.
void Tlb::MakeLevel(const std::array<TlbArrayGeometry, 3>& geometry,
                    Level& level) {
  for (const TlbArrayGeometry& array : geometry) {
    if (array.entries == 0) continue;
    Home home;
    home.first = static_cast<uint32_t>(slots_.size());
    home.ways = array.ways == 0 ? array.entries : array.ways;
    XMMU_CHECK(array.entries % home.ways == 0);
    XMMU_CHECK(home.ways <= kMaxWays);
    home.sets = array.entries / home.ways;
    home.power_of_two = std::has_single_bit(home.sets);
    if (home.power_of_two && home.ways >= 4 && home.ways <= 16) {
      home.search = home.ways == 4 ? Search::kFour : Search::kSixteen;
      home.way_bits = (1u << home.ways) - 1;
    }
    home.words = (array.entries + 63u) / 64;
    slots_.resize(slots_.size() + array.entries);
    for (size_t size = 0; size < kSizeClasses; ++size) {
      const bool holds = (array.page_sizes >> size & 1) != 0;
      if (!holds || level.homes[size].sets != 0) continue;
      level.homes[size] = home;
      for (uint32_t& bits : level.homes[size].bits) {
        bits = static_cast<uint32_t>(held_.size());
        held_.resize(held_.size() + home.words);
      }
    }
  }
  SetHeldSizes(level, 0);
}

void Tlb::SetHeldSizes(Level& level, uint32_t sizes) {
  level.held_sizes = sizes;
  const Search search = sizes <= 1 ? level.homes[0].search : Search::kAny;
  const bool only_large = sizes > 1 && (sizes & 1) == 0;
  if (search == level.search && only_large == level.only_large) return;
  level.search = search;
  level.only_large = only_large;
  UpdateQuickSides();
}

void Tlb::UpdateQuickSides() {
  for (const TlbSide side : {TlbSide::kInstruction, TlbSide::kData}) {
    const Home& l1 = L1(side).homes[0];
    const Home& l2 = L2(side).homes[0];
    QuickSide& quick = quick_[static_cast<size_t>(side)];
    quick.usable = l1.search == Search::kFour &&
                   l2.search == Search::kSixteen && !L1(side).only_large &&
                   !L2(side).only_large;
    quick.small_only =
        L1(side).search != Search::kAny && L2(side).search != Search::kAny;
    quick.l1_first = l1.first;
    quick.l1_last_set = l1.sets - 1;
    quick.l2_first = l2.first;
    quick.l2_last_set = l2.sets - 1;
    quick.l2_ways = l2.ways;
    quick.l2_way_bits = l2.way_bits;
  }
}

}  // namespace xmmu
