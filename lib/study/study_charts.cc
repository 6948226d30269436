#include "study/study_charts.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/text.h"
#include "study/events.h"
#include "study/sweep_report.h"
#include "xmmu/sim/results.h"

namespace xmmu {
namespace {

std::string GuestOf(const std::string& machine, PagingMode mode) {
  return absl::StrCat(machine, ", ", Abs(PagingModeName(mode)));
}

// A mark for each number of updates at which ways cross.
std::vector<ChartMark> CrossingMarks(const Crossover& crossover) {
  std::map<uint64_t, std::vector<std::string>> ways;
  for (const Crossing& crossing : crossover.crossings) {
    ways[crossing.updates].push_back(
        absl::StrCat(UpdateWayName(crossing.cheaper), " < ",
                     UpdateWayName(crossing.dearer)));
  }
  std::vector<ChartMark> marks;
  for (const auto& [updates, names] : ways) {
    marks.push_back({static_cast<double>(updates), absl::StrCat(updates),
                     absl::StrCat("from ", updates, " updates on: ",
                                  absl::StrJoin(names, ", "))});
  }
  return marks;
}

std::string GuestOf(const ShadowStudy& study) {
  return absl::StrCat(GuestOf(study.machine, study.mode), ", ", study.vcpus,
                      study.vcpus == 1 ? " vCPU" : " vCPUs");
}

// A series with a point for each category that has a value.
ChartSeries SeriesOf(std::string name, const std::vector<double>& values) {
  ChartSeries series = {std::move(name), "", {}};
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i] > 0) {
      series.points.push_back({.x = static_cast<double>(i), .y = values[i]});
    }
  }
  return series;
}

}  // namespace

Chart CrossoverChart(const Crossover& crossover) {
  Chart chart;
  chart.kind = ChartKind::kLines;
  chart.title = absl::StrCat(GuestOf(crossover.machine, crossover.mode),
                             ": cycles an update");
  chart.help =
      "Both axes are logarithmic; a dashed line stands where a way "
      "becomes cheaper than another.";
  chart.x = {"updates in one L1 table", true};
  chart.y = {"cycles an update", true};
  for (const UpdateCosts& costs : crossover.ways) {
    ChartSeries series = {UpdateWayName(costs.way), "", {}};
    for (size_t n = 1; n <= costs.cycles.size(); ++n) {
      const auto updates = static_cast<double>(n);
      series.points.push_back(
          {.x = updates,
           .y = static_cast<double>(costs.cycles[n - 1]) / updates});
    }
    chart.series.push_back(std::move(series));
  }
  chart.marks = CrossingMarks(crossover);
  return chart;
}

Chart CrossingChart(const SweptCrossover& swept) {
  const Crossover& crossover = *swept.crossover;
  Chart chart;
  chart.kind = ChartKind::kIntervals;
  chart.title = absl::StrCat(GuestOf(crossover.machine, crossover.mode),
                             ": where ways cross, whatever the prices");
  chart.help =
      "From that many updates on the first way is cheaper than the "
      "second: the dot is at the machine's own prices, the bar goes "
      "over all that were looked at.";
  chart.y = {"updates in one L1 table", true};
  ChartSeries series = {"from so many updates on", "", {}};
  for (const CrossingVerdict& verdict : swept.sensitivity.verdicts) {
    if (verdict.updates == 0) continue;
    chart.categories.push_back(
        absl::StrCat(UpdateWayName(crossover.ways[verdict.many].way), " < ",
                     UpdateWayName(crossover.ways[verdict.few].way)));
    ChartPoint point = {.x = static_cast<double>(series.points.size()),
                        .y = static_cast<double>(verdict.updates),
                        .low = static_cast<double>(verdict.least),
                        .high = static_cast<double>(verdict.most)};
    if (verdict.mover.has_value()) {
      point.note = absl::StrCat(
          "moved most by ", Abs(CostEventName(verdict.mover->price.event)),
          ": ", verdict.mover->at_low, " at its least price, ",
          verdict.mover->at_high, " at its highest");
    }
    if (!verdict.holds()) {
      absl::StrAppend(&point.note, point.note.empty() ? "" : "; ", "turned by ",
                      FlipWords(verdict.flips, swept.sensitivity.sweep));
    }
    series.points.push_back(std::move(point));
  }
  chart.series.push_back(std::move(series));
  return chart;
}

