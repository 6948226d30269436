// xmmu shadows: the shadow page tables that Xen had, was offered and went on
// to, held against each other: what an event costs, what whole workloads cost,
// and how much memory they take.

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cli/commands.h"
#include "cli/run_options.h"
#include "xmmu/study/studies.h"

namespace xmmu::cli {
namespace {

constexpr char kWorkloads[] =
    "touch:pages=2000;fork:pages=1000,cow=200;mprotect:pages=500,rounds=4;"
    "switch:processes=4,rounds=200,pages=16;churn:pages=16,rounds=200";

std::vector<Option> ShadowsOptions() {
  return Joined({{{.name = "workloads",
                   .group = "Workload",
                   .value = "SPEC;...",
                   .help = absl::StrCat("built-in workloads, with a semicolon "
                                        "between two; may be empty; default ",
                                        kWorkloads),
                   .may_be_empty = true}},
                 OptionsOfBases(),
                 {{.name = "vcpus",
                   .group = "Guest",
                   .value = "N,...",
                   .help = "numbers of vCPUs, 1 to 64; default 1,2"}},
                 OptionsOfSweep(),
                 OptionsOfJobs(),
                 OptionsOfReport()});
}

// The bases, each with each number of vCPUs.
absl::StatusOr<std::vector<SimulatorOptions>> BasesWithVcpus(
    const Arguments& arguments, const Catalog& catalog) {
  const auto bases = BasesOf(arguments, catalog);
  if (!bases.ok()) return bases.status();
  auto numbers = arguments.List("vcpus");
  if (!numbers.ok()) return numbers.status();
  if (numbers->empty()) *numbers = {"1", "2"};
  std::vector<SimulatorOptions> all;
  for (const SimulatorOptions& base : *bases) {
    for (const std::string& number : *numbers) {
      all.push_back(base);
      const absl::Status status =
          FindRunField("vcpus")->set(number, all.back());
      if (status.ok()) continue;
      return arguments.Refuse("vcpus", number, std::string(status.message()));
    }
  }
  return all;
}

std::vector<std::string> SpecsOf(const Arguments& arguments) {
  const std::string specs = arguments.Text("workloads", kWorkloads);
  if (specs.empty()) return {};
  return absl::StrSplit(specs, ';');
}

// Errors: InvalidArgument if one of the workloads cannot be made.
absl::StatusOr<std::vector<WorkloadFactory>> WorkloadsOf(
    const Arguments& arguments, const Catalog& catalog) {
  std::vector<WorkloadFactory> factories;
  std::set<std::string> seen;
  for (const std::string& spec : SpecsOf(arguments)) {
    const auto workload = catalog.MakeWorkload(spec);
    if (!workload.ok()) return workload.status();
    if (!seen.insert((*workload)->name()).second) {
      return arguments.Refuse("workloads",
                              absl::StrCat("has ", spec, " twice"));
    }
    factories.push_back(WorkloadOf(catalog, spec, {}));
  }
  if (!arguments.files().empty()) {
    factories.push_back(WorkloadOf(catalog, "", arguments.files()));
  }
  return factories;
}

absl::Status RunShadows(const Arguments& arguments, const Catalog& catalog,
                        Console& console) {
  StudyRequest request;
  const auto sweep = SweepOf(arguments);
  if (!sweep.ok()) return sweep.status();
  request.sweep = *sweep;
  auto bases = BasesWithVcpus(arguments, catalog);
  if (!bases.ok()) return bases.status();
  request.bases = *std::move(bases);
  auto workloads = WorkloadsOf(arguments, catalog);
  if (!workloads.ok()) return workloads.status();
  request.workloads = *std::move(workloads);
  for (const SimulatorOptions& base : request.bases) {
    if (!request.sweep.has_value()) break;
    const absl::Status sweepable = CheckSweepable(base);
    if (!sweepable.ok()) return sweepable;
  }
  return RunStudy("shadows", request, arguments, console);
}

}  // namespace

Command ShadowsCommand() {
  return {"shadows",
          "compare the kinds of shadow page tables",
          "[TRACE]...",
          "TRACE",
          "Measures what single events, whole workloads and, with a trace in "
          "any format that xmmu list formats names, a recorded program cost "
          "under each kind of shadow page tables, split by component; and says "
          "where XI shadow is 4 times as fast as the shadow of its day, what "
          "Xen's own gained from 2006 to 2008, and what backlinks gain on "
          "searching.",
          &ShadowsOptions,
          &RunShadows};
}

}  // namespace xmmu::cli
