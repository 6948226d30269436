#ifndef XMMU_EXAMPLES_COMPARE_SWEEP_FLAGS_H_
#define XMMU_EXAMPLES_COMPARE_SWEEP_FLAGS_H_

// The flags --sensitivity, --sweep, --samples and --seed.

#include <optional>

#include "absl/status/statusor.h"
#include "compare/arguments.h"
#include "study/price_sweep.h"

namespace xmmu::compare {

// What is to be swept; nothing without --sensitivity.
// Errors: InvalidArgument naming the flag and what would do; also for one that
// is given without --sensitivity.
absl::StatusOr<std::optional<SweepOptions>> SweepOfFlags(
    const Arguments& arguments);

}  // namespace xmmu::compare

#endif  // XMMU_EXAMPLES_COMPARE_SWEEP_FLAGS_H_
