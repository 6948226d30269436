#ifndef XMMU_SIM_BY_MARK_H_
#define XMMU_SIM_BY_MARK_H_

// What cycles rest on: how many of them are of constants that were read,
// measured, derived, remembered or estimated. A wait for another CPU
// (CostEvent::kIpiWait) counts under the mark of that event, whatever the other
// one did meanwhile.
//
// Plain values; any thread.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "xmmu/base/cycles.h"
#include "xmmu/machine/machine_model.h"
#include "xmmu/sim/cost.h"

namespace xmmu {

// The cycles of `tally` by the marks of their prices; they add up to what the
// tally costs.
MarkCycles CyclesByMark(const CostTally& tally, const CostTable& costs);

// Shares of the sum of `cycles`, in units of 10^-decimals, rounded so that they
// add up to 1 exactly: down, and what is missing goes to the largest rests, of
// equal ones to the first. All 0 of no cycles.
// REQUIRES: `decimals` is 0 to 9, and there are less than 10^18 cycles.
std::array<uint64_t, kMarkCount> SharesByMark(const MarkCycles& cycles,
                                              int decimals);

// The cycles of `cost`, those of a policy's own events as well; they add up to
// cost.cycles.
MarkCycles CyclesByMark(const Cost& cost, const CostTable& costs);

// The remembered and the estimated ones.
Cycles EstimatedCycles(const MarkCycles& cycles);

// A share of SharesByMark as a number: "0.333333" of 333333 and 6 decimals, and
// as percent: "33.3" of 333 and 3.
std::string ShareText(uint64_t share, int decimals);
std::string PercentText(uint64_t share, int decimals);

}  // namespace xmmu

#endif  // XMMU_SIM_BY_MARK_H_
