#include "study/crossover.h"

#include <algorithm>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xmmu::crossover_test {
namespace {

using ::testing::HasSubstr;

const UpdateWay kNative{"native", GuestOps::kStores};
const UpdateWay kQueue{"pinning", GuestOps::kQueue};
const UpdateWay kEmulate{"trap-and-emulate", GuestOps::kStores};
const UpdateWay kUnhook{"writable-page-tables", GuestOps::kStores};

Crossover Measure(PagingMode mode, const std::vector<UpdateWay>& ways) {
  auto crossover = MeasureCrossover({.mode = mode}, ways);
  EXPECT_TRUE(crossover.ok()) << crossover.status();
  return *std::move(crossover);
}

TEST(CrossoverTest, EveryNumberOfUpdatesThatAnL1HasRoomForIsMeasured) {
  EXPECT_EQ(Measure(PagingMode::k2Level, {kNative}).ways[0].cycles.size(),
            1024u);
  EXPECT_EQ(Measure(PagingMode::kPae, {kNative}).ways[0].cycles.size(), 512u);
}

TEST(CrossoverTest, MoreUpdatesNeverTakeLess) {
  for (const UpdateCosts& costs :
       Measure(PagingMode::kPae, AllUpdateWays(PagingMode::kPae)).ways) {
    EXPECT_TRUE(std::is_sorted(costs.cycles.begin(), costs.cycles.end()))
        << UpdateWayName(costs.way);
  }
}

// Unhooking has its price at the beginning, emulation for each entry.
TEST(CrossoverTest, EmulationWinsForOneUpdateAndUnhookingForMany) {
  const Crossover crossover = Measure(PagingMode::k2Level, {kEmulate, kUnhook});
  ASSERT_EQ(crossover.crossings.size(), 1u);
  const Crossing& crossing = crossover.crossings[0];
  EXPECT_EQ(crossing.cheaper.policy, "writable-page-tables");
  EXPECT_EQ(crossing.dearer.policy, "trap-and-emulate");
  const std::vector<uint64_t>& emulate = crossover.ways[0].cycles;
  const std::vector<uint64_t>& unhook = crossover.ways[1].cycles;
  EXPECT_LT(unhook[crossing.updates - 1], emulate[crossing.updates - 1]);
  EXPECT_GE(unhook[crossing.updates - 2], emulate[crossing.updates - 2]);
}

TEST(CrossoverTest, BareHardwareTakesPartInNoCrossing) {
  EXPECT_TRUE(
      Measure(PagingMode::k2Level, {kNative, kQueue}).crossings.empty());
}

TEST(CrossoverTest, WhatStoresCanDoIsMeasuredByStores) {
  for (const UpdateWay& way : AllUpdateWays(PagingMode::k4Level)) {
    const bool by_stores =
        way.ops == GuestOps::kStores || way.ops == GuestOps::kPvops;
    if (way.policy == "pinning") {
      EXPECT_FALSE(by_stores);
    }
    if (way.policy == "writable-page-tables") {
      EXPECT_TRUE(by_stores);
    }
  }
}

TEST(CrossoverTest, TheFormatsSayTheSame) {
  const Crossover crossover = Measure(PagingMode::kPae, {kQueue, kUnhook});
  const uint64_t cycles = crossover.ways[0].cycles[1];
  EXPECT_THAT(Render(CrossoverDocument({crossover}), ReportFormat::kCsv),
              HasSubstr("xeon-2003,3,pinning,queue,2," +
                        std::to_string(cycles) + ",0."));
  EXPECT_THAT(Render(CrossoverDocument({crossover}), ReportFormat::kJson),
              HasSubstr(std::to_string(cycles)));
  const std::string updates = std::to_string(crossover.crossings[0].updates);
  const uint64_t last = crossover.crossings[0].updates - 1;
  EXPECT_THAT(Render(CrossoverDocument({crossover}), ReportFormat::kText),
              HasSubstr("  1  pinning/queue                    1-" +
                        std::to_string(last) +
                        "\n"
                        "  2  writable-page-tables/stores  " +
                        updates + "\n"));
}

// A crossover of ways with these cycles, all compared with each other.
Crossover Made(const std::vector<std::vector<uint64_t>>& cycles) {
  Crossover crossover;
  crossover.machine = "test";
  for (const std::vector<uint64_t>& each : cycles) {
    UpdateCosts& costs = crossover.ways.emplace_back();
    costs.way = {
        std::string(1, static_cast<char>('a' + crossover.ways.size() - 1)),
        GuestOps::kStores};
    costs.cycles = each;
  }
  for (size_t i = 0; i < cycles.size(); ++i) {
    for (size_t j = i + 1; j < cycles.size(); ++j) {
      crossover.compared.emplace_back(i, j);
    }
  }
  return crossover;
}

TEST(CrossoverTest, TheMatrixSaysWithHowManyUpdatesAWayIsCheaper) {
  // b is dearer, equal, cheaper, equal, cheaper, dearer; c is always dearer.
  const std::string text = Render(
      CrossoverDocument(
          {Made({{5, 5, 5, 5, 5, 5}, {6, 5, 4, 5, 4, 6}, {9, 9, 9, 9, 9, 9}})}),
      ReportFormat::kText);
  EXPECT_THAT(text, HasSubstr("     cheaper than    1      2  3\n"
                              "  ------------------------------\n"
                              "  1  a/stores           1-2,6  1\n"
                              "  2  b/stores      3-5         1\n"
                              "  3  c/stores        -      -\n"));
}

TEST(CrossoverTest, WhatCannotRunIsAnError) {
  EXPECT_FALSE(MeasureCrossover({.machine = "abacus"}, {kNative}).ok());
}

}  // namespace
}  // namespace xmmu::crossover_test
