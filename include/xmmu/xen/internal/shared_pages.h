#ifndef XMMU_XEN_INTERNAL_SHARED_PAGES_H_
#define XMMU_XEN_INTERNAL_SHARED_PAGES_H_

// Which frames the domains of a machine share because their contents became
// equal, and who maps them: the machine-wide hash table of contents in which
// HYPERVISOR_make_ro_and_share looks pages up (J. G. Hansen on xen-devel, "Re:
// copy on write memory"; proposed, never built). DirectPaging executes the
// hypercall itself (xmmu/xen/direct/direct_paging.h).
//
// A shared frame is owned by kDomCow, is of type kShared with one type
// reference held by this table, and has one general reference a mapping; all
// are read-only. It is in the table from the call that shares it until its last
// mapping is gone.
//
//   private page --no such content known--> shared: owner kDomCow, in the table
//   private page --same content known-----> free; its mappings lead to the
//                                           shared frame
//   shared --last mapping dropped--> out of the table, free
//
// Owns only its bookkeeping: counts of frames stay in the frame table. Charges
// nothing. Single-threaded; one a Host.

#include <cstdint>
#include <span>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "xmmu/base/address.h"
#include "xmmu/machine/phys_memory.h"
#include "xmmu/xen/internal/page_info.h"

namespace xmmu {

// A hash of all that a frame holds, words and content token.
uint64_t HashContent(const PhysMemory& memory, Mfn mfn);

class SharedPages {
 public:
  struct Frame {
    uint64_t hash = 0;
    // The number of mappings of each domain that has the frame by sharing; no
    // entry is zero.
    absl::btree_map<DomainId, uint64_t> mappings;
  };

  // The shared frames whose content has the hash `hash`, in the order in which
  // they were shared.
  std::span<const Mfn> WithHash(uint64_t hash) const;
  bool Contains(Mfn mfn) const { return frames_.contains(mfn); }
  // How many mappings of `mfn` the domain has; 0 for a frame not shared.
  uint64_t Mappings(Mfn mfn, DomainId domain) const;

  // Enters `mfn`, which nobody maps by sharing yet. REQUIRES: `mfn` is not in
  // the table.
  void Insert(Mfn mfn, uint64_t hash);
  // Takes `mfn` out. REQUIRES: it is in the table, without mappings.
  void Remove(Mfn mfn);
  // Count a mapping of `mfn` by `domain` more, or less. REQUIRES: `mfn` is in
  // the table; there is a mapping to drop.
  void AddMapping(Mfn mfn, DomainId domain);
  void DropMapping(Mfn mfn, DomainId domain);

  const absl::btree_map<Mfn, Frame>& frames() const { return frames_; }

 private:
  absl::btree_map<Mfn, Frame> frames_;
  // Only looked up, never iterated.
  absl::flat_hash_map<uint64_t, std::vector<Mfn>> by_hash_;
};

}  // namespace xmmu

#endif  // XMMU_XEN_INTERNAL_SHARED_PAGES_H_
