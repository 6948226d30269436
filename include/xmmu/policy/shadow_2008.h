#ifndef XMMU_POLICY_SHADOW_2008_H_
#define XMMU_POLICY_SHADOW_2008_H_

// shadow-2008 with other parameters than its rows in the table of policies, for
// SimulatorOptions::custom_policy and for tests. What it is:
// lib/policy/shadow/shadow_2008.cc.
//
// Plain values; any thread.

#include <cstdint>
#include <memory>
#include <string_view>

#include "xmmu/policy/policy.h"

namespace xmmu {

struct Shadow2008Options {
  std::string_view name = "shadow-2008";
  // As in Shadow2006Options. The snapshots, three frames a vCPU, come on top.
  uint32_t pool_percent = 5;
  uint32_t pool_shadows = 0;
  // L1 tables go out of sync when they are written to (SHOPT_OUT_OF_SYNC); else
  // each store to them is emulated too.
  bool out_of_sync = true;
  // The entries that follow one that is made are made with it
  // (SHOPT_PREFETCH).
  bool prefetch = true;
  // What the guest has no page at is marked so, in bits that a processor calls
  // reserved (SHOPT_FAST_FAULT_PATH).
  bool fast_faults = true;
  // A store to the page that the last one was to is emulated without a walk of
  // the guest's tables (SHOPT_FAST_EMULATION).
  bool fast_emulation = true;
};

std::unique_ptr<Policy> MakeShadow2008(Host& host,
                                       const Shadow2008Options& options);

}  // namespace xmmu

#endif  // XMMU_POLICY_SHADOW_2008_H_
