#include "study/explain/story_builder.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "xmmu/base/check.h"

namespace xmmu {
namespace {

// How many steps in a row may come again as a whole; assumed.
constexpr size_t kMostInARow = 8;

StoryActor ActorOf(Actor actor) {
  switch (actor) {
    case Actor::kProcessor:
      return StoryActor::kProcessor;
    case Actor::kXen:
      return StoryActor::kXen;
    case Actor::kGuestKernel:
      return StoryActor::kGuestKernel;
  }
  return StoryActor::kProcessor;
}

// Steps of Xen's that are one locked update of a count each, which is charged
// right behind them (Xen: arch/x86/mm.c).
constexpr std::string_view kCountSteps[] = {"get_page",      "put_page",
                                            "get_page_type", "put_page_type",
                                            "page_lock",     "page_unlock"};

bool IsCountStep(const StoryStep& step) {
  return step.actor == StoryActor::kXen && !step.price.has_value() &&
         step.steps.empty() &&
         std::find(std::begin(kCountSteps), std::end(kCountSteps), step.what) !=
             std::end(kCountSteps);
}

// Who takes the time of `event`, of `component`, within a step of `outer`: what the
// processor does by itself is its own, all else is the work of whoever is at it.
StoryActor ActorWithin(Component component, std::string_view event,
                       StoryActor outer) {
  switch (component) {
    case Component::kExecute:
      return StoryActor::kProgram;
    case Component::kData:
    case Component::kTlb:
    case Component::kWalk:
    case Component::kPteLoad:
    case Component::kPteLoadL1:
    case Component::kPteLoadL2:
    case Component::kPteLoadL3:
    case Component::kPteLoadDram:
    case Component::kException:
      return StoryActor::kProcessor;
    case Component::kGuestKernel:
      return StoryActor::kGuestKernel;
    case Component::kHypercall:
    case Component::kRingCrossing:
    case Component::kPageRefs:
    case Component::kValidation:
    case Component::kPteUpdate:
    case Component::kEmulation:
    case Component::kSharing:
      return StoryActor::kXen;
    case Component::kVmExit:
      return event == CostEventName(CostEvent::kVmExitWork) ||
                     event == CostEventName(CostEvent::kNestedViolation)
                 ? StoryActor::kXen
                 : StoryActor::kProcessor;
    default:
      return outer;
  }
}

std::string TextOf(const SpanArg& arg) {
  if (arg.text != nullptr) return arg.text;
  if (arg.hex) return absl::StrCat("0x", absl::Hex(arg.number));
  return absl::StrCat(arg.number);
}

bool IsEntryLoad(const StoryStep& step) {
  if (!step.price.has_value()) return false;
  switch (step.price->component) {
    case Component::kPteLoad:
    case Component::kPteLoadL1:
    case Component::kPteLoadL2:
    case Component::kPteLoadL3:
    case Component::kPteLoadDram:
      return true;
    default:
      return false;
  }
}

// Gives the loads of a page walk the steps that say which entries were loaded:
// those come behind the walk, in its order (mmu_told_walk.cc). A walk of flat
// prices is charged for all its loads at once.
void NameEntryLoads(StoryStep& walk) {
  if (walk.what != "page walk") return;
  std::vector<StoryStep> entries;
  std::vector<StoryStep> others;
  for (StoryStep& step : walk.steps) {
    const bool entry = step.what == "entry" && !step.price.has_value();
    (entry ? entries : others).push_back(std::move(step));
  }
  walk.steps.clear();
  size_t next = 0;
  for (StoryStep& step : others) {
    const uint64_t loads = IsEntryLoad(step) ? step.price->times : 0;
    if (loads == 0 || next + loads > entries.size()) {
      walk.steps.push_back(std::move(step));
      continue;
    }
    for (uint64_t i = 0; i < loads; ++i, ++next) {
      StoryStep& entry = entries[next];
      entry.price = step.price;
      entry.price->times = 1;
      entry.cycles = Cycles(entry.price->price);
      walk.steps.push_back(std::move(entry));
    }
  }
  walk.steps.insert(walk.steps.end(),
                    std::make_move_iterator(entries.begin() +
                                            static_cast<std::ptrdiff_t>(next)),
                    std::make_move_iterator(entries.end()));
}

// Builds the steps of all CPUs, each with a stack of the steps that are open.
class Builder {
 public:
  Builder(const SpanLog& log, const CostTable& costs,
          std::span<const OwnEvent> own_events)
      : log_(log),
        costs_(costs),
        own_events_(own_events),
        tracks_(log.track_count()) {}

