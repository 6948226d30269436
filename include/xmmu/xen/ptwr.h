#ifndef XMMU_XEN_PTWR_H_
#define XMMU_XEN_PTWR_H_

// Writable page tables as Xen 2.0 and 3.0 had them: an L1 table that its guest
// writes to freely, in place, from a write fault until Xen closes it again and
// looks at what has changed. Here is only the state of it, which hangs on the
// domain as in Xen 3.0.
// Source: Xen 3.0.0, xen/include/asm-x86/mm.h, struct ptwr_info.
//
// Plain values; single-threaded.

#include <cstddef>
#include <cstdint>

#include "xmmu/base/address.h"

namespace xmmu {

// The tables that a domain may have open at a time (Xen: PTWR_PT_ACTIVE,
// PTWR_PT_INACTIVE).
enum class PtwrSlot : uint8_t {
  kActive,    // hooked in the address space in use: its L2 entry has lost P
  kInactive,  // not part of it: nothing to unhook
};
inline constexpr size_t kPtwrSlots = 2;

struct PtwrInfo {
  Mfn table = kInvalidMfn;  // kInvalidMfn: the slot is free
  MachineAddr l2_entry;     // kActive: the one that has lost P
  // The L1 entry that maps the table where the guest writes to it: Xen has set
  // RW there, which no count knows of; and the address that it maps.
  MachineAddr mapping;
  VirtAddr va;
  uint32_t vcpu = 0;  // that opened it
  // The table as it was validated: a frame of Xen's, kept from one use to the
  // next.
  Mfn snapshot = kInvalidMfn;
  // Entries found changed when the slot was closed last; 0 means that a retried
  // store did not get through. Starts so that the first fault opens (assumed).
  uint64_t last_updates = 1;

  bool in_use() const { return table != kInvalidMfn; }
};

// What a write fault of a guest kernel is.
struct TableWrite {
  enum class Kind : uint8_t {
    kNotOurs,   // no write to a validated L1 of the domain
    kSpurious,  // the mapping is writable by now
    kEmulate,   // it is one, of a table that cannot be opened
    kOpen,      // it is one
  };
  Kind kind = Kind::kNotOurs;
  Mfn table = kInvalidMfn;
  MachineAddr mapping = {};
  VirtAddr va = {};
  PtwrSlot slot = PtwrSlot::kInactive;
  MachineAddr l2_entry = {};  // kActive
  // Nothing but a pin, the L2 entry of an active table and the mapping written
  // through refers to it: what other vCPUs may have loaded cannot use it.
  bool sole_use = false;
};

}  // namespace xmmu

#endif  // XMMU_XEN_PTWR_H_
