// Zen 2, Zen 3 and Zen 5.

#include "machine/presets/presets.h"

namespace xmmu::presets {
namespace {

// {value, low, high, mark, source}; core cycles. What is alike, or not known to
// differ.
constexpr CostRow kZen[] = {
    {CostEvent::kDependentLoad,
     {4, 4, 4, Mark::kRead, "InstLatx64 Rome, Vermeer"}},
    {CostEvent::kDataL2Far,
     {8, 8, 8, Mark::kDerived, "as data_l2: the grid shows no difference"},
     As(CostEvent::kDataL2)},
    {CostEvent::kPteLoadL1, {4, 4, 4, Mark::kRead, "InstLatx64 Rome, Vermeer"}},
    {CostEvent::kPteLoadL2,
     {12, 12, 12, Mark::kRead, "InstLatx64 Rome, Vermeer"}},
    {CostEvent::kDataL2,
     {8, 8, 8, Mark::kDerived, "InstLatx64 Rome, Vermeer: L2 12 less L1 4"},
     Less(CostEvent::kPteLoadL2, CostEvent::kDependentLoad)},
    {CostEvent::kPteLoadFlat,
     {12, 4, 12, Mark::kDerived,
      "the L2 latency that the step past the L2 TLB implies"}},
    {CostEvent::kExceptionEntry,
     {560, 450, 680, Mark::kEstimated,
      "assumed: 600-900 for a page fault and its return, split 3:1"}},
    {CostEvent::kIret,
     {190, 150, 230, Mark::kEstimated, "assumed: as exception_entry"}},
    {CostEvent::kSyscallInt,
     {500, 400, 600, Mark::kEstimated,
      "assumed: INT n with ring change and IRET"}},
    {CostEvent::kSyscallFast,
     {120, 80, 200, Mark::kEstimated,
      "assumed: SYSCALL/SYSRET pair; a whole call took about 206 on a Ryzen "
      "3600 (mode-switch-stat)"}},
    {CostEvent::kHypercallInt,
     {500, 400, 600, Mark::kEstimated, "assumed: as syscall_int"},
     As(CostEvent::kSyscallInt)},
    {CostEvent::kEmulate,
     {1500, 1000, 2000, Mark::kEstimated,
      "assumed: fetch, decode, emulate one PTE write"}},
    {CostEvent::kMovCr3,
     {275, 200, 350, Mark::kEstimated, "assumed: MOV CR3 without PCID"}},
    {CostEvent::kMovCr3NoFlush,
     {230, 100, 350, Mark::kEstimated, "assumed: MOV CR3 with bit 63 set"}},
    {CostEvent::kInvlpg, {150, 100, 200, Mark::kEstimated, "assumed: INVLPG"}},
    {CostEvent::kInvpcid,
     {170, 100, 300, Mark::kEstimated, "assumed: INVPCID as on Intel"}},
    {CostEvent::kMovCr4,
     {275, 200, 350, Mark::kEstimated, "assumed: as MOV CR3"},
     As(CostEvent::kMovCr3)},
    {CostEvent::kIpiDelivery,
     {1500, 1000, 2500, Mark::kEstimated,
      "assumed: with ipi_handler a round trip of 3000-6000"}},
    {CostEvent::kIpiHandler,
     {2000, 1500, 3000, Mark::kEstimated,
      "assumed: interrupt gate, handler, EOI, IRET"}},
    {CostEvent::kVmExit,
     {1150, 1000, 1376, Mark::kEstimated,
      "assumed: 1000-1300; with SEV-ES 1344-1376 from VMRUN to after the exit "
      "(linux-kernel, 2020-12-02)"}},
    {CostEvent::kVmExitWork,
     {600, 300, 1000, Mark::kEstimated,
      "assumed: a whole exit of 1500-2000 less the hardware's part"}},
    {CostEvent::kInvept,
     {200, 50, 500, Mark::kEstimated,
      "assumed: TLB_CONTROL adds a flush to VMRUN"}},
    {CostEvent::kInvvpid,
     {150, 100, 200, Mark::kEstimated, "assumed: INVLPGA as INVLPG"},
     As(CostEvent::kInvlpg)},
    {CostEvent::kZeroPage,
     {180, 150, 900, Mark::kEstimated, "assumed: cached; 900 cold"}},
    {CostEvent::kCopyPage,
     {250, 180, 2000, Mark::kEstimated, "assumed: cached; 2000 cold"}},
    {CostEvent::kGuestFaultPath,
     {500, 250, 1000, Mark::kEstimated,
      "assumed: Torvalds'14 has 80 % of a fault in hardware on Haswell"}},
    {CostEvent::kGuestAccess,
     {4, 4, 14, Mark::kDerived, "as pte_load_l1; L2 if the line has gone"},
     As(CostEvent::kPteLoadL1)},
};

constexpr CostRow kZen2[] = {
    {CostEvent::kDataL3,
     {39, 39, 46, Mark::kDerived, "L3 as pte_load_l3, less L1 4"},
     Less(CostEvent::kPteLoadL3, CostEvent::kDependentLoad)},
    {CostEvent::kDataDram,
     {326, 310, 350, Mark::kDerived, "DRAM as pte_load_dram, less L1 4"},
     Less(CostEvent::kPteLoadDram, CostEvent::kDependentLoad)},
    {CostEvent::kDataDramRowHit,
     {317, 310, 326, Mark::kDerived,
      "InstLatx64 Castle Peak: 322-325 in linear order, strides 512-1024, "
      "less their share of walks and L1 4"}},
    {CostEvent::kTlbL2Hit,
     {7, 6, 7, Mark::kDerived, "InstLatx64 Rome: 13 to 19 cycles"}},
    {CostEvent::kWalkOverhead,
     {9, 8, 18, Mark::kDerived,
      "InstLatx64 Rome: a step of 13-15 past the L2 TLB less one L2 load, and "
      "7 of the look-up in that TLB"}},
    {CostEvent::kAdUpdate,
     {18, 18, 40, Mark::kDerived, "InstLatx64: LOCK RMW on an L1 line, 17.9"}},
    {CostEvent::kPteLoadL3,
     {43, 43, 50, Mark::kDerived,
      "InstLatx64 Castle Peak: 50 with one load a page less an L2 TLB hit of "
      "7"}},
    {CostEvent::kPteLoadDram,
     {330, 314, 354, Mark::kDerived,
      "InstLatx64 Castle Peak: 337 at random in windows less a TLB hit"}},
    {CostEvent::kLockedOp,
     {18, 18, 18, Mark::kRead, "InstLatx64: LOCK RMW on an L1 line, 17.9"}},
    {CostEvent::kXenPteCas,
     {18, 18, 18, Mark::kDerived, "as locked_op"},
     As(CostEvent::kLockedOp)},
    {CostEvent::kGuestLockedOp,
     {18, 18, 18, Mark::kRead, "InstLatx64: LOCK RMW on an L1 line, 17.9"}},
    {CostEvent::kMovCr3NoFlush,
     {275, 200, 350, Mark::kEstimated, "no PCID on this machine"}},
    {CostEvent::kInvpcid,
     {150, 100, 200, Mark::kEstimated, "no INVPCID on this machine"}},
};

constexpr CostRow kZen3[] = {
    {CostEvent::kDataL3,
     {42, 42, 56, Mark::kDerived, "InstLatx64 Vermeer: L3 46-60 less L1 4"},
     Less(CostEvent::kPteLoadL3, CostEvent::kDependentLoad)},
    {CostEvent::kDataDram,
     {314, 296, 336, Mark::kDerived, "DRAM as pte_load_dram, less L1 4"},
     Less(CostEvent::kPteLoadDram, CostEvent::kDependentLoad)},
    {CostEvent::kDataDramRowHit,
     {299, 296, 314, Mark::kDerived,
      "InstLatx64 Vermeer: 300-340, the lower end, a share of a walk less"}},
    {CostEvent::kTlbL2Hit,
     {8, 8, 8, Mark::kDerived, "InstLatx64 Vermeer: 12 to 20 cycles"}},
    {CostEvent::kWalkOverhead,
     {15, 14, 24, Mark::kDerived,
      "InstLatx64 Vermeer: a step of 18-20 past the L2 TLB less one L2 load, "
      "and 8 of the look-up in that TLB"}},
    {CostEvent::kAdUpdate,
     {8, 7, 40, Mark::kDerived, "InstLatx64: LOCK RMW on an L1 line, 6.5-7.8"}},
    {CostEvent::kPteLoadL3, {46, 46, 60, Mark::kRead, "InstLatx64 Vermeer"}},
    {CostEvent::kPteLoadDram,
     {318, 300, 340, Mark::kDerived,
      "InstLatx64 Vermeer: 300-340, 82-90 ns; the upper end less a walk"}},
    {CostEvent::kLockedOp,
     {8, 7, 8, Mark::kRead, "InstLatx64: LOCK RMW on an L1 line, 6.5-7.8"}},
    {CostEvent::kXenPteCas,
     {8, 7, 8, Mark::kDerived, "as locked_op"},
     As(CostEvent::kLockedOp)},
    {CostEvent::kGuestLockedOp,
     {8, 7, 8, Mark::kRead, "InstLatx64: LOCK RMW on an L1 line, 6.5-7.8"}},
};

// Measured on an EPYC of this kind under a hypervisor: its own walks were
// two-dimensional and say nothing of native ones.
constexpr char kVm[] = "by the authors in a guest, 4.48 GHz, user mode";

constexpr CostRow kZen5[] = {
    {CostEvent::kDataL2, {10, 10, 10, Mark::kMeasured, kVm}},
    {CostEvent::kDataL3, {51, 51, 53, Mark::kMeasured, kVm}},
    {CostEvent::kDataDram,
     {476, 396, 726, Mark::kEstimated, "assumed: as pte_load_dram, less L1 4"},
     Less(CostEvent::kPteLoadDram, CostEvent::kDependentLoad)},
    {CostEvent::kDependentLoad, {4, 4, 4, Mark::kMeasured, kVm}},
    {CostEvent::kDataL2Far,
     {10, 10, 10, Mark::kDerived, "as data_l2"},
     As(CostEvent::kDataL2)},
    {CostEvent::kDataDramRowHit,
     {461, 396, 476, Mark::kEstimated,
      "assumed: less than data_dram by as much as on Zen 3"},
     As(CostEvent::kDataDram, -15)},
    {CostEvent::kTlbL2Hit, {7, 7, 7, Mark::kMeasured, kVm}},
    {CostEvent::kWalkOverhead,
     {17, 9, 27, Mark::kEstimated,
      "assumed: 7 of the look-up in the L2 TLB, and 10; only virtualised walks "
      "were measured"}},
    {CostEvent::kAdUpdate,
     {20, 20, 40, Mark::kDerived, "LOCK RMW on an L1 line, 20"}},
    {CostEvent::kPteLoadFlat,
     {14, 4, 14, Mark::kEstimated, "assumed: an L2 hit, as on Zen 2 and 3"}},
    {CostEvent::kPteLoadL1, {4, 4, 4, Mark::kMeasured, kVm}},
    {CostEvent::kPteLoadL2, {14, 14, 14, Mark::kMeasured, kVm}},
    {CostEvent::kPteLoadL3, {55, 55, 57, Mark::kMeasured, kVm}},
    {CostEvent::kPteLoadDram,
     {480, 400, 730, Mark::kEstimated,
      "assumed: 107 ns; 730 with the walks of a guest"}},
    {CostEvent::kLockedOp, {20, 20, 20, Mark::kMeasured, kVm}},
    {CostEvent::kXenPteCas,
     {20, 20, 20, Mark::kDerived, "as locked_op"},
     As(CostEvent::kLockedOp)},
    {CostEvent::kGuestLockedOp, {20, 20, 20, Mark::kMeasured, kVm}},
    {CostEvent::kZeroPage, {180, 180, 891, Mark::kMeasured, kVm}},
    {CostEvent::kCopyPage, {180, 180, 2038, Mark::kMeasured, kVm}},
};

constexpr std::string_view kLeaves =
    "CPUID 80000005h, 80000006h and 80000019h (InstLatx64)";

TlbArrayGeometry Tlb(uint16_t entries, uint16_t ways, uint8_t sizes) {
  return {entries, ways, sizes, {Mark::kRead, kLeaves}};
}

CacheGeometry Cache(uint64_t kib, uint32_t ways) {
  return {.bytes = kib * 1024,
          .ways = ways,
          .from = {Mark::kRead, "CPUID 8000001Dh (InstLatx64)"}};
}

// CPUID of what all three have.
CpuFeatures Features() {
  return {.vendor = Vendor::kAmd,
          .maxphyaddr = 48,
          .long_mode = true,
          .la57 = false,
          .pages_1g = true,
          .pse36 = true,
          .nx = true,
          .pcid = true,
          .invpcid = true,
          .smep = true,
          .smap = true,
          .umip = true,
          .fsgsbase = true,
          .xsave = true,
          .tce = true,
          .ffxsr = true,
          .intwb = true,
          .walks_pdptes = true};
}

// What came with Zen 3 and stayed.
void SetZen3Features(CpuFeatures& features) {
  features.pke = true;
  features.cet = true;
}

void SetWalkCaches(MachineModel& m) {
  // That PDEs share the L2 TLB with translations is not modelled.
  m.psc.level[2] = {
      64,
      0,
      {Mark::kEstimated, "assumed: on Zen 2 PDEs lie in the L2 TLB (WikiChip)",
       16, 2048}};
  constexpr std::string_view kDirectory =
      "a page-directory cache of 64 entries for both upper levels, here half "
      "for each";
  m.psc.level[3] = {32, 0, {Mark::kRemembered, kDirectory, 16, 64}};
  m.psc.level[4] = {32, 0, {Mark::kRemembered, kDirectory, 16, 64}};
  m.flush_filter.from = {Mark::kRead, "AMD's K8 alone has one"};
  m.nested.tags = true;
  m.nested.accessed_dirty = true;
  m.nested.from = {Mark::kRead, "CPUID 8000000Ah (InstLatx64): 32768 ASIDs"};
  m.nested.ept_from = {Mark::kRead, "no EPT: of no effect"};
  m.nested.tlb_entries = 16;
  m.nested.tlb_from = {Mark::kEstimated,
                       "assumed: as Bhargava et al., ASPLOS'08, have it of "
                       "family 10h",
                       16, 64};
  m.nested.psc.level[2] = {24,
                           0,
                           {Mark::kEstimated,
                            "assumed: as Bhargava et al., ASPLOS'08, have it "
                            "of family 10h, there for both dimensions",
                            16, 64}};
}

// Alike on all, as far as known. `l3` is the core's share of a load from DRAM.
void SetMemory(MachineModel& m, uint32_t l3) {
  m.cache_rules.from = {Mark::kEstimated,
                        "assumed: no rule but the plain ones"};
  m.l1_prefetcher = {.max_stride = 2,
                     .lines_per_load = 3,
                     .lines_ahead = 6,
                     .from = {Mark::kDerived,
                              "InstLatx64 Castle Peak: 5 cycles in L2 at "
                              "strides of 64 and 128, 12 at 256"}};
  m.l2_prefetcher = {.max_stride = 4,
                     .lines_per_load = 4,
                     .lines_ahead = 32,
                     .pairs = true,
                     .from = {Mark::kDerived,
                              "InstLatx64 Castle Peak: half the latency of "
                              "DRAM at a stride of 256; at random in windows "
                              "203 cycles at 64, 336 at 128"}};
  m.dram = {.row_bytes = 4096,
            .banks = 16,
            .core_cycles = l3,
            .from = {Mark::kDerived,
                     "InstLatx64 Castle Peak: hardly a rise up to a stride of "
                     "a page; the core's share is the L3 latency"}};
}

MachineModel MakeZen2() {
  MachineModel m;
  m.name = "zen2-2019";
  m.description = "3.7 GHz Threadripper 3970X (Zen 2)";
  m.clock_ghz = 3.7;
  m.clock_from = {Mark::kRead, "InstLatx64 Castle Peak"};
  m.features = Features();
  m.features.pcid = false;
  m.features.invpcid = false;
  m.features.lmsle = true;
  m.features.mcommit = true;
  m.features_from = {Mark::kRead, "CPUID of Rome 830F10 (InstLatx64)"};
  m.registers_from = {Mark::kRead,
                      "CPUID of Rome 830F10 (InstLatx64); PDPTEs: APM Vol. 2, "
                      "\"TLB Management\", of modern processors"};
  m.maxphyaddr_from = m.features_from;
  m.tlb.unified_l2 = false;
  m.tlb.unified_from = {Mark::kRead, kLeaves};
  m.tlb.instruction_l1[0] = Tlb(64, 0, kTlb4K | kTlbLarge | kTlb1G);
  m.tlb.data_l1[0] = Tlb(64, 0, kTlb4K | kTlbLarge | kTlb1G);
  m.tlb.instruction_l2[0] = {512,
                             8,
                             kTlb4K | kTlbLarge,
                             {Mark::kRead,
                              "7-cpu and AMD's guide; CPUID 80000006h says "
                              "1024",
                              512, 1024}};
  // 2 MiB pages are 4-way in the same array: not modelled, and neither is that
  // a 1 GiB page is held as 2 MiB pages.
  m.tlb.data_l2[0] = Tlb(2048, 8, kTlb4K | kTlbLarge);
  SetWalkCaches(m);
  m.l1 = Cache(32, 8);
  m.l2 = Cache(512, 8);
  m.l3 = Cache(16 * 1024, 16);
  SetMemory(m, 43);
  SetCosts({kZen2, kZen, SharedCosts()}, m);
  return m;
}

MachineModel MakeZen3() {
  MachineModel m;
  m.name = "zen3-2020";
  m.description = "3.69 GHz Ryzen (Zen 3, Vermeer)";
  m.clock_ghz = 3.69;
  m.clock_from = {Mark::kRead, "InstLatx64 Vermeer"};
  m.features = Features();
  SetZen3Features(m.features);
  m.features_from = {Mark::kRead, "CPUID of Milan A00F11 (InstLatx64)"};
  m.registers_from = {Mark::kRemembered,
                      "CPUID of Milan A00F11; PDPTEs: APM Vol. 2, \"TLB "
                      "Management\", of modern processors"};
  m.maxphyaddr_from = m.features_from;
  m.tlb.unified_l2 = false;
  m.tlb.unified_from = {Mark::kRead, kLeaves};
  m.tlb.instruction_l1[0] = Tlb(64, 0, kTlb4K | kTlbLarge | kTlb1G);
  m.tlb.data_l1[0] = Tlb(64, 0, kTlb4K | kTlbLarge | kTlb1G);
  m.tlb.instruction_l2[0] = Tlb(512, 4, kTlb4K | kTlbLarge);
  m.tlb.data_l2[0] = Tlb(2048, 8, kTlb4K | kTlbLarge);
  m.tlb.data_l2[1] = Tlb(64, 0, kTlb1G);
  SetWalkCaches(m);
  m.l1 = Cache(32, 8);
  m.l2 = Cache(512, 8);
  m.l3 = Cache(32 * 1024, 16);
  SetMemory(m, 46);
  SetCosts({kZen3, kZen, SharedCosts()}, m);
  return m;
}

MachineModel MakeZen5() {
  MachineModel m;
  m.name = "zen5-2024";
  m.description = "4.48 GHz EPYC (Zen 5, Turin)";
  m.clock_ghz = 4.48;
  m.clock_from = {Mark::kMeasured, "by the authors: dependent additions"};
  m.features = Features();
  m.features.maxphyaddr = 52;
  m.features.la57 = true;
  m.features.auto_ibrs = true;
  SetZen3Features(m.features);
  m.features_from = {Mark::kRead, "CPUID of Turin B00F21 (InstLatx64)"};
  m.registers_from = {Mark::kRemembered,
                      "CPUID of Turin B00F21; PDPTEs: APM Vol. 2, \"TLB "
                      "Management\", of modern processors"};
  m.maxphyaddr_from = m.features_from;
  m.tlb.unified_l2 = false;
  m.tlb.unified_from = {Mark::kRead, kLeaves};
  m.tlb.instruction_l1[0] = Tlb(64, 0, kTlb4K | kTlbLarge | kTlb1G);
  m.tlb.data_l1[0] = Tlb(96, 0, kTlb4K | kTlbLarge | kTlb1G);
  m.tlb.instruction_l2[0] = Tlb(2048, 4, kTlb4K | kTlbLarge);
  m.tlb.data_l2[0] = Tlb(4096, 8, kTlb4K | kTlbLarge);
  m.tlb.data_l2[1] = Tlb(1024, 4, kTlb1G);
  SetWalkCaches(m);
  m.l1 = Cache(48, 12);
  m.l2 = Cache(1024, 16);
  m.l3 = Cache(32 * 1024, 16);
  SetMemory(m, 55);
  SetCosts({kZen5, kZen, SharedCosts()}, m);
  return m;
}

}  // namespace

const MachineModel& Zen2_2019() {
  static const MachineModel model = MakeZen2();
  return model;
}

const MachineModel& Zen3_2020() {
  static const MachineModel model = MakeZen3();
  return model;
}

const MachineModel& Zen5_2024() {
  static const MachineModel model = MakeZen5();
  return model;
}

}  // namespace xmmu::presets
