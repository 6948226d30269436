#include "xmmu/mmu/internal/paging_structure_cache.h"

#include "xmmu/base/check.h"

namespace xmmu {

PagingStructureCache::PagingStructureCache(
    const PagingStructureCacheGeometry& geometry) {
  for (size_t level = 2; level < arrays_.size(); ++level) {
    const PagingStructureCacheArray& shape = geometry.level[level];
    if (shape.entries == 0) continue;
    Array& array = arrays_[level];
    array.entries = shape.entries;
    array.ways = shape.ways == 0 ? shape.entries : shape.ways;
    XMMU_CHECK(shape.entries % array.ways == 0);
    if (array.ways <= 4) array.way_bits = (1u << array.ways) - 1;
    array.sets = shape.entries / array.ways;
    array.divides = !std::has_single_bit(array.sets);
    array.set_mask = array.sets - 1;
    array.tags = TagSets(array.sets, array.ways);
    array.slots.resize(shape.entries);
    array.held.resize((size_t{shape.entries} + 63) / 64);
    capacity_ += shape.entries;
  }
  SetMode(PagingMode::k4Level);
}

void PagingStructureCache::SetMode(PagingMode mode) {
  for (int level = 2; level <= kTopLevel; ++level) {
    arrays_[static_cast<size_t>(level)].shift = LevelShift(mode, level);
  }
}

size_t PagingStructureCache::FindWithTag(const Array& array, const Place& place,
                                         uint16_t pcid) const {
  for (size_t way = 0; way < array.ways; ++way) {
    if (IsAt(array.slots[place.set * array.ways + way], place, pcid)) {
      return way;
    }
  }
  return TagSets::kNoWay;
}

// An entry that is held is replaced in place.
void PagingStructureCache::Fill(int level, VirtAddr va, uint16_t pcid,
                                MachineAddr table, uint8_t rights,
                                Gfn guest_table) {
  Array& array = arrays_[static_cast<size_t>(level)];
  if (array.live != 0) {
    const Place place = PlaceOf(array, va, pcid);
    TagSets::Set tags = array.tags[place.set];
    const size_t way = Find(array, tags, place, pcid);
    missed_[static_cast<size_t>(level)] = place;
    if (way != TagSets::kNoWay) {
      tags.Renew(way);
      PagingStructureEntry& entry = array.slots[place.set * array.ways + way];
      entry.table = table;
      entry.rights = rights;
      entry.guest_table = guest_table;
      return;
    }
  }
  FillMissed(level, va, pcid, table, rights, guest_table);
}

void PagingStructureCache::Drop(Array& array, size_t slot) {
  array.tags[slot / array.ways].Free(slot % array.ways);
  array.slots[slot].level = 0;
  array.held[slot / 64] &= ~(uint64_t{1} << slot % 64);
  --array.live;
  --live_;
}

// As all ways will be free, none keeps a place in the order of use.
void PagingStructureCache::DropEverything() {
  for (Array& array : arrays_) {
    if (array.live == 0) continue;
    size_t first = 0;
    for (uint64_t& word : array.held) {
      for (uint64_t left = word; left != 0; left &= left - 1) {
        const size_t slot = first + static_cast<size_t>(std::countr_zero(left));
        const size_t set = array.sets == 1 ? 0 : slot / array.ways;
        array.tags[set].FreeWithAll(slot - set * array.ways);
        array.slots[slot].level = 0;
      }
      word = 0;
      first += 64;
    }
    array.live = 0;
  }
  live_ = 0;
}

// Entries under any nested root go, as a guest's invalidation does not depend
// on it.
void PagingStructureCache::DropAddressHeld(VirtAddr va, uint16_t pcid) {
  for (int level = 2; level <= kTopLevel; ++level) {
    Array& array = arrays_[static_cast<size_t>(level)];
    if (array.live == 0) continue;
    const Place place = PlaceOf(array, va, pcid);
    if (array.tags[place.set].Find(place.tag) == TagSets::kNoWay) continue;
    const size_t first = place.set * array.ways;
    for (size_t slot = first; slot < first + array.ways; ++slot) {
      const PagingStructureEntry& entry = array.slots[slot];
      const bool serves = entry.va == place.va && entry.pcid == pcid &&
                          entry.tag.vpid == vm_.vpid && entry.level != 0;
      if (serves) Drop(array, slot);
    }
  }
}

void PagingStructureCache::DropPcidHeld(uint16_t pcid) {
  if (ABSL_PREDICT_TRUE(one_owner_)) {
    if (owner_ == OwnerOf(pcid)) DropEverything();
    return;
  }
  DropIf([=, this](const PagingStructureEntry& entry) {
    return entry.pcid == pcid && entry.tag.vpid == vm_.vpid;
  });
}

void PagingStructureCache::DropAllHeld() {
  if (ABSL_PREDICT_TRUE(one_owner_)) {
    if (static_cast<uint16_t>(owner_) == vm_.vpid) DropEverything();
    return;
  }
  DropIf([this](const PagingStructureEntry& entry) {
    return entry.tag.vpid == vm_.vpid;
  });
}

std::vector<PagingStructureEntry> PagingStructureCache::Entries() const {
  std::vector<PagingStructureEntry> entries;
  for (const Array& array : arrays_) {
    for (const PagingStructureEntry& entry : array.slots) {
      if (entry.level != 0) entries.push_back(entry);
    }
  }
  return entries;
}

}  // namespace xmmu
