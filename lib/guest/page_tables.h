#ifndef XMMU_LIB_GUEST_PAGE_TABLES_H_
#define XMMU_LIB_GUEST_PAGE_TABLES_H_

// The guest kernel's page-table trees: making and freeing address spaces,
// walking to the entry of an address, freeing tables that map nothing any more,
// splitting large pages. Entries are read by the kernel's own loads through its
// direct map and changed through MmuOps.
//
// A leaf is an entry of L2 or above that maps a large page. It has PS whether
// it is present or not (Linux: pmd_trans_huge, pmd_huge).

#include <array>
#include <optional>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "guest/kernel_core.h"
#include "guest/mmu_ops.h"

namespace xmmu {

class PageTables {
 public:
  PageTables(KernelCore& core, MmuOps& ops);

  // Makes a new address space with the kernel's mappings and nothing else
  // (Linux: pgd_alloc).
  absl::StatusOr<std::unique_ptr<AddressSpace>> Create(Vcpu& vcpu);

  // Frees the roots (pgd_free). REQUIRES: no vCPU has `mm` loaded, and no user
  // table is left.
  void Destroy(Vcpu& vcpu, AddressSpace& mm);

  // Returns the slot of `va`: that of the leaf that maps it; or, where no table
  // hangs below it, an empty one of level `largest` or less; or else that of
  // the L1 table. Tables above it that are missing are made.
  absl::StatusOr<PteSlot> Make(Vcpu& vcpu, AddressSpace& mm, VirtAddr va,
                               int largest = 1) {
    return MakeDownTo(vcpu, mm, /*lowest=*/1, va, largest);
  }

  // Returns the L1 slot of `va`, or that of the leaf that maps it, or nothing
  // where there is neither. `absent_level`, if not null, then gets the level of
  // the empty entry: nothing is mapped in all that this entry would map.
  std::optional<PteSlot> Find(Vcpu& vcpu, AddressSpace& mm, VirtAddr va,
                              int* absent_level = nullptr);
  // Returns the first address behind what one entry of `level` maps around
  // `va`.
  VirtAddr EndOfEntry(int level, VirtAddr va) const {
    const uint64_t span = uint64_t{1} << LevelShift(core_.mode(), level);
    return VirtAddr((va.value() / span + 1) * span);
  }

  uint64_t Load(Vcpu& vcpu, const PteSlot& slot) {
    return LoadEntry(vcpu, slot.table, slot.index);
  }

  // Calls `visit` for each non-zero L1 entry and each leaf of [start, end), in
  // order; lazy MMU mode holds within each L1 table, behind which `table_done`
  // is called, as it is behind a leaf. A leaf that does not lie in the range
  // with all that it maps is split first (zap_pmd_range, change_pmd_range).
  // Stops at the first error. Steps over all that an empty entry of any level
  // would map (pgd_none_or_clear_bad and those below it): the work depends on
  // the tables that exist, not on the range.
  absl::Status ForEachEntry(
      Vcpu& vcpu, AddressSpace& mm, VirtAddr start, VirtAddr end,
      absl::FunctionRef<absl::Status(const PteSlot&, uint64_t entry)> visit,
      absl::FunctionRef<void()> table_done = [] {});

  // Unlinks the user tables of [start, end) that no VMA needs any more
  // (free_pgtables). Their frames are added to `freed`: they may be reused once
  // the TLBs have been flushed.
  void FreeUnused(Vcpu& vcpu, AddressSpace& mm, VirtAddr start, VirtAddr end,
                  std::vector<TablePage>& freed);

  // Gives table frames back to the pool, or keeps them.
  void ReleaseFrames(const std::vector<TablePage>& freed);

  // What MoveL2Entry() has moved.
  enum class Moved : uint8_t { kNothing, kTable, kLeaf };

  // Moves the leaf that maps `from` to where it maps `to` (move_huge_pmd), or
  // with `tables` the L1 table there (move_normal_pmd), if nothing is in its
  // new place. A leaf's old address has been flushed then. The tables above the
  // new place are made. REQUIRES: both addresses are aligned to the region of
  // an L1 table.
  absl::StatusOr<Moved> MoveL2Entry(Vcpu& vcpu, AddressSpace& mm, VirtAddr from,
                                    VirtAddr to, bool tables);

