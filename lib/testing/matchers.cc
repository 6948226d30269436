#include "xmmu/testing/matchers.h"

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "testing/explain.h"

namespace xmmu::testing {
namespace {

// One figure of a Cost, by name, against a matcher of numbers. `explain(cost)`
// says what the figure is made of.
template <typename Get, typename Explain>
class FigureMatcher : public ::testing::MatcherInterface<const Cost&> {
 public:
  FigureMatcher(std::string name, Get get, Explain explain,
                NumberMatcher number)
      : name_(std::move(name)),
        get_(get),
        explain_(explain),
        number_(std::move(number)) {}

  bool MatchAndExplain(const Cost& cost,
                       ::testing::MatchResultListener* out) const override {
    const uint64_t figure = get_(cost);
    ::testing::StringMatchResultListener why;
    const bool matches = number_.MatchAndExplain(figure, &why);
    if (!out->IsInterested()) return matches;
    *out << "whose " << name_ << " is " << figure;
    if (!why.str().empty()) *out << ", " << why.str();
    const std::string more = explain_(cost);
    if (!more.empty()) *out << " (" << more << ")";
    return matches;
  }

  void DescribeTo(std::ostream* out) const override {
    *out << name_ << " ";
    number_.DescribeTo(out);
  }

  void DescribeNegationTo(std::ostream* out) const override {
    *out << name_ << " ";
    number_.DescribeNegationTo(out);
  }

 private:
  std::string name_;
  Get get_;
  Explain explain_;
  NumberMatcher number_;
};

template <typename Get, typename Explain>
CostMatcher Figure(std::string_view name, Get get, Explain explain,
                   NumberMatcher number) {
  return ::testing::MakeMatcher(new FigureMatcher<Get, Explain>(
      std::string(name), get, explain, std::move(number)));
}

// Fails at the line that asks for a figure that there is none of.
CostMatcher NoFigure(const std::string& why, const SourceLocation& where) {
  internal::FailAt(where, why);
  return ::testing::Not(::testing::_);
}

template <typename Enum>
bool IsOneOf(Enum value, size_t count) {
  return static_cast<size_t>(value) < count;
}

template <typename Enum>
std::string NumberOf(Enum value) {
  return std::to_string(static_cast<size_t>(value));
}

}  // namespace

CostMatcher CounterIs(Counter counter, NumberMatcher times,
                      SourceLocation where) {
  if (!IsOneOf(counter, kCounterCount)) {
    return NoFigure("CounterIs: there is no counter " + NumberOf(counter),
                    where);
  }
  return Figure(
      CounterName(counter),
      [counter](const Cost& cost) { return cost.count(counter); },
      [counter](const Cost& cost) { return ExplainCounter(cost, counter); },
      std::move(times));
}

CostMatcher ComponentCycles(Component component, NumberMatcher cycles,
                            SourceLocation where) {
  if (!IsOneOf(component, kComponentCount)) {
    return NoFigure(
        "ComponentCycles: there is no component " + NumberOf(component), where);
  }
  return Figure(
      "cycles of " + std::string(ComponentName(component)),
      [component](const Cost& cost) {
        return cost.component(component).count();
      },
      [component](const Cost& cost) {
        return ExplainComponent(cost, component);
      },
      std::move(cycles));
}

CostMatcher Charged(CostEvent event, NumberMatcher times,
                    SourceLocation where) {
  if (!IsOneOf(event, kCostEventCount)) {
    return NoFigure("Charged: there is no cost event " + NumberOf(event),
                    where);
  }
  return Figure(
      "number of " + std::string(CostEventName(event)),
      [event](const Cost& cost) { return cost.count(event); },
      [event](const Cost& cost) { return ExplainEvent(cost, event); },
      std::move(times));
}

CostMatcher CyclesAre(NumberMatcher cycles) {
  return Figure(
      "cycles", [](const Cost& cost) { return cost.cycles.count(); },
      ExplainCycles, std::move(cycles));
}

CostMatcher CyclesBelow(uint64_t limit, SourceLocation where) {
  const auto written = static_cast<int64_t>(limit);
  if (written <= 0) {
    return NoFigure("CyclesBelow: a limit of " + std::to_string(written) +
                        " cycles: want 1 at least",
                    where);
  }
  return CyclesAre(::testing::Lt(limit));
}

CostMatcher ElapsedCycles(NumberMatcher cycles) {
  return Figure(
      "elapsed cycles", [](const Cost& cost) { return cost.elapsed.count(); },
      ExplainElapsed, std::move(cycles));
}

CostMatcher PageFaults(NumberMatcher times) {
  return CounterIs(Counter::kHardwareFaults, std::move(times));
}

CostMatcher GuestFaults(NumberMatcher times) {
  return CounterIs(Counter::kGuestFaults, std::move(times));
}

CostMatcher FixedFaults(NumberMatcher times) {
  return CounterIs(Counter::kFixedFaults, std::move(times));
}

CostMatcher Signals(NumberMatcher times) {
  return CounterIs(Counter::kSignals, std::move(times));
}

CostMatcher Walks(NumberMatcher times) {
  return CounterIs(Counter::kPageWalks, std::move(times));
}

CostMatcher Hypercalls(NumberMatcher times) {
  return CounterIs(Counter::kHypercalls, std::move(times));
}

CostMatcher Emulations(NumberMatcher times) {
  return CounterIs(Counter::kPtwrEmulations, std::move(times));
}

CostMatcher ValidatedPtes(NumberMatcher times) {
  return CounterIs(Counter::kValidatedPtes, std::move(times));
}

CostMatcher Pins(NumberMatcher times) {
  return CounterIs(Counter::kPins, std::move(times));
}

CostMatcher Cr3Loads(NumberMatcher times) {
  return CounterIs(Counter::kCr3Loads, std::move(times));
}

CostMatcher Flushes(NumberMatcher times) {
  return CounterIs(Counter::kTlbFlushes, std::move(times));
}

CostMatcher PageFlushes(NumberMatcher times) {
  return CounterIs(Counter::kTlbPageFlushes, std::move(times));
}

CostMatcher Ipis(NumberMatcher times) {
  return CounterIs(Counter::kIpis, std::move(times));
}

}  // namespace xmmu::testing
