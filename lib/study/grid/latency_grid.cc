#include "study/grid/latency_grid.h"

#include <algorithm>
#include <array>
#include <bit>
#include <map>
#include <numeric>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "base/job_list.h"
#include "base/text.h"

namespace xmmu {
namespace {

constexpr std::string_view kHeader =
    "machine,pattern,working_set_bytes,stride_bytes,cycles_per_load";
constexpr std::array kOrders = {ChaseOrder::kLinear, ChaseOrder::kRandom,
                                ChaseOrder::kPageRandom};

// The preset of a core, by how names of measured machines begin.
struct Core {
  std::string_view prefix;
  std::string_view preset;
};
constexpr Core kCores[] = {
    {"p4-", "xeon-2003"},           {"xeon-", "xeon-2003"},
    {"k8-", "opteron-2005"},        {"opteron-", "opteron-2005"},
    {"core2-", "core2-2006"},       {"nehalem-", "nehalem-2009"},
    {"westmere-", "westmere-2010"}, {"skylake-", "skylake-2017"},
    {"zen2-", "zen2-2019"},         {"zen3-", "zen3-2020"},
    {"zen5-", "zen5-2024"}};

const MachineModel* ModelOf(std::string_view name) {
  if (const MachineModel* preset = FindMachine(name)) return preset;
  for (const Core& core : kCores) {
    if (name.starts_with(core.prefix)) return FindMachine(core.preset);
  }
  return nullptr;
}

// The clock that `name` ends in: "...-2.4", a number with a point.
std::optional<double> ClockInName(std::string_view name) {
  const size_t dash = name.rfind('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const std::string_view last = name.substr(dash + 1);
  double clock = 0;
  if (last.find('.') == std::string_view::npos ||
      !absl::SimpleAtod(Abs(last), &clock)) {
    return std::nullopt;
  }
  return clock;
}

absl::Status CheckClock(double clock_ghz) {
  // Assumed: no machine of these cores was slower or faster.
  if (clock_ghz >= 0.5 && clock_ghz <= 10) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("clock of ", clock_ghz, " GHz: want 0.5 to 10"));
}

// Reads a line of a file of cells; errors name the line.
class LineParser {
 public:
  LineParser(std::string_view file, size_t line) : file_(file), line_(line) {}

  absl::StatusOr<GridCell> Parse(absl::string_view text) const {
    const std::vector<std::string> fields = absl::StrSplit(text, ',');
    if (fields.size() != 4 && fields.size() != 5) {
      return Error(absl::StrCat("want ", Abs(kHeader)));
    }
    GridCell cell{.machine = fields[0]};
    if (const auto model = MachineOfGrid(cell.machine, {}); !model.ok()) {
      return Error(model.status().message());
    }
    const auto order = std::find_if(
        kOrders.begin(), kOrders.end(),
        [&](ChaseOrder one) { return ChaseOrderName(one) == fields[1]; });
    if (order == kOrders.end()) {
      return Error(absl::StrCat("pattern \"", fields[1], "\": want one of ",
                                NamesOf(kOrders, &ChaseOrderName)));
    }
    cell.order = *order;
    if (absl::Status status = ParseSizes(fields, cell); !status.ok()) {
      return status;
    }
    double measured = 0;
    if (fields.size() == 5) {
      if (!absl::SimpleAtod(fields[4], &measured) || !(measured > 0) ||
          measured > 1e6) {
        return Error(absl::StrCat("cycles_per_load \"", fields[4],
                                  "\": want a number above 0"));
      }
      cell.measured = measured;
    }
    return cell;
  }

  absl::Status Error(absl::string_view what) const {
    return absl::InvalidArgumentError(
        absl::StrCat(Abs(file_), ":", line_, ": ", what));
  }

 private:
  absl::Status ParseSizes(const std::vector<std::string>& fields,
                          GridCell& cell) const {
    if (!absl::SimpleAtoi(fields[3], &cell.stride_bytes) ||
        cell.stride_bytes < 8 || cell.stride_bytes % 8 != 0) {
      return Error(absl::StrCat("stride_bytes \"", fields[3],
                                "\": want a multiple of 8"));
    }
    if (!absl::SimpleAtoi(fields[2], &cell.working_set_bytes) ||
        cell.working_set_bytes > kMaxChaseBytes ||
        cell.working_set_bytes / cell.stride_bytes < 2) {
      return Error(absl::StrCat("working_set_bytes \"", fields[2],
                                "\": want two strides to ", kMaxChaseBytes));
    }
    return absl::OkStatus();
  }

