#ifndef XMMU_STUDY_EXPLAIN_H_
#define XMMU_STUDY_EXPLAIN_H_

// The story of one event: who does what, step by step, from the instruction that
// starts it until the program goes on, and what each step takes; under one
// strategy, or under several side by side.
//
//   ComparisonOptions rows;
//   rows.policies = {{"native"}, {"xi-shadow"}};
//   ExplainOptions options;
//   options.plan = *PlanComparison(rows);
//   options.event = "write-fault";
//   const auto explanation = Explain(options);
//   std::cout << Render(ExplanationDocument(*explanation), ReportFormat::kText);
//
// Steps of Xen and of the guest's kernel have the names of the functions that
// take them, in the Xen and the Linux that are modelled. Steps nest by what
// causes what. Cycles stand at the leaves, each a priced event of the machine,
// so that the leaves add up to what the clocks say.
//
// Called by one thread; runs as many simulations at a time as Jobs::threads says.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "xmmu/base/cycles.h"
#include "xmmu/machine/machine_model.h"
#include "xmmu/report/document.h"
#include "xmmu/report/report.h"
#include "xmmu/sim/compare.h"
#include "xmmu/sim/results.h"

namespace xmmu {

// An event that can be told.
struct StoryEvent {
  std::string_view name;  // "write-fault"
  std::string_view help;  // one line
  // How many pages it is about unless something else is asked for; 0 where
  // there is nothing to choose.
  uint64_t pages = 0;
  // The vCPUs that it takes to show all of it.
  int vcpus = 1;
};

// All events, in the order of their listing.
std::span<const StoryEvent> StoryEvents();
// The event with that name, or nullptr.
const StoryEvent* FindStoryEvent(std::string_view name);

// More pages make no other story (assumed).
inline constexpr uint64_t kMostStoryPages = 512;

// Who takes a step.
enum class StoryActor : uint8_t { kProgram, kProcessor, kXen, kGuestKernel };
inline constexpr size_t kStoryActorCount = 4;
// "program", "processor", "Xen", "kernel".
std::string_view StoryActorName(StoryActor actor);
std::string_view StoryActorHelp(StoryActor actor);

// What a leaf's cycles are: how often an event was charged, and its price.
struct StepPrice {
  std::string event;  // name of a CostEvent, or of an event of the policy's own
  std::string help;
  Component component = Component::kExecute;
  uint64_t times = 1;
  uint64_t price = 0;  // cycles each
  uint64_t low = 0;    // its band
  uint64_t high = 0;
  Mark mark = Mark::kEstimated;
  std::string source;
};

struct StepArgument {
  std::string name;
  std::string text;  // a number, an address or a word
  bool operator==(const StepArgument&) const = default;
};

struct StoryStep {
  StoryActor actor = StoryActor::kProcessor;
  uint32_t cpu = 0;
  // A function of Xen or Linux, something that a processor does, or the name of
  // what is charged.
  std::string what;
  std::vector<StepArgument> arguments;
  // So many steps of this kind stood here one right after the other; what is
  // within them is added up, and arguments that differ are left out.
  uint64_t times = 1;
  // Of all of them: those of its price, or the sum of `steps`.
  Cycles cycles;
  std::optional<StepPrice> price;  // of a leaf that takes time
  std::vector<StoryStep> steps;    // what is done within it, in order
};

// The event under one strategy.
struct Story {
  // What was run: policy, guest_ops, pin and so on. Its `cost` and `by_mark` are
  // those of the event, on all CPUs; of what else it has, nothing is.
  ReportRow row;
  // Why there is no such event under this strategy; then there are no steps.
  std::string absent;
  std::vector<StoryStep> steps;
};

struct Explanation {
  std::string version;
  std::string event;  // its name, or "fault 3 of WORKLOAD"
  std::string help;   // what happens
  uint64_t pages = 0;
  SimulatorOptions options;  // what the stories share, as in a Comparison
  std::string machine_description;
  bool hypothetical = false;  // the machine lacks the paging mode
  std::vector<Story> stories;
  std::vector<std::string> left_out;
};

struct ExplainOptions {
  // The rows; each becomes a story.
  ComparisonPlan plan;
  // The name of an event, and how many pages it is about (0: StoryEvent::pages).
  std::string event = {};
  uint64_t pages = 0;
  // Or, if `event` is empty, a workload and the number, from 1 on, of one of
  // the faults that its kernel handles. The operation in which the first row
  // has it is told of all rows.
  WorkloadFactory workload = {};
  uint64_t fault = 0;
};

// Errors: InvalidArgument for an unknown event with the nearest name, for pages
// out of range or of an event that has none, for rows whose work overlaps
// (SimulatorOptions::overlap), for a fault of several vCPUs or domains, and for a
// workload that has fewer faults; those of the workload and of
// Simulator::Create; Cancelled if a stop was requested.
absl::StatusOr<Explanation> Explain(const ExplainOptions& options);

// The number of the form of its JSON object, its key "schema"; see
// kComparisonSchema.
inline constexpr uint64_t kExplanationSchema = 1;

// An explanation as a document.
//   text   what each story takes, by who takes it; then each as an outline
//   data   one object; stories have steps, which have steps
//   table  a line a step, in order, with its number: 2.1.3 is within 2.1
Document ExplanationDocument(const Explanation& explanation,
                             const RunIdentity& identity = {});

}  // namespace xmmu

#endif  // XMMU_STUDY_EXPLAIN_H_