Chart OrderChart(const Comparison& comparison, const Sensitivity& sensitivity) {
  Chart chart;
  chart.kind = ChartKind::kIntervals;
  chart.title = "How sure the order of the rows is";
  chart.help =
      "The cycles of the second row by those of the first: the dot is "
      "at the machine's own prices, the bar goes over all samples. "
      "What reaches below 1 may be the other way round; a tooltip "
      "names the prices that alone turn it.";
  chart.y = {"times the cycles"};
  ChartSeries holds = {"holds whatever the prices", "", {}};
  ChartSeries turns = {"turned by some prices", "", {}};
  for (const OrderVerdict& order : sensitivity.orders) {
    const auto name = [&](size_t row) {
      return absl::StrCat(row + 1, " ", RowLabel(comparison.rows[row]));
    };
    const auto x = static_cast<double>(chart.categories.size());
    chart.categories.push_back(
        absl::StrCat(name(order.fewer), " < ", name(order.more)));
    ChartPoint point = {.x = x,
                        .y = order.ratio,
                        .low = order.ratio_least,
                        .high = order.ratio_most};
    const bool stands = order.verdict.holds();
    if (!stands) point.note = VerdictWords(order.verdict, sensitivity.sweep);
    (stands ? holds : turns).points.push_back(std::move(point));
  }
  for (ChartSeries* series : {&holds, &turns}) {
    if (!series->points.empty()) chart.series.push_back(std::move(*series));
  }
  chart.marks.push_back({1, "as many"});
  return chart;
}

Chart BatchChart(const Batches& batches) {
  Chart chart;
  chart.title = absl::StrCat(GuestOf(batches.machine, batches.mode), ", ",
                             batches.workload, ": tables closed");
  chart.help =
      "How many L1 tables were opened to stores and closed, by the "
      "entries found changed in them.";
  chart.y.title = "tables";
  chart.as_shares = true;
  size_t most = 0;
  for (const BatchRow& row : batches.rows) {
    if (row.closed.empty()) continue;
    chart.categories.push_back(UpdateWayName(row.way));
    most = std::max(most, row.closed.size());
  }
  for (size_t bucket = 0; bucket < most; ++bucket) {
    const size_t from = bucket < 2 ? bucket : (size_t{1} << (bucket - 2)) + 1;
    const size_t to = bucket < 2 ? bucket : size_t{1} << (bucket - 1);
    ChartSeries series = {
        from == to ? absl::StrCat(from) : absl::StrCat(from, "-", to),
        "tables closed with so many entries changed",
        {}};
    for (const BatchRow& row : batches.rows) {
      if (row.closed.empty()) continue;
      series.points.push_back({.x = static_cast<double>(series.points.size()),
                               .y = static_cast<double>(row.closed[bucket])});
    }
    chart.series.push_back(std::move(series));
  }
  return chart;
}

Chart ShadowEventChart(const ShadowStudy& study) {
  Chart chart;
  chart.kind = ChartKind::kDots;
  chart.title = absl::StrCat(GuestOf(study), ": cycles an event");
  chart.help = "The axis is logarithmic.";
  chart.y = {"cycles", true};
  for (const GuestEventEntry& entry : GuestEvents()) {
    chart.categories.emplace_back(entry.name);
  }
  for (size_t i = 0; i < study.policies.size(); ++i) {
    std::vector<double> cycles;
    for (const EventCost& event : study.events[i]) {
      cycles.push_back(static_cast<double>(event.cost.cycles.count()));
    }
    chart.series.push_back(SeriesOf(study.policies[i], cycles));
  }
  return chart;
}

