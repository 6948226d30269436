// The settings of transparent huge pages as rows of a comparison: which guests
// have a row for each, by which setting digests are taken, and what rows are
// called.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "xmmu/sim/compare.h"
#include "xmmu/sim/simulator.h"
#include "xmmu/workload/synthetic.h"

namespace xmmu::thp_rows_test {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

ComparisonOptions Options(std::vector<Thp> thps) {
  ComparisonOptions options;
  options.base.guest_memory_bytes = uint64_t{64} << 20;
  options.policies = {{"native", {}}, {"pinning", {}}};
  options.pins = {PinWhen::kLate};
  options.thps = std::move(thps);
  return options;
}

std::vector<std::pair<std::string, Thp>> RowsOf(
    const ComparisonOptions& options) {
  std::vector<std::pair<std::string, Thp>> rows;
  const auto plan = PlanComparison(options);
  EXPECT_TRUE(plan.ok()) << plan.status();
  if (!plan.ok()) return rows;
  for (const SimulatorOptions& row : plan->rows) {
    EXPECT_TRUE(row.thp.has_value());
    rows.emplace_back(row.policy, *row.thp);
  }
  return rows;
}

std::vector<Thp> DigestsOf(const ComparisonOptions& options) {
  std::vector<Thp> digests;
  const auto plan = PlanComparison(options);
  EXPECT_TRUE(plan.ok()) << plan.status();
  if (!plan.ok()) return digests;
  for (const SimulatorOptions& row : plan->rows) {
    digests.push_back(row.digest_thp.value_or(Thp::kNever));
  }
  return digests;
}

std::vector<std::string> LabelsOf(const ComparisonOptions& options) {
  std::vector<std::string> labels;
  const auto comparison = Compare(options, [](const SimulatorOptions&) {
    return MakeSyntheticWorkload("touch:pages=5");
  });
  EXPECT_TRUE(comparison.ok()) << comparison.status();
  if (!comparison.ok()) return labels;
  for (const ReportRow& row : comparison->rows) labels.push_back(RowLabel(row));
  return labels;
}

TEST(ThpRowsTest, AGuestOfDirectPagingRunsOnceUnderTheMostPermissive) {
  EXPECT_THAT(
      RowsOf(Options({Thp::kNever, Thp::kAlways, Thp::kMadvise})),
      ElementsAre(Pair("native", Thp::kNever), Pair("native", Thp::kAlways),
                  Pair("native", Thp::kMadvise),
                  Pair("pinning", Thp::kAlways)));
}

TEST(ThpRowsTest, SoDoesAGuestThatHasNoLargePagesOfItsStrategy) {
  ComparisonOptions options = Options({Thp::kNever, Thp::kMadvise});
  options.policies = {{"shadow-2005", {}}, {"shadow-2008", {}}};
  options.base.mode = PagingMode::k2Level;
  EXPECT_THAT(RowsOf(options), ElementsAre(Pair("shadow-2005", Thp::kMadvise),
                                           Pair("shadow-2008", Thp::kNever),
                                           Pair("shadow-2008", Thp::kMadvise)));
}

TEST(ThpRowsTest, DigestsAreTakenByTheMostPermissiveOfAllRows) {
  EXPECT_THAT(DigestsOf(Options({Thp::kNever, Thp::kMadvise})),
              Each(Thp::kMadvise));
  EXPECT_THAT(DigestsOf(Options({Thp::kNever})), Each(Thp::kNever));
  ComparisonOptions wider = Options({Thp::kMadvise});
  wider.base.digest_thp = Thp::kAlways;
  EXPECT_THAT(DigestsOf(wider), Each(Thp::kAlways));
}

TEST(ThpRowsTest, WithoutAListEachRowHasTheDefaultAndItsOldName) {
  ComparisonOptions options = Options({});
  options.base.thp = Thp::kAlways;  // not read, as each row's own options are
  const auto plan = PlanComparison(options);
  ASSERT_TRUE(plan.ok()) << plan.status();
  for (const SimulatorOptions& row : plan->rows) {
    EXPECT_FALSE(row.thp.has_value());
  }
  EXPECT_THAT(LabelsOf(options),
              ElementsAre("native", "pinning/update-va-mapping/late"));
}

TEST(ThpRowsTest, ARowSaysWhatWasAskedForIfItsGuestHasLargePages) {
  EXPECT_THAT(LabelsOf(Options({Thp::kNever, Thp::kAlways})),
              ElementsAre("native/thp=never", "native/thp=always",
                          "pinning/update-va-mapping/late"));
}

TEST(ThpRowsTest, WhatRowsShareLeavesTheSettingToThem) {
  const auto comparison =
      Compare(Options({Thp::kAlways}), [](const SimulatorOptions&) {
        return MakeSyntheticWorkload("touch:pages=5");
      });
  ASSERT_TRUE(comparison.ok()) << comparison.status();
  EXPECT_FALSE(comparison->options.thp.has_value());
  EXPECT_EQ(comparison->rows[0].thp, Thp::kAlways);
  EXPECT_TRUE(comparison->rows[0].large_pages);
  EXPECT_EQ(comparison->rows[1].thp, Thp::kAlways);
  EXPECT_FALSE(comparison->rows[1].large_pages);
}

TEST(ThpRowsTest, AValueThatIsNoneIsRefused) {
  SimulatorOptions options;
  options.thp = static_cast<Thp>(7);
  EXPECT_THAT(std::string(Simulator::Create(options).status().message()),
              HasSubstr("option thp has a value, 7"));
  options.thp.reset();
  options.digest_thp = static_cast<Thp>(7);
  EXPECT_THAT(std::string(Simulator::Create(options).status().message()),
              HasSubstr("option digest_thp has a value, 7"));
  options.digest_thp.reset();
  options.reclaim = static_cast<Reclaim>(7);
  EXPECT_THAT(std::string(Simulator::Create(options).status().message()),
              HasSubstr("option reclaim has a value, 7"));
}

// 64 MiB are 32 large pages, and all of them are mapped from the boot on.
TEST(NestedPagesTest, RowsSayWhatTheHostMapsTheGuestBy) {
  ComparisonOptions options = Options({});
  options.base.machine = "skylake-2017";
  options.base.mode = PagingMode::k4Level;
  options.policies = {
      {"native", {}}, {"nested-paging", {}}, {"nested-paging-4k", {}}};
  const auto comparison = Compare(options, [](const SimulatorOptions&) {
    return MakeSyntheticWorkload("touch:pages=5");
  });
  ASSERT_TRUE(comparison.ok()) << comparison.status();
  EXPECT_TRUE(comparison->rows[0].nested_pages.empty());
  EXPECT_THAT(comparison->rows[1].nested_pages,
              ElementsAre(NestedPages{uint64_t{2} << 20, 32}));
  EXPECT_THAT(comparison->rows[2].nested_pages,
              ElementsAre(NestedPages{4096, 64 << 8}));
}

}  // namespace
}  // namespace xmmu::thp_rows_test
