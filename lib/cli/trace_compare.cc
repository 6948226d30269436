// xmmu trace compare: what a Linux on Xen issued for programs, beside what the
// simulated guest issues for the same programs.

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/job_list.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/run_options.h"
#include "cli/trace_input.h"
#include "report/trace_comparison.h"
#include "sim/comparison_run.h"
#include "workload/input/file_error.h"
#include "workload/linux_text/text_summary.h"
#include "workload/xentrace/xentrace_counts.h"
#include "workload/xentrace/xentrace_reader.h"
#include "xmmu/sim/compare.h"

namespace xmmu::cli {
namespace {

// Xen emulates what pvops write by ordinary instructions under this one alone
// of the strategies of its time.
constexpr char kPolicyOfLinux[] = "trap-and-emulate";
constexpr char kOpsOfLinux[] = "pvops";

std::vector<Option> TraceCompareOptions() {
  const std::string group = GroupName(RunGroup::kStrategies);
  return Joined(
      {{{.name = "policy",
         .group = group,
         .value = "NAME",
         .help = "strategy to simulate; default trap-and-emulate, which is how "
                 "Xen runs such a Linux"},
        {.name = "guest-ops",
         .group = group,
         .value = "NAME",
         .help = "how its guest writes page tables; default pvops, as Linux "
                 "6.1 does"},
        {.name = "pin",
         .group = group,
         .value = "NAME",
         .help = "when it pins page tables; default what the Linux of the time "
                 "did"}},
       OptionsOfRun(RunGroup::kMachine),
       OptionsOfRun(RunGroup::kGuest),
       OptionsOfRun(RunGroup::kTiming),
       OptionsOfJobs(),
       OptionsOfReport()});
}

struct ComparedFiles {
  std::string text;
  std::optional<std::string> xentrace;
};

absl::StatusOr<ComparedFiles> SortFiles(const std::vector<std::string>& paths) {
  ComparedFiles files;
  for (const std::string& path : paths) {
    const auto of_xen = IsXentraceFile(path);
    if (!of_xen.ok()) return of_xen.status();
    const bool is_second =
        *of_xen ? files.xentrace.has_value() : !files.text.empty();
    if (is_second) {
      return FileError(
          path, 0,
          absl::StrCat("a second ", *of_xen ? "file of xentrace" : "text",
                       ", expected one text of Linux's tracing "
                       "and at most one file of xentrace"));
    }
    if (*of_xen) {
      files.xentrace = path;
    } else {
      files.text = path;
    }
  }
  if (!files.text.empty()) return files;
  if (files.xentrace.has_value()) {
    return FileError(*files.xentrace, 0,
                     "is a file of xentrace, expected a text of Linux's "
                     "tracing beside it; xmmu trace info counts one by itself");
  }
  return absl::InvalidArgumentError(
      "want a text of Linux's tracing, and a file of xentrace if there is one; "
      "see --help");
}

template <typename Member, typename T>
absl::Status ReadName(const Arguments& arguments, const std::string& flag,
                      std::string_view key, const std::string& otherwise,
                      Member SimulatorOptions::*member,
                      std::vector<T>& values) {
  const std::string name = arguments.Text(flag, otherwise);
  if (name.empty()) return absl::OkStatus();
  SimulatorOptions row;
  const absl::Status status = FindRunField(key)->set(name, row);
  if (!status.ok()) {
    return arguments.Refuse(flag, name, std::string(status.message()));
  }
  const std::optional<T> value = row.*member;
  values.push_back(*value);
  return absl::OkStatus();
}

absl::StatusOr<ComparisonPlan> PlanOf(Arguments arguments,
                                      const Catalog& catalog) {
  const bool mode_is_open = !arguments.Given("levels") &&
                            !arguments.Given("machine") &&
                            !arguments.Given("machine-file");
  // Such a Linux has 4 levels.
  if (mode_is_open) arguments.Add("levels", "4", "");
  ComparisonOptions options;
  auto base = BaseOf(arguments, catalog);
  if (!base.ok()) return base.status();
  options.base = *std::move(base);
  const std::string name = arguments.Text("policy", kPolicyOfLinux);
  const PolicyRow* const row = catalog.FindPolicy(name);
  if (row == nullptr) {
    return arguments.Refuse("policy", name,
                            WantedName(name, catalog.PolicyNames()));
  }
  options.policies = {{row->name, row->make}};
  const bool as_linux = name == kPolicyOfLinux;
  absl::Status status =
      ReadName(arguments, "guest-ops", "guest_ops", as_linux ? kOpsOfLinux : "",
               &SimulatorOptions::guest_ops, options.guest_ops);
  status.Update(ReadName(arguments, "pin", "pin", "", &SimulatorOptions::pin,
                         options.pins));
  if (!status.ok()) return status;
  auto plan = PlanComparison(options);
  if (!plan.ok()) return plan.status();
  // Some strategies have a row more that they are judged by.
  plan->rows.resize(1);
  return plan;
}

// Errors: InvalidArgument if the two files have no clock or no time in common.
absl::StatusOr<XentraceSummary> MeanwhileInXen(const std::string& path,
                                               const LinuxTextSummary& text) {
  if (text.tree.seconds) {
    return FileError(path, 0,
                     "cannot be set beside a text with a clock of seconds, "
                     "expected one recorded with clock x86-tsc");
  }
  auto summary = SummarizeXentrace(
      path, {.first = text.first_time, .last = text.last_time});
  if (!summary.ok()) return summary.status();
  if (summary->counts.records() != 0) return summary;
  return FileError(
      path, 0,
      absl::StrCat("has no record of the text's time (TSC ", text.first_time,
                   " to ", text.last_time, "), expected one of the same run"));
}

// Reads what the text, and the file of xentrace, say of the recorded run.
absl::Status SummarizeFiles(const ComparedFiles& files,
                            TraceComparison& result) {
  auto text = SummarizeLinuxText(files.text);
  if (!text.ok()) return text.status();
  result.text = *std::move(text);
  if (!files.xentrace.has_value()) return absl::OkStatus();
  auto xen = MeanwhileInXen(*files.xentrace, result.text);
  if (xen.ok()) result.xen = *std::move(xen);
  return xen.status();
}

// Reads the files and replays the text, side by side if there are cores.
absl::StatusOr<TraceComparison> CompareFiles(const ComparedFiles& files,
                                             const ComparisonPlan& plan,
                                             const Catalog& catalog) {
  TraceComparison result;
  ComparisonRun run(plan, WorkloadOf(catalog, "", {files.text}));
  JobList jobs;
  jobs.Add(
      [&](const std::stop_token&) { return SummarizeFiles(files, result); });
  run.AddJobs(jobs);
  absl::Status status = jobs.Run(plan.jobs);
  if (!status.ok()) return status;
  const auto trace = OpenTrace({files.text}, {});
  if (!trace.ok()) return trace.status();
  result.facts = (*trace)->facts();
  auto simulated = run.Finish();
  if (!simulated.ok()) return simulated.status();
  result.simulated = *std::move(simulated);
  return result;
}

absl::Status RunTraceCompare(const Arguments& arguments, const Catalog& catalog,
                             Console& console) {
  auto plan = PlanOf(arguments, catalog);
  if (!plan.ok()) return plan.status();
  auto jobs = JobsOf(arguments, console);
  if (!jobs.ok()) return jobs.status();
  plan->jobs = *std::move(jobs);
  auto output = ReportOutput::Open(arguments, console);
  if (!output.ok()) return output.status();
  const auto input = TraceInput::Open(arguments.files());
  if (!input.ok()) return input.status();
  const auto files = SortFiles(input->paths());
  if (!files.ok()) return input->Named(files.status());
  const auto result = CompareFiles(*files, *plan, catalog);
  if (!result.ok()) return input->Named(result.status());
  return output->Write(TraceComparisonDocument(*result));
}

}  // namespace

Command TraceCompareCommand() {
  return {"trace compare",
          "what a Linux on Xen issued, beside what the simulated guest issues",
          "LINUX-TEXT [XENTRACE]",
          "FILE",
          "Replays what Linux's tracing has printed (ftrace, trace-cmd report, "
          "perf script) under the strategy that Xen runs such a Linux by, and "
          "sets page faults, hypercalls and updates of the two side by side; "
          "with a file of xentrace of the same run, recorded with clock "
          "x86-tsc, what Xen counted, too.",
          &TraceCompareOptions,
          &RunTraceCompare};
}

}  // namespace xmmu::cli
