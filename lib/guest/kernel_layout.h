#ifndef XMMU_LIB_GUEST_KERNEL_LAYOUT_H_
#define XMMU_LIB_GUEST_KERNEL_LAYOUT_H_

// Where a guest kernel of each paging mode has its addresses: Linux's 3:1 split
// in the 32-bit modes, and in the 64-bit ones a direct map of all memory above
// the hypervisor's slots. Source: Linux, Documentation/x86/x86_64/mm.txt (the
// layout in use with Xen: slots 256..271 of the L4 belong to the hypervisor)
// and arch/i386/mm.

#include "xmmu/base/address.h"
#include "xmmu/machine/paging_mode.h"

namespace xmmu {

struct KernelLayout {
  PagingMode mode;
  VirtAddr user_end;    // first address that is not the program's
  VirtAddr direct_map;  // where pfn 0 is mapped
  uint64_t max_memory;  // bytes that the direct map has room for

  VirtAddr DirectVa(Pfn pfn) const {
    return direct_map + (pfn.value() << kPageShift);
  }
};

inline KernelLayout LayoutOf(PagingMode mode) {
  switch (mode) {
    case PagingMode::k2Level:
      // Linux's lowmem is 1 GiB less 128 MiB for vmalloc.
      return {mode, VirtAddr(0xc0000000), VirtAddr(0xc0000000),
              uint64_t{896} << 20};
    case PagingMode::kPae:
      // Xen's slots of a PAE guest begin at 0xf5800000.
      return {mode, VirtAddr(0xc0000000), VirtAddr(0xc0000000),
              uint64_t{856} << 20};
    case PagingMode::k4Level:
      return {mode, VirtAddr(uint64_t{1} << 47), VirtAddr(0xffff880000000000),
              uint64_t{64} << 40};
    case PagingMode::k5Level:
      return {mode, VirtAddr(uint64_t{1} << 56), VirtAddr(0xff11000000000000),
              uint64_t{32} << 50};
  }
  return {};
}

}  // namespace xmmu

#endif  // XMMU_LIB_GUEST_KERNEL_LAYOUT_H_
