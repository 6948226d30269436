// xmmu crossover: what one page-table update costs under each strategy, by how
// many there are to make in one L1 table, and from how many on which way is the
// cheaper one; or, for a recorded program, how many there are and which way is
// cheaper for it.

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "cli/commands.h"
#include "cli/run_options.h"
#include "xmmu/study/studies.h"

namespace xmmu::cli {
namespace {

std::vector<Option> CrossoverOptions() {
  return Joined({{{.name = "variants",
                   .group = "Strategies",
                   .help = "measure variants of strategies, too"}},
                 OptionsOfBases(),
                 OptionsOfSweep(),
                 OptionsOfJobs(),
                 OptionsOfReport()});
}

absl::Status RunCrossover(const Arguments& arguments, const Catalog& catalog,
                          Console& console) {
  StudyRequest request;
  const auto variants = arguments.IsOn("variants");
  if (!variants.ok()) return variants.status();
  request.variants = *variants;
  auto bases = BasesOf(arguments, catalog);
  if (!bases.ok()) return bases.status();
  request.bases = *std::move(bases);
  const auto sweep = SweepOf(arguments);
  if (!sweep.ok()) return sweep.status();
  request.sweep = *sweep;
  const std::vector<std::string>& files = arguments.files();
  if (files.empty()) return RunStudy("crossover", request, arguments, console);
  if (request.sweep.has_value()) {
    return absl::InvalidArgumentError(
        "--sensitivity is of crossings: want no trace; see xmmu compare");
  }
  request.workloads = {WorkloadOf(catalog, "", files)};
  return RunStudy("batches", request, arguments, console);
}

}  // namespace

Command CrossoverCommand() {
  return {"crossover",
          "which way to update page tables is cheaper, and when",
          "\nTRACE...",
          "TRACE",
          "Measures what one page-table update costs under each strategy, by "
          "how many there are to make in one L1 table, and says from how many "
          "on which way is the cheaper one. With a trace in any format "
          "that xmmu list formats names: how many updates the program makes at "
          "a time, and what each way of making them costs it.",
          &CrossoverOptions,
          &RunCrossover};
}

}  // namespace xmmu::cli
