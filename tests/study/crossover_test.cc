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
  EXPECT_THAT(FormatCrossoverCsv({crossover}),
              HasSubstr("xeon-2003,3,pinning,queue,2," +
                        std::to_string(cycles) + ",0."));
  EXPECT_THAT(FormatCrossoverJson({crossover}),
              HasSubstr(std::to_string(cycles)));
  const std::string updates = std::to_string(crossover.crossings[0].updates);
  EXPECT_THAT(FormatCrossoverText({crossover}),
              HasSubstr("writable-page-tables/stores is cheaper than "
                        "pinning/queue from " +
                        updates + " updates on\n"));
}

TEST(CrossoverTest, WhatCannotRunIsAnError) {
  EXPECT_FALSE(MeasureCrossover({.machine = "abacus"}, {kNative}).ok());
}

}  // namespace
}  // namespace xmmu::crossover_test
