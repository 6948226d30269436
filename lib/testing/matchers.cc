#include "xmmu/testing/matchers.h"

#include <memory>
#include <string>
#include <utility>

namespace xmmu::testing {
namespace {

// One figure of a Cost, by name, against a matcher of numbers.
template <typename Get>
class FigureMatcher : public ::testing::MatcherInterface<const Cost&> {
 public:
  FigureMatcher(std::string name, Get get, NumberMatcher number)
      : name_(std::move(name)), get_(get), number_(std::move(number)) {}

  bool MatchAndExplain(const Cost& cost,
                       ::testing::MatchResultListener* out) const override {
    const uint64_t figure = get_(cost);
    *out << "whose " << name_ << " is " << figure;
    ::testing::StringMatchResultListener why;
    const bool matches = number_.MatchAndExplain(figure, &why);
    if (!why.str().empty()) *out << ", " << why.str();
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
  NumberMatcher number_;
};

template <typename Get>
CostMatcher Figure(std::string name, Get get, NumberMatcher number) {
  return ::testing::MakeMatcher(
      new FigureMatcher<Get>(std::move(name), get, std::move(number)));
}

}  // namespace

CostMatcher CounterIs(Counter counter, NumberMatcher times) {
  return Figure(
      std::string(CounterName(counter)),
      [counter](const Cost& cost) { return cost.count(counter); },
      std::move(times));
}

CostMatcher ComponentCycles(Component component, NumberMatcher cycles) {
  return Figure(
      "cycles of " + std::string(ComponentName(component)),
      [component](const Cost& cost) {
        return cost.component(component).count();
      },
      std::move(cycles));
}

CostMatcher Charged(CostEvent event, NumberMatcher times) {
  return Figure(
      "number of " + std::string(CostEventName(event)),
      [event](const Cost& cost) { return cost.count(event); },
      std::move(times));
}

CostMatcher CyclesAre(NumberMatcher cycles) {
  return Figure(
      "cycles", [](const Cost& cost) { return cost.cycles.count(); },
      std::move(cycles));
}

CostMatcher CyclesBelow(uint64_t limit) {
  return CyclesAre(::testing::Lt(limit));
}

CostMatcher ElapsedCycles(NumberMatcher cycles) {
  return Figure(
      "elapsed cycles", [](const Cost& cost) { return cost.elapsed.count(); },
      std::move(cycles));
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
