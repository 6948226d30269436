#ifndef XMMU_LIB_WORKLOAD_PACKED_OP_CHECK_H_
#define XMMU_LIB_WORKLOAD_PACKED_OP_CHECK_H_

#include <cstdint>

#include "xmmu/workload/workload.h"

namespace xmmu {

// The longest access that a packed trace can have. No instruction's is longer:
// XSAVE of all that Intel defines is 11 KiB (SDM vol. 1, 13.5).
inline constexpr uint64_t kLongestPackedAccess = 65535;

// Returns what `op` says that no operation of its kind can, or nothing: an
// access of no bytes, a field that its kind does not have, a right or a flag
// that there is not. Pure.
const char* WrongInOp(const GuestOp& op);

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_PACKED_OP_CHECK_H_
