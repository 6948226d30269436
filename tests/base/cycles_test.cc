#include "xmmu/base/cycles.h"

#include <numeric>
#include <set>

#include "gtest/gtest.h"

namespace xmmu::cycles_test {
namespace {

// The price of event i is i + 1.
PriceList DistinctPrices() {
  PriceList prices;
  std::iota(prices.begin(), prices.end(), 1);
  return prices;
}

TEST(CycleClockTest, ChargesThePriceOfTheEventTimesItsNumber) {
  CycleClock clock(DistinctPrices());
  clock.Charge(CostEvent::kEmulate);
  clock.Charge(CostEvent::kLockedOp, 3);
  const uint64_t emulate = static_cast<uint64_t>(CostEvent::kEmulate) + 1;
  const uint64_t locked = static_cast<uint64_t>(CostEvent::kLockedOp) + 1;
  EXPECT_EQ(clock.busy(), Cycles(emulate + 3 * locked));
  EXPECT_EQ(clock.tally(CostEvent::kLockedOp), 3u);
  EXPECT_EQ(clock.charged(CostEvent::kLockedOp), Cycles(3 * locked));
}

TEST(CycleClockTest, ComponentsAddUpToTheBusyCycles) {
  CycleClock clock(DistinctPrices());
  for (size_t i = 0; i < kCostEventCount; ++i) {
    clock.Charge(static_cast<CostEvent>(i), i * i + 1);
  }
  Cycles sum;
  for (Cycles cycles : clock.by_component()) sum += cycles;
  EXPECT_EQ(sum, clock.busy());
}

TEST(CycleClockTest, IdleTimePassesButIsNotCharged) {
  CycleClock clock(DistinctPrices());
  clock.Charge(CostEvent::kAccess);
  clock.AdvanceTo(Cycles(100));
  EXPECT_EQ(clock.now(), Cycles(100));
  EXPECT_EQ(clock.busy(), Cycles(1));
  EXPECT_EQ(clock.idle(), Cycles(99));
}

TEST(CycleClockTest, TimeDoesNotGoBack) {
  CycleClock clock(DistinctPrices());
  clock.AdvanceTo(Cycles(100));
  clock.AdvanceTo(Cycles(99));
  EXPECT_EQ(clock.now(), Cycles(100));
}

TEST(CostEventTest, NamesAreDistinctAndExplained) {
  std::set<std::string_view> names;
  for (size_t i = 0; i < kCostEventCount; ++i) {
    const auto event = static_cast<CostEvent>(i);
    EXPECT_TRUE(names.insert(CostEventName(event)).second)
        << CostEventName(event);
    EXPECT_FALSE(CostEventHelp(event).empty());
  }
}

TEST(CostEventTest, EveryComponentHasAnEvent) {
  std::set<Component> used;
  for (size_t i = 0; i < kCostEventCount; ++i) {
    used.insert(ComponentOf(static_cast<CostEvent>(i)));
  }
  EXPECT_EQ(used.size(), kComponentCount);
}

}  // namespace
}  // namespace xmmu::cycles_test
