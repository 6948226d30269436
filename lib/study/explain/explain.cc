#include "xmmu/study/explain.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/job_list.h"
#include "base/text.h"
#include "study/explain/fault_finder.h"
#include "study/explain/story_builder.h"
#include "study/explain/story_events.h"
#include "xmmu/base/span_log.h"

namespace xmmu {
namespace {

// A story of more records would be no story; assumed. They take 500 MiB.
constexpr uint64_t kMostRecords = 5'000'000;

// Writes down what happens on the clocks of a host while it lives.
class Recording {
 public:
  explicit Recording(Simulator& simulator)
      : host_(simulator.host()),
        log_({.most_records = kMostRecords, .charges = true}) {
    for (uint32_t i = 0; i < host_.cpu_count(); ++i) {
      host_.cpu(i).clock.set_span_log(&log_, i);
    }
  }
  ~Recording() {
    for (uint32_t i = 0; i < host_.cpu_count(); ++i) {
      host_.cpu(i).clock.set_span_log(nullptr, i);
    }
  }
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

  const SpanLog& log() const { return log_; }

 private:
  Host& host_;
  SpanLog log_;
};

// Tells what `act` does.
template <typename Act>
absl::Status TellOf(Simulator& simulator, Act act, Story& story) {
  Host& host = simulator.host();
  const Cost before = simulator.cost();
  absl::Status status;
  std::vector<StoryStep> steps;
  {
    const Recording recording(simulator);
    {
      // What is of no other span is of this one.
      const Span whole(host.cpu(0).clock, Actor::kGuestKernel, "");
      status = act();
    }
    if (!status.ok()) return status;
    if (recording.log().dropped() > 0) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "the event has more than ", kMostRecords, " steps, want fewer"));
    }
    steps =
        StepsOf(recording.log(), simulator.machine().costs, host.own_events());
  }
  story.row = simulator.Row();
  story.row.cost = simulator.cost() - before;
  story.row.by_mark = CyclesByMark(story.row.cost, simulator.machine().costs);
  story.steps = std::move(steps.front().steps);
  return absl::OkStatus();
}

absl::Status TellEvent(const SimulatorOptions& row, const StoryScript& script,
                       uint64_t pages, Story& story) {
  auto guest = GuestDriver::Create(row);
  if (!guest.ok()) return guest.status();
  Scene scene{*guest, pages};
  if (script.absent != nullptr) story.absent = script.absent(scene);
  if (!story.absent.empty()) {
    story.row = guest->simulator().Row();
    return absl::OkStatus();
  }
  script.prepare(scene);
  if (!guest->status().ok()) return guest->status();
  return TellOf(
      guest->simulator(),
      [&] {
        script.act(scene);
        return guest->status();
      },
      story);
}

absl::Status TellOperation(const SimulatorOptions& row,
                           const WorkloadFactory& workload, uint64_t number,
                           Story& story) {
  auto guest = GuestAtOperation::Create(row, workload, number);
  if (!guest.ok()) return guest.status();
  return TellOf(
      guest->simulator(), [&] { return guest->Act(); }, story);
}

absl::Status CheckStoryPages(const ExplainOptions& options,
                             const StoryEvent& event) {
  if (options.pages == 0) return absl::OkStatus();
  if (event.pages == 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a number of pages is of other events than ", Abs(event.name)));
  }
  if (options.pages <= kMostStoryPages) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(options.pages, " pages, want 1 to ", kMostStoryPages));
}

absl::Status CheckStoryRows(const ExplainOptions& options) {
  if (options.plan.rows.empty()) {
    return absl::InvalidArgumentError("want a strategy at least");
  }
  for (const SimulatorOptions& row : options.plan.rows) {
    if (row.overlap.on()) {
      return absl::InvalidArgumentError(
          "work that overlaps has no story: want one walker and no overlap");
    }
    if (options.event.empty() && (row.vcpus > 1 || row.domains > 1)) {
      return absl::InvalidArgumentError(
          "a fault of a workload is told of one vCPU and one domain: with "
          "several, which one comes first depends on the strategy");
    }
  }
  return absl::OkStatus();
}

