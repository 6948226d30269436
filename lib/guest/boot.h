#ifndef XMMU_LIB_GUEST_BOOT_H_
#define XMMU_LIB_GUEST_BOOT_H_

#include <memory>

#include "absl/status/statusor.h"
#include "guest/kernel_core.h"

namespace xmmu {

// Does the work of the domain builder and of the guest's early start-up: writes
// the boot tables into the domain's memory, starts every vCPU on them, and
// switches on what the guest's options need of the hypervisor. Charges what the
// policy charges for that; comparisons start after it.
// Errors: see GuestKernel::Boot.
absl::StatusOr<std::unique_ptr<KernelCore>> BootKernel(
    Host& host, Policy& policy, Domain& domain, const GuestOptions& options);

// As GuestKernel::CheckMemory().
absl::Status CheckMemoryOf(PagingMode mode, uint64_t frames);

}  // namespace xmmu

#endif  // XMMU_LIB_GUEST_BOOT_H_
