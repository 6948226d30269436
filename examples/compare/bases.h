#ifndef XMMU_EXAMPLES_COMPARE_BASES_H_
#define XMMU_EXAMPLES_COMPARE_BASES_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "xmmu/sim/options.h"

namespace xmmu::compare {

// What to measure: each of `machines` (none, or "all": all there are), or that
// of --machine-file, with what --set says, in each mode of `levels` (2 to 4;
// none: those that the machine has).
// Errors: InvalidArgument naming what is wrong and what would do.
absl::StatusOr<std::vector<SimulatorOptions>> BasesOf(
    const std::vector<std::string>& machines,
    const std::vector<std::string>& levels);

}  // namespace xmmu::compare

#endif  // XMMU_EXAMPLES_COMPARE_BASES_H_
