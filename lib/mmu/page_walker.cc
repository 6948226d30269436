#include "xmmu/mmu/page_walker.h"

#include "mode_walk.h"

namespace xmmu {

// Each combination of mode, effects and dimensions is an instance of ModeWalk,
// so that a walk tests none of them.
template <WalkEffects kEffects>
void PageWalker::WalkInMode(const PagingContext& context, const Access& access,
                            const WalkStart& start, WalkResult& result) const {
  if (ABSL_PREDICT_TRUE(context.nested == nullptr)) {
    WalkInDimensions<kEffects, false>(context, access, start, result);
  } else {
    WalkInDimensions<kEffects, true>(context, access, start, result);
  }
}

template <WalkEffects kEffects, bool kNested>
ABSL_ATTRIBUTE_ALWAYS_INLINE inline void PageWalker::WalkInDimensions(
    const PagingContext& context, const Access& access, const WalkStart& start,
    WalkResult& result) const {
  switch (context.mode) {
    case PagingMode::k2Level:
      return ModeWalk<PagingMode::k2Level, kEffects, kNested>(*this, context,
                                                              access, result)
          .Run(start);
    case PagingMode::kPae:
      return ModeWalk<PagingMode::kPae, kEffects, kNested>(*this, context,
                                                           access, result)
          .Run(start);
    case PagingMode::k4Level:
      return ModeWalk<PagingMode::k4Level, kEffects, kNested>(*this, context,
                                                              access, result)
          .Run(start);
    case PagingMode::k5Level:
      return ModeWalk<PagingMode::k5Level, kEffects, kNested>(*this, context,
                                                              access, result)
          .Run(start);
  }
}

void PageWalker::Walk(const PagingContext& context, const Access& access,
                      const WalkStart& start, WalkResult& result) {
  if (hierarchy_ == nullptr) {
    WalkInMode<WalkEffects::kFlat>(context, access, start, result);
  } else {
    WalkInMode<WalkEffects::kCaches>(context, access, start, result);
  }
}

void PageWalker::PrefetchHost(const PagingContext& context, VirtAddr va) const {
  if (context.nested != nullptr) return;
  if (context.mode == PagingMode::k2Level) {
    PrefetchInMode<PagingMode::k2Level>(context, va);
  } else {
    // The lowest three levels of the other modes are alike.
    PrefetchInMode<PagingMode::k4Level>(context, va);
  }
}

// Goes down by what memory holds now, whatever the rights and flags say. Where
// there is no table yet nothing is learned, as one may come.
template <PagingMode kMode>
inline void PageWalker::PrefetchInMode(const PagingContext& context,
                                       VirtAddr va) const {
  constexpr int kBytes = EntryBytes(kMode);
  const uint64_t region =
      (va.value() >> LevelShift(kMode, 3)) ^ context.root.value();
  Hint& hint = hints_[region % hints_.size()];
  if (ABSL_PREDICT_FALSE(hint.region != region)) {
    const std::optional<MachineAddr> table = TableOfLevel2(context, va);
    if (!table.has_value()) return;
    hint = {region, *table};
  }
  const Pte pde(memory_.ReadEntry(
      EntryAddress(kMode, hint.table, IndexOf(kMode, 2, va)), kBytes));
  if (ABSL_PREDICT_FALSE(!pde.present())) {
    hint = Hint();
    return;
  }
  if (pde.page_size()) return;
  const MachineAddr pte =
      EntryAddress(kMode, AddressOf(pde.frame()), IndexOf(kMode, 1, va));
  memory_.Prefetch(pte);
  if (hierarchy_ != nullptr) hierarchy_->PrefetchHost(pte);
}

std::optional<MachineAddr> PageWalker::TableOfLevel2(
    const PagingContext& context, VirtAddr va) const {
  const PagingMode mode = context.mode;
  MachineAddr table = context.root;
  for (int level = LevelCount(mode); level > 2; --level) {
    const Pte entry(memory_.ReadEntry(
        EntryAddress(mode, table, IndexOf(mode, level, va)), EntryBytes(mode)));
    if (!entry.present()) return std::nullopt;
    table = AddressOf(entry.frame());
  }
  return table;
}

WalkResult PageWalker::Probe(const PagingContext& context,
                             const Access& access) const {
  return Probe(context, access, context.StartAtRoot());
}

WalkResult PageWalker::Probe(const PagingContext& context, const Access& access,
                             const WalkStart& start) const {
  WalkResult result;
  WalkInMode<WalkEffects::kNone>(context, access, start, result);
  return result;
}

}  // namespace xmmu
