#include "xmmu/policy/shadow/guest_door.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>

#include "policy/shadow/shadow_world.h"

namespace xmmu::guest_door_test {
namespace {

// Event and how often it was charged.
using Charges = std::map<CostEvent, uint64_t>;

class GuestDoorTest : public ::testing::Test {
 protected:
  Charges ChargesOf(const std::function<void(Cpu&)>& way) {
    Host host(*FindMachine("skylake-2017"), {});
    way(host.cpu(0));
    Charges charges;
    for (size_t i = 0; i < kCostEventCount; ++i) {
      const auto event = static_cast<CostEvent>(i);
      const uint64_t times = host.cpu(0).clock.tally(event);
      if (times != 0) charges[event] = times;
    }
    return charges;
  }

  const Charges exit_ = {{CostEvent::kVmExit, 1}, {CostEvent::kVmExitWork, 1}};
  const Charges two_exits_ = {{CostEvent::kVmExit, 2},
                              {CostEvent::kVmExitWork, 2}};
  const Charges call_ = {{CostEvent::kHypercallInt, 1},
                         {CostEvent::kHypercallWork, 1},
                         {CostEvent::kCopyIn, 1}};
  const Charges exception_ = {{CostEvent::kExceptionEntry, 1},
                              {CostEvent::kIret, 1}};
};

TEST_F(GuestDoorTest, AVirtualMachineExitsForPageFaultsAndForNoOtherFault) {
  EXPECT_EQ(ChargesOf([](Cpu& cpu) {
              VmDoor().EnterByFault(cpu, FaultVector::kPageFault);
            }),
            exit_);
  EXPECT_EQ(ChargesOf([](Cpu& cpu) {
              VmDoor().EnterByFault(cpu, FaultVector::kGeneralProtection);
            }),
            Charges());
}

TEST_F(GuestDoorTest, FromRing1EachFaultIsAnException) {
  for (const FaultVector vector :
       {FaultVector::kPageFault, FaultVector::kGeneralProtection}) {
    EXPECT_EQ(ChargesOf([vector](Cpu& cpu) {
                Ring1Door().EnterByFault(cpu, vector);
              }),
              exception_);
  }
}

TEST_F(GuestDoorTest, ACr3LoadIsAnExitOrACall) {
  EXPECT_EQ(ChargesOf([](Cpu& cpu) { VmDoor().EnterByCall(cpu); }), exit_);
  EXPECT_EQ(ChargesOf([](Cpu& cpu) { Ring1Door().EnterByCall(cpu); }), call_);
}

TEST_F(GuestDoorTest, AVirtualMachineExitsForEachInstructionThatFlushes) {
  std::optional<uint64_t> others;
  EXPECT_EQ(ChargesOf([&](Cpu& cpu) {
              others = VmDoor().EnterToFlush(cpu, /*own=*/true, 2);
            }),
            two_exits_);
  EXPECT_EQ(others, 2u);
  EXPECT_EQ(ChargesOf([&](Cpu& cpu) {
              others = VmDoor().EnterToFlush(cpu, /*own=*/false, 1);
            }),
            Charges());
  EXPECT_EQ(others, 1u);
}

TEST_F(GuestDoorTest, FromRing1OneCallFlushesAllProcessors) {
  for (const bool own : {true, false}) {
    std::optional<uint64_t> others = 7;
    EXPECT_EQ(ChargesOf([&](Cpu& cpu) {
                others = Ring1Door().EnterToFlush(cpu, own, 2);
              }),
              call_);
    EXPECT_EQ(others, std::nullopt);
  }
}

TEST_F(GuestDoorTest, OnlyFromRing1IsAnInterruptBounced) {
  const auto interrupt = [](const GuestDoor& door, ModeSwitch how) {
    return [&door, how](Cpu& cpu) {
      VcpuContext vcpu;
      vcpu.cpu = &cpu;
      door.SwitchMode(vcpu, how);
    };
  };
  EXPECT_EQ(ChargesOf(interrupt(VmDoor(), ModeSwitch::kInterrupt)), Charges());
  EXPECT_EQ(ChargesOf(interrupt(Ring1Door(), ModeSwitch::kInterrupt)),
            (Charges{{CostEvent::kBounce, 1}, {CostEvent::kIret, 1}}));
  EXPECT_EQ(ChargesOf(interrupt(Ring1Door(), ModeSwitch::kSyscall)), Charges());
}

TEST_F(GuestDoorTest, EachHasTheGuestsThatItSays) {
  EXPECT_TRUE(VmDoor().HasGuests(PagingMode::k4Level));
  EXPECT_FALSE(VmDoor().HasGuests(PagingMode::k5Level));
  EXPECT_TRUE(Ring1Door().HasGuests(PagingMode::kPae));
  EXPECT_FALSE(Ring1Door().HasGuests(PagingMode::k4Level));
}

// The guest sends the interrupt before anybody looks at shadows.
TEST(ShadowFlushTest, OthersAreInterruptedThoughNothingIsShadowedThere) {
  ShadowWorld world(PagingMode::k4Level, 2,
                    [](Host& host) { return MakeShadow2006(host, {}); });
  ASSERT_EQ(world.Start(), absl::OkStatus());
  const uint64_t ipis = world.Count(Counter::kIpis, 1);
  const uint64_t flushes = world.Count(Counter::kTlbPageFlushes, 0);
  world.Flush(TlbFlush::Page(kFar), MaskOf(0) | MaskOf(1));
  EXPECT_EQ(world.Count(Counter::kIpis, 1), ipis + 1);
  // Its own flush is left out.
  EXPECT_EQ(world.Count(Counter::kTlbPageFlushes, 0), flushes);
}

}  // namespace
}  // namespace xmmu::guest_door_test
