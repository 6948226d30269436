#ifndef XMMU_TESTING_MATCHERS_H_
#define XMMU_TESTING_MATCHERS_H_

// GoogleMock matchers on a Cost. Each takes a number or a matcher of numbers:
//
//   EXPECT_THAT(cost, AllOf(PageFaults(16), Hypercalls(Le(3)),
//                           CyclesBelow(100'000)));
//
// A failure says which figure differs and what it was, what is counted in it or
// made it up, and the whole cost. What exactly a counter includes says its help
// in xmmu/base/counters.h, and the failure.
//
// Any thread.

#include <gmock/gmock.h>

#include <cstdint>

#include "xmmu/base/counters.h"
#include "xmmu/base/cycles.h"
#include "xmmu/sim/cost.h"
#include "xmmu/testing/measure.h"
#include "xmmu/testing/source_location.h"

namespace xmmu::testing {

using CostMatcher = ::testing::Matcher<const Cost&>;
using NumberMatcher = ::testing::Matcher<uint64_t>;

// Any one counter, component or cost event. A value that is none of the
// enumeration fails the test at the caller's line, and matches nothing.
CostMatcher CounterIs(Counter counter, NumberMatcher times,
                      SourceLocation where = SourceLocation::current());
CostMatcher ComponentCycles(Component component, NumberMatcher cycles,
                            SourceLocation where = SourceLocation::current());
CostMatcher Charged(CostEvent event, NumberMatcher times,
                    SourceLocation where = SourceLocation::current());

// Cycles charged on all CPUs, serialised: neither idle time, nor less what
// overlaps.
CostMatcher CyclesAre(NumberMatcher cycles);
// Matches if fewer than `limit` cycles were charged. A limit of no cycles, or
// of less than none, which a negative number is, fails the test at the caller's
// line.
CostMatcher CyclesBelow(uint64_t limit,
                        SourceLocation where = SourceLocation::current());
// Simulated time that passed, idle time included, what overlaps not.
CostMatcher ElapsedCycles(NumberMatcher cycles);

// Page faults raised by the hardware, for program and kernel, whoever resolved
// them: GuestFaults and FixedFaults together. Spurious ones and #GP are among
// them, nested violations are not.
CostMatcher PageFaults(NumberMatcher times);
// Faults that the guest kernel saw: spurious ones, and those that ended in a
// signal, included.
CostMatcher GuestFaults(NumberMatcher times);
// Faults that the hypervisor resolved, retried or emulated without the guest.
CostMatcher FixedFaults(NumberMatcher times);
// Accesses of the program that its kernel refused, each a fault as well.
CostMatcher Signals(NumberMatcher times);
// Page walks, of the kernel's accesses too, those that ended in a fault
// included. A walk through nested tables is one.
CostMatcher Walks(NumberMatcher times);
// Entries into the hypervisor for a hypercall, a multicall being one; flushes
// and MOV to CR3 of a paravirtual guest are such.
CostMatcher Hypercalls(NumberMatcher times);
// Stores to page tables that Xen emulated for a paravirtual guest. An entry
// that is stored by halves is two; what shadows emulate is not in it:
// CounterIs(Counter::kShadowEmulations, ...).
CostMatcher Emulations(NumberMatcher times);
// Entries, empty ones too, scanned to validate whole tables; not single
// updates.
CostMatcher ValidatedPtes(NumberMatcher times);
// Page tables pinned, not those that hang below one.
CostMatcher Pins(NumberMatcher times);
// MOV to CR3, of guest and hypervisor, to switch or to flush.
CostMatcher Cr3Loads(NumberMatcher times);
// TLB flushes wider than a page / of one page, for each CPU. MOV to CR3 that
// flushes is one of the first; what a fault or a VM exit drops is in neither.
CostMatcher Flushes(NumberMatcher times);
CostMatcher PageFlushes(NumberMatcher times);
// Interprocessor interrupts, one for each CPU that was interrupted.
CostMatcher Ipis(NumberMatcher times);

}  // namespace xmmu::testing

#endif  // XMMU_TESTING_MATCHERS_H_
