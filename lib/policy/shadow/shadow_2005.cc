#include "xmmu/policy/shadow_2005.h"

#include <utility>

#include "policy/builtin.h"
#include "policy/shadow/shadow_2005_internal.h"
#include "policy/shadow/shadow_2005_paging.h"
#include "policy/shadow/shadow_policy.h"

// shadow-2005: the shadow page tables that Xen 3.0 ran unmodified guests on,
// "shadow1" with everything that early 2006 had (mode external + translate +
// refcounts).
//
//   state of a guest table
//
//     none --used as one: write access removed--> in sync
//     in sync --the guest writes: snapshot, that mapping writable--> out of
//          sync
//     out of sync --MOV CR3, or a fault or INVLPG where something has changed:
//          write access removed, changed entries remade, in all tables at
//          once--> in sync
//     any --nothing leads to it; a root: it looks dead--> none
//
// Each width of guest has its own Xen: a 2-level guest one of 2-level shadows
// (a 32-bit Xen), without large pages, which its CPUID hides ("As 32-bit guest
// don't support 4M page yet"); a 4-level guest a 64-bit one. PAE guests ran on
// the 64-bit one only, below an L4 of its own; here on PAE shadows, their four
// L3 entries in the hypervisor's registers as on a processor, not shadowed. A
// large page is always in pieces.
//
// Xen took shadows from the domain heap, without bound, and died when it was
// empty; here they are a pool whose least recently used goes first, as in XI
// shadow. Snapshots come from the heap.
//
// lib/policy/shadow/shadow_2005_paging.h has the source, shadow_2005_paging.cc what is
// done when.

namespace xmmu {

std::unique_ptr<Policy> MakeShadow2005(Host& host,
                                       const Shadow2005Options& options) {
  const ShadowPool pool{.percent = options.pool_percent,
                        .shadows = options.pool_shadows,
                        .frames_a_shadow = 1};
  auto policy = std::make_unique<ShadowPolicy>(
      host, options.name, pool, PagingMode::k2Level,
      MakerOf<Shadow2005Paging>(host, options),
      /*pse_for_2_level=*/false);
  if (!options.internal) return policy;
  return MakeShadowInternal(std::move(policy));
}

std::unique_ptr<Policy> MakeShadow2005(Host& host) {
  return MakeShadow2005(host, Shadow2005Options{});
}
std::unique_ptr<Policy> MakeShadow2005Predict(Host& host) {
  return MakeShadow2005(host, {.name = "shadow-2005-predict",
                               .search = WritableSearch::kPrediction});
}
std::unique_ptr<Policy> MakeShadow2005Search(Host& host) {
  return MakeShadow2005(
      host, {.name = "shadow-2005-search", .search = WritableSearch::kAll});
}

std::unique_ptr<Policy> MakeShadow2005Internal(Host& host) {
  return MakeShadow2005(host,
                        {.name = "shadow-2005-internal", .internal = true});
}

}  // namespace xmmu
