#ifndef XMMU_LIB_XEN_LAYOUT_H_
#define XMMU_LIB_XEN_LAYOUT_H_

// Where Xen lives in the address space of a paravirtual guest. The tables keep
// 64-bit guests out: Xen's slots of the root are supervisor entries, the guest
// runs in ring 3. 32-bit guest kernels run in ring 1, a supervisor ring, so
// there the limits of the guest's segments are what protects Xen: an access at
// or above HypervisorStart() is a general-protection fault, before translation.
//
//   mode     Xen's area                              slots, of
//   2-level  0xfc000000 .. 0xffffffff                1008 .. 1023, each L2
//   PAE      0xf5800000 .. 0xffffffff                428 .. 511, L2 in slot 3
//   4-level  0xffff800000000000 .. 0xffff87ffffffffff   256 .. 271, each L4
//
// Source: Xen 3.0.0, xen/include/public/arch-x86_32.h (2-level); Xen 4.17,
// xen/include/public/arch-x86/xen-x86_32.h and xen-x86_64.h,
// HYPERVISOR_VIRT_START and _END.
//
// Constants; any thread.

#include <cstdint>

#include "xmmu/base/address.h"
#include "xmmu/machine/paging_mode.h"

namespace xmmu {

// Xen's slots: a contiguous range in every table of one level.
struct XenSlots {
  int level = 0;
  int first = 0;
  int last = -1;

  constexpr bool Contains(int slot) const {
    return first <= slot && slot <= last;
  }
};

// In PAE mode these are Xen's only in an L2 that sits in slot 3 of an L3. Xen
// runs no 5-level guests: an empty range.
constexpr XenSlots XenSlotsOf(PagingMode mode) {
  switch (mode) {
    case PagingMode::k2Level:
      return {2, 1008, 1023};
    case PagingMode::kPae:
      return {2, 428, 511};
    case PagingMode::k4Level:
      return {4, 256, 271};
    case PagingMode::k5Level:
      return {};
  }
  return {};
}

// First address of Xen's area.
constexpr VirtAddr HypervisorStart(PagingMode mode) {
  switch (mode) {
    case PagingMode::k2Level:
      return VirtAddr(0xfc000000u);
    case PagingMode::kPae:
      return VirtAddr(0xf5800000u);
    case PagingMode::k4Level:
    case PagingMode::k5Level:
      return VirtAddr(0xffff800000000000u);
  }
  return VirtAddr();
}

// Last address of Xen's area.
constexpr VirtAddr HypervisorLast(PagingMode mode) {
  switch (mode) {
    case PagingMode::k2Level:
    case PagingMode::kPae:
      return VirtAddr(0xffffffffu);
    case PagingMode::k4Level:
    case PagingMode::k5Level:
      return VirtAddr(0xffff87ffffffffffu);
  }
  return VirtAddr();
}

constexpr bool IsHypervisorAddress(PagingMode mode, VirtAddr va) {
  return HypervisorStart(mode) <= va && va <= HypervisorLast(mode);
}

}  // namespace xmmu

#endif  // XMMU_LIB_XEN_LAYOUT_H_
