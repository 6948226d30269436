#ifndef XMMU_LIB_STUDY_GRID_LATENCY_GRID_H_
#define XMMU_LIB_STUDY_GRID_LATENCY_GRID_H_

// Grids of load latencies, working set x stride, simulated and held against
// measured ones. A file of cells has the header
//
//   machine,pattern,working_set_bytes,stride_bytes,cycles_per_load
//
// and a line a cell, as measured; its last column may be left out. A machine is
// a preset's name, or one of the collection's names, which begins with the core
// (p4-, xeon-, k8-, opteron-, core2-, nehalem-, westmere-, skylake-, zen2-,
// zen3-, zen5-) and may end in its clock in GHz (-2.4): see AtClock().
//
// Called by one thread; runs as many chases at a time as Jobs::threads says.

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "study/grid/load_chase.h"
#include "xmmu/base/jobs.h"
#include "xmmu/machine/machine_model.h"
#include "xmmu/machine/memory_hierarchy.h"
#include "xmmu/report/document.h"

namespace xmmu {

struct GridCell {
  std::string machine;
  ChaseOrder order = ChaseOrder::kLinear;
  uint64_t working_set_bytes = 0;
  uint64_t stride_bytes = 0;
  std::optional<double> measured{};  // cycles a load
  double simulated = 0;
};

// The model that `name` stands for, at its clock; another clock if given.
// Errors: InvalidArgument naming what would do.
absl::StatusOr<MachineModel> MachineOfGrid(std::string_view name,
                                           std::optional<double> clock_ghz);

// The cells that `machine` is measured at without a file: all orders, working
// sets from 1 KiB to four times the last cache and 16 MiB at least, each twice
// the last one, strides from 64 bytes to 16 KiB.
std::vector<GridCell> FullGrid(const MachineModel& machine);

// The cells of a file; `name` is what errors call it.
// Errors: InvalidArgument "file:line: what was expected".
absl::StatusOr<std::vector<GridCell>> ParseGridCells(std::string_view name,
                                                     std::string_view text);

// Simulates each of `cells`, a job each, and sets its `simulated`.
// Errors: as MachineOfGrid() and RunLoadChase().
absl::Status SimulateGrid(std::span<GridCell> cells,
                          std::optional<double> clock_ghz, uint64_t seed,
                          const Jobs& jobs = {});

// Returns the document of `cells`; its CSV is the file of them. Where there are
// measured figures, a column `simulated` follows theirs; else the simulated ones
// stand in their place.
Document GridDocument(std::span<const GridCell> cells);

// The cells of each machine and order.
using GridGroups =
    std::map<std::pair<std::string, ChaseOrder>, std::vector<const GridCell*>>;
GridGroups GroupsOf(std::span<const GridCell> cells);

// Cycles a load by working set: a chart a machine and order, a line a stride,
// simulated and, where there are such figures, measured.
std::vector<Chart> GridCharts(std::span<const GridCell> cells);

// What holds a working set: the TLB level with an entry for each of its pages,
// the cache level with room for each of its lines in the sets that the stride
// reaches.
enum class TlbReach : uint8_t { kL1, kL2, kBeyond };
struct GridRegion {
  TlbReach tlb = TlbReach::kL1;
  MemoryLevel memory = MemoryLevel::kL1;
  bool operator==(const GridRegion&) const = default;
};
GridRegion RegionOf(const MachineModel& machine, const GridCell& cell);

// The errors of the cells of one machine and region.
struct RegionErrors {
  std::string machine;
  GridRegion region;
  size_t cells = 0;
  double median_cycles = 0;   // of the absolute errors
  double median_percent = 0;  // of the measured figure
  double worst_percent = 0;
  // The median is within 1 cycle or 5 %, in DRAM within 10 %.
  bool reached = false;
};

// Between neighbouring working sets of one machine, order and stride: a rise of
// two cycles and 15 % at least is a step.
struct GridSteps {
  std::string machine;
  size_t measured = 0;
  size_t found = 0;      // simulated: half as high at least, in the same place
  size_t simulated = 0;  // as defined above
  size_t invented = 0;   // of those: measured, less than half as high
};
struct MissingStep {
  GridCell from;
  GridCell to;
};

struct WorstCell {
  GridCell cell;
  GridRegion region;
  double percent = 0;  // simulated less measured, of measured
  std::string_view reason;
};

struct GridErrors {
  std::vector<RegionErrors> regions;
  std::vector<RegionErrors> outside_dram;  // all regions but DRAM, a machine
  std::vector<RegionErrors> in_dram;
  std::vector<GridSteps> steps;
  std::vector<MissingStep> missing;
  std::vector<WorstCell> worst;
};

// Holds the simulated figures against the measured ones; `worst_cells` of each
// machine are listed. Errors: InvalidArgument for cells without measured
// figures; as MachineOfGrid().
absl::StatusOr<GridErrors> CompareGrid(std::span<const GridCell> cells,
                                       size_t worst_cells);

// The document of errors: tables, an object, and a line a machine and region.
Document GridErrorsDocument(const GridErrors& errors);

}  // namespace xmmu

#endif  // XMMU_LIB_STUDY_GRID_LATENCY_GRID_H_
