// The charts of latency grids: cycles a load by working set, a line a stride,
// simulated beside measured.

#include <cstddef>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "study/grid/latency_grid.h"

namespace xmmu {
namespace {

double KibibytesOf(uint64_t bytes) { return static_cast<double>(bytes) / 1024; }

// The lines of one machine and order; measured ones are dots of their own
// series behind the simulated ones.
Chart ChartOf(const std::string& machine, ChaseOrder order,
              const std::vector<const GridCell*>& cells) {
  Chart chart;
  chart.kind = ChartKind::kLines;
  chart.title =
      absl::StrCat(machine, ", ", Abs(ChaseOrderName(order)), " order");
  chart.help = "Cycles of a dependent load by working set, a line a stride.";
  chart.x = {"working set, KiB", true};
  chart.y = {"cycles a load", true};
  std::map<uint64_t, ChartSeries> simulated;
  std::map<uint64_t, ChartSeries> measured;
  for (const GridCell* cell : cells) {
    const double x = KibibytesOf(cell->working_set_bytes);
    simulated[cell->stride_bytes].points.push_back(
        {.x = x, .y = cell->simulated});
    if (cell->measured.has_value()) {
      measured[cell->stride_bytes].points.push_back(
          {.x = x, .y = *cell->measured});
    }
  }
  const auto add = [&](std::map<uint64_t, ChartSeries>& lines,
                       std::string_view what) {
    for (auto& [stride, series] : lines) {
      series.name = absl::StrCat(stride, " bytes, ", Abs(what));
      chart.series.push_back(std::move(series));
    }
  };
  add(simulated, "simulated");
  add(measured, "measured");
  return chart;
}

}  // namespace

GridGroups GroupsOf(std::span<const GridCell> cells) {
  GridGroups groups;
  for (const GridCell& cell : cells) {
    groups[{cell.machine, cell.order}].push_back(&cell);
  }
  return groups;
}

std::vector<Chart> GridCharts(std::span<const GridCell> cells) {
  std::vector<Chart> charts;
  for (const auto& [group, members] : GroupsOf(cells)) {
    charts.push_back(ChartOf(group.first, group.second, members));
  }
  return charts;
}

}  // namespace xmmu