  std::vector<StoryStep> Build() {
    for (const SpanRecord& record : log_.records()) Take(record);
    for (const Track& track : tracks_) XMMU_CHECK(track.open.empty());
    return std::move(roots_);
  }

 private:
  // A step that is open; its children are added when they end.
  struct Track {
    std::vector<StoryStep> open;
  };

  void Take(const SpanRecord& record) {
    switch (record.kind) {
      case SpanKind::kBegin:
        tracks_[record.track].open.push_back(StepOf(record));
        break;
      case SpanKind::kEnd: {
        std::vector<StoryStep>& open = tracks_[record.track].open;
        XMMU_CHECK(!open.empty());
        StoryStep step = std::move(open.back());
        open.pop_back();
        NameEntryLoads(step);
        Add(record.track, std::move(step));
        break;
      }
      case SpanKind::kInstant:
      case SpanKind::kStep:
        Add(record.track, StepOf(record));
        break;
      case SpanKind::kCharge:
        AddCharge(record, PriceOf(static_cast<CostEvent>(record.event)));
        break;
      case SpanKind::kOwnCharge:
        AddCharge(record, PriceOf(own_events_[record.event]));
        break;
      case SpanKind::kCounter:
      case SpanKind::kFlowOut:
      case SpanKind::kFlowIn:
        break;
    }
  }

  StoryStep StepOf(const SpanRecord& record) const {
    StoryStep step;
    step.actor = ActorOf(record.actor);
    step.cpu = record.track;
    step.what = record.name;
    for (const SpanArg& arg : log_.ArgsOf(record)) {
      step.arguments.push_back({arg.name, TextOf(arg)});
    }
    return step;
  }

  StepPrice PriceOf(CostEvent event) const {
    const CostConstant& cost = costs_[static_cast<size_t>(event)];
    return {.event = std::string(CostEventName(event)),
            .help = std::string(CostEventHelp(event)),
            .component = ComponentOf(event),
            .price = cost.value,
            .low = cost.low,
            .high = cost.high,
            .mark = cost.mark,
            .source = std::string(cost.source)};
  }

  static StepPrice PriceOf(const OwnEvent& event) {
    const bool band = event.high != 0;
    return {.event = event.name,
            .help = event.help,
            .component = event.component,
            .price = event.price,
            .low = band ? event.low : event.price,
            .high = band ? event.high : event.price,
            .mark = event.mark,
            .source = event.source};
  }

  // What is free on this machine is no step.
  void AddCharge(const SpanRecord& record, StepPrice price) {
    price.times = record.value;
    if (price.times * price.price == 0) return;
    std::vector<StoryStep>& open = tracks_[record.track].open;
    if (!open.empty() && PayForStep(price, open.back())) return;
    const StoryActor outer =
        open.empty() ? StoryActor::kGuestKernel : open.back().actor;
    StoryStep step;
    step.actor = ActorWithin(price.component, price.event, outer);
    step.cpu = record.track;
    step.what = price.event;
    step.cycles = Cycles(price.times * price.price);
    step.price = std::move(price);
    Add(record.track, std::move(step));
  }

  // Makes `price` that of the last step within `outer`, if it is that.
  static bool PayForStep(const StepPrice& price, StoryStep& outer) {
    if (price.event != CostEventName(CostEvent::kLockedOp) ||
        price.times != 1 || outer.steps.empty() ||
        !IsCountStep(outer.steps.back())) {
      return false;
    }
    StoryStep& step = outer.steps.back();
    step.cycles = Cycles(price.price);
    step.price = price;
    outer.cycles += step.cycles;
    return true;
  }

  // Adds a step that is whole to what is open on its CPU; what another CPU does
  // meanwhile, to what is open on the one that began.
  void Add(uint32_t track, StoryStep step) {
    if (!tracks_[track].open.empty()) return AddTo(track, std::move(step));
    for (uint32_t other = 0; other < tracks_.size(); ++other) {
      if (!tracks_[other].open.empty()) return AddTo(other, std::move(step));
    }
    roots_.push_back(std::move(step));
  }

