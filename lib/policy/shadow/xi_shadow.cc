// xi-shadow: the shadow page tables that Virtual Iron proposed for unmodified
// guests in 2006, which were never merged.
//
// The guest's MOV CR3, INVLPG and page faults exit; it runs on shadows in
// 64-bit format (PAE for a 32-bit guest) that are taken from a pool and filled
// an entry at a time.
//
//   state of a guest table
//
//     none --first used as one: SPTI, write access removed by backlinks--> in
//          sync
//     in sync --the guest writes: that mapping made writable--> out of sync
//     out of sync --MOV CR3, flush: write access removed, changed entries
//          remade--> in sync, or none if nothing links to it
//     any --its SPTIs are needed elsewhere, least recently used first--> none
//
// What the guest's tables say while they are out of sync reaches the shadows
// where it could reach a processor: at a fault for the address on the way, at
// INVLPG for that page and all upper levels, at MOV CR3 for all.
//
// lib/policy/shadow/xi_paging.h has the SPTI and its source, xi_decision.h the
// decisions at a fault, xi_paging.cc those at each level of a table.
//
// The hypervisor is a 64-bit one, as XI's was; the machine's costs are used as
// they are. xmmu/xen/vm_exit.h tells what VM exits take from the TLBs.

#include <memory>
#include <span>
#include <string>
#include <utility>

#include "policy/shadow/xi_paging.h"
#include "policy/shadow/xi_variants.h"
#include "xmmu/policy/policies.h"
#include "xmmu/policy/shadow/shadow_policy.h"
#include "xmmu/policy/shadow_options.h"

namespace xmmu {

std::unique_ptr<Policy> MakeXiShadow(Host& host,
                                     const XiShadowOptions& wanted) {
  XiShadowOptions options = wanted;
  if (options.table_backlinks) options.backlinks = false;
  ShadowPolicy::Factory maker = MakerOf<XiPaging>(host, options);
  if (options.table_backlinks) maker = MakerOf<XiTableBacklinks>(host, options);
  if (options.snapshots_on_demand) {
    maker = MakerOf<XiSnapshotPool>(host, options);
  }
  return std::make_unique<ShadowPolicy>(
      host,
      ShadowPolicyOptions{.name = std::string(options.name),
                          .pool = options.pool,
                          .frames_a_shadow = XiPaging::FramesOfShadow(options)},
      std::move(maker));
}

std::span<const PolicyEntry> XiShadowRows() {
  static constexpr PolicyEntry kRows[] = {
      {"xi-shadow",
       "shadows from a pool, each entry backlinked, in sync one at a time",
       [](Host& host) { return MakeXiShadow(host, {}); }},
      {"xi-shadow-zeroed",
       "xi-shadow; the idle loop keeps the pool zeroed, and is always ahead",
       [](Host& host) {
         return MakeXiShadow(
             host, {.name = "xi-shadow-zeroed", .zeroed_beforehand = true});
       },
       "xi-shadow"},
      {"xi-shadow-search",
       "xi-shadow without backlinks: all shadows are searched for a mapping",
       [](Host& host) {
         return MakeXiShadow(host,
                             {.name = "xi-shadow-search", .backlinks = false});
       },
       "xi-shadow"},
      {"xi-shadow-tables-only",
       "xi-shadow with backlinks only for what leads to a page table",
       [](Host& host) {
         return MakeXiShadow(
             host, {.name = "xi-shadow-tables-only", .table_backlinks = true});
       },
       "xi-shadow"},
      {"xi-shadow-snapshots",
       "xi-shadow with snapshots only for tables out of sync",
       [](Host& host) {
         return MakeXiShadow(host, {.name = "xi-shadow-snapshots",
                                    .snapshots_on_demand = true});
       },
       "xi-shadow"},
  };
  return kRows;
}

}  // namespace xmmu
