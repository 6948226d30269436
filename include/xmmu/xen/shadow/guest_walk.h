#ifndef XMMU_XEN_SHADOW_GUEST_WALK_H_
#define XMMU_XEN_SHADOW_GUEST_WALK_H_

// The page tables of a translated guest, walked by the hypervisor in software
// (Xen: guest_walk_tables): its entries hold guest frame numbers, which the P2M
// leads to machine frames. It finds what the processor would find if it walked
// these tables itself: at each level P, then the reserved bits; rights when the
// leaf is known (SDM Vol. 3A, "Paging").
//
// The walk caches nothing. Single-threaded.

#include <boost/container/static_vector.hpp>

#include "xmmu/mmu/access.h"
#include "xmmu/mmu/page_walker.h"
#include "xmmu/xen/domain.h"
#include "xmmu/xen/host.h"

namespace xmmu {

// An entry that the walk used.
struct GuestWalkEntry {
  int level = 0;
  Gfn table;         // the table that the entry is in
  MachineAddr addr;  // where the entry is in machine memory
  Pte entry;
};

struct GuestWalk {
  // The entries used, root first; the last one is the leaf, or the entry that
  // faulted. The PDPTE of a PAE guest is not among them: it is in a register.
  boost::container::static_vector<GuestWalkEntry, 5> entries;
  bool write = false;  // the walk was for a write
  bool ok = false;
  uint32_t error_code = 0;  // if !ok

  // If the leaf was reached, whether or not the access is allowed:
  bool reached_leaf = false;
  int page_level = 0;  // the leaf's
  Gfn gfn;             // of the 4 KiB page accessed
  uint8_t rights = 0;  // of namespace rights; kDirty as the leaf has it
  bool global = false;

  // REQUIRES: reached_leaf.
  const GuestWalkEntry& leaf() const { return entries.back(); }
};

// Walks for `access` by what `paging` says: the guest's registers, whose root
// and PDPTEs are guest-physical. An entry that leads to a table in no frame of
// the domain's counts as one that is not present (Xen: _PAGE_PRESENT missing).
// Charges `cpu` kXenPteRead an entry, and kTempMap an entry unless the guest's
// tables are `mapped` in the hypervisor.
// REQUIRES: the address is canonical.
GuestWalk WalkGuest(const Host& host, const Domain& domain, Cpu& cpu,
                    const PagingContext& paging, const Access& access,
                    bool mapped = false);

// Sets in the guest's tables what a processor would have set for `access`: A in
// every entry, and D in the leaf for a write. Returns whether anything changed.
// Charges kXenPteCas an entry changed, and marks its table dirty. REQUIRES:
// walk.ok.
bool SetAccessedAndDirty(Host& host, Cpu& cpu, PagingMode mode,
                         const Access& access, GuestWalk& walk);

}  // namespace xmmu

#endif  // XMMU_XEN_SHADOW_GUEST_WALK_H_
