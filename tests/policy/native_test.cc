#include "policy/policy_world.h"
#include "xmmu/xen/errno.h"

namespace xmmu::native_test {
namespace {

class NativeTest : public ::testing::TestWithParam<PagingMode> {};

TEST_P(NativeTest, AStoreToATableIsAStore) {
  PolicyWorld world("native", GetParam());
  const Access access{world.SlotVa(kDataPage), AccessKind::kRead, false};
  const TranslateResult result = world.cpu().mmu.Translate(access);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result.addr(), world.SlotOf(kDataPage));
}

TEST_P(NativeTest, AFaultIsTheGuestsAndCostsItsDelivery) {
  PolicyWorld world("native", GetParam());
  const PageFault fault{VirtAddr(0x1000), pf::kUser};
  MemoryOperand operand;
  const Cycles before = world.cpu().clock.busy();
  const FaultOutcome outcome = world.policy().HandlePageFault(
      world.vcpu(), fault, {fault.va, AccessKind::kRead, true}, operand);
  EXPECT_EQ(outcome.action, FaultAction::kReflect);
  EXPECT_EQ(outcome.guest_fault, fault);
  world.policy().SwitchMode(world.vcpu(), ModeSwitch::kFaultReturn);
  // Delivery and IRET of skylake-2017.
  EXPECT_EQ(world.cpu().clock.busy() - before, Cycles(715 + 330));
}

TEST_P(NativeTest, ThereIsNoHypervisorToCall) {
  PolicyWorld world("native", GetParam());
  const HypercallResult result =
      world.policy().Hypercall(world.vcpu(), VmAssistCall{});
  EXPECT_EQ(ErrnoOf(result.status), XenErrno::kENOSYS);
}

TEST_P(NativeTest, FlushingAnotherVcpuTakesAnIpi) {
  PolicyWorld world("native", GetParam(), 2);
  world.policy().FlushTlb(world.vcpu(0), MaskOf(0), TlbFlush::NonGlobal());
  EXPECT_EQ(world.cpu(1).counters[Counter::kIpis], 0u);
  world.policy().FlushTlb(world.vcpu(0), MaskOf(0) | MaskOf(1),
                          TlbFlush::Page(kWorldBase));
  EXPECT_EQ(world.cpu(1).counters[Counter::kIpis], 1u);
}

INSTANTIATE_TEST_SUITE_P(Modes, NativeTest,
                         ::testing::ValuesIn(kAllPagingModes),
                         [](const testing::TestParamInfo<PagingMode>& mode) {
                           return "Levels" +
                                  std::to_string(LevelCount(mode.param));
                         });

}  // namespace
}  // namespace xmmu::native_test
