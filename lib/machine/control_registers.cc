#include "xmmu/machine/control_registers.h"

namespace xmmu {

ControlRegisters KernelControlRegisters(PagingMode mode,
                                        const CpuFeatures& features) {
  ControlRegisters registers;
  registers.cr4 = cr4::kPse | (features.pge ? cr4::kPge : 0);
  // 2-level entries have no XD bit, and EFER.NXE acts on 8-byte entries alone
  // (SDM Vol. 3A, "Paging-Mode Modifiers").
  if (mode != PagingMode::k2Level) {
    registers.cr4 |= cr4::kPae;
    if (features.nx) registers.efer |= efer::kNxe;
  }
  if (LevelCount(mode) >= 4) registers.efer |= efer::kLme | efer::kLma;
  if (mode == PagingMode::k5Level) registers.cr4 |= cr4::kLa57;
  return registers;
}

}  // namespace xmmu
