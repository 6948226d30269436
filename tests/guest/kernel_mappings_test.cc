// Tests what the kernel maps after an address space was made: it is found there
// by one fault, or at once where the table is shared.

#include <gtest/gtest.h>

#include <vector>

#include "guest/world.h"

namespace xmmu::kernel_mappings_test {
namespace {

class KernelMappingsTest : public ::testing::TestWithParam<Setting> {
 protected:
  KernelMappingsTest() : world_(GetParam()) {}

  // Whether the kernel of an address space made before the mapping must fault.
  bool copies() const {
    if (GetParam().mode != PagingMode::kPae) return true;
    return world_.kernel().abi().private_pae_kernel_l2;
  }
  uint64_t Faults() const {
    uint64_t faults = 0;
    for (uint32_t i = 0; i < world_.host().cpu_count(); ++i) {
      faults += world_.cpu(i).counters[Counter::kGuestFaults];
    }
    return faults;
  }
  void ExpectSound() const {
    EXPECT_EQ(world_.FirstEscape(), "");
    EXPECT_EQ(world_.policy().Audit(), absl::OkStatus());
  }

  mutable World world_;
};

TEST_P(KernelMappingsTest, EachAddressSpaceFaultsThemInOnce) {
  GuestKernel& kernel = world_.kernel();
  ASSERT_TRUE(kernel.CreateProcess(1).ok());
  world_.Do(1, TaskOp(GuestOpKind::kFork, 2));
  const auto va = kernel.MapKernelPages(1, 3);
  ASSERT_TRUE(va.ok()) << va.status();
  ExpectSound();
  uint64_t before = Faults();
  for (const TaskId task : {1u, 2u}) {
    for (uint64_t page = 0; page < 3; ++page) {
      const auto seen =
          kernel.KernelExchange(task, *va + page * kPageSize, task + page);
      ASSERT_TRUE(seen.ok()) << seen.status();
      EXPECT_EQ(*seen, task == 1 ? 0 : 1 + page);
    }
    const bool faulted = Faults() != before;
    EXPECT_EQ(faulted, copies()) << task;
    before = Faults();
    ASSERT_TRUE(kernel.KernelExchange(task, *va, task).ok());
    EXPECT_EQ(Faults(), before);
    ExpectSound();
  }
}

TEST_P(KernelMappingsTest, AnAddressSpaceMadeLaterHasThem) {
  GuestKernel& kernel = world_.kernel();
  ASSERT_TRUE(kernel.CreateProcess(1).ok());
  const auto va = kernel.MapKernelPages(1, 1);
  ASSERT_TRUE(va.ok()) << va.status();
  ASSERT_TRUE(kernel.KernelExchange(1, *va, 7).ok());
  world_.Do(1, TaskOp(GuestOpKind::kFork, 2));
  world_.Do(2, TaskOp(GuestOpKind::kSyscall));
  const uint64_t before = Faults();
  const auto seen = kernel.KernelExchange(2, *va, 8);
  ASSERT_TRUE(seen.ok()) << seen.status();
  EXPECT_EQ(*seen, 7u);
  EXPECT_EQ(Faults(), before);
  // And its end leaves the kernel what it had.
  world_.Do(2, TaskOp(GuestOpKind::kExit));
  EXPECT_EQ(*kernel.KernelExchange(1, *va, 9), 8u);
  ExpectSound();
}

TEST_P(KernelMappingsTest, SeveralDoNotMeet) {
  GuestKernel& kernel = world_.kernel();
  ASSERT_TRUE(kernel.CreateProcess(1).ok());
  const auto first = kernel.MapKernelPages(1, 2);
  const auto second = kernel.MapKernelPages(1, 2);
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_GE(*second, *first + 2 * kPageSize);
  ASSERT_TRUE(kernel.KernelExchange(1, *first, 1).ok());
  EXPECT_EQ(*kernel.KernelExchange(1, *second, 2), 0u);
  EXPECT_EQ(*kernel.KernelExchange(1, *first, 3), 1u);
}

TEST_P(KernelMappingsTest, WhereNothingIsMappedThereIsNothingToFaultIn) {
  GuestKernel& kernel = world_.kernel();
  ASSERT_TRUE(kernel.CreateProcess(1).ok());
  const auto va = kernel.MapKernelPages(1, 1);
  ASSERT_TRUE(va.ok()) << va.status();
  EXPECT_EQ(kernel.KernelExchange(1, *va + 8 * kPageSize, 0).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(kernel.KernelExchange(9, *va, 0).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(KernelRoomTest, A32BitKernelEndsBelowTheHypervisor) {
  World world({.mode = PagingMode::k2Level});
  ASSERT_TRUE(world.kernel().CreateProcess(1).ok());
  EXPECT_EQ(world.kernel().MapKernelPages(1, 1u << 19).status().code(),
            absl::StatusCode::kResourceExhausted);
}

std::vector<Setting> Settings() {
  std::vector<Setting> settings;
  for (const int vcpus : {1, 2}) {
    for (const Setting& setting : AllSettings(vcpus)) {
      const bool own_map = setting.linear_map != LinearMap::kDefault;
      const bool plain = setting.policy == "native" ||
                         setting.policy == "pinning" ||
                         setting.policy == "writable-page-tables";
      if (own_map || (plain && !IsLinuxOfATime(setting.ops))) {
        settings.push_back(setting);
      }
    }
  }
  return settings;
}

INSTANTIATE_TEST_SUITE_P(Settings, KernelMappingsTest,
                         ::testing::ValuesIn(Settings()),
                         [](const testing::TestParamInfo<Setting>& setting) {
                           return NameOf(setting.param);
                         });

}  // namespace
}  // namespace xmmu::kernel_mappings_test
