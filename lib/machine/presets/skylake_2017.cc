#include "machine/presets/presets.h"

namespace xmmu::presets {
namespace skylake_2017 {
namespace {

// Rows are {value, low, high, mark, source}, in core cycles.
constexpr CostRow kCosts[] = {
    {CostEvent::kDataL2,
     {10, 10, 10, Mark::kDerived, "InstLatx64 i9-7900X: L2 14 less L1 4"},
     Less(CostEvent::kPteLoadL2, CostEvent::kDependentLoad)},
    {CostEvent::kDependentLoad, {4, 4, 5, Mark::kRead, "InstLatx64 i9-7900X"}},
    {CostEvent::kDataL2Far,
     {10, 10, 10, Mark::kDerived, "as data_l2: the grid shows no difference"},
     As(CostEvent::kDataL2)},
    {CostEvent::kDataL3,
     {63, 63, 71, Mark::kDerived, "L3 as pte_load_l3, less L1 4"},
     Less(CostEvent::kPteLoadL3, CostEvent::kDependentLoad)},
    {CostEvent::kDataDram,
     {262, 251, 286, Mark::kDerived, "DRAM as pte_load_dram, less L1 4"},
     Less(CostEvent::kPteLoadDram, CostEvent::kDependentLoad)},
    {CostEvent::kDataDramRowHit,
     {238, 221, 258, Mark::kDerived,
      "InstLatx64 i9-7900X: 225-268 in linear order, strides 256-1024, less "
      "their share of walks and rows and L1 4"}},
    {CostEvent::kTlbL2Hit,
     {9, 9, 9, Mark::kDerived,
      "InstLatx64 i9-7900X: 14 to 23 cycles past 64 pages"}},
    {CostEvent::kWalkOverhead,
     {14, 11, 17, Mark::kDerived,
      "InstLatx64 i9-7900X: step of 8-12 past the L2 TLB less one L1 load, and "
      "9 of the look-up in that TLB"}},
    {CostEvent::kAdUpdate,
     {18, 18, 40, Mark::kDerived, "InstLatx64: LOCK RMW on an L1 line, 18"}},
    {CostEvent::kPteLoadFlat,
     {4, 4, 14, Mark::kDerived,
      "the L1 latency that the step past the L2 TLB implies"}},
    {CostEvent::kPteLoadL1, {4, 4, 5, Mark::kRead, "InstLatx64 i9-7900X"}},
    {CostEvent::kPteLoadL2, {14, 14, 14, Mark::kRead, "InstLatx64 i9-7900X"}},
    {CostEvent::kPteLoadL3,
     {67, 67, 75, Mark::kDerived,
      "InstLatx64 i9-7900X: 76 with one load a page, less an L2 TLB hit of 9"}},
    {CostEvent::kPteLoadDram,
     {266, 255, 290, Mark::kDerived,
      "InstLatx64 i9-7900X: 277 in random order less a TLB hit"}},
    {CostEvent::kExceptionEntry,
     {715, 650, 800, Mark::kRead, "Torvalds'14, Haswell: page fault delivery"}},
    {CostEvent::kIret,
     {330, 280, 380, Mark::kRead, "Torvalds'14, Haswell: IRET"}},
    {CostEvent::kSyscallInt,
     {500, 350, 700, Mark::kEstimated,
      "assumed: INT n with ring change and IRET"}},
    {CostEvent::kSyscallFast,
     {120, 90, 150, Mark::kRemembered, "SYSCALL/SYSRET pair, 90-150"}},
    {CostEvent::kHypercallInt,
     {500, 350, 700, Mark::kEstimated, "assumed: as syscall_int"},
     As(CostEvent::kSyscallInt)},
    {CostEvent::kLockedOp,
     {18, 18, 23, Mark::kRead, "InstLatx64: LOCK RMW on an L1 line"}},
    {CostEvent::kXenPteRead,
     {5, 4, 14, Mark::kEstimated,
      "assumed: one L1 hit and address arithmetic"}},
    {CostEvent::kXenPteCas,
     {18, 18, 23, Mark::kDerived, "as locked_op"},
     As(CostEvent::kLockedOp)},
    {CostEvent::kEmulate,
     {1500, 1000, 2000, Mark::kEstimated,
      "assumed: fetch, decode, emulate one PTE write"}},
    {CostEvent::kMovCr3,
     {325, 250, 400, Mark::kEstimated, "assumed: MOV CR3 without PCID"}},
    {CostEvent::kMovCr3NoFlush,
     {230, 100, 250, Mark::kDerived,
      "FreeBSD D13985: 139 ns for two writes and glue"}},
    {CostEvent::kInvlpg,
     {175, 150, 250, Mark::kDerived,
      "slope of Linux's deferred-flush series (N. Amit, 2019): at most 381 a "
      "page with bookkeeping"}},
    {CostEvent::kInvpcid,
     {170, 140, 200, Mark::kDerived, "N. Amit's series: 519 less 381 a page"}},
    {CostEvent::kMovCr4,
     {325, 250, 400, Mark::kEstimated, "assumed: as MOV CR3"},
     As(CostEvent::kMovCr3)},
    {CostEvent::kIpiSend,
     {200, 100, 400, Mark::kEstimated, "assumed: x2APIC write"}},
    {CostEvent::kIpiDelivery,
     {1500, 1000, 2500, Mark::kEstimated,
      "assumed: with ipi_handler a round trip of 3000-6000"}},
    {CostEvent::kIpiHandler,
     {2000, 1500, 3000, Mark::kEstimated,
      "assumed: interrupt gate, handler, EOI, IRET"}},
    {CostEvent::kVmExit,
     {1150, 1000, 1300, Mark::kEstimated,
      "assumed: 1000-1300; Sandy Bridge took 784 (Agesen et al., USENIX "
      "ATC'12, remembered)"}},
    {CostEvent::kVmExitWork,
     {600, 300, 1000, Mark::kEstimated,
      "assumed: a whole KVM exit's 1500-2000 less the hardware's part"}},
    {CostEvent::kInvept,
     {200, 140, 500, Mark::kEstimated, "assumed: about as INVPCID"}},
    {CostEvent::kInvvpid,
     {200, 140, 500, Mark::kEstimated, "assumed: about as INVPCID"}},
    {CostEvent::kZeroPage,
     {180, 150, 1000, Mark::kEstimated, "assumed: cached; 1000 cold"}},
    {CostEvent::kCopyPage,
     {250, 180, 2000, Mark::kEstimated, "assumed: cached; 2000 cold"}},
    {CostEvent::kGuestFaultPath,
     {500, 250, 1000, Mark::kEstimated,
      "assumed: Torvalds'14 has 80 % of a fault in hardware, which leaves 260 "
      "at the least"}},
    {CostEvent::kGuestAccess,
     {4, 4, 14, Mark::kDerived, "as pte_load_l1; L2 if the line has gone"},
     As(CostEvent::kPteLoadL1)},
    {CostEvent::kGuestLockedOp,
     {18, 18, 23, Mark::kRead, "InstLatx64: LOCK RMW on an L1 line"}},
};

void SetTlb(MachineModel& m) {
  const Provenance cpuid = {Mark::kRead,
                            "CPUID leaf 2 of CascadeLakeSP 50657 (InstLatx64): "
                            "B5h, 76h, 63h, C3h"};
  m.tlb.instruction_l1[0] = {64, 8, kTlb4K, cpuid};
  m.tlb.instruction_l1[1] = {8, 0, kTlbLarge, cpuid};
  m.tlb.data_l1[0] = {64, 4, kTlb4K, cpuid};
  m.tlb.data_l1[1] = {32, 4, kTlbLarge, cpuid};
  m.tlb.data_l1[2] = {4, 4, kTlb1G, cpuid};
  m.tlb.unified_from = cpuid;
  m.tlb.data_l2[0] = {
      1536,
      12,
      kTlb4K | kTlbLarge,
      {Mark::kRead, "Intel's tables; 6-way by descriptor C3h of CPUID leaf 2"}};
  m.tlb.data_l2[1] = {16, 4, kTlb1G, cpuid};
  constexpr std::string_view kBarr = "organisation by Barr et al., ISCA'10";
  m.psc.level[2] = {32, 4, {Mark::kRemembered, kBarr, 24, 40}};
  m.psc.level[3] = {4, 0, {Mark::kRemembered, kBarr, 4, 8}};
  m.psc.level[4] = {4, 0, {Mark::kRemembered, kBarr, 2, 4}};
  m.psc.level[5] = {
      2, 0, {Mark::kEstimated, "no 5-level paging on this machine"}};
}

void SetMemory(MachineModel& m) {
  m.cache_rules = {.thrash_resistant_l3 = true,
                   .from = {Mark::kDerived,
                            "InstLatx64 i9-7900X: a working set twice the L3 "
                            "still finds a third of its lines there"}};
  m.l1_prefetcher.from = {Mark::kDerived,
                          "InstLatx64 i9-7900X: no trace of one in L2"};
  m.l2_prefetcher = {.max_stride = 2,
                     .lines_per_load = 3,
                     .lines_ahead = 20,
                     .from = {Mark::kDerived,
                              "Intel Optimization Manual: up to 20 lines "
                              "ahead; InstLatx64 i9-7900X: at a stride of 128 "
                              "between what 2 and 3 lines a load give"}};
  m.dram = {.row_bytes = 4096,
            .banks = 16,
            .core_cycles = 67,
            .from = {Mark::kDerived,
                     "InstLatx64 i9-7900X: rise up to a stride of a page; the "
                     "core's share is the L3 latency"}};
}

MachineModel Make() {
  MachineModel m;
  m.name = "skylake-2017";
  m.description = "Skylake-X / Skylake-SP core (i9-7900X grids, 3.3 GHz)";
  m.clock_ghz = 3.312;
  m.clock_from = {Mark::kRead, "InstLatx64 i9-7900X"};
  m.features = {.vendor = Vendor::kIntel,
                .maxphyaddr = 46,
                .long_mode = true,
                .la57 = false,
                .pages_1g = true,
                .pse36 = true,
                .nx = true,
                .pcid = true,
                .invpcid = true,
                .smep = true,
                .smap = true,
                .pke = true,
                .fsgsbase = true,
                .xsave = true,
                .smx = true};
  m.features_from = {Mark::kRead, "CPUID of CascadeLakeSP 50657 (InstLatx64)"};
  m.registers_from = m.features_from;
  m.maxphyaddr_from = m.features_from;
  SetTlb(m);
  m.flush_filter.from = {Mark::kRead, "AMD's K8 alone has one"};
  m.nested.tags = true;
  m.nested.accessed_dirty = true;
  m.nested.mode_based_execute = true;
  m.nested.from = {Mark::kRemembered,
                   "VPID, EPT with accessed and dirty flags"};
  m.nested.ept_from = {Mark::kRemembered,
                       "IA32_VMX_EPT_VPID_CAP F0106334141h; mode-based execute "
                       "control is new, 5-level EPT came with Ice Lake"};
  m.nested.tlb_entries = 16;
  m.nested.tlb_from = {Mark::kEstimated,
                       "assumed: unpublished; as Bhargava et al., ASPLOS'08, "
                       "have it of AMD",
                       0, 64};
  m.nested.psc = m.psc;
  for (const size_t level : {2u, 3u, 4u, 5u}) {
    m.nested.psc.level[level].from = {
        Mark::kEstimated,
        "assumed: unpublished; as large as those of the first dimension", 0,
        32};
  }
  const Provenance cpuid = {Mark::kRead, "CPUID leaf 4 (InstLatx64)"};
  m.l1 = {.bytes = 32 * 1024, .ways = 8, .from = cpuid};
  m.l2 = {.bytes = 1024 * 1024, .ways = 16, .from = cpuid};
  m.l3 = {.bytes = 13 * 1024 * 1024 + 768 * 1024, .ways = 11, .from = cpuid};
  SetMemory(m);
  SetCosts({kCosts, SharedCosts()}, m);
  return m;
}

}  // namespace
}  // namespace skylake_2017

const MachineModel& Skylake2017() {
  static const MachineModel model = skylake_2017::Make();
  return model;
}

}  // namespace xmmu::presets
