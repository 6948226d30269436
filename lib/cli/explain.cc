// xmmu explain: the story of one event in words and cycles, under one strategy or
// several side by side.

#include "xmmu/study/explain.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/comparison_options.h"
#include "cli/run_options.h"
#include "cli/trace_input.h"
#include "xmmu/machine/machine_file.h"
#include "xmmu/workload/trace_digest.h"

namespace xmmu::cli {
namespace {

constexpr char kEvent[] = "Event";

// Options of a run that make no sense of one event: what goes on beside a
// workload, and what overlaps.
constexpr std::string_view kNotOfEvents[] = {
    "domains", "migrate", "migrate-every", "walkers", "overlap"};

std::vector<Option> OptionsOfEvents(RunGroup group) {
  std::vector<Option> options = OptionsOfRun(group);
  std::erase_if(options, [](const Option& option) {
    return std::find(std::begin(kNotOfEvents), std::end(kNotOfEvents),
                     option.name) != std::end(kNotOfEvents);
  });
  for (Option& option : options) {
    if (option.name != "vcpus") continue;
    option.help = absl::StrCat(
        "vCPUs of the guest, 1 to ", kMaxCpus,
        "; default as many as the event takes, see xmmu list stories");
  }
  return options;
}

std::vector<Option> ExplainCommandOptions() {
  return Joined(
      {{{.name = "pages",
         .group = kEvent,
         .value = "N",
         .help = absl::StrCat("pages that the event is about, 1 to ",
                              kMostStoryPages,
                              ", of events that have any; see xmmu list "
                              "stories")},
        {.name = "trace",
         .group = kEvent,
         .value = "FILE,...",
         .help = "the files of one trace, instead of an event: one of its "
                 "faults is told; may be repeated",
         .repeats = true},
        {.name = "workload",
         .group = kEvent,
         .value = "NAME[:PARAMETER=NUMBER,...]",
         .help = "a built-in workload, instead of a trace"},
        {.name = "fault",
         .group = kEvent,
         .value = "N",
         .help = "number of the fault, from 1 on, among those that the "
                 "guest's kernel handles under the first strategy; default "
                 "1"}},
       OptionsOfEvents(RunGroup::kStrategies),
       OptionsOfEvents(RunGroup::kMachine),
       OptionsOfEvents(RunGroup::kGuest),
       OptionsOfEvents(RunGroup::kTiming),
       OptionsOfJobs(),
       OptionsOfReport()});
}

// What is told of: an event, or a fault of a trace or workload.
struct Subject {
  const StoryEvent* event = nullptr;  // nullptr: of a fault
  std::vector<std::string> trace;
  std::string workload;
};

absl::Status CheckEventOptions(const Arguments& arguments,
                               const Subject& subject) {
  if (subject.event == nullptr) {
    constexpr std::string_view kOfEvents[] = {"pages"};
    return arguments.WantsFor("an event, see xmmu list stories", kOfEvents);
  }
  constexpr std::string_view kOfFaults[] = {"fault"};
  absl::Status status =
      arguments.WantsFor("--trace=FILE or --workload=NAME", kOfFaults);
  if (!status.ok() || subject.event->pages > 0) return status;
  return arguments.Given("pages")
             ? arguments.Refuse("pages",
                                absl::StrCat("want it with an event of pages, "
                                             "not ",
                                             Abs(subject.event->name)))
             : absl::OkStatus();
}

absl::StatusOr<Subject> SubjectOf(const Arguments& arguments,
                                  const Catalog& catalog) {
  Subject subject;
  auto trace = arguments.List("trace");
  if (!trace.ok()) return trace.status();
  subject.trace = *std::move(trace);
  subject.workload = arguments.Text("workload");
  const std::vector<std::string>& words = arguments.files();
  const size_t subjects = words.size() + (subject.trace.empty() ? 0 : 1) +
                          (subject.workload.empty() ? 0 : 1);
  if (subjects != 1) {
    return absl::InvalidArgumentError(
        "want one event, see xmmu list stories, or --trace=FILE or "
        "--workload=NAME");
  }
  if (!subject.workload.empty()) {
    const auto workload = catalog.MakeWorkload(subject.workload);
    if (!workload.ok()) return workload.status();
  }
  if (!words.empty()) {
    subject.event = FindStoryEvent(words.front());
    if (subject.event == nullptr) {
      return UnknownName("event", words.front(), StoryEvents(),
                         [](const StoryEvent& event) { return event.name; });
    }
  }
  const absl::Status status = CheckEventOptions(arguments, subject);
  if (!status.ok()) return status;
  return subject;
}

// The rows as compare has them, but that pinning is not judged by a row that
// never pins unless that is asked for.
absl::StatusOr<ComparisonPlan> RowsOf(const Arguments& arguments,
                                      const Catalog& catalog,
                                      const Subject& subject) {
  auto options = ComparisonOf(arguments, catalog);
  if (!options.ok()) return options.status();
  if (subject.event != nullptr && !arguments.Given("vcpus")) {
    options->base.vcpus = subject.event->vcpus;
  }
  if (subject.event == nullptr && options->base.vcpus > 1) {
    return arguments.Refuse("vcpus",
                            "want 1 with a trace or workload: with several, "
                            "which fault comes first depends on the strategy");
  }
  auto plan = PlanComparison(*options);
  if (!plan.ok()) return plan.status();
  const absl::Status status = CheckEffects(arguments, *plan);
  if (!status.ok()) return status;
  if (!arguments.Given("pin")) {
    std::erase_if(plan->rows, [](const SimulatorOptions& row) {
      return row.pin == PinWhen::kNever;
    });
  }
  return plan;
}

absl::StatusOr<RunIdentity> IdentityOfStory(const Arguments& arguments,
                                            const TraceInput& files,
                                            const MachineModel& machine,
                                            bool says_all) {
  RunIdentity identity;
  identity.command_line = arguments.command_line();
  if (!says_all) return identity;
  identity.machine_file = MachineToml(machine);
  if (files.paths().empty()) return identity;
  auto digest = TraceDigest(files.paths());
  if (!digest.ok()) return digest.status();
  identity.trace_sha1 = *std::move(digest);
  return identity;
}

absl::Status RunExplain(const Arguments& arguments, const Catalog& catalog,
                        Console& console) {
  const auto subject = SubjectOf(arguments, catalog);
  if (!subject.ok()) return subject.status();
  ExplainOptions options;
  if (subject->event != nullptr) options.event = subject->event->name;
  const auto pages =
      WholeNumber(arguments, "pages", 0, kMostStoryPages, /*least=*/1);
  if (!pages.ok()) return pages.status();
  options.pages = *pages;
  const auto fault =
      WholeNumber(arguments, "fault", 1, ~uint64_t{0}, /*least=*/1);
  if (!fault.ok()) return fault.status();
  options.fault = *fault;
  auto plan = RowsOf(arguments, catalog, *subject);
  if (!plan.ok()) return plan.status();
  options.plan = *std::move(plan);
  auto jobs = JobsOf(arguments, console);
  if (!jobs.ok()) return jobs.status();
  options.plan.jobs = *std::move(jobs);
  auto output = ReportOutput::Open(arguments, console);
  if (!output.ok()) return output.status();
  auto files = TraceInput::Open(subject->trace);
  if (!files.ok()) return files.status();
  if (subject->event == nullptr) {
    options.workload = WorkloadOf(catalog, subject->workload, files->paths());
  }
  const auto explanation = Explain(options);
  if (!explanation.ok()) return files->Named(explanation.status());
  const auto identity = IdentityOfStory(
      arguments, *files, *options.plan.rows.front().custom_machine,
      output->says_all());
  if (!identity.ok()) return files->Named(identity.status());
  return output->Write(ExplanationDocument(*explanation, *identity));
}

}  // namespace

Command ExplainCommand() {
  return {"explain",
          "the story of one event, step by step",
          "EVENT\n--trace=FILE,... --fault=N",
          "EVENT",
          "Tells what happens at one event of memory management, under one "
          "strategy or several side by side: who does what, in which function "
          "of Xen or Linux, what each step takes and where its price is from. "
          "Events are those of xmmu list stories, met in a guest that is warm, "
          "or one of the faults of a trace in any format that xmmu list "
          "formats names.",
          &ExplainCommandOptions,
          &RunExplain};
}

}  // namespace xmmu::cli
