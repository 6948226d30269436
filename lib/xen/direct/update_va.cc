// HYPERVISOR_update_va_mapping: Xen 4.17, xen/arch/x86/mm.c,
// do_update_va_mapping and map_guest_l1e; Xen 3.0.0, the same file.

#include "xen/direct/hypercalls.h"
#include "xen/direct/l1_lookup.h"

namespace xmmu {

absl::Status Hypercalls::UpdateVaMapping(const UpdateVaMappingCall& call) {
  Count(Counter::kCallsToUpdateVaMapping);
  DomainId page_owner = kDomInvalid;
  XenErrno error = XenErrno::kOk;
  if (!ResolveOwner(call.page_owner, page_owner, error)) {
    return StatusOf(error);
  }
  const std::optional<MachineAddr> entry =
      L1Lookup(request_).FindL1Entry(call.va);
  if (!entry.has_value()) {
    return StatusOf(Refuse(XenErrno::kEINVAL, "no L1 maps that address"));
  }
  error = UpdateFoundEntry(*entry, EntryValue(call.value), page_owner);
  if (error == XenErrno::kOk) FlushAfterUpdate(call);
  return StatusOf(error);
}

XenErrno Hypercalls::UpdateFoundEntry(MachineAddr entry, Pte value,
                                      DomainId page_owner) {
  const Mfn table = FrameOf(entry);
  if (rules_.va_lookup == VaLookup::kLinearL1) {
    // No references: what is reached through CR3 is validated. A linear entry
    // of the guest's own leads to an L2, read-only, where the store would fail.
    if (Page(table).type != PageType::kL1) {
      return Refuse(XenErrno::kEINVAL, "no L1 maps that address");
    }
    return types_.ModL1Entry(entry, value, false, page_owner);
  }
  Charge(CostEvent::kTempMap);
  PageInfo* const page = host_.frames().Valid(table) ? &Page(table) : nullptr;
  if (page == nullptr || !types_.GetPage(*page, domain_.id())) {
    return Refuse(XenErrno::kEINVAL, "no L1 maps that address");
  }
  XenErrno error;
  if (!types_.LockPage(*page)) {
    error = Refuse(XenErrno::kEINVAL, "no L1 maps that address");
  } else {
    error = page->type == PageType::kL1
                ? types_.ModL1Entry(entry, value, false, page_owner)
                : Refuse(XenErrno::kEINVAL, "no L1 maps that address");
    types_.UnlockPage(*page);
  }
  types_.PutPage(table, *page);
  return error;
}

void Hypercalls::FlushAfterUpdate(const UpdateVaMappingCall& call) {
  const VaMappingFlush& flush = call.flush;
  if (flush.scope == FlushScope::kNone) return;
  const bool local = !flush.all_vcpus && flush.vcpus == 0;
  const CpuMask named = domain_.CpusOf(flush.vcpus) & domain_.dirty_cpus();
  const CpuMask cpus = local             ? own_cpu()
                       : flush.all_vcpus ? domain_.dirty_cpus()
                                         : named;
  if (flush.scope != FlushScope::kPage) return FlushNow(cpus, FullFlush());
  if (local) return FlushNow(cpus, TlbFlush::Page(call.va));
  FlushPage(cpus, call.va);
}

}  // namespace xmmu
