#ifndef XMMU_LIB_WORKLOAD_NEXT_OPERATIONS_H_
#define XMMU_LIB_WORKLOAD_NEXT_OPERATIONS_H_

#include <span>

#include "absl/status/statusor.h"
#include "xmmu/workload/workload.h"

namespace xmmu {

// Workload::Next(), for whoever runs or reads workloads that others have
// written. Errors: its own; InvalidArgument if it returns no operation.
absl::StatusOr<std::span<const GuestOp>> NextOperations(Workload& workload,
                                                        TaskId task);

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_NEXT_OPERATIONS_H_
