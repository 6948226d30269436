#ifndef XMMU_TESTING_MEASURE_H_
#define XMMU_TESTING_MEASURE_H_

// What a piece of guest work costs, inside a unit test:
//
//   const Cost cost = Measure(simulator, [](GuestKernel& guest) { ... });
//   EXPECT_THAT(cost, PageFaults(16));   // see xmmu/testing/matchers.h
//
// Measuring charges nothing: same work, same numbers, measured or not.
//
// Single-threaded, as the simulator.

#include <cstdint>
#include <ostream>
#include <string>
#include <type_traits>
#include <utility>

#include "xmmu/guest/guest_kernel.h"
#include "xmmu/sim/cost.h"
#include "xmmu/sim/simulator.h"
#include "xmmu/testing/source_location.h"

namespace xmmu {

// How GoogleTest prints a Cost.
inline void PrintTo(const Cost& cost, std::ostream* out) {
  *out << ToString(cost);
}

namespace testing {
namespace internal {

// Fails the running test, without ending it, at a line of it.
void FailAt(const SourceLocation& where, const std::string& why);

// Whether a callable can be called: not a null pointer to a function, nor an
// empty std::function.
template <typename Work>
bool IsCallable(const Work& work) {
  if constexpr (requires { work.operator bool(); }) {
    return work.operator bool();
  } else if constexpr (std::is_pointer_v<Work>) {
    return work != nullptr;
  } else {
    return true;
  }
}

}  // namespace internal

// What `work`, of which `signals` accesses get a signal, charges and counts on
// all CPUs of `simulator`. `work` takes the GuestKernel, or nothing. The test
// fails if it is others that get one: what such an access costs is not what the
// program would have paid for it.
template <typename Work>
Cost MeasureWithSignals(Simulator& simulator, uint64_t signals, Work&& work,
                        SourceLocation where = SourceLocation::current()) {
  if (!internal::IsCallable(work)) {
    internal::FailAt(where, "Measure: there is no work, the function is null");
    return Cost();
  }
  const Cost before = simulator.cost();
  if constexpr (std::is_invocable_v<Work, GuestKernel&>) {
    std::forward<Work>(work)(simulator.guest());
  } else {
    std::forward<Work>(work)();
  }
  const Cost cost = simulator.cost() - before;
  const uint64_t got = cost.count(Counter::kSignals);
  if (got != signals) {
    internal::FailAt(where, "Measure: " + std::to_string(got) +
                                " accesses got a signal, expected " +
                                std::to_string(signals) +
                                ": see MeasureWithSignals()");
  }
  return cost;
}

// The same of work in which no access gets a signal.
template <typename Work>
Cost Measure(Simulator& simulator, Work&& work,
             SourceLocation where = SourceLocation::current()) {
  return MeasureWithSignals(simulator, 0, std::forward<Work>(work), where);
}

}  // namespace testing
}  // namespace xmmu

#endif  // XMMU_TESTING_MEASURE_H_
