#include "policy/direct/ptwr_world.h"

// What is open: an ordinary page that is validated anew, or a copy.

namespace xmmu::ptwr_method_test {
namespace {

constexpr int kSlot = 3;

// --- An open table that is an ordinary page.

class PtwrRevalidateTest : public PtwrTest {};

TEST_P(PtwrRevalidateTest, AnOpenTableIsAWritablePageWithNoReferencesOfItsOwn) {
  PtwrWorld world(GetParam());
  ASSERT_TRUE(world.Update(kFirst, 7, world.EntryOf(kData, world.kRw)).ok());
  ASSERT_EQ(world.Page(kData).type_count, 2u);
  world.Store(kFirst, 1, Pte());
  EXPECT_EQ(world.Page(kFirst).type, PageType::kWritable);
  EXPECT_EQ(world.Page(kFirst).type_count, 1u);
  EXPECT_EQ(world.Page(kData).type_count, 1u);
  EXPECT_TRUE(world.Load(kRegion + 7 * kPageSize).done);
  EXPECT_EQ(world.Page(kFirst).type, PageType::kL1);
  EXPECT_EQ(world.Page(kData).type_count, 2u);
}

TEST_P(PtwrRevalidateTest,
       AnInactiveTableStaysHookedWithoutAReferenceToItsType) {
  PtwrWorld world(GetParam());
  constexpr uint64_t kL1 = 20;
  ASSERT_TRUE(world.MapReadOnly(kL1).ok());
  world.HookInOther(kL1);
  const uint64_t l2 = kOther + static_cast<uint64_t>(world.levels()) - 2;
  world.Store(kL1, 1, world.EntryOf(kData, world.kRw));
  EXPECT_TRUE(world.Get(l2, IndexOf(world.mode, 2, kRegion)).present());
  EXPECT_EQ(world.Page(kL1).type, PageType::kWritable);
  EXPECT_TRUE(world.Call(MmuUpdateCall{}).ok());
  EXPECT_EQ(world.Page(kL1).type, PageType::kL1);
  EXPECT_EQ(world.Page(kL1).type_count, 1u);
}

TEST_P(PtwrRevalidateTest, AfterARefusalTheTableIsEmpty) {
  PtwrWorld world(GetParam());
  ASSERT_TRUE(world.Update(kFirst, 7, world.EntryOf(kData, world.kRw)).ok());
  world.Store(kFirst, 3, world.EntryOf(0, world.kRw));
  EXPECT_EQ(world.Load(kRegion).actions, Actions{kReflected});
  for (int slot = 0; slot < world.entries(); ++slot) {
    ASSERT_EQ(world.Get(kFirst, slot), Pte());
  }
  EXPECT_EQ(world.Page(kFirst).type, PageType::kL1);
  EXPECT_EQ(world.Page(kData).type_count, 1u);
}

INSTANTIATE_TEST_SUITE_P(
    Machines, PtwrRevalidateTest,
    ::testing::ValuesIn(PtwrMachinesWith("writable-page-tables-g0")),
    NameOfMachine);

// --- A copy of the table.

class PtwrCopyTest : public PtwrTest {
 protected:
  // TLB entries that lead to `mfn`.
  static int Cached(PtwrWorld& world, Mfn mfn) {
    int entries = 0;
    for (const TlbEntry& entry : world.cpu().mmu.TlbEntries()) {
      entries += FrameOf(entry.base) == mfn;
    }
    return entries;
  }
};

TEST_P(PtwrCopyTest, TheGuestWritesToAFrameOfXensAndTheTableStaysAsItIs) {
  PtwrWorld world(GetParam());
  ASSERT_TRUE(world.Update(kFirst, 7, world.EntryOf(kData, world.kRw)).ok());
  const Pte seventh = world.Get(kFirst, 7);
  world.Store(kFirst, 1, world.EntryOf(kData, world.kRw));
  world.Store(kFirst, 7, Pte());
  const Mfn copy = world.MappingOf(kFirst).frame();
  EXPECT_EQ(copy, world.active().snapshot);
  EXPECT_NE(copy, world.Frame(kFirst));
  EXPECT_EQ(world.Get(kFirst, 1), Pte());
  EXPECT_EQ(world.Get(kFirst, 7), seventh);
  EXPECT_EQ(world.Page(kFirst).type, PageType::kL1);
  EXPECT_GT(Cached(world, copy), 0);
  EXPECT_TRUE(world.Load(kRegion + kPageSize).done);
  EXPECT_EQ(world.Get(kFirst, 1).frame(), world.Frame(kData));
  EXPECT_EQ(world.Get(kFirst, 7), Pte());
  EXPECT_EQ(Cached(world, copy), 0);
  EXPECT_EQ(world.Page(kData).type_count, 2u);
}

TEST_P(PtwrCopyTest, TheGuestReadsWhatItHasWritten) {
  PtwrWorld world(GetParam());
  const Pte entry = world.EntryOf(kData, world.kRw);
  world.Store(kFirst, 1, entry);
  MemoryOperand load{.kind = OperandKind::kLoad,
                     .size = static_cast<uint8_t>(world.bytes())};
  EXPECT_EQ(world.Run({world.VaOf(kFirst, 1), AccessKind::kRead}, load).actions,
            Actions{});
  EXPECT_EQ(Pte(load.seen), entry);
}

TEST_P(PtwrCopyTest, EntriesFromTheRefusedOneOnNeverReachTheTable) {
  PtwrWorld world(GetParam());
  const Pte good = world.EntryOf(kData, world.kRw);
  ASSERT_TRUE(world.Update(kFirst, 7, good).ok());
  const Pte seventh = world.Get(kFirst, 7);
  world.Store(kFirst, 1, good);
  world.Store(kFirst, 3, world.EntryOf(0, world.kRw));
  world.Store(kFirst, 5, good);
  world.Store(kFirst, 7, Pte());
  EXPECT_EQ(world.Load(kRegion).actions, Actions{kReflected});
  EXPECT_EQ(world.Get(kFirst, 1).frame(), world.Frame(kData));
  EXPECT_EQ(world.Get(kFirst, 3), Pte());
  EXPECT_EQ(world.Get(kFirst, 5), Pte());
  EXPECT_EQ(world.Get(kFirst, 7), seventh);
  EXPECT_EQ(world.Page(kData).type_count, 3u);
}

TEST_P(PtwrCopyTest, ATableThatIsMappedTwiceIsNotCopied) {
  PtwrWorld world(GetParam());
  ASSERT_TRUE(world.Update(kSecond, 0, world.EntryOf(kFirst, world.kRo)).ok());
  EXPECT_EQ(world.Store(kFirst, kSlot, world.EntryOf(kData, world.kRw)).actions,
            Actions{kEmulated});
  ASSERT_TRUE(world.Update(kSecond, 0, Pte()).ok());
  EXPECT_EQ(
      world.Store(kFirst, kSlot, world.EntryOf(kData + 1, world.kRw)).actions,
      Actions{kRetried});
}

// Who knows its number has no right to it.
TEST_P(PtwrCopyTest, TheCopyIsNobodysToMap) {
  PtwrWorld world(GetParam());
  world.Store(kFirst, 1, world.EntryOf(kData, world.kRw));
  const Pte copy = world.MappingOf(kFirst);
  world.Store(kFirst, 2, copy);
  EXPECT_EQ(world.Load(kRegion).actions, Actions{kReflected});
  EXPECT_TRUE(world.domain->crashed());
  EXPECT_EQ(world.Get(kFirst, 2), Pte());
}

INSTANTIATE_TEST_SUITE_P(
    Machines, PtwrCopyTest,
    ::testing::ValuesIn(PtwrMachinesWith("writable-page-tables-g2")),
    NameOfMachine);

}  // namespace
}  // namespace xmmu::ptwr_method_test
