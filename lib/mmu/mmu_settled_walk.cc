// Implements the translation of an address that most likely no TLB holds, where
// the tables are as a walk would leave them: nearly all walks of programs with
// large footprints are of that kind.

#include "absl/base/optimization.h"
#include "settled_path.h"
#include "tlb_search.h"
#include "xmmu/mmu/mmu.h"

namespace xmmu {

// A walk through entries that it would leave as they are, to a page of 4 KiB or
// to an entry that is not present.
struct Mmu::SettledWalk {
  PagingStructureCache::Held held;  // what it starts below
  SettledPath path;
  uint8_t rights;  // of the page
  Tlb::Places places;
};

// Looks for such a walk, which changes nothing. Returns whether there is one and
// no TLB serves the access; with kMissed the caller knows that none does. The
// last entry is read before the TLBs are searched, so that the host waits for
// it meanwhile.
template <bool kMissed>
ABSL_ATTRIBUTE_ALWAYS_INLINE inline bool Mmu::FindSettled(const Access& access,
                                                          SettledWalk& walk) {
  if (ABSL_PREDICT_FALSE(AppliesNested() || filter_.active())) return false;
  const VirtAddr va = access.va;
  walk.held = psc_.FindDeepest(va, context_.pcid);
  WalkStart start;
  if (walk.held.entry != nullptr) {
    start.level = walk.held.entry->level - 1;
    start.table = walk.held.entry->table;
    start.rights = walk.held.entry->rights;
  } else {
    start.level = LevelCount(context_.mode);
    start.table = context_.root;
  }
  if (!walker_.FollowSettled(context_, va, start, walk.path)) return false;
  if (!tlb_.FindPlaces<!kMissed>(SideOf(access), va, walk.places)) return false;
  if (ABSL_PREDICT_FALSE(!walk.path.present)) {
    // AMD's processors report a fault only after a walk from the root.
    return walk.held.entry == nullptr || vendor() == Vendor::kIntel;
  }
  const Pte leaf = walk.path.entries[1];
  walk.rights = walk.path.rights[1];
  if (leaf.dirty()) walk.rights |= rights::kDirty;
  if (LevelCount(context_.mode) >= 4) {
    const uint64_t key = (leaf.raw() & pte::kProtectionKey) >> 59;
    walk.rights |= static_cast<uint8_t>(key << rights::kKeyShift);
  }
  return ABSL_PREDICT_TRUE(context_.rules.Serves(walk.rights, access));
}

// Does what a walk, and the fills that come after it, do.
ABSL_ATTRIBUTE_ALWAYS_INLINE inline TranslateResult Mmu::TakeSettled(
    const Access& access, const SettledWalk& walk) {
  const VirtAddr va = access.va;
  const uint16_t pcid = context_.pcid;
  const SettledPath& path = walk.path;
  if (walk.held.entry != nullptr) {
    counters_.Add(Counter::kPscHits);
    psc_.Use(walk.held);
  }
  walker_.ChargeFor(path);
  if (ABSL_PREDICT_FALSE(!path.present)) {
    return RaisePageFault(access, context_.rules.ErrorBitsOf(access));
  }
  for (size_t level = path.first; level > 1; --level) {
    psc_.FillMissed(static_cast<int>(level), va, pcid,
                    AddressOf(path.entries[level].frame()), path.rights[level]);
  }
  const Pte leaf = path.entries[1];
  const MachineAddr page = AddressOf(leaf.frame());
  const bool global = context_.global_pages && leaf.global();
  tlb_.FillSmall(SideOf(access), va, walk.places,
                 TlbSlot::Small(va, page, pcid, walk.rights, global), pcid);
  return TranslateResult(page + PageOffset(va));
}

TranslateResult Mmu::TranslateAfterWalk(Access access) {
  SettledWalk walk;
  if (ABSL_PREDICT_TRUE(FindSettled<false>(access, walk))) {
    return TakeSettled(access, walk);
  }
  return TranslateBySearch(access);
}

TranslateResult Mmu::WalkAfterMiss(Access access) {
  walked_ = true;
  SettledWalk walk;
  if (ABSL_PREDICT_TRUE(FindSettled<true>(access, walk))) {
    return TakeSettled(access, walk);
  }
  return WalkFor(access);
}

}  // namespace xmmu
