// General references: Xen 4.17, xen/arch/x86/mm.c, get_page, put_page.

#include "xen/direct/page_types.h"
#include "xmmu/base/check.h"

namespace xmmu {

void PageTypes::FreePage(Mfn mfn) {
  const PageInfo& page = Page(mfn);
  XMMU_CHECK(page.type_count == 0 && !page.allocated && !page.pinned);
  host_.FreeFrame(mfn);
}

bool PageTypes::IsIoMemory(Mfn mfn) const {
  if (!host_.frames().Valid(mfn)) return true;
  const PageInfo& page = Page(mfn);
  return !page.is_ram || page.owner == kDomIo;
}

bool PageTypes::GetSharedPage(Mfn mfn) {
  if (host_.sharing().Mappings(mfn, domain_.id()) == 0) return false;
  if (!GetPage(mfn, kDomCow)) return false;
  host_.sharing().AddMapping(mfn, domain_.id());
  return true;
}

void PageTypes::PutSharedPage(Mfn mfn) {
  host_.sharing().DropMapping(mfn, domain_.id());
  PageInfo& page = Page(mfn);
  if (page.ref_count == 1) {
    Charge(CostEvent::kLockedOp);  // the lock of the table
    host_.sharing().Remove(mfn);
    PutPageType(mfn);
    Count(Counter::kSharedFreed);
  }
  PutPage(mfn);
}

}  // namespace xmmu
