// General references: Xen 4.17, xen/arch/x86/mm.c, get_page, put_page.

#include "pv_context.h"
#include "xmmu/base/check.h"

namespace xmmu {

PvContext::PvContext(Host& host, VcpuContext& vcpu, const PvRules& rules)
    : PvContext(host, vcpu, rules, *vcpu.cpu) {}

PvContext::PvContext(Host& host, VcpuContext& vcpu, const PvRules& rules,
                     Cpu& cpu)
    : host_(host),
      vcpu_(vcpu),
      domain_(*vcpu.domain),
      cpu_(cpu),
      rules_(rules) {}

bool PvContext::GetPage(Mfn mfn, DomainId owner) {
  if (!host_.frames().Valid(mfn)) return false;
  PageInfo& page = Page(mfn);
  if (page.ref_count == 0 || !page.is_ram) return false;
  if (page.owner != owner) {
    // Owner and count are read together with the reference; it is put again.
    Charge(CostEvent::kLockedOp, 2);
    return false;
  }
  Charge(CostEvent::kLockedOp);
  ++page.ref_count;
  return true;
}

void PvContext::PutPage(Mfn mfn) {
  PageInfo& page = Page(mfn);
  XMMU_CHECK(page.ref_count > 0);
  Charge(CostEvent::kLockedOp);
  if (--page.ref_count == 0) FreePage(mfn);
}

void PvContext::FreePage(Mfn mfn) {
  const PageInfo& page = Page(mfn);
  XMMU_CHECK(page.type_count == 0 && !page.allocated && !page.pinned);
  host_.FreeFrame(mfn);
}

bool PvContext::IsIoMemory(Mfn mfn) const {
  if (!host_.frames().Valid(mfn)) return true;
  const PageInfo& page = Page(mfn);
  return !page.is_ram || page.owner == kDomIo;
}

}  // namespace xmmu
