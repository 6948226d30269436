#include "xmmu/testing/matchers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>

#include "testing/failures.h"

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
            "cr3_loads 5, whose page_faults is 16 (counting " +
                std::string(CounterHelp(Counter::kHardwareFaults)) +
                "; beside it guest_page_faults 15, fixed_faults 1)");
}

TEST(MatchersTest, AFailureOfACounterNamesOthersOfItsKindThatCounted) {
  EXPECT_THAT(
      FailureOf(Flushes(0), Example()),
      HasSubstr("; beside it tlb_page_flushes 7, ipis 8, cr3_loads 5)"));
  EXPECT_THAT(FailureOf(CounterIs(Counter::kPteStores, 1), Example()),
              HasSubstr("; by halves counts once)"));
  EXPECT_THAT(FailureOf(CounterIs(Counter::kAccesses, 1), Example()),
              HasSubstr("; beside it page_walks 20)"));
}

TEST(MatchersTest, AFailureOfCyclesNamesTheLargestComponents) {
  EXPECT_THAT(FailureOf(CyclesBelow(1000), Example()),
              HasSubstr("whose cycles is 1000 (most of them validation 600 "
                        "(60.0 %), execute 400 (40.0 %))"));
  EXPECT_THAT(
      FailureOf(ElapsedCycles(1), Example()),
      HasSubstr("whose elapsed cycles is 1500 (1000 cycles were charged "
                "on all CPUs, 0 of them hidden by others)"));
}

TEST(MatchersTest, AFailureOfAComponentSaysWhatWasChargedToIt) {
  EXPECT_THAT(
      FailureOf(ComponentCycles(Component::kValidation, Le(500)), Example()),
      AllOf(HasSubstr("Expected: cycles of validation is <= 500\n"),
            HasSubstr("whose cycles of validation is 600 (for validate_pte 512 "
                      "times; 60.0 % of 1000)")));
  EXPECT_THAT(FailureOf(ComponentCycles(Component::kCr3, 1), Example()),
              HasSubstr("whose cycles of cr3 is 0 (of 1000 in all)"));
}

TEST(MatchersTest, AFailureOfAnEventSaysWhereItIsCharged) {
  EXPECT_THAT(FailureOf(Charged(CostEvent::kValidatePte, 1), Example()),
              HasSubstr("whose number of validate_pte is 512 (charged to "
                        "validation, whose cycles are 600)"));
}

TEST(MatchersTest, NoCostAtAllIsExplainedToo) {
  EXPECT_THAT(FailureOf(CyclesAre(1), Cost()), HasSubstr("whose cycles is 0"));
  EXPECT_THAT(FailureOf(PageFaults(1), Cost()),
              HasSubstr("whose page_faults is 0 (counting #PF"));
}

TEST(MatchersTest, AFigureThatThereIsNoneOfFailsAtTheCallersLine) {
  const int line = __LINE__ + 1;
  const auto failures = FailuresOf([] { CounterIs(Counter(255), 0); });
  ASSERT_EQ(failures.size(), 1u);
  EXPECT_EQ(failures[0].line, line);
  EXPECT_THAT(failures[0].text, HasSubstr("there is no counter 255"));
  EXPECT_THAT(OneFailureOf([] { ComponentCycles(Component(200), 0); }),
              HasSubstr("there is no component 200"));
  EXPECT_THAT(OneFailureOf([] { Charged(CostEvent(200), 0); }),
              HasSubstr("there is no cost event 200"));
}

TEST(MatchersTest, ALimitIsOneCycleAtLeast) {
  EXPECT_THAT(Cost(), CyclesBelow(1));
  EXPECT_THAT(OneFailureOf([] { CyclesBelow(0); }),
              HasSubstr("a limit of 0 cycles"));
  EXPECT_THAT(OneFailureOf([] { CyclesBelow(~uint64_t{0}); }),
              HasSubstr("a limit of -1 cycles"));
}

TEST(MatchersTest, ANegationIsDescribedAsOne) {
  std::ostringstream text;
  CostMatcher(Not(Hypercalls(3))).DescribeTo(&text);
  EXPECT_EQ(text.str(), "hypercalls isn't equal to 3");
}

}  // namespace
}  // namespace xmmu::testing
