// What a CPU may still believe after tables changed under it, and what it may
// not: the Mmu under random sequences, judged by the staleness checker
// (staleness_checker.h), by either vendor's rules; and the checker itself,
// judged by CPUs that lack one effect each of the lists of invalidations.

#include <array>
#include <iostream>
#include <iterator>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "mmu/mmu_fixture.h"
#include "mmu/staleness_sequence.h"

namespace xmmu::staleness {

void PrintTo(const Cripple& cripple, std::ostream* out) {
  *out << cripple.name;
}

namespace {

struct Paging {
  const char* name;
  int levels;
  bool flips_pae;
};
void PrintTo(const Paging& paging, std::ostream* out) { *out << paging.name; }
constexpr Paging kPagings[] = {{"TwoLevel", 2, false},
                               {"Pae", 3, false},
                               {"TwoLevelAndPae", 2, true},
                               {"FourLevel", 4, false},
                               {"FiveLevel", 5, false}};

SequenceOptions OptionsOf(const Paging& paging, uint64_t seed) {
  SequenceOptions options;
  options.levels = paging.levels;
  options.flips_pae = paging.flips_pae;
  options.cpus = 2 + static_cast<int>(seed % 3);
  options.cpuid.maxphyaddr = std::array{36, 40, 46, 52}[seed / 2 % 4];
  options.cpuid.pages_1g = seed % 5 != 0;
  options.cpuid.amd = seed % 3 == 2;
  options.cpuid.walks_pdptes = options.cpuid.amd && seed / 3 % 2 == 0;
  options.seed = seed * 977 + static_cast<uint64_t>(paging.levels);
  return options;
}

// ---- The Mmu.

constexpr uint8_t kAllSizes = kTlb4K | kTlbLarge | kTlb1G;

MachineModel NoCaches() {
  MachineModel model = TestModel();
  model.tlb = {};
  model.psc = {};
  return model;
}

MachineModel TlbAlone() {
  MachineModel model = TestModel();
  model.psc = {};
  return model;
}

MachineModel StructureCachesAlone() {
  MachineModel model = TestModel();
  model.tlb = {};
  return model;
}

MachineModel Tiny() {
  MachineModel model = TestModel();
  model.tlb = {};
  model.tlb.instruction_l1[0] = {1, 0, kAllSizes};
  model.tlb.data_l1[0] = {2, 1, kAllSizes};
  model.tlb.data_l2[0] = {4, 2, kTlb4K | kTlbLarge};
  for (size_t level = 2; level <= 5; ++level) model.psc.level[level] = {1, 0};
  return model;
}

// An array for each page size, L2 split, sets and ways.
MachineModel Split() {
  MachineModel model = TestModel();
  model.tlb.unified_l2 = false;
  model.tlb.instruction_l1 = {{{32, 4, kTlb4K}, {8, 0, kTlbLarge}, {}}};
  model.tlb.data_l1 = {{{12, 3, kTlb4K}, {8, 4, kTlbLarge}, {4, 4, kTlb1G}}};
  model.tlb.instruction_l2 = {{{48, 12, kTlb4K}, {}, {}}};
  model.tlb.data_l2 = {{{64, 8, kTlb4K}, {16, 8, kTlbLarge}, {4, 0, kTlb1G}}};
  model.psc.level[2] = {12, 4};
  model.psc.level[3] = {0, 0};
  return model;
}

MachineModel Large() {
  MachineModel model = TestModel();
  model.tlb.instruction_l1[0] = {256, 8, kAllSizes};
  model.tlb.data_l1[0] = {256, 8, kAllSizes};
  model.tlb.data_l2[0] = {1536, 12, kAllSizes};
  for (size_t level = 2; level <= 5; ++level) model.psc.level[level] = {64, 4};
  return model;
}

class StalenessTest : public testing::TestWithParam<Paging> {};

TEST_P(StalenessTest, EveryAnswerIsOneThatThingsStillCachedPermit) {
  constexpr int kSteps = 2000;
  constexpr uint64_t kSequences = 30;
  uint64_t seed = 1;
  int translated = 0;
  int stale = 0;
  for (const auto& make_model :
       {NoCaches, TlbAlone, StructureCachesAlone, Tiny, Split, Large}) {
    for (uint64_t i = 0; i < kSequences; ++i) {
      SequenceOptions options = OptionsOf(GetParam(), ++seed);
      options.steps = kSteps;
      MachineModel model = make_model();
      model.features.maxphyaddr = options.cpuid.maxphyaddr;
      model.features.pages_1g = options.cpuid.pages_1g;
      model.features.vendor = options.cpuid.amd ? Vendor::kAmd : Vendor::kIntel;
      model.features.walks_pdptes = options.cpuid.walks_pdptes;
      options.make_cpu = [&](PhysMemory& memory, const Registers& registers) {
        return MakeMmuCpu(model, memory, registers);
      };
      SCOPED_TRACE("seed " + std::to_string(options.seed));
      Sequence sequence(options);
      const std::optional<std::string> complaint = sequence.Run();
      ASSERT_FALSE(complaint.has_value()) << *complaint;
      translated += sequence.translated();
      stale += sequence.stale();
      // Without any cache nothing is stale but PAE's PDPTE registers, which
      // a fresh walk uses too.
      if (i + 1 == kSequences && make_model == NoCaches) {
        EXPECT_EQ(stale, 0);
      }
    }
  }
  // The sequences are of use only if they get somewhere.
  std::cout << translated << " accesses translated, " << stale
            << " answers differed from a fresh walk's\n";
  EXPECT_GT(translated, 30000);
  EXPECT_GT(stale, 5000);
}

INSTANTIATE_TEST_SUITE_P(Paging, StalenessTest, testing::ValuesIn(kPagings),
                         [](const auto& paging) { return paging.param.name; });

// With a flush filter the same holds. What a MOV to CR3 spares is what a CPU
// that walks ahead of the program might have cached again at once.
MachineModel Filtered(MachineModel (*make)(), uint16_t lines,
                      uint16_t address_spaces) {
  MachineModel model = make();
  model.flush_filter = {lines, address_spaces, /*enabled=*/true};
  return model;
}

TEST_P(StalenessTest, AFlushFilterCannotBeTold) {
  uint64_t seed = 1000;
  int stale = 0;
  uint64_t filtered = 0;
  for (const MachineModel& machine :
       {Filtered(Large, 32, 8), Filtered(Large, 1000, 2),
        Filtered(Tiny, 100, 1), Filtered(Split, 4, 3),
        Filtered(TlbAlone, 1000, 8), Filtered(StructureCachesAlone, 32, 4)}) {
    for (uint64_t i = 0; i < 80; ++i) {
      SequenceOptions options = OptionsOf(GetParam(), ++seed);
      options.steps = 2000;
      options.speculates = true;
      options.cpuid.walks_pdptes = false;  // the K8 alone has a filter
      MachineModel model = machine;
      model.features.maxphyaddr = options.cpuid.maxphyaddr;
      model.features.pages_1g = options.cpuid.pages_1g;
      model.features.vendor = options.cpuid.amd ? Vendor::kAmd : Vendor::kIntel;
      model.features.walks_pdptes = options.cpuid.walks_pdptes;
      std::vector<const Cpu*> cpus;
      options.make_cpu = [&](PhysMemory& memory, const Registers& registers) {
        auto cpu = MakeMmuCpu(model, memory, registers);
        cpus.push_back(cpu.get());
        return cpu;
      };
      SCOPED_TRACE("seed " + std::to_string(options.seed));
      Sequence sequence(options);
      const std::optional<std::string> complaint = sequence.Run();
      ASSERT_FALSE(complaint.has_value()) << *complaint;
      stale += sequence.stale();
      for (const Cpu* cpu : cpus) filtered += cpu->Filtered();
    }
  }
  std::cout << filtered << " loads of CR3 filtered, " << stale
            << " answers differed from a fresh walk's\n";
  EXPECT_GT(filtered, 800u);
  EXPECT_GT(stale, 4000);
}

// ---- The checker.

// Whether the cripple is a defect only on AMD's CPUs, where alone it is looked
// for.
bool IsAmds(const Cripple& cripple) {
  return std::string_view(cripple.name).starts_with("Amds");
}

// The complaint about hoarding CPUs with `cripple`, if there is one within so
// many sequences a mode.
std::optional<std::string> ComplaintAbout(const Cripple& cripple,
                                          uint64_t sequences) {
  for (uint64_t seed = 1; seed <= sequences; ++seed) {
    for (const Paging& paging : kPagings) {
      SequenceOptions options = OptionsOf(paging, seed);
      if (IsAmds(cripple)) options.cpuid.amd = true;
      options.make_cpu = [&](PhysMemory& memory, const Registers& registers) {
        return MakeHoardingCpu(cripple, options.cpuid, memory, registers,
                               options.seed);
      };
      Sequence sequence(options);
      if (auto complaint = sequence.Run()) return complaint;
    }
  }
  return std::nullopt;
}

TEST(StalenessCheckerTest, FindsNothingWrongWithACompleteHoarder) {
  const std::optional<std::string> complaint = ComplaintAbout(Cripple(), 10);
  EXPECT_FALSE(complaint.has_value()) << *complaint;
}

class CrippledCpuTest : public testing::TestWithParam<Cripple> {};

TEST_P(CrippledCpuTest, IsCaught) {
  const std::optional<std::string> complaint =
      ComplaintAbout(GetParam(), IsAmds(GetParam()) ? 240 : 60);
  EXPECT_TRUE(complaint.has_value()) << GetParam().name;
}

constexpr Cripple kMissingRows[] = {
    {"InvlpgKeepsThePage", Row::kInvlpgPage},
    {"InvlpgSparesGlobals", Row::kInvlpgGlobals},
    {"InvlpgKeepsStructures", Row::kInvlpgTables},
    {"AmdsInvlpgSparesStructuresOfOtherPcids", Row::kInvlpgForeignTables},
    {"InvpcidAddressKeepsThePage", Row::kInvpcidAddressPage},
    {"InvpcidAddressKeepsStructures", Row::kInvpcidAddressTables},
    {"InvpcidContextKeepsPages", Row::kInvpcidContextPages},
    {"InvpcidContextKeepsStructures", Row::kInvpcidContextTables},
    {"InvpcidAllKeepsPages", Row::kInvpcidAllPages},
    {"InvpcidAllSparesGlobals", Row::kInvpcidAllGlobals},
    {"InvpcidAllKeepsStructures", Row::kInvpcidAllTables},
    {"InvpcidNonGlobalKeepsPages", Row::kInvpcidNonGlobalPages},
    {"InvpcidNonGlobalKeepsStructures", Row::kInvpcidNonGlobalTables},
    {"MovCr3KeepsPages", Row::kMovCr3Pages},
    {"MovCr3KeepsStructures", Row::kMovCr3Tables},
    {"PgeKeepsPages", Row::kPgePages},
    {"PgeSparesGlobals", Row::kPgeGlobals},
    {"PgeKeepsStructures", Row::kPgeTables},
    {"PcideKeepsPages", Row::kPcidePages},
    {"PcideSparesGlobals", Row::kPcideGlobals},
    {"PcideKeepsStructures", Row::kPcideTables},
    {"PaeKeepsPages", Row::kPaePages},
    {"PaeKeepsStructures", Row::kPaeTables},
    {"SmepKeepsPages", Row::kSmepPages},
    {"SmepKeepsStructures", Row::kSmepTables},
    {"AmdsPseKeepsPages", Row::kPsePages},
    {"AmdsPseSparesGlobals", Row::kPseGlobals},
    {"AmdsPseKeepsStructures", Row::kPseTables},
    {"AmdsPkeKeepsPages", Row::kPkePages},
    {"AmdsPkeSparesGlobals", Row::kPkeGlobals},
    {"AmdsPkeKeepsStructures", Row::kPkeTables},
    {"PagingOffKeepsPages", Row::kPagingPages},
    {"PagingOffSparesGlobals", Row::kPagingGlobals},
    {"PagingOffKeepsStructures", Row::kPagingTables},
    {"FaultKeepsThePage", Row::kFaultPage},
    {"FaultSparesGlobals", Row::kFaultGlobals},
    {"FaultKeepsStructures", Row::kFaultTables},
    {"FlushNonGlobalKeepsPages", Row::kFlushNonGlobalPages},
    {"FlushNonGlobalKeepsStructures", Row::kFlushNonGlobalTables},
    {"FlushAllKeepsPages", Row::kFlushAllPages},
    {"FlushAllSparesGlobals", Row::kFlushAllGlobals},
    {"FlushAllKeepsStructures", Row::kFlushAllTables},
    {"ResetKeepsPages", Row::kResetPages},
    {"ResetSparesGlobals", Row::kResetGlobals},
    {"ResetKeepsStructures", Row::kResetTables},
};
static_assert(std::size(kMissingRows) ==
              static_cast<size_t>(Row::kResetTables) + 1);

constexpr Cripple Quirky(const char* name, Quirk quirk) {
  return {name, std::nullopt, quirk};
}
constexpr Cripple kQuirks[] = {
    Quirky("ClearBit63TakenForSet", Quirk::kClearBit63TakenForSet),
    Quirky("MovCr3FlushesThePcidItLeaves",
           Quirk::kMovCr3FlushesThePcidItLeaves),
    Quirky("InvpcidFlushesTheCurrentPcid",
           Quirk::kInvpcidFlushesTheCurrentPcid),
    Quirky("PdptesKeptByMovCr3", Quirk::kPdptesKeptByMovCr3),
    Quirky("PdptesKeptByMovCr4", Quirk::kPdptesKeptByMovCr4),
    Quirky("PdptesKeptByMovCr0", Quirk::kPdptesKeptByMovCr0),
    Quirky("PdptesReadByWalks", Quirk::kPdptesReadByWalks),
    Quirky("WriteThroughCleanEntryLeavesD",
           Quirk::kWriteThroughCleanEntryLeavesD),
    Quirky("NotPresentIsCached", Quirk::kNotPresentIsCached),
    Quirky("ReservedBitsAreCached", Quirk::kReservedBitsAreCached),
    Quirky("FragmentsOfALargePageStay", Quirk::kFragmentsOfALargePageStay),
    Quirky("GlobalWithoutPge", Quirk::kGlobalWithoutPge),
    Quirky("PcidIsNoPartOfTheTag", Quirk::kPcidIsNoPartOfTheTag),
    Quirky("RightsAboveAreForgotten", Quirk::kRightsAboveAreForgotten),
    Quirky("CachedRightsAreNotJudged", Quirk::kCachedRightsAreNotJudged),
    Quirky("AccessedIsNotSet", Quirk::kAccessedIsNotSet),
    Quirky("ReadsSetDirty", Quirk::kReadsSetDirty),
    Quirky("AmdsCachedPagesFaultAtOnce", Quirk::kPagesFaultAtOnce),
    Quirky("AmdsCachedTablesFaultAtOnce", Quirk::kTablesFaultAtOnce),
    Quirky("ProbesSetAccessed", Quirk::kProbesSetAccessed),
};
static_assert(std::size(kQuirks) ==
              static_cast<size_t>(Quirk::kProbesSetAccessed));

std::string NameOf(const testing::TestParamInfo<Cripple>& info) {
  return info.param.name;
}
INSTANTIATE_TEST_SUITE_P(Without, CrippledCpuTest,
                         testing::ValuesIn(kMissingRows), NameOf);
INSTANTIATE_TEST_SUITE_P(With, CrippledCpuTest, testing::ValuesIn(kQuirks),
                         NameOf);

}  // namespace
}  // namespace xmmu::staleness
