#ifndef XMMU_MMU_PAGE_WALKER_H_
#define XMMU_MMU_PAGE_WALKER_H_

// The page walker: goes down the tables in memory from the root, or from where
// a paging-structure cache starts it, to the leaf or to the first entry that
// faults. At each level P is looked at first, then the reserved bits; rights
// are judged once the leaf is known to be valid. It sets A in each entry that
// it goes through, also if the walk faults further down; A and D of the leaf
// only if the access is allowed, D only by a write. Source: SDM Vol. 3A,
// "32-Bit Paging", "PAE Paging", "4-Level Paging and 5-Level Paging", "Accessed
// and Dirty Flags", "Page-Fault Exceptions".
//
// It caches nothing and owns nothing: TLBs and paging-structure caches are the
// Mmu's. Single-threaded.

#include <array>
#include <cstdint>

#include "absl/base/optimization.h"
#include "boost/container/options.hpp"
#include "boost/container/static_vector.hpp"
#include "xmmu/base/address.h"
#include "xmmu/base/counters.h"
#include "xmmu/base/cycles.h"
#include "xmmu/machine/control_registers.h"
#include "xmmu/machine/memory_hierarchy.h"
#include "xmmu/machine/paging_mode.h"
#include "xmmu/machine/phys_memory.h"
#include "xmmu/machine/pte.h"
#include "xmmu/mmu/access.h"
#include "xmmu/mmu/access_rules.h"
#include "xmmu/mmu/tlb.h"

namespace xmmu {

// How an entry of one level is to be read.
struct LevelRules {
  uint64_t reserved_in_table = 0;  // must be 0 where it names a table
  uint64_t reserved_in_leaf = 0;   // must be 0 where it maps a page
  bool ps_maps_page = false;       // PS = 1 makes it a leaf; L1 always is one

  // Valid entries with A = 1, in one test each.
  bool IsUsedTable(Pte entry) const {
    return (entry.raw() & table_test) == (pte::kPresent | pte::kAccessed);
  }
  bool IsUsedLeaf(Pte entry) const {
    return (entry.raw() & leaf_test) == (pte::kPresent | pte::kAccessed);
  }
  // P, A, the reserved bits, and for a table PS where that would be a leaf.
  // Set from the above by the PagingContext.
  uint64_t table_test = 0;
  uint64_t leaf_test = 0;
};

// Where a walk starts: the table of `level`, with the rights accumulated above.
struct WalkStart {
  int level = 0;
  MachineAddr table;
  uint8_t rights = rights::kAll;
};

// All that a translation depends on besides memory, worked out of the registers
// whenever they change.
struct PagingContext {
  PagingContext() = default;
  // REQUIRES: CR0.PG = 1. The PDPTE registers are left zero.
  PagingContext(const ControlRegisters& registers, const CpuFeatures& features);

  // Takes root and PCID from CR3.
  void LoadRoot(const ControlRegisters& registers);
  WalkStart StartAtRoot() const { return {LevelCount(mode), root}; }

  PagingMode mode = PagingMode::k4Level;
  MachineAddr root;                    // the table CR3 names
  std::array<uint64_t, 4> pdpte{};     // PAE's four registers
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
  uint8_t level = 0;
  uint8_t rights = 0;  // accumulated down to and with it
};

struct WalkResult {
  // Root first. Ends with the leaf, or with the entry that faulted.
  boost::container::static_vector<
      WalkEntry, 5,
      boost::container::static_vector_options<
          boost::container::throw_on_overflow<false>>::type>
      entries;
  bool ok = false;
  uint32_t error_code = 0;  // if !ok
  TlbEntry translation;     // if ok; kDirty as memory has it after the walk
};

// Where the host keeps the tables that walks have gone through of late, so that
// a walk need not wait for one level before it finds the next. No model of any
// hardware: what it says is always true, and no result depends on it.
class TableFinder {
 public:
  // The frame `mfn`, which holds the table of `level` for linear addresses of
  // the given `region`; null if nothing was ever written near it.
  const PhysMemory::Frame* Find(const PhysMemory& memory, int level,
                                uint64_t region, Mfn mfn) {
    Table& table = tables_[static_cast<size_t>(level)][region % kTables];
    if (ABSL_PREDICT_FALSE(table.mfn != mfn)) Learn(memory, mfn, table);
    return table.frame;
  }

 private:
  static constexpr size_t kTables = 16;
  struct Table {
    Mfn mfn = kInvalidMfn;
    const PhysMemory::Frame* frame = nullptr;
  };
  static void Learn(const PhysMemory& memory, Mfn mfn, Table& table) {
    table.frame = memory.FindFrame(mfn);
    // An absent frame may come to be.
    table.mfn = table.frame == nullptr ? kInvalidMfn : mfn;
  }
  std::array<std::array<Table, kTables>, 6> tables_{};
};

class PageWalker {
 public:
  // `hierarchy` may be null: flat timing. All outlive the walker.
  PageWalker(PhysMemory& memory, MemoryHierarchy* hierarchy, CycleClock& clock,
             Counters& counters)
      : memory_(memory),
        hierarchy_(hierarchy),
        clock_(clock),
        counters_(counters) {}

  // Walks for `access` and sets A and D in memory. Charges kWalkOverhead, each
  // entry load at the level that served it (flat: kPteLoadFlat) and kAdUpdate
  // for each entry changed; counts kPageWalks, kPteLoads and kAdUpdates.
  // REQUIRES: the address is canonical.
  WalkResult Walk(const PagingContext& context, const Access& access,
                  const WalkStart& start);

  // The same walk from the root without any effect, charge or count.
  WalkResult Probe(const PagingContext& context, const Access& access) const;

 private:
  // One walk of one mode; defined and instantiated in page_walker.cc.
  template <PagingMode kMode, bool kProbe>
  class ModeWalk;
  template <bool kProbe>
  void WalkInMode(TableFinder* finder, const PagingContext& context,
                  const Access& access, const WalkStart& start,
                  WalkResult& result) const;

  TableFinder finder_;
  PhysMemory& memory_;
  MemoryHierarchy* hierarchy_;
  CycleClock& clock_;
  Counters& counters_;
};

}  // namespace xmmu

#endif  // XMMU_MMU_PAGE_WALKER_H_
