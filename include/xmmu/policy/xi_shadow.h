#ifndef XMMU_POLICY_XI_SHADOW_H_
#define XMMU_POLICY_XI_SHADOW_H_

// XI shadow with other parameters than its row in the table of policies, for
// SimulatorOptions::custom_policy and for tests. What it is:
// lib/policy/shadow/xi_shadow.cc.
//
// Plain values; any thread.

#include <cstdint>
#include <memory>
#include <string_view>

#include "xmmu/policy/policy.h"

namespace xmmu {

struct XiShadowOptions {
  std::string_view name = "xi-shadow";
  // Share of the guest's memory that the pool takes on top of it: "about 5 %"
  // (xen-devel, July 2006); at least what it cannot do without.
  uint32_t pool_percent = 5;
  // So many shadows instead; 0: by the share. Too few for the guest to make
  // progress are refused by Policy::StartVcpu.
  uint32_t pool_shadows = 0;
  // The pages of a shadow are zero when it is taken: zeroed by the idle loop,
  // which is assumed to be always ahead. Else zeroed on the critical path.
  bool zeroed_beforehand = false;
  // A backlink for each shadow entry; else the entries that lead to a frame are
  // searched for in all shadows, and a shadow takes two frames less.
  bool backlinks = true;
  // Instead of these, one for each entry that leads to a page table of the
  // guest's or to its shadow, allocated as it is made; a page that becomes a
  // table is searched for. `backlinks` does not count then.
  bool table_backlinks = false;
  // Snapshots only for tables out of sync, from a pool of their own beside the
  // share: one for every fourth shadow. A shadow of an L1 is made in sync.
  bool snapshots_on_demand = false;
};

std::unique_ptr<Policy> MakeXiShadow(Host& host,
                                     const XiShadowOptions& options);

}  // namespace xmmu

#endif  // XMMU_POLICY_XI_SHADOW_H_
