#include "xmmu/study/explain.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "study/explain/story_events.h"
#include "xmmu/workload/synthetic.h"

namespace xmmu::explain_test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// All strategies and variants that a guest of `mode` runs under, on `machine`.
ComparisonPlan AllRows(const std::string& machine, PagingMode mode) {
  ComparisonOptions options;
  options.base.machine = machine;
  options.base.mode = mode;
  options.base.guest_memory_bytes = uint64_t{64} << 20;
  options.leave_out_unsupported = true;
  options.policies.clear();
  for (const PolicyEntry& entry : Policies()) {
    options.policies.push_back({std::string(entry.name), {}});
  }
  auto plan = PlanComparison(options);
  EXPECT_TRUE(plan.ok()) << plan.status();
  return *std::move(plan);
}

ComparisonPlan PlanOf(std::vector<PolicyChoice> policies) {
  ComparisonOptions options;
  options.policies = std::move(policies);
  options.pins = {PinWhen::kLate};
  return *PlanComparison(options);
}

Explanation Told(std::string event, std::vector<PolicyChoice> policies,
                 const std::string& machine = "xeon-2003",
                 PagingMode mode = PagingMode::kPae) {
  ComparisonOptions options;
  options.base.machine = machine;
  options.base.mode = mode;
  options.base.vcpus = FindStoryEvent(event)->vcpus;
  options.policies = std::move(policies);
  options.pins = {PinWhen::kLate};
  ExplainOptions explain;
  explain.plan = *PlanComparison(options);
  explain.event = std::move(event);
  auto explanation = Explain(explain);
  EXPECT_TRUE(explanation.ok()) << explanation.status();
  return *std::move(explanation);
}

// The sum of the leaves; each step is held against what is within it.
Cycles LeavesOf(const std::vector<StoryStep>& steps) {
  Cycles sum;
  for (const StoryStep& step : steps) {
    const Cycles inner = LeavesOf(step.steps);
    if (step.price.has_value()) {
      EXPECT_THAT(step.steps, IsEmpty());
      EXPECT_EQ(step.cycles.count(), step.price->times * step.price->price);
      sum += step.cycles;
    } else {
      EXPECT_EQ(step.cycles, inner) << step.what;
    }
    sum += inner;
  }
  return sum;
}

// How often `event` was charged in all.
uint64_t Charged(const std::vector<StoryStep>& steps, std::string_view event) {
  uint64_t times = 0;
  for (const StoryStep& step : steps) {
    if (step.price.has_value() && step.price->event == event) {
      times += step.price->times;
    }
    times += Charged(step.steps, event);
  }
  return times;
}

// Whether a step of that name is within a step of Xen's.
bool HasStep(const std::vector<StoryStep>& steps, std::string_view what,
             StoryActor actor) {
  for (const StoryStep& step : steps) {
    if (step.what == what && step.actor == actor) return true;
    if (HasStep(step.steps, what, actor)) return true;
  }
  return false;
}

struct World {
  const char* machine;
  PagingMode mode;
};

class EveryWorldTest : public ::testing::TestWithParam<World> {};

