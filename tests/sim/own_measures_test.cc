// Figures and priced events of a policy's own, in the row of a report.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "sim/forwarding_policy.h"
#include "xmmu/sim/simulator.h"
#include "xmmu/workload/synthetic.h"

namespace xmmu::own_measures_test {
namespace {

using ::testing::HasSubstr;

const OwnEvent kLookup = {.name = "own_lookup",
                          .help = "A look into a table of the policy's own.",
                          .component = Component::kEmulation,
                          .price = 70,
                          .low = 50,
                          .high = 90,
                          .mark = Mark::kDerived,
                          .source = "assumed: ten loads"};
const OwnEvent kScan = {.name = "own_scan",
                        .help = "A scan of that table.",
                        .component = Component::kData,
                        .price = 1000,
                        .mark = Mark::kRemembered,
                        .source = "assumed"};

// Looks something up in each fault, and scans for each MOV to CR3.
class Measured final : public ForwardingPolicy {
 public:
  Measured(Host& host, std::vector<OwnEvent> events,
           std::vector<OwnFigure> figures)
      : ForwardingPolicy(host, "pinning"), figures_(std::move(figures)) {
    for (OwnEvent& event : events) {
      ids_.push_back(host.AddOwnEvent(std::move(event)));
    }
  }

  FaultOutcome HandlePageFault(VcpuContext& vcpu, const PageFault& fault,
                               const Access& access,
                               MemoryOperand& operand) override {
    ++faults_;
    if (!ids_.empty()) vcpu.cpu->clock.Charge(ids_[0]);
    if (ids_.size() > 1) vcpu.cpu->clock.Charge(ids_[1], 2);
    return ForwardingPolicy::HandlePageFault(vcpu, fault, access, operand);
  }
  void BootEnded() override { faults_ = 0; }
  std::vector<OwnFigure> Figures() const override {
    std::vector<OwnFigure> figures = figures_;
    if (!figures.empty()) figures[0].value = faults_;
    return figures;
  }

