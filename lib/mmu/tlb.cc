#include "xmmu/mmu/internal/tlb.h"

#include <algorithm>
#include <bit>
#include <vector>

#include "absl/base/optimization.h"
#include "tlb_search.h"
#include "xmmu/base/internal/lanes.h"

namespace xmmu {

template <typename Visit>
ABSL_ATTRIBUTE_ALWAYS_INLINE inline void Tlb::VisitMatches(
    size_t set, uint32_t ways, uint32_t tag, uint64_t key, Visit visit) const {
  const lanes::Lanes wanted = lanes::Broadcast(tag);
  uint32_t way = 0;
  do {
    const uint32_t* const tags = &tags_[set + way];
    uint32_t marks = ways <= lanes::kLanes ? lanes::MarkEqual4(tags, wanted)
                                           : lanes::MarkEqual16(tags, wanted);
    marks &= lanes::FirstBits(ways - way);
    for (; marks != 0; marks &= marks - 1) {
      const size_t index =
          set + way + static_cast<uint32_t>(std::countr_zero(marks));
      if (slots_[index].Matches(key) && visit(index)) return;
    }
    way += 16;
  } while (ABSL_PREDICT_FALSE(way < ways));
}

ABSL_ATTRIBUTE_ALWAYS_INLINE inline size_t Tlb::FindInSet(size_t set,
                                                          uint32_t ways,
                                                          uint32_t tag,
                                                          uint64_t key) const {
  size_t found = 0;
  VisitMatches(set, ways, tag, key, [&](size_t index) {
    if (!IsOwn(index)) return false;
    found = index;
    return true;
  });
  return found;
}

// Smaller pages are found first; in a set of two sizes its order decides.
size_t Tlb::FindAmongSizes(const Level& level, const Probe& probe) const {
  size_t found = 0;
  size_t found_set = 0;
  for (uint32_t sizes = level.held_sizes; sizes != 0; sizes &= sizes - 1) {
    const auto size = static_cast<size_t>(std::countr_zero(sizes));
    const Home& home = level.homes[size];
    const uint64_t vpn = probe.va_.value() >> shifts_[size];
    const size_t set = SetOf(home, vpn);
    if (found != 0 && set != found_set) continue;
    if (home.search != Search::kAny && MarksIn(home, set, size, vpn) == 0) {
      found_set = set;
      continue;
    }
    const size_t index =
        FindInSet(set, home.ways, FilterTag(size, vpn), probe.key_);
    if (index != 0 && (found == 0 || index < found)) found = index;
    found_set = set;
  }
  return found;
}

// A tag that is found may be that of another guest's entry, or another PCID's.
bool Tlb::LacksLarge(const Level& level, VirtAddr va) const {
  uint32_t marks = 0;
  for (uint32_t sizes = level.held_sizes & ~1u; sizes != 0;
       sizes &= sizes - 1) {
    const auto size = static_cast<size_t>(std::countr_zero(sizes));
    const Home& home = level.homes[size];
    if (ABSL_PREDICT_FALSE(home.search == Search::kAny)) return false;
    const uint64_t vpn = va.value() >> shifts_[size];
    marks |= MarksIn(home, SetOf(home, vpn), size, vpn);
  }
  return marks == 0;
}

bool Tlb::LacksLarge(TlbSide side, VirtAddr va) const {
  return LacksLarge(levels_[static_cast<size_t>(side)], va) &&
         LacksLarge(levels_[L2Index(side)], va);
}

void Tlb::Renumber() {
  std::vector<size_t> order;
  for (size_t index = 0; index < slots_.size(); ++index) {
    if (stamps_[index] != 0) order.push_back(index);
  }
  std::sort(order.begin(), order.end(),
            [this](size_t a, size_t b) { return stamps_[a] < stamps_[b]; });
  stamp_ = 0;
  for (const size_t index : order) stamps_[index] = ++stamp_;
}

void Tlb::Book(Level& level, size_t slot, size_t size_class, bool global) {
  Home& home = level.homes[size_class];
  const size_t bit = slot - home.first;
  held_[home.bits[global] + bit / 64] |= uint64_t{1} << bit % 64;
  ++home.live[global];
  if (home.live[0] + home.live[1] == 1) {
    SetHeldSizes(level, level.held_sizes | 1u << size_class);
  }
}

void Tlb::Unbook(Level& level, size_t slot) {
  const bool global = slots_[slot].global();
  const size_t size_class = slots_[slot].size_class();
  Home& home = level.homes[size_class];
  const size_t bit = slot - home.first;
  held_[home.bits[global] + bit / 64] &= ~(uint64_t{1} << bit % 64);
  --home.live[global];
  if (home.live[0] + home.live[1] == 0) {
    SetHeldSizes(level, level.held_sizes & ~(1u << size_class));
  }
}

size_t Tlb::OldestOfAny(size_t set, uint32_t ways) const {
  const uint32_t* const stamps = &stamps_[set];
  if (ways > lanes::kLanes) {
    return set + lanes::IndexOfSmallestOfMany(stamps, ways);
  }
  return set +
         static_cast<size_t>(std::min_element(stamps, stamps + ways) - stamps);
}

size_t Tlb::Put(Level& level, VirtAddr va, TlbSlot entry, TlbExtras extras) {
  const size_t size_class = entry.size_class();
  const Home& home = level.homes[size_class];
  if (home.sets == 0) return 0;
  const uint64_t vpn = va.value() >> entry.page_shift();
  const size_t set = SetOf(home, vpn);
  const size_t index = home.search == Search::kAny
                           ? OldestOfAny(set, home.ways)
                           : OldestOf(home.search, set, home.ways);
  TlbSlot& slot = slots_[index];
  // An entry of the same kind as the evicted one needs no booking.
  if (ABSL_PREDICT_FALSE(!slot.IsOfKind(entry))) {
    if (slot.valid()) Unbook(level, index);
    Book(level, index, size_class, entry.global());
  }
  slot = entry;
  tags_[index] = FilterTag(size_class, vpn);
  stamps_[index] = NextStamp();
  if (has_extras_) extras_[index] = extras;
  return index;
}

void Tlb::PutInL1(TlbSide side, VirtAddr va, TlbSlot entry, TlbExtras extras) {
  if (const size_t index = Put(L1(side), va, entry, extras)) {
    SetHint(side, va, index);
  }
}

inline TlbExtras Tlb::ExtrasFor(const TlbEntry& entry) {
  const TlbExtras extras(vm_, entry);
  fractured_ |= extras.guest_shift() != 0;
  has_extras_ |= extras.any();
  return extras;
}

void Tlb::FillExecuteOnly(VirtAddr va, const TlbEntry& entry) {
  PutInL1(TlbSide::kInstruction, va, TlbSlot(entry), ExtrasFor(entry));
}

void Tlb::Fill(TlbSide side, VirtAddr va, const TlbEntry& entry) {
  const TlbSlot slot(entry);
  const TlbExtras extras = ExtrasFor(entry);
  if (const size_t index = PutBySearch(L1(side), va, slot, extras)) {
    SetHint(side, va, index);
  }
  PutBySearch(L2(side), va, slot, extras);
}

void Tlb::Clear(size_t slot) {
  slots_[slot] = TlbSlot();
  tags_[slot] = kFreeTag;
  stamps_[slot] = 0;
}

void Tlb::DropMatch(Level& level, size_t index, bool globals) {
  if (has_extras_ && extras_[index].vpid() != vm_.vpid) return;
  if (slots_[index].global() && !globals) return;
  Unbook(level, index);
  Clear(index);
}

void Tlb::DropMatches(VirtAddr va, uint16_t pcid, bool globals) {
  const Probe probe(va, pcid);
  for (Level& level : levels_) {
    if (level.held_sizes == 0) continue;
    if (ABSL_PREDICT_TRUE(level.search != Search::kAny)) {
      const size_t set = QuickSet(level, probe);
      uint32_t marks = QuickMarks(level, set, probe);
      for (; marks != 0; marks &= marks - 1) {
        const size_t index =
            set + static_cast<uint32_t>(std::countr_zero(marks));
        if (slots_[index].Matches(probe.key_)) DropMatch(level, index, globals);
      }
      continue;
    }
    for (uint32_t sizes = level.held_sizes; sizes != 0; sizes &= sizes - 1) {
      const auto size = static_cast<size_t>(std::countr_zero(sizes));
      const Home& home = level.homes[size];
      const uint64_t vpn = va.value() >> shifts_[size];
      const size_t set = SetOf(home, vpn);
      if (home.search != Search::kAny && MarksIn(home, set, size, vpn) == 0) {
        continue;
      }
      VisitMatches(set, home.ways, FilterTag(size, vpn), probe.key_,
                   [&](size_t index) {
                     DropMatch(level, index, globals);
                     return false;
                   });
    }
  }
}

// Pieces of a fractured page have addresses other than `va`, so all of them
// must be looked at; this is rare.
void Tlb::DropPage(VirtAddr va, uint16_t pcid, bool globals) {
  DropMatches(va, pcid, globals);
  if (ABSL_PREDICT_TRUE(!fractured_)) return;
  const auto piece = [=, this](const TlbSlot& slot, const TlbExtras& extras) {
    return extras.guest_shift() != 0 && extras.vpid() == vm_.vpid &&
           IsOfPage(slot, extras, va);
  };
  DropIf(/*global=*/false, [&](const TlbSlot& slot, const TlbExtras& extras) {
    return slot.pcid() == pcid && piece(slot, extras);
  });
  if (globals) DropIf(/*global=*/true, piece);
}

void Tlb::DropEntry(VirtAddr va, uint16_t pcid) {
  DropMatches(va, pcid, /*globals=*/true);
}

template <typename Predicate>
void Tlb::DropIf(bool global, Predicate predicate) {
  for (Level& level : levels_) {
    for (uint32_t sizes = level.held_sizes; sizes != 0; sizes &= sizes - 1) {
      const auto size = static_cast<size_t>(std::countr_zero(sizes));
      Home& home = level.homes[size];
      if (home.live[global] == 0) continue;
      for (uint32_t word = 0; word < home.words; ++word) {
        DropInWord(home, global, word, predicate);
      }
      if (home.live[0] + home.live[1] == 0) {
        SetHeldSizes(level, level.held_sizes & ~(1u << size));
      }
    }
  }
}

template <typename Predicate>
void Tlb::DropInWord(Home& home, bool global, uint32_t word,
                     Predicate predicate) {
  uint64_t& held = held_[home.bits[global] + word];
  uint64_t kept = held;
  for (uint64_t left = held; left != 0; left &= left - 1) {
    const size_t bit = static_cast<size_t>(std::countr_zero(left));
    const size_t index = home.first + word * 64 + bit;
    if (!predicate(slots_[index], extras_[index])) continue;
    Clear(index);
    kept &= ~(left & -left);
    --home.live[global];
  }
  held = kept;
}

void Tlb::DropPcid(uint16_t pcid, bool globals) {
  const uint16_t vpid = vm_.vpid;
  DropIf(/*global=*/false, [=](const TlbSlot& slot, const TlbExtras& extras) {
    return slot.pcid() == pcid && extras.vpid() == vpid;
  });
  if (!globals) return;
  DropIf(/*global=*/true, [=](const TlbSlot&, const TlbExtras& extras) {
    return extras.global_pcid() == pcid && extras.vpid() == vpid;
  });
}

void Tlb::DropNonGlobal() { DropVpid(vm_.vpid, /*globals=*/false); }

void Tlb::DropAll() { DropVpid(vm_.vpid, /*globals=*/true); }

void Tlb::DropVpid(uint16_t vpid, bool globals) {
  const auto in_vpid = [vpid](const TlbSlot&, const TlbExtras& extras) {
    return extras.vpid() == vpid;
  };
  DropIf(/*global=*/false, in_vpid);
  if (globals) DropIf(/*global=*/true, in_vpid);
}

// INVVPID by address and INVLPGA drop globals and all pieces as well.
void Tlb::DropVpidPage(uint16_t vpid, VirtAddr va) {
  DropIfAny([=](const TlbSlot& slot, const TlbExtras& extras) {
    return extras.vpid() == vpid && IsOfPage(slot, extras, va);
  });
}

void Tlb::DropTagged() {
  DropIfAny([](const TlbSlot&, const TlbExtras& extras) {
    return extras.vpid() != 0;
  });
}

void Tlb::DropRoot(uint8_t root) {
  DropIfAny([root](const TlbSlot&, const TlbExtras& extras) {
    return extras.root() == root;
  });
}

void Tlb::DropAllVms() {
  DropIfAny([](const TlbSlot&, const TlbExtras&) { return true; });
  fractured_ = false;
  if (!has_extras_) return;
  std::fill(extras_.begin(), extras_.end(), TlbExtras());
  has_extras_ = vm_ != VmTag();
}

void Tlb::SetVm(VmTag vm) {
  if (vm == vm_) return;
  vm_ = vm;
  has_extras_ |= vm != VmTag();
  for (auto& side : hints_) side.fill(0);
}

void Tlb::SetLargeShift(int shift) {
  if (shifts_[1] == shift) return;
  DropAllVms();
  shifts_[1] = shift;
}

std::vector<TlbEntry> Tlb::Entries() const {
  std::vector<TlbEntry> entries;
  for (size_t index = 0; index < slots_.size(); ++index) {
    if (slots_[index].valid()) entries.push_back(EntryOf(index));
  }
  return entries;
}

TlbEntry Tlb::EntryOf(size_t index) const {
  const TlbSlot& found = slots_[index];
  const TlbExtras& extras = extras_[index];
  TlbEntry entry;
  entry.vpn = found.va().value() >> found.page_shift();
  entry.base = found.Translate(found.va());
  entry.pcid = found.global() ? extras.global_pcid() : found.pcid();
  entry.page_shift = static_cast<uint8_t>(found.page_shift());
  entry.rights = found.rights();
  entry.global = found.global();
  entry.guest_shift = extras.guest_shift();
  entry.vm = {extras.vpid(), extras.root()};
  return entry;
}

size_t Tlb::size() const {
  size_t held = 0;
  for (const Level& level : levels_) {
    for (const Home& home : level.homes) held += home.live[0] + home.live[1];
  }
  return held;
}

}  // namespace xmmu
