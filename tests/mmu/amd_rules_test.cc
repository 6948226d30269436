// Where AMD's processors keep, drop and read anew other things than Intel's,
// each rule from both sides.
// Source: AMD APM Vol. 2, "TLB Management": implicit invalidations,
// invalidation of table entry upgrades, use of cached entries when reporting a
// page fault, handling of D-bit updates, upper-level entries and INVLPG. PAE's
// PDPTEs are in walked_pdpte_test.cc.

#include <string>

#include "gtest/gtest.h"
#include "mmu/mmu_fixture.h"
#include "mmu/nested_fixture.h"

namespace xmmu::amd_rules_test {
namespace {

constexpr VirtAddr kVa{0x40201000};
constexpr Mfn kFrame{0x40000};

MachineModel ModelOf(Vendor vendor) {
  MachineModel model = TestModel();
  model.features.vendor = vendor;
  return model;
}

// A restriction of an entry, and the access that it forbids.
struct Restriction {
  const char* name;
  uint64_t flag;
  bool when_set;
  Access use;
};
constexpr Restriction kRestrictions[] = {
    {"R/W", pte::kWritable, false, Write(kVa)},
    {"U/S", pte::kUser, false, ByUser(Read(kVa))},
    {"U/S of a write", pte::kUser, false, ByUser(Write(kVa))},
    {"NX", pte::kNoExecute, true, Fetch(kVa)},
};

template <typename Machine, typename Entry>
void Restrict(Machine& machine, Entry at, const Restriction& r, bool on) {
  const uint64_t entry = machine.Load(at);
  machine.Store(at, on == r.when_set ? entry | r.flag : entry & ~r.flag);
}

// ---- Upgrades without an invalidation.

TEST(UpgradeTest, IsFoundAtOnceByAmdAndCostsIntelOneFault) {
  for (const PagingMode mode : kAllPagingModes) {
    for (const Restriction& r : kRestrictions) {
      if (r.when_set && mode == PagingMode::k2Level) continue;
      for (int level = 1; level <= LevelCount(mode); ++level) {
        if (mode == PagingMode::kPae && level == 3) continue;  // no such bits
        for (const Vendor vendor : {Vendor::kIntel, Vendor::kAmd}) {
          SCOPED_TRACE(std::string(PagingModeName(mode)) + " " + r.name +
                       " level " + std::to_string(level));
          TestMachine m(mode, ModelOf(vendor));
          m.Map(kVa, kFrame);
          Restrict(m, m.EntryAt(kVa, level), r, true);
          m.MustTranslate(Read(kVa));
          Restrict(m, m.EntryAt(kVa, level), r, false);
          const bool amd = vendor == Vendor::kAmd;
          EXPECT_EQ(m.mmu().Translate(r.use).ok(), amd);
          m.MustTranslate(r.use);
        }
      }
    }
  }
}

// The page itself is not cached, what leads to it is.
TEST(UpgradeTest, OfAnUpperLevelCachedForAnotherPageIsFoundTheSameWay) {
  for (const Restriction& r : kRestrictions) {
    for (int level = 2; level <= 4; ++level) {
      for (const Vendor vendor : {Vendor::kIntel, Vendor::kAmd}) {
        TestMachine m(PagingMode::k4Level, ModelOf(vendor));
        m.Map(kVa, kFrame);
        m.Map(kVa + kPageSize, kFrame + 1);
        Restrict(m, m.EntryAt(kVa, level), r, true);
        m.MustTranslate(Read(kVa + kPageSize));
        Restrict(m, m.EntryAt(kVa, level), r, false);
        EXPECT_EQ(m.mmu().Translate(r.use).ok(), vendor == Vendor::kAmd)
            << r.name << level;
        m.MustTranslate(r.use);
      }
    }
  }
}

TEST(UpgradeTest, OfALargePageIsFoundTheSameWay) {
  for (const Restriction& r : kRestrictions) {
    for (int level = 2; level <= 3; ++level) {
      for (const Vendor vendor : {Vendor::kIntel, Vendor::kAmd}) {
        TestMachine m(PagingMode::k4Level, ModelOf(vendor));
        m.Map(kVa, kFrame, kUserPage, level);
        Restrict(m, m.EntryAt(kVa, level), r, true);
        m.MustTranslate(Read(kVa));
        Restrict(m, m.EntryAt(kVa, level), r, false);
        EXPECT_EQ(m.mmu().Translate(r.use).ok(), vendor == Vendor::kAmd)
            << r.name << level;
      }
    }
  }
}

// A cached entry leads to a table of old in which the page is not present, or
// has a reserved bit; memory has another table by now.
TEST(UpgradeTest, AFaultByAnOldTableIsNoneOfAmds) {
  for (const uint64_t old_entry : {uint64_t{0}, uint64_t{1} << 45 | 1}) {
    for (const Vendor vendor : {Vendor::kIntel, Vendor::kAmd}) {
      TestMachine m(PagingMode::k4Level, ModelOf(vendor));
      m.Map(kVa, kFrame);
      m.Map(kVa + kPageSize, kFrame + 1);
      m.MustTranslate(Read(kVa + kPageSize));
      const MachineAddr old_slot = m.EntryAt(kVa, 1);
      const Mfn table = m.NewTable();
      m.Store(m.EntryAt(kVa, 2), Pte(table, kTableFlags).raw());
      m.Map(kVa, kFrame + 2);
      m.Store(old_slot, old_entry);
      const TranslateResult first = m.mmu().Translate(Read(kVa));
      EXPECT_EQ(first.ok(), vendor == Vendor::kAmd);
      EXPECT_EQ(m.MustTranslate(Read(kVa)), AddressOf(kFrame + 2));
    }
  }
}

TEST(UpgradeTest, AConfirmedFaultIsReportedAndLeavesNothingOfTheAddress) {
  TestMachine m(PagingMode::k4Level, ModelOf(Vendor::kAmd));
  m.Map(kVa, kFrame, kKernelPage & ~pte::kWritable);
  m.MustTranslate(Read(kVa));
  EXPECT_EQ(m.ErrorCode(Write(kVa)), pf::kProtection | pf::kWrite);
  EXPECT_TRUE(m.mmu().TlbEntries().empty());
  EXPECT_TRUE(m.mmu().PagingStructureEntries().empty());
}

// Intel's verdict comes from the TLB, AMD's from memory.
TEST(UpgradeTest, ARefusalByACachedPageTakesAmdAWalkFromTheRoot) {
  for (const Vendor vendor : {Vendor::kIntel, Vendor::kAmd}) {
    TestMachine m(PagingMode::k4Level, ModelOf(vendor));
    m.Map(kVa, kFrame, kKernelPage & ~pte::kWritable);
    m.MustTranslate(Read(kVa));
    EXPECT_EQ(m.LoadsOf(Write(kVa)), vendor == Vendor::kAmd ? 4u : 0u);
  }
}

// A write that has only D to set may use cached upper levels on both vendors'
// CPUs.
TEST(UpgradeTest, SettingDGoesByCachedUpperLevelsOnBoth) {
  for (const Vendor vendor : {Vendor::kIntel, Vendor::kAmd}) {
    TestMachine m(PagingMode::k4Level, ModelOf(vendor));
    m.Map(kVa, kFrame, kUserPage & ~pte::kDirty);
    m.MustTranslate(Read(kVa));
    EXPECT_EQ(m.LoadsOf(Write(kVa)), 1u);
    EXPECT_TRUE(m.EntryOf(kVa, 1).dirty());
  }
}

TEST(UpgradeTest, OfAGuestsTablesUnderNestedPagingIsFoundByAmdAtOnce) {
  for (const PagingMode mode : kAllPagingModes) {
    for (const Restriction& r : kRestrictions) {
      if (r.when_set && mode == PagingMode::k2Level) continue;
      for (int level = 1; level <= LevelCount(mode); ++level) {
        if (mode == PagingMode::kPae && level == 3) continue;
        NestedMachine m({.guest = mode,
                         .vendor = Vendor::kAmd,
                         .guest_psc = true,
                         .nested_psc = true,
                         .nested_tlb = 16});
        m.Map(kVa, Gfn(0x2345));
        Restrict(m, m.EntryAt(kVa, level), r, true);
        ASSERT_TRUE(m.mmu().Translate(Read(kVa)).ok());
        Restrict(m, m.EntryAt(kVa, level), r, false);
        EXPECT_TRUE(m.mmu().Translate(r.use).ok())
            << PagingModeName(mode) << " " << r.name << " level " << level;
      }
    }
  }
}

// The nested tables' own restrictions: no #VMEXIT(NPF) that they no longer call
// for.
TEST(UpgradeTest, OfTheNestedTablesIsFoundByAmdAtOnce) {
  const struct {
    uint64_t flag;
    bool when_set;
    Access use;
  } cases[] = {{pte::kWritable, false, Write(kVa)},
               {pte::kNoExecute, true, Fetch(kVa)},
               {pte::kPresent, false, Write(kVa)}};
  for (const auto& c : cases) {
    for (int level = 1; level <= 4; ++level) {
      NestedMachine m({.vendor = Vendor::kAmd,
                       .guest_psc = true,
                       .nested_psc = true,
                       .nested_tlb = 16});
      // The page has a path of its own in the nested tables.
      const Gfn far(uint64_t{1} << 27 | 0x2345);
      m.Map(kVa, far);
      const auto set = [&](bool on) {
        if (on == c.when_set) {
          m.SetNested(far, level, c.flag);
        } else {
          m.ClearNested(far, level, c.flag);
        }
      };
      if (c.flag != pte::kPresent) {
        set(true);
        ASSERT_TRUE(m.mmu().Translate(Read(kVa)).ok());
        set(false);
      } else {
        // An upper level is cached that leads to a table without the page.
        m.MapNested(far + 1);
        m.Map(kVa + kPageSize, far + 1);
        m.memory().Write64(m.NestedEntryAt(far, 1), 0);
        ASSERT_TRUE(m.mmu().Translate(Read(kVa + kPageSize)).ok());
        EXPECT_TRUE(m.FaultOf(Write(kVa)).is_violation());
        m.MapNested(far);
      }
      EXPECT_TRUE(m.mmu().Translate(c.use).ok()) << c.flag << " " << level;
    }
  }
}

// ---- What a move to a control register drops.

enum class Goes { kNothing, kPcid, kAll };

struct Move {
  const char* name;
  void (*prepare)(TestMachine&);
  void (*make)(TestMachine&);
  Goes intel, amd;
};

void Nothing(TestMachine&) {}

constexpr Move kMoves[] = {
    {"PSE 1 to 0", Nothing, [](TestMachine& m) { m.ClearCr4(cr4::kPse); },
     Goes::kNothing, Goes::kAll},
    {"PSE 0 to 1", [](TestMachine& m) { m.ClearCr4(cr4::kPse); },
     [](TestMachine& m) { m.SetCr4(cr4::kPse); }, Goes::kNothing, Goes::kAll},
    {"SMEP 0 to 1", Nothing, [](TestMachine& m) { m.SetCr4(cr4::kSmep); },
     Goes::kPcid, Goes::kNothing},
    {"SMEP 1 to 0", [](TestMachine& m) { m.SetCr4(cr4::kSmep); },
     [](TestMachine& m) { m.ClearCr4(cr4::kSmep); }, Goes::kNothing,
     Goes::kNothing},
    {"PKE 0 to 1", Nothing, [](TestMachine& m) { m.SetCr4(cr4::kPke); },
     Goes::kNothing, Goes::kAll},
    {"PKE 1 to 0", [](TestMachine& m) { m.SetCr4(cr4::kPke); },
     [](TestMachine& m) { m.ClearCr4(cr4::kPke); }, Goes::kNothing,
     Goes::kNothing},
    {"SMAP", Nothing, [](TestMachine& m) { m.SetCr4(cr4::kSmap); },
     Goes::kNothing, Goes::kNothing},
    {"PGE", Nothing, [](TestMachine& m) { m.ClearCr4(cr4::kPge); }, Goes::kAll,
     Goes::kAll},
    {"PCIDE 1 to 0", Nothing, [](TestMachine& m) { m.ClearCr4(cr4::kPcide); },
     Goes::kAll, Goes::kAll},
    {"WP", Nothing, [](TestMachine& m) { m.ClearCr0(cr0::kWp); },
     Goes::kNothing, Goes::kNothing},
    {"CD", Nothing, [](TestMachine& m) { m.SetCr0(cr0::kCd); }, Goes::kNothing,
     Goes::kNothing},
    {"NXE", Nothing, [](TestMachine& m) { m.ClearEfer(efer::kNxe); },
     Goes::kNothing, Goes::kNothing},
    {"PG 1 to 0", [](TestMachine& m) { m.ClearCr4(cr4::kPcide); },
     [](TestMachine& m) { m.ClearCr0(cr0::kPg); }, Goes::kAll, Goes::kAll},
};

TEST(ImplicitInvalidationTest, FollowsTheListOfTheVendor) {
  constexpr VirtAddr kGlobal{0x40205000};
  for (const Vendor vendor : {Vendor::kIntel, Vendor::kAmd}) {
    for (const Move& move : kMoves) {
      TestMachine m(PagingMode::k4Level, ModelOf(vendor));
      m.Map(kVa, kFrame);
      m.Map(kGlobal, kFrame + 5, kUserPage | pte::kGlobal);
      m.SetCr4(cr4::kPcide);
      move.prepare(m);
      const bool pcids = (m.mmu().registers().cr4 & cr4::kPcide) != 0;
      if (pcids) {
        m.LoadCr3(m.cr3() | 7);
        m.MustTranslate(Read(kVa));
        m.LoadCr3(m.cr3());
      }
      m.MustTranslate(Read(kVa));
      m.MustTranslate(Read(kGlobal));
      const size_t pages = m.mmu().TlbEntries().size();
      const uint64_t flushes = m.counters()[Counter::kTlbFlushes];
      move.make(m);
      const Goes goes = vendor == Vendor::kIntel ? move.intel : move.amd;
      size_t left = goes == Goes::kNothing ? pages : 0;
      // Two entries of PCID 7 are left, one in each level of the TLB.
      if (goes == Goes::kPcid) left = 2;
      EXPECT_EQ(m.mmu().TlbEntries().size(), left)
          << move.name << (vendor == Vendor::kAmd ? " AMD" : " Intel");
      EXPECT_EQ(m.mmu().PagingStructureEntries().empty(), goes == Goes::kAll);
      EXPECT_EQ(m.counters()[Counter::kTlbFlushes] - flushes,
                goes == Goes::kNothing ? 0u : 1u)
          << move.name;
    }
  }
}

TEST(ImplicitInvalidationTest, AChangeOfPaeTakesAmdsGlobalsOfAllToo) {
  for (const Vendor vendor : {Vendor::kIntel, Vendor::kAmd}) {
    TestMachine m(PagingMode::k2Level, ModelOf(vendor));
    m.Map(kVa, kFrame, kUserPage | pte::kGlobal);
    m.MustTranslate(Read(kVa));
    m.SetCr4(cr4::kPae);
    EXPECT_TRUE(m.mmu().TlbEntries().empty());
  }
}

// ---- Upper-level entries and INVLPG, INVPCID.

// Upper-level entries of an unrelated address left: in PCID 0, in PCID 7.
struct Left {
  bool own, foreign;
  bool operator==(const Left&) const = default;
};

Left AfterInvalidation(Vendor vendor, bool tce, bool invpcid) {
  constexpr VirtAddr kFar{0x7f0000000000};
  TestMachine m(PagingMode::k4Level, ModelOf(vendor));
  m.Map(kVa, kFrame);
  m.Map(kFar, kFrame + 1);
  m.SetCr4(cr4::kPcide);
  if (tce) m.SetEfer(efer::kTce);
  m.LoadCr3(m.cr3() | 7);
  m.MustTranslate(Read(kFar));
  m.LoadCr3(m.cr3());
  m.MustTranslate(Read(kFar));
  m.MustTranslate(Read(kVa));
  if (invpcid) {
    EXPECT_FALSE(m.mmu().Invpcid(InvpcidType::kAddress, 0, kVa).has_value());
  } else {
    m.mmu().Invlpg(kVa);
  }
  Left left{};
  for (const auto& entry : m.mmu().PagingStructureEntries()) {
    // No entry on the way to the page may stay.
    const bool far = entry.va.value() >> 39 == kFar.value() >> 39;
    EXPECT_TRUE(far || entry.pcid == 7);
    if (far) (entry.pcid == 7 ? left.foreign : left.own) = true;
  }
  return left;
}

TEST(UpperLevelTest, AmdsInvalidationOfAPageTakesAllUnlessTceIsSet) {
  EXPECT_EQ(AfterInvalidation(Vendor::kIntel, false, false),
            (Left{false, true}));
  EXPECT_EQ(AfterInvalidation(Vendor::kAmd, false, false),
            (Left{false, false}));
  EXPECT_EQ(AfterInvalidation(Vendor::kAmd, true, false), (Left{true, true}));
  EXPECT_EQ(AfterInvalidation(Vendor::kIntel, false, true), (Left{true, true}));
  EXPECT_EQ(AfterInvalidation(Vendor::kAmd, false, true), (Left{false, false}));
  EXPECT_EQ(AfterInvalidation(Vendor::kAmd, true, true), (Left{true, true}));
}

}  // namespace
}  // namespace xmmu::amd_rules_test
