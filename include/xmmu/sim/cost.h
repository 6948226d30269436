#ifndef XMMU_SIM_COST_H_
#define XMMU_SIM_COST_H_

// What a piece of work took: how often each CostEvent was charged and each
// event counted, added up over all CPUs of a host. The difference of two
// snapshots is what happened between them. Taking one charges nothing.
//
// Plain values; any thread.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "xmmu/base/counters.h"
#include "xmmu/base/cycles.h"
#include "xmmu/guest/task_account.h"
#include "xmmu/machine/machine_model.h"
#include "xmmu/xen/host.h"

namespace xmmu {

inline constexpr size_t kMarkCount = static_cast<size_t>(Mark::kEstimated) + 1;

// Cycles, indexed by Mark.
using MarkCycles = std::array<Cycles, kMarkCount>;

struct Cost {
  // Cycles charged on all CPUs, serialised; they are the sum of `by_component`.
  Cycles cycles;
  // Cycles that passed beside others; 0 unless overlap is switched on, see
  // base/overlap.h.
  Cycles hidden;
  // Simulated time of the CPU that is furthest ahead; it includes idle time and
  // leaves out hidden cycles.
  Cycles elapsed;
  std::array<Cycles, kComponentCount> by_component{};
  CostTally tally{};
  Counters counters;
  // How often each event of the policy's own was charged, by OwnEventId, and
  // what they took, by the marks of their prices; part of `by_component`.
  std::vector<uint64_t> own_tally;
  MarkCycles own_by_mark{};

  Cycles component(Component component) const {
    return by_component[static_cast<size_t>(component)];
  }
  uint64_t count(CostEvent event) const {
    return tally[static_cast<size_t>(event)];
  }
  uint64_t count(Counter counter) const { return counters[counter]; }

  // Returns what was charged and counted since `earlier`, a snapshot of the
  // same host.
  Cost operator-(const Cost& earlier) const;
  // Adds what came later, or on another guest of the same host.
  Cost& operator+=(const Cost& other);
  bool operator==(const Cost&) const = default;
};

// Returns everything charged and counted on the CPUs of `host` so far.
Cost CostOf(const Host& host);
// The same of CPU number `cpu` alone; `elapsed` is its own time.
Cost CostOf(const Host& host, uint32_t cpu);
// The same of a task of a guest there; `elapsed` is 0, as a task has no clock.
Cost CostOf(const Host& host, const CpuWork& work);

// Returns what `model` lacks and the work that took `cost` has used all the
// same, with the costs and the geometry given for it: "VM extension", "nested
// paging", or nothing.
std::string_view HypotheticalPart(const Cost& cost, const MachineModel& model);

// Returns one line with the cycles, then each component and counter that is not
// zero.
std::string ToString(const Cost& cost);

}  // namespace xmmu

#endif  // XMMU_SIM_COST_H_
