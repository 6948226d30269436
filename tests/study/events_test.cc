#include "study/events.h"

#include <string>

#include "gtest/gtest.h"
#include "xmmu/policy/policies.h"

namespace xmmu::events_test {
namespace {

EventCosts Measure(std::string policy, PagingMode mode = PagingMode::kPae) {
  SimulatorOptions options;
  options.policy = std::move(policy);
  options.mode = mode;
  absl::StatusOr<EventCosts> costs = MeasureEvents(options);
  EXPECT_TRUE(costs.ok()) << costs.status();
  return *std::move(costs);
}

const EventCost& Of(const EventCosts& costs, GuestEvent event) {
  return costs[static_cast<size_t>(event)];
}

uint64_t Counted(const EventCosts& costs, GuestEvent event, Counter counter) {
  return Of(costs, event).cost.count(counter);
}

TEST(EventsTest, TheTableIsInTheOrderOfTheEvents) {
  size_t index = 0;
  for (const GuestEventEntry& entry : GuestEvents()) {
    EXPECT_EQ(static_cast<size_t>(entry.event), index++);
    EXPECT_FALSE(entry.name.empty());
  }
  EXPECT_EQ(index, kGuestEventCount);
}

TEST(EventsTest, EveryStrategyIsMeasuredAndComponentsAddUp) {
  for (const PolicyEntry& policy : Policies()) {
    const EventCosts costs = Measure(std::string(policy.name));
    for (const GuestEventEntry& entry : GuestEvents()) {
      const EventCost& event = Of(costs, entry.event);
      EXPECT_GT(event.cycles(), 0u) << policy.name << " " << entry.name;
      Cycles sum;
      for (const Cycles part : event.cost.by_component) sum += part;
      EXPECT_EQ(sum, event.cost.cycles) << policy.name << " " << entry.name;
    }
  }
}

TEST(EventsTest, OnBareHardwareFaultsAreThoseThatTheirNamesSay) {
  const EventCosts costs = Measure("native");
  for (const GuestEvent event :
       {GuestEvent::kRefusedAccess, GuestEvent::kDemandFault,
        GuestEvent::kCopyFault}) {
    EXPECT_EQ(Counted(costs, event, Counter::kHardwareFaults),
              Of(costs, event).times);
  }
  // The processor sets D.
  EXPECT_EQ(Counted(costs, GuestEvent::kFirstWrite, Counter::kHardwareFaults),
            0u);
}

TEST(EventsTest, NoneOfThemLeavesAGuestUnderNestedPaging) {
  for (const EventCost& cost : Measure("nested-paging")) {
    EXPECT_EQ(cost.cost.count(Counter::kVmExits), 0u);
  }
}

TEST(EventsTest, UnderShadowsEachFaultLeavesTheGuest) {
  const EventCosts costs = Measure("xi-shadow");
  for (const GuestEvent event :
       {GuestEvent::kRefusedAccess, GuestEvent::kFirstWrite}) {
    EXPECT_EQ(Counted(costs, event, Counter::kVmExits), Of(costs, event).times);
  }
  // For the guest's fault, and again for the entry it has made.
  EXPECT_GE(Counted(costs, GuestEvent::kDemandFault, Counter::kVmExits),
            2 * Of(costs, GuestEvent::kDemandFault).times);
}

TEST(EventsTest, ManyTableWritesAtATimeTakeLessEachThanOne) {
  for (const char* policy : {"native", "xi-shadow"}) {
    const EventCosts costs = Measure(policy, PagingMode::k4Level);
    EXPECT_LT(Of(costs, GuestEvent::kTableWrites).cycles(),
              Of(costs, GuestEvent::kTableWrite).cycles());
  }
}

TEST(EventsTest, AnUnknownPolicyIsAnError) {
  EXPECT_FALSE(MeasureEvents({.policy = "no-such"}).ok());
}

}  // namespace
}  // namespace xmmu::events_test
