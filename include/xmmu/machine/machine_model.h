#ifndef XMMU_MACHINE_MACHINE_MODEL_H_
#define XMMU_MACHINE_MACHINE_MODEL_H_

// A machine: what its CPU can do, the geometry of its TLBs and caches, and what
// each CostEvent takes, all of it with a mark and a source, and with a band
// where a number is in question. Presets are named, explicit data
// (lib/machine/presets/). A model is a plain value; any thread.

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "xmmu/base/cycles.h"
#include "xmmu/machine/control_registers.h"
#include "xmmu/machine/paging_mode.h"

namespace xmmu {

// How far a constant can be trusted.
enum class Mark : uint8_t {
  kRead,        // read in the source named
  kMeasured,    // measured on such a machine
  kDerived,     // arithmetic on read or measured values; the source says how
  kRemembered,  // from a named publication, not re-read
  kEstimated,   // assumed: an engineering estimate
};

// The mark as a word: "read", "measured", ...
std::string_view MarkName(Mark mark);
// What the mark says of a value, in a sentence.
std::string_view MarkHelp(Mark mark);

// Whether reports count cycles of this mark as estimated: that is so for
// remembered and for estimated prices.
constexpr bool IsEstimate(Mark mark) {
  return mark == Mark::kRemembered || mark == Mark::kEstimated;
}

// Says where the features or the geometry beside it are from.
struct Provenance {
  Mark mark = Mark::kEstimated;
  std::string_view source;
  // The band that the entries of an array or the bytes of a cache may lie in. A
  // `high` of 0 means that no other number is in question.
  uint32_t low = 0;
  uint32_t high = 0;

  bool operator==(const Provenance&) const = default;
};

// Cycles of one CostEvent: the value used and the band it may lie in.
struct CostConstant {
  uint32_t value = 0;
  uint32_t low = 0;
  uint32_t high = 0;
  Mark mark = Mark::kEstimated;
  std::string_view source;

  bool operator==(const CostConstant&) const = default;
};

using CostTable = std::array<CostConstant, kCostEventCount>;

// How a price follows from others of the same machine, where its source says so
// ("as locked_op"). It is `times` the price `of`, and `plus` cycles, less the
// price `less`, and at least 0. A rule exists if it has `of` or `less`.
struct PriceRule {
  std::optional<CostEvent> of = std::nullopt;
  uint32_t times = 1;
  int32_t plus = 0;
  std::optional<CostEvent> less = std::nullopt;

  constexpr bool exists() const { return of.has_value() || less.has_value(); }
  // REQUIRES: exists().
  uint32_t ValueIn(const CostTable& costs) const;
  // The rule as a formula of names: "pte_load_l3 - dependent_load". REQUIRES:
  // exists().
  std::string Text() const;
};

// Rules, indexed by CostEvent. No rule refers to a price that has a rule
// further on.
using PriceRules = std::array<PriceRule, kCostEventCount>;

// Page sizes an array of TLB entries holds, or'ed. kLarge is 2 MiB, or 4 MiB in
// 2-level paging.
enum TlbPageSizes : uint8_t { kTlb4K = 1, kTlbLarge = 2, kTlb1G = 4 };

// One array of TLB entries. `ways` 0 means fully associative; `entries` 0 means
// there is no such array.
struct TlbArrayGeometry {
  uint16_t entries = 0;
  uint16_t ways = 0;
  uint8_t page_sizes = 0;
  Provenance from{};

  bool operator==(const TlbArrayGeometry&) const = default;
};

// Up to three arrays a side and level, told apart by the page sizes they hold;
// a size that no array of a level holds is not cached at that level.
struct TlbGeometry {
  std::array<TlbArrayGeometry, 3> instruction_l1{};
  std::array<TlbArrayGeometry, 3> data_l1{};
  // With `unified_l2` instruction fetches use data_l2, too.
  bool unified_l2 = true;
  std::array<TlbArrayGeometry, 3> instruction_l2{};
  std::array<TlbArrayGeometry, 3> data_l2{};
  Provenance unified_from{};  // of `unified_l2`

