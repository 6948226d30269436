#ifndef XMMU_LIB_XEN_DIRECT_PTE_EMULATOR_H_
#define XMMU_LIB_XEN_DIRECT_PTE_EMULATOR_H_

// The emulation of one store of a guest kernel to an L1 table that it has
// mapped read-only. What it does and charges is said where users see it, at
// DirectPaging::EmulatePteWrite.
//
// Single-threaded.

#include <cstdint>

#include "xen/direct/l1_lookup.h"
#include "xen/direct/page_types.h"
#include "xen/direct/request.h"
#include "xen/direct/writable_tables.h"
#include "xmmu/mmu/access.h"
#include "xmmu/mmu/memory_operand.h"

namespace xmmu {

class PteEmulator : private RequestPart {
 public:
  explicit PteEmulator(PvRequest& request)
      : RequestPart(request),
        types_(request),
        lookup_(request),
        tables_(request) {}

  bool EmulatePteWrite(const PageFault& fault, const Access& access,
                       MemoryOperand& operand);

 private:
  // Performs the instruction on the entry at `addr`; false if it is refused.
  bool EmulateStore(MachineAddr addr, const Access& access,
                    MemoryOperand& operand);
  // Whether the guest's own mapping lets Xen read where the store goes.
  bool ReadAsGuest(const Access& access);
  // Validates `value` and stores it as the whole entry that holds `addr`.
  bool ReplaceEmulated(MachineAddr addr, uint64_t value,
                       const MemoryOperand& operand);

  PageTypes types_;
  L1Lookup lookup_;
  WritableTables tables_;
};

}  // namespace xmmu

#endif  // XMMU_LIB_XEN_DIRECT_PTE_EMULATOR_H_
