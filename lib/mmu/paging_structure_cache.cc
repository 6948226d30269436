#include "xmmu/mmu/internal/paging_structure_cache.h"

#include <bit>

#include "xmmu/base/check.h"

namespace xmmu {

PagingStructureCache::PagingStructureCache(
    const PagingStructureCacheGeometry& geometry) {
  for (size_t level = 2; level < arrays_.size(); ++level) {
    const PagingStructureCacheArray& shape = geometry.level[level];
    if (shape.entries == 0) continue;
    Array& array = arrays_[level];
    array.ways = shape.ways == 0 ? shape.entries : shape.ways;
    XMMU_CHECK(shape.entries % array.ways == 0);
    array.sets = shape.entries / array.ways;
    array.slots.resize(shape.entries);
    capacity_ += shape.entries;
  }
}

uint64_t PagingStructureCache::TagOf(int level, VirtAddr va,
                                     uint16_t pcid) const {
  const int shift = LevelShift(mode_, level);
  return (va.value() >> shift << shift) | pcid;
}

// Sets are chosen by the low bits of the region's number (assumed).
PagingStructureCache::Slot* PagingStructureCache::SetOf(int level,
                                                        VirtAddr va) {
  Array& array = arrays_[static_cast<size_t>(level)];
  if (array.sets == 1) return array.slots.data();
  const uint64_t region = va.value() >> LevelShift(mode_, level);
  // A division is slow on the host, and nearly all caches have 2^n sets.
  const uint64_t set = std::has_single_bit(array.sets)
                           ? region & (array.sets - 1)
                           : region % array.sets;
  return &array.slots[set * array.ways];
}

PagingStructureCache::Slot* PagingStructureCache::Find(int level, VirtAddr va,
                                                       uint16_t pcid) {
  const Array& array = arrays_[static_cast<size_t>(level)];
  if (array.live == 0) return nullptr;
  const uint64_t tag = TagOf(level, va, pcid);
  Slot* const set = SetOf(level, va);
  for (Slot* slot = set; slot != set + array.ways; ++slot) {
    if (slot->tag == tag && slot->entry.tag == vm_) return slot;
  }
  return nullptr;
}

// The deepest entry is that of the lowest level, so the search starts there.
const PagingStructureEntry* PagingStructureCache::LookupHeld(VirtAddr va,
                                                             uint16_t pcid) {
  for (int level = 2; level <= kTopLevel; ++level) {
    if (Slot* const slot = Find(level, va, pcid)) {
      slot->last_use = ++use_;
      return &slot->entry;
    }
  }
  return nullptr;
}

// An entry that is held is replaced in place; else the least recently used one
// of the set goes.
void PagingStructureCache::FillHeld(int level, VirtAddr va, uint16_t pcid,
                                    MachineAddr table, uint8_t rights,
                                    Gfn guest_table) {
  Array& array = arrays_[static_cast<size_t>(level)];
  Slot* victim = Find(level, va, pcid);
  if (victim == nullptr) {
    Slot* const set = SetOf(level, va);
    victim = set;
    for (Slot* slot = set + 1; slot != set + array.ways; ++slot) {
      if (slot->last_use < victim->last_use) victim = slot;
    }
    if (victim->tag == kNoTag) {
      ++array.live;
      ++live_;
    }
  }
  const uint64_t tag = TagOf(level, va, pcid);
  victim->tag = tag;
  victim->last_use = ++use_;
  PagingStructureEntry& entry = victim->entry;
  entry.level = level;
  entry.va = VirtAddr(tag & ~kPageOffsetMask);
  entry.pcid = pcid;
  entry.table = table;
  entry.rights = rights;
  entry.tag = vm_;
  entry.guest_table = guest_table;
}

void PagingStructureCache::Drop(Array& array, Slot& slot) {
  slot = Slot();
  --array.live;
  --live_;
}

// Entries under any nested root go, as a guest's invalidation does not depend
// on it.
void PagingStructureCache::DropAddress(VirtAddr va, uint16_t pcid) {
  for (int level = 2; level <= kTopLevel; ++level) {
    Array& array = arrays_[static_cast<size_t>(level)];
    if (array.live == 0) continue;
    const uint64_t tag = TagOf(level, va, pcid);
    Slot* const set = SetOf(level, va);
    for (Slot* slot = set; slot != set + array.ways; ++slot) {
      const bool serves = slot->tag == tag && slot->entry.tag.vpid == vm_.vpid;
      if (serves) Drop(array, *slot);
    }
  }
}

void PagingStructureCache::DropPcid(uint16_t pcid) {
  DropIf([=, this](const PagingStructureEntry& entry) {
    return entry.pcid == pcid && entry.tag.vpid == vm_.vpid;
  });
}

void PagingStructureCache::DropAll() {
  DropIf([this](const PagingStructureEntry& entry) {
    return entry.tag.vpid == vm_.vpid;
  });
}

std::vector<PagingStructureEntry> PagingStructureCache::Entries() const {
  std::vector<PagingStructureEntry> entries;
  for (const Array& array : arrays_) {
    for (const Slot& slot : array.slots) {
      if (slot.tag != kNoTag) entries.push_back(slot.entry);
    }
  }
  return entries;
}

}  // namespace xmmu
