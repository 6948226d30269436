// shadow-2006: the shadow page tables of Xen 3.0.3, August 2006 ("shadow2",
// Deegan and Fetterman), which took the place of those of 2005.
//
//   state of a guest frame
//
//     none --first used as a table: write access removed, by a guess or a
//          search--> table
//     table --kernel writes: emulated, entry made anew in each shadow--> table
//     table --second zero running: of a root, its shadows are emptied--> table;
//          else --> none
//     table --a program writes, or an unknown instruction does--> none
//     table --last entry that leads to its shadows gone, and no root--> none
//     table, as a root not in use --room is needed--> none
//
//   event             what the hypervisor does
//   ----------------  ---------------------------------------------------------
//   page fault        lock, walk of the guest's tables; the guest's own, or the
//                     path is shadowed, or the store is emulated
//   MOV CR3           looks the root up; a new one is shadowed
//   INVLPG            nothing if no L1 shadow is there for the page; all of the
//                     TLB if it is of a large page; else INVLPG
//
// Large pages are always splintered, and each 4 KiB entry is made when it is
// needed. A 2-level guest is on PAE shadows, as on a PAE or 64-bit hypervisor
// (2-on-3; a 32-bit hypervisor without PAE had 2-on-2), for XI shadow had such
// a hypervisor too.
//
// The rest, and the source, stand in lib/policy/shadow/shadow_2006_paging.h.

#include <memory>
#include <span>
#include <string>

#include "policy/shadow/shadow_2006_paging.h"
#include "xmmu/policy/policies.h"
#include "xmmu/policy/shadow/shadow_policy.h"
#include "xmmu/policy/shadow_options.h"

namespace xmmu {

std::unique_ptr<Policy> MakeShadow2006(Host& host,
                                       const Shadow2006Options& options) {
  return std::make_unique<ShadowPolicy>(
      host,
      ShadowPolicyOptions{.name = std::string(options.name),
                          .pool = options.pool},
      MakerOf<Shadow2006Paging>(host, options));
}

std::span<const PolicyEntry> Shadow2006Rows() {
  static constexpr PolicyEntry kRows[] = {
      {"shadow-2006",
       "shadows always in sync: each store to a table is emulated (Xen 3.0.3)",
       [](Host& host) { return MakeShadow2006(host, {}); }},
  };
  return kRows;
}

}  // namespace xmmu
