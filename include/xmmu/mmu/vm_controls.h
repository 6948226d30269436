#ifndef XMMU_MMU_VM_CONTROLS_H_
#define XMMU_MMU_VM_CONTROLS_H_

// What a hypervisor tells the processor of a guest when it enters it, as far as
// memory goes: Intel's VM-execution controls with EPTP and VPID, AMD's VMCB
// with N_CR3 and ASID.
// Source: SDM Vol. 3C, "VMX Support for Address Translation"; AMD APM Vol. 2,
// "Nested Paging".
//
// Plain values; any thread.

#include <cstdint>

#include "xmmu/base/address.h"
#include "xmmu/machine/paging_mode.h"

namespace xmmu {

struct VmControls {
  // A virtual machine on tables of the hypervisor's own, by the registers that
  // it is entered with: what shadows are walked as.
  bool shadowed = false;
  // Of such a one: it has a VPID or ASID, so that exits leave its entries
  // alone. No number is needed: entering another guest drops them, as if each
  // guest got a new one then (VmTag).
  bool keeps_entries = false;

  // The guest's physical addresses are translated by the tables at `root`. The
  // format of their entries is the vendor's: EPT, or AMD's ordinary entries.
  bool nested = false;
  PagingMode nested_mode = PagingMode::k4Level;  // or k5Level
  MachineAddr root{};
  // EPT sets accessed and dirty flags; AMD's tables have them in any case.
  bool accessed_dirty = false;
  // EPT tells fetches from user-mode addresses from others (SDM Vol. 3C,
  // "Mode-based execute control for EPT").
  bool mode_based_execute = false;
  // VPID or ASID. 0: none, so that each exit and entry drops what is cached.
  uint16_t tag = 0;

  bool operator==(const VmControls&) const = default;
};

// Whose a cached entry is, besides the PCID: linear mappings have a VPID,
// guest-physical ones a root, combined ones both (SDM Vol. 3C, "Information
// That May Be Cached"). AMD goes by the ASID for all; there `root` only says
// that there is a second dimension. {0, 0} is bare hardware.
struct VmTag {
  uint16_t vpid = 0;
  uint8_t root = 0;  // number that the Mmu gives a root; 0: no nested tables

  bool operator==(const VmTag&) const = default;
};

}  // namespace xmmu

#endif  // XMMU_MMU_VM_CONTROLS_H_
