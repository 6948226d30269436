#include "xmmu/base/overlap.h"

#include <gtest/gtest.h>

#include "xmmu/base/cycles.h"

namespace xmmu::overlap_test {
namespace {

// A walk is 50 cycles, a TLB hit 10, an access 1, an exception 100.
class OverlapTest : public ::testing::Test {
 protected:
  static PriceList Prices() {
    PriceList prices{};
    prices[static_cast<size_t>(CostEvent::kAccess)] = 1;
    prices[static_cast<size_t>(CostEvent::kTlbL2Hit)] = 10;
    prices[static_cast<size_t>(CostEvent::kWalkOverhead)] = 20;
    prices[static_cast<size_t>(CostEvent::kPteLoadL1)] = 30;
    prices[static_cast<size_t>(CostEvent::kExceptionEntry)] = 100;
    return prices;
  }

  CycleClock Clock(int walkers, int per_mille) {
    CycleClock clock(Prices());
    clock.SetOverlap({walkers, per_mille});
    return clock;
  }

  static void Walk(CycleClock& clock) {
    const Cycles begin = clock.now();
    clock.Charge(CostEvent::kWalkOverhead);
    clock.Charge(CostEvent::kPteLoadL1);
    clock.LeaveToWalker(begin);
  }
};

TEST_F(OverlapTest, OneWalkerHidesNothing) {
  CycleClock clock = Clock(1, 0);
  EXPECT_FALSE(clock.overlaps());
  Walk(clock);
  Walk(clock);
  EXPECT_EQ(clock.hidden(), Cycles(0));
  EXPECT_EQ(clock.now(), Cycles(100));
}

TEST_F(OverlapTest, OneWalkerIsWaitedForBesideAShareToo) {
  CycleClock clock = Clock(1, 1);
  Walk(clock);
  clock.Charge(CostEvent::kAccess);
  EXPECT_EQ(clock.hidden(), Cycles(0));  // 0.05 cycles
  EXPECT_EQ(clock.now(), Cycles(51));
}

TEST_F(OverlapTest, WithAWalkerFreeTheProgramGoesOnAtOnce) {
  CycleClock clock = Clock(2, 0);
  Walk(clock);
  EXPECT_EQ(clock.now(), Cycles(0));
  EXPECT_EQ(clock.hidden(), Cycles(50));
  EXPECT_EQ(clock.busy(), Cycles(50));
}

TEST_F(OverlapTest, WithAllWalkersBusyItWaitsForTheFirstToEnd) {
  CycleClock clock = Clock(2, 0);
  Walk(clock);  // until 50
  clock.Charge(CostEvent::kAccess, 20);
  Walk(clock);  // from 20 to 70
  EXPECT_EQ(clock.now(), Cycles(50));
  EXPECT_EQ(clock.hidden(), Cycles(70));
}

TEST_F(OverlapTest, AWalkThatHasEndedLeavesItsWalkerFree) {
  for (const uint64_t accesses : {49u, 50u}) {
    CycleClock clock = Clock(2, 0);
    Walk(clock);  // until 50
    clock.Charge(CostEvent::kAccess, accesses);
    Walk(clock);
    EXPECT_EQ(clock.now(), Cycles(50));
    clock.Charge(CostEvent::kAccess);
    EXPECT_EQ(clock.hidden(), Cycles(accesses == 49 ? 99 : 100));
  }
}

TEST_F(OverlapTest, AllElseWaitsForEveryWalk) {
  CycleClock clock = Clock(4, 0);
  Walk(clock);
  clock.Charge(CostEvent::kAccess, 5);
  Walk(clock);  // until 55
  EXPECT_EQ(clock.now(), Cycles(5));
  clock.Charge(CostEvent::kExceptionEntry);
  EXPECT_EQ(clock.now(), Cycles(155));
  EXPECT_EQ(clock.busy(), Cycles(205));
  EXPECT_EQ(clock.hidden(), Cycles(50));
}

TEST_F(OverlapTest, NothingIsWaitedForThatHasEnded) {
  CycleClock clock = Clock(4, 0);
  Walk(clock);
  clock.Charge(CostEvent::kAccess, 60);
  clock.Charge(CostEvent::kExceptionEntry);
  EXPECT_EQ(clock.now(), Cycles(160));
  EXPECT_EQ(clock.hidden(), Cycles(50));
}

TEST_F(OverlapTest, IdleTimeLetsWalksEnd) {
  CycleClock clock = Clock(4, 0);
  Walk(clock);
  clock.AdvanceTo(Cycles(50));
  EXPECT_EQ(clock.idle(), Cycles(50));
  clock.Charge(CostEvent::kExceptionEntry);
  EXPECT_EQ(clock.now(), Cycles(150));
}

TEST_F(OverlapTest, AShareOfEachLatencyIsHiddenAndNoFractionLost) {
  CycleClock clock = Clock(1, 250);
  clock.Charge(CostEvent::kTlbL2Hit);  // 2.5
  EXPECT_EQ(clock.hidden(), Cycles(2));
  clock.Charge(CostEvent::kTlbL2Hit);
  EXPECT_EQ(clock.hidden(), Cycles(5));
  EXPECT_EQ(clock.now(), Cycles(15));
}

TEST_F(OverlapTest, OfAllElseNothingIsHidden) {
  CycleClock clock = Clock(1, 1000);
  clock.Charge(CostEvent::kAccess, 7);
  clock.Charge(CostEvent::kExceptionEntry);
  clock.Charge(CostEvent::kTlbL2Hit, 3);
  EXPECT_EQ(clock.hidden(), Cycles(30));
  EXPECT_EQ(clock.now(), Cycles(107));
}

TEST_F(OverlapTest, AShareShortensTheWalksThatWalkersOverlap) {
  CycleClock clock = Clock(2, 500);
  Walk(clock);  // 25 cycles are left of it
  Walk(clock);
  EXPECT_EQ(clock.now(), Cycles(25));
  clock.Charge(CostEvent::kExceptionEntry);
  EXPECT_EQ(clock.now(), Cycles(125));
  EXPECT_EQ(clock.hidden(), Cycles(75));
}

TEST_F(OverlapTest, MoreWalkersNeverHideLess) {
  uint64_t last = ~uint64_t{0};
  for (int walkers = 1; walkers <= kMaxWalkers; ++walkers) {
    CycleClock clock = Clock(walkers, 0);
    for (uint64_t i = 0; i < 200; ++i) {
      Walk(clock);
      clock.Charge(CostEvent::kAccess, i * 7 % 11);
      if (i % 50 == 49) clock.Charge(CostEvent::kExceptionEntry);
    }
    EXPECT_LE(clock.now().count(), last) << walkers;
    EXPECT_EQ(clock.now(), clock.busy() - clock.hidden());
    last = clock.now().count();
  }
}

}  // namespace
}  // namespace xmmu::overlap_test
