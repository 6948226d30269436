#ifndef XMMU_TESTING_CONFORMANCE_FAMILY_H_
#define XMMU_TESTING_CONFORMANCE_FAMILY_H_

// A process and those that it forks, scheduled by the guest kernel on all its
// vCPUs, which are interleaved by their clocks.

#include <cstdint>
#include <string>
#include <vector>

#include "testing/conformance/world.h"
#include "xmmu/base/counters.h"
#include "xmmu/base/cycles.h"

namespace xmmu::conformance {

// All that a run leaves behind on the processors.
struct Outcome {
  uint64_t digest = 0;
  std::vector<CostTally> tallies;
  std::vector<Counters> counters;
  std::vector<Cycles> clocks;
  bool operator==(const Outcome&) const = default;

  uint64_t Sum(Counter counter) const;
};

struct FamilyRun {
  Outcome outcome;
  // What the kernel refused, how the guest can escape, or what the audit says
  // at the end; "" if nothing is wrong.
  std::string wrong;
};

// Runs a family whose programs are made by `seed`.
FamilyRun RunFamily(const Setting& setting, uint64_t seed = 0);

// Runs the family of `seed` twice under `setting` and once on bare hardware
// with one vCPU. Both runs must be the same to the cycle on each processor, and
// the programs must see what bare hardware shows them. "" or what is wrong.
std::string CheckFamily(const Setting& setting, uint64_t seed);

}  // namespace xmmu::conformance

#endif  // XMMU_TESTING_CONFORMANCE_FAMILY_H_
