#ifndef XMMU_LIB_WORKLOAD_LINUX_TEXT_LINUX_LAYOUT_H_
#define XMMU_LIB_WORKLOAD_LINUX_TEXT_LINUX_LAYOUT_H_

#include "workload/process/image_layout.h"

namespace xmmu {

// Where a native x86-64 Linux puts stacks: within 16 GiB below the end of user
// space, with a gap to what it maps of 128 MiB at least (arch/x86/mm/mmap.c,
// stack_maxrandom_size and mmap_base; fs/exec.c, setup_arg_pages). Its dynamic
// linker lies less than 2^40 bytes of random offset and 16 GiB below; programs,
// also those that lie anywhere, below 0x570000000000 (ELF_ET_DYN_BASE,
// arch/x86/include/asm/elf.h, and 2^40).
inline constexpr uint64_t kLowestStack = 0x7ffbf8000000;
inline constexpr ImageLayout kLinuxLayout = {.stack_zone = kLowestStack,
                                             .stack_zone_end = kUserEnd,
                                             .stack_top = 0,
                                             .interpreter = 0x7e0000000000,
                                             .images_end = kUserEnd,
                                             .stores_show_anonymous = true};

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_LINUX_TEXT_LINUX_LAYOUT_H_
