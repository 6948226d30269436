// What page-table entries refer to: Xen 4.17, xen/arch/x86/mm.c,
// get_page_from_l1e.. l4e, put_page_from_l1e.. l4e,
// define_get_linear_pagetable; xen/arch/x86/pv/mm.h, adjust_guest_l1e.. l4e.

#include "xen/direct/page_types.h"

namespace xmmu {
namespace {

// A frame field of all ones is no address at all (Xen: PADDR_MASK >>
// PAGE_SHIFT).
constexpr Mfn kAllOnesFrame{pte::kFrameMask >> kPageShift};

// The device pages that not even domains with I/O rights may map: local APIC
// and first I/O APIC at their architectural places (Xen 4.17,
// xen/arch/x86/dom0_build.c, dom0_setup_permissions).
constexpr Mfn kLocalApicFrame{0xfee00};
constexpr Mfn kIoApicFrame{0xfec00};

// The page-attribute index of write combining in Xen's PAT: PAT alone.
constexpr uint64_t kCacheAttributes = pte::kPwt | pte::kPcd | pte::kPat;
constexpr uint64_t kWriteCombining = pte::kPat;

// Xen 4.17, adjust_guest_l1e: bit 52 marks entries of the guest kernel, which
// come without US; all others are global. Both get US, for the kernel runs in
// ring 3.
constexpr uint64_t kGuestKernel = uint64_t{1} << 52;

}  // namespace

uint64_t PageTypes::BadFlags(Pte entry, int level) const {
  uint64_t disallowed = rules_.disallowed[static_cast<size_t>(level)];
  if (level == 1 && !domain_.io_privileged()) disallowed |= rules_.io_only;
  if (!host_.model().features.nx) disallowed |= pte::kNoExecute;
  return entry.flags() & disallowed;
}

Pte PageTypes::Adjust(Pte entry, int level) const {
  if (!entry.present()) return entry;
  if (level > 1) return entry.With(rules_.added[static_cast<size_t>(level)]);
  if (!rules_.marks_kernel_l1) return entry;
  if (!entry.user()) entry = entry.With(kGuestKernel | pte::kUser);
  if ((entry.raw() & kGuestKernel) == 0) entry = entry.With(pte::kGlobal);
  return entry;
}

XenErrno PageTypes::GetPageFromL1e(Pte& entry, DomainId page_owner) {
  if (BadFlags(entry, 1) != 0) {
    return Refuse(XenErrno::kEINVAL, "flags that an L1 entry must not have");
  }
  return GetPageOfL1e(entry, page_owner);
}

XenErrno PageTypes::GetPageOfL1e(Pte& entry, DomainId page_owner) {
  const Mfn mfn = entry.frame();
  PageInfo* const ram = FindRam(mfn);
  if (ABSL_PREDICT_FALSE(ram == nullptr)) return GetIoMemory(entry, page_owner);
  PageInfo& page = *ram;
  if (page.ref_count == 0) {
    return Refuse(XenErrno::kEBUSY, "the frame is nobody's");
  }
  // A page that several domains share belongs to none of them.
  const bool shared = page.owner == kDomCow && !entry.writable();
  if (!(shared && GetSharedPage(mfn)) && !GetPage(page, page_owner)) {
    return Refuse(XenErrno::kEBUSY, "the frame is another domain's");
  }
  const bool write = entry.writable();
  if (write && GetPageType(mfn, page, {PageType::kWritable}) != XenErrno::kOk) {
    PutPage(mfn, page);
    return Refuse(XenErrno::kEBUSY,
                  "a writable mapping of a frame in use as something else");
  }
  if (page.xen_heap && (entry.flags() & kCacheAttributes) != 0) {
    if (write) PutPageType(mfn);
    PutPage(mfn, page);
    return Refuse(XenErrno::kEACCES, "cache attributes of a page of Xen's");
  }
  if (write && (entry.flags() & kCacheAttributes) == kWriteCombining) {
    page.non_coherent = true;
  }
  return XenErrno::kOk;
}

XenErrno PageTypes::GetIoMemory(Pte& entry, DomainId page_owner) {
  XenStep("get_page_from_l1e: device memory");
  const Mfn mfn = entry.frame();
  // Xen takes a reference to a frame with a PageInfo before it finds that the
  // frame is a device's.
  if (host_.frames().Valid(mfn)) Charge(CostEvent::kLockedOp, 2);
  const bool own = page_owner == domain_.id() || page_owner == kDomIo;
  if (!own || !MayMapIoMemory(mfn)) {
    return mfn == kAllOnesFrame
               ? Refuse(XenErrno::kEINVAL, "not a frame number")
               : Refuse(XenErrno::kEPERM, "no rights on that device memory");
  }
  if (!rules_.forces_uncached_mmio) return XenErrno::kOk;
  const uint64_t attributes = entry.flags() & kCacheAttributes;
  if (attributes == 0) {
    entry = entry.With(pte::kPwt | pte::kPcd);
  } else if ((attributes & ~pte::kPat) == pte::kPwt) {
    entry = entry.With(pte::kPcd).Without(pte::kPat);
  }
  return XenErrno::kOk;
}

bool PageTypes::MayMapIoMemory(Mfn mfn) const {
  if (!domain_.io_privileged()) return false;
  if (mfn == kLocalApicFrame || mfn == kIoApicFrame) return false;
  return mfn.value() >> (host_.model().features.maxphyaddr - kPageShift) == 0;
}

void PageTypes::PutPageOfPresent(Pte entry) {
  const Mfn mfn = entry.frame();
  PageInfo* const ram = FindRam(mfn);
  if (ram == nullptr) return;
  PageInfo& page = *ram;
  if (page.owner == kDomCow) return PutSharedPage(mfn);
  if (entry.writable()) PutPageType(mfn);
  PutPage(mfn, page);
}

TypeRequest PageTypes::ChildRequest(int level, Mfn table, int slot) const {
  TypeRequest request{TableType(level - 1)};
  request.kernel_l2 = rules_.kernel_l2 && level == 3 && slot == 3;
  request.l2_slot = static_cast<uint16_t>(slot) & kL2SlotMutable;
  request.parent = table;
  return request;
}

XenErrno PageTypes::GetPageFromUpper(Pte entry, int level, Mfn table,
                                     int slot) {
  table_keeps_type_ = false;
  if (BadFlags(entry, level) != 0) {
    return Refuse(XenErrno::kEINVAL, "flags that a table entry must not have");
  }
  const TypeRequest request = ChildRequest(level, table, slot);
  const XenErrno error = GetPageAndType(entry.frame(), request);
  if (error != XenErrno::kEINVAL) return error;
  return GetLinear(entry, level, table) ? XenErrno::kOk : error;
}

// The entry must be read-only. A table's entry for itself takes no reference at
// all, or the table could never go away; other targets must be validated
// already, or validation could go round in circles; and they must not have
// linear entries themselves, or dropping one could recurse without bound.
bool PageTypes::GetLinear(Pte entry, int level, Mfn table) {
  if (!rules_.linear[static_cast<size_t>(level)] || entry.writable()) {
    return false;
  }
  const Mfn target = entry.frame();
  if (target == table) return true;
  if (!GetPage(target, domain_.id())) return false;
  PageInfo& page = Page(target);
  PageInfo& parent = Page(table);
  const bool chained =
      parent.linear_pt_count < 0 || parent.linear_pt_count == INT16_MAX ||
      page.linear_pt_count > 0 || page.linear_pt_count == INT16_MIN;
  const bool validated = page.type == TableType(level) && page.validated;
  if (chained || !validated) {
    PutPage(target);
    return false;
  }
  Charge(CostEvent::kLockedOp, 3);
  ++page.type_count;
  ++parent.linear_pt_count;
  --page.linear_pt_count;
  return true;
}

bool PageTypes::PutPageFromUpper(Pte entry, Mfn table) {
  if (!entry.present() || entry.frame() == table) return false;
  PutPageAndType(entry.frame(), table);
  return true;
}

}  // namespace xmmu
