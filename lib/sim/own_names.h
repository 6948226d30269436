#ifndef XMMU_LIB_SIM_OWN_NAMES_H_
#define XMMU_LIB_SIM_OWN_NAMES_H_

// Checks names that come from a user's own policy or machine and appear in
// reports.

#include <string_view>

#include "absl/status/status.h"
#include "xmmu/policy/policy.h"
#include "xmmu/xen/host.h"

namespace xmmu {

// Checks that `name`, which is that of a `what`, may be a cell of a report.
// Errors: InvalidArgument for anything but letters, digits, '.', '_', '-', '+'.
absl::Status CheckName(std::string_view what, std::string_view name);

// Checks that reports can show what `policy` has of its own: its figures and
// the events that it has registered with `host`.
// Errors: InvalidArgument, in one line, for a name that CheckName() refuses or
// that something else has, for an event without a source, with a price beyond
// its band or with a component or mark that there is not, and for a tick every
// 0 cycles.
absl::Status CheckOwn(const Policy& policy, const Host& host);

}  // namespace xmmu

#endif  // XMMU_LIB_SIM_OWN_NAMES_H_
