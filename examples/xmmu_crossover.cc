// xmmu-crossover: what one page-table update costs under each strategy, by how
// many there are to make in one L1 table, and from how many on which way is the
// cheaper one; or, for a recorded program, how many there are and which way is
// cheaper for it. See --help.
//
// Exit status: 0, or 2 for a bad option, or 1 for anything else; with 1 and 2
// nothing is on standard output and one line is on standard error.

#include <optional>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "compare/bases.h"
#include "compare/command_line.h"
#include "compare/output_file.h"
#include "compare/request.h"
#include "compare/sweep_flags.h"
#include "study/batches.h"
#include "study/crossing_sensitivity.h"
#include "study/crossover.h"
#include "xmmu/sim/options.h"

using StringList = std::vector<std::string>;

ABSL_FLAG(StringList, machine, {}, "machines, or all; without it all");
ABSL_FLAG(StringList, levels, {},
          "levels of page tables, 2 to 4; without it those the machine has");
ABSL_FLAG(bool, variants, false, "measures variants of strategies, too");
ABSL_FLAG(std::string, format, "text", "text, csv or json");

namespace xmmu::compare {
namespace {

constexpr char kProgram[] = "xmmu-crossover";
constexpr const char* kFlags[] = {
    "machine",     "machine_file", "set",     "levels", "variants", "format",
    "sensitivity", "sweep",        "samples", "seed",   "help"};

std::string Help() {
  return absl::StrCat(
      "usage: ", kProgram, " [FLAG...]\n       ", kProgram,
      " [FLAG...] TRACE...\n\n"
      "Measures what one page-table update costs under each strategy, by how\n"
      "many there are to make in one L1 table, and says from how many on "
      "which\n"
      "way is the cheaper one. With a trace, the set of Lackey logs of one\n"
      "process tree: how many updates the program makes at a time, and what "
      "each\n"
      "way of making them costs it.\n\n",
      HelpOfFlags(kFlags));
}

std::vector<UpdateWay> Ways(PagingMode mode) {
  return AllUpdateWays(mode, absl::GetFlag(FLAGS_variants));
}

// The crossings with what they rest on.
std::string Swept(const std::vector<Crossover>& all,
                  const SweepOptions& options, const std::string& format) {
  std::string text;
  std::vector<SweptCrossover> swept;
  for (const Crossover& crossover : all) {
    swept.push_back({&crossover, SweepCrossings(crossover, options)});
    absl::StrAppend(
        &text, text.empty() ? "" : "\n", FormatCrossoverText({crossover}), "\n",
        FormatCrossingSensitivityText(crossover, swept.back().sensitivity));
  }
  if (format == "csv") return FormatCrossingSensitivityCsv(swept);
  return format == "json" ? FormatCrossingSensitivityJson(swept) : text;
}

absl::StatusOr<std::string> Crossovers(
    const std::vector<SimulatorOptions>& bases, const std::string& format,
    const std::optional<SweepOptions>& sweep) {
  std::vector<Crossover> all;
  for (const SimulatorOptions& base : bases) {
    auto crossover = MeasureCrossover(base, Ways(base.mode));
    if (!crossover.ok()) return crossover.status();
    all.push_back(*std::move(crossover));
  }
  if (sweep.has_value()) return Swept(all, *sweep, format);
  if (format == "csv") return FormatCrossoverCsv(all);
  return format == "json" ? FormatCrossoverJson(all) : FormatCrossoverText(all);
}

absl::StatusOr<std::string> BatchesOf(
    const StringList& traces, const std::vector<SimulatorOptions>& bases,
    const std::string& format) {
  Request request;
  request.traces = traces;
  std::vector<Batches> all;
  for (const SimulatorOptions& base : bases) {
    auto batches =
        MeasureBatches(base, Ways(base.mode), [&](const SimulatorOptions& row) {
          return OpenWorkload(request, row.mode);
        });
    if (!batches.ok()) return batches.status();
    all.push_back(*std::move(batches));
  }
  if (format == "csv") return FormatBatchesCsv(all);
  return format == "json" ? FormatBatchesJson(all) : FormatBatchesText(all);
}

absl::Status Run(const Arguments& arguments) {
  const StringList& traces = arguments.files();
  const std::string format = absl::GetFlag(FLAGS_format);
  absl::Status status = CheckFormat(format, {"text", "csv", "json"});
  if (!status.ok()) return status;
  const auto bases =
      BasesOf(absl::GetFlag(FLAGS_machine), absl::GetFlag(FLAGS_levels));
  if (!bases.ok()) return bases.status();
  const auto sweep = SweepOfFlags(arguments);
  if (!sweep.ok()) return sweep.status();
  if (sweep->has_value() && !traces.empty()) {
    return absl::InvalidArgumentError(
        "--sensitivity is of crossings: want no trace; see xmmu-compare");
  }
  const auto text = traces.empty() ? Crossovers(*bases, format, *sweep)
                                   : BatchesOf(traces, *bases, format);
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