  bool operator==(const TlbGeometry&) const = default;
};

struct PagingStructureCacheArray {
  uint16_t entries = 0;
  uint16_t ways = 0;  // 0: fully associative
  Provenance from{};

  bool operator==(const PagingStructureCacheArray&) const = default;
};

// Caches of the non-leaf entries, index = level of the entry cached: [2] PDE,
// [3] PDPTE, [4] PML4E, [5] PML5E cache; [0] and [1] are unused.
// Source: SDM Vol. 3A, "Paging-Structure Caches".
struct PagingStructureCacheGeometry {
  std::array<PagingStructureCacheArray, 6> level{};

  bool operator==(const PagingStructureCacheGeometry&) const = default;
};

// With a TLB flush filter a MOV to CR3 empties the TLBs only if a line of a
// page table that cached translations were made from has been stored to since
// the last time, by any CPU. Up to `lines` such lines are watched; with more of
// them in use every MOV to CR3 flushes. Translations are told apart by the CR3
// that they were made under, the last `address_spaces` of them. `lines` 0 means
// that the machine has none.
// Source: AMD K8; C. N. Keltcher et al., "The AMD Opteron Processor for
// Multiprocessor Servers", IEEE Micro 2003; US patent 6,510,508.
struct FlushFilterGeometry {
  uint16_t lines = 0;
  uint16_t address_spaces = 0;
  // The filter is on while HWCR bit 6 is clear. It is off in the presets
  // because Linux and Xen set the bit on multiprocessor machines, for errata 63
  // and 122.
  bool enabled = false;
  Provenance from{};

  bool active() const { return enabled && lines != 0; }
  bool operator==(const FlushFilterGeometry&) const = default;
};

// The source of features that a machine says nothing about.
inline constexpr std::string_view kNotStated =
    "assumed: not stated, so as on most such machines";

// What the machine has for guests that know nothing of their hypervisor: the VM
// extension, and the tables that translate once more below them, Intel's EPT or
// AMD's nested paging. A machine without them is simulated as if it had them,
// with the costs and the geometry given for them, and reports say that this is
// hypothetical.
struct NestedPagingModel {
  bool vm_extension = true;  // VMX or SVM
  bool present = true;       // EPT or nested paging
  // Guests' TLB entries are told from each other's and from the hypervisor's by
  // VPID or ASID; else each exit and entry flushes.
  bool tags = false;
  // EPT sets accessed and dirty flags on demand; AMD's nested paging always
  // does.
  bool accessed_dirty = false;
  Provenance from{};  // of the four above
  // The next five describe EPT alone: AMD's nested entries have the format of
  // ordinary ones, with the CPU's features. Source: SDM Vol. 3D, "VPID and EPT
  // Capabilities", bits 0, 16, 17 and 7; "Secondary Processor-Based
  // VM-Execution Controls", bit 22.
  bool execute_only = true;  // pages that can be executed but not read
  bool pages_2m = true;
  bool pages_1g = true;  // only if the CPU has 1 GiB pages at all (assumed)
  bool five_level = false;
  bool mode_based_execute = false;  // user-mode addresses' own execute right
  Provenance ept_from{Mark::kEstimated, kNotStated};  // of the five above
  // Entries of the nested TLB, which maps guest-physical pages of any size to
  // machine addresses and is fully associative. 0: there is none.
  uint16_t tlb_entries = 0;
  Provenance tlb_from{};
  // Caches of the nested tables' non-leaf entries; MachineModel::psc caches the
  // guest's.
  PagingStructureCacheGeometry psc{};

  bool operator==(const NestedPagingModel&) const = default;
};

// `bytes` 0 means there is no such cache; a line is 64 bytes unless it says
// otherwise.
struct CacheGeometry {
  uint64_t bytes = 0;
  uint32_t ways = 0;
  uint32_t line_bytes = 64;
  Provenance from{};