Chart ShadowWorkloadChart(const ShadowStudy& study) {
  Chart chart;
  chart.kind = ChartKind::kDots;
  chart.title =
      absl::StrCat(GuestOf(study), ": workloads beside bare hardware");
  chart.help = "Cycles as a multiple of bare hardware's.";
  chart.y = {"x native", true};
  for (const Comparison& workload : study.workloads) {
    chart.categories.push_back(workload.workload);
  }
  for (size_t i = 1; i < study.policies.size(); ++i) {
    std::vector<double> times;
    for (const Comparison& workload : study.workloads) {
      times.push_back(
          static_cast<double>(workload.rows[i].cost.cycles.count()) /
          static_cast<double>(workload.rows.front().cost.cycles.count()));
    }
    chart.series.push_back(SeriesOf(study.policies[i], times));
  }
  return chart;
}

namespace {

// What can be said of a claim: whether it is true at the machine's own prices,
// and whether other prices turn that.
struct ClaimState {
  const char* name;
  const char* help;
  bool is_true;
  bool holds;
};
constexpr ClaimState kClaimStates[] = {
    {"true, whatever the prices", "no price within its band turns it", true,
     true},
    {"true, but turned by some prices",
     "so at the machine's own prices; a tooltip names what turns it", true,
     false},
    {"false, but turned by some prices",
     "not so at the machine's own prices; a tooltip names what turns it", false,
     false},
    {"false, whatever the prices", "no price within its band turns it", false,
     true}};

std::string CategoryOf(const ShadowVerdict& verdict) {
  return absl::StrCat(Abs(verdict.pair.newer), " for ", Abs(verdict.pair.older),
                      ": ", Abs(ShadowClaimName(verdict.claim)));
}

// The categories in the order in which they are met first, and which one each
// verdict is of.
std::vector<size_t> CategoriesOf(const std::vector<ShadowVerdict>& verdicts,
                                 std::vector<std::string>& categories) {
  std::vector<size_t> of;
  for (const ShadowVerdict& verdict : verdicts) {
    const std::string name = CategoryOf(verdict);
    const auto found = std::find(categories.begin(), categories.end(), name);
    of.push_back(static_cast<size_t>(found - categories.begin()));
    if (found == categories.end()) categories.push_back(name);
  }
  return of;
}

}  // namespace

Chart ShadowClaimChart(const SweptShadowStudy& swept) {
  const std::vector<ShadowVerdict>& verdicts = swept.sensitivity.verdicts;
  Chart chart;
  chart.title =
      absl::StrCat(GuestOf(*swept.study), ": how sure the claims are");
  chart.help =
      "Of the events and workloads that each claim is made of, how many it is "
      "true of, and whether prices elsewhere in their bands would turn that.";
  chart.y.title = "events and workloads";
  chart.as_shares = true;
  const std::vector<size_t> of = CategoriesOf(verdicts, chart.categories);
  for (const ClaimState& state : kClaimStates) {
    ChartSeries series = {state.name, state.help, {}};
    for (size_t i = 0; i < chart.categories.size(); ++i) {
      series.points.push_back({.x = static_cast<double>(i)});
    }
    bool any = false;
    for (size_t i = 0; i < verdicts.size(); ++i) {
      const ShadowVerdict& verdict = verdicts[i];
      const bool holds = verdict.verdict.holds();
      if (verdict.is_true != state.is_true || holds != state.holds) continue;
      any = true;
      ChartPoint& point = series.points[of[i]];
      ++point.y;
      if (holds) continue;
      absl::StrAppend(&point.note, point.note.empty() ? "" : "; ",
                      verdict.subject, ": ",
                      VerdictWords(verdict.verdict, swept.sensitivity.sweep));
    }
    if (any) chart.series.push_back(std::move(series));
  }
  return chart;
}

}  // namespace xmmu
