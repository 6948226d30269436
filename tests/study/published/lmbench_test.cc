#include "study/published/lmbench.h"

#include <gtest/gtest.h>

#include "study/published/process_image.h"

namespace xmmu::lmbench_test {
namespace {

SimulatorOptions Native() {
  SimulatorOptions options;
  options.mode = PagingMode::k2Level;
  options.policy = "native";
  options.fork_copies_all = true;
  options.keeps_tables = true;
  return options;
}

SimulatorOptions Xen() {
  SimulatorOptions options = Native();
  options.policy = "pinning";
  options.guest_ops = GuestOps::kLinux24;
  options.pin = PinWhen::kEarly;
  return options;
}

// Returns `counter` for one run of `test`.
uint64_t CountOf(LmbenchTest test, const SimulatorOptions& options,
                 Counter counter) {
  const auto cost = MeasureLmbench(test, options);
  EXPECT_TRUE(cost.ok()) << cost.status();
  EXPECT_EQ(cost->cost.count(counter) % cost->times, 0u);
  return cost->cost.count(counter) / cost->times;
}

TEST(LmbenchTest, ANullCallIsASystemCallAndNothingElse) {
  for (const SimulatorOptions& options : {Native(), Xen()}) {
    EXPECT_EQ(CountOf(LmbenchTest::kNullCall, options, Counter::kSyscalls), 1u);
    EXPECT_EQ(CountOf(LmbenchTest::kNullCall, options, Counter::kHypercalls),
              0u);
  }
}

TEST(LmbenchTest, APageFaultMapsOnePageOfTheFileAndWritesOneEntry) {
  const auto cost = MeasureLmbench(LmbenchTest::kPageFault, Native());
  ASSERT_TRUE(cost.ok()) << cost.status();
  EXPECT_EQ(cost->times, 32u);
  EXPECT_EQ(cost->cost.count(Counter::kHardwareFaults), 32u);
  EXPECT_EQ(cost->cost.count(Counter::kFileMapped), 32u);
  EXPECT_EQ(cost->cost.count(Counter::kPteStores), 32u);
  EXPECT_EQ(cost->cost.count(Counter::kSyscalls), 0u);
  EXPECT_EQ(
      CountOf(LmbenchTest::kPageFault, Xen(), Counter::kCallsToUpdateVaMapping),
      1u);
}

TEST(LmbenchTest, AProtectionFaultWritesNoEntryAndAsksForNothing) {
  for (const SimulatorOptions& options : {Native(), Xen()}) {
    const auto cost = MeasureLmbench(LmbenchTest::kProtectionFault, options);
    ASSERT_TRUE(cost.ok()) << cost.status();
    EXPECT_EQ(cost->cost.count(Counter::kGuestFaults), cost->times);
    EXPECT_EQ(cost->cost.count(Counter::kPteStores), 0u);
    EXPECT_EQ(cost->cost.count(Counter::kHypercalls), 0u);
    EXPECT_EQ(cost->cost.count(Counter::kFileMapped), 0u);
  }
}

TEST(LmbenchTest, AMappingTouchesEveryFourthPageOfTheFirstTenth) {
  const auto count = [](Counter counter) {
    return CountOf(LmbenchTest::kMmap, Native(), counter);
  };
  EXPECT_EQ(count(Counter::kFileMapped), 52u);
  EXPECT_EQ(count(Counter::kHardwareFaults), 52u);
  EXPECT_EQ(count(Counter::kPteStores), 2 * 52u);  // set, and cleared
  EXPECT_EQ(count(Counter::kSyscalls), 2u);
}

TEST(LmbenchTest, AForkedProcessCopiesWhatEitherWritesTo) {
  const auto count = [](Counter counter) {
    return CountOf(LmbenchTest::kFork, Native(), counter);
  };
  EXPECT_EQ(count(Counter::kForks), 1u);
  EXPECT_EQ(count(Counter::kExits), 1u);
  EXPECT_EQ(count(Counter::kContextSwitches), 2u);
  // The parent's 3 are copied, and then the child's own, which writes to 12.
  EXPECT_EQ(count(Counter::kCowCopies), 3u + 9u);
  EXPECT_EQ(count(Counter::kCowReuses), 3u);
  EXPECT_EQ(count(Counter::kFileMapped), 0u);
  // 115 + 26 entries copied, 26 made read-only at the first fork; now those 3
  // that the parent has written to since, and their copies; 12 faults of the
  // child; 141 cleared.
  EXPECT_EQ(count(Counter::kPteStores), 141u + 3u + 3u + 12u + 141u);
}

TEST(LmbenchTest, AnExecutedProgramFaultsItsImageIn) {
  const auto count = [](Counter counter) {
    return CountOf(LmbenchTest::kExec, Native(), counter);
  };
  EXPECT_EQ(kSmallProgram.text_pages(), 115u);
  EXPECT_EQ(kSmallProgram.written_pages(), 26u);
  EXPECT_EQ(count(Counter::kExecs), 1u);
  EXPECT_EQ(count(Counter::kFileMapped), 115u);
  EXPECT_EQ(count(Counter::kDemandZero), 3u);                // the stack
  EXPECT_EQ(count(Counter::kCowCopies), 23u + 3u + 3u);      // its data
  EXPECT_EQ(count(Counter::kSyscalls), 50u + 1u + 3u - 0u);  // exec, fork...
}

TEST(LmbenchTest, AShellIsOneProgramMore) {
  const auto count = [](Counter counter) {
    return CountOf(LmbenchTest::kShell, Native(), counter);
  };
  EXPECT_EQ(kBash.text_pages(), 306u);
  EXPECT_EQ(kBash.written_pages(), 65u);
  EXPECT_EQ(count(Counter::kExecs), 2u);
  EXPECT_EQ(count(Counter::kForks), 1u);
  EXPECT_EQ(count(Counter::kFileMapped), 306u + 115u);
}

TEST(LmbenchTest, KeptTablesAreNeitherPinnedNorValidatedAgain) {
  for (const LmbenchTest test : {LmbenchTest::kFork, LmbenchTest::kExec}) {
    for (const Counter counter :
         {Counter::kPins, Counter::kUnpins, Counter::kPromotions}) {
      EXPECT_EQ(CountOf(test, Xen(), counter), 0u);
      SimulatorOptions frees = Xen();
      frees.keeps_tables = false;
      EXPECT_GT(CountOf(test, frees, counter), 0u);
    }
  }
}

TEST(LmbenchTest, TestsAreInOrderAndHaveNames) {
  for (size_t i = 0; i < LmbenchTests().size(); ++i) {
    EXPECT_EQ(static_cast<size_t>(LmbenchTests()[i].test), i);
    EXPECT_FALSE(LmbenchTests()[i].name.empty());
    EXPECT_FALSE(LmbenchTests()[i].does.empty());
  }
}

TEST(ContextSwitchTest, NothingIsLeftButTheSwitch) {
  const auto cycles = MeasureContextSwitch({2, 0}, Native());
  ASSERT_TRUE(cycles.ok()) << cycles.status();
  const MachineModel& machine = *FindMachine("xeon-2003");
  double least = 0;
  for (const CostEvent event : {CostEvent::kGuestSwitchPath, CostEvent::kMovCr3,
                                CostEvent::kCr3Refill}) {
    least += machine.cost(event).value;
  }
  EXPECT_GE(*cycles, least);
  EXPECT_LT(*cycles, least + 100);
}

TEST(ContextSwitchTest, ArraysThatFillTheCachesCostWhatTheyMiss) {
  SimulatorOptions options = Native();
  options.timing = MemoryTiming::kAllCaches;
  const auto none = MeasureContextSwitch({2, 0}, options);
  const auto small = MeasureContextSwitch({2, 4096}, options);
  const auto large = MeasureContextSwitch({2, 16 * 4096}, options);
  ASSERT_TRUE(none.ok() && small.ok() && large.ok());
  EXPECT_LT(*none, *small);
  EXPECT_LT(*small, *large);
}

}  // namespace
}  // namespace xmmu::lmbench_test