// What the stories of `plan` share.
absl::StatusOr<Explanation> DescribeStories(const ComparisonPlan& plan) {
  Explanation explanation;
  explanation.version = std::string(Version());
  explanation.options = plan.rows.front();
  const auto machine = MachineOf(explanation.options);
  if (!machine.ok()) return machine.status();
  explanation.options.machine = std::string(machine->name);
  explanation.machine_description = std::string(machine->description);
  explanation.hypothetical =
      !HasMode(*OwnMachineOf(explanation.options), explanation.options.mode);
  explanation.left_out = plan.left_out;
  explanation.stories.resize(plan.rows.size());
  return explanation;
}

// Calls `tell(row, story)` for each row, as jobs.
template <typename Tell>
absl::Status TellAll(const ComparisonPlan& plan, Tell tell,
                     Explanation& explanation) {
  return ParallelFor(plan.jobs, plan.rows.size(),
                     [&](size_t i, const std::stop_token& stop) {
                       SimulatorOptions row = plan.rows[i];
                       row.stop = stop;
                       return tell(row, explanation.stories[i]);
                     });
}

absl::StatusOr<Explanation> ExplainEvent(const ExplainOptions& options) {
  const StoryScript* const script = FindStoryScript(options.event);
  if (script == nullptr) {
    return UnknownName("event", options.event, StoryEvents(),
                       [](const StoryEvent& event) { return event.name; });
  }
  absl::Status status = CheckStoryPages(options, script->event);
  if (!status.ok()) return status;
  auto explanation = DescribeStories(options.plan);
  if (!explanation.ok()) return explanation.status();
  explanation->event = options.event;
  explanation->help = std::string(script->event.help);
  explanation->pages = options.pages > 0 ? options.pages : script->event.pages;
  const uint64_t pages = std::max<uint64_t>(1, explanation->pages);
  status = TellAll(
      options.plan,
      [&](const SimulatorOptions& row, Story& story) {
        return TellEvent(row, *script, pages, story);
      },
      *explanation);
  if (!status.ok()) return status;
  return explanation;
}

absl::StatusOr<Explanation> ExplainFault(const ExplainOptions& options) {
  if (options.fault == 0) {
    return absl::InvalidArgumentError("want the number of a fault, from 1 on");
  }
  SimulatorOptions first = options.plan.rows.front();
  first.stop = options.plan.jobs.stop;
  const auto found = FindFault(first, options.workload, options.fault);
  if (!found.ok()) return found.status();
  auto explanation = DescribeStories(options.plan);
  if (!explanation.ok()) return explanation.status();
  explanation->event = absl::StrCat("fault ", options.fault);
  explanation->help = absl::StrCat("operation ", found->number,
                                   " of the workload: ", found->words);
  absl::Status status = TellAll(
      options.plan,
      [&](const SimulatorOptions& row, Story& story) {
        return TellOperation(row, options.workload, found->number, story);
      },
      *explanation);
  if (!status.ok()) return status;
  return explanation;
}

}  // namespace

std::string_view StoryActorName(StoryActor actor) {
  constexpr std::string_view kNames[] = {"program", "processor", "Xen",
                                         "kernel"};
  return kNames[static_cast<size_t>(actor)];
}

std::string_view StoryActorHelp(StoryActor actor) {
  constexpr std::string_view kHelps[] = {
      "the guest's program", "what the processor does by itself",
      "the hypervisor's software", "the guest's kernel"};
  return kHelps[static_cast<size_t>(actor)];
}

absl::StatusOr<Explanation> Explain(const ExplainOptions& options) {
  absl::Status status = CheckStoryRows(options);
  if (!status.ok()) return status;
  return options.event.empty() ? ExplainFault(options) : ExplainEvent(options);
}

}  // namespace xmmu
