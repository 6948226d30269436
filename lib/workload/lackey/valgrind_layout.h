#ifndef XMMU_LIB_WORKLOAD_LACKEY_VALGRIND_LAYOUT_H_
#define XMMU_LIB_WORKLOAD_LACKEY_VALGRIND_LAYOUT_H_

#include "workload/process/image_layout.h"

namespace xmmu {

// Where Valgrind 3.19 puts the interpreter and the stack on x86-64 Linux
// (coregrind/m_aspacemgr/aspacemgr-linux.c, m_initimg/initimg-linux.c).
// Assumed: no interpreter is larger than 8 MiB; musl's, the largest in use, has
// less than 1 MiB.
inline constexpr ImageLayout kValgrindLayout = {
    .stack_zone = 0x1f00000000,
    .stack_zone_end = 0x2000000000,
    .stack_top = 0x1fff001000,
    .interpreter = 0x4000000,
    .images_end = 0x4000000 + 8 * 1024 * 1024};

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_LACKEY_VALGRIND_LAYOUT_H_
