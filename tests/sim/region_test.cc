// Regions of a workload and series of intervals, as options of any run.

#include "xmmu/sim/region.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "sim/region_support.h"
#include "xmmu/policy/policies.h"
#include "xmmu/sim/compare.h"
#include "xmmu/sim/simulator.h"
#include "xmmu/workload/synthetic.h"

namespace xmmu::region_test {
namespace {

using namespace region_support;  // NOLINT: a test is written with its words
using ::testing::HasSubstr;

absl::StatusOr<ReportRow> TryRun(const SimulatorOptions& options,
                                 std::string_view spec = kSeveral) {
  const auto simulator = Simulator::Create(options);
  if (!simulator.ok()) return simulator.status();
  std::vector<std::unique_ptr<Workload>> workloads;
  std::vector<Workload*> in_order;
  for (int i = 0; i < options.domains; ++i) {
    workloads.push_back(*MakeSyntheticWorkload(spec));
    in_order.push_back(workloads.back().get());
  }
  return (*simulator)->Run(in_order);
}

ReportRow RunRow(const SimulatorOptions& options,
                 std::string_view spec = kSeveral) {
  absl::StatusOr<ReportRow> row = TryRun(options, spec);
  EXPECT_TRUE(row.ok()) << row.status();
  return row.ok() ? *std::move(row) : ReportRow();
}

// Calls `test(policy, mode)` for every policy of the table in every mode.
template <typename Test>
void ForEachGuest(Test test) {
  Host host(*FindMachine("skylake-2017"), {});
  for (const PolicyEntry& entry : Policies()) {
    for (const PagingMode mode : kAllPagingModes) {
      if (!entry.make(host)->Abi(mode).ok()) continue;
      SCOPED_TRACE(absl::StrCat(std::string(entry.name), ", ",
                                std::string(PagingModeName(mode))));
      test(entry.name, mode);
    }
  }
}

Cost SumOf(const std::vector<Interval>& intervals) {
  Cost sum;
  for (const Interval& interval : intervals) sum += interval.cost;
  return sum;
}

TEST(RegionTest, ARegionThatIsTheWholeIsNoRegion) {
  ForEachGuest([](std::string_view policy, PagingMode mode) {
    const ReportRow plain = RunRow(OptionsOf(policy, mode));
    ASSERT_GT(plain.operations, 100u);
    const ReportRow whole =
        RunRow(OptionsOf(policy, mode, {.operations = plain.operations}));
    EXPECT_TRUE(whole.cost == plain.cost);
    EXPECT_EQ(whole.operations, plain.operations);
    EXPECT_EQ(whole.by_mark, plain.by_mark);
    EXPECT_EQ(whole.guest_digest, plain.guest_digest);
    EXPECT_TRUE(whole.intervals.empty());
  });
}

TEST(RegionTest, IntervalsAddUpToTheRunWithoutThem) {
  ForEachGuest([](std::string_view policy, PagingMode mode) {
    for (const int vcpus : {1, 2}) {
      SimulatorOptions options = OptionsOf(policy, mode);
      options.vcpus = vcpus;
      const ReportRow plain = RunRow(options);
      options.region.interval = 100;
      const ReportRow series = RunRow(options);
      EXPECT_TRUE(series.cost == plain.cost);
      EXPECT_TRUE(SumOf(series.intervals) == plain.cost);
      EXPECT_EQ(series.intervals.size(), (plain.operations + 99) / 100);
      options.region.interval = plain.operations;
      const ReportRow one = RunRow(options);
      ASSERT_EQ(one.intervals.size(), 1u);
      EXPECT_TRUE(one.intervals[0].cost == plain.cost);
    }
  });
}

TEST(RegionTest, IntervalsOfARegionAreWhereTheyAre) {
  const ReportRow row = RunRow(
      OptionsOf("pinning", PagingMode::kPae,
                {.skip = 20, .warmup = 10, .operations = 25, .interval = 10}));
  ASSERT_EQ(row.intervals.size(), 3u);
  EXPECT_EQ(row.intervals[0].first, 31u);
  EXPECT_EQ(row.intervals[1].first, 41u);
  EXPECT_EQ(row.intervals[2].first, 51u);
  EXPECT_EQ(row.intervals[2].operations, 5u);
  EXPECT_EQ(row.operations, 25u);
  EXPECT_TRUE(SumOf(row.intervals) == row.cost);
}

// What operations [first, last) of a workload of one process cost when each is
// performed by hand; with `cold` the caches are emptied before them.
Cost CostByHand(const SimulatorOptions& options, uint64_t first, uint64_t last,
                bool cold) {
  const auto simulator = Simulator::Create(options);
  const auto workload = MakeSyntheticWorkload(kOne);
  GuestKernel& guest = (*simulator)->guest();
  EXPECT_TRUE(guest.CreateProcess(1).ok());
  Cost before;
  uint64_t done = 0;
  for (;;) {
    const auto ops = (*workload)->Next(1);
    for (const GuestOp& op : *ops) {
      if (done == first) {
        if (cold) (*simulator)->host().MakeCold();
        before = (*simulator)->cost();
      }
      EXPECT_TRUE(guest.Perform(1, op).ok());
      if (++done == last) return (*simulator)->cost() - before;
    }
  }
}

TEST(RegionTest, ARegionCostsWhatItsOperationsCostByHand) {
  ForEachGuest([](std::string_view policy, PagingMode mode) {
    const ReportRow warm =
        RunRow(OptionsOf(policy, mode, {.warmup = 25, .operations = 30}), kOne);
    const ReportRow cold =
        RunRow(OptionsOf(policy, mode, {.skip = 25, .operations = 30}), kOne);
    const SimulatorOptions plain = OptionsOf(policy, mode);
    EXPECT_TRUE(warm.cost == CostByHand(plain, 25, 55, /*cold=*/false));
    EXPECT_TRUE(cold.cost == CostByHand(plain, 25, 55, /*cold=*/true));
  });
}

TEST(RegionTest, ASkipIsAColdStartAndAWarmUpIsNone) {
  const auto walks = [&](const RegionOptions& region) {
    const auto row = TryRun(OptionsOf("native", PagingMode::k4Level, region),
                            "walk:pages=20,rounds=9");
    EXPECT_TRUE(row.ok()) << row.status();
    return row.ok() ? row->cost.count(Counter::kPageWalks) : 0;
  };
  EXPECT_EQ(walks({.warmup = 60, .operations = 20}), 0u);
  EXPECT_EQ(walks({.skip = 60, .operations = 20}), 20u);
  EXPECT_EQ(walks({.skip = 40, .warmup = 20, .operations = 20}), 0u);
}

// On one vCPU the same operations come under every strategy.
TEST(RegionTest, TheRegionIsTheSameUnderEveryStrategy) {
  const RegionOptions region{.skip = 31, .warmup = 40, .operations = 55};
  const ReportRow first = RunRow(OptionsOf("native", PagingMode::kPae, region));
  EXPECT_GT(first.cost.count(Counter::kAccesses), 0u);
  ForEachGuest([&](std::string_view policy, PagingMode mode) {
    const ReportRow row = RunRow(OptionsOf(policy, mode, region));
    EXPECT_EQ(row.operations, 55u);
    for (const Counter counter :
         {Counter::kAccesses, Counter::kForks, Counter::kContextSwitches,
          Counter::kDemandZero}) {
      EXPECT_EQ(row.cost.count(counter), first.cost.count(counter));
    }
  });
}

TEST(RegionTest, PeaksAndTheDigestAreOfTheWholeRun) {
  for (const std::string_view policy : {"pinning", "shadow-2006"}) {
    const ReportRow plain = RunRow(OptionsOf(policy, PagingMode::kPae));
    const ReportRow part = RunRow(
        OptionsOf(policy, PagingMode::kPae, {.skip = 5, .operations = 3}));
    EXPECT_LT(part.cost.cycles, plain.cost.cycles);
    EXPECT_EQ(part.guest_digest, plain.guest_digest);
    EXPECT_EQ(part.page_table_bytes, plain.page_table_bytes);
    EXPECT_EQ(part.memory_overhead_bytes, plain.memory_overhead_bytes);
    EXPECT_EQ(part.hypothetical, plain.hypothetical);
  }
}

TEST(RegionTest, WhatTheMachineLacksIsSaidOfTheWholeRun) {
  SimulatorOptions options =
      OptionsOf("xi-shadow", PagingMode::kPae, {.warmup = 60, .operations = 8});
  options.machine = "xeon-2003";
  const ReportRow row = RunRow(options, "walk:pages=4,rounds=40");
  EXPECT_EQ(row.cost.count(CostEvent::kVmExit), 0u);
  EXPECT_EQ(row.hypothetical, "VM extension");
}

TEST(RegionTest, EachDomainHasARegionOfItsOwn) {
  SimulatorOptions options = OptionsOf("pinning", PagingMode::kPae);
  options.domains = 2;
  const ReportRow plain = RunRow(options);
  options.region = {.warmup = 40, .operations = 30, .interval = 20};
  const ReportRow part = RunRow(options);
  EXPECT_EQ(part.operations, 60u);
  ASSERT_EQ(part.intervals.size(), 4u);
  EXPECT_EQ(part.intervals[1].domain, 0);
  EXPECT_EQ(part.intervals[2].domain, 1);
  EXPECT_EQ(part.intervals[2].first, 41u);
  EXPECT_TRUE(SumOf(part.intervals) == part.cost);
  EXPECT_EQ(part.guest_digest, plain.guest_digest);
  options.region = {.interval = 64};
  const ReportRow series = RunRow(options);
  EXPECT_TRUE(series.cost == plain.cost);
  EXPECT_TRUE(SumOf(series.intervals) == plain.cost);
}

TEST(RegionTest, IntervalsOfAMigrationAddUpAsWell) {
  SimulatorOptions options = OptionsOf("xi-shadow", PagingMode::kPae);
  // The workload ends first, and one more round the migration.
  options.migration = {.rounds = 1000, .every_ops = 30};
  const ReportRow plain = RunRow(options, kOne);
  options.region.interval = 40;
  const ReportRow series = RunRow(options, kOne);
  EXPECT_TRUE(series.cost == plain.cost);
  EXPECT_TRUE(SumOf(series.intervals) == plain.cost);
  EXPECT_EQ(series.migration->dirty_pages, plain.migration->dirty_pages);
}

std::string ErrorOf(const SimulatorOptions& options) {
  const absl::Status status = TryRun(options, "touch:pages=5").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  return std::string(status.message());
}
std::string ErrorOf(const RegionOptions& region) {
  return ErrorOf(OptionsOf("native", PagingMode::kPae, region));
}

// The workload has 7 operations: mmap, 5 stores, exit.
TEST(RegionTest, ARegionThatIsNotReachedIsRefusedWithTheNumberOfOperations) {
  for (const RegionOptions& region :
       {RegionOptions{.skip = 7}, RegionOptions{.warmup = 7},
        RegionOptions{.skip = 3, .warmup = 4}}) {
    EXPECT_EQ(ErrorOf(region),
              "the workload has 7 operations, want more than 7, behind which "
              "the region begins");
  }
  EXPECT_THAT(
      ErrorOf({.skip = kMaxRegionOperations, .warmup = 9}),
      HasSubstr("has 7 operations, want more than 1152921504606846985"));
  EXPECT_EQ(ErrorOf({.skip = 2, .warmup = 1, .operations = 5}),
            "the workload has 7 operations, want 8, where the region ends");
  EXPECT_TRUE(TryRun(OptionsOf("native", PagingMode::kPae,
                               {.skip = 6, .operations = 1}),
                     "touch:pages=5")
                  .ok());
}

TEST(RegionTest, ImpossibleRegionsAreRefusedBeforeAnythingRuns) {
  const std::string none = "0 operations, want one at least";
  EXPECT_THAT(ErrorOf({.operations = 0}), HasSubstr(none));
  EXPECT_THAT(ErrorOf({.interval = 0}), HasSubstr(none));
  EXPECT_THAT(ErrorOf({.skip = kMaxRegionOperations + 1}),
              HasSubstr("want at most 1152921504606846976"));
  SimulatorOptions options =
      OptionsOf("xi-shadow", PagingMode::kPae, {.warmup = 1});
  options.migration.rounds = 1;
  EXPECT_THAT(ErrorOf(options), HasSubstr("a region and a migration"));
}

TEST(RegionTest, TooManyIntervalsAreRefused) {
  // mmap, a store, the loads, exit.
  const auto run = [](uint64_t loads) {
    return TryRun(OptionsOf("native", PagingMode::kPae, {.interval = 1}),
                  absl::StrCat("walk:pages=1,rounds=", loads));
  };
  ASSERT_TRUE(run(kMaxIntervals - 3).ok());
  EXPECT_EQ(run(kMaxIntervals - 2).status().message(),
            "more than 10000 intervals, want longer ones than 1 operations");
}

}  // namespace
}  // namespace xmmu::region_test
