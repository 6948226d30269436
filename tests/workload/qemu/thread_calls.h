#ifndef XMMU_TESTS_WORKLOAD_QEMU_THREAD_CALLS_H_
#define XMMU_TESTS_WORKLOAD_QEMU_THREAD_CALLS_H_

// What tests of threads write into spools: the numbers of system calls (Linux
// x86-64), the flags of a clone that starts a thread, a place for mappings.

#include <cstdint>

namespace xmmu::spool_support {

inline constexpr uint64_t kMmap = 9;
inline constexpr uint64_t kMunmap = 11;
inline constexpr uint64_t kMremap = 25;
inline constexpr uint64_t kMprotect = 10;
inline constexpr uint64_t kMadvise = 28;
inline constexpr uint64_t kClone = 56;
inline constexpr uint64_t kExit = 60;
inline constexpr uint64_t kExitGroup = 231;
inline constexpr uint64_t kThreadFlags =
    0x50f00;  // CLONE_VM, FS, FILES, SIGHAND, ...
inline constexpr uint64_t kPlace = 0x10000000;

}  // namespace xmmu::spool_support

#endif  // XMMU_TESTS_WORKLOAD_QEMU_THREAD_CALLS_H_
