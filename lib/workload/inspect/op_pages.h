#ifndef XMMU_LIB_WORKLOAD_INSPECT_OP_PAGES_H_
#define XMMU_LIB_WORKLOAD_INSPECT_OP_PAGES_H_

#include <algorithm>
#include <cstdint>

#include "xmmu/workload/workload.h"

namespace xmmu {

// No system call copies more bytes at once (MAX_RW_COUNT, Linux,
// include/linux/fs.h), and no access of a program is longer.
inline constexpr uint64_t kLongestCopy = 0x7ffff000;

// Whether the operation touches memory: an access of the program or a copy by
// the kernel.
constexpr bool TouchesMemory(GuestOpKind kind) {
  return kind <= GuestOpKind::kModify || kind == GuestOpKind::kCopyIn ||
         kind == GuestOpKind::kCopyOut;
}

// Calls `visit(page)` with the number of each page of 4 KiB that `op`, which
// touches memory, is on, in order. An access of no bytes is on one page.
template <typename Visit>
void ForEachPage(const GuestOp& op, Visit visit) {
  const uint64_t bytes = std::clamp<uint64_t>(op.length, 1, kLongestCopy);
  const uint64_t first = op.va.value() >> kPageShift;
  const uint64_t pages =
      ((op.va.value() & (kPageSize - 1)) + bytes - 1) >> kPageShift;
  for (uint64_t i = 0; i <= pages; ++i) visit(first + i);
}

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_INSPECT_OP_PAGES_H_
