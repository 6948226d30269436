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
#include <cstddef>
#include <cstdint>
#include <vector>

#include "xmmu/base/address.h"
#include "xmmu/machine/machine_model.h"
#include "xmmu/machine/paging_mode.h"
#include "xmmu/mmu/vm_controls.h"

namespace xmmu {

// A cached non-leaf entry of `level` (2: a PDE ... 5: a PML5E).
struct PagingStructureEntry {
  int level = 0;
  VirtAddr va;  // first address that the entry maps
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
    return live_ == 0 ? nullptr : LookupHeld(va, pcid);
  }

  // Caches the entry of `level` used on the way to `va`. Nothing happens at a
  // level without a cache. REQUIRES: the entry is valid, has A = 1 in memory
  // and names a table.
  void Fill(int level, VirtAddr va, uint16_t pcid, MachineAddr table,
            uint8_t rights, Gfn guest_table = Gfn()) {
    if (arrays_[static_cast<size_t>(level)].sets != 0) {
      FillHeld(level, va, pcid, table, rights, guest_table);
    }
  }

  // Drop what would serve `va` in `pcid`, all of a PCID, or all. Each drops
  // entries of the VPID in force alone, but under whichever nested tables.
  void DropAddress(VirtAddr va, uint16_t pcid);
  void DropPcid(uint16_t pcid);
  void DropAll();
  // Drops every entry of any guest for which `predicate(entry)` holds.
  template <typename Predicate>
  void DropIf(Predicate predicate) {
    for (Array& array : arrays_) {
      if (array.live == 0) continue;
      for (Slot& slot : array.slots) {
        if (slot.tag != kNoTag && predicate(slot.entry)) Drop(array, slot);
      }
    }
  }

  // Sets the paging mode, which determines how much an entry of each level
  // maps.
  // REQUIRES: no entry of the guest in force is held.
  void SetMode(PagingMode mode) { mode_ = mode; }
  // Sets the guest whose entries are looked up and filled from now on.
  void SetVm(VmTag tag) { vm_ = tag; }

  // All entries held, for tests and audits.
  std::vector<PagingStructureEntry> Entries() const;

 private:
  static constexpr int kTopLevel = 5;

  struct Slot {
    uint64_t tag = kNoTag;
    uint64_t last_use = 0;
    PagingStructureEntry entry;
  };
  struct Array {
    uint32_t sets = 0;
    uint32_t ways = 0;
    uint32_t live = 0;
    std::vector<Slot> slots;
  };
  // Every tag is clear between the PCID and the address of its region, so that
  // no entry has this one.
  static constexpr uint64_t kNoTag = ~uint64_t{0};

  const PagingStructureEntry* LookupHeld(VirtAddr va, uint16_t pcid);
  void FillHeld(int level, VirtAddr va, uint16_t pcid, MachineAddr table,
                uint8_t rights, Gfn guest_table);
  // The first address that the entry maps, with the PCID in the low bits.
  uint64_t TagOf(int level, VirtAddr va, uint16_t pcid) const;
  Slot* SetOf(int level, VirtAddr va);
  Slot* Find(int level, VirtAddr va, uint16_t pcid);
  void Drop(Array& array, Slot& slot);

  std::array<Array, kTopLevel + 1> arrays_;
  uint32_t capacity_ = 0;  // entries that all caches have room for
  uint32_t live_ = 0;      // entries held in all caches
  PagingMode mode_ = PagingMode::k4Level;
  VmTag vm_;
  uint64_t use_ = 0;
};

}  // namespace xmmu

#endif  // XMMU_MMU_INTERNAL_PAGING_STRUCTURE_CACHE_H_