  void AddTo(uint32_t track, StoryStep step) {
    StoryStep& outer = tracks_[track].open.back();
    outer.cycles += step.cycles;
    outer.steps.push_back(std::move(step));
  }

  const SpanLog& log_;
  const CostTable& costs_;
  std::span<const OwnEvent> own_events_;
  std::vector<Track> tracks_;
  std::vector<StoryStep> roots_;
};

// What steps that are alike have in common: what is of another level of tables
// is something else.
std::string ShapeOf(const StoryStep& step) {
  std::string shape = absl::StrCat(
      static_cast<int>(step.actor), ".", step.cpu, ".",
      step.price.has_value() ? step.price->event : "", ":", step.what);
  for (const StepArgument& argument : step.arguments) {
    if (argument.name == "level") absl::StrAppend(&shape, "@", argument.text);
  }
  shape += "(";
  for (const StoryStep& inner : step.steps) shape += ShapeOf(inner);
  return shape + ")";
}

// Adds `more`, which is alike, to `step`.
void Merge(StoryStep& step, const StoryStep& more) {
  step.times += more.times;
  step.cycles += more.cycles;
  if (step.price.has_value()) {
    step.price->times += more.price->times;
    step.times = 1;  // its price says how often
  }
  std::erase_if(step.arguments, [&](const StepArgument& argument) {
    return std::find(more.arguments.begin(), more.arguments.end(), argument) ==
           more.arguments.end();
  });
  for (size_t i = 0; i < step.steps.size(); ++i) {
    Merge(step.steps[i], more.steps[i]);
  }
}

// How often the `length` shapes at `from` stand there one behind the other.
size_t RepeatsAt(const std::vector<std::string>& shapes, size_t from,
                 size_t length) {
  size_t repeats = 1;
  for (size_t next = from + length; next + length <= shapes.size();
       next += length, ++repeats) {
    for (size_t i = 0; i < length; ++i) {
      if (shapes[from + i] != shapes[next + i]) return repeats;
    }
  }
  return repeats;
}

// The steps from `from` on, `length` that come `repeats` times, as one.
StoryStep Repeated(const std::vector<StoryStep>& steps, size_t from,
                   size_t length, size_t repeats) {
  std::vector<StoryStep> row(
      steps.begin() + static_cast<std::ptrdiff_t>(from),
      steps.begin() + static_cast<std::ptrdiff_t>(from + length));
  for (size_t i = length; i < length * repeats; ++i) {
    Merge(row[i % length], steps[from + i]);
  }
  if (length == 1) return std::move(row.front());
  StoryStep group;
  group.actor = row.front().actor;
  group.cpu = row.front().cpu;
  group.what = "these steps";
  group.times = repeats;
  for (const StoryStep& step : row) group.cycles += step.cycles;
  group.steps = std::move(row);
  return group;
}

// Makes one step of what comes again, rows of up to `most` steps.
void FoldRows(size_t most, std::vector<StoryStep>& steps) {
  std::vector<std::string> shapes;
  for (const StoryStep& step : steps) shapes.push_back(ShapeOf(step));
  std::vector<StoryStep> folded;
  for (size_t i = 0; i < steps.size();) {
    size_t length = 1;
    while (length < most && RepeatsAt(shapes, i, length) == 1) ++length;
    const size_t repeats = RepeatsAt(shapes, i, length);
    if (repeats == 1) length = 1;
    folded.push_back(Repeated(steps, i, length, repeats));
    i += length * repeats;
  }
  steps = std::move(folded);
}

}  // namespace

std::vector<StoryStep> StepsOf(const SpanLog& log, const CostTable& costs,
                               std::span<const OwnEvent> own_events) {
  XMMU_CHECK(log.dropped() == 0);
  std::vector<StoryStep> steps = Builder(log, costs, own_events).Build();
  FoldSteps(steps);
  return steps;
}

void FoldSteps(std::vector<StoryStep>& steps) {
  for (StoryStep& step : steps) FoldSteps(step.steps);
  // What one step repeats would hide what several in a row do.
  FoldRows(1, steps);
  FoldRows(kMostInARow, steps);
}

}  // namespace xmmu
