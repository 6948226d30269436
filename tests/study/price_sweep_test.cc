#include "study/price_sweep.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

namespace xmmu::price_sweep_test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr auto kA = CostEvent::kEmulate;
constexpr auto kB = CostEvent::kInvlpg;
constexpr auto kC = CostEvent::kIret;

CostConstant Price(uint32_t low, uint32_t value, uint32_t high,
                   Mark mark = Mark::kEstimated) {
  return {value, low, high, mark, "assumed"};
}

CostTable Costs(const CostConstant& a, const CostConstant& b = {},
                const CostConstant& c = {}) {
  CostTable costs{};
  costs[static_cast<size_t>(kA)] = a;
  costs[static_cast<size_t>(kB)] = b;
  costs[static_cast<size_t>(kC)] = c;
  return costs;
}

PriceForm Form(int64_t a, int64_t b = 0, int64_t c = 0) {
  PriceForm form{};
  form[static_cast<size_t>(kA)] = a;
  form[static_cast<size_t>(kB)] = b;
  form[static_cast<size_t>(kC)] = c;
  return form;
}

uint32_t PriceOf(const PriceList& prices, CostEvent event) {
  return static_cast<uint32_t>(prices[static_cast<size_t>(event)]);
}

TEST(PriceSweepTest, SweepsEstimatesOrAllThatHaveABand) {
  const CostTable costs = Costs(Price(1, 2, 3), Price(1, 2, 3, Mark::kRead),
                                Price(2, 2, 2, Mark::kRemembered));
  ASSERT_EQ(MakePriceSweep(costs, {}).swept.size(), 1u);
  EXPECT_EQ(MakePriceSweep(costs, {}).swept[0].event, kA);
  EXPECT_EQ(MakePriceSweep(costs, {.all_bands = true}).swept.size(), 2u);
}

TEST(PriceSweepTest, EachPartOfABandIsDrawnFromOnce) {
  const PriceSweep sweep = MakePriceSweep(
      Costs(Price(100, 150, 199), Price(0, 5, 299)), {.samples = 100});
  std::set<uint32_t> a;
  std::set<uint32_t> thirds;
  for (const PriceList& prices : sweep.samples) {
    a.insert(PriceOf(prices, kA));
    thirds.insert(PriceOf(prices, kB) / 3);
  }
  EXPECT_EQ(a.size(), 100u);
  EXPECT_EQ(*a.begin(), 100u);
  EXPECT_EQ(*a.rbegin(), 199u);
  EXPECT_EQ(thirds.size(), 100u);
  EXPECT_EQ(*thirds.rbegin(), 99u);
}

TEST(PriceSweepTest, BothEndsOfABandAreDrawn) {
  const PriceSweep sweep = MakePriceSweep(Costs(Price(0, 0, ~uint32_t{0})),
                                          {.samples = kMaxSweepSamples});
  uint32_t most = 0;
  uint32_t least = ~uint32_t{0};
  for (const PriceList& prices : sweep.samples) {
    most = std::max(most, PriceOf(prices, kA));
    least = std::min(least, PriceOf(prices, kA));
  }
  constexpr uint32_t kPart = ~uint32_t{0} / kMaxSweepSamples;
  EXPECT_GT(most, ~uint32_t{0} - 2 * kPart);
  EXPECT_LT(least, 2 * kPart);
}

TEST(PriceSweepTest, WhatIsNotSweptKeepsItsPrice) {
  const PriceSweep sweep = MakePriceSweep(
      Costs(Price(1, 2, 3), Price(1, 2, 3, Mark::kRead)), {.samples = 10});
  for (const PriceList& prices : sweep.samples) {
    EXPECT_EQ(PriceOf(prices, kB), 2u);
  }
}

TEST(PriceSweepTest, TheSameSeedDrawsTheSameAndAnotherDoesNot) {
  const CostTable costs = Costs(Price(0, 5, 1000), Price(0, 5, 1000));
  const auto samples = [&](uint64_t seed) {
    return MakePriceSweep(costs, {.samples = 20, .seed = seed}).samples;
  };
  EXPECT_EQ(samples(7), samples(7));
  EXPECT_NE(samples(7), samples(8));
}

// For ever: nothing here is left to the standard library.
TEST(PriceSweepTest, TheFirstDrawsAreTheseOnEveryMachine) {
  const PriceSweep sweep =
      MakePriceSweep(Costs(Price(0, 500, 999)), {.samples = 5, .seed = 1});
  std::vector<uint32_t> drawn;
  for (const PriceList& prices : sweep.samples) {
    drawn.push_back(PriceOf(prices, kA));
  }
  EXPECT_THAT(drawn, ElementsAre(361, 962, 127, 517, 751));
}

