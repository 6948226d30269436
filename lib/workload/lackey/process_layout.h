#ifndef XMMU_LIB_WORKLOAD_LACKEY_PROCESS_LAYOUT_H_
#define XMMU_LIB_WORKLOAD_LACKEY_PROCESS_LAYOUT_H_

// Where the parts of a recorded process are before its first system call.

#include <cstdint>

#include "xmmu/base/address.h"

namespace xmmu {

// The first address beyond user space (SDM Vol. 1: 48-bit linear addresses).
inline constexpr uint64_t kUserEnd = uint64_t{1} << 47;
// The first address that no call can map (Linux,
// arch/x86/include/asm/page_64_types.h, TASK_SIZE_MAX).
inline constexpr uint64_t kTaskEnd = kUserEnd - kPageSize;

inline constexpr uint64_t kLowestMapping =
    64 * 1024;  // Linux, vm.mmap_min_addr

// Where Valgrind 3.19 puts the interpreter and the stack on x86-64 Linux
// (coregrind/m_aspacemgr/aspacemgr-linux.c, m_initimg/initimg-linux.c).
inline constexpr uint64_t kInterpreter = 0x4000000;
inline constexpr uint64_t kStackZone = 0x1f00000000;
inline constexpr uint64_t kStackZoneEnd = 0x2000000000;
inline constexpr uint64_t kStackTop = 0x1fff001000;

// Assumed: no interpreter is larger; musl's, the largest in use, has less than
// 1 MiB.
inline constexpr uint64_t kInterpreterEnd = kInterpreter + 8 * 1024 * 1024;
// Linux, include/uapi/linux/resource.h, _STK_LIM.
inline constexpr uint64_t kStackLimit = 8 * 1024 * 1024;
// System V ABI, AMD64 supplement, 3.5.1: the small code model.
inline constexpr uint64_t kLargestImage = uint64_t{1} << 31;

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_LACKEY_PROCESS_LAYOUT_H_
