#ifndef XMMU_TESTING_MATCHERS_H_
#define XMMU_TESTING_MATCHERS_H_

// GoogleMock matchers on a Cost. Each takes a number or a matcher of numbers:
//
//   EXPECT_THAT(cost, AllOf(PageFaults(16), Hypercalls(Le(3)),
//                           CyclesBelow(100'000)));
//
// A failure says which figure differs, what it was, and the whole cost.
//
// Any thread.

#include <gmock/gmock.h>

#include <cstdint>

#include "xmmu/base/counters.h"
#include "xmmu/base/cycles.h"
#include "xmmu/sim/cost.h"
#include "xmmu/testing/measure.h"

namespace xmmu::testing {

using CostMatcher = ::testing::Matcher<const Cost&>;
using NumberMatcher = ::testing::Matcher<uint64_t>;

// Any one counter, component or cost event.
CostMatcher CounterIs(Counter counter, NumberMatcher times);
CostMatcher ComponentCycles(Component component, NumberMatcher cycles);
CostMatcher Charged(CostEvent event, NumberMatcher times);

// Cycles charged on all CPUs.
CostMatcher CyclesAre(NumberMatcher cycles);
CostMatcher CyclesBelow(uint64_t limit);
// Simulated time that passed, idle time included.
CostMatcher ElapsedCycles(NumberMatcher cycles);

// Page faults raised by the hardware.
CostMatcher PageFaults(NumberMatcher times);
// Page faults that the guest kernel saw.
CostMatcher GuestFaults(NumberMatcher times);
// Page faults that the hypervisor resolved without the guest.
CostMatcher FixedFaults(NumberMatcher times);
// Page walks.
CostMatcher Walks(NumberMatcher times);
// Ring crossings for hypercalls.
CostMatcher Hypercalls(NumberMatcher times);
// Page-table writes emulated.
CostMatcher Emulations(NumberMatcher times);
// Page-table entries scanned to validate tables.
CostMatcher ValidatedPtes(NumberMatcher times);
// Page tables pinned.
CostMatcher Pins(NumberMatcher times);
// MOV to CR3.
CostMatcher Cr3Loads(NumberMatcher times);
// TLB flushes wider than a page / of one page.
CostMatcher Flushes(NumberMatcher times);
CostMatcher PageFlushes(NumberMatcher times);
// Interprocessor interrupts received.
CostMatcher Ipis(NumberMatcher times);

}  // namespace xmmu::testing

#endif  // XMMU_TESTING_MATCHERS_H_
