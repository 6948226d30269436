#ifndef XMMU_TESTING_CONFORMANCE_HARDWARE_VIEW_H_
#define XMMU_TESTING_CONFORMANCE_HARDWARE_VIEW_H_

// What paravirtual guests can reach, judged as the processors see it: by the
// tables below every root that may be loaded, by TLB entries and by entries of
// the paging-structure caches. Only who owns a frame and what type it has is
// taken from Xen's word.

#include <string>

#include "xmmu/xen/host.h"

namespace xmmu::conformance {

// Says how some CPU could translate for a guest to a frame that is not its
// domain's, through a frame that is no table of that domain in use, or with the
// right to write to a page table or descriptor page in use; "" if none can. An
// L1 that its guest may write to for now (xmmu/xen/internal/ptwr.h) must not be met as a
// table instead: in no walk, by no cached entry.
//
// A shared frame (xmmu/xen/internal/shared_pages.h) may be read by any domain that has it by
// sharing, and written by none. In a TLB it may be for longer: its content does
// not change as long as it is one.
//
// A frame that is free may be left in a TLB, as it may under Xen: but only as
// long as its next owner's allocation would flush that CPU first.
std::string FirstEscape(Host& host);

// The same of guests whose tables the processor does not walk itself: every
// table that it walks for them is the hypervisor's, and every page that a walk
// or a TLB entry leads to is their domain's. Which of these are tables that the
// guest must not write to is known to the policy alone: its Audit() says so.
// Nested paging is judged by its own tests.
std::string FirstShadowEscape(Host& host);

}  // namespace xmmu::conformance

#endif  // XMMU_TESTING_CONFORMANCE_HARDWARE_VIEW_H_
