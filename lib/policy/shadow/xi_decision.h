#ifndef XMMU_LIB_POLICY_SHADOW_XI_DECISION_H_
#define XMMU_LIB_POLICY_SHADOW_XI_DECISION_H_

// What XI does about a page fault, as a table. That there is a "decision table"
// in its fault path is known (xen-devel, July 2006, the question that the
// thread begins with); what is in it is not: this is a reconstruction from what
// the mechanism needs. Plain values.

#include <array>

#include "xmmu/base/check.h"
#include "xmmu/xen/shadow/guest_walk.h"
#include "xmmu/xen/shadow/shadow_pages.h"

namespace xmmu {

// What the guest's own tables say.
enum class XiWalk : uint8_t { kRefused, kAllowed };

// What the guest frame is that they lead to.
enum class XiFrame : uint8_t { kAny, kNobodys, kPage, kInSync, kOutOfSync };

enum class XiAccess : uint8_t { kAny, kRead, kWrite };

enum class XiAction : uint8_t {
  kInject,        // the fault is the guest's own
  kNothingThere,  // no memory: reads ones, a write is lost
  kMap,           // make the entries; writable if the guest's are and may be
  kOpen,          // the table goes out of sync, then as kMap
};

struct XiDecision {
  XiWalk walk;
  XiFrame frame;
  XiAccess access;
  XiAction action;
};

// The first row that fits decides. A table in sync is mapped read-only,
// whatever the guest's entry says; one out of sync is mapped as the guest's
// entry says.
inline constexpr std::array<XiDecision, 6> kXiDecisions = {{
    {XiWalk::kRefused, XiFrame::kAny, XiAccess::kAny, XiAction::kInject},
    {XiWalk::kAllowed, XiFrame::kNobodys, XiAccess::kAny,
     XiAction::kNothingThere},
    {XiWalk::kAllowed, XiFrame::kPage, XiAccess::kAny, XiAction::kMap},
    {XiWalk::kAllowed, XiFrame::kInSync, XiAccess::kRead, XiAction::kMap},
    {XiWalk::kAllowed, XiFrame::kInSync, XiAccess::kWrite, XiAction::kOpen},
    {XiWalk::kAllowed, XiFrame::kOutOfSync, XiAccess::kAny, XiAction::kMap},
}};

// What the guest frame is that `walk` led to.
inline XiFrame FrameKind(const ShadowPages& pages, const Domain& domain,
                         const GuestWalk& walk) {
  if (!walk.reached_leaf || domain.MfnOf(walk.gfn) == kInvalidMfn) {
    return XiFrame::kNobodys;
  }
  const GuestTable* const table = pages.FindTable(walk.gfn);
  if (table == nullptr) return XiFrame::kPage;
  return table->out_of_sync ? XiFrame::kOutOfSync : XiFrame::kInSync;
}

// The action of the table's first row that fits.
inline XiAction Decide(const ShadowPages& pages, const Domain& domain,
                       const GuestWalk& walk, const Access& access) {
  const XiWalk said = walk.ok ? XiWalk::kAllowed : XiWalk::kRefused;
  const XiFrame frame = FrameKind(pages, domain, walk);
  const XiAccess kind = access.is_write() ? XiAccess::kWrite : XiAccess::kRead;
  for (const XiDecision& row : kXiDecisions) {
    const bool fits = row.walk == said &&
                      (row.frame == XiFrame::kAny || row.frame == frame) &&
                      (row.access == XiAccess::kAny || row.access == kind);
    if (fits) return row.action;
  }
  XMMU_CHECK(false && "the decision table is complete");
  return XiAction::kInject;
}

}  // namespace xmmu

#endif  // XMMU_LIB_POLICY_SHADOW_XI_DECISION_H_
