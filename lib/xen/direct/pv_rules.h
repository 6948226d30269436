#ifndef XMMU_LIB_XEN_DIRECT_PV_RULES_H_
#define XMMU_LIB_XEN_DIRECT_PV_RULES_H_

// The rules of direct paging that depend on the guest's mode and on the version
// of Xen that ran such guests, all in one table. Everything else in lib/xen is
// written once for all of them.
//
// Constants; any thread.

#include <array>
#include <cstdint>

#include "xen/layout.h"
#include "xmmu/base/address.h"
#include "xmmu/machine/machine_model.h"
#include "xmmu/machine/paging_mode.h"
#include "xmmu/machine/pte.h"
#include "xmmu/mmu/pending_invalidation.h"
#include "xmmu/xen/errno.h"
#include "xmmu/xen/linear_map.h"

namespace xmmu {

// How update_va_mapping finds the L1 entry of an address.
enum class VaLookup : uint8_t {
  kLinearL1,  // Xen 3.0: the entry itself through the linear map
  kLinearL2,  // Xen 4.17: the L2 entry through it, then a temporary mapping
  kWalk,      // software walk, a temporary mapping a level: no linear map
};

inline constexpr int kMaxPvLevels = 4;
// Indexed by level, 1 to 4.
using FlagsByLevel = std::array<uint64_t, kMaxPvLevels + 1>;

struct PvRules {
  PagingMode mode;      // the guest's
  PagingMode hardware;  // the MMU's while the guest runs
  XenSlots xen_slots;
  XenErrno xen_slot_error;  // returned for an update of one of Xen's slots

  // The flags that a present entry must not have, and those that only domains
  // with I/O rights may have in L1 entries.
  FlagsByLevel disallowed;
  uint64_t io_only;
  // Flags that may change without new references.
  FlagsByLevel fast_path;
  // The flags that Xen adds to present entries, and those that it takes back
  // from L3 entries when the table is demoted.
  FlagsByLevel added;
  uint64_t taken_back;
  // Marks L1 entries without US as the kernel's and makes all others global
  // (Xen 4.17, x86-64: adjust_guest_l1e).
  bool marks_kernel_l1;
  // Makes mappings of device memory uncached.
  bool forces_uncached_mmio;

  // Levels at which an entry may refer to a table of its own level. Chains of
  // such references are refused for all guests, though Xen 3.0 did not know yet
  // that they are a danger (XSA-240).
  std::array<bool, kMaxPvLevels + 1> linear;
  // The slot of Xen's own linear map in the hardware's root; where that is a
  // PAE root, the first of four slots in the kernel L2. -1 if there is none.
  int linear_slot;
  VaLookup va_lookup;

  // Slot 3 of the root holds an L2 with Xen's slots. Without `shared_kernel_l2`
  // that L2 may be in no other root; with it, in all roots of the guest.
  bool kernel_l2;
  bool shared_kernel_l2;
  // The root that the hardware walks is DirectPagingState::Vcpu::hidden_l4.
  bool hidden_l4;
  // A refused store to the upper half of an L1 entry clears P instead.
  bool upper_half_fixup;
  // Emulated stores are plain, not locked.
  bool plain_emulated_store;

  // While the domain is being logged: setting and clearing a pin marks the
  // table (MMUEXT_PIN_L1_TABLE.., MMUEXT_UNPIN_TABLE of 4.17); Xen 3.0.0 marks
  // where a type count leaves or reaches zero only (alloc_page_type,
  // free_page_type).
  bool pins_mark;
  // While the domain is being logged, a page that changes its type owes a flush
  // only if it could be written to: no processor walks a guest's table (4.17,
  // _get_page_type: "Shadow mode: track only writable pages").
  bool spares_logged_type_flush;

  // Any successful update above L1 flushes the domain's CPUs (XSA-286).
  bool flush_on_upper_update;
  // Dropping the last use of a table flushes the domain's CPUs at the end.
  bool flush_on_teardown;
  // The scope of "flush the TLB" under this Xen: 4.17 never spares global entries.
  FlushScope full_flush;
  // INVLPG on several CPUs is a full flush on the own one.
  bool invlpg_mask_is_full_here;
  // Local flushes asked for by mmuext_op happen once, at the end of the call.
  bool defers_local_flush;

  // One lock for all of a domain's memory management.
  bool big_lock;
  // Locked operations of the put that drops a table's last type reference.
  int locked_ops_of_last_put;
  // Refusals keep their errno; if not, they are all -EINVAL.
  bool detailed_errors;
  // The error returned for pinning a table above the guest's root level.
  XenErrno pin_above_root;
  // The error returned for MMUEXT_NEW_USER_BASEPTR; kOk where guests have a
  // user base pointer.
  XenErrno user_baseptr;
};

// The rules for a guest of `mode` on `features`; nullptr if Xen has none. A PAE
// guest runs under a 64-bit Xen where the CPU has long mode, unless
// `linear_map` asks for a 32-bit one.
const PvRules* FindPvRules(PagingMode mode, const CpuFeatures& features,
                           LinearMap linear_map);

// The virtual address, inside Xen's linear map, of the entry which maps `va`,
// as reached through `steps` turns of the self map (1: the L1 entry). REQUIRES:
// rules.linear_slot >= 0.
VirtAddr LinearAddress(const PvRules& rules, VirtAddr va, int steps);

}  // namespace xmmu

#endif  // XMMU_LIB_XEN_DIRECT_PV_RULES_H_
