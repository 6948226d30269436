// The presets of Zen 2, Zen 3 and Zen 5.

#include "machine/presets/presets.h"
#include "machine/presets/zen_costs.h"

namespace xmmu::presets {
namespace zen {
namespace {

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

// Returns the features that CPUID reports on all three.
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

// Adds the features that came with Zen 3 and stayed.
void SetZen3Features(CpuFeatures& features) {
  features.pke = true;
  features.cet = true;
}

void SetWalkCaches(MachineModel& m) {
  // The CPU keeps PDEs in the L2 TLB beside translations; sharing is not
  // modelled.
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

// Sets the memory, which is alike on all three as far as known. `l3` is the
// core's share of a load from DRAM.
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
  // On the CPU 2 MiB pages are 4-way in the same array, and a 1 GiB page is
  // held as 2 MiB pages. Neither is modelled.
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
}  // namespace zen

const MachineModel& Zen2_2019() {
  static const MachineModel model = zen::MakeZen2();
  return model;
}

const MachineModel& Zen3_2020() {
  static const MachineModel model = zen::MakeZen3();
  return model;
}

const MachineModel& Zen5_2024() {
  static const MachineModel model = zen::MakeZen5();
  return model;
}

}  // namespace xmmu::presets
