#include "machine/presets/presets.h"

namespace xmmu::presets {
namespace shared_costs {
namespace {

// Rows are {value, low, high, mark, source}, in core cycles.
constexpr CostRow kCosts[] = {
    {CostEvent::kAccess,
     {1, 1, 2, Mark::kEstimated,
      "assumed: one cycle an instruction or access"}},
    {CostEvent::kDataWait, {1, 1, 1, Mark::kDerived, "one cycle is one cycle"}},
    {CostEvent::kIpiWait, {1, 1, 1, Mark::kDerived, "one cycle is one cycle"}},
    {CostEvent::kBounce,
     {300, 150, 600, Mark::kEstimated,
      "assumed: frame built on the guest stack"}},
    {CostEvent::kSyscallBounce,
     {150, 80, 400, Mark::kEstimated,
      "assumed: frame built on the guest stack"}},
    {CostEvent::kIretHypercall,
     {450, 250, 700, Mark::kEstimated,
      "assumed: hypercall entry, checks and IRET"}},
    {CostEvent::kHypercallSyscall,
     {200, 150, 350, Mark::kEstimated,
      "assumed: SYSCALL into Xen with its entry work"}},
    {CostEvent::kHypercallWork,
     {150, 80, 300, Mark::kEstimated, "assumed: dispatch and argument checks"}},
    {CostEvent::kMulticallEntry,
     {60, 30, 120, Mark::kEstimated,
      "assumed: 32-byte copy-in, table dispatch, store of the result"}},
    {CostEvent::kCopyIn,
     {20, 10, 50, Mark::kEstimated, "assumed: guarded copy of 16 bytes"}},
    {CostEvent::kContinuation,
     {400, 250, 700, Mark::kEstimated, "assumed: one more hypercall crossing"}},
    {CostEvent::kValidatePte,
     {6, 3, 15, Mark::kEstimated,
      "assumed: load, flag test, frame-table look-up"}},
    {CostEvent::kSnapshotCompare,
     {1, 1, 4, Mark::kEstimated,
      "assumed: two loads of 8 bytes a cycle, both pages in L1 or L2"}},
    {CostEvent::kXenPteRead,
     {5, 3, 14, Mark::kEstimated,
      "assumed: one L1 hit and address arithmetic"}},
    {CostEvent::kXenPteWrite,
     {4, 1, 10, Mark::kEstimated, "assumed: store to a cached line"}},
    {CostEvent::kTempMap,
     {0, 0, 0, Mark::kRead,
      "64-bit Xen has a direct map of all memory (xen/arch/x86/domain_page.c, "
      "4.17)"}},
    {CostEvent::kCr3Refill,
     {0, 0, 0, Mark::kEstimated,
      "assumed: caches are tagged by physical address"}},
    {CostEvent::kIpiSend,
     {200, 100, 400, Mark::kEstimated, "assumed: write to the local APIC"}},
    {CostEvent::kHashPage,
     {2048, 512, 4096, Mark::kEstimated,
      "assumed: 512 words, a dependent 64-bit multiply of 4 cycles each"}},
    {CostEvent::kComparePage,
     {512, 256, 2048, Mark::kEstimated,
      "assumed: 512 words as in snapshot_compare"},
     Times(512, CostEvent::kSnapshotCompare)},
    {CostEvent::kGuestSyscallPath,
     {80, 40, 200, Mark::kEstimated,
      "assumed: a short system call's own work"}},
    {CostEvent::kGuestSwitchPath,
     {400, 200, 1000, Mark::kEstimated,
      "assumed: run queue, stack switch, segment reloads"}},
    {CostEvent::kGuestPteWork,
     {8, 4, 20, Mark::kEstimated,
      "assumed: loop overhead of an entry besides its loads and stores"}},
    {CostEvent::kNestedViolation,
     {600, 300, 1500, Mark::kEstimated, "assumed: P2M look-up and lock"}},
};

}  // namespace
}  // namespace shared_costs

std::span<const CostRow> SharedCosts() { return shared_costs::kCosts; }

}  // namespace xmmu::presets
