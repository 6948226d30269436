#ifndef XMMU_LIB_WORKLOAD_PACKED_OP_CHECK_H_
#define XMMU_LIB_WORKLOAD_PACKED_OP_CHECK_H_

#include <cstdint>

#include "xmmu/workload/workload.h"

namespace xmmu {

// The longest access that a packed trace can have. No instruction's is longer:
// XSAVE of all that Intel defines is 11 KiB (SDM vol. 1, 13.5).
inline constexpr uint64_t kLongestPackedAccess = 65535;

// Fields that operations have beside kind and flags, as bits.
enum OpField : uint32_t {
  kHasRange = 1,  // va and length
  kHasRights = 2,
  kHasBacking = 4,
  kHasPageShift = 8,
  kHasAdvice = 16,
  kHasTarget = 32,  // and new_length
  kHasChild = 64,
  kHasFile = 128,
  kHasOffset = 256,
  kHasLength = 512,  // without va
};

// The fields that operations of this kind have (workload.h).
uint32_t FieldsOf(GuestOpKind kind);

// Returns what `op` says that no operation of its kind can, or nothing: an
// access of no bytes, a field that its kind does not have, a right or a flag
// that there is not. Pure.
const char* WrongInOp(const GuestOp& op);

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_PACKED_OP_CHECK_H_
