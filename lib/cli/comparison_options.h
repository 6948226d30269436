#ifndef XMMU_LIB_CLI_COMPARISON_OPTIONS_H_
#define XMMU_LIB_CLI_COMPARISON_OPTIONS_H_

// What rows there are: the options of commands that show strategies side by side.

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cli/arguments.h"
#include "cli/catalog.h"
#include "xmmu/sim/compare.h"

namespace xmmu::cli {

// What the options of a run say, those of all rows and those that rows differ by.
// Errors: InvalidArgument with the option and what would do.
absl::StatusOr<ComparisonOptions> ComparisonOf(const Arguments& arguments,
                                               const Catalog& catalog);

// Errors: InvalidArgument if no row has a paravirtual guest and options say
// what such guests do.
absl::Status CheckEffects(const Arguments& arguments,
                          const ComparisonPlan& plan);

}  // namespace xmmu::cli

#endif  // XMMU_LIB_CLI_COMPARISON_OPTIONS_H_
