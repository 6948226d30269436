#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "study/claims.h"
#include "xmmu/policy/policies.h"
#include "xmmu/report/report.h"
#include "xmmu/sim/compare.h"
#include "xmmu/sim/simulator.h"
#include "xmmu/workload/synthetic.h"

namespace xmmu::sensitivity_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr auto kA = CostEvent::kEmulate;
constexpr auto kB = CostEvent::kInvlpg;

ReportRow Row(std::string policy, uint64_t a, uint64_t b) {
  ReportRow row;
  row.policy = std::move(policy);
  row.cost.tally[static_cast<size_t>(kA)] = a;
  row.cost.tally[static_cast<size_t>(kB)] = b;
  row.cost.cycles = Cycles(10 * a + 20 * b);
  return row;
}

// Of prices of 10 and 20: rows of 100, 200 and 210 cycles.
Comparison Example() {
  Comparison comparison;
  comparison.options.machine = "test";
  comparison.costs[static_cast<size_t>(kA)] = {10, 5, 12, Mark::kEstimated, ""};
  comparison.costs[static_cast<size_t>(kB)] = {20, 20, 40, Mark::kRead, ""};
  comparison.rows = {Row("two", 20, 0), Row("one", 0, 5), Row("more", 1, 10)};
  return comparison;
}

Sensitivity Sweep(const Comparison& comparison,
                  const SweepOptions& options = {}) {
  absl::StatusOr<Sensitivity> sensitivity =
      SweepComparison(comparison, options);
  EXPECT_TRUE(sensitivity.ok()) << sensitivity.status();
  return *std::move(sensitivity);
}

TEST(SensitivityTest, EveryPairOfRowsIsJudgedTheCheaperFirst) {
  const Sensitivity sensitivity = Sweep(Example());
  ASSERT_EQ(sensitivity.orders.size(), 3u);
  EXPECT_EQ(sensitivity.orders[0].fewer, 1u);
  EXPECT_EQ(sensitivity.orders[0].more, 0u);
  EXPECT_EQ(sensitivity.orders[1].fewer, 0u);
  EXPECT_EQ(sensitivity.orders[1].more, 2u);
  for (const OrderVerdict& order : sensitivity.orders) {
    EXPECT_EQ(order.verdict.sign, -1);
  }
}

TEST(SensitivityTest, AnOrderFlipsAtTheFirstPriceAtWhichItIsNoLongerTrue) {
  // 20 a = 200 against a + 10 b = 210.
  const Sensitivity sensitivity = Sweep(Example());
  EXPECT_THAT(sensitivity.orders[1].verdict.flips,
              ElementsAre(PriceChange{kA, 11}));
  // 5 b = 100 against 20 a = 200: equal at 5.
  EXPECT_THAT(sensitivity.orders[0].verdict.flips,
              ElementsAre(PriceChange{kA, 5}));
}

TEST(SensitivityTest, RatiosAreTheLeastAndTheMostOfAllSamples) {
  const OrderVerdict& order = Sweep(Example(), {.samples = 8}).orders[0];
  EXPECT_DOUBLE_EQ(order.ratio, 2);
  EXPECT_DOUBLE_EQ(order.ratio_least, 1);
  EXPECT_DOUBLE_EQ(order.ratio_most, 2.4);
}