TEST_P(EveryWorldTest, LeavesAddUpToTheClocksForEveryEventUnderEveryStrategy) {
  const World world = GetParam();
  ExplainOptions options;
  options.plan = AllRows(world.machine, world.mode);
  for (const StoryEvent& event : StoryEvents()) {
    options.event = event.name;
    for (SimulatorOptions& row : options.plan.rows) row.vcpus = event.vcpus;
    const auto explanation = Explain(options);
    ASSERT_TRUE(explanation.ok()) << event.name << explanation.status();
    for (const Story& story : explanation->stories) {
      SCOPED_TRACE(std::string(event.name) + " " + RowLabel(story.row));
      EXPECT_EQ(story.absent.empty(), !story.steps.empty());
      if (!story.absent.empty()) continue;
      EXPECT_GT(story.row.cost.cycles, Cycles());
      EXPECT_EQ(LeavesOf(story.steps), story.row.cost.cycles);
      for (size_t i = 0; i < kCostEventCount; ++i) {
        const auto charge = static_cast<CostEvent>(i);
        const uint64_t told = Charged(story.steps, CostEventName(charge));
        // What is free is no step.
        if (told == 0) continue;
        EXPECT_EQ(told, story.row.cost.count(charge)) << CostEventName(charge);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, EveryWorldTest,
    ::testing::Values(World{"xeon-2003", PagingMode::k2Level},
                      World{"xeon-2003", PagingMode::kPae},
                      World{"opteron-2005", PagingMode::kPae},
                      World{"core2-2006", PagingMode::k4Level},
                      World{"skylake-2017", PagingMode::k4Level},
                      World{"zen2-2019", PagingMode::k5Level}),
    [](const ::testing::TestParamInfo<World>& world) {
      std::string name = world.param.machine;
      for (char& c : name) c = c == '-' ? '_' : c;
      return name + "_" + std::to_string(LevelCount(world.param.mode));
    });

TEST(ExplainTest, TellingChargesNothing) {
  for (const StoryEvent& event : StoryEvents()) {
    const Explanation told =
        Told(std::string(event.name), {{"trap-and-emulate", {}}});
    auto guest = GuestDriver::Create({.vcpus = event.vcpus,
                                      .policy = "trap-and-emulate",
                                      .pin = PinWhen::kLate});
    ASSERT_TRUE(guest.ok());
    const StoryScript* const script = FindStoryScript(event.name);
    Scene scene{*guest, std::max<uint64_t>(1, event.pages)};
    if (script->absent != nullptr && !script->absent(scene).empty()) continue;
    script->prepare(scene);
    const Cost cost = guest->Measure([&] { script->act(scene); });
    EXPECT_EQ(told.stories[0].row.cost, cost) << event.name;
  }
}

TEST(ExplainTest, LoadsAreServedWhereTheirNamesSay) {
  const std::string machine = "skylake-2017";
  const auto cost = [&](const char* event) {
    return Told(event, {{"native", {}}}, machine, PagingMode::k4Level)
        .stories[0]
        .row.cost;
  };
  EXPECT_EQ(cost("load-hit").count(Counter::kTlbL1Hits), 1u);
  EXPECT_EQ(cost("load-hit").cycles, Cycles(1));
  EXPECT_EQ(cost("load-l2-hit").count(Counter::kTlbL2Hits), 1u);
  EXPECT_EQ(cost("load-l2-hit").count(Counter::kPageWalks), 0u);
  EXPECT_EQ(cost("load-miss").count(Counter::kPteLoads), 4u);
  EXPECT_EQ(cost("load-miss").count(CostEvent::kPteLoadDram), 0u);
  EXPECT_EQ(cost("load-cold").count(CostEvent::kPteLoadDram), 4u);
}

TEST(ExplainTest, AMachineWithoutSecondLevelSaysSo) {
  const Explanation told = Told("load-l2-hit", {{"native", {}}});
  EXPECT_THAT(told.stories[0].absent,
              HasSubstr("xeon-2003 has no second-level TLB"));
}

TEST(ExplainTest, EveryMachineWithASecondLevelHasAHitOfIt) {
  for (const MachineModel* const machine : Machines()) {
    const PagingMode mode =
        machine->features.long_mode ? PagingMode::k4Level : PagingMode::kPae;
    const Story story =
        Told("load-l2-hit", {{"native", {}}}, std::string(machine->name), mode)
            .stories[0];
    if (!story.absent.empty()) continue;
    EXPECT_EQ(story.row.cost.count(Counter::kTlbL2Hits), 1u) << machine->name;
  }
}

TEST(ExplainTest, AWriteFaultCopiesThePageAndADemandFaultZeroesOne) {
  for (const char* policy :
       {"native", "pinning", "xi-shadow", "shadow-2008", "nested-paging"}) {
    const Story copy = Told("write-fault", {{policy, {}}}).stories[0];
    // shadow-2008 also copies the table that goes out of sync.
    const uint64_t copies = std::string(policy) == "shadow-2008" ? 2 : 1;
    EXPECT_EQ(Charged(copy.steps, "copy_page"), copies) << policy;
    EXPECT_EQ(copy.row.cost.count(Counter::kGuestFaults), 1u) << policy;
    const Story zero = Told("demand-zero", {{policy, {}}}).stories[0];
    EXPECT_EQ(Charged(zero.steps, "zero_page"), 1u) << policy;
    EXPECT_EQ(zero.row.cost.count(Counter::kGuestFaults), 1u) << policy;
  }
}

TEST(ExplainTest, AFirstStoreToATableOpensItAndTheNextOneIsFree) {
  const auto cost = [](const char* event, const char* policy) {
    return Told(event, {{policy, {}}}).stories[0].row.cost;
  };
  const char* const opening = "writable-page-tables";
  EXPECT_EQ(cost("table-store", opening).count(Counter::kPtwrActive), 1u);
  EXPECT_EQ(cost("table-store-again", opening).count(Counter::kPtwrActive), 0u);
  EXPECT_EQ(cost("table-store", "xi-shadow").count(Counter::kShadowOpened), 1u);
  EXPECT_EQ(cost("table-store-again", "xi-shadow").count(Counter::kVmExits),
            0u);
  EXPECT_EQ(cost("table-store-again", "trap-and-emulate")
                .count(Counter::kPtwrEmulations),
            1u);
}

TEST(ExplainTest, HypercallsAreNamedAndAbsentWhereNobodyMakesThem) {
  const Explanation told =
      Told("update-va-mapping", {{"pinning", {}}, {"xi-shadow", {}}});
  EXPECT_TRUE(
      HasStep(told.stories[0].steps, "do_update_va_mapping", StoryActor::kXen));
  EXPECT_THAT(told.stories[1].absent,
              HasSubstr("a guest of xi-shadow makes no hypercalls"));
  EXPECT_THAT(told.stories[1].steps, IsEmpty());
  const Explanation store =
      Told("table-store", {{"pinning", {}}, {"nested-paging", {}}});
  EXPECT_THAT(store.stories[0].absent, HasSubstr("does not store"));
  EXPECT_THAT(store.stories[1].absent, IsEmpty());
}

TEST(ExplainTest, UnmappingWithThreadsInterruptsTheOtherVcpus) {
  for (const char* policy : {"native", "pinning", "xi-shadow"}) {
    const Story story = Told("munmap", {{policy, {}}}).stories[0];
    EXPECT_GE(Charged(story.steps, "ipi_handler"), 1u) << policy;
  }
}

TEST(ExplainTest, ASwitchLoadsCr3) {
  for (const char* policy : {"native", "pinning", "xi-shadow"}) {
    const Story story = Told("cr3-switch", {{policy, {}}}).stories[0];
    EXPECT_EQ(story.row.cost.count(Counter::kContextSwitches), 1u) << policy;
    EXPECT_GE(Charged(story.steps, "mov_cr3"), 1u) << policy;
  }
}

TEST(ExplainTest, MorePagesAreMoreOfTheSame) {
  ExplainOptions options;
  options.plan = PlanOf({{"native", {}}});
  options.event = "fork";
  options.pages = 1;
  const auto one = Explain(options);
  options.pages = 100;
  const auto many = Explain(options);
  ASSERT_TRUE(one.ok() && many.ok());
  EXPECT_GT(many->stories[0].row.cost.cycles, one->stories[0].row.cost.cycles);
  EXPECT_LT(many->stories[0].steps.size(), 100u);
}

TEST(ExplainTest, TheFaultOfAWorkloadIsTheSameOperationUnderAllStrategies) {
  ExplainOptions options;
  options.plan = PlanOf(
      {{"native", {}}, {"writable-page-tables", {}}, {"shadow-2006", {}}});
  options.workload = [](const SimulatorOptions&) {
    return MakeSyntheticWorkload("touch:pages=20");
  };
  options.fault = 7;
  const auto told = Explain(options);
  ASSERT_TRUE(told.ok()) << told.status();
  EXPECT_EQ(told->event, "fault 7");
  EXPECT_THAT(told->help, HasSubstr("store, "));
  for (const Story& story : told->stories) {
    EXPECT_EQ(LeavesOf(story.steps), story.row.cost.cycles);
    EXPECT_EQ(Charged(story.steps, "zero_page"), 1u) << story.row.policy;
  }
}

TEST(ExplainTest, WhatCannotBeToldIsRefusedInALine) {
  ExplainOptions options;
  options.plan = PlanOf({{"native", {}}});
  options.event = "wirte-fault";
  EXPECT_THAT(Explain(options).status().message(),
              HasSubstr("did you mean \"write-fault\"?"));
  options.event = "load-hit";
  options.pages = 2;
  EXPECT_THAT(Explain(options).status().message(),
              HasSubstr("of other events than load-hit"));
  options.event = "fork";
  options.pages = kMostStoryPages + 1;
  EXPECT_THAT(Explain(options).status().message(), HasSubstr("want 1 to 512"));
  options.pages = kMostStoryPages;
  EXPECT_TRUE(Explain(options).ok());
  options.plan.rows[0].overlap.walkers = 2;
  EXPECT_THAT(Explain(options).status().message(), HasSubstr("overlaps"));
}

TEST(ExplainTest, ADocumentHasEveryStepInEveryFormat) {
  const Explanation told =
      Told("write-fault", {{"pinning", {}}, {"nested-paging", {}}});
  const Document document = ExplanationDocument(told);
  const std::string text = Render(document, ReportFormat::kText);
  EXPECT_THAT(text, HasSubstr("do_update_va_mapping"));
  EXPECT_THAT(text, HasSubstr("[1] "));
  const std::string json = Render(document, ReportFormat::kJson);
  EXPECT_THAT(json, HasSubstr("\"step\": \"do_update_va_mapping\""));
  EXPECT_THAT(json, Not(HasSubstr("\"number\"")));
  const std::string csv = Render(document, ReportFormat::kCsv);
  EXPECT_THAT(csv, HasSubstr(",do_update_va_mapping,"));
  EXPECT_FALSE(document.charts.empty());
  // Each line of CSV with a price is one of the text.
  uint64_t cycles = 0;
  size_t price = 0;
  size_t of_step = 0;
  for (size_t i = 0; i < document.table.columns.size(); ++i) {
    if (document.table.columns[i].key == "price") price = i;
    if (document.table.columns[i].key == "cycles") of_step = i;
  }
  for (const std::vector<Cell>& line : document.table.lines) {
    if (std::holds_alternative<uint64_t>(line[price])) {
      cycles += std::get<uint64_t>(line[of_step]);
    }
  }
  EXPECT_EQ(cycles,
            (told.stories[0].row.cost.cycles + told.stories[1].row.cost.cycles)
                .count());
}

TEST(ExplainTest, AStoryThatIsAbsentIsALineOfCsvThatSaysWhy) {
  const Explanation told = Told("table-store", {{"pinning", {}}});
  const Document document = ExplanationDocument(told);
  EXPECT_EQ(document.table.lines.size(), 1u);
  EXPECT_THAT(Render(document, ReportFormat::kCsv),
              HasSubstr("does not store to page tables in use"));
  EXPECT_TRUE(document.charts.empty());
}

}  // namespace
}  // namespace xmmu::explain_test
