#ifndef XMMU_LIB_TESTING_EXPLAIN_H_
#define XMMU_LIB_TESTING_EXPLAIN_H_

// What a figure of a Cost is made of, or is to be seen beside: the part of a
// matcher's failure that says why. One line each, empty if there is nothing.
//
// Any thread.

#include <string>

#include "xmmu/sim/cost.h"

namespace xmmu::testing {

// The largest components, with their shares: "most of it guest_kernel 600
// (60.0 %), ...".
std::string ExplainCycles(const Cost& cost);
// Time that passed beside the cycles charged: "1000 cycles charged on all CPUs,
// 0 of them hidden".
std::string ExplainElapsed(const Cost& cost);
// The events charged to a component, and its share of all cycles.
std::string ExplainComponent(const Cost& cost, Component component);
// The component that an event is charged to.
std::string ExplainEvent(const Cost& cost, CostEvent event);
// What a counter includes, and those of its kind that have counted.
std::string ExplainCounter(const Cost& cost, Counter counter);

}  // namespace xmmu::testing

#endif  // XMMU_LIB_TESTING_EXPLAIN_H_
