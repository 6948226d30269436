#ifndef XMMU_POLICY_SHADOW_OPTIONS_H_
#define XMMU_POLICY_SHADOW_OPTIONS_H_

// The strategies of shadow page tables with other parameters than those of
// their rows in the table of policies: for SimulatorOptions::custom_policy and
// for tests. What each strategy is stands in lib/policy/shadow/, in the file of
// its name: shadow_2005.cc, shadow_2006.cc, shadow_2008.cc, xi_shadow.cc.
//
// Plain values; any thread.

#include <cstdint>
#include <memory>
#include <string_view>

#include "xmmu/policy/policy.h"

namespace xmmu {

// The pool that the shadows of a domain come from; part of all options below.
struct ShadowPoolOptions {
  // Share of the guest's memory that the pool takes on top of it, in percent;
  // at least what the guest cannot do without. XI took "about 5 %" (xen-devel,
  // July 2006). The others have the same, so that strategies are compared at
  // the same memory: assumed for 2005, when Xen took what it needed from its
  // heap, and died when there was no more; Xen's tools gave the later ones 256
  // pages a vCPU and 2 a MiB.
  uint32_t percent = 5;
  // If not 0, the pool has so many shadows instead. Policy::StartVcpu refuses a
  // pool that is too small for the guest to make progress.
  uint32_t shadows = 0;
};

// How the writable mappings of a frame are found that becomes a page table.
enum class WritableSearch : uint8_t {
  // The frame remembers the shadow entry that was last made to lead to it; then
  // all L1 shadows are searched, until as many mappings are found as there are
  // (Xen, October 2005).
  kBackPointer,
  // The frame's number predicts an L1 shadow; then all are searched, until as
  // many mappings are found as there are (Xen, March 2005).
  kPrediction,
  // All L1 shadows are searched to the end.
  kAll,
};

struct Shadow2005Options {
  std::string_view name = "shadow-2005";
  ShadowPoolOptions pool = {};
  WritableSearch search = WritableSearch::kBackPointer;
  // The guest is not a virtual machine but a paravirtual one, whose frame
  // numbers Xen translates (shadow mode "translate", without "external"). See
  // xmmu/policy/shadow/guest_door.h.
  bool internal = false;
};

struct Shadow2006Options {
  std::string_view name = "shadow-2006";
  ShadowPoolOptions pool = {};
  // A table that a zero is written to twice running ceases to be one (Xen:
  // SHOPT_EARLY_UNSHADOW).
  bool early_unshadow = true;
  // The writable mapping of a new table is looked for where kernels have it,
  // before all shadows are searched (Xen: SHOPT_WRITABLE_HEURISTIC).
  bool guesses = true;
};

struct Shadow2008Options {
  std::string_view name = "shadow-2008";
  // The snapshots, three frames a vCPU, come on top.
  ShadowPoolOptions pool = {};
  // L1 tables go out of sync when they are written to (SHOPT_OUT_OF_SYNC); else
  // each store to them is emulated too.
  bool out_of_sync = true;
  // The entries that follow one that is made are made with it
  // (SHOPT_PREFETCH).
  bool prefetch = true;
  // Where the guest has no page the shadow is marked so, in bits that a
  // processor calls reserved (SHOPT_FAST_FAULT_PATH).
  bool fast_faults = true;
  // A store to the page that the last one was to is emulated without a walk of
  // the guest's tables (SHOPT_FAST_EMULATION).
  bool fast_emulation = true;
};

struct XiShadowOptions {
  std::string_view name = "xi-shadow";
  ShadowPoolOptions pool = {};
  // The pages of a shadow are zero when it is taken, for the idle loop has
  // zeroed them, which is assumed to be always ahead. Else they are zeroed on
  // the critical path.
  bool zeroed_beforehand = false;
  // Each shadow entry has a backlink; else the entries that lead to a frame are
  // searched for in all shadows, and a shadow takes two frames less.
  bool backlinks = true;
  // Instead of those there is a backlink for each entry that leads to a page
  // table of the guest's or to its shadow, allocated as the entry is made; a
  // page that becomes a table is searched for. `backlinks` does not count then.
  bool table_backlinks = false;
  // Only tables out of sync have snapshots, from a pool of their own beside the
  // share: one for every fourth shadow. A shadow of an L1 is made in sync.
  bool snapshots_on_demand = false;
};

// The strategies, for one Host, which outlives them.
std::unique_ptr<Policy> MakeShadow2005(Host& host,
                                       const Shadow2005Options& options);
std::unique_ptr<Policy> MakeShadow2006(Host& host,
                                       const Shadow2006Options& options);
std::unique_ptr<Policy> MakeShadow2008(Host& host,
                                       const Shadow2008Options& options);
std::unique_ptr<Policy> MakeXiShadow(Host& host,
                                     const XiShadowOptions& options);

}  // namespace xmmu

#endif  // XMMU_POLICY_SHADOW_OPTIONS_H_
