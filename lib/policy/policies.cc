#include "xmmu/policy/policies.h"

#include "policy/builtin.h"

namespace xmmu {

namespace {

constexpr PolicyEntry kPolicies[] = {
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
    {"writable-page-tables-2.0",
     "as Xen 2.0 had it: closed when another vCPU gets the CPU",
     &MakeWritablePageTables20, "writable-page-tables"},
    {"writable-page-tables-g2",
     "Xen, September 2004: a copy is written, and compared with the table",
     &MakeWritablePageTablesG2, "writable-page-tables"},
    {"writable-page-tables-g1",
     "Xen, August 2004: several tables of other address spaces at a time",
     &MakeWritablePageTablesG1, "writable-page-tables"},
    {"writable-page-tables-g0",
     "Xen, July 2004: an open table is no table, and validated anew",
     &MakeWritablePageTablesG0, "writable-page-tables"},
    {"xi-shadow",
     "shadows from a pool, each entry backlinked, in sync one at a time",
     &MakeXiShadow},
    {"xi-shadow-zeroed",
     "the same; the idle loop keeps the pool zeroed, and is always ahead",
     &MakeXiShadowZeroed, "xi-shadow"},
    {"xi-shadow-search",
     "the same without backlinks: all shadows are searched for a mapping",
     &MakeXiShadowSearch, "xi-shadow"},
    {"xi-shadow-tables-only",
     "the same with backlinks only for what leads to a page table",
     &MakeXiShadowTablesOnly, "xi-shadow"},
    {"xi-shadow-snapshots",
     "the same with snapshots only for tables out of sync",
     &MakeXiShadowSnapshots, "xi-shadow"},
    {"shadow-2005",
     "Xen 3.0: snapshots of tables out of sync; all in sync again at once",
     &MakeShadow2005},
    {"shadow-2005-predict",
     "the same as of March 2005: a mapping's place is guessed, else searched",
     &MakeShadow2005Predict, "shadow-2005"},
    {"shadow-2005-search",
     "the same with no help: all L1 shadows are searched for a mapping",
     &MakeShadow2005Search, "shadow-2005"},
    {"shadow-2005-internal",
     "the same for a paravirtual guest that is translated: no VM exits",
     &MakeShadow2005Internal, "shadow-2005"},
    {"shadow-2006",
     "shadows always in sync: each store to a table is emulated (Xen 3.0.3)",
     &MakeShadow2006},
    {"shadow-2008",
     "... L1 tables go out of sync, three a vCPU; prefetch (Xen 3.3)",
     &MakeShadow2008},
    {"shadow-2008-no-oos", "the same, with all tables always in sync",
     &MakeShadow2008NoOos, "shadow-2008"},
    {"shadow-2008-no-prefetch", "the same, each entry made when it is needed",
     &MakeShadow2008NoPrefetch, "shadow-2008"},
    {"nested-paging",
     "the processor translates twice (EPT, NPT); the guest owns its tables",
     &MakeNestedPaging},
    {"nested-paging-4k", "the same, without large pages in nested tables",
     &MakeNestedPaging4k, "nested-paging"},
    {"nested-paging-on-demand",
     "the same, each page mapped by the violation of its first access",
     &MakeNestedPagingOnDemand, "nested-paging"},
};

}  // namespace

std::span<const PolicyEntry> Policies() { return kPolicies; }

const PolicyEntry* FindPolicy(std::string_view name) {
  for (const PolicyEntry& entry : Policies()) {
    if (entry.name == name) return &entry;
  }
  return nullptr;
}

}  // namespace xmmu
