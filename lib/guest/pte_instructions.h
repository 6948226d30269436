#ifndef XMMU_LIB_GUEST_PTE_INSTRUCTIONS_H_
#define XMMU_LIB_GUEST_PTE_INSTRUCTIONS_H_

// How a kernel's own code clears and write-protects an L1 entry
// (KernelTraits::instructions).

#include "guest/mmu_ops.h"

namespace xmmu {

// Clears an entry and returns what it was.
uint64_t TakePteByInstruction(KernelCore& core, Vcpu& vcpu,
                              const PteSlot& slot);
void WriteProtectByInstruction(KernelCore& core, Vcpu& vcpu,
                               const PteSlot& slot);

}  // namespace xmmu

#endif  // XMMU_LIB_GUEST_PTE_INSTRUCTIONS_H_