TEST(SensitivityTest, SeveralVcpusAreRefused) {
  Comparison comparison = Example();
  comparison.options.vcpus = 2;
  EXPECT_EQ(SweepComparison(comparison, {}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(SensitivityTest, APolicyWithPricedEventsOfItsOwnIsRefused) {
  Comparison comparison = Example();
  comparison.rows[1].own_events.push_back({});
  EXPECT_THAT(std::string(SweepComparison(comparison, {}).status().message()),
              HasSubstr("policy one has priced events of its own"));
}

TEST(SensitivityTest, DataThroughTheCachesIsRefused) {
  Comparison comparison = Example();
  comparison.options.timing = MemoryTiming::kAllCaches;
  EXPECT_EQ(SweepComparison(comparison, {}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(SensitivityTest, TheTableEndsInWords) {
  const Comparison comparison = Example();
  const std::string text =
      FormatSensitivity(comparison, Sweep(comparison), ReportFormat::kText);
  EXPECT_THAT(text, HasSubstr(FormatReport(comparison, ReportFormat::kText)));
  EXPECT_THAT(text, HasSubstr("sensitivity: 1 prices that are remembered or "
                              "estimated"));
  EXPECT_THAT(text,
              HasSubstr("  1 two takes fewer cycles than 3 more (x 1.050"));
  EXPECT_THAT(text, HasSubstr("\n    but not with emulate from 11 up (10; 5 to "
                              "12); in "));
  EXPECT_THAT(text, HasSubstr("prices within their bands: 1 of 3\n"));
}

TEST(SensitivityTest, TheFormatsSayTheSame) {
  const Comparison comparison = Example();
  const Sensitivity sensitivity = Sweep(comparison, {.samples = 4});
  const auto json = nlohmann::json::parse(
      FormatSensitivity(comparison, sensitivity, ReportFormat::kJson));
  EXPECT_EQ(json["machine"], "test");
  EXPECT_EQ(json["sensitivity"]["swept"][0]["cost"], "emulate");
  EXPECT_EQ(json["sensitivity"]["orders"][1]["flips"][0]["price"], 11);
  EXPECT_EQ(json["sensitivity"]["orders"][1]["holds"], false);
  EXPECT_THAT(FormatSensitivity(comparison, sensitivity, ReportFormat::kCsv),
              HasSubstr("\ntest,3,two,more,200,210,1.050000,"));
}

// The claim that all of it rests on: on one vCPU prices change no tally.
class RepricingTest : public ::testing::TestWithParam<PolicyEntry> {
 protected:
  static ReportRow Run(const SimulatorOptions& options,
                       const std::string& workload) {
    auto simulator = Simulator::Create(options);
    EXPECT_TRUE(simulator.ok()) << simulator.status();
    auto made = MakeSyntheticWorkload(workload);
    EXPECT_TRUE(made.ok()) << made.status();
    absl::StatusOr<ReportRow> row = (*simulator)->Run(**made);
    EXPECT_TRUE(row.ok()) << row.status();
    return *std::move(row);
  }

  static void ExpectRepriced(SimulatorOptions options,
                             const std::string& workload) {
    const ReportRow before = Run(options, workload);
    MachineModel machine = *MachineOf(options);
    const PriceSweep sweep = MakePriceSweep(
        machine.costs, {.all_bands = true, .samples = 2, .seed = 5});
    EXPECT_GT(sweep.swept.size(), 20u);
    for (const PriceList& prices : sweep.samples) {
      for (size_t i = 0; i < kCostEventCount; ++i) {
        machine.costs[i].value = static_cast<uint32_t>(prices[i]);
      }
      options.custom_machine = std::make_shared<const MachineModel>(machine);
      const ReportRow after = Run(options, workload);
      EXPECT_EQ(after.cost.tally, before.cost.tally);
      EXPECT_EQ(after.cost.cycles.count(), Reprice(before.cost.tally, prices));
      EXPECT_NE(after.cost.cycles, before.cost.cycles);
    }
  }
};

TEST_P(RepricingTest, RunningAgainWithOtherPricesGivesWhatTheTallySays) {
  for (const PagingMode mode :
       {PagingMode::k2Level, PagingMode::kPae, PagingMode::k4Level}) {
    SimulatorOptions options;
    options.machine =
        mode == PagingMode::k4Level ? "skylake-2017" : "xeon-2003";
    options.mode = mode;
    options.policy = GetParam().name;
    options.guest_memory_bytes = uint64_t{64} << 20;
    if (absl::IsUnimplemented(Simulator::Create(options).status())) continue;
    ExpectRepriced(options, "fork:pages=40,cow=8");
    options.timing = MemoryTiming::kFlat;
    ExpectRepriced(options, "switch:processes=3,rounds=20,pages=8");
  }
}

INSTANTIATE_TEST_SUITE_P(Policies, RepricingTest,
                         ::testing::ValuesIn(Policies().begin(),
                                             Policies().end()),
                         [](const auto& param) {
                           std::string name(param.param.name);
                           for (char& c : name) {
                             if (c == '-' || c == '.') c = '_';
                           }
                           return name;
                         });

TEST(RepricingSeveralTest, DomainsAndMigrationsToo) {
  SimulatorOptions options;
  options.policy = "xi-shadow";
  options.migration = {.rounds = 2, .every_ops = 500};
  MachineModel machine = *MachineOf(options);
  const WorkloadFactory churn = [](const SimulatorOptions&) {
    return MakeSyntheticWorkload("churn:pages=16,rounds=40");
  };
  ComparisonOptions comparison;
  comparison.base = options;
  comparison.base.domains = 2;
  comparison.policies = {{"xi-shadow", {}}};
  const CostTally before = Compare(comparison, churn)->rows[0].cost.tally;
  for (CostConstant& cost : machine.costs) cost.value = cost.value * 3 + 7;
  machine.cost(CostEvent::kIpiWait).value = 1;
  comparison.base.custom_machine =
      std::make_shared<const MachineModel>(machine);
  EXPECT_EQ(Compare(comparison, churn)->rows[0].cost.tally, before);
}

}  // namespace
}  // namespace xmmu::sensitivity_test
