#ifndef XMMU_MMU_PAGE_WALKER_H_
#define XMMU_MMU_PAGE_WALKER_H_

// The page walker: goes down the tables in memory from the root, or from where
// a paging-structure cache starts it, to the leaf or to the first entry that
// faults. At each level P is checked first, then the reserved bits; rights are
// judged once the leaf is known to be valid. The walker sets A in each entry
// that it goes through, even if the walk faults further down. It sets A and D
// of the leaf only if the access is allowed, and D only for a write. Source:
// SDM Vol. 3A, "32-Bit Paging", "PAE Paging", "4-Level Paging and 5-Level
// Paging", "Accessed and Dirty Flags", "Page-Fault Exceptions".
//
// With nested tables the guest's tables and pages have guest-physical
// addresses, each translated by the NestedWalker before it is used: a
// two-dimensional walk. A fault of the guest's own tables comes before a
// violation by the page itself. An update of A or D is a write through the
// nested tables.
// Source: SDM Vol. 3C, "EPT Violations"; AMD APM Vol. 2, "Nested versus Guest
// Page Faults, Fault Ordering".
//
// The walker owns no cache: TLBs and paging-structure caches are the Mmu's.
// Single-threaded.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "xmmu/base/address.h"
#include "xmmu/base/counters.h"
#include "xmmu/base/cycles.h"
#include "xmmu/machine/control_registers.h"
#include "xmmu/machine/memory_hierarchy.h"
#include "xmmu/machine/paging_mode.h"
#include "xmmu/machine/phys_memory.h"
#include "xmmu/machine/pte.h"
#include "xmmu/mmu/access.h"
#include "xmmu/mmu/internal/access_rules.h"
#include "xmmu/mmu/internal/nested_walker.h"
#include "xmmu/mmu/internal/tlb.h"

namespace xmmu {

// How an entry of one level is to be read.
struct LevelRules {
  uint64_t reserved_in_table = 0;  // must be 0 where it names a table
  uint64_t reserved_in_leaf = 0;   // must be 0 where it maps a page
  bool ps_maps_page = false;       // PS = 1 makes it a leaf; L1 always is one

  // Whether the entry is valid and has A = 1, in one test.
  bool IsUsedTable(Pte entry) const {
    return (entry.raw() & table_test) == (pte::kPresent | pte::kAccessed);
  }
  bool IsUsedLeaf(Pte entry) const {
    return (entry.raw() & leaf_test) == (pte::kPresent | pte::kAccessed);
  }
  // The bits that the two tests look at: P, A, the reserved bits, and for a
  // table PS where that would make a leaf. PagingContext sets them from the
  // fields above.
  uint64_t table_test = 0;
  uint64_t leaf_test = 0;
};

// Where a walk starts: the table of `level`, with the rights accumulated above.
struct WalkStart {
  int level = 0;
  MachineAddr table;
  uint8_t rights = rights::kAll;
  // With nested tables, and below the root, the guest's frame of that table.
  Gfn guest_table = {};
};

// All that a translation depends on besides memory, worked out from the
// registers whenever they change.
struct PagingContext {
  PagingContext() = default;
  // REQUIRES: CR0.PG = 1. The PDPTE registers are left zero.
  PagingContext(const ControlRegisters& registers, const CpuFeatures& features);

  // Takes root and PCID from CR3.
  void LoadRoot(const ControlRegisters& registers);
  WalkStart StartAtRoot() const { return {LevelCount(mode), root}; }

