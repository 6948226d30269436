// HYPERVISOR_update_va_mapping: Xen 4.17, xen/arch/x86/mm.c,
// do_update_va_mapping and map_guest_l1e; Xen 3.0.0, the same file.

#include "pv_context.h"

namespace xmmu {

absl::Status PvContext::UpdateVaMapping(const UpdateVaMappingCall& call) {
  Count(Counter::kCallsToUpdateVaMapping);
  DomainId page_owner = kDomInvalid;
  XenErrno error = XenErrno::kOk;
  if (!ResolveOwner(call.page_owner, page_owner, error)) {
    return StatusOf(error);
  }
  const std::optional<MachineAddr> entry = FindL1Entry(call.va);
  if (!entry.has_value()) {
    return StatusOf(Refuse(XenErrno::kEINVAL, "no L1 maps that address"));
  }
  error = UpdateFoundEntry(*entry, EntryValue(call.value), page_owner);
  if (error == XenErrno::kOk) FlushAfterUpdate(call);
  return StatusOf(error);
}

XenErrno PvContext::UpdateFoundEntry(MachineAddr entry, Pte value,
                                     DomainId page_owner) {
  const Mfn table = FrameOf(entry);
  if (rules_.va_lookup == VaLookup::kLinearL1) {
    // No references: what is reached through CR3 is validated. A linear entry
    // of the guest's own leads to an L2, read-only, where the store would fail.
    if (Page(table).type != PageType::kL1) {
      return Refuse(XenErrno::kEINVAL, "no L1 maps that address");
    }
    return ModL1Entry(entry, value, false, page_owner);
  }
  Charge(CostEvent::kTempMap);
  if (!GetPage(table, domain_.id())) {
    return Refuse(XenErrno::kEINVAL, "no L1 maps that address");
  }
  XenErrno error;
  if (!LockPage(table)) {
    error = Refuse(XenErrno::kEINVAL, "no L1 maps that address");
  } else {
    error = Page(table).type == PageType::kL1
                ? ModL1Entry(entry, value, false, page_owner)
                : Refuse(XenErrno::kEINVAL, "no L1 maps that address");
    UnlockPage(table);
  }
  PutPage(table);
  return error;
}

std::optional<MachineAddr> PvContext::FindL1Entry(VirtAddr va) {
  if (!IsCanonical(rules_.mode, va)) return std::nullopt;
  // A 64-bit Xen does not mind where a 32-bit guest points: nothing of the
  // guest's is there.
  const bool checked = rules_.hardware == rules_.mode;
  if (checked && IsHypervisorAddress(rules_.mode, va)) return std::nullopt;
  switch (walks_shadows() ? VaLookup::kWalk : rules_.va_lookup) {
    case VaLookup::kLinearL1:
      return ThroughLinearMap(va, 1);
    case VaLookup::kLinearL2: {
      const std::optional<MachineAddr> l2 = ThroughLinearMap(va, 2);
      if (!l2.has_value()) return std::nullopt;
      const Pte entry = ReadEntry(*l2);
      if (!entry.present() || entry.page_size()) return std::nullopt;
      return EntryOf(entry.frame(), IndexOf(rules_.mode, 1, va));
    }
    case VaLookup::kWalk:
      return WalkToL1Entry(va);
  }
  return std::nullopt;
}

// The entry of `level` that maps `va`, found by the hardware: a supervisor read
// in Xen's linear map. It sets accessed bits on the way, and costs a TLB entry
// and the walk.
std::optional<MachineAddr> PvContext::ThroughLinearMap(VirtAddr va, int level) {
  const Access access{LinearAddress(rules_, va, level), AccessKind::kRead,
                      false};
  const TranslateResult result = cpu_.mmu.Translate(access);
  if (!result.ok()) return std::nullopt;
  return result.addr();
}

std::optional<MachineAddr> PvContext::WalkToL1Entry(VirtAddr va) {
  Mfn table = vcpu_.guest_table;
  for (int level = LevelCount(rules_.mode); level > 1; --level) {
    if (table != mapped_) Charge(CostEvent::kTempMap);
    const Pte entry =
        ReadEntry(EntryOf(table, IndexOf(rules_.mode, level, va)));
    if (!entry.present() || entry.page_size()) return std::nullopt;
    table = entry.frame();
  }
  return EntryOf(table, IndexOf(rules_.mode, 1, va));
}

void PvContext::FlushAfterUpdate(const UpdateVaMappingCall& call) {
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
