#ifndef XMMU_LIB_XEN_DIRECT_HYPERCALLS_H_
#define XMMU_LIB_XEN_DIRECT_HYPERCALLS_H_

// The hypercalls of a paravirtual guest (xmmu/xen/hypercall.h), each without
// the ring crossing and the work that all calls have in common.
//
// Single-threaded.

#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "xen/direct/page_types.h"
#include "xen/direct/request.h"
#include "xmmu/xen/hypercall.h"

namespace xmmu {

class Hypercalls : private RequestPart {
 public:
  explicit Hypercalls(PvRequest& request)
      : RequestPart(request), types_(request) {}

  HypercallResult MmuUpdates(const MmuUpdateCall& call);
  HypercallResult MmuextOps(const MmuextCall& call);
  absl::Status UpdateVaMapping(const UpdateVaMappingCall& call);

  // --- reservation.cc
  // Gives frames back; returns how many before the first that is refused.
  uint32_t DecreaseReservation(std::span<const Mfn> frames);
  // Populates pfns; returns how many before the first that cannot be.
  uint32_t PopulatePhysmap(std::span<const Pfn> pfns);
  // Makes `frames` the vCPU's descriptor table in place of what it had.
  XenErrno SetGdt(std::span<const Mfn> frames);

 private:
  // mmu_update.cc
  // Executes one request of mmu_update.
  XenErrno OneUpdate(const MmuUpdate& request, DomainId page_owner);
  // OneUpdate() of an entry of a page that is locked as `type`, which it is.
  XenErrno UpdateTable(MachineAddr entry, PageType type,
                       const MmuUpdate& request, DomainId page_owner);
  // OneUpdate() of MMU_MACHPHYS_UPDATE.
  XenErrno UpdateMachphys(const MmuUpdate& request, DomainId page_owner);
  // Finds the domain that the foreign-domain argument `named` means. Returns
  // false, with `error`, if the guest may not name it.
  bool ResolveOwner(DomainId named, DomainId& owner, XenErrno& error);
  // Owes the flush of an update above L1, where the rules have one.
  void OweUpperUpdateFlush();

  // mmuext.cc
  // Executes one operation of mmuext_op, by its kind.
  XenErrno OneOp(const MmuextOp& op, DomainId owner);
  XenErrno FlushOp(const MmuextOp& op);
  XenErrno PageOp(const MmuextOp& op, DomainId owner);
  XenErrno PinOp(const MmuextOp& op, DomainId owner, int level);

  // update_va.cc
  // Stores `value` to the L1 entry that was found, with the references that
  // this takes.
  XenErrno UpdateFoundEntry(MachineAddr entry, Pte value, DomainId page_owner);
  // Executes the flush that the guest has asked for with the call.
  void FlushAfterUpdate(const UpdateVaMappingCall& call);

  PageTypes types_;
  // The table that mmu_update mapped last: a further request to it needs no
  // mapping.
  Mfn mapped_ = kInvalidMfn;
};

}  // namespace xmmu

#endif  // XMMU_LIB_XEN_DIRECT_HYPERCALLS_H_
