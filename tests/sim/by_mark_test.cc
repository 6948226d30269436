#include "xmmu/sim/by_mark.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

namespace xmmu::by_mark_test {
namespace {

using ::testing::ElementsAre;

MarkCycles Of(std::array<uint64_t, kMarkCount> counts) {
  MarkCycles cycles;
  for (size_t i = 0; i < kMarkCount; ++i) cycles[i] = Cycles(counts[i]);
  return cycles;
}

TEST(ByMarkTest, CyclesGoToTheMarkOfTheirPrice) {
  CostTable costs{};
  costs[static_cast<size_t>(CostEvent::kInvlpg)] = {
      30, 30, 30, Mark::kEstimated, "assumed"};
  costs[static_cast<size_t>(CostEvent::kZeroPage)] = {
      60, 60, 60, Mark::kMeasured, "assumed"};
  costs[static_cast<size_t>(CostEvent::kCopyPage)] = {
      10, 10, 10, Mark::kRemembered, "assumed"};
  CostTally tally{};
  tally[static_cast<size_t>(CostEvent::kInvlpg)] = 3;
  tally[static_cast<size_t>(CostEvent::kZeroPage)] = 2;
  tally[static_cast<size_t>(CostEvent::kCopyPage)] = 1;
  const MarkCycles cycles = CyclesByMark(tally, costs);
  EXPECT_EQ(cycles, Of({0, 120, 0, 10, 90}));
  EXPECT_EQ(EstimatedCycles(cycles), Cycles(100));
}

TEST(ByMarkTest, NoCyclesHaveNoShares) {
  EXPECT_THAT(SharesByMark(MarkCycles(), 6), ElementsAre(0, 0, 0, 0, 0));
}

TEST(ByMarkTest, OneMarkAloneHasAll) {
  EXPECT_THAT(SharesByMark(Of({0, 0, 7, 0, 0}), 3),
              ElementsAre(0, 0, 1000, 0, 0));
}

TEST(ByMarkTest, WhatRoundingDownLeavesGoesToTheLargestRests) {
  // 142.857, 285.714, 571.428
  EXPECT_THAT(SharesByMark(Of({1, 2, 4, 0, 0}), 3),
              ElementsAre(143, 286, 571, 0, 0));
}

TEST(ByMarkTest, EqualRestsGoToTheFirst) {
  EXPECT_THAT(SharesByMark(Of({1, 0, 1, 0, 1}), 2),
              ElementsAre(34, 0, 33, 0, 33));
}

TEST(ByMarkTest, SharesAddUpWhateverTheCycles) {
  uint64_t state = 1;
  for (int i = 0; i < 1000; ++i) {
    std::array<uint64_t, kMarkCount> counts;
    for (uint64_t& count : counts) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      count = state >> (8 + state % 50);
    }
    const auto shares = SharesByMark(Of(counts), 6);
    EXPECT_EQ(std::accumulate(shares.begin(), shares.end(), uint64_t{0}),
              1'000'000u);
  }
}

TEST(ByMarkTest, ProductsThatDoNotFitDoNoHarm) {
  const uint64_t many = 199'999'999'999'999'999;
  EXPECT_THAT(SharesByMark(Of({many, many, many, many, many}), 6),
              ElementsAre(200000, 200000, 200000, 200000, 200000));
}

TEST(ByMarkTest, SharesAreWrittenWithAllTheirDecimals) {
  EXPECT_EQ(ShareText(333, 6), "0.000333");
  EXPECT_EQ(ShareText(1000000, 6), "1.000000");
  EXPECT_EQ(PercentText(333, 3), "33.3");
  EXPECT_EQ(PercentText(1000, 3), "100.0");
  EXPECT_EQ(PercentText(7, 3), "0.7");
}

}  // namespace
}  // namespace xmmu::by_mark_test
