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
// Guests of different widths ran on different Xens. A 2-level guest has 2-level
// shadows (those of a 32-bit Xen), without large pages, which its CPUID hides
// ("As 32-bit guest don't support 4M page yet"); a 4-level guest has those of a
// 64-bit Xen. PAE guests ran on the 64-bit Xen only, below an L4 of its own;
// here they have PAE shadows, and their four L3 entries are not shadowed but in
// the hypervisor's registers, as a processor has them. A large page is always
// in pieces.
//
// Xen took shadows from the domain heap, without bound, and died when it was
// empty; here they are a pool whose least recently used goes first, as in XI
// shadow. Snapshots come from the heap.
//
// The source stands in lib/policy/shadow/shadow_2005_paging.h; what is done at
// which event, in shadow_2005_paging.cc; the guests of shadow-2005-internal, in
// guest_door.cc.

#include <memory>
#include <span>
#include <string>

#include "policy/shadow/shadow_2005_paging.h"
#include "xmmu/policy/policies.h"
#include "xmmu/policy/shadow/shadow_policy.h"
#include "xmmu/policy/shadow_options.h"

namespace xmmu {

std::unique_ptr<Policy> MakeShadow2005(Host& host,
                                       const Shadow2005Options& options) {
  return std::make_unique<ShadowPolicy>(
      host,
      ShadowPolicyOptions{.name = std::string(options.name),
                          .pool = options.pool,
                          .shadow_of_2_level = PagingMode::k2Level,
                          .pse_for_2_level = false,
                          .door = &Shadow2005Paging::DoorOf(options)},
      MakerOf<Shadow2005Paging>(host, options));
}

std::span<const PolicyEntry> Shadow2005Rows() {
  static constexpr PolicyEntry kRows[] = {
      {"shadow-2005",
       "Xen 3.0: snapshots of tables out of sync; all in sync again at once",
       [](Host& host) { return MakeShadow2005(host, {}); }},
      {"shadow-2005-predict",
       "shadow-2005 as of March 2005: a mapping's place is guessed, else "
       "searched",
       [](Host& host) {
         return MakeShadow2005(host, {.name = "shadow-2005-predict",
                                      .search = WritableSearch::kPrediction});
       },
       "shadow-2005"},
      {"shadow-2005-search",
       "shadow-2005 with no help: all L1 shadows are searched for a mapping",
       [](Host& host) {
         return MakeShadow2005(host, {.name = "shadow-2005-search",
                                      .search = WritableSearch::kAll});
       },
       "shadow-2005"},
      {"shadow-2005-internal",
       "shadow-2005 for a paravirtual guest that is translated: no VM exits",
       [](Host& host) {
         return MakeShadow2005(
             host, {.name = "shadow-2005-internal", .internal = true});
       },
       "shadow-2005"},
  };
  return kRows;
}

}  // namespace xmmu
