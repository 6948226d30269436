#ifndef XMMU_XEN_EMULATOR_H_
#define XMMU_XEN_EMULATOR_H_

// The emulator that goes on: once Xen has emulated a store to a page table, it
// stays for the instructions behind it, in the hope of the store that writes
// the other half of a PAE entry (Xen 3.1, 6b73fb435b; 4.17,
// xen/arch/x86/mm/shadow/multi.c, sh_page_fault).
//
// Single-threaded.

#include <cstddef>

#include "absl/functional/function_ref.h"
#include "xmmu/mmu/access.h"
#include "xmmu/mmu/memory_operand.h"
#include "xmmu/xen/host.h"

namespace xmmu {

// Instructions emulated after the store at the most (Xen: sh_page_fault).
inline constexpr size_t kInstructionsMore = 4;

// Performs a store to a page table, and says so; false, with nothing done, if
// it goes elsewhere or is refused.
using TableStore = absl::FunctionRef<bool(const Access&, MemoryOperand&)>;

// Emulates VcpuContext::following of `vcpu`, up to kInstructionsMore of them
// and no further than one more store to a table; those performed are marked as
// done. `last` is the access of the store before. A load that faults, or a
// store that `store` does not perform, ends it and is left to the guest.
//
// Charges kEmulate for each instruction looked at, performed or not: each is
// one call of x86_emulate, also the one that fails. Behind the last one known
// to access memory there is always another, which accesses none: it is looked
// at, and the emulator gives up (assumed). After kInstructionsMore calls there
// is no further look. Charges in addition what the accesses themselves do.
void EmulateFollowing(Host& host, VcpuContext& vcpu, const Access& last,
                      TableStore store);

}  // namespace xmmu

#endif  // XMMU_XEN_EMULATOR_H_
