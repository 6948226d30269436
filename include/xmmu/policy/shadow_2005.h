#ifndef XMMU_POLICY_SHADOW_2005_H_
#define XMMU_POLICY_SHADOW_2005_H_

// The shadow page tables of Xen 3.0 as of early 2006 with other parameters than
// their rows in the table of policies, for SimulatorOptions::custom_policy and
// for tests. What they are: lib/policy/shadow/shadow_2005.cc.
//
// Plain values; any thread.

#include <cstdint>
#include <memory>
#include <string_view>

#include "xmmu/policy/policy.h"

namespace xmmu {

// How the writable mappings of a frame are found that becomes a page table.
enum class WritableSearch : uint8_t {
  // The frame remembers the shadow entry that was last made to lead to it; then
  // all L1 shadows, until as many are found as there are (Xen, October 2005).
  kBackPointer,
  // A guess by the frame's number, then all L1 shadows, until as many are found
  // as there are (Xen, March 2005).
  kPrediction,
  // All L1 shadows, to the end.
  kAll,
};

struct Shadow2005Options {
  std::string_view name = "shadow-2005";
  WritableSearch search = WritableSearch::kBackPointer;
  // Share of the guest's memory that its shadows may take: assumed, XI's. Xen
  // took what it needed from the heap, and died when there was no more.
  uint32_t pool_percent = 5;
  // So many shadows instead; 0: by the share. Too few for the guest to make
  // progress are refused by Policy::StartVcpu.
  uint32_t pool_shadows = 0;
  // "Translate, internal": not a virtual machine but a paravirtual guest, whose
  // frame numbers Xen translates. lib/policy/shadow/shadow_2005_internal.cc.
  bool internal = false;
};

std::unique_ptr<Policy> MakeShadow2005(Host& host,
                                       const Shadow2005Options& options);

}  // namespace xmmu

#endif  // XMMU_POLICY_SHADOW_2005_H_
