#ifndef XMMU_LIB_WORKLOAD_PROCESS_PROGRAM_LAYOUT_H_
#define XMMU_LIB_WORKLOAD_PROCESS_PROGRAM_LAYOUT_H_

#include "workload/process/image_layout.h"

namespace xmmu {

// Where Linux puts what no call maps. The main stack lies within 16 GiB below
// 2^47 (STACK_RND_MASK, 22 bits of pages, arch/x86/include/asm/elf.h), and
// mmap_base() keeps mappings below that and the stack's limit, for which 128
// MiB are set aside at least (SIZE_128M, arch/x86/mm/mmap.c). Programs, their
// interpreter and libraries can be anywhere below.
inline constexpr ImageLayout kProgramLayout = {
    .stack_zone = kUserEnd - (uint64_t{16} << 30) - (uint64_t{128} << 20),
    .stack_zone_end = kUserEnd,
    .stack_top = 0,
    .interpreter = kUserEnd,
    .images_end = kUserEnd,
    .stores_show_anonymous = true};
static_assert(kProgramLayout.stack_zone == 0x7ffbf8000000);

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_PROCESS_PROGRAM_LAYOUT_H_
