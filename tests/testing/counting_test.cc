// What the help of a counter says that it includes, and what not.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "xmmu/policy/policies.h"
#include "xmmu/testing/matchers.h"
#include "xmmu/testing/test_guest.h"

namespace xmmu::testing {
namespace {

using ::testing::AllOf;
using ::testing::Ge;
using ::testing::Gt;
using ::testing::Lt;

CostMatcher Accesses(uint64_t times) {
  return CounterIs(Counter::kAccesses, times);
}

TEST(CountingTest, PageFaultsAreThoseOfTheGuestAndThoseFixed) {
  for (const PolicyEntry& policy : Policies()) {
    for (const PagingMode mode :
         {PagingMode::k2Level, PagingMode::kPae, PagingMode::k4Level}) {
      const SimulatorOptions options = {
          .mode = mode,
          .guest_memory_bytes = uint64_t{32} << 20,
          .policy = std::string(policy.name)};
      if (absl::IsUnimplemented(Simulator::Create(options).status())) continue;
      SCOPED_TRACE(::testing::Message()
                   << policy.name << ", " << PagingModeName(mode));
      TestGuest guest(options);
      const VirtAddr buffer = guest.Map(8);
      guest.Write(buffer, 8);
      guest.Fork();
      guest.Write(buffer, 4);
      guest.Protect(buffer, 1, kMapRead);
      guest.ExpectSignal([&] { guest.Write(buffer); });
      const Cost cost = guest.simulator().cost();
      EXPECT_THAT(cost, AllOf(PageFaults(cost.count(Counter::kGuestFaults) +
                                         cost.count(Counter::kFixedFaults)),
                              GuestFaults(8 + 4 + 1), Signals(1)));
    }
  }
}

TEST(CountingTest, AViolationOfNestedTablesIsNoPageFaultButAVmExit) {
  TestGuest guest({.policy = "nested-paging-on-demand"});
  const VirtAddr buffer = guest.Map(1);
  const Cost cost = guest.Measure([&] { guest.Write(buffer); });
  EXPECT_THAT(cost, AllOf(PageFaults(1), FixedFaults(0)));
  EXPECT_THAT(cost, CounterIs(Counter::kNestedViolations, Gt(0u)));
  EXPECT_THAT(cost, CounterIs(Counter::kVmExits,
                              cost.count(Counter::kNestedViolations)));
}

TEST(CountingTest, AnAccessIsOneForEachPageThatItTouches) {
  TestGuest guest({.policy = "native"});
  const VirtAddr buffer = guest.Map(2);
  const auto load_at = [&](uint64_t offset) {
    return guest.Measure([&] {
      guest.Perform(
          {.kind = GuestOpKind::kLoad, .va = buffer + offset, .length = 8});
    });
  };
  EXPECT_THAT(load_at(4088), Accesses(1));
  EXPECT_THAT(load_at(4089), Accesses(2));
}

TEST(CountingTest, AMulticallIsOneHypercallHoweverManyCallsItCarries) {
  TestGuest guest({.machine = "skylake-2017",
                   .mode = PagingMode::k4Level,
                   .policy = "pinning"});
  const Cost cost = guest.Measure([&] { guest.Start(); });
  EXPECT_THAT(cost, CounterIs(Counter::kMulticalls, Gt(0u)));
  EXPECT_THAT(cost, Hypercalls(Lt(cost.count(Counter::kCallsToMmuUpdate) +
                                  cost.count(Counter::kCallsToUpdateVaMapping) +
                                  cost.count(Counter::kCallsToMmuextOp))));
}

TEST(CountingTest, ASwitchOfProcessesIsAFlushAndOnXenAHypercall) {
  const auto cost_of_switch = [](const std::string& policy) {
    TestGuest guest({.policy = policy});
    const TaskId first = guest.task();
    guest.Start();
    guest.Syscall();
    guest.Switch(first);
    return guest.Measure([&] { guest.Syscall(); });
  };
  EXPECT_THAT(cost_of_switch("native"),
              AllOf(Cr3Loads(1), Flushes(1), PageFlushes(0), Hypercalls(0),
                    CounterIs(Counter::kContextSwitches, 1)));
  EXPECT_THAT(cost_of_switch("pinning"),
              AllOf(Cr3Loads(1), Hypercalls(1),
                    CounterIs(Counter::kCallsToMmuextOp, 1)));
}

TEST(CountingTest, AnEntryStoredByHalvesIsOneStoreAndTwoEmulations) {
  const auto cost_of_entry = [](const std::string& policy) {
    TestGuest guest({.mode = PagingMode::kPae,
                     .policy = policy,
                     .guest_ops = GuestOps::kStores});
    const VirtAddr buffer = guest.Map(2);
    guest.Write(buffer);
    return guest.Measure([&] { guest.Write(buffer + kPageSize); });
  };
  EXPECT_THAT(cost_of_entry("native"),
              AllOf(CounterIs(Counter::kPteStores, 1), Emulations(0)));
  EXPECT_THAT(cost_of_entry("trap-and-emulate"),
              AllOf(CounterIs(Counter::kPteStores, 1), Emulations(2)));
  EXPECT_THAT(cost_of_entry("shadow-2006"),
              AllOf(CounterIs(Counter::kPteStores, 1), Emulations(0),
                    CounterIs(Counter::kShadowEmulations, 2)));
}

TEST(CountingTest, PagesOfTheProgramAreZeroedAndTablesDoNotCount) {
  TestGuest guest({.policy = "native"});
  const VirtAddr buffer = guest.Map(1);
  const Cost cost = guest.Measure([&] { guest.Write(buffer); });
  EXPECT_THAT(cost, AllOf(CounterIs(Counter::kDemandZero, 1),
                          Charged(CostEvent::kZeroPage, 1 + 2)));
}

TEST(CountingTest, ACopyOfTheZeroPageIsAPageZeroed) {
  TestGuest guest({.policy = "native"});
  const VirtAddr buffer = guest.Map(1);
  guest.Read(buffer);
  EXPECT_THAT(guest.Measure([&] { guest.Write(buffer); }),
              AllOf(CounterIs(Counter::kDemandZero, 1),
                    CounterIs(Counter::kCowCopies, 0)));
}

TEST(CountingTest, TheLastOwnerReusesAPageThatOthersMustCopy) {
  TestGuest guest({.policy = "native"});
  const VirtAddr buffer = guest.Map(1);
  guest.Write(buffer);
  const TaskId parent = guest.task();
  const TaskId child = guest.Fork();
  guest.Switch(child);
  EXPECT_THAT(guest.Measure([&] { guest.Write(buffer); }),
              AllOf(CounterIs(Counter::kCowCopies, 1),
                    CounterIs(Counter::kCowReuses, 0)));
  guest.Switch(parent);
  EXPECT_THAT(guest.Measure([&] { guest.Write(buffer); }),
              AllOf(CounterIs(Counter::kCowCopies, 0),
                    CounterIs(Counter::kCowReuses, 1)));
}

TEST(CountingTest, FilePagesMappedAroundAFaultCount) {
  TestGuest guest({.policy = "native", .fault_around_pages = 16});
  const VirtAddr buffer = guest.Map(16, Backing::kFilePrivate);
  EXPECT_THAT(guest.Measure([&] { guest.Read(buffer); }),
              AllOf(PageFaults(1), CounterIs(Counter::kFileMapped, 16)));
}

TEST(CountingTest, ModeSwitchesOf64BitGuestsAreNotThoseOfFaults) {
  TestGuest guest({.machine = "skylake-2017",
                   .mode = PagingMode::k4Level,
                   .policy = "pinning"});
  const VirtAddr buffer = guest.Map(2);
  guest.Write(buffer);
  EXPECT_THAT(guest.Measure([&] { guest.Syscall(); }),
              CounterIs(Counter::kModeSwitches, 2));
  // The way back alone.
  EXPECT_THAT(guest.Measure([&] { guest.Write(buffer + kPageSize); }),
              CounterIs(Counter::kModeSwitches, 1));
}

TEST(CountingTest, ATreeIsPinnedByItsRootAndValidatedTableByTable) {
  TestGuest guest({.mode = PagingMode::kPae, .policy = "pinning"});
  const VirtAddr buffer = guest.Map(1);
  guest.Write(buffer);
  const Cost cost = guest.Measure([&] {
    guest.Switch(guest.Fork());
    guest.Syscall();
  });
  EXPECT_THAT(cost, AllOf(Pins(1), CounterIs(Counter::kForks, 1)));
  // The root, its L2s, that of the kernel too, and the L1; entries that are
  // empty are looked at as well.
  EXPECT_THAT(cost, AllOf(CounterIs(Counter::kPromotions, Ge(4u)),
                          ValidatedPtes(Gt(512u))));
}

TEST(CountingTest, EachCallOfTheKernelIsASystemCall) {
  TestGuest guest({.policy = "native"});
  const Cost cost = guest.Measure([&] {
    const VirtAddr buffer = guest.Map(1);
    guest.Write(buffer);
    guest.Fork();
    guest.Unmap(buffer, 1);
    guest.Syscall();
    guest.Exit();
  });
  EXPECT_THAT(cost, CounterIs(Counter::kSyscalls, 5));
}

}  // namespace
}  // namespace xmmu::testing
