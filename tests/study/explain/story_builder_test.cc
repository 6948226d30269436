#include "study/explain/story_builder.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xmmu::story_builder_test {
namespace {

using ::testing::ElementsAre;

// Prices of 10, 20, 30 and so on.
CostTable Costs() {
  CostTable costs{};
  uint32_t value = 0;
  for (CostConstant& cost : costs) {
    value += 10;
    cost = {.value = value, .low = 1, .high = 1000, .source = "here"};
  }
  return costs;
}

PriceList PricesOf(const CostTable& costs) {
  PriceList prices{};
  for (size_t i = 0; i < prices.size(); ++i) prices[i] = costs[i].value;
  return prices;
}

class StoryBuilderTest : public ::testing::Test {
 protected:
  StoryBuilderTest() {
    first_.set_span_log(&log_, 0);
    second_.set_span_log(&log_, 1);
  }

  std::vector<StoryStep> Steps() { return StepsOf(log_, costs_, {}); }

  const CostTable costs_ = Costs();
  SpanLog log_{{.charges = true}};
  CycleClock first_{PricesOf(costs_)};
  CycleClock second_{PricesOf(costs_)};
};

std::vector<std::string> Names(const std::vector<StoryStep>& steps) {
  std::vector<std::string> names;
  for (const StoryStep& step : steps) {
    names.push_back((step.times > 1 ? std::to_string(step.times) + " " : "") +
                    step.what);
  }
  return names;
}

TEST_F(StoryBuilderTest, AChargeIsAStepOfTheSpanAroundItAndHasItsPrice) {
  {
    const Span outer(first_, Actor::kXen, "outer");
    {
      Span inner(first_, Actor::kXen, "inner");
      inner.Arg("level", 2).Hex("at", 0x1000).Word("kind", "L1");
      first_.Charge(CostEvent::kXenPteRead, 3);
    }
    first_.Charge(CostEvent::kEmulate);
  }
  const std::vector<StoryStep> steps = Steps();
  ASSERT_THAT(Names(steps), ElementsAre("outer"));
  ASSERT_THAT(Names(steps[0].steps), ElementsAre("inner", "emulate"));
  const StoryStep& inner = steps[0].steps[0];
  EXPECT_THAT(inner.arguments, ElementsAre(StepArgument{"level", "2"},
                                           StepArgument{"at", "0x1000"},
                                           StepArgument{"kind", "L1"}));
  ASSERT_THAT(Names(inner.steps), ElementsAre("xen_pte_read"));
  const StoryStep& leaf = inner.steps[0];
  ASSERT_TRUE(leaf.price.has_value());
  EXPECT_EQ(leaf.price->times, 3u);
  EXPECT_EQ(leaf.price->price, first_.price(CostEvent::kXenPteRead));
  EXPECT_EQ(leaf.price->source, "here");
  EXPECT_EQ(leaf.actor, StoryActor::kXen);
  EXPECT_EQ(steps[0].cycles, first_.busy());
  EXPECT_FALSE(steps[0].price.has_value());
}

TEST_F(StoryBuilderTest, AccessesOfTheProgramAreInOrderWithWhatIsAroundThem) {
  {
    const Span whole(first_, Actor::kGuestKernel, "whole");
    first_.Charge(CostEvent::kAccess, 2);
    first_.Charge(CostEvent::kTlbL2Hit);
    first_.Charge(CostEvent::kAccess);
  }
  const std::vector<StoryStep> steps = Steps();
  ASSERT_THAT(Names(steps[0].steps),
              ElementsAre("access", "tlb_l2_hit", "access"));
  EXPECT_EQ(steps[0].steps[0].actor, StoryActor::kProgram);
  EXPECT_EQ(steps[0].steps[1].actor, StoryActor::kProcessor);
  EXPECT_EQ(steps[0].cycles, first_.busy());
}

TEST_F(StoryBuilderTest, WhatAnotherCpuDoesIsAStepOfWhoeverIsAtWork) {
  {
    const Span whole(first_, Actor::kXen, "flush");
    first_.Charge(CostEvent::kIpiSend);
    {
      const Span handler(second_, Actor::kXen, "handler");
      second_.Charge(CostEvent::kIpiHandler);
    }
    first_.Charge(CostEvent::kIpiWait, 5);
  }
  const std::vector<StoryStep> steps = Steps();
  ASSERT_THAT(Names(steps), ElementsAre("flush"));
  ASSERT_THAT(Names(steps[0].steps),
              ElementsAre("ipi_send", "handler", "ipi_wait"));
  EXPECT_EQ(steps[0].steps[1].cpu, 1u);
  EXPECT_EQ(steps[0].cycles, first_.busy() + second_.busy());
}

TEST_F(StoryBuilderTest, StepsThatAreAlikeAreOneAndWhatIsInThemIsAddedUp) {
  for (int i = 0; i < 3; ++i) {
    Span one(first_, Actor::kXen, "mod_l1_entry");
    one.Arg("level", 1).Arg("index", i);
    first_.Charge(CostEvent::kLockedOp, 2);
    first_.Charge(CostEvent::kLockedOp);
    first_.Charge(CostEvent::kXenPteCas);
  }
  const std::vector<StoryStep> steps = Steps();
  ASSERT_THAT(Names(steps), ElementsAre("3 mod_l1_entry"));
  EXPECT_THAT(steps[0].arguments, ElementsAre(StepArgument{"level", "1"}));
  ASSERT_THAT(Names(steps[0].steps), ElementsAre("locked_op", "xen_pte_cas"));
  EXPECT_EQ(steps[0].steps[0].price->times, 9u);
  EXPECT_EQ(steps[0].cycles, first_.busy());
}

TEST_F(StoryBuilderTest, RowsThatComeAgainAreOneButNotAcrossWhatDiffers) {
  const auto pair = [&] {
    first_.Charge(CostEvent::kXenPteRead);
    first_.Charge(CostEvent::kXenPteWrite);
  };
  pair();
  pair();
  first_.Charge(CostEvent::kEmulate);
  pair();
  const std::vector<StoryStep> steps = Steps();
  ASSERT_THAT(Names(steps), ElementsAre("2 these steps", "emulate",
                                        "xen_pte_read", "xen_pte_write"));
  EXPECT_THAT(Names(steps[0].steps),
              ElementsAre("xen_pte_read", "xen_pte_write"));
  EXPECT_EQ(steps[0].steps[0].price->times, 2u);
  Cycles sum;
  for (const StoryStep& step : steps) sum += step.cycles;
  EXPECT_EQ(sum, first_.busy());
}

TEST_F(StoryBuilderTest, ALockedUpdateBehindAStepOfACountIsItsPrice) {
  {
    const Span outer(first_, Actor::kXen, "mod_l1_entry");
    Step(first_, Actor::kXen, "get_page").Arg("references", 2);
    first_.Charge(CostEvent::kLockedOp);
    first_.Charge(CostEvent::kLockedOp);
    Step(first_, Actor::kXen, "put_page");
    first_.Charge(CostEvent::kXenPteRead);
    Step(first_, Actor::kXen, "table goes out of sync");
    first_.Charge(CostEvent::kLockedOp);
  }
  const std::vector<StoryStep> steps = Steps();
  ASSERT_THAT(Names(steps[0].steps),
              ElementsAre("get_page", "locked_op", "put_page", "xen_pte_read",
                          "table goes out of sync", "locked_op"));
  ASSERT_TRUE(steps[0].steps[0].price.has_value());
  EXPECT_EQ(steps[0].steps[0].price->event, "locked_op");
  EXPECT_FALSE(steps[0].steps[2].price.has_value());
  EXPECT_FALSE(steps[0].steps[4].price.has_value());
  EXPECT_EQ(steps[0].cycles, first_.busy());
}

TEST_F(StoryBuilderTest, TheLoadsOfAWalkAreItsEntries) {
  {
    const Span walk(first_, Actor::kProcessor, "page walk");
    {
      const Span nested(first_, Actor::kProcessor, "nested walk");
      first_.Charge(CostEvent::kPteLoadL1);
    }
    first_.Charge(CostEvent::kPteLoadL2);
    first_.Charge(CostEvent::kPteLoadDram);
    first_.Charge(CostEvent::kWalkOverhead);
    Step(first_, Actor::kProcessor, "entry").Arg("level", 2);
    Step(first_, Actor::kProcessor, "entry").Arg("level", 1);
  }
  const std::vector<StoryStep> steps = Steps();
  ASSERT_THAT(Names(steps[0].steps),
              ElementsAre("nested walk", "entry", "entry", "walk_overhead"));
  EXPECT_EQ(steps[0].steps[1].price->event, "pte_load_l2");
  EXPECT_EQ(steps[0].steps[2].price->event, "pte_load_dram");
  EXPECT_THAT(steps[0].steps[2].arguments,
              ElementsAre(StepArgument{"level", "1"}));
  EXPECT_EQ(steps[0].cycles, first_.busy());
}

TEST_F(StoryBuilderTest, OneChargeOfFlatLoadsIsThatOfAllEntries) {
  {
    const Span walk(first_, Actor::kProcessor, "page walk");
    first_.Charge(CostEvent::kPteLoadFlat, 2);
    Step(first_, Actor::kProcessor, "entry").Arg("level", 2);
    Step(first_, Actor::kProcessor, "entry").Arg("level", 1);
  }
  const std::vector<StoryStep> steps = Steps();
  ASSERT_THAT(Names(steps[0].steps), ElementsAre("entry", "entry"));
  EXPECT_EQ(steps[0].steps[0].price->times, 1u);
  EXPECT_EQ(steps[0].cycles, first_.busy());
}

TEST_F(StoryBuilderTest, WhatAHypervisorDoesAtAnExitIsXensAndTheExitIsNot) {
  {
    const Span exit(first_, Actor::kProcessor, "VM exit");
    first_.Charge(CostEvent::kVmExit);
    first_.Charge(CostEvent::kVmExitWork);
  }
  const std::vector<StoryStep> steps = Steps();
  EXPECT_EQ(steps[0].steps[0].actor, StoryActor::kProcessor);
  EXPECT_EQ(steps[0].steps[1].actor, StoryActor::kXen);
}

TEST_F(StoryBuilderTest, StepsOfOtherContentsOrActorsStayApart) {
  {
    const Span one(first_, Actor::kXen, "step");
    first_.Charge(CostEvent::kEmulate);
  }
  { const Span two(first_, Actor::kXen, "step"); }
  { const Span three(first_, Actor::kProcessor, "step"); }
  EXPECT_THAT(Names(Steps()), ElementsAre("step", "step", "step"));
}

}  // namespace
}  // namespace xmmu::story_builder_test
