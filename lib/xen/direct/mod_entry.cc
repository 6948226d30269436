// One entry of a table in use: Xen 4.17, xen/arch/x86/mm.c, mod_l1_entry..
// mod_l4_entry. References for the new value are taken before those of the old
// are dropped, so that a page that is replaced by itself stays in use.

#include "xen/direct/page_types.h"

namespace xmmu {

XenErrno PageTypes::ModL1Entry(MachineAddr entry, Pte value, bool preserve_ad,
                               DomainId page_owner) {
  const Span span = XenSpan("mod_l1_entry");
  const Pte old = ReadEntry(entry);
  if (!value.present()) {
    UpdateEntry(entry, old, value, preserve_ad);
    PutPageFromL1e(old);
    return XenErrno::kOk;
  }
  if (BadFlags(value, 1) != 0) {
    return Refuse(XenErrno::kEINVAL, "flags that an L1 entry must not have");
  }
  if (((old.raw() ^ value.raw()) & ~rules_.fast_path[1]) == 0) {
    UpdateEntry(entry, old, Adjust(value, 1), preserve_ad);
    return XenErrno::kOk;
  }
  const XenErrno error = GetPageOfL1e(value, page_owner);
  if (error != XenErrno::kOk) return error;
  UpdateEntry(entry, old, Adjust(value, 1), preserve_ad);
  PutPageFromL1e(old);
  return XenErrno::kOk;
}

XenErrno PageTypes::ModUpperEntry(MachineAddr entry, Pte value, int level,
                                  bool preserve_ad) {
  static constexpr const char* kNames[] = {"mod_l2_entry", "mod_l3_entry",
                                           "mod_l4_entry"};
  const Span span = XenSpan(kNames[level - 2]);
  const Mfn table = FrameOf(entry);
  const int slot = SlotOf(entry);
  if (!IsGuestSlot(Page(table), level, slot)) {
    return Refuse(rules_.xen_slot_error, "a slot of Xen's");
  }
  if (rules_.kernel_l2 && level == 3 && slot >= 3) {
    return Refuse(XenErrno::kEINVAL, "slot 3 of a PAE root in use is fixed");
  }
  const Pte old = ReadEntry(entry);
  if (!value.present()) {
    UpdateEntry(entry, old, value, preserve_ad);
    if (level == 3) FollowRootChange(table);
    PutPageFromUpper(old, table);
    return XenErrno::kOk;
  }
  if (BadFlags(value, level) != 0) {
    return Refuse(XenErrno::kEINVAL, "flags that a table entry must not have");
  }
  const uint64_t may_change = rules_.fast_path[static_cast<size_t>(level)];
  if (((old.raw() ^ value.raw()) & ~may_change) == 0) {
    UpdateEntry(entry, old, Adjust(value, level), preserve_ad);
    return XenErrno::kOk;
  }
  const XenErrno error = GetPageFromUpper(value, level, table, slot);
  if (error != XenErrno::kOk) return error;
  UpdateEntry(entry, old, Adjust(value, level), preserve_ad);
  if (level == 3) FollowRootChange(table);
  PutPageFromUpper(old, table);
  return XenErrno::kOk;
}

}  // namespace xmmu
