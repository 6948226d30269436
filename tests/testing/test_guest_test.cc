#include "xmmu/testing/test_guest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "testing/failures.h"
#include "xmmu/policy/policies.h"

namespace xmmu::testing {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::SizeIs;

// A guest that runs a few calls of each kind.
void UseAll(TestGuest& guest) {
  const VirtAddr buffer = guest.Map(4);
  guest.Write(buffer, 4);
  guest.Read(buffer);
  guest.Protect(buffer, 1, kMapRead);
  const TaskId child = guest.Fork();
  guest.Switch(child);
  guest.Unmap(buffer, 4);
  guest.Syscall();
  guest.MakeCold();
  guest.ExpectSignal([&] { guest.Read(buffer); });
  guest.Exit();
  guest.Start();
  guest.Perform({.kind = GuestOpKind::kYield});
  guest.Exit();
}

TEST(TestGuestTest, RunsAllItsCallsUnderEachPolicy) {
  for (const PolicyEntry& policy : Policies()) {
    for (const PagingMode mode :
         {PagingMode::k2Level, PagingMode::kPae, PagingMode::k4Level}) {
      SCOPED_TRACE(::testing::Message()
                   << policy.name << ", " << PagingModeName(mode));
      const SimulatorOptions options = {
          .mode = mode,
          .guest_memory_bytes = uint64_t{32} << 20,
          .policy = std::string(policy.name)};
      if (absl::IsUnimplemented(Simulator::Create(options).status())) continue;
      TestGuest guest(options);
      UseAll(guest);
      EXPECT_TRUE(guest.ok());
    }
  }
}

TEST(TestGuestTest, AFailureIsAtTheCallersLineAndNotFatal) {
  TestGuest guest({.policy = "native"});
  const int line = __LINE__ + 1;
  const auto failures = FailuresOf([&] { guest.Write(VirtAddr(0x1000)); });
  ASSERT_THAT(failures, SizeIs(1));
  EXPECT_THAT(failures[0].file, EndsWith("test_guest_test.cc"));
  EXPECT_EQ(failures[0].line, line);
  EXPECT_FALSE(failures[0].fatal);
  EXPECT_FALSE(guest.ok());
}

TEST(TestGuestTest, AWrongOptionFailsAtTheLineOfTheConstructor) {
  const int line = __LINE__ + 1;
  const auto failures = FailuresOf([] { TestGuest guest({.vcpus = 65}); });
  ASSERT_THAT(failures, SizeIs(1));
  EXPECT_EQ(failures[0].line, line);
  EXPECT_THAT(failures[0].text, HasSubstr("a guest has 1 to 64 vCPUs, not 65"));
}

TEST(TestGuestTest, AfterTheFirstFailureNothingIsDoneNorFails) {
  const auto failures = FailuresOf([] {
    TestGuest guest({.policy = "native"});
    const VirtAddr buffer = guest.Map(1);
    for (int i = 0; i < 100; ++i) guest.Write(VirtAddr(0x1000));
    const Cost after = guest.simulator().cost();
    bool ran = false;
    const Cost cost = guest.Measure([&] {
      ran = true;
      guest.Write(buffer);
    });
    UseAll(guest);
    guest.Map(0);
    guest.Switch(99);
    EXPECT_FALSE(ran);
    EXPECT_EQ(cost, Cost());
    EXPECT_EQ(guest.simulator().cost(), after);
  });
  EXPECT_THAT(failures, SizeIs(1));
}

struct WrongOption {
  std::string what;
  SimulatorOptions options;
  std::string message;
};

std::shared_ptr<const MachineModel> Machine(
    const std::function<void(MachineModel&)>& change) {
  auto machine = std::make_shared<MachineModel>(*FindMachine("xeon-2003"));
  change(*machine);
  return machine;
}

std::vector<WrongOption> WrongOptions() {
  const auto of_number = [](int number) {
    return static_cast<PagingMode>(number);
  };
  return {
      {"policy", {.policy = "pining"}, "'pining', did you mean \"pinning\"?"},
      {"policy's case", {.policy = "Native"}, "did you mean \"native\"?"},
      {"no policy", {.policy = ""}, "no policy ''; there are native, pinning"},
      {"machine", {.machine = "xeon2003"}, "did you mean \"xeon-2003\"?"},
      {"machine alike", {.machine = "zen2"}, "did you mean \"zen2-2019\"?"},
      {"mode", {.mode = of_number(9)}, "option mode has a value, 9"},
      {"mode of none", {.mode = PagingMode::k5Level}, "5-level"},
      {"vcpus", {.vcpus = 0}, "1 to 64 vCPUs, not 0"},
      {"few vcpus", {.vcpus = -1}, "1 to 64 vCPUs, not -1"},
      {"timing", {.timing = static_cast<MemoryTiming>(7)}, "option timing"},
      {"overlap", {.overlap = {.walkers = 0}}, "0 walkers"},
      {"memory", {.guest_memory_bytes = 0}, "a multiple of 4 MiB, not 0"},
      {"odd memory", {.guest_memory_bytes = 5 << 20}, "a multiple of 4 MiB"},
      {"much memory",
       {.guest_memory_bytes = uint64_t{2} << 30},
       "the kernel of a pae guest maps at most"},
      {"domains", {.domains = 0}, "1 to 64 domains, not 0"},
      {"flush filter", {.flush_filter = true}, "has no TLB flush filter"},
      {"linear map", {.vcpus = 2, .linear_map = LinearMap::kSharedL2}, "vCPU"},
      {"ops", {.guest_ops = static_cast<GuestOps>(99)}, "option guest_ops"},
      {"ops of none", {.guest_ops = GuestOps::kStores}, "guest-ops stores"},
      {"pin", {.pin = static_cast<PinWhen>(3)}, "option pin"},
      {"quantum", {.quantum_ops = 0}, "expected at least 1"},
      {"fault-around", {.fault_around_pages = -16}, "a power of two"},
      {"null policy",
       {.custom_policy = [](Host&) { return nullptr; }},
       "custom_policy made no policy"},
      {"migration", {.migration = {.rounds = 2}}, "Simulator::Run"},
      {"region", {.region = {.interval = 2}}, "Simulator::Run measures it"},
      {"ways",
       {.custom_machine =
            Machine([](MachineModel& m) { m.tlb.data_l1[0].ways = 3; })},
       "64 entries do not divide into 3 ways"},
      {"paging-structure ways",
       {.custom_machine = Machine([](MachineModel& m) {
          m.psc.level[2] = {.entries = 4, .ways = 3};
        })},
       "4 entries do not divide into 3 ways"},
      {"lines",
       {.custom_machine =
            Machine([](MachineModel& m) { m.l2.line_bytes = 0; })},
       "lines of 0 bytes"},
      {"cache ways",
       {.custom_machine = Machine([](MachineModel& m) { m.l1.ways = 0; })},
       "do not divide into 0 ways"},
      {"address bits",
       {.custom_machine =
            Machine([](MachineModel& m) { m.features.maxphyaddr = 64; })},
       "from 32 to 52"},
      {"entries",
       {.custom_machine = Machine([](MachineModel& m) {
          m.tlb.data_l2[0] = {.entries = 65535, .ways = 1, .page_sizes = 1};
        })},
       "at most 65535 TLB entries"},
  };
}

TEST(TestGuestTest, TheLargestTlbThatWillDoRuns) {
  const auto machine = Machine([](MachineModel& m) {
    const TlbArrayGeometry array = m.tlb.data_l1[0];
    m.tlb = {};
    m.tlb.data_l1[0] = m.tlb.instruction_l1[0] = array;
    m.tlb.data_l1[0].entries = 65534;
    m.tlb.data_l1[0].ways = 2;
    m.tlb.instruction_l1[0].entries = m.tlb.instruction_l1[0].ways = 1;
  });
  TestGuest guest({.custom_machine = machine, .policy = "native"});
  UseAll(guest);
  EXPECT_TRUE(guest.ok());
}

TEST(TestGuestTest, EachWrongOptionFailsTheTestOnceAndNotTheBinary) {
  for (const WrongOption& wrong : WrongOptions()) {
    SCOPED_TRACE(wrong.what);
    bool ok = true;
    const std::string text = OneFailureOf([&] {
      TestGuest guest(wrong.options);
      UseAll(guest);
      guest.kernel().options();
      ok = guest.ok();
    });
    EXPECT_THAT(text, HasSubstr(wrong.message));
    EXPECT_FALSE(ok);
  }
}

}  // namespace
}  // namespace xmmu::testing
