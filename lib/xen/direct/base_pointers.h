#ifndef XMMU_LIB_XEN_DIRECT_BASE_POINTERS_H_
#define XMMU_LIB_XEN_DIRECT_BASE_POINTERS_H_

// Pins, and the roots that a vCPU runs on (Xen 4.17, xen/arch/x86/mm.c,
// new_guest_cr3 and the pin operations of do_mmuext_op).
//
// Single-threaded.

#include "absl/status/status.h"
#include "xen/direct/page_types.h"
#include "xen/direct/request.h"

namespace xmmu {

class BasePointers : private RequestPart {
 public:
  explicit BasePointers(PvRequest& request)
      : RequestPart(request), types_(request) {}

  // Validates `root` if need be and loads it into CR3, in place of the vCPU's
  // root (Xen: new_guest_cr3). Charges the CR3 load.
  XenErrno NewBasePointer(Mfn root);
  // Makes `root` the 64-bit vCPU's root in user mode; frame 0 is none.
  XenErrno NewUserBasePointer(Mfn root);
  // Pins the boot roots and makes them the vCPU's (Xen: arch_set_info_guest).
  absl::Status Boot(Mfn root, Mfn user_root);
  // Takes or drops the pin reference of `table`, on which the caller holds a
  // general reference; Pin() keeps that, Unpin() drops the pin's own.
  XenErrno Pin(Mfn table, int level);
  XenErrno Unpin(Mfn table);

 private:
  // NewBasePointer() of a 32-bit guest under a 64-bit Xen: its root is what
  // slot 0 of the vCPU's own L4 refers to.
  XenErrno NewHiddenRoot(Mfn root);
  // Pins one boot root, unless it is pinned, and makes it `base`.
  XenErrno BootRoot(Mfn root, Mfn& base);
  // Loads CR3, if the vCPU runs on the CPU that pays.
  void LoadCr3(Mfn root);
  // What CR3 has to name for the processor's root `root`: while the domain is
  // being logged, its shadow.
  Mfn LoadedFor(Mfn root);

  PageTypes types_;
};

}  // namespace xmmu

#endif  // XMMU_LIB_XEN_DIRECT_BASE_POINTERS_H_
