#ifndef XMMU_MACHINE_MEMORY_HIERARCHY_H_
#define XMMU_MACHINE_MEMORY_HIERARCHY_H_

// The data caches that page-table entries (and, on request, data) are loaded
// through: for each CPU an L1 and an L2 with their prefetchers, for the machine
// an L3; behind them DRAM with its open rows. Only tags are kept: which level
// would serve a line, and when a prefetched one will be there. Every level is
// filled on a miss, an exclusive L2 by what L1 evicts (CacheRules).
//
// The page walker's loads go through the caches alone: no prefetcher sees them
// and no row of DRAM is tracked for them (assumed). Stores by one CPU do not
// invalidate another's lines (not modelled: coherence traffic), and neither
// buses nor queues are ever busy.
//
// Charges nothing but by Charge(). Single-threaded.

#include <cstdint>

#include "absl/base/optimization.h"
#include "xmmu/base/address.h"
#include "xmmu/base/cycles.h"
#include "xmmu/machine/internal/cache_array.h"
#include "xmmu/machine/internal/dram.h"
#include "xmmu/machine/internal/prefetcher.h"
#include "xmmu/machine/machine_model.h"

namespace xmmu {

// Where a line was found.
enum class MemoryLevel : uint8_t { kL1, kL2, kL3, kDram };

// The price of the load of a page-table entry that was found at `level`.
constexpr CostEvent CostOfPteLoad(MemoryLevel level) {
  switch (level) {
    case MemoryLevel::kL1:
      return CostEvent::kPteLoadL1;
    case MemoryLevel::kL2:
      return CostEvent::kPteLoadL2;
    case MemoryLevel::kL3:
      return CostEvent::kPteLoadL3;
    case MemoryLevel::kDram:
      break;
  }
  return CostEvent::kPteLoadDram;
}

// How a data access was served.
struct DataAccess {
  MemoryLevel level = MemoryLevel::kL1;
  bool far = false;      // L2: outside the page of the last access to L2
  bool row_hit = false;  // DRAM: of an open row
  uint64_t wait = 0;     // cycles until a prefetched line is there

  // Charges what the access takes beyond an L1 hit: kDataL2, kDataL2Far,
  // kDataL3, kDataDram or kDataDramRowHit, and kDataWait.
  void Charge(CycleClock& clock) const;
};

class MemoryHierarchy {
 public:
  // `l3` is shared by the CPUs of a machine; it and `model` outlive this
  // object.
  MemoryHierarchy(const MachineModel& model, CacheArray* l3);

  // The page walker loads the line of `addr`; returns where the line was found.
  MemoryLevel Touch(MachineAddr addr) {
    const uint64_t line = addr.value() >> kLineShift;
    // Most walks begin with the entries that the last one began with: a line
    // used again in the level that the walker asks first.
    if (rules_.walker_skips_l1) {
      if (l2_.WasUsedLast(line, line)) return MemoryLevel::kL2;
    } else {
      if (l1_.WasUsedLast(line, line)) return MemoryLevel::kL1;
    }
    return TouchSets(addr);
  }

  // Asks the host to bring into its caches what Touch() of `addr` will look at.
  // No simulated state changes.
  void PrefetchHost(MachineAddr addr) const {
    l2_.PrefetchHost(addr);
    l3_->PrefetchHost(addr);
  }

  // A data access at `addr`, by the linear address `va`, at time `now` of the
  // CPU's clock.
  DataAccess Load(MachineAddr addr, VirtAddr va, Cycles now) {
    const uint64_t line = addr.value() >> kLineShift;
    const uint64_t index =
        rules_.linear_l1_index ? va.value() >> kLineShift : line;
    const CacheArray::Found found = l1_.Use(line, index);
    if (ABSL_PREDICT_TRUE(found == CacheArray::Found::kYes)) return {};
    return found == CacheArray::Found::kNo
               ? LoadBeyondL1(line, index, now.count())
               : FirstUseInL1(line, now.count());
  }

  // Empties L1 and L2.
  void Clear();

 private:
  // Touch() in general.
  MemoryLevel TouchSets(MachineAddr addr);
  MemoryLevel TouchExclusive(MachineAddr addr);
  // A load that missed L1. `index` chooses the set of L1 to fill.
  DataAccess LoadBeyondL1(uint64_t line, uint64_t index, uint64_t now);
  // The first load of a line that a prefetcher brought into L1: it waits until
  // the line is there, and lets the prefetcher go on.
  DataAccess FirstUseInL1(uint64_t line, uint64_t now);
  DataAccess LoadFromL2(uint64_t line, uint64_t now, CacheArray::Found found);
  DataAccess LoadBeyondL2(uint64_t line, uint64_t now);
  // Fills L1 and, where L2 is exclusive, moves lines between the two.
  void FillL1(uint64_t line, uint64_t index);
  void PrefetchIntoL1(uint64_t line, uint64_t now);
  void PrefetchIntoL2(uint64_t line, uint64_t now);
  void Prefetch(Prefetcher::Request request, bool into_l1, uint64_t now);
  // Fetches a line that is not in L2. Returns the cycles until it is there,
  // beyond those of an L1 hit.
  uint64_t FetchBeyondL2(uint64_t line);

  CacheRules rules_;
  PriceList prices_;
  CacheArray l1_;
  CacheArray l2_;
  CacheArray* l3_;
  Prefetcher l1_prefetcher_;
  Prefetcher l2_prefetcher_;
  Dram dram_;
  uint64_t last_l2_page_ = ~uint64_t{0};
};

}  // namespace xmmu

#endif  // XMMU_MACHINE_MEMORY_HIERARCHY_H_
