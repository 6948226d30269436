#ifndef XMMU_MMU_INTERNAL_PAGING_STRUCTURE_CACHE_H_
#define XMMU_MMU_INTERNAL_PAGING_STRUCTURE_CACHE_H_

// The caches of non-leaf entries: PDE, PDPTE, PML4E and PML5E cache. An entry
// holds where the next table is and the rights accumulated down to there, so
// that a walk starts below the deepest hit. Entries are tagged by PCID and by
// the guest that they belong to; none is global. A PCID always means one of the
// guest in force (SetVm). PAE's PDPTE registers are no cache and not in here.
// Source: SDM Vol. 3A, "Paging-Structure Caches".
//
// Replacement in a set is true LRU (assumed). Charges nothing. Single-threaded.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "xmmu/base/address.h"
#include "xmmu/base/internal/tag_sets.h"
#include "xmmu/machine/machine_model.h"
#include "xmmu/machine/paging_mode.h"
#include "xmmu/mmu/vm_controls.h"

namespace xmmu {

// A cached non-leaf entry of `level` (2: a PDE ... 5: a PML5E).
struct PagingStructureEntry {
  int level = 0;  // 0: none
  VirtAddr va;    // first address that the entry maps
  uint16_t pcid = 0;
  MachineAddr table;   // the table below
  uint8_t rights = 0;  // accumulated over the entry and all above it
  VmTag tag = {};
  // With nested tables, the guest's frame of the table below.
  Gfn guest_table = {};

  bool operator==(const PagingStructureEntry&) const = default;
};

class PagingStructureCache {
 public:
  // REQUIRES: in each array `ways` is 0 or divides `entries`.
  explicit PagingStructureCache(const PagingStructureCacheGeometry& geometry);

  // Whether the machine has such a cache at all.
  bool exists() const { return capacity_ != 0; }

  // Returns the deepest entry on the path of `va` in `pcid`, and makes it the
  // most recently used; or returns nullptr.
  const PagingStructureEntry* Lookup(VirtAddr va, uint16_t pcid) {
    if (live_ == 0) return nullptr;
    const Held held = FindDeepest(va, pcid);
    if (held.entry != nullptr) Use(held);
    return held.entry;
  }

  // Lookup() in two steps: FindDeepest() changes nothing, and Use() makes what
  // it has found the most recently used. REQUIRES (Use): an entry was found,
  // and nothing has changed since.
  struct Held {
    const PagingStructureEntry* entry;  // nullptr: none
    size_t set;
    size_t way;
  };
  ABSL_ATTRIBUTE_ALWAYS_INLINE Held FindDeepest(VirtAddr va, uint16_t pcid);
  void Use(const Held& held) {
    arrays_[static_cast<size_t>(held.entry->level)].tags[held.set].Renew(
        held.way);
  }

  // Caches the entry of `level` used on the way to `va`. Nothing happens at a
  // level without a cache. REQUIRES: the entry is valid, has A = 1 in memory
  // and names a table.
  void Fill(int level, VirtAddr va, uint16_t pcid, MachineAddr table,
            uint8_t rights, Gfn guest_table = Gfn());
  // As Fill(), of an entry that is not held: since the last change a Lookup()
  // of `va` has found none at this level or below.
  ABSL_ATTRIBUTE_ALWAYS_INLINE void FillMissed(int level, VirtAddr va,
                                               uint16_t pcid, MachineAddr table,
                                               uint8_t rights,
                                               Gfn guest_table = Gfn()) {
    Array& array = arrays_[static_cast<size_t>(level)];
    if (array.sets == 0) return;
    // Lookup() left out empty arrays.
    if (array.live == 0) {
      const Place place = PlaceOf(array, va, pcid);
      PutInto(array, TakeFirst(array, place), place, level, pcid, table, rights,
              guest_table);
    } else {
      const Place& place = missed_[static_cast<size_t>(level)];
      PutInto(array, TakeVictim(array, place), place, level, pcid, table,
              rights, guest_table);
    }
  }

