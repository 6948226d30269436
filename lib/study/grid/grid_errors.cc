// Simulated grids held against measured ones.

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "study/grid/latency_grid.h"

namespace xmmu {
namespace {

// A region is reached if the median of its errors is within these.
constexpr double kGoalCycles = 1;
constexpr double kGoalPercent = 5;
constexpr double kGoalPercentInDram = 10;
// A rise of at least so much counts as a step.
constexpr double kStepCycles = 2;
constexpr double kStepShare = 0.15;

double Percent(const GridCell& cell) {
  return (cell.simulated - *cell.measured) / *cell.measured * 100;
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  if (values.size() % 2 != 0) return values[middle];
  return (values[middle - 1] + values[middle]) / 2;
}

RegionErrors Summarize(std::string machine, GridRegion region,
                       const std::vector<const GridCell*>& cells) {
  RegionErrors errors{
      .machine = std::move(machine), .region = region, .cells = cells.size()};
  std::vector<double> cycles;
  std::vector<double> percent;
  for (const GridCell* cell : cells) {
    cycles.push_back(std::abs(cell->simulated - *cell->measured));
    percent.push_back(std::abs(Percent(*cell)));
  }
  errors.median_cycles = Median(cycles);
  errors.median_percent = Median(percent);
  errors.worst_percent = *std::max_element(percent.begin(), percent.end());
  errors.reached = region.memory == MemoryLevel::kDram
                       ? errors.median_percent <= kGoalPercentInDram
                       : errors.median_cycles <= kGoalCycles ||
                             errors.median_percent <= kGoalPercent;
  return errors;
}

bool IsStep(double from, double to) {
  return to - from >= std::max(kStepCycles, kStepShare * from);
}

// Returns what the model does not claim to know about a cell, which is why it
// may differ.
std::string_view ReasonOf(const MachineModel& machine, const GridCell& cell,
                          GridRegion region) {
  GridCell half = cell;
  half.working_set_bytes /= 2;
  GridCell twice = cell;
  twice.working_set_bytes *= 2;
  if (region.memory == MemoryLevel::kL1) {
    return "the loop around the loads";
  }
  if (cell.order == ChaseOrder::kLinear && cell.stride_bytes <= 256) {
    return "prefetchers: when they start and how far they run ahead";
  }
  if (!(RegionOf(machine, half) == region) ||
      !(RegionOf(machine, twice) == region)) {
    return "at the edge of a cache or TLB: replacement, colours of frames";
  }
  if (cell.stride_bytes > kPageSize) {
    return "frames of pages: the allocator of the measured system is unknown";
  }
  if (region.memory == MemoryLevel::kDram) {
    return "DRAM: rows, banks and what else the controller does";
  }
  return "the cache's pipeline: conflicts of accesses close in time";
}

class GridComparison {
 public:
  explicit GridComparison(size_t worst_cells) : worst_cells_(worst_cells) {}

  absl::Status Add(const GridCell& cell) {
    if (!cell.measured.has_value()) {
      return absl::InvalidArgumentError(
          "nothing to compare with: a cell has no cycles_per_load");
    }
    auto model = models_.find(cell.machine);
    if (model == models_.end()) {
      auto found = MachineOfGrid(cell.machine, std::nullopt);
      if (!found.ok()) return found.status();
      model = models_.emplace(cell.machine, *std::move(found)).first;
      machines_.push_back(cell.machine);
    }
    const GridRegion region = RegionOf(model->second, cell);
    cells_[cell.machine].push_back({&cell, region});
    return absl::OkStatus();
  }

  GridErrors Finish() {
    for (const std::string& machine : machines_) {
      SummarizeRegions(machine);
      CountSteps(machine);
      ListWorst(machine);
    }
    return std::move(errors_);
  }

 private:
  struct Placed {
    const GridCell* cell;
    GridRegion region;
  };

  void SummarizeRegions(const std::string& machine) {
    std::map<std::tuple<MemoryLevel, TlbReach>, std::vector<const GridCell*>>
        by_region;
    std::vector<const GridCell*> inside;
    std::vector<const GridCell*> outside;
    for (const Placed& placed : cells_[machine]) {
      const GridRegion region = placed.region;
      by_region[{region.memory, region.tlb}].push_back(placed.cell);
      (region.memory == MemoryLevel::kDram ? inside : outside)
          .push_back(placed.cell);
    }
    for (const auto& [key, cells] : by_region) {
      errors_.regions.push_back(
          Summarize(machine, {std::get<1>(key), std::get<0>(key)}, cells));
    }
    if (!outside.empty()) {
      errors_.outside_dram.push_back(
          Summarize(machine, {TlbReach::kL1, MemoryLevel::kL1}, outside));
    }
    if (!inside.empty()) {
      errors_.in_dram.push_back(
          Summarize(machine, {TlbReach::kBeyond, MemoryLevel::kDram}, inside));
    }
  }

  void CountSteps(const std::string& machine) {
    std::map<std::tuple<ChaseOrder, uint64_t>,
             std::map<uint64_t, const GridCell*>>
        curves;
    for (const Placed& placed : cells_[machine]) {
      const GridCell& cell = *placed.cell;
      curves[{cell.order, cell.stride_bytes}][cell.working_set_bytes] = &cell;
    }
    GridSteps steps{.machine = machine};
    for (const auto& [key, curve] : curves) {
      for (auto to = curve.begin(); to != curve.end(); ++to) {
        if (to == curve.begin()) continue;
        CountStep(*std::prev(to)->second, *to->second, steps);
      }
    }
    errors_.steps.push_back(steps);
  }

  void CountStep(const GridCell& from, const GridCell& to, GridSteps& steps) {
    const double measured = *to.measured - *from.measured;
    const double simulated = to.simulated - from.simulated;
    if (IsStep(*from.measured, *to.measured)) {
      ++steps.measured;
      if (simulated >= measured / 2) {
        ++steps.found;
      } else {
        errors_.missing.push_back({from, to});
      }
    }
    if (IsStep(from.simulated, to.simulated)) {
      ++steps.simulated;
      if (measured < simulated / 2) ++steps.invented;
    }
  }

  // By how many per cent a cell misses; 0 within kGoalCycles.
  static double Miss(const Placed& placed) {
    const GridCell& cell = *placed.cell;
    return std::abs(cell.simulated - *cell.measured) <= kGoalCycles
               ? 0
               : std::abs(Percent(cell));
  }

  void ListWorst(const std::string& machine) {
    std::vector<Placed> cells = cells_[machine];
    std::stable_sort(
        cells.begin(), cells.end(),
        [](const Placed& a, const Placed& b) { return Miss(a) > Miss(b); });
    for (size_t i = 0; i < std::min(worst_cells_, cells.size()); ++i) {
      if (Miss(cells[i]) == 0) break;
      const GridCell& cell = *cells[i].cell;
      errors_.worst.push_back(
          {cell, cells[i].region, Percent(cell),
           ReasonOf(models_.at(machine), cell, cells[i].region)});
    }
  }

  size_t worst_cells_;
  std::map<std::string, MachineModel> models_;
  std::vector<std::string> machines_;  // in their first order
  std::map<std::string, std::vector<Placed>> cells_;
  GridErrors errors_;
};

}  // namespace

absl::StatusOr<GridErrors> CompareGrid(std::span<const GridCell> cells,
                                       size_t worst_cells) {
  GridComparison comparison(worst_cells);
  for (const GridCell& cell : cells) {
    if (absl::Status status = comparison.Add(cell); !status.ok()) {
      return status;
    }
  }
  return comparison.Finish();
}

}  // namespace xmmu
