#ifndef XMMU_POLICY_SHADOW_2006_H_
#define XMMU_POLICY_SHADOW_2006_H_

// shadow-2006 with other parameters than its row in the table of policies, for
// SimulatorOptions::custom_policy and for tests. What it is:
// lib/policy/shadow/shadow_2006.cc.
//
// Plain values; any thread.

#include <cstdint>
#include <memory>
#include <string_view>

#include "xmmu/policy/policy.h"

namespace xmmu {

struct Shadow2006Options {
  std::string_view name = "shadow-2006";
  // Share of the guest's memory that the pool takes on top of it: that of XI
  // shadow, so that the two are compared at the same memory; at least what it
  // cannot do without. (Xen's tools gave it 256 pages a vCPU and 2 a MiB.)
  uint32_t pool_percent = 5;
  // So many shadows instead; 0: by the share. Too few for the guest to make
  // progress are refused by Policy::StartVcpu.
  uint32_t pool_shadows = 0;
  // A table written with zeros twice running ceases to be one (Xen:
  // SHOPT_EARLY_UNSHADOW).
  bool early_unshadow = true;
  // The writable mapping of a new table is looked for where kernels have it,
  // before all shadows are searched (Xen: SHOPT_WRITABLE_HEURISTIC).
  bool guesses = true;
};

std::unique_ptr<Policy> MakeShadow2006(Host& host,
                                       const Shadow2006Options& options);

}  // namespace xmmu

#endif  // XMMU_POLICY_SHADOW_2006_H_
