#ifndef XMMU_LIB_GUEST_KERNEL_TRAITS_H_
#define XMMU_LIB_GUEST_KERNEL_TRAITS_H_

// KernelTraits says how the page-table code of one paravirtual kernel differs
// from another's: there is a row for each GuestOps. The tables of an address
// space that is not read-only (yet, or any more) are ordinary memory to all of
// them.
//
// Constants; any thread.

#include <cstddef>

#include "xmmu/guest/guest_options.h"

namespace xmmu {

// How an L1 entry of a read-only table is changed.
enum class PteWay : uint8_t {
  kStore,           // by instructions on the table itself
  kRequest,         // a request of mmu_update
  kMapping,         // update_va_mapping where the address space is loaded, else
                    // kRequest
  kMappingOrStore,  // update_va_mapping likewise, else kStore
};

// The instructions by which the kernel's own code clears an entry, or its
// writable flag.
enum class PteInstructions : uint8_t {
  kLocked,     // XCHG of the lower half, then the upper one; LOCK AND
  kPlain,      // a load and a store
  kCmpxchg8b,  // as kLocked; a PAE entry is cleared by CMPXCHG8B
};

// What mprotect does to an entry.
enum class ProtectBy : uint8_t {
  kClearAndSet,  // ptep_get_and_clear, then set_pte
  kSet,          // one change
  kPreserveAd,   // one mmu_update that keeps A and D
};

struct KernelTraits {
  PteWay install = PteWay::kRequest;        // by a fault, where nothing was
  PteWay set = PteWay::kRequest;            // by fork, mprotect, mremap
  PteWay clear = PteWay::kRequest;          // ptep_get_and_clear
  PteWay write_protect = PteWay::kRequest;  // ptep_set_wrprotect
  PteWay replace = PteWay::kRequest;        // ptep_establish: copy-on-write
  PteInstructions instructions = PteInstructions::kLocked;
  ProtectBy protect = ProtectBy::kSet;

  // How many mmu_update requests are collected before they are issued, and how
  // many within a lazy region (arch_enter_lazy_mmu_mode).
  size_t batch = 1;
  size_t lazy_batch = 1;
  // Whether remappings of table pages, pins and unpins that belong together are
  // one multicall.
  bool multicalls = false;
  // Whether these, flushes and changes of CR3 all go through the queue of
  // mmu_update requests. Xen 1 and 2 took them as such requests
  // (MMU_EXTENDED_COMMAND); here, as on later versions, a multicall takes
  // several kinds in one crossing.
  bool one_queue = false;

  // Whether L1 tables have pins of their own, as each has a lock (split
  // page-table locks).
  bool pins_l1_tables = false;
  // Whether a tree is pinned when it is first loaded and not at the end of
  // fork.
  bool pins_when_loaded = false;
  // Whether the remapping of a root asks for a flush when its tree is pinned,
  // and unpinning ends with a flush (mm_pin, mm_unpin).
  bool flushes_at_pin = false;
  // Whether only what has changed is flushed, not all that was asked to change
  // (mmu_gather).
  bool gathers = false;

  // Whether the kernel stores to tables in use, so that the hypervisor must
  // emulate that or open the tables.
  constexpr bool needs_stores() const {
    for (const PteWay way : {install, set, clear, write_protect, replace}) {
      if (way == PteWay::kStore || way == PteWay::kMappingOrStore) return true;
    }
    return false;
  }
};

const KernelTraits& TraitsOf(GuestOps ops);

}  // namespace xmmu

#endif  // XMMU_LIB_GUEST_KERNEL_TRAITS_H_
