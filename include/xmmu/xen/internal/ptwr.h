#ifndef XMMU_XEN_INTERNAL_PTWR_H_
#define XMMU_XEN_INTERNAL_PTWR_H_

// Writable page tables (ptwr) as Xen had them from July 2004 to August 2006: an
// L1 table whose guest writes to it freely, from a write fault until Xen closes
// it again and looks at what has become of it. This header has only the state
// of open tables, which hangs on the domain as in Xen 3.0, and the parameters
// in which the generations differ. Source: Xen 3.0.0, xen/include/asm-x86/mm.h,
// struct ptwr_info; the generations by their commits in Xen's history, named
// where they are used.
//
// Plain values; single-threaded.

#include <cstddef>
#include <cstdint>

#include "xmmu/base/address.h"
#include "xmmu/xen/internal/page_info.h"

namespace xmmu {

// The tables that a domain may have open at a time (Xen: PTWR_PT_ACTIVE,
// PTWR_PT_INACTIVE). There may be several inactive ones: InactiveSlot().
enum class PtwrSlot : uint8_t {
  kActive,    // hooked in the address space in use: its L2 entry has lost P
  kInactive,  // not part of it: nothing to unhook
};
inline constexpr int kMaxInactiveTables = 4;
inline constexpr size_t kPtwrSlots = 1 + kMaxInactiveTables;

// REQUIRES: 0 <= i < kMaxInactiveTables.
constexpr PtwrSlot InactiveSlot(int i) {
  return static_cast<PtwrSlot>(static_cast<int>(PtwrSlot::kInactive) + i);
}

// What the guest writes to, and how Xen finds out what it has written.
enum class PtwrMethod : uint8_t {
  // The guest writes to the table, which keeps its type; a snapshot tells what
  // has changed.
  kSnapshot,
  // The guest writes to the table, which is an ordinary page meanwhile; Xen
  // validates all of it anew.
  kRevalidate,
  // The guest writes to a copy in a frame of Xen's; Xen stores what differs to
  // the table.
  kCopy,
};

// A generation of writable page tables.
struct PtwrModel {
  PtwrMethod method = PtwrMethod::kSnapshot;
  // How many inactive tables may be open at a time, up to kMaxInactiveTables;
  // opening one more closes them all.
  int inactive_tables = 1;
  // Whether tables are open on behalf of a CPU, and so closed when that CPU
  // switches to another vCPU.
  bool closes_when_scheduling = false;
  // Whether SMP guests may open tables.
  bool opens_for_smp = true;
  // Whether Xen emulates the store that follows a batch without any change.
  bool emulates_after_none = true;
};

struct PtwrInfo {
  Mfn table = kInvalidMfn;  // kInvalidMfn: the slot is free
  PtwrMethod method = PtwrMethod::kSnapshot;
  MachineAddr l2_entry;  // kActive: the L2 entry that has lost P
  // The L1 entry through which the guest writes to the table or its copy, and
  // the address that it maps. Xen has set RW in the entry; except for
  // kRevalidate no count knows of that.
  MachineAddr mapping;
  VirtAddr va;
  uint32_t vcpu = 0;  // the vCPU that opened it
  // The table as it was validated, or, for kCopy, the copy: a frame of Xen's,
  // kept from one use to the next.
  Mfn snapshot = kInvalidMfn;
  // How many entries had changed when the slot was closed last; 0 means that a
  // retried store did not get through. The first value lets the first fault
  // open a table (assumed).
  uint64_t last_updates = 1;

  // For kRevalidate, what the frame had while it was a table: how many entries
  // of other tables refer to it still, without a reference to its type; whether
  // it was pinned; and its place as PageInfo knew it.
  uint64_t hooks = 0;
  bool pinned = false;
  uint16_t l2_slot : kL2SlotBits = kL2SlotMutable;
  Mfn hooked_in = kInvalidMfn;

  bool in_use() const { return table != kInvalidMfn; }
};

// What a write fault of a guest kernel is.
struct TableWrite {
  enum class Kind : uint8_t {
    kNotOurs,   // not a write to a validated L1 of the domain
    kSpurious,  // the mapping is writable by now
    kEmulate,   // a write to an L1 that cannot be opened
    kOpen,      // a write to an L1 that can be opened
  };
  Kind kind = Kind::kNotOurs;
  Mfn table = kInvalidMfn;
  MachineAddr mapping = {};
  VirtAddr va = {};
  PtwrSlot slot = PtwrSlot::kInactive;  // or any other inactive one
  MachineAddr l2_entry = {};            // kActive
  // Only a pin, the L2 entry of an active table and the mapping written through
  // refer to the table, so that no root of another vCPU can lead to it.
  bool sole_use = false;
  // The table has no other mapping.
  bool sole_mapping = false;
};

}  // namespace xmmu

#endif  // XMMU_XEN_INTERNAL_PTWR_H_
