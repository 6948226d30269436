// xmmu grid: cycles of a dependent load by working set and stride, as the tools
// of the InstLatx64 collection measure them, and how far they are from what was
// measured.

#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/regular_file.h"
#include "cli/commands.h"
#include "cli/run_options.h"
#include "study/grid/latency_grid.h"

namespace xmmu::cli {
namespace {

// Room for 20,000 times what the whole grid of a machine has.
constexpr uint64_t kMostCellBytes = 64 << 20;
constexpr uint64_t kMostWorst = 1'000'000'000;

std::vector<Option> GridOptions() {
  return Joined(
      {{{.name = "machine",
         .group = "Machine",
         .value = "NAME",
         .help = "a machine, measured at its whole grid"},
        {.name = "cells",
         .group = "Machine",
         .value = "FILE",
         .help = "a CSV file of cells, simulated and printed again with the "
                 "result"},
        {.name = "clock-ghz",
         .group = "Machine",
         .value = "GHZ",
         .help = "another clock; DRAM stays as fast as it was; default the "
                 "machine's own, or that in its name"},
        {.name = "seed",
         .group = "Machine",
         .value = "N",
         .help = "what random orders and frames are drawn by; default 1"},
        {.name = "errors",
         .group = "Errors",
         .help = "print by how much the result misses what the file says"},
        {.name = "worst",
         .group = "Errors",
         .value = "N",
         .help = "cells of each machine that --errors lists; default 10"}},
       OptionsOfJobs(),
       OptionsOfReport("of --errors: ")});
}

absl::StatusOr<std::vector<GridCell>> CellsOf(const Arguments& arguments) {
  const std::string machine = arguments.Text("machine");
  const std::string file = arguments.Text("cells");
  if (machine.empty() == file.empty()) {
    return absl::InvalidArgumentError(
        "want either --machine=NAME or --cells=FILE");
  }
  if (file.empty()) {
    auto model = MachineOfGrid(machine, std::nullopt);
    if (!model.ok()) return model.status();
    std::vector<GridCell> cells = FullGrid(*model);
    for (GridCell& cell : cells) cell.machine = machine;
    return cells;
  }
  const auto text = ReadRegularFile(file, kMostCellBytes);
  if (!text.ok()) return text.status();
  return ParseGridCells(file, *text);
}

absl::StatusOr<std::optional<double>> ClockOf(const Arguments& arguments) {
  if (!arguments.Given("clock-ghz")) return std::nullopt;
  double clock = 0;
  const std::string text = arguments.Text("clock-ghz");
  const bool number = text.find_first_of("xX \t\n+") == std::string::npos &&
                      absl::SimpleAtod(text, &clock);
  // Neither holds of what is no number.
  if (number && clock > 0 && clock <= std::numeric_limits<double>::max()) {
    return clock;
  }
  return arguments.Refuse("clock-ghz", "want a number such as 2.8");
}

// Errors: InvalidArgument for a format that is none, and for an option that does
// nothing without --errors.
absl::Status CheckErrors(const Arguments& arguments, bool errors) {
  const auto format = FormatOf(arguments);
  if (!format.ok()) return format.status();
  if (errors && !arguments.Given("cells")) {
    return absl::InvalidArgumentError("--errors: want --cells=FILE as well");
  }
  if (errors) return absl::OkStatus();
  constexpr std::string_view kOfErrors[] = {"worst", "format", "legend"};
  return arguments.WantsFor("--errors", kOfErrors);
}

absl::Status RunGrid(const Arguments& arguments, const Catalog&,
                     Console& console) {
  const auto errors = arguments.IsOn("errors");
  if (!errors.ok()) return errors.status();
  absl::Status status = CheckErrors(arguments, *errors);
  if (!status.ok()) return status;
  const auto worst = WholeNumber(arguments, "worst", 10, kMostWorst);
  if (!worst.ok()) return worst.status();
  const auto seed =
      WholeNumber(arguments, "seed", 1, std::numeric_limits<uint64_t>::max());
  if (!seed.ok()) return seed.status();
  const auto clock = ClockOf(arguments);
  if (!clock.ok()) return clock.status();
  const auto jobs = JobsOf(arguments, console);
  if (!jobs.ok()) return jobs.status();
  auto cells = CellsOf(arguments);
  if (!cells.ok()) return cells.status();
  auto output = ReportOutput::Open(arguments, console);
  if (!output.ok()) return output.status();
  status = SimulateGrid(*cells, *clock, *seed, *jobs);
  if (!status.ok()) return status;
  if (!*errors) {
    const Document document = GridDocument(*cells);
    return output->WriteText(Render(document, ReportFormat::kCsv), document);
  }
  const auto found = CompareGrid(*cells, *worst);
  if (!found.ok()) return found.status();
  Document document = GridErrorsDocument(*found);
  document.charts = GridCharts(*cells);
  return output->Write(document);
}

}  // namespace

Command GridCommand() {
  return {"grid",
          "cycles a load, and how far from measured ones",
          "--machine=NAME\n--cells=FILE",
          "",
          "Runs chases of pointers through page tables, TLBs, caches and DRAM "
          "of a machine and prints cycles a load as CSV; with a file of "
          "measured ones beside them, or how far from them.",
          &GridOptions,
          &RunGrid};
}

}  // namespace xmmu::cli
