#ifndef XMMU_LIB_MMU_SETTLED_PATH_H_
#define XMMU_LIB_MMU_SETTLED_PATH_H_

// The part of the PageWalker for walks that change nothing in memory, to be
// inlined where it is used.

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "xmmu/mmu/page_walker.h"

namespace xmmu {

template <PagingMode kMode>
ABSL_ATTRIBUTE_ALWAYS_INLINE inline bool PageWalker::FollowInMode(
    const PagingContext& context, VirtAddr va, const WalkStart& start,
    SettledPath& path) const {
  constexpr int kBytes = EntryBytes(kMode);
  MachineAddr table = start.table;
  uint8_t rights = start.rights;
  path.first = static_cast<size_t>(start.level);
  for (size_t level = path.first;; --level) {
    const MachineAddr addr =
        EntryAddress(kMode, table, IndexOf(kMode, static_cast<int>(level), va));
    const LevelRules& rules = context.levels[level];
    if (level == 1 && hierarchy_ != nullptr) hierarchy_->PrefetchHost(addr);
    const Pte entry(memory_.ReadEntry(addr, kBytes));
    rights = AccumulateRights(rights, entry);
    path.addrs[level] = addr;
    path.entries[level] = entry;
    path.rights[level] = rights;
    if (level == 1 || ABSL_PREDICT_FALSE(!rules.IsUsedTable(entry))) {
      path.last = level;
      path.present = entry.present();
      return level == 1 && rules.IsUsedLeaf(entry) ? true : !path.present;
    }
    table = AddressOf(entry.frame());
  }
}

// PAE's PDPTEs are not alike the entries of other levels; a walk that reads
// them is left to Walk().
ABSL_ATTRIBUTE_ALWAYS_INLINE inline bool PageWalker::FollowSettled(
    const PagingContext& context, VirtAddr va, const WalkStart& start,
    SettledPath& path) const {
  if (ABSL_PREDICT_FALSE(context.mode == PagingMode::k2Level)) {
    return FollowInMode<PagingMode::k2Level>(context, va, start, path);
  }
  if (ABSL_PREDICT_FALSE(context.mode == PagingMode::kPae && start.level > 2)) {
    return false;
  }
  return FollowInMode<PagingMode::k5Level>(context, va, start, path);
}

ABSL_ATTRIBUTE_ALWAYS_INLINE inline void PageWalker::ChargeFor(
    const SettledPath& path) {
  const size_t loads = path.first - path.last + 1;
  clock_.Charge(CostEvent::kWalkOverhead);
  counters_.Add(Counter::kPageWalks);
  counters_.Add(Counter::kPteLoads, loads);
  if (hierarchy_ == nullptr) {
    clock_.Charge(CostEvent::kPteLoadFlat, loads);
    return;
  }
  for (size_t level = path.first; level >= path.last; --level) {
    clock_.Charge(CostOfPteLoad(hierarchy_->Touch(path.addrs[level])));
  }
}

}  // namespace xmmu

#endif  // XMMU_LIB_MMU_SETTLED_PATH_H_