  PagingMode mode = PagingMode::k4Level;
  // The table that CR3 names, which PAE mode uses only with pdptes_in_memory.
  // With nested tables this is a guest-physical address.
  MachineAddr root;
  std::array<uint64_t, 4> pdpte{};  // PAE's four registers
  // Whether walks read PAE's PDPTEs like any other table, as recent AMD
  // processors do, and all of AMD's under nested paging.
  bool pdptes_in_memory = false;
  uint64_t pdpte_reserved = 0;
  // The second dimension; null on bare hardware.
  NestedWalker* nested = nullptr;
  uint16_t pcid = 0;                   // 0 while CR4.PCIDE = 0
  bool global_pages = false;           // CR4.PGE
  std::array<LevelRules, 6> levels{};  // by level, [0] unused
  AccessRules rules;
};

// Bits that are reserved in a present PAE PDPTE: 2:1, 8:5 and those from
// MAXPHYADDR up.
// Source: SDM Vol. 3A, "PDPTE Registers".
uint64_t PdpteReservedBits(const CpuFeatures& features);

// An entry that a walk used.
struct WalkEntry {
  MachineAddr addr;  // of the entry
  Pte entry;         // as the walk left it
  int level = 0;
};

// The entries of one walk, root first: a vector of five at most that needs no
// allocation.
class WalkPath {
 public:
  WalkPath() {}  // NOLINT: leaves the entries unset, they are many
  const WalkEntry* begin() const { return entries_.data(); }
  const WalkEntry* end() const { return entries_.data() + size_; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  const WalkEntry& operator[](size_t i) const { return entries_[i]; }
  // REQUIRES: !empty().
  const WalkEntry& back() const { return entries_[size_ - 1]; }

 private:
  friend class PageWalker;
  // The union keeps a walk from clearing entries that it will not use.
  union {
    std::array<WalkEntry, 5> entries_;  // the first size_ of them exist
  };
  size_t size_ = 0;
};

struct WalkResult {
  // Ends with the leaf, or with the entry that faulted.
  WalkPath entries;
  bool ok = false;
  FaultVector vector = FaultVector::kPageFault;  // if !ok
  uint32_t error_code = 0;                       // if !ok
  GuestAddr gpa;                                 // of a nested violation
  bool execute_only = false;                     // the page cannot be read
  TlbEntry translation;  // if ok; kDirty as memory has it after the walk
};

// Returns the rights accumulated `above` and then through `entry`: R/W and U/S
// are and'ed, XD is or'ed. Bit 63 is 0 in a 4-byte entry, which has no XD.
constexpr uint8_t AccumulateRights(uint8_t above, Pte entry) {
  const uint64_t granted = above & (entry.raw() >> 1) & rights::kAll;
  const uint64_t no_execute =
      (above & rights::kNoExecute) | (entry.raw() >> 63 << 2);
  return static_cast<uint8_t>(granted | no_execute);
}
static_assert(pte::kWritable >> 1 == rights::kWritable);
static_assert(pte::kUser >> 1 == rights::kUser);
static_assert(pte::kNoExecute >> 63 << 2 == rights::kNoExecute);

// Which effects a walk has.
enum class WalkEffects : uint8_t {
  kNone,    // a probe
  kFlat,    // A, D and counts; all entry loads cost the same
  kCaches,  // A, D and counts; entry loads go through the memory hierarchy
};

// The entries on the way to a page of 4 KiB, or to an entry that is not
// present, where a walk would leave all of them as they are.
struct SettledPath {
  SettledPath() {}  // NOLINT: leaves the entries unset, as WalkPath does
  union {
    std::array<MachineAddr, 6> addrs;  // of the entries, by level
  };
  union {
    std::array<Pte, 6> entries;
  };
  // Of each entry, as accumulated from the root down to it and through it.
  std::array<uint8_t, 6> rights;
  size_t first;  // the levels of the first entry and the last
  size_t last;
  bool present;  // whether the last entry is
};

class PageWalker {
 public:
  // `hierarchy` may be null for flat timing. All arguments outlive the walker.
  PageWalker(PhysMemory& memory, MemoryHierarchy* hierarchy, CycleClock& clock,
             Counters& counters)
      : memory_(memory),
        hierarchy_(hierarchy),
        clock_(clock),
        counters_(counters) {}

  // Walks for `access` and sets A and D in memory. Charges kWalkOverhead, each
  // entry load at the level that served it (flat: kPteLoadFlat) and kAdUpdate
  // for each entry changed; counts kPageWalks, kPteLoads and kAdUpdates. Nested
  // walks charge and count their entries likewise, but no overhead.
  // REQUIRES: the address is canonical; `result` is fresh.
  void Walk(const PagingContext& context, const Access& access,
            const WalkStart& start, WalkResult& result);

  // Follows the tables from `start` on as Walk() would, without any effect.
  // Returns whether that is a way to a page of 4 KiB, or to an entry that is not
  // present, through entries with A = 1 and no reserved bit. REQUIRES: no nested
  // tables; the address is canonical.
  bool FollowSettled(const PagingContext& context, VirtAddr va,
                     const WalkStart& start, SettledPath& path) const;
  // Charges and counts what Walk() does on such a way.
  void ChargeFor(const SettledPath& path);

  // Asks the host to bring into its caches what a walk for `va` will read last,
  // the entry of its page. No simulated state changes.
  void PrefetchHost(const PagingContext& context, VirtAddr va) const;

  // Walks from the root, or from `start`, without any effect, charge or count.
  WalkResult Probe(const PagingContext& context, const Access& access) const;
  WalkResult Probe(const PagingContext& context, const Access& access,
                   const WalkStart& start) const;

 private:
  // The table of level 2 for a region of addresses, as it was once. It tells
  // PrefetchHost() where to look, and nothing else: it may be out of date.
  struct Hint {
    uint64_t region = ~uint64_t{0};
    MachineAddr table;
  };

  template <PagingMode kMode>
  bool FollowInMode(const PagingContext& context, VirtAddr va,
                    const WalkStart& start, SettledPath& path) const;
  template <PagingMode kMode>
  void PrefetchInMode(const PagingContext& context, VirtAddr va) const;
  // Returns the table of level 2 for `va` as memory has it, if there is one.
  std::optional<MachineAddr> TableOfLevel2(const PagingContext& context,
                                           VirtAddr va) const;

  // One walk of one mode; it is in lib/mmu/mode_walk.h.
  template <PagingMode kMode, WalkEffects kEffects, bool kNested>
  class ModeWalk;
  template <WalkEffects kEffects, bool kNested>
  void WalkInDimensions(const PagingContext& context, const Access& access,
                        const WalkStart& start, WalkResult& result) const;
  template <WalkEffects kEffects>
  void WalkInMode(const PagingContext& context, const Access& access,
                  const WalkStart& start, WalkResult& result) const;

  PhysMemory& memory_;
  MemoryHierarchy* hierarchy_;
  CycleClock& clock_;
  Counters& counters_;
  mutable std::array<Hint, 64> hints_{};
};

}  // namespace xmmu

#endif  // XMMU_MMU_PAGE_WALKER_H_
