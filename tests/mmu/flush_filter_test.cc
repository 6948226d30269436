// Tests what a flush filter spares and what makes it flush, on both sides of
// each edge.

#include "xmmu/mmu/internal/flush_filter.h"

#include "gtest/gtest.h"
#include "mmu/mmu_fixture.h"

namespace xmmu::flush_filter_test {
namespace {

constexpr VirtAddr kVa{0x40000000};
constexpr VirtAddr kFar{0x40020000};  // the same tables, another line of L1

MachineModel K8(uint16_t lines = 32, uint16_t address_spaces = 4) {
  MachineModel model = TestModel();
  model.features.pcid = model.features.invpcid = false;
  model.flush_filter = {lines, address_spaces, /*enabled=*/true};
  return model;
}

class FlushFilterTest : public testing::TestWithParam<PagingMode> {
 protected:
  explicit FlushFilterTest(const MachineModel& model = K8())
      : machine_(GetParam(), model) {
    machine_.Map(kVa, Mfn(1));
    machine_.Map(kFar, Mfn(2));
    other_ = machine_.NewTable();
    machine_.Store(machine_.EntryAt(other_, kVa, 1),
                   Pte(Mfn(3), kUserPage).raw());
    machine_.LoadCr3(machine_.cr3());  // whatever building has left
    machine_.LoadCr3(machine_.cr3());
    flushes_ = Flushes();
  }

  uint64_t Flushes() { return machine_.counters()[Counter::kTlbFlushes]; }
  // Whether a load of CR3 flushes.
  bool LoadFlushes(uint64_t cr3) {
    const uint64_t flushes = Flushes();
    const uint64_t filtered = machine_.counters()[Counter::kTlbFlushesFiltered];
    machine_.LoadCr3(cr3);
    const bool flushed = Flushes() != flushes;
    EXPECT_EQ(machine_.counters()[Counter::kTlbFlushesFiltered] != filtered,
              !flushed);
    return flushed;
  }
  bool LoadFlushes() { return LoadFlushes(machine_.cr3()); }
  uint64_t other() const { return AddressOf(other_).value(); }

