#include "machine/presets/presets.h"

namespace xmmu::presets {
namespace xeon_2003 {
namespace {

// Rows are {value, low, high, mark, source}, in core cycles.
constexpr CostRow kCosts[] = {
    {CostEvent::kAccess,
     {1, 1, 2, Mark::kEstimated,
      "assumed: one cycle an instruction or access"}},
    {CostEvent::kDataL2,
     {16, 16, 18, Mark::kDerived, "InstLatx64 P4 F27: L2 18 less L1 2"},
     Less(CostEvent::kPteLoadL2, CostEvent::kDependentLoad)},
    {CostEvent::kDependentLoad,
     {2, 2, 2, Mark::kRead, "InstLatx64 P4 F27, 2410 MHz"}},
    {CostEvent::kDataL2Far,
     {17, 16, 18, Mark::kDerived,
      "InstLatx64 P4 F27: 19-20 with one load a page, less L1 2"}},
    {CostEvent::kDataL3, {0, 0, 0, Mark::kRead, "no L3 on Prestonia"}},
    {CostEvent::kDataDram,
     {371, 358, 393, Mark::kDerived, "DRAM as pte_load_dram, less L1 2"},
     Less(CostEvent::kPteLoadDram, CostEvent::kDependentLoad)},
    {CostEvent::kDataDramRowHit,
     {331, 326, 338, Mark::kDerived,
      "InstLatx64 P4 F27: 332-338 in linear order, stride 128-256, less the "
      "share of a walk and L1 2"}},
    {CostEvent::kDataWait, {1, 1, 1, Mark::kDerived, "one cycle is one cycle"}},
    {CostEvent::kTlbL2Hit,
     {0, 0, 0, Mark::kRead, "no second-level TLB (CPUID leaf 2)"}},
    {CostEvent::kWalkOverhead,
     {20, 15, 25, Mark::kDerived,
      "InstLatx64 P4 F27: TLB step of 56 cycles less two loads of 18"}},
    {CostEvent::kAdUpdate,
     {124, 100, 150, Mark::kDerived,
      "InstLatx64: LOCK RMW on an L1 line, 124"}},
    {CostEvent::kPteLoadFlat,
     {18, 2, 20, Mark::kDerived,
      "the L2 latency that the TLB step of InstLatx64 P4 F27 implies"}},
    {CostEvent::kPteLoadL1,
     {2, 2, 2, Mark::kRead, "InstLatx64 P4 F27, 2410 MHz"}},
    {CostEvent::kPteLoadL2,
     {18, 18, 20, Mark::kRead, "InstLatx64 P4 F27, 2410 MHz"}},
    {CostEvent::kPteLoadL3, {0, 0, 0, Mark::kRead, "no L3 on Prestonia"}},
    {CostEvent::kPteLoadDram,
     {373, 360, 395, Mark::kDerived,
      "InstLatx64 P4 F27: 429 in random order less a walk of 56; 150-165 ns "
      "by F24"}},
    {CostEvent::kExceptionEntry,
     {820, 700, 950, Mark::kDerived,
      "ASPLOS'06 page fault 1093 on a P4, split 3:1 as on Core Duo "
      "(Torvalds'14)"}},
    {CostEvent::kIret,
     {280, 200, 400, Mark::kDerived, "as exception_entry: the rest of 1093"}},
    {CostEvent::kSyscallInt,
     {1000, 800, 1080, Mark::kDerived,
      "SOSP'03 null call 0.45 us at 2.4 GHz = 1080, less the kernel's work"}},
    {CostEvent::kSyscallFast,
     {175, 150, 200, Mark::kEstimated, "assumed: SYSENTER/SYSEXIT pair"}},
    {CostEvent::kBounce,
     {540, 400, 820, Mark::kDerived,
      "SOSP'03 protection fault, Xen less native: 0.34 us = 820, less one more "
      "IRET"}},
    {CostEvent::kSyscallBounce,
     {540, 300, 900, Mark::kEstimated,
      "assumed: as bounce; no long mode on this machine"},
     As(CostEvent::kBounce)},
    {CostEvent::kIretHypercall,
     {1300, 600, 2000, Mark::kEstimated,
      "assumed: hypercall and IRET; no long mode on this machine"}},
    {CostEvent::kHypercallInt,
     {1000, 800, 1100, Mark::kDerived, "INT 0x82: same gate as syscall_int"},
     As(CostEvent::kSyscallInt)},
    {CostEvent::kHypercallSyscall,
     {250, 150, 400, Mark::kEstimated,
      "assumed; no long mode on this machine"}},
    {CostEvent::kHypercallWork,
     {500, 300, 900, Mark::kEstimated,
      "assumed: argument checks and big lock; SOSP'03 page fault less bounce "
      "leaves 2300 for the whole call"}},
    {CostEvent::kMulticallEntry,
     {100, 60, 200, Mark::kEstimated,
      "assumed: 32-byte copy-in, table dispatch, store of the result"}},
    {CostEvent::kCopyIn,
     {60, 30, 120, Mark::kEstimated, "assumed: guarded copy of 8 or 16 bytes"}},
    {CostEvent::kContinuation,
     {1500, 1100, 2000, Mark::kEstimated,
      "assumed: one more hypercall crossing"}},
    {CostEvent::kLockedOp,
     {124, 100, 150, Mark::kRead, "InstLatx64: LOCK RMW on an L1 line"}},
    {CostEvent::kValidatePte,
     {12, 6, 25, Mark::kEstimated,
      "assumed: load, flag test, frame-table look-up"}},
    {CostEvent::kSnapshotCompare,
     {5, 2, 8, Mark::kEstimated,
      "assumed: two loads of L1; the two pages just fill it, so each of their "
      "lines comes from L2 (18 cycles for 16 entries)"}},
    {CostEvent::kXenPteRead,
     {18, 2, 40, Mark::kEstimated, "assumed: one L2 hit"}},
    {CostEvent::kXenPteWrite,
     {10, 2, 30, Mark::kEstimated, "assumed: store to a cached line"}},
    {CostEvent::kXenPteCas,
     {124, 100, 150, Mark::kDerived, "as locked_op"},
     As(CostEvent::kLockedOp)},
    {CostEvent::kTempMap,
     {150, 80, 300, Mark::kEstimated,
      "assumed: locked slot search, PTE store, later flush shared by 1024 "
      "slots"}},
    {CostEvent::kEmulate,
     {2500, 2000, 3000, Mark::kEstimated,
      "assumed: fetch, decode, emulate one PTE write"}},
    {CostEvent::kMovCr3,
     {500, 300, 900, Mark::kEstimated,
      "assumed: no published figure for the P4"}},
    {CostEvent::kMovCr3NoFlush,
     {500, 300, 900, Mark::kEstimated, "no PCID on this machine"}},
    {CostEvent::kCr3Refill,
     {1000, 500, 1500, Mark::kEstimated,
      "assumed: trace-cache refill, traces being tagged by linear address"}},
    {CostEvent::kInvlpg,
     {400, 200, 600, Mark::kEstimated,
      "assumed: no published figure for the P4"}},
    {CostEvent::kInvpcid,
     {400, 200, 600, Mark::kEstimated, "no INVPCID on this machine"}},
    {CostEvent::kMovCr4,
     {500, 300, 900, Mark::kEstimated, "assumed: as MOV CR3"},
     As(CostEvent::kMovCr3)},
    {CostEvent::kIpiSend,
     {300, 150, 600, Mark::kEstimated, "assumed: write to the local APIC"}},
    {CostEvent::kIpiDelivery,
     {2000, 1500, 3000, Mark::kEstimated,
      "assumed: with ipi_handler a round trip of 4000-6000"}},
    {CostEvent::kIpiHandler,
     {2500, 2000, 3000, Mark::kEstimated,
      "assumed: interrupt gate, handler, EOI, IRET"}},
    {CostEvent::kIpiWait, {1, 1, 1, Mark::kDerived, "one cycle is one cycle"}},
    {CostEvent::kVmExit,
     {3963, 2000, 4340, Mark::kRemembered,
      "Prescott, the first to have VMX: Agesen et al., USENIX ATC'12; 4340 by "
      "ASPLOS'06, an entry and a #PF exit. Prestonia has none: hypothetical"}},
    {CostEvent::kVmExitWork,
     {2000, 1000, 4000, Mark::kEstimated,
      "assumed: a hypervisor's own part, dearer here than 1000 of Nehalem"}},
    {CostEvent::kNestedViolation,
     {1500, 800, 3000, Mark::kEstimated,
      "assumed: VMREADs of 178 each (ASPLOS'06), P2M look-up and lock"}},
    {CostEvent::kInvept,
     {400, 200, 800, Mark::kEstimated, "assumed: as INVLPG; there is none"},
     As(CostEvent::kInvlpg)},
    {CostEvent::kInvvpid,
     {400, 200, 800, Mark::kEstimated, "assumed: as INVLPG; there is none"},
     As(CostEvent::kInvlpg)},
    {CostEvent::kZeroPage,
     {1200, 800, 4000, Mark::kEstimated, "assumed: cached; 4000 cold"}},
    {CostEvent::kCopyPage,
     {2400, 1600, 7500, Mark::kEstimated, "assumed: cached; 7500 cold"}},
    {CostEvent::kHashPage,
     {6144, 3072, 16384, Mark::kEstimated,
      "assumed: 1024 words, 6 cycles of shifts and adds each; with a multiply "
      "of 16 the upper bound"}},
    {CostEvent::kComparePage,
     {5120, 2048, 8192, Mark::kEstimated,
      "assumed: 1024 words as in snapshot_compare"},
     Times(1024, CostEvent::kSnapshotCompare)},
    {CostEvent::kGuestFaultPath,
     {1800, 1400, 2300, Mark::kDerived,
      "SOSP'03 native page fault 1.42 us = 3400, less 1100 of hardware and the "
      "PTE work"}},
    {CostEvent::kGuestSyscallPath,
     {80, 40, 200, Mark::kDerived, "SOSP'03 null call 1080 less the trap"}},
    {CostEvent::kGuestSwitchPath,
     {600, 300, 900, Mark::kEstimated,
      "assumed: run queue, stack switch, segment reloads"}},
    {CostEvent::kGuestPteWork,
     {15, 8, 30, Mark::kEstimated,
      "assumed: loop overhead of an entry besides its loads and stores"}},
    {CostEvent::kGuestAccess,
     {2, 2, 18, Mark::kDerived, "as pte_load_l1; L2 if the line has gone"},
     As(CostEvent::kPteLoadL1)},
    {CostEvent::kGuestLockedOp,
     {124, 100, 150, Mark::kRead, "InstLatx64: LOCK RMW on an L1 line"}},
};

// Walks skip L1 because of a measured step: a line of entries serves eight
// pages in linear order, so L1 would hold it, and yet InstLatx64 P4 F27 shows a
// step of 56 cycles.
void SetMemory(MachineModel& m) {
  m.cache_rules = {.walker_skips_l1 = true,
                   .from = {Mark::kDerived,
                            "InstLatx64 P4 F27: the TLB step is no smaller "
                            "where entries would be in L1"}};
  m.l1_prefetcher.from = {Mark::kEstimated, "no prefetcher into L1"};
  m.l2_prefetcher = {.max_stride = 1,
                     .lines_per_load = 2,
                     .lines_ahead = 3,
                     .pairs = true,
                     .from = {Mark::kDerived,
                              "InstLatx64 P4 F27: a quarter of the latency at "
                              "a stride of 64, all of it at 128; lines of two "
                              "sectors (Intel Optimization Manual)"}};
  m.dram = {.row_bytes = 4096,
            .banks = 4,
            .core_cycles = 71,
            .from = {Mark::kDerived,
                     "InstLatx64: rise up to a stride of a page; core share "
                     "from 163 ns at 1.6 GHz and 148 ns at 2.4 GHz"}};
}

MachineModel Make() {
  MachineModel m;
  m.name = "xeon-2003";
  m.description =
      "2.4 GHz Pentium 4 Xeon (Prestonia), the machine of the SOSP'03 Xen "
      "paper";
  m.clock_ghz = 2.4;
  m.clock_from = {Mark::kRead, "SOSP'03"};
  m.features = {.vendor = Vendor::kIntel,
                .maxphyaddr = 36,
                .long_mode = false,
                .la57 = false,
                .pages_1g = false,
                .pse36 = true,
                .nx = false,
                .pcid = false,
                .invpcid = false};
  m.features_from = {Mark::kRead, "CPUID of F24, F27 and F29 (InstLatx64)"};
  m.registers_from = m.features_from;
  m.maxphyaddr_from = {Mark::kRemembered, "36 bits by PAE and PSE-36"};
  constexpr std::string_view kArrays =
      "CPUID leaf 2 (InstLatx64), descriptors 50h and 5Bh; that they are fully "
      "associative is remembered";
  // One sample of F27 reports descriptor 51h instead: 128 instruction entries.
  m.tlb.instruction_l1[0] = {
      64, 0, kTlb4K | kTlbLarge, {Mark::kRead, kArrays, 64, 128}};
  m.tlb.unified_from = {Mark::kRead, "no second-level TLB (CPUID leaf 2)"};
  m.tlb.data_l1[0] = {64, 0, kTlb4K | kTlbLarge, {Mark::kRead, kArrays}};
  for (const size_t level : {2u, 3u}) {
    m.psc.level[level].from = {
        Mark::kEstimated,
        "assumed: none; no evidence in the latency grid, whose step is two "
        "loads",
        0, 32};
  }
  m.flush_filter.from = {Mark::kRead, "AMD's K8 alone has one"};
  constexpr std::string_view kNested =
      "assumed: none, as the machine has none of its own";
  m.nested = {.vm_extension = false,
              .present = false,
              .tags = false,
              .accessed_dirty = false,
              .from = {Mark::kRead,
                       "no VMX in CPUID (InstLatx64); a hypothetical one "
                       "without VPIDs, as Merom's and Penryn's"},
              .pages_1g = false,
              .ept_from = {Mark::kEstimated, "assumed: as Nehalem's"},
              .tlb_from = {Mark::kEstimated, kNested}};
  for (const size_t level : {2u, 3u}) {
    m.nested.psc.level[level].from = {Mark::kEstimated, kNested};
  }
  const Provenance cpuid = {Mark::kRead, "CPUID of F27 (InstLatx64)"};
  m.l1 = {.bytes = 8 * 1024, .ways = 4, .from = cpuid};
  m.l2 = {.bytes = 512 * 1024, .ways = 8, .from = cpuid};
  m.l3.from = {Mark::kRead, "no L3 on Prestonia"};
  SetMemory(m);
  SetCosts({kCosts}, m);
  return m;
}

}  // namespace
}  // namespace xeon_2003

const MachineModel& Xeon2003() {
  static const MachineModel model = xeon_2003::Make();
  return model;
}

}  // namespace xmmu::presets
