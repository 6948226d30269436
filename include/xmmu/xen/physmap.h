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

// What a strategy does for one domain when its P2M changes. Each function
// charges `cpu` for its work.
class PhysmapUser {
 public:
  virtual ~PhysmapUser() = default;

  // Called before the frame at `gfn` leaves: removes all that leads there by
  // way of `gfn` from memory. Processors may still hold it, until FlushLeft().
  virtual void FrameLeaves(Cpu& cpu, Gfn gfn) = 0;
  // Flushes all processors that may lead to frames that have left since the
  // last call.
  virtual void FlushLeft(Cpu& cpu) = 0;
  // Called when the P2M has got a frame at `gfn`.
  virtual void FrameArrived(Cpu&, Gfn) {}
};

class Physmap {
 public:
  // Changes the P2M on behalf of `vcpu`, whose CPU is charged. The three
  // outlive the object.
  Physmap(Host& host, VcpuContext& vcpu, PhysmapUser& user)
      : host_(host), vcpu_(vcpu), domain_(*vcpu.domain), user_(user) {}

  // Executes what a translated guest may ask for: DecreaseReservationCall, with
  // guest frame numbers, and PopulatePhysmapCall. Charges kHypercallWork and
  // counts kHypercalls; the caller charges the way into the hypervisor.
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
  // Gets a free frame for `pfn`, flushed; nothing if there is none.
  std::optional<Mfn> Take(Pfn pfn);
  // Frees a frame that nothing leads to any more.
  void Release(Mfn mfn);
  // Makes `to` the root of each vCPU whose root was `from`.
  void SetRoots(Mfn from, Mfn to);
  CycleClock& clock() { return vcpu_.cpu->clock; }

  Host& host_;
  VcpuContext& vcpu_;
  Domain& domain_;
  PhysmapUser& user_;
};

}  // namespace xmmu

#endif  // XMMU_XEN_PHYSMAP_H_