  TestMachine machine_;
  Mfn other_;
  uint64_t flushes_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Modes, FlushFilterTest,
                         testing::Values(PagingMode::k2Level, PagingMode::kPae,
                                         PagingMode::k4Level),
                         [](const testing::TestParamInfo<PagingMode>& mode) {
                           return "Levels" +
                                  std::to_string(LevelCount(mode.param));
                         });

TEST_P(FlushFilterTest, WhatHasNotBeenStoredToStaysCached) {
  machine_.MustTranslate(Read(kVa));
  EXPECT_FALSE(LoadFlushes());
  EXPECT_EQ(machine_.LoadsOf(Read(kVa)), 0u);
}

TEST_P(FlushFilterTest, AStoreToAnyEntryOnTheWayFlushesOnce) {
  const int top = GetParam() == PagingMode::kPae ? 2 : LevelCount(GetParam());
  for (int level = 1; level <= top; ++level) {
    machine_.MustTranslate(Read(kVa));
    const MachineAddr entry = machine_.EntryAt(kVa, level);
    machine_.Store(entry, machine_.Load(entry));  // the same value will do
    EXPECT_TRUE(LoadFlushes()) << level;
    EXPECT_GT(machine_.LoadsOf(Read(kVa)), 0u);
    EXPECT_FALSE(LoadFlushes()) << level;
  }
}

TEST_P(FlushFilterTest, TheWatchIsOnLines) {
  machine_.MustTranslate(Read(kVa));
  const MachineAddr entry = machine_.EntryAt(kVa, 1);
  machine_.Store(machine_.EntryAt(kFar, 1), Pte(Mfn(4), kUserPage).raw());
  EXPECT_FALSE(LoadFlushes());
  // This entry is in the first line of the table, as kVa's is.
  machine_.Store(entry + 64 - 8, 0);
  EXPECT_TRUE(LoadFlushes());
}

TEST_P(FlushFilterTest, WhatNoTranslationWasMadeFromIsNotWatched) {
  machine_.Store(machine_.EntryAt(kVa, 1), Pte(Mfn(5), kUserPage).raw());
  EXPECT_FALSE(LoadFlushes());
  // A fault caches nothing.
  EXPECT_TRUE(machine_.ErrorCode(Read(kVa + (8u << 12))).has_value());
  machine_.Store(machine_.EntryAt(kVa + (8u << 12), 1),
                 Pte(Mfn(5), kUserPage).raw());
  EXPECT_FALSE(LoadFlushes());
}

TEST_P(FlushFilterTest, AddressSpacesAreToldApart) {
  EXPECT_EQ(machine_.MustTranslate(Read(kVa)), AddressOf(Mfn(1)));
  EXPECT_FALSE(LoadFlushes(other()));
  EXPECT_EQ(machine_.MustTranslate(Read(kVa)), AddressOf(Mfn(3)));
  EXPECT_FALSE(LoadFlushes());
  EXPECT_EQ(machine_.LoadsOf(Read(kVa)), 0u);
  EXPECT_EQ(machine_.MustTranslate(Read(kVa)), AddressOf(Mfn(1)));
}

TEST_P(FlushFilterTest, TheLongestUnusedAddressSpaceMakesRoom) {
  machine_.MustTranslate(Read(kVa));
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(LoadFlushes(AddressOf(machine_.NewTable()).value()));
  }
  EXPECT_FALSE(LoadFlushes());  // four address spaces: still known
  EXPECT_EQ(machine_.LoadsOf(Read(kVa)), 0u);
  for (int i = 0; i < 4; ++i) {
    EXPECT_FALSE(LoadFlushes(AddressOf(machine_.NewTable()).value()));
    EXPECT_TRUE(machine_.ErrorCode(Read(kVa)).has_value());
  }
  EXPECT_FALSE(LoadFlushes());
  EXPECT_GT(machine_.LoadsOf(Read(kVa)), 0u);
}

TEST_P(FlushFilterTest, AStoreToATableOfAnAddressSpaceLeftBehindFlushes) {
  machine_.MustTranslate(Read(kVa));
  EXPECT_FALSE(LoadFlushes(other()));
  machine_.Store(machine_.EntryAt(kVa, 1), Pte(Mfn(6), kUserPage).raw());
  EXPECT_TRUE(LoadFlushes());
  EXPECT_EQ(machine_.MustTranslate(Read(kVa)), AddressOf(Mfn(6)));
}

TEST_P(FlushFilterTest, TheWalkersOwnFlagsDoNotCount) {
  machine_.ClearFlags(kVa, 1, pte::kAccessed | pte::kDirty);
  machine_.MustTranslate(Read(kVa));
  machine_.MustTranslate(Write(kVa));
  EXPECT_TRUE(machine_.EntryOf(kVa, 1).dirty());
  EXPECT_FALSE(LoadFlushes());
  machine_.ClearFlags(kVa, 1, pte::kDirty);
  EXPECT_TRUE(LoadFlushes());
}

TEST_P(FlushFilterTest, AControlRegisterThatChangesHowTablesReadFlushes) {
  machine_.MustTranslate(Read(kVa));
  machine_.ClearEfer(efer::kNxe);
  EXPECT_TRUE(LoadFlushes());
  EXPECT_FALSE(LoadFlushes());
  machine_.ClearCr4(cr4::kPge);
  EXPECT_TRUE(LoadFlushes());
  EXPECT_FALSE(LoadFlushes());
}

TEST_P(FlushFilterTest, AFlushSparesGlobalPages) {
  machine_.Map(kVa, Mfn(1), kUserPage | pte::kGlobal);
  machine_.MustTranslate(Read(kVa));
  machine_.Store(machine_.EntryAt(kVa, 1), Pte(Mfn(7), kUserPage).raw());
  EXPECT_TRUE(LoadFlushes(other()));
  EXPECT_EQ(machine_.MustTranslate(Read(kVa)), AddressOf(Mfn(1)));
}

TEST_P(FlushFilterTest, ItIsCheaperThanAFlush) {
  const CycleClock& clock = machine_.clock();
  const uint64_t moves = clock.tally(CostEvent::kMovCr3);
  const uint64_t refills = clock.tally(CostEvent::kCr3Refill);
  const uint64_t spared = clock.tally(CostEvent::kMovCr3NoFlush);
  EXPECT_FALSE(LoadFlushes());
  EXPECT_EQ(clock.tally(CostEvent::kMovCr3), moves);
  EXPECT_EQ(clock.tally(CostEvent::kCr3Refill), refills);
  EXPECT_EQ(clock.tally(CostEvent::kMovCr3NoFlush), spared + 1);
}

// Two lines are one walk's in 2-level mode; the table of the PDPTE registers is
// a line as well.
TEST(FlushFilterCapacityTest, ALineTooManyFlushesEachTimeUntilThen) {
  MachineModel model = K8(/*lines=*/3);
  TestMachine machine(PagingMode::k2Level, model);
  machine.Map(kVa, Mfn(1));
  machine.Map(kFar, Mfn(2));
  machine.Map(kFar + (8u << 15), Mfn(3));
  const auto load_flushes = [&] {
    const uint64_t before = machine.counters()[Counter::kTlbFlushes];
    machine.LoadCr3(machine.cr3());
    return machine.counters()[Counter::kTlbFlushes] != before;
  };
  load_flushes();
  EXPECT_FALSE(load_flushes());
  machine.MustTranslate(Read(kVa));
  machine.MustTranslate(Read(kFar));
  EXPECT_FALSE(load_flushes());  // L2, and two lines of L1
  machine.MustTranslate(Read(kFar + (8u << 15)));
  EXPECT_TRUE(load_flushes());
  EXPECT_FALSE(load_flushes());
}

TEST(FlushFilterCapacityTest, ThePdpteRegistersAreWatched) {
  TestMachine machine(PagingMode::kPae, K8());
  machine.Map(kVa, Mfn(1));
  machine.LoadCr3(machine.cr3());
  machine.MustTranslate(Read(kVa));
  const MachineAddr pdpte = machine.EntryAt(kVa, 3);
  const uint64_t kept = machine.Load(pdpte);
  machine.Store(pdpte, 0);
  EXPECT_EQ(machine.MustTranslate(Read(kVa)), AddressOf(Mfn(1)));
  machine.LoadCr3(machine.cr3());
  EXPECT_TRUE(machine.ErrorCode(Read(kVa)).has_value());
  machine.Store(pdpte, kept);
  machine.LoadCr3(machine.cr3());
  EXPECT_EQ(machine.MustTranslate(Read(kVa)), AddressOf(Mfn(1)));
}

TEST(FlushFilterCapacityTest, StoresOfOtherCpusCount) {
  MachineModel model = K8();
  TestMachine machine(PagingMode::k4Level, model);
  Counters counters;
  CycleClock clock(model.prices());
  Mmu second(model, machine.memory(), nullptr, clock, counters);
  ControlRegisters registers = machine.mmu().registers();
  ASSERT_FALSE(second.Reset(registers).has_value());
  machine.Map(kVa, Mfn(1));
  ASSERT_FALSE(second.LoadCr3(machine.cr3()).has_value());
  ASSERT_TRUE(second.Translate(Read(kVa)).ok());
  ASSERT_FALSE(second.LoadCr3(machine.cr3()).has_value());
  EXPECT_EQ(counters[Counter::kTlbFlushesFiltered], 1u);
  machine.Store(machine.EntryAt(kVa, 1), Pte(Mfn(2), kUserPage).raw());
  ASSERT_FALSE(second.LoadCr3(machine.cr3()).has_value());
  EXPECT_EQ(counters[Counter::kTlbFlushesFiltered], 1u);
  EXPECT_EQ(second.Translate(Read(kVa)).addr(), AddressOf(Mfn(2)));
}

TEST(FlushFilterCapacityTest, WithoutAFilterEveryLoadFlushes) {
  for (const bool enabled : {false, true}) {
    MachineModel model = K8(enabled ? 0 : 32);
    model.flush_filter.enabled = enabled;
    TestMachine machine(PagingMode::k4Level, model);
    const uint64_t before = machine.counters()[Counter::kTlbFlushes];
    for (int i = 0; i < 3; ++i) machine.LoadCr3(machine.cr3());
    EXPECT_EQ(machine.counters()[Counter::kTlbFlushes], before + 3);
    EXPECT_EQ(machine.counters()[Counter::kTlbFlushesFiltered], 0u);
  }
}

}  // namespace
}  // namespace xmmu::flush_filter_test