 private:
  std::vector<OwnEventId> ids_;
  std::vector<OwnFigure> figures_;
  uint64_t faults_ = 0;
};

SimulatorOptions With(std::vector<OwnEvent> events,
                      std::vector<OwnFigure> figures = {}) {
  SimulatorOptions options;
  options.custom_policy = [=](Host& host) {
    return std::make_unique<Measured>(host, events, figures);
  };
  return options;
}

OwnFigure Named(std::string name) {
  return {std::move(name), "", "A figure.", {}};
}

std::string ErrorOf(std::vector<OwnEvent> events,
                    std::vector<OwnFigure> figures = {}) {
  const auto simulator =
      Simulator::Create(With(std::move(events), std::move(figures)));
  EXPECT_EQ(simulator.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(simulator.status().message());
}

ReportRow RowOf(const SimulatorOptions& options) {
  const auto simulator = Simulator::Create(options);
  EXPECT_TRUE(simulator.ok()) << simulator.status();
  const auto workload = MakeSyntheticWorkload("fork:pages=40,cow=10");
  absl::StatusOr<ReportRow> row = (*simulator)->Run(**workload);
  EXPECT_TRUE(row.ok()) << row.status();
  return *std::move(row);
}

TEST(OwnMeasuresTest, EventsOfARegionAreThoseInIt) {
  SimulatorOptions options = With({kLookup, kScan});
  const ReportRow whole = RowOf(options);
  options.region = {.warmup = 20, .interval = 9};
  const ReportRow part = RowOf(options);
  EXPECT_LT(part.own_events[0].count, whole.own_events[0].count);
  EXPECT_EQ(part.own_events[0].count,
            part.cost.count(Counter::kHardwareFaults));
  uint64_t sum = 0;
  for (const Interval& interval : part.intervals) {
    sum += interval.cost.own_tally[1];
  }
  EXPECT_EQ(part.own_events[1].count, sum);
  EXPECT_EQ(std::accumulate(part.by_mark.begin(), part.by_mark.end(), Cycles()),
            part.cost.cycles);
  EXPECT_EQ((*Simulator::Create(options))->Row().own_events[1].count, 0u);
}

TEST(OwnMeasuresTest, EventsCountAndCostBesideAllElse) {
  const ReportRow with = RowOf(With({kLookup, kScan}));
  const ReportRow without = RowOf(With({}));
  ASSERT_EQ(with.own_events.size(), 2u);
  const uint64_t faults = with.cost.count(Counter::kHardwareFaults);
  ASSERT_GT(faults, 10u);
  EXPECT_EQ(with.own_events[0].event.name, "own_lookup");
  EXPECT_EQ(with.own_events[0].count, faults);
  EXPECT_EQ(with.own_events[0].cycles, Cycles(70 * faults));
  EXPECT_EQ(with.own_events[1].count, 2 * faults);
  EXPECT_EQ(with.own_events[1].cycles, Cycles(2000 * faults));
  EXPECT_EQ(with.cost.tally, without.cost.tally);
  EXPECT_EQ(with.cost.cycles, without.cost.cycles + Cycles(2070 * faults));
  EXPECT_EQ(with.cost.elapsed, without.cost.elapsed + Cycles(2070 * faults));
}

TEST(OwnMeasuresTest, EventsAreInTheirComponentAndMarkAndAllAddsUp) {
  const ReportRow with = RowOf(With({kLookup, kScan}));
  const ReportRow without = RowOf(With({}));
  const auto more = [&](Component component) {
    return with.cost.component(component) - without.cost.component(component);
  };
  EXPECT_EQ(more(Component::kEmulation), with.own_events[0].cycles);
  EXPECT_EQ(more(Component::kData), with.own_events[1].cycles);
  const auto more_by = [&](Mark mark) {
    const auto i = static_cast<size_t>(mark);
    return with.by_mark[i] - without.by_mark[i];
  };
  EXPECT_EQ(more_by(Mark::kDerived), with.own_events[0].cycles);
  EXPECT_EQ(more_by(Mark::kRemembered), with.own_events[1].cycles);
  EXPECT_EQ(more_by(Mark::kRead), Cycles(0));
  const auto sum = [](const auto& cycles) {
    return std::accumulate(cycles.begin(), cycles.end(), Cycles());
  };
  EXPECT_EQ(sum(with.cost.by_component), with.cost.cycles);
  EXPECT_EQ(sum(with.by_mark), with.cost.cycles);
}

// An own event of a latency's component is hidden by the same share as
// latencies.
TEST(OwnMeasuresTest, AnEventOfALatencysComponentIsHiddenLikeOne) {
  const OwnEvent events[] = {kLookup, kScan};
  for (const OwnEvent& event : events) {
    CycleClock clock{PriceList()};
    clock.SetOverlap({.hidden_per_mille = 250});
    clock.Charge(clock.AddOwnEvent(event.component, event.price), 4);
    EXPECT_EQ(clock.busy(), Cycles(4 * event.price));
    const bool latency = event.component == Component::kData;
    EXPECT_EQ(clock.hidden(), Cycles(latency ? event.price : 0));
  }
}

TEST(OwnMeasuresTest, FiguresAreOfTheEndAndMayLeaveOutTheBoot) {
  const OwnFigure faults = {"own_faults", "faults", "Faults handled.", {}};
  const OwnFigure share = {"own_share", "", "A share.", 0.25};
  const ReportRow row = RowOf(With({}, {faults, share}));
  ASSERT_EQ(row.figures.size(), 2u);
  EXPECT_EQ(row.figures[0].name, "own_faults");
  EXPECT_EQ(row.figures[0].unit, "faults");
  EXPECT_EQ(std::get<uint64_t>(row.figures[0].value),
            row.cost.count(Counter::kHardwareFaults));
  EXPECT_EQ(std::get<double>(row.figures[1].value), 0.25);
}

TEST(OwnMeasuresTest, BuiltInPoliciesHaveNone) {
  for (const PolicyEntry& entry : Policies()) {
    const auto simulator =
        Simulator::Create({.policy = std::string(entry.name)});
    ASSERT_TRUE(simulator.ok());
    EXPECT_TRUE((*simulator)->Row().figures.empty()) << entry.name;
    EXPECT_TRUE((*simulator)->Row().own_events.empty()) << entry.name;
  }
}

TEST(OwnMeasuresTest, NamesThatWouldBreakAReportAreRefused) {
  OwnEvent odd = kLookup;
  odd.name = "a b";
  EXPECT_THAT(ErrorOf({odd}), HasSubstr("own event name 'a b': want letters"));
  EXPECT_THAT(ErrorOf({}, {Named("x,y")}), HasSubstr("figure name 'x,y'"));
  EXPECT_THAT(ErrorOf({}, {Named("")}), HasSubstr("figure name ''"));
}

TEST(OwnMeasuresTest, NamesThatSomethingElseHasAreRefused) {
  // A price, a component, a counter.
  for (const char* const name : {"invlpg", "guest_kernel", "vm_exits"}) {
    EXPECT_THAT(ErrorOf({}, {Named(name)}), HasSubstr("has it already"));
    OwnEvent event = kLookup;
    event.name = name;
    EXPECT_THAT(ErrorOf({event}), HasSubstr("has it already"));
  }
  EXPECT_THAT(ErrorOf({kLookup, kLookup}), HasSubstr("'own_lookup'"));
  EXPECT_THAT(ErrorOf({}, {Named("n"), Named("n")}), HasSubstr("'n'"));
  EXPECT_THAT(ErrorOf({kLookup}, {Named("own_lookup")}),
              HasSubstr("figure name 'own_lookup'"));
}

TEST(OwnMeasuresTest, AnEventSaysWhereItsPriceIsFrom) {
  OwnEvent event = kLookup;
  event.source.clear();
  EXPECT_THAT(ErrorOf({event}), HasSubstr("'own_lookup': no source"));
}

TEST(OwnMeasuresTest, APriceLiesWithinItsBand) {
  OwnEvent event = kLookup;
  for (const uint32_t inside : {50u, 90u}) {
    event.price = inside;
    EXPECT_TRUE(Simulator::Create(With({event})).ok());
  }
  for (const uint32_t outside : {49u, 91u}) {
    event.price = outside;
    EXPECT_THAT(ErrorOf({event}), HasSubstr("is not within 50 to 90"));
  }
}

TEST(OwnMeasuresTest, AComponentAndAMarkThatThereIsNot) {
  OwnEvent event = kLookup;
  event.component = static_cast<Component>(kComponentCount);
  EXPECT_THAT(ErrorOf({event}), HasSubstr("no such component"));
  event = kLookup;
  event.mark = static_cast<Mark>(kMarkCount);
  EXPECT_THAT(ErrorOf({event}), HasSubstr("no such mark"));
}

}  // namespace
}  // namespace xmmu::own_measures_test