  // Drop what would serve `va` in `pcid`, all of a PCID, or all. Each drops
  // entries of the VPID in force alone, but under whichever nested tables.
  void DropAddress(VirtAddr va, uint16_t pcid) {
    if (live_ != 0) DropAddressHeld(va, pcid);
  }
  void DropPcid(uint16_t pcid) {
    if (live_ != 0) DropPcidHeld(pcid);
  }
  void DropAll() {
    if (live_ != 0) DropAllHeld();
  }
  // Drops every entry of any guest for which `predicate(entry)` holds.
  template <typename Predicate>
  void DropIf(Predicate predicate) {
    for (Array& array : arrays_) {
      if (array.live == 0) continue;
      for (size_t i = 0; i < array.held.size(); ++i) {
        for (uint64_t left = array.held[i]; left != 0; left &= left - 1) {
          const size_t slot =
              i * 64 + static_cast<size_t>(std::countr_zero(left));
          if (predicate(array.slots[slot])) Drop(array, slot);
        }
      }
    }
  }

  // Sets the paging mode, which determines how much an entry of each level
  // maps.
  // REQUIRES: no entry of the guest in force is held.
  void SetMode(PagingMode mode);
  // Sets the guest whose entries are looked up and filled from now on.
  void SetVm(VmTag tag) { vm_ = tag; }

  // All entries held, for tests and audits.
  std::vector<PagingStructureEntry> Entries() const;

 private:
  static constexpr int kTopLevel = 5;
  static constexpr size_t kHints = 64;

  struct Array {
    uint32_t entries = 0;
    uint32_t sets = 0;
    uint32_t ways = 0;
    uint32_t way_bits = 0;  // a bit for each way, of up to four; else 0
    uint32_t live = 0;
    int shift = 0;          // an entry maps 2^shift bytes
    uint64_t set_mask = 0;  // sets - 1, if that is a power of two
    bool divides = false;   // it is none
    // Where there are more than four ways: by low bits of the tag, the way that
    // an entry with such a tag was last filled into or found in. A wrong hint
    // costs a search, nothing else.
    std::array<uint16_t, kHints> hints{};
    TagSets tags;
    std::vector<PagingStructureEntry> slots;  // by set and way
    std::vector<uint64_t> held;  // a bit for each slot that holds an entry
  };

  // Where an entry is, or would be.
  struct Place {
    size_t set;
    uint32_t tag;
    VirtAddr va;  // the first address that the entry maps
  };
  // Sets are chosen by the low bits of the region's number (assumed). The tag
  // tells most entries apart, but not all: it is the number's low half, with
  // PCID and VPID in it.
  Place PlaceOf(const Array& array, VirtAddr va, uint16_t pcid) const {
    const uint64_t region = va.value() >> array.shift;
    const auto owner = uint32_t{pcid} << 20 ^ uint32_t { vm_.vpid } << 16;
    return {ABSL_PREDICT_TRUE(!array.divides) ? region & array.set_mask
                                              : region % array.sets,
            TagSets::PartialTag(static_cast<uint32_t>(region) ^ owner),
            VirtAddr(region << array.shift)};
  }
  static size_t HintOf(const Place& place) { return place.tag % kHints; }
  // Returns the way that holds the entry, or TagSets::kNoWay.
  ABSL_ATTRIBUTE_ALWAYS_INLINE size_t Find(Array& array,
                                           const TagSets::Set& tags,
                                           const Place& place,
                                           uint16_t pcid) const {
    const size_t first = place.set * array.ways;
    if (ABSL_PREDICT_TRUE(array.way_bits != 0)) {
      const uint32_t marks = tags.MarksOfFour(place.tag, array.way_bits);
      if (marks == 0) return TagSets::kNoWay;
      const auto way = static_cast<size_t>(std::countr_zero(marks));
      return ABSL_PREDICT_TRUE(IsAt(array.slots[first + way], place, pcid))
                 ? way
                 : FindWithTag(array, place, pcid);
    }
    uint16_t& hint = array.hints[HintOf(place)];
    if (IsAt(array.slots[first + hint], place, pcid)) return hint;
    size_t way = tags.Find(place.tag);
    if (way == TagSets::kNoWay) return way;
    if (ABSL_PREDICT_FALSE(!IsAt(array.slots[first + way], place, pcid))) {
      way = FindWithTag(array, place, pcid);
      if (way == TagSets::kNoWay) return way;
    }
    hint = static_cast<uint16_t>(way);
    return way;
  }
  // As Find(), where several entries may have the same tag.
  size_t FindWithTag(const Array& array, const Place& place,
                     uint16_t pcid) const;
  bool IsAt(const PagingStructureEntry& entry, const Place& place,
            uint16_t pcid) const {
    return entry.va == place.va && entry.pcid == pcid && entry.tag == vm_ &&
           entry.level != 0;
  }
  void DropAddressHeld(VirtAddr va, uint16_t pcid);
  void DropPcidHeld(uint16_t pcid);
  void DropAllHeld();
  void Drop(Array& array, size_t slot);
  void DropEverything();

