#ifndef XMMU_SIM_BY_MARK_H_
#define XMMU_SIM_BY_MARK_H_

// What cycles rest on: how many of them come from prices that were read,
// measured, derived, remembered or estimated. A wait for another CPU
// (CostEvent::kIpiWait) counts under the mark of that event, whatever the other
// CPU did meanwhile.
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

// Returns the cycles of `tally` by the marks of their prices. They add up to
// what the tally costs.
MarkCycles CyclesByMark(const CostTally& tally, const CostTable& costs);

// Returns the shares of the sum of `cycles`, in units of 10^-decimals, rounded
// so that they add up to 1 exactly. All are rounded down, and the missing units
// go to the largest remainders, among equal ones to the first. Without cycles
// all shares are 0.
// REQUIRES: `decimals` is 0 to 9, and there are less than 10^18 cycles.
std::array<uint64_t, kMarkCount> SharesByMark(const MarkCycles& cycles,
                                              int decimals);

// Returns the cycles of `cost`, those of a policy's own events as well. They add
// up to cost.cycles.
MarkCycles CyclesByMark(const Cost& cost, const CostTable& costs);

// Returns the cycles with remembered or estimated prices.
Cycles EstimatedCycles(const MarkCycles& cycles);

// Return a share of SharesByMark() as a number, "0.333333" for 333333 and 6
// decimals, and as percent, "33.3" for 333 and 3.
std::string ShareText(uint64_t share, int decimals);
std::string PercentText(uint64_t share, int decimals);

}  // namespace xmmu

#endif  // XMMU_SIM_BY_MARK_H_
