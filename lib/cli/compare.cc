// xmmu compare: runs one workload under several strategies and reports them
// side by side.

#include "xmmu/sim/compare.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/comparison_options.h"
#include "cli/run_options.h"
#include "cli/span_output.h"
#include "cli/trace_input.h"
#include "study/claims.h"
#include "xmmu/machine/machine_file.h"
#include "xmmu/report/report.h"
#include "xmmu/workload/trace_digest.h"

namespace xmmu::cli {
namespace {

std::vector<Option> CompareOptions() {
  return Joined(
      {{{.name = "workload",
         .group = "Workload",
         .value = "NAME[:PARAMETER=NUMBER,...]",
         .help = "built-in workload instead of a trace, see xmmu list "
                 "workloads"}},
       OptionsOfRun(RunGroup::kStrategies),
       OptionsOfRun(RunGroup::kMachine),
       OptionsOfRun(RunGroup::kGuest),
       OptionsOfRun(RunGroup::kTiming),
       OptionsOfRun(RunGroup::kRegion),
       {{.name = "per",
         .group = GroupName(RunGroup::kRegion),
         .value = "WHAT",
         .help =
             "cycles and counters of the region by vcpu or by task as well, "
             "in all formats; default not"}},
       OptionsOfSweep(),
       OptionsOfJobs(),
       OptionsOfReport(),
       OptionsOfSpans()});
}

// Sets what rows are taken apart by. The series of intervals and the sensitivity
// are tables of their own.
absl::Status SetPer(const Arguments& arguments, bool sweeps,
                    SimulatorOptions& base) {
  if (!arguments.Given("per")) return absl::OkStatus();
  const std::string per = arguments.Text("per");
  constexpr std::string_view kKnown[] = {"vcpu", "task"};
  if (per != "vcpu" && per != "task") {
    return arguments.Refuse("per", per, WantedName(per, kKnown));
  }
  if (arguments.Given("interval")) {
    return arguments.Refuse("per", "want it without --interval");
  }
  if (sweeps) return arguments.Refuse("per", "want it without --sensitivity");
  base.per = per == "vcpu" ? Per::kVcpu : Per::kTask;
  return absl::OkStatus();
}

// Errors: InvalidArgument unless there is either a workload or a trace, or if
// the workload cannot be made.
absl::Status CheckWorkload(const Arguments& arguments, const Catalog& catalog) {
  const std::string workload = arguments.Text("workload");
  if (arguments.files().empty() == workload.empty()) {
    return absl::InvalidArgumentError(
        "want the files of one trace, or --workload=NAME; see --help");
  }
  return workload.empty() ? absl::OkStatus()
                          : catalog.MakeWorkload(workload).status();
}

// What a comparison runs, and what a trace says of itself once it has run.
struct CompareInput {
  TraceInput files;
  std::shared_ptr<TraceFactsSlot> facts;
};

// What the report says besides of how to run it again. People look at the
// command, so a text report needs no hash of the trace.
absl::StatusOr<RunIdentity> IdentityOf(const Arguments& arguments,
                                       const CompareInput& input,
                                       const MachineModel& machine,
                                       bool says_all) {
  RunIdentity identity;
  identity.command_line = arguments.command_line();
  identity.trace = input.facts->Get();
  if (!says_all) return identity;
  identity.machine_file = MachineToml(machine);
  if (arguments.files().empty()) return identity;
  auto digest = TraceDigest(input.files.paths());
  if (!digest.ok()) return digest.status();
  identity.trace_sha1 = *std::move(digest);
  return identity;
}

// All that can be wrong is found before the work, not after it.
absl::Status RunCompare(const Arguments& arguments, const Catalog& catalog,
                        Console& console) {
  absl::Status status = CheckWorkload(arguments, catalog);
  if (!status.ok()) return status;
  auto options = ComparisonOf(arguments, catalog);
  if (!options.ok()) return options.status();
  auto jobs = JobsOf(arguments, console);
  if (!jobs.ok()) return jobs.status();
  options->jobs = *jobs;
  const auto sweep = SweepOf(arguments);
  if (!sweep.ok()) return sweep.status();
  if (sweep->has_value()) status = CheckSweepable(options->base);
  if (sweep->has_value() && arguments.Given("interval")) {
    return arguments.Refuse("interval", "want it without --sensitivity");
  }
  if (status.ok())
    status = SetPer(arguments, sweep->has_value(), options->base);
  if (!status.ok()) return status;
  const auto wanted = SpansOf(arguments, options->base.overlap);
  if (!wanted.ok()) return wanted.status();
  options->base.spans = *wanted;
  const auto plan = PlanComparison(*options);
  if (!plan.ok()) return plan.status();
  status = CheckEffects(arguments, *plan);
  if (!status.ok()) return status;
  auto output = ReportOutput::Open(arguments, console);
  if (!output.ok()) return output.status();
  auto spans = SpanOutput::Open(arguments, *output, console);
  if (!spans.ok()) return spans.status();
  auto files = TraceInput::Open(arguments.files());
  if (!files.ok()) return files.status();
  const CompareInput input{*std::move(files),
                           std::make_shared<TraceFactsSlot>()};
  const auto comparison =
      RunComparison(*plan, WorkloadOf(catalog, arguments.Text("workload"),
                                      input.files.paths(), input.facts,
                                      LeaveCores(*jobs, plan->rows.size())));
  if (!comparison.ok()) return input.files.Named(comparison.status());
  const auto identity = IdentityOf(
      arguments, input, *options->base.custom_machine, output->says_all());
  if (!identity.ok()) return input.files.Named(identity.status());
  status = spans->Write(*comparison);
  if (!status.ok()) return status;
  if (!sweep->has_value()) {
    return output->Write(ComparisonDocument(*comparison, *identity));
  }
  jobs->progress = nullptr;  // the simulations are done
  const auto sensitivity = SweepComparison(*comparison, **sweep, *jobs);
  if (!sensitivity.ok()) return sensitivity.status();
  return output->Write(
      SensitivityDocument(*comparison, *sensitivity, *identity));
}

}  // namespace

Command CompareCommand() {
  return {"compare",
          "one workload under several strategies, side by side",
          "TRACE...\n--workload=NAME[:PARAMETER=NUMBER,...]",
          "TRACE",
          "Runs one workload under several memory-virtualization strategies on "
          "a simulated machine and reports cycles, events and memory side by "
          "side. A trace is the files of one recording, in a format that xmmu "
          "list formats names, or - for one file on standard input.",
          &CompareOptions,
          &RunCompare};
}

}  // namespace xmmu::cli
