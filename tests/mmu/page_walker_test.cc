// Each test makes one cold access and checks what the walk reads, sets and
// answers.

#include "xmmu/mmu/page_walker.h"

#include <string>
#include <tuple>

#include "gtest/gtest.h"
#include "mmu/mmu_fixture.h"

namespace xmmu::page_walker_test {
namespace {

constexpr VirtAddr kVa{0x40201000};
constexpr Mfn kFrame{0x345};

class EveryModeTest : public testing::TestWithParam<PagingMode> {
 protected:
  // Lowest level whose entries a walk loads from memory is 1, highest this.
  static int TopLoaded() {
    return GetParam() == PagingMode::kPae ? 2 : LevelCount(GetParam());
  }
};

std::string ModeName(const testing::TestParamInfo<PagingMode>& mode) {
  std::string name(PagingModeName(mode.param));
  std::erase(name, '-');
  return name;
}
INSTANTIATE_TEST_SUITE_P(Modes, EveryModeTest,
                         testing::ValuesIn(kAllPagingModes), ModeName);

TEST_P(EveryModeTest, APageTranslatesWithItsOffset) {
  TestMachine machine(GetParam());
  machine.Map(kVa, kFrame);
  EXPECT_EQ(machine.MustTranslate(Read(kVa + 0xabc)),
            AddressOf(kFrame) + 0xabc);
}

TEST_P(EveryModeTest, AColdWalkLoadsOneEntryALevel) {
  TestMachine machine(GetParam());
  machine.Map(kVa, kFrame);
  EXPECT_EQ(machine.LoadsOf(Read(kVa)), static_cast<uint64_t>(TopLoaded()));
}

TEST_P(EveryModeTest, NothingMappedIsANotPresentFault) {
  TestMachine machine(GetParam());
  EXPECT_EQ(machine.ErrorCode(Read(kVa)), 0u);
  EXPECT_EQ(machine.ErrorCode(ByUser(Write(kVa))), pf::kWrite | pf::kUser);
}

TEST_P(EveryModeTest, AWalkSetsAccessedOnItsWayAndDirtyOnAWriteAtTheLeaf) {
  TestMachine machine(GetParam());
  machine.Map(kVa, kFrame, kUserPage & ~(pte::kAccessed | pte::kDirty));
  for (int level = 2; level <= TopLoaded(); ++level) {
    machine.ClearFlags(kVa, level, pte::kAccessed);
  }
  machine.MustTranslate(Read(kVa));
  for (int level = 1; level <= TopLoaded(); ++level) {
    EXPECT_TRUE(machine.EntryOf(kVa, level).accessed()) << level;
    EXPECT_FALSE(machine.EntryOf(kVa, level).dirty()) << level;
  }
  EXPECT_EQ(machine.counters()[Counter::kAdUpdates],
            static_cast<uint64_t>(TopLoaded()));
  machine.MustTranslate(Write(kVa));
  EXPECT_TRUE(machine.EntryOf(kVa, 1).dirty());
  for (int level = 2; level <= TopLoaded(); ++level) {
    EXPECT_FALSE(machine.EntryOf(kVa, level).dirty()) << level;
  }
}

TEST_P(EveryModeTest, AWriteSetsAccessedAndDirtyOfTheLeafInOneUpdate) {
  TestMachine machine(GetParam());
  machine.Map(kVa, kFrame, kUserPage & ~(pte::kAccessed | pte::kDirty));
  machine.MustTranslate(Write(kVa));
  EXPECT_TRUE(machine.EntryOf(kVa, 1).accessed());
  EXPECT_TRUE(machine.EntryOf(kVa, 1).dirty());
  EXPECT_EQ(machine.counters()[Counter::kAdUpdates], 1u);
}

TEST_P(EveryModeTest, ARefusedAccessSetsAccessedAboveTheLeafOnly) {
  TestMachine machine(GetParam());
  machine.Map(kVa, kFrame, kKernelPage & ~(pte::kAccessed | pte::kDirty));
  machine.ClearFlags(kVa, 2, pte::kAccessed);
  EXPECT_EQ(machine.ErrorCode(ByUser(Write(kVa))),
            pf::kProtection | pf::kWrite | pf::kUser);
  EXPECT_TRUE(machine.EntryOf(kVa, 2).accessed());
  EXPECT_FALSE(machine.EntryOf(kVa, 1).accessed());
  EXPECT_FALSE(machine.EntryOf(kVa, 1).dirty());
}

TEST_P(EveryModeTest, AnAbsentLeafLeavesAccessedSetAboveIt) {
  TestMachine machine(GetParam());
  machine.Store(machine.EntryAt(kVa, 1), 0);
  machine.ClearFlags(kVa, 2, pte::kAccessed);
  EXPECT_EQ(machine.ErrorCode(Read(kVa)), 0u);
  EXPECT_TRUE(machine.EntryOf(kVa, 2).accessed());
}

TEST_P(EveryModeTest, RightsAreTheConjunctionOfAllLevels) {
  for (int level = 1; level <= TopLoaded(); ++level) {
    TestMachine machine(GetParam());
    machine.Map(kVa, kFrame);
    EXPECT_FALSE(machine.ErrorCode(ByUser(Write(kVa))).has_value());
    machine.ClearFlags(kVa, level, pte::kWritable);
    ASSERT_FALSE(machine.mmu().FlushAll().has_value());
    EXPECT_EQ(machine.ErrorCode(ByUser(Write(kVa))),
              pf::kProtection | pf::kWrite | pf::kUser)
        << level;
    machine.ClearFlags(kVa, level, pte::kUser);
    ASSERT_FALSE(machine.mmu().FlushAll().has_value());
    EXPECT_EQ(machine.ErrorCode(ByUser(Read(kVa))), pf::kProtection | pf::kUser)
        << level;
  }
}

TEST_P(EveryModeTest, LargePagesTranslateToTheirLastByte) {
  TestMachine machine(GetParam());
  const uint64_t bytes = uint64_t{1} << LevelShift(GetParam(), 2);
  const VirtAddr va(bytes * 5);
  machine.Map(va, Mfn(0x1000), kUserPage, 2);
  EXPECT_EQ(machine.MustTranslate(Read(va + (bytes - 1))),
            AddressOf(Mfn(0x1000)) + (bytes - 1));
  EXPECT_EQ(machine.mmu().TlbEntries()[0].page_bytes(), bytes);
  EXPECT_EQ(machine.ErrorCode(Read(va + bytes)), 0u);
}

TEST_P(EveryModeTest, AProbeTellsWhatAnAccessWouldAndChangesNothing) {
  TestMachine machine(GetParam());
  machine.Map(kVa, kFrame, kUserPage & ~(pte::kAccessed | pte::kDirty));
  const Cycles busy = machine.clock().busy();
  const Counters before = machine.counters();
  const TranslateResult probed = machine.mmu().Probe(Write(kVa + 8));
  ASSERT_TRUE(probed.ok());
  EXPECT_EQ(probed.addr(), AddressOf(kFrame) + 8);
  EXPECT_FALSE(machine.EntryOf(kVa, 1).accessed());
  EXPECT_EQ(machine.clock().busy(), busy);
  EXPECT_EQ(machine.counters(), before);
  EXPECT_TRUE(machine.mmu().TlbEntries().empty());
}

TEST(PageWalkerTest, WalkEntriesNameEachEntryRead) {
  TestMachine machine;
  machine.Map(kVa, kFrame);
  const WalkResult walk = machine.mmu().ProbeWalk(Read(kVa));
  ASSERT_TRUE(walk.ok);
  ASSERT_EQ(walk.entries.size(), 4u);
  for (int i = 0; i < 4; ++i) {
    const WalkEntry& used = walk.entries[static_cast<size_t>(i)];
    EXPECT_EQ(used.level, 4 - i);
    EXPECT_EQ(used.addr, machine.EntryAt(kVa, 4 - i));
    EXPECT_EQ(used.entry, machine.EntryOf(kVa, 4 - i));
  }
}

TEST(PageWalkerTest, OneGigabytePagesNeedTheFeature) {
  for (const bool supported : {true, false}) {
    MachineModel model = TestModel();
    model.features.pages_1g = supported;
    TestMachine machine(PagingMode::k4Level, model);
    const VirtAddr va(uint64_t{7} << 30);
    machine.Map(va, Mfn(0x40000), kUserPage, 3);
    if (supported) {
      EXPECT_EQ(machine.MustTranslate(Read(va + 0x3fffffff)),
                MachineAddr(0x40000000 + 0x3fffffff));
    } else {
      EXPECT_EQ(machine.ErrorCode(Read(va)), pf::kProtection | pf::kReserved);
    }
  }
}

TEST(PageWalkerTest, Pse36PutsAddressBits39To32IntoThePde) {
  TestMachine machine(PagingMode::k2Level);
  const VirtAddr va(0x00c00000);
  machine.Store(machine.EntryAt(va, 2),
                0x00800000 | (0xa5u << 13) | kUserPage | pte::kPageSize);
  EXPECT_EQ(machine.MustTranslate(Read(va + 0x123456)),
            MachineAddr(0xa500800000 + 0x123456));
}

TEST(PageWalkerTest, Pse36ReservesTheBitsAboveMaxphyaddr) {
  for (const auto& [width, bit, reserved] : {std::tuple{36, 16, false},
                                             {36, 17, true},
                                             {40, 20, false},
                                             {40, 21, true},
                                             {52, 20, false},
                                             {32, 13, true}}) {
    MachineModel model = TestModel();
    model.features.maxphyaddr = width;
    TestMachine machine(PagingMode::k2Level, model);
    const VirtAddr va(0x00c00000);
    machine.Store(machine.EntryAt(va, 2),
                  uint64_t{1} << bit | kUserPage | pte::kPageSize);
    EXPECT_EQ(machine.ErrorCode(Read(va)).has_value(), reserved)
        << width << " " << bit;
  }
}

TEST(PageWalkerTest, WithoutPseAPdeAlwaysNamesATable) {
  TestMachine machine(PagingMode::k2Level);
  machine.ClearCr4(cr4::kPse);
  machine.Map(kVa, kFrame);
  machine.SetFlags(kVa, 2, pte::kPageSize);
  EXPECT_EQ(machine.MustTranslate(Read(kVa)), AddressOf(kFrame));
}

TEST(PageWalkerTest, FrameBitsFromMaxphyaddrUpAreReserved) {
  for (const PagingMode mode : {PagingMode::kPae, PagingMode::k4Level}) {
    for (int level = 1; level <= 2; ++level) {
      for (const int bit : {39, 40, 51}) {
        TestMachine machine(mode);
        machine.Map(kVa, kFrame);
        machine.SetFlags(kVa, level, uint64_t{1} << bit);
        const std::optional<uint32_t> code = machine.ErrorCode(Read(kVa));
        // Bit 39 of a PDE is a good address where nothing is mapped.
        if (bit == 39) {
          EXPECT_NE(code.value_or(0), pf::kProtection | pf::kReserved);
        } else {
          EXPECT_EQ(code, pf::kProtection | pf::kReserved) << level << bit;
        }
      }
    }
  }
}

TEST(PageWalkerTest, HighIgnoredBitsOfLongModeAreReservedInPae) {
  for (const PagingMode mode : {PagingMode::kPae, PagingMode::k4Level}) {
    TestMachine machine(mode);
    machine.Map(kVa, kFrame);
    machine.SetFlags(kVa, 1, uint64_t{1} << 52);
    EXPECT_EQ(machine.ErrorCode(Read(kVa)).has_value(),
              mode == PagingMode::kPae);
  }
}

TEST(PageWalkerTest, NoExecuteIsReservedWithoutNxe) {
  TestMachine machine;
  machine.Map(kVa, kFrame, kUserPage | pte::kNoExecute);
  EXPECT_FALSE(machine.ErrorCode(Read(kVa)).has_value());
  machine.ClearEfer(efer::kNxe);
  machine.mmu().Invlpg(kVa);
  EXPECT_EQ(machine.ErrorCode(Read(kVa)), pf::kProtection | pf::kReserved);
}

TEST(PageWalkerTest, Bit8OfTheTopEntriesIsReservedByAmdOnly) {
  for (const Vendor vendor : {Vendor::kIntel, Vendor::kAmd}) {
    for (const int level : {3, 4, 5}) {
      MachineModel model = TestModel();
      model.features.vendor = vendor;
      TestMachine machine(PagingMode::k5Level, model);
      machine.Map(kVa, kFrame);
      machine.SetFlags(kVa, level, pte::kGlobal);
      EXPECT_EQ(machine.ErrorCode(Read(kVa)).has_value(),
                vendor == Vendor::kAmd && level >= 4)
          << level;
    }
  }
}

TEST(PageWalkerTest, NotPresentComesBeforeReserved) {
  TestMachine machine;
  machine.Map(kVa, kFrame);
  machine.SetFlags(kVa, 1, uint64_t{1} << 45);
  machine.ClearFlags(kVa, 1, pte::kPresent);
  EXPECT_EQ(machine.ErrorCode(Read(kVa)), 0u);
}

TEST(PageWalkerTest, TheFirstBadLevelFromTheRootDecides) {
  TestMachine machine;
  machine.Map(kVa, kFrame);
  machine.SetFlags(kVa, 3, uint64_t{1} << 45);
  machine.ClearFlags(kVa, 1, pte::kPresent);
  EXPECT_EQ(machine.ErrorCode(Read(kVa)), pf::kProtection | pf::kReserved);
  machine.ClearFlags(kVa, 4, pte::kPresent);
  EXPECT_EQ(machine.ErrorCode(Read(kVa)), 0u);
}

TEST(PageWalkerTest, ReservedComesBeforeRights) {
  TestMachine machine;
  machine.Map(kVa, kFrame, kKernelPage);
  machine.SetFlags(kVa, 1, uint64_t{1} << 45);
  EXPECT_EQ(machine.ErrorCode(ByUser(Write(kVa))),
            pf::kProtection | pf::kReserved | pf::kUser | pf::kWrite);
}

TEST(PageWalkerTest, ATableThatMapsItselfIsOneCellAtEveryLevel) {
  TestMachine machine;
  const uint64_t slot = 300;
  const MachineAddr self = AddressOf(machine.root()) + slot * 8;
  machine.Store(self,
                Pte(machine.root(), pte::kPresent | pte::kWritable).raw());
  uint64_t va = 0;
  for (const int shift : {12, 21, 30, 39}) va |= slot << shift;
  va |= 0xffff000000000000;
  EXPECT_EQ(machine.MustTranslate(Write(VirtAddr(va))),
            AddressOf(machine.root()));
  EXPECT_TRUE(Pte(machine.Load(self)).dirty());
  EXPECT_EQ(machine.counters()[Counter::kAdUpdates], 2u);  // A once, then D
}

TEST(PageWalkerTest, ATableWrittenAfterAnEmptyWalkIsSeen) {
  TestMachine machine;
  const Mfn far{uint64_t{1} << 27};  // in a part of memory never touched
  machine.Store(machine.EntryAt(kVa, 2), Pte(far, kTableFlags).raw());
  EXPECT_EQ(machine.ErrorCode(Read(kVa)), 0u);
  machine.Map(kVa, kFrame);
  EXPECT_EQ(machine.MustTranslate(Read(kVa)), AddressOf(kFrame));
  machine.memory().ZeroFrame(far);
  machine.mmu().Invlpg(kVa);
  EXPECT_EQ(machine.ErrorCode(Read(kVa)), 0u);
}

}  // namespace
}  // namespace xmmu::page_walker_test
