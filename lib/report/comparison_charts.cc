// The charts of a comparison: what its cycles were spent on, what their prices
// rest on, where memory goes, and how a run went on.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "report/common_fields.h"
#include "report/comparison_fields.h"
#include "xmmu/report/chart.h"

namespace xmmu {
namespace {

// A bar a row; of `columns` those that are above 0 in some row, each with its
// value in a row.
Chart BarsOf(const Comparison& comparison, const std::vector<Column>& columns,
             const std::function<uint64_t(const ReportRow&, size_t)>& value) {
  Chart chart;
  chart.categories = RowNames(comparison);
  for (size_t i = 0; i < columns.size(); ++i) {
    ChartSeries series = {columns[i].key, columns[i].help, {}};
    bool used = false;
    for (const ReportRow& row : comparison.rows) {
      const uint64_t number = value(row, i);
      used = used || number > 0;
      series.points.push_back({.x = static_cast<double>(series.points.size()),
                               .y = static_cast<double>(number)});
    }
    if (used) chart.series.push_back(std::move(series));
  }
  chart.as_shares = true;
  return chart;
}

Chart ComponentChart(const Comparison& comparison) {
  Chart chart = BarsOf(comparison, kComponentGroup.members(),
                       [](const ReportRow& row, size_t i) {
                         return row.cost.by_component[i].count();
                       });
  chart.title = "Cycles by component";
  chart.help =
      "What the cycles of each row were spent on; they add up to its "
      "cycles.";
  chart.y.title = "cycles";
  return chart;
}

// The events that a row was charged most for, and all others as one. A policy's
// own events are among the others.
Chart EventChart(const Comparison& comparison) {
  // Assumed: a reader can tell no more apart.
  constexpr size_t kMostEvents = 12;
  const auto cycles_of = [&](const ReportRow& row, size_t event) {
    return row.cost.tally[event] * comparison.costs[event].value;
  };
  std::vector<std::pair<uint64_t, size_t>> most;  // of any row, and the event
  for (size_t i = 0; i < kCostEventCount; ++i) {
    uint64_t cycles = 0;
    for (const ReportRow& row : comparison.rows) {
      cycles = std::max(cycles, cycles_of(row, i));
    }
    if (cycles > 0) most.emplace_back(cycles, i);
  }
  std::stable_sort(most.begin(), most.end(), [](const auto& a, const auto& b) {
    return a.first > b.first;
  });
  if (most.size() > kMostEvents) most.resize(kMostEvents);
  std::vector<Column> columns;
  for (const auto& [cycles, index] : most) {
    const auto event = static_cast<CostEvent>(index);
    columns.push_back({std::string(CostEventName(event)), "cycles",
                       std::string(CostEventHelp(event))});
  }
  columns.push_back({"others", "cycles", "all other events together"});
  Chart chart = BarsOf(comparison, columns,
                       [&](const ReportRow& row, size_t i) -> uint64_t {
                         if (i < most.size()) {
                           return cycles_of(row, most[i].second);
                         }
                         uint64_t others = row.cost.cycles.count();
                         for (const auto& [cycles, index] : most) {
                           others -= cycles_of(row, index);
                         }
                         return others;
                       });
  chart.title = "Cycles by priced event";
  chart.help =
      "How much each price counts in a row: xmmu list prices says what they "
      "are from.";
  chart.y.title = "cycles";
  return chart;
}

Chart MarkChart(const Comparison& comparison) {
  Chart chart = BarsOf(
      comparison, kMarkGroup.members(),
      [](const ReportRow& row, size_t i) { return row.by_mark[i].count(); });
  chart.title = "Cycles by the mark of their prices";
  chart.help = "How sure the cycles are: what their prices rest on.";
  chart.y.title = "cycles";
  return chart;
}

// The parts of memory that any row has, in the order in which they are met; the
// guest's page tables first, what is in no part last.
std::vector<Column> MemoryColumns(const Comparison& comparison) {
  std::vector<Column> columns = {
      {"page tables", "bytes", "page tables of the guest, at the peak"}};
  for (const ReportRow& row : comparison.rows) {
    for (const MemoryPart& part : row.memory_parts) {
      const std::string name(part.name);
      const bool known =
          std::any_of(columns.begin(), columns.end(),
                      [&](const Column& column) { return column.key == name; });
      if (!known) {
        columns.push_back(
            {name, "bytes", "used by the strategy, at this part's own peak"});
      }
    }
  }
  columns.push_back(
      {"other", "bytes",
       "what else is spent on managing memory: records of frames, "
       "the machine's map of them, books"});
  return columns;
}

uint64_t PartBytes(const ReportRow& row, const std::string& name) {
  for (const MemoryPart& part : row.memory_parts) {
    if (part.name == name) return part.peak_bytes;
  }
  return 0;
}

Chart MemoryChart(const Comparison& comparison) {
  const std::vector<Column> columns = MemoryColumns(comparison);
  Chart chart = BarsOf(comparison, columns,
                       [&](const ReportRow& row, size_t i) -> uint64_t {
                         if (i == 0) return row.page_table_bytes;
                         if (i + 1 < columns.size())
                           return PartBytes(row, columns[i].key);
                         uint64_t parts = row.page_table_bytes;
                         for (const MemoryPart& part : row.memory_parts) {
                           parts += part.peak_bytes;
                         }
                         // Parts have their peaks at different times, so that they may be more
                         // than the most at any time.
                         return row.memory_overhead_bytes -
                                std::min(parts, row.memory_overhead_bytes);
                       });
  chart.title = "Memory spent on managing memory, by part";
  chart.help =
      "Each part at its own peak, so that a bar may be longer than the "
      "peak of the whole.";
  chart.y.title = "bytes";
  return chart;
}

// The intervals of each row, as cycles an operation of the program.
Chart SeriesChart(const Comparison& comparison) {
  Chart chart;
  chart.kind = ChartKind::kLines;
  chart.title = "Cycles an operation, interval by interval";
  chart.help =
      "Where in the workload the cycles are spent: each point is an "
      "interval's cycles by its operations.";
  chart.x.title = "first operation of the interval";
  chart.y.title = "cycles an operation";
  const std::vector<std::string> names = RowNames(comparison);
  for (size_t i = 0; i < names.size(); ++i) {
    ChartSeries series = {names[i], "", {}};
    for (const Interval& interval : comparison.rows[i].intervals) {
      if (interval.operations == 0) continue;
      series.points.push_back(
          {.x = static_cast<double>(interval.first),
           .y = static_cast<double>(interval.cost.cycles.count()) /
                static_cast<double>(interval.operations)});
    }
    chart.series.push_back(std::move(series));
  }
  return chart;
}

}  // namespace

std::vector<std::string> RowNames(const Comparison& comparison) {
  std::vector<std::string> names;
  for (const ReportRow& row : comparison.rows) {
    names.push_back(absl::StrCat(names.size() + 1, " ", RowLabel(row)));
  }
  return names;
}

std::vector<Chart> ComparisonCharts(const Comparison& comparison) {
  if (comparison.rows.empty()) return {};
  std::vector<Chart> charts = {ComponentChart(comparison),
                               EventChart(comparison), MarkChart(comparison),
                               MemoryChart(comparison)};
  if (!comparison.rows.front().intervals.empty()) {
    charts.push_back(SeriesChart(comparison));
  }
  if (comparison.options.per != Per::kNothing) {
    charts.push_back(PartChart(comparison));
  }
  return charts;
}

}  // namespace xmmu
