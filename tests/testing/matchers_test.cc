#include "xmmu/testing/matchers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>

namespace xmmu::testing {
namespace {

using ::testing::AllOf;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::Le;
using ::testing::Not;

Cost Example() {
  Cost cost;
  cost.cycles = Cycles(1000);
  cost.elapsed = Cycles(1500);
  cost.by_component[static_cast<size_t>(Component::kValidation)] = Cycles(600);
  cost.by_component[static_cast<size_t>(Component::kExecute)] = Cycles(400);
  cost.tally[static_cast<size_t>(CostEvent::kValidatePte)] = 512;
  cost.counters.Add(Counter::kHardwareFaults, 16);
  cost.counters.Add(Counter::kGuestFaults, 15);
  cost.counters.Add(Counter::kFixedFaults, 1);
  cost.counters.Add(Counter::kPageWalks, 20);
  cost.counters.Add(Counter::kHypercalls, 3);
  cost.counters.Add(Counter::kPtwrEmulations, 4);
  cost.counters.Add(Counter::kValidatedPtes, 512);
  cost.counters.Add(Counter::kPins, 2);
  cost.counters.Add(Counter::kCr3Loads, 5);
  cost.counters.Add(Counter::kTlbFlushes, 6);
  cost.counters.Add(Counter::kTlbPageFlushes, 7);
  cost.counters.Add(Counter::kIpis, 8);
  return cost;
}

// What GoogleMock says when `matcher` refuses `cost`.
std::string FailureOf(const CostMatcher& matcher, const Cost& cost) {
  ::testing::StringMatchResultListener why;
  EXPECT_FALSE(matcher.MatchAndExplain(cost, &why));
  std::ostringstream text;
  text << "Expected: ";
  matcher.DescribeTo(&text);
  text << "\n  Actual: " << ::testing::PrintToString(cost) << ", " << why.str();
  return text.str();
}

TEST(MatchersTest, EachReadsItsOwnFigure) {
  EXPECT_THAT(Example(),
              AllOf(PageFaults(16), GuestFaults(15), FixedFaults(1), Walks(20),
                    Hypercalls(3), Emulations(4), ValidatedPtes(512), Pins(2)));
  EXPECT_THAT(Example(),
              AllOf(Cr3Loads(5), Flushes(6), PageFlushes(7), Ipis(8)));
}

TEST(MatchersTest, TakeMatchersOfNumbers) {
  EXPECT_THAT(Example(), AllOf(PageFaults(Le(16)), PageFaults(Ge(16)),
                               Not(PageFaults(Le(15)))));
}

TEST(MatchersTest, AnyCounterComponentOrEventCanBeMatched) {
  EXPECT_THAT(Example(), CounterIs(Counter::kValidatedPtes, 512));
  EXPECT_THAT(Example(), ComponentCycles(Component::kValidation, 600));
  EXPECT_THAT(Example(), Charged(CostEvent::kValidatePte, 512));
}

TEST(MatchersTest, CyclesBelowIsStrict) {
  EXPECT_THAT(Example(), CyclesAre(1000));
  EXPECT_THAT(Example(), CyclesBelow(1001));
  EXPECT_THAT(Example(), Not(CyclesBelow(1000)));
  EXPECT_THAT(Example(), ElapsedCycles(1500));
}

TEST(MatchersTest, AFailureSaysWantedGotAndTheWholeCost) {
  EXPECT_EQ(FailureOf(PageFaults(17), Example()),
            "Expected: page_faults is equal to 17\n"
            "  Actual: 1000 cycles (execute 400, validation 600); "
            "page_walks 20, page_faults 16, guest_page_faults 15, "
            "fixed_faults 1, ptwr_emulations 4, hypercalls 3, pins 2, "
            "validated_ptes 512, tlb_flushes 6, tlb_page_flushes 7, ipis 8, "
            "cr3_loads 5, whose page_faults is 16");
}

TEST(MatchersTest, AFailureOfAComponentNamesIt) {
  EXPECT_THAT(
      FailureOf(ComponentCycles(Component::kValidation, Le(500)), Example()),
      AllOf(HasSubstr("Expected: cycles of validation is <= 500\n"),
            HasSubstr("whose cycles of validation is 600")));
}

TEST(MatchersTest, ANegationIsDescribedAsOne) {
  std::ostringstream text;
  CostMatcher(Not(Hypercalls(3))).DescribeTo(&text);
  EXPECT_EQ(text.str(), "hypercalls isn't equal to 3");
}

}  // namespace
}  // namespace xmmu::testing
