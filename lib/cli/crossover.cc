// xmmu crossover: what one page-table update costs under each strategy, by how
// many there are to make in one L1 table, and from how many on which way is the
// cheaper one; or, for a recorded program, how many there are and which way is
// cheaper for it.

#include "study/crossover.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/commands.h"
#include "cli/run_options.h"
#include "study/batches.h"
#include "study/crossing_sensitivity.h"

namespace xmmu::cli {
namespace {

std::vector<Option> CrossoverOptions() {
  return Joined({{{.name = "variants",
                   .group = "Strategies",
                   .help = "measure variants of strategies, too"}},
                 OptionsOfBases(),
                 OptionsOfSweep(),
                 OptionsOfReport("text, csv or json")});
}

// Measures crossings and, if that is wanted, what they rest on.
absl::StatusOr<Document> Crossovers(const std::vector<SimulatorOptions>& bases,
                                    bool variants,
                                    const std::optional<SweepOptions>& sweep) {
  std::vector<Crossover> all;
  for (const SimulatorOptions& base : bases) {
    auto crossover = MeasureCrossover(base, AllUpdateWays(base.mode, variants));
    if (!crossover.ok()) return crossover.status();
    all.push_back(*std::move(crossover));
  }
  if (!sweep.has_value()) return CrossoverDocument(all);
  std::vector<SweptCrossover> swept;
  for (const Crossover& crossover : all) {
    swept.push_back({&crossover, SweepCrossings(crossover, *sweep)});
  }
  return CrossingSensitivityDocument(swept);
}

absl::StatusOr<Document> BatchesOf(const WorkloadFactory& trace,
                                   const std::vector<SimulatorOptions>& bases,
                                   bool variants) {
  std::vector<Batches> all;
  for (const SimulatorOptions& base : bases) {
    auto batches =
        MeasureBatches(base, AllUpdateWays(base.mode, variants), trace);
    if (!batches.ok()) return batches.status();
    all.push_back(*std::move(batches));
  }
  return BatchesDocument(all);
}

absl::Status RunCrossover(const Arguments& arguments, const Catalog& catalog) {
  const auto variants = arguments.IsOn("variants");
  if (!variants.ok()) return variants.status();
  const auto bases = BasesOf(arguments, catalog);
  if (!bases.ok()) return bases.status();
  const auto sweep = SweepOf(arguments);
  if (!sweep.ok()) return sweep.status();
  const std::vector<std::string>& files = arguments.files();
  if (sweep->has_value() && !files.empty()) {
    return absl::InvalidArgumentError(
        "--sensitivity is of crossings: want no trace; see xmmu compare");
  }
  auto output = ReportOutput::Open(arguments);
  if (!output.ok()) return output.status();
  const auto document =
      files.empty()
          ? Crossovers(*bases, *variants, *sweep)
          : BatchesOf(WorkloadOf(catalog, "", files), *bases, *variants);
  if (!document.ok()) return document.status();
  return output->Write(*document);
}

}  // namespace

Command CrossoverCommand() {
  return {"crossover",
          "which way to update page tables is cheaper, and when",
          "\nTRACE...",
          "TRACE",
          "Measures what one page-table update costs under each strategy, by "
          "how many there are to make in one L1 table, and says from how many "
          "on which way is the cheaper one. With a trace, the set of Lackey "
          "logs of one process tree: how many updates the program makes at a "
          "time, and what each way of making them costs it.",
          &CrossoverOptions,
          &RunCrossover};
}

}  // namespace xmmu::cli
