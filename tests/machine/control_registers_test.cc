#include "xmmu/machine/control_registers.h"

#include "gtest/gtest.h"

namespace xmmu::control_registers_test {
namespace {

TEST(ControlRegistersTest, KernelRegistersSelectTheirMode) {
  const CpuFeatures features;
  for (PagingMode mode : kAllPagingModes) {
    EXPECT_EQ(KernelControlRegisters(mode, features).mode(), mode);
  }
}

TEST(ControlRegistersTest, WriteProtectIsOnInEveryMode) {
  for (PagingMode mode : kAllPagingModes) {
    const ControlRegisters registers =
        KernelControlRegisters(mode, CpuFeatures());
    EXPECT_NE(registers.cr0 & cr0::kWp, 0u);
  }
}

TEST(ControlRegistersTest, NoExecuteIsOnOnlyWhereTheCpuHasIt) {
  CpuFeatures features;
  features.nx = true;
  EXPECT_NE(
      KernelControlRegisters(PagingMode::kPae, features).efer & efer::kNxe, 0u);
  features.nx = false;
  EXPECT_EQ(
      KernelControlRegisters(PagingMode::kPae, features).efer & efer::kNxe, 0u);
}

TEST(ControlRegistersTest, La57WithoutLongModeIsNotFiveLevel) {
  ControlRegisters registers;
  registers.cr4 = cr4::kPae | cr4::kLa57;
  EXPECT_EQ(registers.mode(), PagingMode::kPae);
  registers.efer = efer::kLma;
  EXPECT_EQ(registers.mode(), PagingMode::k5Level);
}

}  // namespace
}  // namespace xmmu::control_registers_test
