#include "study/crossing_sensitivity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace xmmu::crossing_sensitivity_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr auto kA = CostEvent::kEmulate;
constexpr auto kB = CostEvent::kInvlpg;

// i + 1 updates take so many of either, and more for each update.
UpdateCosts Way(std::string policy, int64_t first_a, int64_t each_a,
                int64_t first_b, int64_t each_b) {
  UpdateCosts costs;
  costs.way.policy = std::move(policy);
  for (int64_t n = 1; n <= 64; ++n) {
    PriceForm form{};
    form[static_cast<size_t>(kA)] = first_a + n * each_a;
    form[static_cast<size_t>(kB)] = first_b + n * each_b;
    costs.cycles.push_back(static_cast<uint64_t>(
        10 * form[static_cast<size_t>(kA)] + form[static_cast<size_t>(kB)]));
    costs.forms.push_back(form);
  }
  return costs;
}

// An update each time costs a = 10, or once b = 1 a hundred times.
Crossover Example(uint32_t low, uint32_t high) {
  Crossover crossover;
  crossover.machine = "test";
  crossover.costs[static_cast<size_t>(kA)] = {10, low, high, Mark::kEstimated,
                                              ""};
  crossover.costs[static_cast<size_t>(kB)] = {1, 1, 1, Mark::kEstimated, ""};
  crossover.ways = {Way("each", 0, 1, 0, 0), Way("once", 0, 0, 100, 0),
                    Way("each-too", 0, 1, 0, 0), Way("dear", 0, 2, 1000, 0)};
  crossover.compared = {{0, 1}, {0, 2}, {0, 3}};
  return crossover;
}

TEST(CrossingSensitivityTest, ACrossingLiesWithinARangeOfUpdates) {
  // Once is cheaper where n * a > 100.
  const CrossingSensitivity sensitivity =
      SweepCrossings(Example(5, 20), {.samples = 0}).value();
  const CrossingVerdict& verdict = sensitivity.verdicts[0];
  EXPECT_EQ(verdict.few, 0u);
  EXPECT_EQ(verdict.many, 1u);
  EXPECT_EQ(verdict.updates, 11u);
  EXPECT_EQ(verdict.least, 6u);
  EXPECT_EQ(verdict.most, 21u);
  EXPECT_TRUE(verdict.holds());
  ASSERT_TRUE(verdict.mover.has_value());
  EXPECT_EQ(verdict.mover->at_low, 21u);
  EXPECT_EQ(verdict.mover->at_high, 6u);
}

TEST(CrossingSensitivityTest, ACrossingVanishesAtAPriceThatIsFound) {
  // 64 updates of 1 take less than 100, of 2 more.
  const CrossingVerdict gone =
      SweepCrossings(Example(1, 20), {}).value().verdicts[0];
  EXPECT_THAT(gone.flips, ElementsAre(PriceChange{kA, 1}));
  EXPECT_GT(gone.samples_against, 0u);
  EXPECT_FALSE(gone.mover.has_value());
  EXPECT_TRUE(SweepCrossings(Example(2, 20), {}).value().verdicts[0].holds());
}

// At 100 one update takes the same, and two take more.
TEST(CrossingSensitivityTest, OnceIsCheaperAtOnceFromAPriceOn) {
  const CrossingVerdict verdict =
      SweepCrossings(Example(10, 300), {}).value().verdicts[0];
  EXPECT_THAT(verdict.flips, ElementsAre(PriceChange{kA, 100}));
}

TEST(CrossingSensitivityTest, WaysThatAlwaysTakeTheSameAreNoPair) {
  const CrossingSensitivity sensitivity =
      SweepCrossings(Example(5, 20), {}).value();
  ASSERT_EQ(sensitivity.verdicts.size(), 2u);
  EXPECT_EQ(sensitivity.verdicts[1].many, 3u);
  EXPECT_EQ(sensitivity.verdicts[1].updates, 0u);
  EXPECT_TRUE(sensitivity.verdicts[1].holds());
}

TEST(CrossingSensitivityTest, TheFormatsSayTheSame) {
  const Crossover crossover = Example(1, 20);
  const CrossingSensitivity sensitivity = SweepCrossings(crossover, {}).value();
  EXPECT_THAT(FormatCrossingSensitivityText(crossover, sensitivity),
              HasSubstr("once/stores is cheaper than each/stores from 11 "
                        "updates on, with other prices from 6 to "));
  EXPECT_THAT(FormatCrossingSensitivityText(crossover, sensitivity),
              HasSubstr("but not with emulate from 1 down (10; 1 to 20); in"));
  const auto json = nlohmann::json::parse(
      Render(CrossingSensitivityDocument({{&crossover, sensitivity}}),
             ReportFormat::kJson));
  EXPECT_EQ(json[0]["pairs"][0]["updates"], 11);
  EXPECT_EQ(json[0]["pairs"][0]["flips"][0]["price"], 1);
  EXPECT_THAT(Render(CrossingSensitivityDocument({{&crossover, sensitivity}}),
                     ReportFormat::kCsv),
              HasSubstr("test,3,each/stores,once/stores,11,6,"));
}

TEST(CrossingSensitivityTest, MeasuredCyclesAreTheFormsAtTheirPrices) {
  const std::vector<UpdateWay> ways = {
      {"trap-and-emulate", GuestOps::kStores},
      {"writable-page-tables", GuestOps::kStores}};
  const SimulatorOptions base = {.mode = PagingMode::k2Level,
                                 .guest_memory_bytes = uint64_t{64} << 20};
  const auto crossover = MeasureCrossover(base, ways);
  ASSERT_TRUE(crossover.ok());
  const CrossingSensitivity sensitivity =
      SweepCrossings(*crossover, {}).value();
  for (const UpdateCosts& costs : crossover->ways) {
    for (size_t i = 0; i < costs.cycles.size(); ++i) {
      EXPECT_EQ(static_cast<uint64_t>(
                    ValueOf(costs.forms[i], sensitivity.sweep.prices)),
                costs.cycles[i]);
    }
  }
  ASSERT_EQ(sensitivity.verdicts.size(), 1u);
  ASSERT_EQ(crossover->crossings.size(), 1u);
  EXPECT_EQ(sensitivity.verdicts[0].updates, crossover->crossings[0].updates);
}

}  // namespace
}  // namespace xmmu::crossing_sensitivity_test
