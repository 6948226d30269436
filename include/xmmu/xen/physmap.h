#ifndef XMMU_XEN_PHYSMAP_H_
#define XMMU_XEN_PHYSMAP_H_

// Changes of the P2M under a running translated guest, the same for every
// strategy: pages given back and taken (the balloon), pages moved to other
// machine frames. What a strategy has made of the P2M, shadows or nested
// tables, and what the processors have cached of that, is gone before a frame
// is anybody else's.
// Source: Xen 4.17, xen/common/memory.c; xen/arch/x86/mm/p2m.c,
// guest_physmap_add_page and guest_physmap_remove_page;
// xen/arch/x86/mm/shadow/common.c, sh_unshadow_for_p2m_change.
//
// Single-threaded.

#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "xmmu/xen/host.h"
#include "xmmu/xen/hypercall.h"

namespace xmmu {

// What a strategy does for one domain when its P2M changes. Each charges `cpu`.
class PhysmapUser {
 public:
  virtual ~PhysmapUser() = default;

  // What is at `gfn` is about to leave: nothing in memory leads there by way of
  // `gfn` any more. Processors may, until FlushLeft().
  virtual void FrameLeaves(Cpu& cpu, Gfn gfn) = 0;
  // No processor leads to what has left since the last time.
  virtual void FlushLeft(Cpu& cpu) = 0;
  // The P2M has a frame at `gfn` now.
  virtual void FrameArrived(Cpu&, Gfn) {}
};

class Physmap {
 public:
  // On behalf of `vcpu` and its domain, charging its CPU. All outlive it.
  Physmap(Host& host, VcpuContext& vcpu, PhysmapUser& user)
      : host_(host), vcpu_(vcpu), domain_(*vcpu.domain), user_(user) {}

  // What a translated guest may ask for: DecreaseReservationCall, its frames
  // named as it counts them, and PopulatePhysmapCall. Charges kHypercallWork,
  // counts kHypercalls; how it got here is the caller's to charge.
  // Errors: Unimplemented (ENOSYS) for calls of paravirtual guests.
  HypercallResult Execute(const Hypercall& call);

  // Moves the page at `gfn` to the frame that was freed last, content and all.
  // The guest notices nothing. Charges kCopyPage and kLockedOp.
  // Errors: InvalidArgument if there is no page; ResourceExhausted if no frame
  // is free.
  absl::Status Move(Gfn gfn);

 private:
  uint32_t DecreaseReservation(std::span<const Mfn> frames);
  uint32_t PopulatePhysmap(std::span<const Pfn> pfns);
  std::optional<Mfn> Take(Pfn pfn);
  void Release(Mfn mfn);
  void SetRoots(Mfn from, Mfn to);
  CycleClock& clock() { return vcpu_.cpu->clock; }

  Host& host_;
  VcpuContext& vcpu_;
  Domain& domain_;
  PhysmapUser& user_;
};

}  // namespace xmmu

#endif  // XMMU_XEN_PHYSMAP_H_
