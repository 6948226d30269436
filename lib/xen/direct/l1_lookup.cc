#include "xen/direct/l1_lookup.h"

namespace xmmu {

std::optional<MachineAddr> L1Lookup::FindL1Entry(VirtAddr va) {
  const Span span = XenSpan("map_guest_l1e", "linear_pg_table");
  if (!IsCanonical(rules_.mode, va)) return std::nullopt;
  // A 64-bit Xen does not check where a 32-bit guest points: the guest has no
  // tables for Xen's addresses.
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

std::optional<MachineAddr> L1Lookup::FindMapping(VirtAddr va) {
  const Span span = XenSpan("guest_get_eff_l1e", "linear_pg_table");
  const bool linear = rules_.linear_slot >= 0 && !walks_shadows();
  return linear ? ThroughLinearMap(va, 1) : WalkToL1Entry(va);
}

std::optional<MachineAddr> L1Lookup::ThroughLinearMap(VirtAddr va, int level) {
  const Access access{LinearAddress(rules_, va, level), AccessKind::kRead,
                      false};
  const TranslateResult result = cpu_.mmu.Translate(access);
  if (!result.ok()) return std::nullopt;
  return result.addr();
}

std::optional<MachineAddr> L1Lookup::WalkToL1Entry(VirtAddr va) {
  Mfn table = vcpu_.guest_table;
  for (int level = LevelCount(rules_.mode); level > 1; --level) {
    Charge(CostEvent::kTempMap);
    const Pte entry =
        ReadEntry(EntryOf(table, IndexOf(rules_.mode, level, va)));
    if (!entry.present() || entry.page_size()) return std::nullopt;
    table = entry.frame();
  }
  return EntryOf(table, IndexOf(rules_.mode, 1, va));
}

}  // namespace xmmu
