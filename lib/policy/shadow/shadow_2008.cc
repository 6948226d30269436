// shadow-2008: the shadow page tables of Xen 3.3, August 2008 ("shadow3"):
// those of 2006, with what had come to them since.
//
//   state of an L1 table of the guest; others are as in shadow-2006
//
//     in sync --the guest writes: snapshot, that mapping made writable--> out
//          of sync
//     out of sync --MOV CR3 of the vCPU that wrote; its place is needed; it is
//          linked anew, or used as another level: write access removed, changed
//          entries remade, TLBs flushed--> in sync
//     out of sync --MOV CR3 of another vCPU that may see it: changed entries
//          remade--> out of sync
//
//   event                       what is new since 2006
//   -------------------------- ------------------------------------------------
//   fault, marked not present   handed to the guest at once
//   store to the page of the    emulated at once
//     last store
//   fault, under a table out    its entry and the snapshot's are made anew, and
//     of sync                     nothing else is made in sync
//   any entry made              up to 31 that follow are made with it
//   INVLPG, under such a table  its entry is dropped
//   store to a PAE table        the emulator goes on to the other half
//
// The rest, and the source, stand in lib/policy/shadow/shadow_2008_paging.h.

#include <memory>
#include <span>
#include <string>

#include "policy/shadow/shadow_2008_paging.h"
#include "xmmu/policy/policies.h"
#include "xmmu/policy/shadow/shadow_policy.h"
#include "xmmu/policy/shadow_options.h"

namespace xmmu {

std::unique_ptr<Policy> MakeShadow2008(Host& host,
                                       const Shadow2008Options& options) {
  return std::make_unique<ShadowPolicy>(
      host,
      ShadowPolicyOptions{.name = std::string(options.name),
                          .pool = options.pool},
      MakerOf<Shadow2008Paging>(host, options));
}

std::span<const PolicyEntry> Shadow2008Rows() {
  static constexpr PolicyEntry kRows[] = {
      {"shadow-2008",
       "shadow-2006 whose L1 tables go out of sync, three a vCPU; prefetch "
       "(Xen 3.3)",
       [](Host& host) { return MakeShadow2008(host, {}); }},
      {"shadow-2008-no-oos", "shadow-2008 with all tables always in sync",
       [](Host& host) {
         return MakeShadow2008(
             host, {.name = "shadow-2008-no-oos", .out_of_sync = false});
       },
       "shadow-2008"},
      {"shadow-2008-no-prefetch",
       "shadow-2008, each entry made when it is needed",
       [](Host& host) {
         return MakeShadow2008(
             host, {.name = "shadow-2008-no-prefetch", .prefetch = false});
       },
       "shadow-2008"},
  };
  return kRows;
}

}  // namespace xmmu
