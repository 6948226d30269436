#include "xmmu/mmu/tlb.h"

#include <bit>

#include "xmmu/base/check.h"

namespace xmmu {
namespace {

constexpr int kShift1G = 30;

}  // namespace

void TlbSlot::Assign(const TlbEntry& entry) {
  const uint64_t offset_mask = entry.page_bytes() - 1;
  mask = ~offset_mask | (entry.global ? 0 : kPageOffsetMask);
  tag = Key(entry.va(), entry.pcid) & mask;
  delta = entry.base.value() - entry.va().value();
  pcid = entry.pcid;
  page_shift = entry.page_shift;
  rights = entry.rights;
}

TlbEntry TlbSlot::ToEntry() const {
  TlbEntry entry;
  const uint64_t va = tag & ~kPageOffsetMask;
  entry.vpn = va >> page_shift;
  entry.base = MachineAddr(va + delta);
  entry.pcid = pcid;
  entry.page_shift = page_shift;
  entry.rights = rights;
  entry.global = global();
  return entry;
}

Tlb::Tlb(const TlbGeometry& geometry) : unified_l2_(geometry.unified_l2) {
  levels_[0] = MakeLevel(geometry.instruction_l1);
  levels_[1] = MakeLevel(geometry.data_l1);
  if (!unified_l2_) levels_[2] = MakeLevel(geometry.instruction_l2);
  levels_[3] = MakeLevel(geometry.data_l2);
  XMMU_CHECK(slots_.size() <= size_t{1} << 16);  // hints are 16 bits
}

Tlb::Level Tlb::MakeLevel(const std::array<TlbArrayGeometry, 3>& geometry) {
  Level level;
  for (const TlbArrayGeometry& array : geometry) {
    if (array.entries == 0) continue;
    Home home;
    home.first = static_cast<uint32_t>(slots_.size());
    home.ways = array.ways == 0 ? array.entries : array.ways;
    XMMU_CHECK(array.entries % home.ways == 0);
    home.sets = array.entries / home.ways;
    home.power_of_two = std::has_single_bit(home.sets);
    slots_.resize(slots_.size() + array.entries);
    for (size_t size = 0; size < kSizeClasses; ++size) {
      const bool holds = (array.page_sizes >> size & 1) != 0;
      if (holds && level[size].sets == 0) level[size] = home;
    }
  }
  return level;
}

Tlb::Level& Tlb::L1(TlbSide side) { return levels_[static_cast<size_t>(side)]; }

Tlb::Level& Tlb::L2(TlbSide side) {
  return levels_[unified_l2_ ? 3 : 2 + static_cast<size_t>(side)];
}

size_t Tlb::SizeClass(int page_shift) {
  if (page_shift == kPageShift) return 0;
  return page_shift == kShift1G ? 2 : 1;
}

TlbSlot* Tlb::SetOf(const Home& home, size_t size_class, VirtAddr va) {
  const uint64_t vpn = va.value() >> shifts_[size_class];
  // A division is slow on the host, and nearly all TLBs have 2^n sets.
  const uint64_t set =
      home.power_of_two ? vpn & (home.sets - 1) : vpn % home.sets;
  return &slots_[home.first + set * home.ways];
}

TlbSlot* Tlb::FindInLevel(Level& level, VirtAddr va, uint16_t pcid) {
  const uint64_t key = TlbSlot::Key(va, pcid);
  const TlbSlot* searched = nullptr;
  for (size_t size = 0; size < kSizeClasses; ++size) {
    const Home& home = level[size];
    if (home.live == 0) continue;
    TlbSlot* const set = SetOf(home, size, va);
    if (set == searched) continue;  // two sizes in one set
    searched = set;
    for (TlbSlot* slot = set; slot != set + home.ways; ++slot) {
      if (slot->Matches(key)) {
        Touch(*slot);
        return slot;
      }
    }
  }
  return nullptr;
}

TlbSlot* Tlb::FindL1(TlbSide side, VirtAddr va, uint16_t pcid) {
  TlbSlot* const found = FindInLevel(L1(side), va, pcid);
  if (found != nullptr) SetHint(side, va, *found);
  return found;
}

TlbSlot* Tlb::FindL2(TlbSide side, VirtAddr va, uint16_t pcid) {
  return FindInLevel(L2(side), va, pcid);
}

void Tlb::SetHint(TlbSide side, VirtAddr va, const TlbSlot& slot) {
  hints_[static_cast<size_t>(side)][HintIndex(va)] =
      static_cast<uint16_t>(&slot - slots_.data());
}

TlbSlot* Tlb::TakeSlot(Level& level, int page_shift, VirtAddr va) {
  const size_t size = SizeClass(page_shift);
  Home& home = level[size];
  if (home.sets == 0) return nullptr;
  TlbSlot* const set = SetOf(home, size, va);
  TlbSlot* victim = set;
  uint64_t oldest = set->last_use;
  // A free slot was never used, so it is the least recently used.
  for (TlbSlot* slot = set + 1; slot != set + home.ways; ++slot) {
    if (slot->last_use < oldest) {
      victim = slot;
      oldest = slot->last_use;
    }
  }
  if (victim->valid()) --level[SizeClass(victim->page_shift)].live;
  ++home.live;
  Touch(*victim);
  return victim;
}

void Tlb::Refill(TlbSide side, VirtAddr va, const TlbSlot& entry) {
  TlbSlot* const slot = TakeSlot(L1(side), entry.page_shift, va);
  if (slot == nullptr) return;
  *slot = entry;
  Touch(*slot);
  SetHint(side, va, *slot);
}

void Tlb::Fill(TlbSide side, VirtAddr va, const TlbEntry& entry) {
  if (TlbSlot* const slot = TakeSlot(L1(side), entry.page_shift, va)) {
    slot->Assign(entry);
    SetHint(side, va, *slot);
  }
  if (TlbSlot* const slot = TakeSlot(L2(side), entry.page_shift, va)) {
    slot->Assign(entry);
  }
}

void Tlb::DropPage(VirtAddr va, uint16_t pcid, bool globals) {
  const uint64_t key = TlbSlot::Key(va, pcid);
  for (Level& level : levels_) {
    for (size_t size = 0; size < kSizeClasses; ++size) {
      Home& home = level[size];
      if (home.live == 0) continue;
      TlbSlot* const set = SetOf(home, size, va);
      for (TlbSlot* slot = set; slot != set + home.ways; ++slot) {
        const bool drop = slot->Matches(key) &&
                          SizeClass(slot->page_shift) == size &&
                          (globals || !slot->global());
        if (!drop) continue;
        *slot = TlbSlot();
        --home.live;
      }
    }
  }
}

template <typename Predicate>
void Tlb::DropIf(Predicate predicate) {
  for (Level& level : levels_) {
    for (size_t size = 0; size < kSizeClasses; ++size) {
      Home& home = level[size];
      if (home.live == 0) continue;
      TlbSlot* const first = &slots_[home.first];
      const size_t entries = size_t{home.sets} * home.ways;
      for (TlbSlot* slot = first; slot != first + entries; ++slot) {
        const bool drop = slot->valid() &&
                          SizeClass(slot->page_shift) == size &&
                          predicate(*slot);
        if (!drop) continue;
        *slot = TlbSlot();
        --home.live;
      }
    }
  }
}

void Tlb::DropPcid(uint16_t pcid, bool globals) {
  DropIf([=](const TlbSlot& slot) {
    return slot.pcid == pcid && (globals || !slot.global());
  });
}

void Tlb::DropNonGlobal() {
  DropIf([](const TlbSlot& slot) { return !slot.global(); });
}

void Tlb::DropAll() {
  DropIf([](const TlbSlot&) { return true; });
}

void Tlb::SetLargeShift(int shift) {
  XMMU_DCHECK(size() == 0);
  shifts_[1] = shift;
}

std::vector<TlbEntry> Tlb::Entries() const {
  std::vector<TlbEntry> entries;
  for (const TlbSlot& slot : slots_) {
    if (slot.valid()) entries.push_back(slot.ToEntry());
  }
  return entries;
}

size_t Tlb::size() const {
  size_t held = 0;
  for (const Level& level : levels_) {
    for (const Home& home : level) held += home.live;
  }
  return held;
}

}  // namespace xmmu
