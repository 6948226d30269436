// Type references: Xen 4.17, xen/arch/x86/mm.c, _get_page_type, _put_page_type,
// page_lock; back-pointers as in 3.0.0.

#include "xen/direct/direct_write_logging.h"
#include "xen/direct/page_types.h"
#include "xen/direct/writable_tables.h"
#include "xmmu/base/check.h"

namespace xmmu {
namespace {

// Notes where a table is hooked after one more use (Xen 3.0: PGT_va).
void NoteHook(PageInfo& page, const TypeRequest& request) {
  if (request.l2_slot == kL2SlotMutable) return;
  if (page.l2_slot == kL2SlotMutable) {
    page.l2_slot = request.l2_slot;
    page.hooked_in = request.parent;
    return;
  }
  if (page.l2_slot != request.l2_slot) page.l2_slot = kL2SlotMany;
  if (page.hooked_in != request.parent) page.hooked_in = kInvalidMfn;
}

}  // namespace

XenErrno PageTypes::GetPageType(Mfn mfn, PageInfo& page,
                                const TypeRequest& request) {
  table_keeps_type_ = false;
  // A table that is still open may be the reason for the conflict, so it is
  // closed before anything is refused (Xen 3.0: so that set_gdt and its like
  // see what is true, without closing tables each time). A frame that is open,
  // and for now an ordinary page, counts as a conflict for all who ask.
  const bool conflict = page.type_count > 0 &&
                        (page.type != request.type || direct_.FindOpen(mfn));
  if (conflict && page.owner == domain_.id()) {
    WritableTables(request_).CloseTables();
  }
  if (page.type_count == 0) return FirstUse(mfn, page, request);
  return FurtherUse(mfn, page, request);
}

XenErrno PageTypes::FirstUse(Mfn mfn, PageInfo& page,
                             const TypeRequest& request) {
  XMMU_DCHECK(!page.pae_xen_l2);
  StepOfType("get_page_type", mfn, request.type, 1);
  if (page.type != request.type || request.kernel_l2) {
    FlushForTypeChange(page);
    page.type = request.type;
    page.validated = request.type == PageType::kWritable ||
                     request.type == PageType::kShared;
    if (!page.validated) page.non_coherent = false;
  }
  page.pae_xen_l2 = request.kernel_l2;
  page.l2_slot = request.l2_slot;
  page.hooked_in = request.parent;
  page.type_count = 1;
  Charge(CostEvent::kLockedOp);
  if (page.validated) return XenErrno::kOk;

  // The table is marked before it is validated, and so also if validation
  // fails.
  NoteTypeChange(mfn);
  page.linear_pt_count = 0;
  bool keeps_type = false;
  const XenErrno error = request.type == PageType::kSegDesc
                             ? ValidateDescriptors(mfn)
                             : Promote(mfn, LevelOf(request.type), keeps_type);
  if (error == XenErrno::kOk) {
    page.validated = true;
    NoteTables(IsPageTable(page.type) ? 1 : 0);
    return error;
  }
  page.type_count = 0;
  page.pae_xen_l2 = false;
  if (keeps_type) {
    page.tlbflush_timestamp = host_.tlb_clock();
  } else {
    page.type = PageType::kNone;
  }
  table_keeps_type_ = keeps_type;
  return error;
}

XenErrno PageTypes::FurtherUse(Mfn mfn, PageInfo& page,
                               const TypeRequest& request) {
  if (page.type != request.type || page.pae_xen_l2 != request.kernel_l2) {
    return Refuse(XenErrno::kEINVAL, "the frame is in use with another type");
  }
  // While a frame is being validated nobody asks for its type.
  XMMU_CHECK(page.validated);
  StepOfType("get_page_type", mfn, page.type, page.type_count + 1);
  Charge(CostEvent::kLockedOp);
  ++page.type_count;
  NoteHook(page, request);
  return XenErrno::kOk;
}

// TLBs may still hold entries of an earlier use of the frame, above all of a
// writable mapping.
void PageTypes::FlushForTypeChange(const PageInfo& page) {
  const Domain* owner =
      page.owner == domain_.id() ? &domain_ : host_.FindDomain(page.owner);
  if (owner == nullptr) return;
  const bool spared = rules_.spares_logged_type_flush &&
                      owner->direct().write_logging() != nullptr &&
                      page.type != PageType::kWritable;
  if (spared) return;
  const CpuMask cpus =
      host_.NeedFlush(owner->dirty_cpus(), page.tlbflush_timestamp);
  if (cpus == 0) return;
  const Span span = XenSpan("flush_tlb_mask");
  Count(Counter::kTypeChangeFlushes);
  FlushNow(cpus, FullFlush());
}

void PageTypes::PutPageType(Mfn mfn, Mfn parent) {
  PageInfo& page = Page(mfn);
  XMMU_CHECK(page.type_count > 0 && page.validated);
  StepOfType("put_page_type", mfn, page.type, page.type_count - 1);
  Charge(CostEvent::kLockedOp);
  const bool linear = parent != kInvalidMfn && Page(parent).type == page.type;
  if (page.type_count == 1) {
    LastUse(mfn, page);
  } else {
    --page.type_count;
    if (page.pinned && page.type_count == 1) page.l2_slot = kL2SlotMutable;
    if (parent != kInvalidMfn) page.tlbflush_timestamp = host_.tlb_clock();
  }
  if (linear) {
    ++page.linear_pt_count;
    --Page(parent).linear_pt_count;
  }
}

void PageTypes::LastUse(Mfn mfn, PageInfo& page) {
  if (IsPageTable(page.type)) {
    const int level = LevelOf(page.type);
    page.validated = false;
    NoteTypeChange(mfn);
    ForgetTable(mfn);
    Charge(CostEvent::kLockedOp,
           static_cast<uint64_t>(rules_.locked_ops_of_last_put - 1));
    Demote(mfn, level);
    NoteTables(-1);
    page.pae_xen_l2 = false;
    if (rules_.flush_on_teardown) {
      request_.pending.Add(domain_.dirty_cpus(), FullFlush());
    }
  }
  page.type_count = 0;
  page.tlbflush_timestamp = host_.tlb_clock();
}

void PageTypes::WriteTypeStep(const char* name, Mfn mfn, PageType type,
                              uint64_t count) const {
  XenStep(name)
      .Hex("frame", mfn.value())
      .Word("type", PageTypeName(type))
      .Arg("count", count);
}

void PageTypes::NoteTables(int64_t more) {
  direct_.AddValidatedTables(more);
  NoteCounter(cpu_.clock, "validated tables", direct_.validated_tables());
}

XenErrno PageTypes::GetPageAndType(Mfn mfn, const TypeRequest& request) {
  if (!GetPage(mfn, domain_.id())) {
    return Refuse(XenErrno::kEINVAL, "the frame is not the domain's");
  }
  const XenErrno error = GetPageType(mfn, request);
  if (error != XenErrno::kOk) PutPage(mfn);
  return error;
}

void PageTypes::PutPageAndType(Mfn mfn, Mfn parent) {
  PutPageType(mfn, parent);
  PutPage(mfn);
}

void PageTypes::NotePinChange(Mfn table) {
  if (rules_.pins_mark) MarkDirty(cpu_, domain_, table);
}

void PageTypes::ForgetTable(Mfn table) {
  if (!walks_shadows() || !direct_.write_logging()->TableGone(table)) return;
  // Xen 4.17, sh_remove_shadows; 3.0.0 owes a flush for every table anyhow.
  if (!rules_.flush_on_teardown) FlushNow(domain_.dirty_cpus(), FullFlush());
}

}  // namespace xmmu