  bool operator==(const CacheGeometry&) const = default;
};

// How the caches are tied together.
struct CacheRules {
  // The set of an L1 line is chosen by linear address: the sets of a way are
  // more than a page.
  bool linear_l1_index = false;
  // Page walks look for entries in L2 and beyond, never in L1.
  bool walker_skips_l1 = false;
  // L2 holds what L1 has evicted, and no line that L1 holds.
  bool exclusive_l2 = false;
  // L3 keeps a part of a working set larger than itself, where replacing the
  // least recently used line would keep nothing: all but one in 32 new lines
  // are the next to be evicted (bimodal insertion: Qureshi et al., ISCA'07).
  bool thrash_resistant_l3 = false;
  Provenance from;

  bool operator==(const CacheRules&) const = default;
};

// A prefetcher of streams: it watches the misses of data loads in the cache
// before its own, and inside a page follows those that ascend. The second in
// line starts it; each load then asks for `lines_per_load` more of the lines
// that follow, `lines_ahead` of the load at most.
struct PrefetcherModel {
  uint8_t max_stride = 0;  // lines between two loads; 0: there is none
  uint8_t lines_per_load = 0;
  uint8_t lines_ahead = 0;
  // A miss brings the other line of its pair of 128 bytes as well.
  bool pairs = false;
  Provenance from;

  bool operator==(const PrefetcherModel&) const = default;
};

// Rows that DRAM banks hold open. Loads of an open row take kDataDramRowHit,
// others kDataDram.
struct DramModel {
  uint32_t row_bytes = 0;  // 0: no row stays open
  uint16_t banks = 0;
  // The core's share of the cycles of a load from DRAM: at another clock rate
  // the rest takes the same time, not the same number of cycles.
  uint32_t core_cycles = 0;
  Provenance from;

  bool operator==(const DramModel&) const = default;
};

struct MachineModel {
  std::string_view name;
  std::string_view description;
  double clock_ghz = 0;  // for converting cycles to time in reports only
  Provenance clock_from{};
  CpuFeatures features;
  Provenance features_from{};  // of vendor to invpcid, but not of maxphyaddr
  Provenance maxphyaddr_from{};
  Provenance registers_from{Mark::kEstimated, kNotStated};  // of pge and on
  TlbGeometry tlb;
  PagingStructureCacheGeometry psc;
  FlushFilterGeometry flush_filter;
  NestedPagingModel nested;
  CacheGeometry l1;
  CacheGeometry l2;
  CacheGeometry l3;
  CacheRules cache_rules;
  PrefetcherModel l1_prefetcher;  // from L2 and beyond into L1
  PrefetcherModel l2_prefetcher;  // from L3 and memory into L2
  DramModel dram;
  CostTable costs{};
  // Which of the costs follow others when those are changed; see
  // FollowPriceRules(). Two equal machines may differ in this: one that is read
  // from a file without a base states every price and has no rules.
  PriceRules price_rules{};
  // The texts that string_views of this model point to, unless it was built
  // into the program. Copies share them.
  std::vector<std::shared_ptr<const std::string>> texts;

  const CostConstant& cost(CostEvent event) const {
    return costs[static_cast<size_t>(event)];
  }
  CostConstant& cost(CostEvent event) {
    return costs[static_cast<size_t>(event)];
  }
  // The values of the costs, without bands and sources.
  PriceList prices() const;

  // Keeps `text` for as long as this model or a copy of it lives.
  std::string_view Keep(std::string text);
};

// Gives each cost of `machine` that has a rule the value that the rule makes of
// the other costs now. A changed cost has no band and the formula as its
// source. It is marked as derived if no price that it follows from is
// remembered or estimated, and as estimated otherwise. An unchanged preset
// stays as it is.
void FollowPriceRules(MachineModel& machine);

// Whether the two have the same values, bands, marks and sources; price rules
// do not count.
bool operator==(const MachineModel& a, const MachineModel& b);

// All presets, in a fixed order.
std::span<const MachineModel* const> Machines();

// The preset of that name, or nullptr.
const MachineModel* FindMachine(std::string_view name);

// Whether the machine itself, as it was built, has `mode`.
bool HasMode(const MachineModel& model, PagingMode mode);

}  // namespace xmmu

#endif  // XMMU_MACHINE_MACHINE_MODEL_H_
