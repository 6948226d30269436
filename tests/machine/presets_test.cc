// Every preset is whole: each number has a source and lies in its band, each
// array divides into its ways; and each machine is what its makers said.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "xmmu/machine/machine_model.h"

namespace xmmu::presets_test {
namespace {

class PresetTest : public testing::TestWithParam<const MachineModel*> {
 protected:
  const MachineModel& machine() const { return *GetParam(); }

  std::vector<TlbArrayGeometry> TlbArrays() const {
    std::vector<TlbArrayGeometry> all;
    for (const auto& level :
         {machine().tlb.data_l1, machine().tlb.data_l2,
          machine().tlb.instruction_l1, machine().tlb.instruction_l2}) {
      all.insert(all.end(), level.begin(), level.end());
    }
    return all;
  }

  std::vector<PagingStructureCacheArray> WalkCaches() const {
    std::vector<PagingStructureCacheArray> all;
    for (const auto& caches : {machine().psc, machine().nested.psc}) {
      all.insert(all.end(), caches.level.begin(), caches.level.end());
    }
    return all;
  }

  // Every provenance there is, with the number that its band is of.
  std::vector<std::pair<uint64_t, Provenance>> Provenances() const {
    std::vector<std::pair<uint64_t, Provenance>> all = {
        {1, machine().clock_from},
        {1, machine().features_from},
        {1, machine().maxphyaddr_from},
        {1, machine().tlb.unified_from},
        {1, machine().flush_filter.from},
        {1, machine().nested.from},
        {machine().nested.tlb_entries, machine().nested.tlb_from},
        {machine().l1.bytes, machine().l1.from},
        {machine().l2.bytes, machine().l2.from},
        {machine().l3.bytes, machine().l3.from},
        {1, machine().cache_rules.from},
        {1, machine().l1_prefetcher.from},
        {1, machine().l2_prefetcher.from},
        {1, machine().dram.from}};
    for (const TlbArrayGeometry& array : TlbArrays()) {
      if (array.entries != 0) all.emplace_back(array.entries, array.from);
    }
    for (const PagingStructureCacheArray& array : WalkCaches()) {
      if (array.entries != 0 || !array.from.source.empty()) {
        all.emplace_back(array.entries, array.from);
      }
    }
    return all;
  }
};

// An estimate says that it is one.
bool Says(Mark mark, std::string_view source) {
  return mark != Mark::kEstimated || source.starts_with("assumed") ||
         source.starts_with("no ");
}

TEST_P(PresetTest, EveryCostHasASourceAndLiesInItsBand) {
  for (size_t i = 0; i < kCostEventCount; ++i) {
    const CostConstant& constant = machine().costs[i];
    SCOPED_TRACE(CostEventName(static_cast<CostEvent>(i)));
    EXPECT_FALSE(constant.source.empty());
    EXPECT_TRUE(Says(constant.mark, constant.source)) << constant.source;
    EXPECT_LE(constant.low, constant.value);
    EXPECT_LE(constant.value, constant.high);
  }
}

TEST_P(PresetTest, PricesThatFollowOthersAreWhatTheirRulesMakeOfThem) {
  size_t rules = 0;
  for (size_t i = 0; i < kCostEventCount; ++i) {
    const PriceRule& rule = machine().price_rules[i];
    if (!rule.exists()) continue;
    ++rules;
    SCOPED_TRACE(CostEventName(static_cast<CostEvent>(i)));
    EXPECT_EQ(rule.ValueIn(machine().costs), machine().costs[i].value)
        << rule.Text();
    // A price that was read or measured follows no other.
    EXPECT_NE(machine().costs[i].mark, Mark::kRead);
    EXPECT_NE(machine().costs[i].mark, Mark::kMeasured);
    // A single pass does.
    for (const std::optional<CostEvent> other : {rule.of, rule.less}) {
      if (!other.has_value()) continue;
      const auto index = static_cast<size_t>(*other);
      EXPECT_TRUE(index < i || !machine().price_rules[index].exists())
          << rule.Text();
    }
  }
  EXPECT_GE(rules, 6u);
  MachineModel copy = machine();
  FollowPriceRules(copy);
  EXPECT_EQ(copy, machine());
}

TEST_P(PresetTest, AllFeaturesAndGeometryHaveASourceAndLieInTheirBand) {
  for (const auto& [number, from] : Provenances()) {
    EXPECT_FALSE(from.source.empty()) << number;
    EXPECT_TRUE(Says(from.mark, from.source)) << from.source;
    if (from.high == 0) continue;
    EXPECT_LE(from.low, number) << from.source;
    EXPECT_LE(number, from.high) << from.source;
  }
}

TEST_P(PresetTest, TlbArraysDivideIntoTheirWays) {
  for (const TlbArrayGeometry& array : TlbArrays()) {
    EXPECT_EQ(array.entries == 0, array.page_sizes == 0);
    if (array.ways != 0) {
      EXPECT_EQ(array.entries % array.ways, 0);
    }
  }
}

TEST_P(PresetTest, PagingStructureCachesDivideIntoTheirWays) {
  for (const PagingStructureCacheArray& array : WalkCaches()) {
    if (array.ways != 0) {
      EXPECT_EQ(array.entries % array.ways, 0);
    }
  }
}

TEST_P(PresetTest, DataCachesAreWholeSetsOfLines) {
  for (const CacheGeometry& cache : {machine().l1, machine().l2}) {
    ASSERT_NE(cache.ways, 0u);
    EXPECT_EQ(cache.bytes % (uint64_t{cache.line_bytes} * cache.ways), 0u);
  }
  EXPECT_LT(machine().l1.bytes, machine().l2.bytes);
  EXPECT_EQ(machine().l3.bytes == 0,
            machine().cost(CostEvent::kPteLoadL3).value == 0);
}

// Below, what a level adds to an L1 hit is what it takes less the L1 hit.
TEST_P(PresetTest, DataAccessesAndEntryLoadsAgreeOnLatencies) {
  const auto value = [&](CostEvent event) {
    return machine().cost(event).value;
  };
  const uint32_t l1 = value(CostEvent::kPteLoadL1);
  EXPECT_EQ(value(CostEvent::kDataL2), value(CostEvent::kPteLoadL2) - l1);
  EXPECT_EQ(value(CostEvent::kDataDram), value(CostEvent::kPteLoadDram) - l1);
  if (machine().l3.bytes != 0) {
    EXPECT_EQ(value(CostEvent::kDataL3), value(CostEvent::kPteLoadL3) - l1);
  }
  EXPECT_LT(l1, value(CostEvent::kPteLoadL2));
  EXPECT_LT(value(CostEvent::kPteLoadL2), value(CostEvent::kPteLoadDram));
}

// Linux and Xen turned it off.
TEST_P(PresetTest, TheK8AloneHasAFlushFilterAndItIsOff) {
  const bool k8 = machine().name == "opteron-2005";
  EXPECT_EQ(machine().flush_filter.lines != 0, k8);
  EXPECT_FALSE(machine().flush_filter.active());
}

// EPT and nested paging are of machines with VMX or SVM.
TEST_P(PresetTest, NestedPagingNeedsAVmExtension) {
  if (machine().nested.present) {
    EXPECT_TRUE(machine().nested.vm_extension);
  }
}

INSTANTIATE_TEST_SUITE_P(All, PresetTest,
                         testing::ValuesIn(Machines().begin(),
                                           Machines().end()),
                         [](const auto& param) {
                           std::string name(param.param->name);
                           for (char& c : name) {
                             if (c == '-') c = '_';
                           }
                           return name;
                         });

// What the dumps of CPUID say of each machine.
struct Cpuid {
  std::string_view name;
  Vendor vendor;
  int maxphyaddr;
  bool long_mode, la57, pages_1g, nx, pcid, invpcid;
  bool vm_extension, nested_paging;
};

TEST(PresetsTest, FeaturesAreThoseOfTheDumps) {
  constexpr Vendor kIntel = Vendor::kIntel;
  constexpr Vendor kAmd = Vendor::kAmd;
  const std::vector<Cpuid> all = {
      {"xeon-2003", kIntel, 36, 0, 0, 0, 0, 0, 0, 0, 0},
      {"opteron-2005", kAmd, 40, 1, 0, 0, 1, 0, 0, 0, 0},
      {"core2-2006", kIntel, 36, 1, 0, 0, 1, 0, 0, 1, 0},
      {"nehalem-2009", kIntel, 40, 1, 0, 0, 1, 0, 0, 1, 1},
      {"westmere-2010", kIntel, 36, 1, 0, 1, 1, 1, 0, 1, 1},
      {"skylake-2017", kIntel, 46, 1, 0, 1, 1, 1, 1, 1, 1},
      {"zen2-2019", kAmd, 48, 1, 0, 1, 1, 0, 0, 1, 1},
      {"zen3-2020", kAmd, 48, 1, 0, 1, 1, 1, 1, 1, 1},
      {"zen5-2024", kAmd, 52, 1, 1, 1, 1, 1, 1, 1, 1}};
  ASSERT_EQ(Machines().size(), all.size());
  for (size_t i = 0; i < all.size(); ++i) {
    const MachineModel& machine = *Machines()[i];
    SCOPED_TRACE(machine.name);
    EXPECT_EQ(machine.name, all[i].name);
    EXPECT_EQ(machine.features.vendor, all[i].vendor);
    EXPECT_EQ(machine.features.maxphyaddr, all[i].maxphyaddr);
    EXPECT_EQ(machine.features.long_mode, all[i].long_mode);
    EXPECT_EQ(machine.features.la57, all[i].la57);
    EXPECT_EQ(machine.features.pages_1g, all[i].pages_1g);
    EXPECT_EQ(machine.features.nx, all[i].nx);
    EXPECT_EQ(machine.features.pcid, all[i].pcid);
    EXPECT_EQ(machine.features.invpcid, all[i].invpcid);
    EXPECT_EQ(machine.nested.vm_extension, all[i].vm_extension);
    EXPECT_EQ(machine.nested.present, all[i].nested_paging);
  }
}

// IA32_VMX_EPT_VPID_CAP, where there is EPT; 1 GiB leaves need 1 GiB pages.
TEST(PresetsTest, EptIsThatOfTheGeneration) {
  for (const MachineModel* machine : Machines()) {
    if (machine->features.vendor != Vendor::kIntel) continue;
    SCOPED_TRACE(machine->name);
    const bool skylake = machine->name == "skylake-2017";
    const NestedPagingModel& nested = machine->nested;
    EXPECT_TRUE(nested.execute_only);
    EXPECT_TRUE(nested.pages_2m);
    EXPECT_EQ(nested.pages_1g, machine->features.pages_1g);
    EXPECT_FALSE(nested.five_level);
    EXPECT_EQ(nested.mode_based_execute, skylake);
    EXPECT_EQ(nested.accessed_dirty, skylake);
    EXPECT_FALSE(nested.ept_from.source.empty());
    EXPECT_NE(machine->registers_from.source, kNotStated);
  }
}

// Entries of 4 KiB pages that a load finds in the first level and in the
// second.
TEST(PresetsTest, ReachOfTheDataTlbsIsThatOfTheDumps) {
  const std::vector<std::pair<int, int>> all = {
      {64, 0},    {32, 512},  {16, 256},  {64, 512}, {64, 512},
      {64, 1536}, {64, 2048}, {64, 2048}, {96, 4096}};
  ASSERT_EQ(Machines().size(), all.size());
  for (size_t i = 0; i < all.size(); ++i) {
    SCOPED_TRACE(Machines()[i]->name);
    EXPECT_EQ(Machines()[i]->tlb.data_l1[0].entries, all[i].first);
    EXPECT_EQ(Machines()[i]->tlb.data_l2[0].entries, all[i].second);
  }
}

// Without VPIDs each exit and entry drops the guest's entries, and the 2008
// generation of shadow page tables pays for it.
TEST(PresetsTest, TheCore2HasNoVpid) {
  EXPECT_FALSE(FindMachine("core2-2006")->nested.tags);
  EXPECT_TRUE(FindMachine("nehalem-2009")->nested.tags);
}

// SDM Vol. 3C: EPT's accessed and dirty flags; they came with Haswell.
TEST(PresetsTest, EptOfNehalemHasNoAccessedAndDirtyFlags) {
  EXPECT_FALSE(FindMachine("nehalem-2009")->nested.accessed_dirty);
  EXPECT_TRUE(FindMachine("skylake-2017")->nested.accessed_dirty);
  EXPECT_TRUE(FindMachine("zen2-2019")->nested.accessed_dirty);
}

// Agesen et al., USENIX ATC'12: each generation made it cheaper.
TEST(PresetsTest, VmExitsBecameCheaper) {
  uint32_t last = 4340;
  for (const char* name :
       {"xeon-2003", "core2-2006", "nehalem-2009", "westmere-2010"}) {
    const uint32_t exit = FindMachine(name)->cost(CostEvent::kVmExit).value;
    EXPECT_LT(exit, last) << name;
    last = exit;
  }
}

TEST(PresetsTest, DerivedFiguresAddUpToTheirSources) {
  const auto step = [](const char* name) {
    const MachineModel& machine = *FindMachine(name);
    return machine.cost(CostEvent::kWalkOverhead).value +
           machine.cost(CostEvent::kPteLoadFlat).value;
  };
  // What a hit of the L2 TLB adds, and the step past it with one entry loaded:
  // InstLatx64.
  EXPECT_EQ(step("core2-2006"), 2u + 7u);
  EXPECT_EQ(step("nehalem-2009"), 7u + 10u);
  EXPECT_EQ(step("westmere-2010"), 7u + 9u);
  EXPECT_EQ(step("zen2-2019"), 7u + 14u);
  EXPECT_EQ(step("zen3-2020"), 8u + 19u);
  // Torvalds'14, Core Duo: a fault and its return.
  const MachineModel& core2 = *FindMachine("core2-2006");
  EXPECT_EQ(core2.cost(CostEvent::kExceptionEntry).value +
                core2.cost(CostEvent::kIret).value,
            940u);
}

TEST(MachineModelTest, CopiesShareTheTextsOfTheModel) {
  MachineModel copy;
  {
    MachineModel model;
    model.name = model.Keep("of-a-string-that-goes-away");
    copy = model;
  }
  EXPECT_EQ(copy.name, "of-a-string-that-goes-away");
}

TEST(MachineModelTest, ModelsAreEqualIfTheySayTheSame) {
  const MachineModel& preset = *FindMachine("zen3-2020");
  MachineModel copy = preset;
  copy.name = copy.Keep(std::string(preset.name));
  EXPECT_EQ(copy, preset);
  copy.nested.psc.level[2].from.low = 15;
  EXPECT_FALSE(copy == preset);
}

}  // namespace
}  // namespace xmmu::presets_test
