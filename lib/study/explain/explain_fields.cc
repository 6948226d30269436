#include "study/explain/explain_fields.h"

#include <span>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/text.h"
#include "report/common_fields.h"
#include "xmmu/guest/guest_options.h"

namespace xmmu {
namespace {

// A step of a story. `story` is null in the fields of level 0, `step` in those
// of level 1, and in a line of a story that has none.
struct StepLine {
  const Explanation& all;
  const RunIdentity& identity;
  const Story* story;
  const StoryStep* step;
  std::string number;
};

std::vector<Record> StoryRecords(const StepLine& line);
std::vector<Record> StepRecords(const StepLine& line,
                                const std::vector<StoryStep>& steps);

std::vector<Column> ActorColumns() {
  std::vector<Column> columns;
  for (size_t i = 0; i < kStoryActorCount; ++i) {
    const auto actor = static_cast<StoryActor>(i);
    columns.push_back({std::string(StoryActorName(actor)), "cycles",
                       std::string(StoryActorHelp(actor))});
  }
  return columns;
}
constexpr FieldGroup kActorGroup = {"cycles_", &ActorColumns};

std::vector<Cell> ActorCells(const Story& story) {
  std::vector<Cell> cells;
  for (const Cycles cycles : CyclesByActor(story)) {
    cells.emplace_back(cycles.count());
  }
  return cells;
}

Value StepTextIfAny(const std::string& text) {
  return text.empty() ? Value(Absent()) : AsValue(text);
}

// What `take` makes of the story's event, if there is one.
template <typename Take>
Value OfEvent(const StepLine& line, Take take) {
  if (!line.story->absent.empty()) return Absent();
  return AsValue(take(*line.story));
}

std::vector<Cell> TextCells(const std::vector<std::string>& texts) {
  return std::vector<Cell>(texts.begin(), texts.end());
}

// What `take` makes of the step's price, if it has one.
template <typename Take>
Value OfPrice(const StepLine& line, Take take) {
  if (line.step == nullptr || !line.step->price.has_value()) return Absent();
  return AsValue(take(*line.step->price));
}

// What `take` makes of the step, if there is one.
template <typename Take>
Value OfStep(const StepLine& line, Take take) {
  if (line.step == nullptr) return Absent();
  return AsValue(take(*line.step));
}

std::string ArgumentsText(const StoryStep& step) {
  return absl::StrJoin(step.arguments, ", ",
                       [](std::string* text, const StepArgument& argument) {
                         absl::StrAppend(text, argument.name, " ",
                                         argument.text);
                       });
}

Record ArgumentsRecord(const StoryStep& step) {
  Record record;
  for (const StepArgument& argument : step.arguments) {
    record.fields.push_back({argument.name, "", "", Cell(argument.text)});
  }
  return record;
}

constexpr FieldOf<StepLine> kStoryFields[] = {
    {0, "xmmu", "", "version of xmmu that ran it",
     [](const StepLine& l) { return l.all.version; }, Shown::kCsvAtEnd},
    {0, "schema", "", "number of the form of this object",
     [](const StepLine&) { return kExplanationSchema; }, Shown::kJson},
    {0, "command_line", "", "arguments that the report was made by",
     [](const StepLine& l) -> Value {
       if (l.identity.command_line.empty()) return Absent();
       return TextCells(l.identity.command_line);
     },
     Shown::kJson},
    {0, "machine", "", "machine that was simulated",
     [](const StepLine& l) { return l.all.options.machine; }},
    {0, "levels", "levels", "levels of page tables of the guest; 3 is PAE",
     [](const StepLine& l) { return LevelCount(l.all.options.mode); }},
    {0, "vcpus", "vCPUs", "vCPUs of the guest",
     [](const StepLine& l) { return l.all.options.vcpus; }},
    {0, "timing", "", "what memory takes",
     [](const StepLine& l) { return MemoryTimingName(l.all.options.timing); }},
    {0, "event", "", "what is told",
     [](const StepLine& l) { return l.all.event; }},
    {0, "help", "", "what happens, in words",
     [](const StepLine& l) { return l.all.help; }, Shown::kJson},
    {0, "pages", "pages", "pages that the event is about",
     [](const StepLine& l) -> Value {
       if (l.all.pages == 0) return Absent();
       return AsValue(l.all.pages);
     }},
    {0, "hypothetical", "",
     "whether the machine lacks this paging mode, and its costs and caches are "
     "used as if it had it",
     [](const StepLine& l) { return l.all.hypothetical; }, Shown::kJson},
    {1, "policy", "", "strategy that virtualizes the guest's memory",
     [](const StepLine& l) { return l.story->row.policy; }},
    {1, "guest_ops", "", "how the guest kernel writes page tables",
     [](const StepLine& l) { return GuestOpsName(l.story->row.guest_ops); }},
    {1, "pin", "",
     "when a paravirtual guest pins page tables; - where there is nothing to "
     "pin",
     [](const StepLine& l) { return PinCell(l.story->row); }},
    {1, "shares_file_pages", "",
     "whether the guest shares file pages with other domains",
     [](const StepLine& l) { return l.story->row.shares_file_pages; }},
    {1, "linear_map", "", "how Xen reaches the guest's page tables",
     [](const StepLine& l) { return LinearMapName(l.story->row.linear_map); }},
    {1, "thp", "",
     "which anonymous memory of programs gets large pages where the guest has "
     "them",
     [](const StepLine& l) { return ThpName(l.story->row.thp); }},
    {1, "hypothetical", "",
     "what the machine has not and the row has used all the same; empty if "
     "nothing",
     [](const StepLine& l) { return l.story->row.hypothetical; }},
    {1, "absent", "",
     "why there is no such event under this strategy; empty if there is",
     [](const StepLine& l) { return l.story->absent; }},
    {1, "cycles", "cycles", "cycles of the event, on all CPUs",
     [](const StepLine& l) {
       return OfEvent(l, [](const Story& s) { return s.row.cost.cycles; });
     },
     Shown::kJson},
    {1, "cycles_by_actor", "cycles",
     "cycles by who takes them; they add up to cycles",
     [](const StepLine& l) { return OfEvent(l, &ActorCells); }, Shown::kJson,
     &kActorGroup},
    {1, "cycles_by_component", "cycles",
     "cycles by what they were spent on; they add up to cycles",
     [](const StepLine& l) {
       return OfEvent(
           l, [](const Story& s) { return ComponentCells(s.row.cost); });
     },
     Shown::kJson, &kComponentGroup},
    {1, "cycles_by_mark", "cycles",
     "cycles by what is known of their prices; they add up to cycles",
     [](const StepLine& l) {
       return OfEvent(
           l, [](const Story& s) { return MarkCyclesCells(s.row.by_mark); });
     },
     Shown::kJson, &kMarkCyclesGroup},
    {2, "number", "",
     "number of the step within its story: 2.1.3 is the third one in 2.1",
     [](const StepLine& l) { return l.number; }, Shown::kCsv},
    {2, "actor", "", "who takes the step",
     [](const StepLine& l) {
       return OfStep(
           l, [](const StoryStep& s) { return StoryActorName(s.actor); });
     }},
    {2, "cpu", "", "number of the CPU that it is taken on",
     [](const StepLine& l) {
       return OfStep(l, [](const StoryStep& s) { return s.cpu; });
     }},
    {2, "step", "",
     "what is done: a function of Xen or Linux, something that a processor "
     "does, or the name of what is charged",
     [](const StepLine& l) {
       return OfStep(l, [](const StoryStep& s) { return s.what; });
     }},
    {2, "arguments", "", "what the step is about",
     [](const StepLine& l) { return OfStep(l, &ArgumentsText); }, Shown::kCsv},
    {2, "arguments", "", "what the step is about",
     [](const StepLine& l) -> Value {
       if (l.step->arguments.empty()) return Absent();
       return ArgumentsRecord(*l.step);
     },
     Shown::kJson},
    {2, "times", "",
     "how many such steps stood here one behind the other; what is said of "
     "them is of all",
     [](const StepLine& l) {
       return OfStep(l, [](const StoryStep& s) { return s.times; });
     }},
    {2, "cycles", "cycles",
     "cycles of the step: of its price, or of the steps within it together",
     [](const StepLine& l) {
       return OfStep(l, [](const StoryStep& s) { return s.cycles; });
     }},
    {2, "charge", "",
     "what is charged; nothing if the step takes no time but for the steps "
     "within it",
     [](const StepLine& l) {
       return OfPrice(l, [](const StepPrice& p) { return p.event; });
     }},
    {2, "charged", "events", "how often it was charged",
     [](const StepLine& l) {
       return OfPrice(l, [](const StepPrice& p) { return p.times; });
     }},
    {2, "price", "cycles", "cycles each",
     [](const StepLine& l) {
       return OfPrice(l, [](const StepPrice& p) { return p.price; });
     }},
    {2, "price_low", "cycles", "least that the price may be",
     [](const StepLine& l) {
       return OfPrice(l, [](const StepPrice& p) { return p.low; });
     }},
    {2, "price_high", "cycles", "most that the price may be",
     [](const StepLine& l) {
       return OfPrice(l, [](const StepPrice& p) { return p.high; });
     }},
    {2, "component", "", "what reports sum the cycles under",
     [](const StepLine& l) {
       return OfPrice(
           l, [](const StepPrice& p) { return ComponentName(p.component); });
     }},
    {2, "mark", "", "what is known of the price",
     [](const StepLine& l) {
       return OfPrice(l, [](const StepPrice& p) { return MarkName(p.mark); });
     }},
    {2, "source", "", "where the price is from",
     [](const StepLine& l) {
       return OfPrice(l, [](const StepPrice& p) { return p.source; });
     }},
    {2, "steps", "", "what is done within the step, in order",
     [](const StepLine& l) -> Value {
       if (l.step->steps.empty()) return Absent();
       return StepRecords(l, l.step->steps);
     },
     Shown::kJson},
    {1, "steps", "", "what is done, in order",
     [](const StepLine& l) { return StepRecords(l, l.story->steps); },
     Shown::kJson},
    {0, "machine_file", "", "the machine as a file that --machine-file takes",
     [](const StepLine& l) { return StepTextIfAny(l.identity.machine_file); },
     Shown::kJson},
    {0, "trace_sha1", "", "hash of what the trace's files hold",
     [](const StepLine& l) { return StepTextIfAny(l.identity.trace_sha1); }},
    {0, "command_line", "", "command that the report was made by",
     [](const StepLine& l) { return CommandText(l.identity.command_line); },
     Shown::kCsvOnlyAtEnd},
    {0, "left_out", "", "policies left out, each with the reason",
     [](const StepLine& l) { return TextCells(l.all.left_out); }, Shown::kJson},
    {0, "stories", "", "the event under each strategy, an object each",
     [](const StepLine& l) { return StoryRecords(l); }, Shown::kJson},
};

constexpr std::span<const FieldOf<StepLine>> kAllStoryFields = kStoryFields;

std::vector<Record> StoryRecords(const StepLine& line) {
  std::vector<Record> records;
  for (const Story& story : line.all.stories) {
    records.push_back(
        RecordOf(kAllStoryFields, 1,
                 StepLine{line.all, line.identity, &story, nullptr, ""}));
  }
  return records;
}

std::vector<Record> StepRecords(const StepLine& line,
                                const std::vector<StoryStep>& steps) {
  std::vector<Record> records;
  for (const StoryStep& step : steps) {
    records.push_back(
        RecordOf(kAllStoryFields, 2,
                 StepLine{line.all, line.identity, line.story, &step, ""}));
  }
  return records;
}

// The lines of `steps`, whose numbers begin with `number`.
void AddStepLines(const StepLine& story, const std::vector<StoryStep>& steps,
                  const std::string& number, std::vector<StepLine>& lines) {
  for (size_t i = 0; i < steps.size(); ++i) {
    const std::string own = absl::StrCat(number, i + 1);
    lines.push_back({story.all, story.identity, story.story, &steps[i], own});
    AddStepLines(story, steps[i].steps, own + ".", lines);
  }
}

void AddByActor(const std::vector<StoryStep>& steps,
                std::array<Cycles, kStoryActorCount>& by_actor) {
  for (const StoryStep& step : steps) {
    if (step.price.has_value()) {
      by_actor[static_cast<size_t>(step.actor)] += step.cycles;
    }
    AddByActor(step.steps, by_actor);
  }
}

}  // namespace

std::string StepText(const StoryStep& step) {
  std::string text;
  if (step.times > 1) absl::StrAppend(&text, step.times, " x ");
  text += step.what;
  if (!step.arguments.empty()) {
    absl::StrAppend(&text, " (", ArgumentsText(step), ")");
  }
  if (step.price.has_value() && step.price->event != step.what) {
    absl::StrAppend(&text, ": ", step.price->event);
  }
  return text;
}

std::array<Cycles, kStoryActorCount> CyclesByActor(const Story& story) {
  std::array<Cycles, kStoryActorCount> by_actor{};
  AddByActor(story.steps, by_actor);
  return by_actor;
}

Record ExplanationRecord(const Explanation& explanation,
                         const RunIdentity& identity) {
  return RecordOf(kAllStoryFields, 0,
                  StepLine{explanation, identity, nullptr, nullptr, ""});
}

Table ExplanationTable(const Explanation& explanation,
                       const RunIdentity& identity) {
  std::vector<StepLine> lines;
  for (const Story& story : explanation.stories) {
    const StepLine line = {explanation, identity, &story, nullptr, ""};
    if (story.steps.empty()) lines.push_back(line);
    AddStepLines(line, story.steps, "", lines);
  }
  return TableOf<StepLine>(kAllStoryFields, lines);
}

}  // namespace xmmu