  // --- The next four are in large_leaves.cc. A leaf of L2 that may be split
  // has a table laid by for it (pgtable_trans_huge_deposit). Deposit() makes
  // one, zeroed; DropDeposit() frees it, as the leaf is gone.
  // Errors: ResourceExhausted if there is no memory.
  absl::Status Deposit(Vcpu& vcpu, AddressSpace& mm);
  void DropDeposit(AddressSpace& mm);
  // Replaces a leaf of L2 by a table with an entry for each of its pages, or
  // each the zero page for the huge zero page (__split_huge_pmd).
  void Split(Vcpu& vcpu, AddressSpace& mm, const PteSlot& slot);
  // Splits the leaf that maps `va`, if there is one and it begins below `va`
  // (split_huge_pmd_if_needed).
  void SplitAt(Vcpu& vcpu, AddressSpace& mm, VirtAddr va);

  // Returns the table of level `lowest` that maps `va`, or nothing where there
  // is none.
  std::optional<Pfn> FindDownTo(Vcpu& vcpu, AddressSpace& mm, int lowest,
                                VirtAddr va, int* absent_level = nullptr);
  uint64_t LoadEntry(Vcpu& vcpu, Pfn table, int index) {
    const auto offset = static_cast<uint64_t>(index) << entry_shift_;
    return vcpu.Load(core_.layout.DirectVa(table) + offset, 1 << entry_shift_);
  }

 private:
  void StoreEntry(Vcpu& vcpu, Pfn table, int index, uint64_t value) {
    vcpu.Store(core_.EntryVa(table, index), core_.entry_bytes(), value);
  }
  absl::StatusOr<Pfn> AllocTable(Vcpu& vcpu);
  // Whether one more table that is given up is to be kept (keeps_tables), with
  // `pending` others that are about to be.
  bool Keeps(size_t pending) const;
  // Takes one of the kept tables, if there is one.
  static std::optional<Pfn> Take(std::vector<Pfn>& kept);
  PteSlot SlotOf(Pfn table, int level, VirtAddr va) const {
    const LevelShape& shape = shapes_[static_cast<size_t>(level)];
    return {table,
            static_cast<int>(va.value() >> shape.shift & shape.last_index),
            VirtAddr(va.value() >> shape.shift << shape.shift), level};
  }
  // Makes a table and links it in `slot`, which is empty and of L2 or above.
  absl::StatusOr<Pfn> MakeTable(Vcpu& vcpu, AddressSpace& mm,
                                const PteSlot& slot);
  // As Make(), but ends at the slot of level `lowest`.
  absl::StatusOr<PteSlot> MakeDownTo(Vcpu& vcpu, AddressSpace& mm, int lowest,
                                     VirtAddr va, int largest);
  // Moves the link `entry` of an L1 table from one slot to another.
  void MoveTable(Vcpu& vcpu, AddressSpace& mm, const PteSlot& from,
                 const PteSlot& to, uint64_t entry);
  // Calls `visit` for the entries of an L1 table from `slot` on, below `stop`.
  absl::Status ForEachOfTable(
      Vcpu& vcpu, PteSlot slot, VirtAddr stop,
      absl::FunctionRef<absl::Status(const PteSlot&, uint64_t entry)> visit);
  void CopyKernelEntries(Vcpu& vcpu, int level, Pfn from, Pfn to);
  // Unlinks the unused tables below `table`, which maps `base` and what
  // follows, depth first.
  void FreeLevel(Vcpu& vcpu, AddressSpace& mm, int level, Pfn table,
                 VirtAddr base, VirtAddr start, VirtAddr end,
                 std::vector<TablePage>& freed);
  void FreeChild(Vcpu& vcpu, AddressSpace& mm, int level, Pfn table, int index,
                 Pfn child, std::vector<TablePage>& freed);

  // How addresses choose entries of one level, as LevelShift() and IndexOf()
  // say.
  struct LevelShape {
    int shift = 0;
    uint64_t last_index = 0;
  };

  KernelCore& core_;
  MmuOps& ops_;
  std::array<LevelShape, 6> shapes_;  // by level
  int entry_shift_;                   // log2 of the bytes of an entry
  // Tables that were given up and kept: empty, and still read-only and pinned
  // if they were.
  std::vector<Pfn> kept_roots_;
  std::vector<Pfn> kept_tables_;
};

}  // namespace xmmu

#endif  // XMMU_LIB_GUEST_PAGE_TABLES_H_
