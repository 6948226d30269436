#ifndef XMMU_MMU_VM_CONTROLS_H_
#define XMMU_MMU_VM_CONTROLS_H_

// What a hypervisor tells the processor about the memory of a guest when it
// enters it: Intel's VM-execution controls with EPTP and VPID, AMD's VMCB with
// N_CR3 and ASID; and the types and outcomes of the instructions that drop what
// is cached of guests.
// Source: SDM Vol. 3C, "VMX Support for Address Translation"; AMD APM Vol. 2,
// "Nested Paging".
//
// Plain values; any thread.

#include <cstdint>

#include "xmmu/base/address.h"
#include "xmmu/machine/paging_mode.h"

namespace xmmu {

struct VmControls {
  // The virtual machine runs on the hypervisor's own tables, to which its
  // registers point on entry: so shadows are walked.
  bool shadowed = false;
  // The shadowed guest has a VPID or ASID, so that exits leave its entries
  // alone. No number is needed: entering another guest drops them, as if each
  // guest got a new number then (VmTag).
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
  // VPID or ASID. 0 means none, so that each exit and entry drops what is
  // cached.
  uint16_t tag = 0;

  bool operator==(const VmControls&) const = default;
};

// The guest that a cached entry belongs to. Linear mappings have a VPID,
// guest-physical ones a root, combined ones both (SDM Vol. 3C, "Information
// That May Be Cached"). AMD goes by the ASID for all; there `root` only says
// that there is a second dimension. {0, 0} is bare hardware.
struct VmTag {
  uint16_t vpid = 0;
  uint8_t root = 0;  // the Mmu's number for a root; 0: not nested

  bool operator==(const VmTag&) const = default;
};

// How an INVEPT, INVVPID or INVLPGA ends. Source: SDM Vol. 3C, "Conventions" of
// the VMX instructions; both failures change and charge nothing.
enum class VmOutcome : uint8_t {
  kSucceeds,
  kFails,          // VMfail: "invalid operand to INVEPT/INVVPID"
  kInvalidOpcode,  // #UD: the processor lacks it
};

// INVEPT and INVVPID types (SDM Vol. 3C, "INVEPT", "INVVPID").
enum class InveptType : uint8_t { kSingleContext = 1, kGlobal = 2 };
enum class InvvpidType : uint8_t {
  kAddress = 0,
  kSingleContext = 1,
  kAllContexts = 2,
  kSingleContextRetainingGlobals = 3,
};

}  // namespace xmmu

#endif  // XMMU_MMU_VM_CONTROLS_H_