  std::string_view file_;
  size_t line_;
};

bool Fits(const CacheGeometry& cache, uint64_t lines, uint64_t step) {
  if (cache.bytes == 0 || cache.ways == 0) return false;
  const uint64_t sets = cache.bytes / cache.line_bytes / cache.ways;
  return lines <= sets / std::gcd(sets, step) * cache.ways;
}

}  // namespace

absl::StatusOr<MachineModel> MachineOfGrid(std::string_view name,
                                           std::optional<double> clock_ghz) {
  const MachineModel* model = ModelOf(name);
  if (model == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(
        "machine \"", Abs(name), "\": want one of ",
        NamesOf(Machines(), [](const MachineModel* one) { return one->name; }),
        ", or a name that begins with ",
        NamesOf(kCores, [](const Core& core) { return core.prefix; })));
  }
  if (!clock_ghz.has_value()) clock_ghz = ClockInName(name);
  if (!clock_ghz.has_value()) return *model;
  if (absl::Status status = CheckClock(*clock_ghz); !status.ok()) {
    return status;
  }
  return AtClock(*model, *clock_ghz);
}

std::vector<GridCell> FullGrid(const MachineModel& machine) {
  const uint64_t last =
      std::max(uint64_t{16} << 20,
               4 * std::bit_ceil(std::max(machine.l2.bytes, machine.l3.bytes)));
  std::vector<GridCell> cells;
  for (const ChaseOrder order : kOrders) {
    for (uint64_t bytes = 1024; bytes <= last; bytes *= 2) {
      for (uint64_t stride = 64; stride <= 16384 && stride * 2 <= bytes;
           stride *= 2) {
        cells.push_back({.machine = std::string(machine.name),
                         .order = order,
                         .working_set_bytes = bytes,
                         .stride_bytes = stride});
      }
    }
  }
  return cells;
}

absl::StatusOr<std::vector<GridCell>> ParseGridCells(std::string_view name,
                                                     std::string_view text) {
  std::vector<GridCell> cells;
  size_t number = 0;
  for (absl::string_view line : absl::StrSplit(Abs(text), '\n')) {
    const LineParser parser(name, ++number);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (number == 1) {
      const absl::string_view short_header =
          Abs(kHeader.substr(0, kHeader.rfind(',')));
      if (line != Abs(kHeader) && line != short_header) {
        return parser.Error(absl::StrCat("want the header ", Abs(kHeader)));
      }
      continue;
    }
    if (line.empty()) continue;
    absl::StatusOr<GridCell> cell = parser.Parse(line);
    if (!cell.ok()) return cell.status();
    cells.push_back(*std::move(cell));
  }
  if (cells.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(Abs(name), ":", number, ": no cells"));
  }
  return cells;
}

absl::Status SimulateGrid(std::span<GridCell> cells,
                          std::optional<double> clock_ghz, uint64_t seed,
                          const Jobs& jobs) {
  std::map<std::string, MachineModel> models;
  for (const GridCell& cell : cells) {
    if (models.contains(cell.machine)) continue;
    auto found = MachineOfGrid(cell.machine, clock_ghz);
    if (!found.ok()) return found.status();
    models.emplace(cell.machine, *std::move(found));
  }
  return ParallelFor(
      jobs, cells.size(), [&](size_t i, const std::stop_token& stop) {
        GridCell& cell = cells[i];
        const auto result =
            RunLoadChase(models.at(cell.machine),
                         {.order = cell.order,
                          .working_set_bytes = cell.working_set_bytes,
                          .stride_bytes = cell.stride_bytes,
                          .seed = seed,
                          .stop = stop});
        if (result.ok()) cell.simulated = result->cycles_per_load();
        return result.status();
      });
}

GridRegion RegionOf(const MachineModel& machine, const GridCell& cell) {
  const uint64_t spacing = std::max(cell.stride_bytes, kPageSize);
  const uint64_t pages = (cell.working_set_bytes + spacing - 1) / spacing;
  GridRegion region{TlbReach::kBeyond, MemoryLevel::kDram};
  if (pages <= machine.tlb.data_l1[0].entries) {
    region.tlb = TlbReach::kL1;
  } else if (pages <= machine.tlb.data_l2[0].entries) {
    region.tlb = TlbReach::kL2;
  }
  const uint64_t line_bytes = uint64_t{1} << kLineShift;
  const uint64_t step = std::max<uint64_t>(1, cell.stride_bytes / line_bytes);
  const uint64_t lines =
      cell.working_set_bytes / std::max(cell.stride_bytes, line_bytes);
  // The frames of pages touched one after the other have all colours in turn.
  const uint64_t step_in_memory = std::min(step, kPageSize / line_bytes);
  const uint64_t l1_step =
      machine.cache_rules.linear_l1_index ? step : step_in_memory;
  if (Fits(machine.l1, lines, l1_step)) {
    region.memory = MemoryLevel::kL1;
  } else if (Fits(machine.l2, lines, step_in_memory)) {
    region.memory = MemoryLevel::kL2;
  } else if (Fits(machine.l3, lines, step_in_memory)) {
    region.memory = MemoryLevel::kL3;
  }
  return region;
}

}  // namespace xmmu