  // Give the way of the set that is filled next the tag and make it the most
  // recently used. REQUIRES (TakeFirst): the array is empty.
  static size_t TakeFirst(Array& array, const Place& place) {
    array.tags[place.set].TakeFirst(place.tag);
    return 0;
  }
  static size_t TakeVictim(Array& array, const Place& place) {
    TagSets::Set tags = array.tags[place.set];
    const size_t way = ABSL_PREDICT_TRUE(array.live == array.entries)
                           ? tags.OldestOfFull()
                           : tags.Victim();
    tags.Renew(way);
    tags.set_tag(way, place.tag);
    return way;
  }
  // Makes the entry of a way anew.
  ABSL_ATTRIBUTE_ALWAYS_INLINE void PutInto(Array& array, size_t way,
                                            const Place& place, int level,
                                            uint16_t pcid, MachineAddr table,
                                            uint8_t rights, Gfn guest_table) {
    NoteOwner(pcid);
    PagingStructureEntry& entry = array.slots[place.set * array.ways + way];
    if (entry.level == 0) Hold(array, place.set * array.ways + way);
    if (ABSL_PREDICT_FALSE(array.way_bits == 0)) {
      array.hints[HintOf(place)] = static_cast<uint16_t>(way);
    }
    entry.level = level;
    entry.va = place.va;
    entry.pcid = pcid;
    entry.table = table;
    entry.rights = rights;
    entry.tag = vm_;
    entry.guest_table = guest_table;
  }
  // Counts `slot`, which was free.
  void Hold(Array& array, size_t slot) {
    array.held[slot / 64] |= uint64_t{1} << slot % 64;
    ++array.live;
    ++live_;
  }

  uint32_t OwnerOf(uint16_t pcid) const {
    return uint32_t{pcid} << 16 | vm_.vpid;
  }
  // An entry in `pcid` is about to be filled.
  void NoteOwner(uint16_t pcid) {
    const uint32_t owner = OwnerOf(pcid);
    one_owner_ = live_ == 0 || (one_owner_ && owner == owner_);
    owner_ = owner;
  }

  std::array<Array, kTopLevel + 1> arrays_;
  uint32_t capacity_ = 0;  // entries that all caches have room for
  uint32_t live_ = 0;      // entries held in all caches
  // The PCID and VPID that the last entry was filled for, and whether all that
  // are held have them, so that what drops one of them can drop all.
  uint32_t owner_ = 0;
  bool one_owner_ = true;
  VmTag vm_;
  // By level, where the last FindDeepest() has found no entry.
  std::array<Place, kTopLevel + 1> missed_;
};

// The deepest entry is that of the lowest level, so the search starts there.
inline PagingStructureCache::Held PagingStructureCache::FindDeepest(
    VirtAddr va, uint16_t pcid) {
  for (int level = 2; level <= kTopLevel; ++level) {
    Array& array = arrays_[static_cast<size_t>(level)];
    if (array.live == 0) continue;
    const Place place = PlaceOf(array, va, pcid);
    const size_t way = Find(array, array.tags[place.set], place, pcid);
    if (way == TagSets::kNoWay) {
      // Member by member: the whole would be copied with wider loads than it
      // was stored with, which stalls the host.
      Place& missed = missed_[static_cast<size_t>(level)];
      missed.set = place.set;
      missed.tag = place.tag;
      missed.va = place.va;
      continue;
    }
    return {&array.slots[place.set * array.ways + way], place.set, way};
  }
  return {nullptr, 0, 0};
}

}  // namespace xmmu

#endif  // XMMU_MMU_INTERNAL_PAGING_STRUCTURE_CACHE_H_
