#include "machine/presets/presets.h"

namespace xmmu::presets {
namespace core2_2006 {
namespace {

// Rows are {value, low, high, mark, source}, in core cycles.
constexpr CostRow kCosts[] = {
    {CostEvent::kDependentLoad, {3, 3, 3, Mark::kRead, "InstLatx64 X6800"}},
    {CostEvent::kDataL2,
     {11, 11, 13, Mark::kDerived, "InstLatx64 X6800: L2 14-16 less L1 3"},
     Less(CostEvent::kPteLoadL2, CostEvent::kDependentLoad)},
    {CostEvent::kDataL2Far,
     {11, 11, 13, Mark::kDerived, "as data_l2: what is more is DTLB0's"},
     As(CostEvent::kDataL2)},
    {CostEvent::kDataL3, {0, 0, 0, Mark::kRead, "no L3 on the Core 2"}},
    {CostEvent::kDataDram,
     {230, 201, 253, Mark::kDerived, "DRAM as pte_load_dram, less L1 3"},
     Less(CostEvent::kPteLoadDram, CostEvent::kDependentLoad)},
    {CostEvent::kDataDramRowHit,
     {198, 195, 204, Mark::kDerived,
      "InstLatx64 X6800: 203-205 in linear order, strides 128-256, less the "
      "share of walks and rows and L1 3"}},
    {CostEvent::kTlbL2Hit,
     {2, 2, 2, Mark::kRead,
      "Intel Optimization Manual: a miss of DTLB0 that hits DTLB1; 3 to 5 "
      "cycles in InstLatx64 X6800"}},
    {CostEvent::kWalkOverhead,
     {6, 4, 7, Mark::kDerived,
      "InstLatx64 X6800: a step of 7 past DTLB1 less one L1 load of 3, and 2 "
      "of the look-up in DTLB1"}},
    {CostEvent::kAdUpdate,
     {27, 27, 50, Mark::kDerived, "InstLatx64: LOCK RMW on an L1 line, 27"}},
    {CostEvent::kPteLoadFlat,
     {3, 3, 14, Mark::kDerived,
      "the L1 latency that the step past DTLB1 implies"}},
    {CostEvent::kPteLoadL1, {3, 3, 3, Mark::kRead, "InstLatx64 X6800"}},
    {CostEvent::kPteLoadL2, {14, 14, 16, Mark::kRead, "InstLatx64 X6800"}},
    {CostEvent::kPteLoadL3, {0, 0, 0, Mark::kRead, "no L3 on the Core 2"}},
    {CostEvent::kPteLoadDram,
     {233, 204, 256, Mark::kDerived,
      "InstLatx64 X6800: 235 at random in windows less DTLB0's 2; 70-87 ns"}},
    {CostEvent::kExceptionEntry,
     {700, 600, 800, Mark::kRead, "Torvalds'14, Core Duo: fault delivery"}},
    {CostEvent::kIret, {240, 200, 300, Mark::kRead, "Torvalds'14, Core Duo"}},
    {CostEvent::kSyscallInt,
     {450, 300, 650, Mark::kEstimated,
      "assumed: INT n with ring change and IRET"}},
    {CostEvent::kSyscallFast,
     {110, 80, 150, Mark::kEstimated, "assumed: SYSCALL/SYSRET pair"}},
    {CostEvent::kHypercallInt,
     {450, 300, 650, Mark::kEstimated, "assumed: as syscall_int"},
     As(CostEvent::kSyscallInt)},
    {CostEvent::kLockedOp,
     {27, 27, 27, Mark::kRead, "InstLatx64: LOCK RMW on an L1 line"}},
    {CostEvent::kXenPteCas,
     {27, 27, 27, Mark::kDerived, "as locked_op"},
     As(CostEvent::kLockedOp)},
    {CostEvent::kEmulate,
     {2200, 1500, 3000, Mark::kEstimated,
      "assumed: fetch, decode, emulate one PTE write"}},
    {CostEvent::kMovCr3, {300, 250, 350, Mark::kEstimated, "assumed: MOV CR3"}},
    {CostEvent::kMovCr3NoFlush,
     {300, 250, 350, Mark::kEstimated, "no PCID on this machine"}},
    {CostEvent::kInvlpg, {200, 150, 250, Mark::kEstimated, "assumed: INVLPG"}},
    {CostEvent::kInvpcid,
     {200, 150, 250, Mark::kEstimated, "no INVPCID on this machine"}},
    {CostEvent::kMovCr4,
     {300, 250, 350, Mark::kEstimated, "assumed: as MOV CR3"},
     As(CostEvent::kMovCr3)},
    {CostEvent::kIpiDelivery,
     {1300, 1000, 2000, Mark::kEstimated,
      "assumed: with ipi_handler a round trip of 2500-4000"}},
    {CostEvent::kIpiHandler,
     {1800, 1500, 2500, Mark::kEstimated,
      "assumed: interrupt gate, handler, EOI, IRET"}},
    {CostEvent::kVmExit,
     {1579, 1266, 2123, Mark::kRemembered,
      "Merom: Agesen et al., USENIX ATC'12; Penryn took 1266; 937 and 1186 for "
      "an entry and a #PF exit by ASPLOS'06"}},
    {CostEvent::kVmExitWork,
     {1200, 600, 2500, Mark::kEstimated,
      "assumed: a hypervisor's own part is half the bill, as on Nehalem; with "
      "VMREADs of 52 each (ASPLOS'06, remembered)"}},
    {CostEvent::kNestedViolation,
     {1000, 500, 2000, Mark::kEstimated,
      "assumed: VMREADs, P2M look-up and lock; there is no EPT"}},
    {CostEvent::kInvept,
     {200, 150, 500, Mark::kEstimated, "assumed: as INVLPG; there is none"},
     As(CostEvent::kInvlpg)},
    {CostEvent::kInvvpid,
     {200, 150, 500, Mark::kEstimated, "assumed: as INVLPG; there is none"},
     As(CostEvent::kInvlpg)},
    {CostEvent::kZeroPage,
     {400, 300, 2500, Mark::kEstimated, "assumed: cached; 2500 cold"}},
    {CostEvent::kCopyPage,
     {700, 500, 4500, Mark::kEstimated, "assumed: cached; 4500 cold"}},
    {CostEvent::kGuestFaultPath,
     {680, 400, 1400, Mark::kDerived,
      "Torvalds'14, Core Duo: hardware's 940 are 58 % of a fault's cycles"}},
    {CostEvent::kGuestAccess,
     {3, 3, 14, Mark::kDerived, "as pte_load_l1; L2 if the line has gone"},
     As(CostEvent::kPteLoadL1)},
    {CostEvent::kGuestLockedOp,
     {27, 27, 27, Mark::kRead, "InstLatx64: LOCK RMW on an L1 line"}},
};

constexpr std::string_view kDescriptors =
    "CPUID leaf 2 of Conroe 6F6 (InstLatx64); meaning of the descriptors "
    "remembered";
constexpr std::string_view kNoEpt =
    "no EPT on this machine; assumed: as a hypothetical one without caches of "
    "its own";

void SetTlb(MachineModel& m) {
  m.tlb.unified_l2 = false;
  m.tlb.unified_from = {Mark::kRead,
                        "Intel Optimization Manual: DTLB1 is for data alone"};
  m.tlb.instruction_l1[0] = {128, 4, kTlb4K, {Mark::kRead, kDescriptors}};
  m.tlb.instruction_l1[1] = {8, 4, kTlbLarge, {Mark::kRead, kDescriptors}};
  // On the CPU DTLB0 serves loads alone, and stores go to DTLB1 at once. Here
  // both go through DTLB0.
  m.tlb.data_l1[0] = {16, 4, kTlb4K, {Mark::kRead, kDescriptors}};
  m.tlb.data_l1[1] = {16, 4, kTlbLarge, {Mark::kRead, kDescriptors}};
  m.tlb.data_l2[0] = {256, 4, kTlb4K, {Mark::kRead, kDescriptors}};
  m.tlb.data_l2[1] = {32, 4, kTlbLarge, {Mark::kRead, kDescriptors}};
  m.psc.level[2] = {32,
                    4,
                    {Mark::kEstimated,
                     "assumed: that there is one is in the SDM, its size is "
                     "not published",
                     4, 64}};
  for (const size_t level : {3u, 4u}) {
    m.psc.level[level] = {
        0, 0, {Mark::kEstimated, "assumed: only a PDE cache", 0, 4}};
  }
}

void SetMemory(MachineModel& m) {
  m.cache_rules.from = {Mark::kEstimated,
                        "assumed: no rule but the plain ones"};
  m.l1_prefetcher.from = {Mark::kDerived,
                          "InstLatx64 X6800: no trace of one in L2"};
  m.l2_prefetcher = {.max_stride = 1,
                     .lines_per_load = 2,
                     .lines_ahead = 5,
                     .pairs = true,
                     .from = {Mark::kDerived,
                              "InstLatx64 X6800: a fifth of the latency at a "
                              "stride of 64, all of it at 128; half of it at "
                              "random in windows at 64"}};
  m.dram = {.row_bytes = 2048,
            .banks = 8,
            .core_cycles = 14,
            .from = {Mark::kDerived,
                     "InstLatx64 X6800: rise up to a stride of 2 KiB; the "
                     "core's share is the L2 latency"}};
}

MachineModel Make() {
  MachineModel m;
  m.name = "core2-2006";
  m.description = "2.93 GHz Core 2 X6800 (Conroe)";
  m.clock_ghz = 2.937;
  m.clock_from = {Mark::kRead, "InstLatx64 X6800"};
  m.features = {.vendor = Vendor::kIntel,
                .maxphyaddr = 36,
                .long_mode = true,
                .la57 = false,
                .pages_1g = false,
                .pse36 = true,
                .nx = true,
                .pcid = false,
                .invpcid = false};
  m.features_from = {Mark::kRead, "CPUID of Conroe 6F6 (InstLatx64)"};
  m.registers_from = m.features_from;
  m.maxphyaddr_from = {Mark::kRead, "CPUID of the X6800 (InstLatx64)"};
  SetTlb(m);
  m.flush_filter.from = {Mark::kRead, "AMD's K8 alone has one"};
  m.nested = {.vm_extension = true,
              .present = false,
              .tags = false,
              .accessed_dirty = false,
              .from = {Mark::kRemembered,
                       "VMX without EPT and VPID; both came with Nehalem"},
              .pages_1g = false,
              .ept_from = {Mark::kEstimated, "assumed: as Nehalem's"},
              .tlb_from = {Mark::kEstimated, kNoEpt}};
  for (const size_t level : {2u, 3u, 4u}) {
    m.nested.psc.level[level].from = {Mark::kEstimated, kNoEpt};
  }
  const Provenance cpuid = {Mark::kRead, "CPUID of Conroe 6F6 (InstLatx64)"};
  m.l1 = {.bytes = 32 * 1024, .ways = 8, .from = cpuid};
  m.l2 = {.bytes = 4 * 1024 * 1024, .ways = 16, .from = cpuid};
  m.l3.from = {Mark::kRead, "no L3 on the Core 2"};
  SetMemory(m);
  SetCosts({kCosts, SharedCosts()}, m);
  return m;
}

}  // namespace
}  // namespace core2_2006

const MachineModel& Core2_2006() {
  static const MachineModel model = core2_2006::Make();
  return model;
}

}  // namespace xmmu::presets