TEST(JudgeSignTest, APriceTurnsASignAtTheFirstThatDoes) {
  // 3 a - 100: at 30 less, at 33 less by 1, at 34 more.
  const PriceSweep sweep =
      MakePriceSweep(Costs(Price(20, 30, 40), Price(1, 1, 1)), {});
  const SignVerdict verdict = JudgeSign(Form(3, -100), sweep);
  EXPECT_EQ(verdict.sign, -1);
  EXPECT_THAT(verdict.flips, ElementsAre(PriceChange{kA, 34}));
  EXPECT_FALSE(verdict.holds());
}

TEST(JudgeSignTest, EqualityIsAnotherSign) {
  const PriceSweep sweep =
      MakePriceSweep(Costs(Price(20, 30, 40), Price(1, 1, 1)), {});
  EXPECT_THAT(JudgeSign(Form(3, -102), sweep).flips,
              ElementsAre(PriceChange{kA, 34}));
  EXPECT_THAT(JudgeSign(Form(-3, 75), sweep).flips,
              ElementsAre(PriceChange{kA, 25}));
}

TEST(JudgeSignTest, TheEndOfABandBelongsToIt) {
  for (const uint32_t end : {33u, 34u}) {
    const PriceSweep sweep =
        MakePriceSweep(Costs(Price(30, 30, end), Price(1, 1, 1)), {});
    EXPECT_EQ(JudgeSign(Form(3, -100), sweep).flips.size(), end - 33);
  }
}

TEST(JudgeSignTest, WhatIsEqualTurnsAtOnceUnlessItDoesNotDependOnPrices) {
  const PriceSweep sweep =
      MakePriceSweep(Costs(Price(20, 30, 30), Price(10, 10, 20)), {});
  EXPECT_THAT(JudgeSign(Form(1, -3), sweep).flips,
              ElementsAre(PriceChange{kA, 29}, PriceChange{kB, 11}));
  EXPECT_TRUE(JudgeSign(Form(0), sweep).holds());
}

TEST(JudgeSignTest, WhatNoneTurnsAloneTheFewestTurnTogether) {
  // -100, then -200; each price moves by 10.
  const CostTable costs =
      Costs(Price(90, 100, 110), Price(90, 100, 110), Price(90, 100, 110));
  const SignVerdict verdict =
      JudgeSign(Form(4, 7, -12), MakePriceSweep(costs, {}));
  EXPECT_EQ(verdict.sign, -1);
  EXPECT_THAT(verdict.flips, ElementsAre(PriceChange{kC, 91}));
  const SignVerdict twice =
      JudgeSign(Form(4, 7, -13), MakePriceSweep(costs, {}));
  EXPECT_THAT(twice.flips, IsEmpty());
  EXPECT_THAT(twice.together,
              ElementsAre(PriceChange{kC, 90}, PriceChange{kB, 110}));
}

TEST(JudgeSignTest, WhatNotEvenAllTurnHoldsThroughout) {
  const CostTable costs = Costs(Price(90, 100, 110), Price(90, 100, 110));
  // -200, of which the one takes 110 and the other 90; then -300.
  const SignVerdict verdict =
      JudgeSign(Form(9, -11), MakePriceSweep(costs, {}));
  EXPECT_THAT(verdict.together,
              ElementsAre(PriceChange{kB, 90}, PriceChange{kA, 110}));
  EXPECT_TRUE(JudgeSign(Form(9, -12), MakePriceSweep(costs, {})).holds());
}

TEST(JudgeSignTest, SamplesAreCountedThatSayOtherwise) {
  // Over 149.5 in 50 of 100 parts.
  const PriceSweep sweep = MakePriceSweep(
      Costs(Price(100, 120, 199), Price(299, 299, 299)), {.samples = 100});
  EXPECT_EQ(JudgeSign(Form(2, -1), sweep).samples_against, 50u);
}

TEST(JudgeSignTest, AgreesWithTryingEveryPrice) {
  std::mt19937_64 random(3);
  const CostTable costs = Costs(Price(20, 47, 90), Price(1, 13, 40));
  const PriceSweep sweep = MakePriceSweep(costs, {});
  for (int i = 0; i < 2000; ++i) {
    const PriceForm form = Form(static_cast<int64_t>(random() % 41) - 20,
                                static_cast<int64_t>(random() % 41) - 20);
    const SignVerdict verdict = JudgeSign(form, sweep);
    for (const SweptPrice& price : sweep.swept) {
      const auto flip = std::find_if(
          verdict.flips.begin(), verdict.flips.end(),
          [&](const PriceChange& f) { return f.event == price.event; });
      for (uint32_t at = price.low; at <= price.high; ++at) {
        PriceList prices = sweep.prices;
        prices[static_cast<size_t>(price.event)] = at;
        const bool turned = SignOf(ValueOf(form, prices)) != verdict.sign;
        if (flip == verdict.flips.end()) {
          EXPECT_FALSE(turned);
        } else if (verdict.sign != 0) {
          EXPECT_EQ(turned, flip->price > price.value ? at >= flip->price
                                                      : at <= flip->price);
        }
      }
    }
  }
}

}  // namespace
}  // namespace xmmu::price_sweep_test
