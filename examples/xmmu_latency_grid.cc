// xmmu-latency-grid: cycles of a dependent load by working set and stride, as
// the tools of the InstLatx64 collection measure them, and how far they are
// from what was measured. See --help.
//
// Exit status: 0, or 2 for a bad option or file of cells, or 1 for anything
// else; with 1 and 2 nothing is on standard output and one line is on standard
// error.

#include <optional>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "compare/command_line.h"
#include "compare/output_file.h"
#include "study/grid/latency_grid.h"
#include "xmmu/base/regular_file.h"

ABSL_FLAG(std::string, machine, "", "a machine, measured at its whole grid");
ABSL_FLAG(std::string, cells, "",
          "a file of cells, simulated and printed again with the result");
ABSL_FLAG(bool, errors, false,
          "prints by how much the result misses what the file says");
ABSL_FLAG(std::string, format, "text", "of --errors: text, csv or json");
ABSL_FLAG(int, worst, 10, "cells of each machine that --errors lists");
ABSL_FLAG(double, clock_ghz, 0,
          "another clock; DRAM stays as fast as it was (0: the machine's own, "
          "or that in its name)");
ABSL_FLAG(uint64_t, seed, 1, "of random orders and of frames");

namespace xmmu::compare {
namespace {

// Of a line each 20,000 times what the whole grid of a machine has.
constexpr uint64_t kMostCellBytes = 64 << 20;
constexpr char kProgram[] = "xmmu-latency-grid";
constexpr const char* kFlags[] = {"machine", "cells",     "errors", "format",
                                  "worst",   "clock_ghz", "seed",   "help"};

std::string Help() {
  return absl::StrCat(
      "usage: ", kProgram, " --machine=NAME | --cells=FILE.csv [FLAG...]\n\n",
      "Runs chases of pointers through page tables, TLBs, caches and DRAM of a "
      "machine\nand prints cycles a load as CSV; with a file of measured ones "
      "beside "
      "them, or how far\nfrom them.\n\n",
      HelpOfFlags(kFlags));
}

absl::StatusOr<std::vector<GridCell>> CellsToRun() {
  const std::string machine = absl::GetFlag(FLAGS_machine);
  const std::string file = absl::GetFlag(FLAGS_cells);
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

absl::Status CheckFlags(const Arguments& arguments) {
  const std::string format = absl::GetFlag(FLAGS_format);
  absl::Status status = CheckFormat(format, {"text", "csv", "json"});
  if (!status.ok()) return status;
  if (absl::GetFlag(FLAGS_errors) && absl::GetFlag(FLAGS_cells).empty()) {
    return absl::InvalidArgumentError("--errors: want --cells=FILE as well");
  }
  if (!absl::GetFlag(FLAGS_errors)) {
    constexpr const char* kOfErrors[] = {"worst", "format"};
    status = arguments.WantsFor("--errors", kOfErrors);
    if (!status.ok()) return status;
  }
  if (absl::GetFlag(FLAGS_worst) < 0) {
    return absl::InvalidArgumentError("--worst: want 0 or more");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ErrorsOf(const std::vector<GridCell>& cells) {
  const auto errors =
      CompareGrid(cells, static_cast<size_t>(absl::GetFlag(FLAGS_worst)));
  if (!errors.ok()) return errors.status();
  const std::string format = absl::GetFlag(FLAGS_format);
  return format == "csv"    ? FormatGridErrorsCsv(*errors)
         : format == "json" ? FormatGridErrorsJson(*errors)
                            : FormatGridErrorsText(*errors);
}

absl::Status Run(const Arguments& arguments) {
  if (!arguments.files().empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        arguments.files().front(), ": want flags alone, see --help"));
  }
  if (absl::Status status = CheckFlags(arguments); !status.ok()) return status;
  auto cells = CellsToRun();
  if (!cells.ok()) return cells.status();
  std::optional<double> clock_ghz = absl::GetFlag(FLAGS_clock_ghz);
  if (*clock_ghz == 0) clock_ghz = std::nullopt;
  if (absl::Status status =
          SimulateGrid(*cells, clock_ghz, absl::GetFlag(FLAGS_seed));
      !status.ok()) {
    return status;
  }
  absl::StatusOr<std::string> text =
      absl::GetFlag(FLAGS_errors) ? ErrorsOf(*cells) : FormatGridCsv(*cells);
  if (!text.ok()) return text.status();
  return WriteStandardOutput(*text);
}

}  // namespace
}  // namespace xmmu::compare

int main(int argc, char** argv) {
  using xmmu::compare::kProgram;
  return xmmu::compare::RunProgram({kProgram, xmmu::compare::kFlags,
                                    &xmmu::compare::Help, &xmmu::compare::Run},
                                   argc, argv);
}
