#include "machine/presets/presets.h"

namespace xmmu::presets {
namespace opteron_2005 {
namespace {

// Rows are {value, low, high, mark, source}, in core cycles.
constexpr CostRow kCosts[] = {
    {CostEvent::kAccess,
     {1, 1, 2, Mark::kEstimated,
      "assumed: one cycle an instruction or access"}},
    {CostEvent::kDataL2,
     {9, 9, 17, Mark::kDerived, "InstLatx64 K8 F5A: L2 12 less L1 3"},
     Less(CostEvent::kPteLoadL2, CostEvent::kDependentLoad)},
    {CostEvent::kDependentLoad, {3, 3, 3, Mark::kRead, "InstLatx64 K8 F5A"}},
    {CostEvent::kDataL2Far,
     {13, 13, 17, Mark::kDerived,
      "InstLatx64 K8 F5A: 19 with one load a page, less an L2 TLB hit of 4 and "
      "L1 3; 14 with four loads a page"}},
    {CostEvent::kDataL3, {0, 0, 0, Mark::kRead, "no L3 on the K8"}},
    {CostEvent::kDataDram,
     {192, 174, 221, Mark::kDerived, "DRAM as pte_load_dram, less L1 3"},
     Less(CostEvent::kPteLoadDram, CostEvent::kDependentLoad)},
    {CostEvent::kDataDramRowHit,
     {136, 133, 140, Mark::kDerived,
      "InstLatx64 K8 F5A: 143 in linear order, stride 128, less its share of "
      "walks and rows and L1 3"}},
    {CostEvent::kDataWait, {1, 1, 1, Mark::kDerived, "one cycle is one cycle"}},
    {CostEvent::kTlbL2Hit,
     {4, 3, 4, Mark::kDerived,
      "InstLatx64 K8 F5A: 20 to 23 cycles past 32 pages"}},
    {CostEvent::kWalkOverhead,
     {13, 9, 22, Mark::kDerived,
      "InstLatx64 K8 F5A: a step of 25 past the L2 TLB less one load of 12; 4 "
      "of it the look-up in that TLB"}},
    {CostEvent::kAdUpdate,
     {18, 18, 40, Mark::kDerived, "InstLatx64: LOCK RMW on an L1 line, 18-19"}},
    {CostEvent::kPteLoadFlat,
     {12, 3, 20, Mark::kDerived,
      "the L2 latency that the step past the L2 TLB implies"}},
    {CostEvent::kPteLoadL1, {3, 3, 3, Mark::kRead, "InstLatx64 K8 F5A"}},
    {CostEvent::kPteLoadL2,
     {12, 12, 20, Mark::kRead, "InstLatx64 K8 F5A; 19-20 in random order"}},
    {CostEvent::kPteLoadL3, {0, 0, 0, Mark::kRead, "no L3 on the K8"}},
    {CostEvent::kPteLoadDram,
     {195, 177, 224, Mark::kDerived,
      "InstLatx64 K8 F5A: 220 with one load a page less a walk of 25"}},
    {CostEvent::kExceptionEntry,
     {375, 260, 525, Mark::kEstimated,
      "assumed: 500 for a page fault and its return, split 3:1 as on Core Duo "
      "(Torvalds'14)"}},
    {CostEvent::kIret,
     {125, 90, 175, Mark::kEstimated, "assumed: as exception_entry"}},
    {CostEvent::kSyscallInt,
     {300, 250, 350, Mark::kEstimated,
      "assumed: INT n with ring change and IRET"}},
    {CostEvent::kSyscallFast,
     {90, 80, 110, Mark::kRemembered, "SYSCALL/SYSRET pair, about 90"}},
    {CostEvent::kBounce,
     {300, 150, 600, Mark::kEstimated,
      "assumed: frame built on the guest stack"}},
    {CostEvent::kSyscallBounce,
     {150, 80, 400, Mark::kEstimated,
      "assumed: frame built on the guest stack"}},
    {CostEvent::kIretHypercall,
     {450, 250, 700, Mark::kEstimated,
      "assumed: hypercall entry, checks and IRET"}},
    {CostEvent::kHypercallInt,
     {300, 250, 350, Mark::kEstimated, "assumed: as syscall_int"},
     As(CostEvent::kSyscallInt)},
    {CostEvent::kHypercallSyscall,
     {200, 150, 250, Mark::kEstimated,
      "assumed: SYSCALL into Xen with its entry work"}},
    {CostEvent::kHypercallWork,
     {200, 100, 400, Mark::kEstimated,
      "assumed: dispatch and argument checks"}},
    {CostEvent::kMulticallEntry,
     {60, 30, 120, Mark::kEstimated,
      "assumed: 32-byte copy-in, table dispatch, store of the result"}},
    {CostEvent::kCopyIn,
     {25, 10, 60, Mark::kEstimated, "assumed: guarded copy of 16 bytes"}},
    {CostEvent::kContinuation,
     {500, 350, 800, Mark::kEstimated, "assumed: one more hypercall crossing"}},
    {CostEvent::kLockedOp,
     {18, 18, 19, Mark::kRead, "InstLatx64: LOCK RMW on an L1 line"}},
    {CostEvent::kValidatePte,
     {8, 4, 18, Mark::kEstimated,
      "assumed: load, flag test, frame-table look-up"}},
    {CostEvent::kSnapshotCompare,
     {2, 1, 6, Mark::kEstimated, "assumed: two loads of L1, two a cycle"}},
    {CostEvent::kXenPteRead,
     {5, 3, 14, Mark::kEstimated,
      "assumed: one L1 hit and address arithmetic"}},
    {CostEvent::kXenPteWrite,
     {4, 1, 12, Mark::kEstimated, "assumed: store to a cached line"}},
    {CostEvent::kXenPteCas,
     {18, 18, 19, Mark::kDerived, "as locked_op"},
     As(CostEvent::kLockedOp)},
    {CostEvent::kTempMap,
     {60, 0, 150, Mark::kEstimated,
      "assumed: a 32-bit Xen's locked slot search and entry; nothing for a "
      "64-bit one, which has a direct map"}},
    {CostEvent::kEmulate,
     {2000, 1500, 2500, Mark::kEstimated,
      "assumed: fetch, decode, emulate one PTE write"}},
    {CostEvent::kMovCr3,
     {200, 150, 250, Mark::kEstimated,
      "assumed: no published figure for the K8"}},
    {CostEvent::kMovCr3NoFlush,
     {150, 100, 250, Mark::kEstimated,
      "assumed: MOV CR3 that the flush filter keeps from flushing; no PCID on "
      "this machine"}},
    {CostEvent::kCr3Refill,
     {0, 0, 0, Mark::kEstimated,
      "assumed: caches are tagged by physical address"}},
    {CostEvent::kInvlpg,
     {125, 100, 150, Mark::kEstimated,
      "assumed: no published figure for the K8"}},
    {CostEvent::kInvpcid,
     {125, 100, 150, Mark::kEstimated, "no INVPCID on this machine"}},
    {CostEvent::kMovCr4,
     {200, 150, 250, Mark::kEstimated, "assumed: as MOV CR3"},
     As(CostEvent::kMovCr3)},
    {CostEvent::kIpiSend,
     {200, 100, 400, Mark::kEstimated, "assumed: write to the local APIC"}},
    {CostEvent::kIpiDelivery,
     {1300, 1000, 2000, Mark::kEstimated,
      "assumed: with ipi_handler a round trip of 2500-4000"}},
    {CostEvent::kIpiHandler,
     {1800, 1500, 2500, Mark::kEstimated,
      "assumed: interrupt gate, handler, EOI, IRET"}},
    {CostEvent::kIpiWait, {1, 1, 1, Mark::kDerived, "one cycle is one cycle"}},
    {CostEvent::kVmExit,
     {1000, 800, 1500, Mark::kEstimated,
      "assumed: SVM came a year later (revision F), with about that"}},
    {CostEvent::kVmExitWork,
     {1000, 500, 2000, Mark::kEstimated,
      "assumed: a hypervisor's own part is half the bill, as on Nehalem"}},
    {CostEvent::kNestedViolation,
     {800, 400, 1600, Mark::kEstimated, "assumed: P2M look-up and lock"}},
    {CostEvent::kInvept,
     {200, 50, 500, Mark::kEstimated,
      "assumed: TLB_CONTROL adds a flush to VMRUN"}},
    {CostEvent::kInvvpid,
     {125, 100, 150, Mark::kEstimated, "assumed: INVLPGA as INVLPG"},
     As(CostEvent::kInvlpg)},
    {CostEvent::kZeroPage,
     {700, 500, 2000, Mark::kEstimated, "assumed: cached; 2000 cold"}},
    {CostEvent::kCopyPage,
     {1000, 700, 3500, Mark::kEstimated, "assumed: cached; 3500 cold"}},
    {CostEvent::kHashPage,
     {2048, 1024, 6144, Mark::kEstimated,
      "assumed: 512 words, a dependent 64-bit multiply of 4 cycles each"}},
    {CostEvent::kComparePage,
     {1024, 512, 4096, Mark::kEstimated,
      "assumed: 512 words as in snapshot_compare"},
     Times(512, CostEvent::kSnapshotCompare)},
    {CostEvent::kGuestFaultPath,
     {800, 400, 1600, Mark::kEstimated,
      "assumed: between what SOSP'03 leaves on a P4 and Torvalds'14 on "
      "Haswell"}},
    {CostEvent::kGuestSyscallPath,
     {80, 40, 200, Mark::kEstimated,
      "assumed: a short system call's own work"}},
    {CostEvent::kGuestSwitchPath,
     {400, 200, 900, Mark::kEstimated,
      "assumed: run queue, stack switch, segment reloads"}},
    {CostEvent::kGuestPteWork,
     {10, 5, 25, Mark::kEstimated,
      "assumed: loop overhead of an entry besides its loads and stores"}},
    {CostEvent::kGuestAccess,
     {3, 3, 12, Mark::kDerived, "as pte_load_l1; L2 if the line has gone"},
     As(CostEvent::kPteLoadL1)},
    {CostEvent::kGuestLockedOp,
     {18, 18, 19, Mark::kRead, "InstLatx64: LOCK RMW on an L1 line"}},
};

// Sets the TLBs. On the CPU a 4 MiB page takes two entries, which is not
// modelled.
void SetTlb(MachineModel& m) {
  const Provenance cpuid = {Mark::kRead,
                            "CPUID 80000005h and 80000006h (InstLatx64)"};
  m.tlb.unified_l2 = false;
  m.tlb.unified_from = cpuid;
  m.tlb.instruction_l1[0] = {32, 0, kTlb4K, cpuid};
  m.tlb.instruction_l1[1] = {8, 0, kTlbLarge, cpuid};
  m.tlb.data_l1[0] = {32, 0, kTlb4K, cpuid};
  m.tlb.data_l1[1] = {8, 0, kTlbLarge, cpuid};
  m.tlb.instruction_l2[0] = {512, 4, kTlb4K, cpuid};
  m.tlb.data_l2[0] = {512, 4, kTlb4K, cpuid};
  m.psc.level[2] = {24,
                    0,
                    {Mark::kRead,
                     "VU Amsterdam's revanc: 24 entries for all non-leaf "
                     "levels; that PDEs have them all is assumed",
                     8, 24}};
}

void SetMemory(MachineModel& m) {
  m.cache_rules = {
      .linear_l1_index = true,
      .exclusive_l2 = true,
      .from = {Mark::kRemembered,
               "Keltcher et al., IEEE Micro 2003; InstLatx64 K8 F5A: 16 lines "
               "16 KiB apart miss L1"}};
  m.l1_prefetcher.from = {Mark::kEstimated, "no prefetcher into L1"};
  m.l2_prefetcher = {.max_stride = 1,
                     .lines_per_load = 1,
                     .lines_ahead = 1,
                     .from = {Mark::kDerived,
                              "InstLatx64 K8 F5A: not quite half the latency "
                              "at a stride of 64, all of it at 128"}};
  m.dram = {.row_bytes = 2048,
            .banks = 8,
            .core_cycles = 117,
            .from = {Mark::kDerived,
                     "InstLatx64: rise up to a stride of 2 KiB; core share "
                     "from 185 cycles at 1.4 GHz and 224 at 2.2 GHz"}};
}

MachineModel Make() {
  MachineModel m;
  m.name = "opteron-2005";
  m.description = "2.2 GHz Opteron 248 (K8), with a TLB flush filter";
  m.clock_ghz = 2.205;
  m.clock_from = {Mark::kRead, "InstLatx64 K8 F5A"};
  m.features = {.vendor = Vendor::kAmd,
                .maxphyaddr = 40,
                .long_mode = true,
                .la57 = false,
                .pages_1g = false,
                .pse36 = true,
                .nx = true,
                .pcid = false,
                .invpcid = false,
                .walks_pdptes = false};
  m.features_from = {Mark::kRead, "CPUID of F51 and F5A (InstLatx64)"};
  m.registers_from = {Mark::kRemembered,
                      "CPUID of F51 and F5A (InstLatx64); PDPTEs: APM Vol. 2, "
                      "\"TLB Management\", of older processors"};
  m.maxphyaddr_from = m.features_from;
  SetTlb(m);
  m.flush_filter = {
      .lines = 32,
      .address_spaces = 8,
      .enabled = false,
      .from = {Mark::kRemembered,
               "Keltcher et al., IEEE Micro 2003: 32 lines; how many address "
               "spaces are told apart is assumed"}};
  // Nested paging came two generations later (family 10h).
  constexpr std::string_view kBhargava =
      "family 10h, Bhargava et al., ASPLOS'08; there is none: hypothetical";
  m.nested = {.vm_extension = false,
              .present = false,
              .tags = true,
              .accessed_dirty = true,
              .from = {Mark::kRemembered,
                       "SVM came with revision F a year later, nested paging "
                       "with family 10h: a hypothetical one as there"},
              .ept_from = {Mark::kRead, "no EPT: of no effect"},
              .tlb_entries = 16,
              .tlb_from = {Mark::kRemembered, kBhargava}};
  // In family 10h both dimensions share 24 entries; here each has as many.
  m.nested.psc.level[2] = {24, 0, {Mark::kRemembered, kBhargava}};
  const Provenance cpuid = {Mark::kRead, "CPUID of F5A (InstLatx64)"};
  m.l1 = {.bytes = 64 * 1024, .ways = 2, .from = cpuid};
  m.l2 = {.bytes = 1024 * 1024, .ways = 16, .from = cpuid};
  m.l3.from = {Mark::kRead, "no L3 on the K8"};
  SetMemory(m);
  SetCosts({kCosts}, m);
  return m;
}

}  // namespace
}  // namespace opteron_2005

const MachineModel& Opteron2005() {
  static const MachineModel model = opteron_2005::Make();
  return model;
}

}  // namespace xmmu::presets
