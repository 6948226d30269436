#include "xmmu/policy/policies.h"

#include <array>

#include "policy/builtin.h"

namespace xmmu {

std::span<const PolicyEntry> Policies() {
  static constexpr std::array<PolicyEntry, 5> kPolicies = {{
      {"native", "bare hardware: no hypervisor, the baseline", &MakeNative},
      {"pinning",
       "direct paging by hypercalls (mmu_update, update_va_mapping, mmuext_op)",
       &MakePinning},
      {"trap-and-emulate",
       "direct paging; stores to L1 tables trap, are validated and emulated",
       &MakeTrapAndEmulate},
      {"trap-and-emulate-next",
       "the same; the emulator goes on to the instructions that follow",
       &MakeTrapAndEmulateNext, "trap-and-emulate"},
      {"writable-page-tables",
       "direct paging; an L1 table is unhooked, written freely, revalidated",
       &MakeWritablePageTables},
  }};
  return kPolicies;
}

const PolicyEntry* FindPolicy(std::string_view name) {
  for (const PolicyEntry& entry : Policies()) {
    if (entry.name == name) return &entry;
  }
  return nullptr;
}

}  // namespace xmmu
