// Nehalem, and Westmere, which is a shrink of it.

#include "machine/presets/presets.h"

namespace xmmu::presets {
namespace nehalem {
namespace {

// The prices that both machines have, as {value, low, high, mark, source} in
// core cycles.
constexpr CostRow kBoth[] = {
    {CostEvent::kTlbL2Hit,
     {7, 7, 7, Mark::kDerived,
      "InstLatx64 Nehalem-EP, Gulftown: 10 to 17 cycles past 64 pages"}},
    {CostEvent::kAdUpdate,
     {20, 19, 40, Mark::kDerived, "InstLatx64: LOCK RMW on an L1 line, 19-20"}},
    {CostEvent::kPteLoadFlat,
     {4, 4, 10, Mark::kDerived,
      "the L1 latency that the step past the L2 TLB implies"}},
    {CostEvent::kPteLoadL1,
     {4, 4, 4, Mark::kRead, "InstLatx64 Nehalem-EP, Gulftown"}},
    {CostEvent::kPteLoadL2,
     {10, 10, 10, Mark::kRead, "InstLatx64 Nehalem-EP, Gulftown"}},
    {CostEvent::kDependentLoad,
     {4, 4, 4, Mark::kRead, "InstLatx64 Nehalem-EP, Gulftown"}},
    {CostEvent::kDataL2,
     {6, 6, 6, Mark::kDerived, "InstLatx64 Nehalem-EP: L2 10 less L1 4"},
     Less(CostEvent::kPteLoadL2, CostEvent::kDependentLoad)},
    {CostEvent::kDataL2Far,
     {6, 6, 6, Mark::kDerived, "as data_l2: the grid shows no difference"},
     As(CostEvent::kDataL2)},
    {CostEvent::kExceptionEntry,
     {700, 600, 800, Mark::kEstimated,
      "assumed: 950 for a page fault and its return, split as on Core Duo "
      "(Torvalds'14)"}},
    {CostEvent::kIret,
     {250, 200, 350, Mark::kEstimated, "assumed: as exception_entry"}},
    {CostEvent::kSyscallInt,
     {450, 300, 650, Mark::kEstimated,
      "assumed: INT n with ring change and IRET"}},
    {CostEvent::kSyscallFast,
     {100, 80, 150, Mark::kEstimated, "assumed: SYSCALL/SYSRET pair"}},
    {CostEvent::kHypercallInt,
     {450, 300, 650, Mark::kEstimated, "assumed: as syscall_int"},
     As(CostEvent::kSyscallInt)},
    {CostEvent::kLockedOp,
     {20, 19, 20, Mark::kRead, "InstLatx64: LOCK RMW on an L1 line"}},
    {CostEvent::kXenPteCas,
     {20, 19, 20, Mark::kDerived, "as locked_op"},
     As(CostEvent::kLockedOp)},
    {CostEvent::kEmulate,
     {1800, 1200, 2500, Mark::kEstimated,
      "assumed: fetch, decode, emulate one PTE write"}},
    {CostEvent::kMovCr3, {250, 200, 300, Mark::kEstimated, "assumed: MOV CR3"}},
    {CostEvent::kInvlpg, {200, 150, 250, Mark::kEstimated, "assumed: INVLPG"}},
    {CostEvent::kInvpcid,
     {200, 150, 250, Mark::kEstimated, "no INVPCID on this machine"}},
    {CostEvent::kMovCr4,
     {250, 200, 300, Mark::kEstimated, "assumed: as MOV CR3"},
     As(CostEvent::kMovCr3)},
    {CostEvent::kIpiDelivery,
     {1300, 1000, 2000, Mark::kEstimated,
      "assumed: with ipi_handler a round trip of 2500-4000"}},
    {CostEvent::kIpiHandler,
     {1800, 1500, 2500, Mark::kEstimated,
      "assumed: interrupt gate, handler, EOI, IRET"}},
    {CostEvent::kInvept,
     {200, 150, 500, Mark::kEstimated, "assumed: as INVLPG"},
     As(CostEvent::kInvlpg)},
    {CostEvent::kInvvpid,
     {200, 150, 500, Mark::kEstimated, "assumed: as INVLPG"},
     As(CostEvent::kInvlpg)},
    {CostEvent::kZeroPage,
     {280, 200, 1000, Mark::kEstimated, "assumed: cached; 1000 cold"}},
    {CostEvent::kCopyPage,
     {400, 280, 2000, Mark::kEstimated, "assumed: cached; 2000 cold"}},
    {CostEvent::kGuestFaultPath,
     {600, 300, 1200, Mark::kEstimated,
      "assumed: between what Torvalds'14 leaves on Core Duo and on Haswell"}},
    {CostEvent::kGuestAccess,
     {4, 4, 10, Mark::kDerived, "as pte_load_l1; L2 if the line has gone"},
     As(CostEvent::kPteLoadL1)},
    {CostEvent::kGuestLockedOp,
     {20, 19, 20, Mark::kRead, "InstLatx64: LOCK RMW on an L1 line"}},
};

constexpr CostRow kNehalem[] = {
    {CostEvent::kDataL3,
     {34, 34, 41, Mark::kDerived, "L3 as pte_load_l3, less L1 4"},
     Less(CostEvent::kPteLoadL3, CostEvent::kDependentLoad)},
    {CostEvent::kDataDram,
     {176, 172, 203, Mark::kDerived, "DRAM as pte_load_dram, less L1 4"},
     Less(CostEvent::kPteLoadDram, CostEvent::kDependentLoad)},
    {CostEvent::kDataDramRowHit,
     {171, 168, 176, Mark::kDerived,
      "InstLatx64 Nehalem-EP: 176-182 in linear order, strides 512-1024, less "
      "their share of walks and L1 4"}},
    {CostEvent::kWalkOverhead,
     {13, 9, 15, Mark::kDerived,
      "InstLatx64 Nehalem-EP: a step of 10 past the L2 TLB less one L1 load, "
      "and 7 of the look-up in that TLB"}},
    {CostEvent::kPteLoadL3,
     {38, 38, 45, Mark::kDerived,
      "InstLatx64 Nehalem-EP: 45 with one load a page less an L2 TLB hit of "
      "7"}},
    {CostEvent::kPteLoadDram,
     {180, 176, 207, Mark::kDerived,
      "InstLatx64 Nehalem-EP: 198 in random order less a walk of 17"}},
    {CostEvent::kMovCr3NoFlush,
     {250, 200, 300, Mark::kEstimated, "no PCID on this machine"}},
    {CostEvent::kVmExit,
     {1009, 900, 1266, Mark::kRemembered,
      "Nehalem: Agesen et al., USENIX ATC'12"}},
    {CostEvent::kVmExitWork,
     {991, 500, 1500, Mark::kDerived,
      "2000 cycles a KVM exit on an X5570 (Landau et al., SplitX) less "
      "vm_exit"},
     RestOf(2000, CostEvent::kVmExit)},
};

constexpr CostRow kWestmere[] = {
    {CostEvent::kDataL3,
     {46, 46, 53, Mark::kDerived, "L3 as pte_load_l3, less L1 4"},
     Less(CostEvent::kPteLoadL3, CostEvent::kDependentLoad)},
    {CostEvent::kDataDram,
     {239, 213, 266, Mark::kDerived, "DRAM as pte_load_dram, less L1 4"},
     Less(CostEvent::kPteLoadDram, CostEvent::kDependentLoad)},
    {CostEvent::kDataDramRowHit,
     {209, 205, 239, Mark::kDerived,
      "InstLatx64 Gulftown: 217 in linear order, less the share of walks at "
      "the stride that is the lowest on Nehalem-EP, and L1 4"}},
    {CostEvent::kWalkOverhead,
     {12, 9, 15, Mark::kDerived,
      "InstLatx64 Gulftown: a step of 9 past the L2 TLB less one L1 load, and "
      "7 of the look-up in that TLB"}},
    {CostEvent::kPteLoadL3,
     {50, 49, 57, Mark::kDerived,
      "InstLatx64 Gulftown: 57 with one load a page less an L2 TLB hit of 7"}},
    {CostEvent::kPteLoadDram,
     {243, 217, 270, Mark::kDerived,
      "InstLatx64 Gulftown: 270 in random order less what Nehalem-EP has "
      "there, 27: a walk, and its entry from L2 or L3"}},
    {CostEvent::kMovCr3NoFlush,
     {200, 150, 250, Mark::kEstimated, "assumed: MOV CR3 with bit 63 set"}},
    {CostEvent::kVmExit,
     {761, 700, 1009, Mark::kRemembered,
      "Westmere: Agesen et al., USENIX ATC'12"}},
    {CostEvent::kVmExitWork,
     {1000, 500, 1500, Mark::kEstimated, "assumed: as on Nehalem"}},
};

constexpr std::string_view kDescriptors =
    "CPUID leaf 2 (InstLatx64); meaning of the descriptors remembered";
constexpr std::string_view kNoNestedFigure =
    "assumed: unpublished; as large as those of the first dimension";

// Sets the memory, which is alike on both machines as far as known. `l3` is the
// core's share of a load from DRAM.
void SetMemory(MachineModel& m, uint32_t l3) {
  m.cache_rules.from = {Mark::kEstimated,
                        "assumed: no rule but the plain ones"};
  m.l1_prefetcher.from = {Mark::kDerived,
                          "InstLatx64 Nehalem-EP: no trace of one in L2"};
  m.l2_prefetcher = {
      .max_stride = 2,
      .lines_per_load = 3,
      .lines_ahead = 20,
      .from = {Mark::kDerived,
               "Intel Optimization Manual: up to 20 lines "
               "ahead; InstLatx64 Nehalem-EP: at a stride of 128 "
               "between what 2 and 3 lines a load give"}};
  m.dram = {.row_bytes = 4096,
            .banks = 16,
            .core_cycles = l3,
            .from = {Mark::kDerived,
                     "InstLatx64 Nehalem-EP: hardly a rise up to a stride of a "
                     "page; the core's share is the L3 latency"}};
}

// Sets the TLBs, which differ only in the entries for large pages and for
// instructions.
void SetCommon(MachineModel& m) {
  m.tlb.data_l1[0] = {64, 4, kTlb4K, {Mark::kRead, kDescriptors}};
  m.tlb.data_l1[1] = {32, 4, kTlbLarge, {Mark::kRead, kDescriptors}};
  m.tlb.instruction_l1[1] = {7, 0, kTlbLarge, {Mark::kRead, kDescriptors}};
  m.tlb.unified_from = {Mark::kRead, kDescriptors};
  m.tlb.data_l2[0] = {512, 4, kTlb4K, {Mark::kRead, kDescriptors}};
  constexpr std::string_view kBarr =
      "Barr et al., ISCA'10, and Bhattacharjee, MICRO'13";
  m.psc.level[2] = {32, 4, {Mark::kRemembered, kBarr, 16, 32}};
  m.psc.level[3] = {
      4, 0, {Mark::kRead, "VU Amsterdam's revanc: Ivy Bridge and older"}};
  m.psc.level[4] = {4, 0, {Mark::kRemembered, kBarr, 2, 4}};
  m.flush_filter.from = {Mark::kRead, "AMD's K8 alone has one"};
  m.nested.tags = true;
  m.nested.from = {Mark::kRemembered,
                   "EPT and VPID; EPT's accessed and dirty flags came with "
                   "Haswell"};
  m.nested.ept_from = {Mark::kRemembered,
                       "IA32_VMX_EPT_VPID_CAP F0106114141h; with 1 GiB pages "
                       "where the CPU has them"};
  m.nested.tlb_entries = 16;
  m.nested.tlb_from = {Mark::kEstimated,
                       "assumed: unpublished; as Bhargava et al., ASPLOS'08, "
                       "have it of AMD",
                       0, 64};
  m.nested.psc = m.psc;
  for (const size_t level : {2u, 3u, 4u}) {
    m.nested.psc.level[level].from = {Mark::kEstimated, kNoNestedFigure, 0, 32};
  }
  const Provenance cpuid = {Mark::kRead, "CPUID leaf 4 (InstLatx64)"};
  m.l1 = {.bytes = 32 * 1024, .ways = 8, .from = cpuid};
  m.l2 = {.bytes = 256 * 1024, .ways = 8, .from = cpuid};
  m.l3 = {.bytes = 8 * 1024 * 1024, .ways = 16, .from = cpuid};
}

MachineModel MakeNehalem() {
  MachineModel m;
  m.name = "nehalem-2009";
  m.description = "2.67 GHz Nehalem-EP";
  m.clock_ghz = 2.673;
  m.clock_from = {Mark::kRead, "InstLatx64 Nehalem-EP"};
  m.features = {.vendor = Vendor::kIntel,
                .maxphyaddr = 40,
                .long_mode = true,
                .la57 = false,
                .pages_1g = false,
                .pse36 = true,
                .nx = true,
                .pcid = false,
                .invpcid = false};
  m.features_from = {Mark::kRead, "CPUID of Nehalem-DP 106A2 (InstLatx64)"};
  m.registers_from = m.features_from;
  m.maxphyaddr_from = m.features_from;
  SetCommon(m);
  m.nested.pages_1g = false;
  m.tlb.instruction_l1[0] = {128, 4, kTlb4K, {Mark::kRead, kDescriptors}};
  SetMemory(m, 38);
  SetCosts({kNehalem, kBoth, SharedCosts()}, m);
  return m;
}

MachineModel MakeWestmere() {
  MachineModel m;
  m.name = "westmere-2010";
  m.description = "3.47 GHz Westmere (Gulftown, i7-990X)";
  m.clock_ghz = 3.47;
  m.clock_from = {Mark::kRead, "InstLatx64 Gulftown"};
  m.features = {.vendor = Vendor::kIntel,
                .maxphyaddr = 36,
                .long_mode = true,
                .la57 = false,
                .pages_1g = true,
                .pse36 = true,
                .nx = true,
                .pcid = true,
                .invpcid = false};
  m.features_from = {Mark::kRead, "CPUID of Gulftown 206C2 (InstLatx64)"};
  m.registers_from = m.features_from;
  m.maxphyaddr_from = {Mark::kRead, "CPUID of an i7-990X (InstLatx64)"};
  SetCommon(m);
  m.tlb.instruction_l1[0] = {64, 4, kTlb4K, {Mark::kRead, kDescriptors}};
  m.tlb.data_l1[1] = {32,
                      4,
                      kTlbLarge | kTlb1G,
                      {Mark::kEstimated,
                       "assumed: CPUID leaf 2 (InstLatx64) has these for 2 "
                       "MiB and none for 1 GiB, which here take one each"}};
  m.l3 = {.bytes = 12 * 1024 * 1024,
          .ways = 16,
          .from = {Mark::kRead, "CPUID leaf 4 (InstLatx64)"}};
  SetMemory(m, 50);
  SetCosts({kWestmere, kBoth, SharedCosts()}, m);
  return m;
}

}  // namespace
}  // namespace nehalem

const MachineModel& Nehalem2009() {
  static const MachineModel model = nehalem::MakeNehalem();
  return model;
}

const MachineModel& Westmere2010() {
  static const MachineModel model = nehalem::MakeWestmere();
  return model;
}

}  // namespace xmmu::presets
