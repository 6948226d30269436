#ifndef XMMU_REPORT_TIMELINE_H_
#define XMMU_REPORT_TIMELINE_H_

// The spans of a comparison as files for the tools that show such things.
//
// A timeline is a file of Chrome trace events ("Trace Event Format", JSON), which
// Perfetto, speedscope and Chrome's own viewer open. A row is a process and a
// CPU a thread of it. Times are integers, 1 us for 1 cycle, since viewers know
// no cycles, and fractions do not nest; 0 is the end of the boot. What takes no
// time is an instant, since slices of no length are never closed by some viewers.
// Only spans that lie in no other have arguments: where a viewer takes arguments
// for a part of the name, all others can be summed by name.
//
// Folded stacks are lines "row;actor;span;span CYCLES", for flamegraph.pl and
// speedscope. The actor is named where it changes; cycles are a stack's own. The
// lines of a row add up to its cycles since the boot.
//
// Any thread. Rendering is deterministic and charges nothing.

#include <string>

#include "xmmu/sim/results.h"

namespace xmmu {

// The timeline of the rows that have spans.
std::string RenderTimeline(const Comparison& comparison);

// The stacks of the rows whose spans are summed.
std::string RenderStacks(const Comparison& comparison);

// One sentence on the rows of a timeline that had more than fits, or nothing.
std::string LeftOutOfTimeline(const Comparison& comparison);

}  // namespace xmmu

#endif  // XMMU_REPORT_TIMELINE_H_
