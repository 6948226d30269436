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

WalkResult PageWalker::Probe(const PagingContext& context,
                             const Access& access) const {
  WalkResult result;
  WalkInMode<WalkEffects::kNone>(context, access, context.StartAtRoot(),
                                 result);
  return result;
}

}  // namespace xmmu
