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

#include <ostream>
#include <type_traits>
#include <utility>

#include "xmmu/guest/guest_kernel.h"
#include "xmmu/sim/cost.h"
#include "xmmu/sim/simulator.h"

namespace xmmu {

// How GoogleTest prints a Cost.
inline void PrintTo(const Cost& cost, std::ostream* out) {
  *out << ToString(cost);
}

namespace testing {

// What `work` charges and counts on all CPUs of `simulator`. `work` takes the
// GuestKernel, or nothing.
template <typename Work>
Cost Measure(Simulator& simulator, Work&& work) {
  const Cost before = simulator.cost();
  if constexpr (std::is_invocable_v<Work, GuestKernel&>) {
    std::forward<Work>(work)(simulator.guest());
  } else {
    std::forward<Work>(work)();
  }
  return simulator.cost() - before;
}

}  // namespace testing
}  // namespace xmmu

#endif  // XMMU_TESTING_MEASURE_H_
