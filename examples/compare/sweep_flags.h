#ifndef XMMU_EXAMPLES_COMPARE_SWEEP_FLAGS_H_
#define XMMU_EXAMPLES_COMPARE_SWEEP_FLAGS_H_

// The flags --sensitivity, --sweep, --samples and --seed.

#include <optional>

#include "absl/status/statusor.h"
#include "xmmu/sim/price_sweep.h"

namespace xmmu::compare {

// What is to be swept; nothing without --sensitivity.
// Errors: InvalidArgument naming the flag and what would do.
absl::StatusOr<std::optional<SweepOptions>> SweepOfFlags();

}  // namespace xmmu::compare

#endif  // XMMU_EXAMPLES_COMPARE_SWEEP_FLAGS_H_
