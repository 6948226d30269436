#ifndef XMMU_LIB_XEN_DIRECT_L1_LOOKUP_H_
#define XMMU_LIB_XEN_DIRECT_L1_LOOKUP_H_

// How Xen finds the L1 entry of an address in the tables of the guest that
// runs: through its own linear map, by the processor's walk, or in software, a
// temporary mapping a level (Xen 4.17, map_guest_l1e; Xen 3.0.0,
// linear_pg_table).
//
// Single-threaded.

#include <optional>

#include "xen/direct/request.h"

namespace xmmu {

class L1Lookup : private RequestPart {
 public:
  explicit L1Lookup(PvRequest& request) : RequestPart(request) {}

  // The L1 entry of `va` as hypercalls find it; nothing if no L1 maps `va` or
  // the address is Xen's. Charges the look-up of PvRules::va_lookup.
  std::optional<MachineAddr> FindL1Entry(VirtAddr va);

  // The L1 entry of an address that has just faulted. Charges a walk of Xen's
  // linear map, or kTempMap and kXenPteRead a level.
  std::optional<MachineAddr> FindMapping(VirtAddr va);

 private:
  // The entry of `level` that maps `va`, found by the hardware: a supervisor
  // read in Xen's linear map. It sets accessed bits on the way, and costs a TLB
  // entry and the walk.
  std::optional<MachineAddr> ThroughLinearMap(VirtAddr va, int level);
  // The L1 entry of `va`, found level by level from the vCPU's kernel root.
  std::optional<MachineAddr> WalkToL1Entry(VirtAddr va);
};

}  // namespace xmmu

#endif  // XMMU_LIB_XEN_DIRECT_L1_LOOKUP_H_
