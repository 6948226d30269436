#ifndef XMMU_LIB_WORKLOAD_PROCESS_IMAGE_LAYOUT_H_
#define XMMU_LIB_WORKLOAD_PROCESS_IMAGE_LAYOUT_H_

// Where the parts of a recorded process are before its first system call, as
// far as a recording does not say: each way of recording has a layout of its
// own. Plain values; any thread.

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

// Linux, include/uapi/linux/resource.h, _STK_LIM.
inline constexpr uint64_t kStackLimit = 8 * 1024 * 1024;
// System V ABI, AMD64 supplement, 3.5.1: the small code model.
inline constexpr uint64_t kLargestImage = uint64_t{1} << 31;

struct ImageLayout {
  // An access in [stack_zone, stack_zone_end) to no known mapping shows the
  // stack, which reaches up to `stack_top` at least. If they are equal no
  // access shows one.
  uint64_t stack_zone = 0;
  uint64_t stack_zone_end = 0;
  uint64_t stack_top = 0;
  // What exec maps and no call shows is the program's below `interpreter` and
  // the dynamic linker's from there on; it ends below `images_end`.
  uint64_t interpreter = 0;
  uint64_t images_end = 0;
  // Whether what a store shows is anonymous memory, and only what is fetched or
  // loaded an image's. Otherwise all that an access shows is an image's.
  bool stores_show_anonymous = false;
  // Whether the recording says of all that is mapped, so that no access shows
  // anything, but for more of a segment of unknown size.
  bool exact = false;
  // No access shows a mapping below.
  uint64_t lowest = kLowestMapping;
};

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_PROCESS_IMAGE_LAYOUT_H_
