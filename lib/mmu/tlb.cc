#include "xmmu/mmu/tlb.h"

#include "xmmu/base/check.h"

namespace xmmu {
namespace {

constexpr int kShift1G = 30;

}  // namespace

TlbSlot TlbSlot::Of(const TlbEntry& entry) {
  const uint64_t offset_mask = entry.page_bytes() - 1;
  TlbSlot slot;
  slot.mask = ~offset_mask | (entry.global ? 0 : kPageOffsetMask);
  slot.tag = Key(entry.va(), entry.pcid) & slot.mask;
  slot.delta = entry.base.value() - entry.va().value();
  slot.pcid = entry.pcid;
  slot.page_shift = entry.page_shift;
  slot.rights = entry.rights;
  return slot;
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
  for (size_t i = 0; i < 3; ++i) {
    levels_[0][i] = MakeArray(geometry.instruction_l1[i]);
    levels_[1][i] = MakeArray(geometry.data_l1[i]);
    if (!unified_l2_) levels_[2][i] = MakeArray(geometry.instruction_l2[i]);
    levels_[3][i] = MakeArray(geometry.data_l2[i]);
  }
  XMMU_CHECK(slots_.size() <= size_t{1} << 16);  // hints are 16 bits
}

Tlb::Array Tlb::MakeArray(const TlbArrayGeometry& geometry) {
  Array array;
  if (geometry.entries == 0) return array;
  array.first = static_cast<uint32_t>(slots_.size());
  array.ways = geometry.ways == 0 ? geometry.entries : geometry.ways;
  XMMU_CHECK(geometry.entries % array.ways == 0);
  array.sets = geometry.entries / array.ways;
  array.page_sizes = geometry.page_sizes;
  slots_.resize(slots_.size() + geometry.entries);
  return array;
}

Tlb::Level& Tlb::L1(TlbSide side) { return levels_[static_cast<size_t>(side)]; }

Tlb::Level& Tlb::L2(TlbSide side) {
  return levels_[unified_l2_ ? 3 : 2 + static_cast<size_t>(side)];
}

int Tlb::SizeClass(int page_shift) {
  if (page_shift == kPageShift) return 0;
  return page_shift == kShift1G ? 2 : 1;
}

TlbSlot* Tlb::SetOf(const Array& array, int size_class, VirtAddr va) {
  TlbSlot* const base = &slots_[array.first];
  if (array.sets == 1) return base;
  const int shift = size_class == 0   ? kPageShift
                    : size_class == 1 ? large_shift_
                                      : kShift1G;
  const uint64_t vpn = va.value() >> shift;
  // A division is slow on the host, and nearly all TLBs have 2^n sets.
  const uint64_t set = (array.sets & (array.sets - 1)) == 0
                           ? vpn & (array.sets - 1)
                           : vpn % array.sets;
  return base + set * array.ways;
}

TlbSlot* Tlb::FindInSet(const Array& array, TlbSlot* set, uint64_t key) {
  for (TlbSlot* slot = set; slot != set + array.ways; ++slot) {
    if (slot->Matches(key)) return slot;
  }
  return nullptr;
}

TlbSlot* Tlb::FindInArray(const Array& array, VirtAddr va, uint64_t key) {
  for (int size = 0; size < kSizeClasses; ++size) {
    if (array.live[static_cast<size_t>(size)] == 0) continue;
    TlbSlot* const found = FindInSet(array, SetOf(array, size, va), key);
    // One set holds all sizes: one search finds any.
    if (found != nullptr || array.sets == 1) return found;
  }
  return nullptr;
}

TlbSlot* Tlb::FindInLevel(Level& level, VirtAddr va, uint64_t key) {
  for (const Array& array : level) {
    TlbSlot* const found = FindInArray(array, va, key);
    if (found != nullptr) {
      Touch(*found);
      return found;
    }
  }
  return nullptr;
}

TlbSlot* Tlb::FindL1(TlbSide side, VirtAddr va, uint16_t pcid) {
  TlbSlot* const found = FindInLevel(L1(side), va, TlbSlot::Key(va, pcid));
  if (found != nullptr) SetHint(side, va, *found);
  return found;
}

TlbSlot* Tlb::FindL2(TlbSide side, VirtAddr va, uint16_t pcid) {
  return FindInLevel(L2(side), va, TlbSlot::Key(va, pcid));
}

void Tlb::SetHint(TlbSide side, VirtAddr va, const TlbSlot& slot) {
  hints_[static_cast<size_t>(side)][HintIndex(va)] =
      static_cast<uint16_t>(&slot - slots_.data());
}

TlbSlot* Tlb::Insert(Level& level, VirtAddr va, const TlbSlot& entry) {
  const int size = SizeClass(entry.page_shift);
  for (Array& array : level) {
    if ((array.page_sizes >> size & 1) == 0 || array.sets == 0) continue;
    TlbSlot* const set = SetOf(array, size, va);
    TlbSlot* victim = set;
    // A free slot has never been used, so it is the least recently used.
    for (TlbSlot* slot = set + 1; slot != set + array.ways; ++slot) {
      if (slot->last_use < victim->last_use) victim = slot;
    }
    if (victim->valid()) Drop(array, *victim);
    *victim = entry;
    Touch(*victim);
    ++array.live[static_cast<size_t>(size)];
    return victim;
  }
  return nullptr;
}

void Tlb::Refill(TlbSide side, VirtAddr va, TlbSlot entry) {
  const TlbSlot* const slot = Insert(L1(side), va, entry);
  if (slot != nullptr) SetHint(side, va, *slot);
}

void Tlb::Fill(TlbSide side, VirtAddr va, const TlbEntry& entry) {
  const TlbSlot slot = TlbSlot::Of(entry);
  Refill(side, va, slot);
  Insert(L2(side), va, slot);
}

void Tlb::Drop(Array& array, TlbSlot& slot) {
  --array.live[static_cast<size_t>(SizeClass(slot.page_shift))];
  slot = TlbSlot();
}

void Tlb::DropPage(VirtAddr va, uint16_t pcid, bool globals) {
  const uint64_t key = TlbSlot::Key(va, pcid);
  for (Level& level : levels_) {
    for (Array& array : level) {
      for (int size = 0; size < kSizeClasses; ++size) {
        if (array.live[static_cast<size_t>(size)] == 0) continue;
        TlbSlot* const set = SetOf(array, size, va);
        for (TlbSlot* slot = set; slot != set + array.ways; ++slot) {
          if (slot->Matches(key) && (globals || !slot->global())) {
            Drop(array, *slot);
          }
        }
      }
    }
  }
}

template <typename Predicate>
void Tlb::DropIf(Predicate predicate) {
  for (Level& level : levels_) {
    for (Array& array : level) {
      if (array.live == decltype(array.live){}) continue;
      TlbSlot* const first = &slots_[array.first];
      for (TlbSlot* slot = first; slot != first + array.sets * array.ways;
           ++slot) {
        if (slot->valid() && predicate(*slot)) Drop(array, *slot);
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
  large_shift_ = shift;
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
    for (const Array& array : level) {
      for (const uint32_t live : array.live) held += live;
    }
  }
  return held;
}

}  // namespace xmmu
