#include "policy/shadow/shadow_world.h"

// What a guest on XI's shadows gets to see, and at what price.

namespace xmmu::xi_shadow_test {
namespace {

class XiShadowTest : public ::testing::TestWithParam<PagingMode> {
 protected:
  void SetUp() override { ASSERT_EQ(world_.Start(), absl::OkStatus()); }
  uint64_t Exits() { return world_.Count(Counter::kVmExits); }

  ShadowWorld world_{GetParam()};
  const VirtAddr page_ = kBase + 20 * kPageSize;
  // Where the guest finds the entry that maps it.
  const VirtAddr entry_ = world_.Seen(world_.SlotFor(page_));
};

TEST_P(XiShadowTest, APageFaultsOnceAndThenTranslates) {
  EXPECT_EQ(world_.FrameAt(page_), 20u);
  const uint64_t exits = Exits();
  EXPECT_EQ(world_.FrameAt(page_), 20u);
  EXPECT_TRUE(world_.Store(page_, 1));
  EXPECT_EQ(Exits(), exits);
}

TEST_P(XiShadowTest, AFaultOfItsOwnIsTheGuests) {
  const VirtAddr none = kBase + (kMapped + 1) * kPageSize;
  EXPECT_FALSE(world_.Load(none));
  EXPECT_EQ(world_.last_fault, (PageFault{none, pf::kUser}));
}

TEST_P(XiShadowTest, ATableGoesOutOfSyncAtTheFirstStoreAndTakesMoreForFree) {
  EXPECT_TRUE(world_.Load(page_));
  EXPECT_TRUE(world_.Load(entry_));  // its mapping is there, read-only
  const uint64_t exits = Exits();
  EXPECT_TRUE(world_.Store(entry_, world_.Entry(21)));
  EXPECT_EQ(Exits(), exits + 1);
  EXPECT_EQ(world_.Count(Counter::kShadowOpened), 1u);
  EXPECT_TRUE(world_.Store(entry_, world_.Entry(22)));
  EXPECT_TRUE(world_.Store(entry_ + 64, world_.Entry(23)));
  EXPECT_EQ(Exits(), exits + 1);
}

TEST_P(XiShadowTest, WhatHasChangedCountsFromTheNextFlushOn) {
  EXPECT_EQ(world_.FrameAt(page_), 20u);
  EXPECT_TRUE(world_.Store(entry_, world_.Entry(21)));
  EXPECT_EQ(world_.FrameAt(page_), 20u);  // as if from a TLB
  world_.Flush(TlbFlush::Page(page_));
  EXPECT_EQ(world_.FrameAt(page_), 21u);
  EXPECT_TRUE(world_.Store(entry_, world_.Entry(22)));
  world_.Flush(TlbFlush::NonGlobal());
  EXPECT_EQ(world_.FrameAt(page_), 22u);
  EXPECT_TRUE(world_.Store(entry_, world_.Entry(23)));
  EXPECT_EQ(world_.LoadCr3(world_.root), absl::OkStatus());
  EXPECT_EQ(world_.FrameAt(page_), 23u);
}

TEST_P(XiShadowTest, InvlpgLeavesTheTableOutOfSyncAndOtherEntriesAsTheyWere) {
  const VirtAddr other = page_ + kPageSize;
  const VirtAddr other_entry = world_.Seen(world_.SlotFor(other));
  EXPECT_EQ(world_.FrameAt(page_), 20u);
  EXPECT_EQ(world_.FrameAt(other), 21u);
  EXPECT_TRUE(world_.Store(entry_, world_.Entry(30)));
  EXPECT_TRUE(world_.Store(other_entry, world_.Entry(31)));
  world_.Flush(TlbFlush::Page(page_));
  EXPECT_EQ(world_.FrameAt(page_), 30u);
  EXPECT_EQ(world_.FrameAt(other), 21u);
  const uint64_t exits = Exits();
  EXPECT_TRUE(world_.Store(entry_, world_.Entry(32)));
  EXPECT_EQ(Exits(), exits);
}

// As a processor that has no paging-structure entries left.
TEST_P(XiShadowTest, InvlpgOfAnyPageBringsUpperLevelsUpToDate) {
  const MachineAddr link = world_.SlotFor(kFar, 2);
  world_.Poke(link, world_.Entry(world_.TableOf(page_)));
  EXPECT_TRUE(world_.Load(kFar));
  EXPECT_TRUE(world_.Load(kBase + kPageSize));  // in the same table
  const auto bytes = static_cast<uint64_t>(EntryBytes(GetParam()));
  EXPECT_TRUE(world_.Store(kLarge + 520 * kPageSize + bytes, world_.Entry(30)));
  EXPECT_TRUE(world_.Store(world_.Seen(link), world_.Entry(520)));
  world_.Flush(TlbFlush::Page(page_));
  EXPECT_EQ(world_.FrameAt(kFar + kPageSize), 30u);
}

TEST_P(XiShadowTest, AfterMovCr3TablesAreInSyncAndReadOnly) {
  EXPECT_TRUE(world_.Load(page_));
  EXPECT_TRUE(world_.Store(entry_, world_.Entry(21)));
  EXPECT_EQ(world_.LoadCr3(world_.root), absl::OkStatus());
  EXPECT_EQ(world_.Count(Counter::kShadowResynced), 1u);
  const uint64_t exits = Exits();
  EXPECT_TRUE(world_.Store(entry_, world_.Entry(22)));
  EXPECT_EQ(Exits(), exits + 1);
}

// The changed entry is made anew at once, not left to a fault.
TEST_P(XiShadowTest, AChangedEntryNeedsNoFaultAfterMovCr3) {
  EXPECT_TRUE(world_.Load(page_));
  EXPECT_TRUE(world_.Store(entry_, world_.Entry(21)));
  EXPECT_EQ(world_.LoadCr3(world_.root), absl::OkStatus());
  const uint64_t exits = Exits();
  EXPECT_EQ(world_.FrameAt(page_), 21u);
  EXPECT_EQ(Exits(), exits);
}

TEST_P(XiShadowTest, AnEntryMadePresentNeedsNoFlush) {
  EXPECT_TRUE(world_.Load(page_));
  const VirtAddr none = kBase + (kMapped + 1) * kPageSize;
  EXPECT_FALSE(world_.Load(none));
  EXPECT_TRUE(
      world_.Store(world_.Seen(world_.SlotFor(none)), world_.Entry(33)));
  EXPECT_EQ(world_.FrameAt(none), 33u);
}

// The guest's handler may rely on the processor to have forgotten the page.
TEST_P(XiShadowTest, AFaultMakesTheProcessorForgetThePage) {
  world_.Poke(world_.SlotFor(page_), world_.Entry(20) & ~pte::kWritable);
  EXPECT_EQ(world_.FrameAt(page_), 20u);
  EXPECT_TRUE(world_.Store(entry_, 0));
  EXPECT_FALSE(world_.Store(page_, 1));
  EXPECT_FALSE(world_.Load(page_));
  EXPECT_TRUE(world_.Store(entry_, world_.Entry(34)));
  EXPECT_EQ(world_.FrameAt(page_), 34u);
}

TEST_P(XiShadowTest, AccessedAndDirtyAreSetAsAProcessorWould) {
  constexpr uint64_t kFresh = pte::kPresent | pte::kWritable | pte::kUser;
  const MachineAddr slot = world_.SlotFor(page_);
  world_.Poke(slot, world_.Entry(20, kFresh));
  EXPECT_TRUE(world_.Load(page_));
  EXPECT_EQ(world_.Peek(slot), world_.Entry(20, kFresh | pte::kAccessed));
  EXPECT_TRUE(world_.Store(page_, 1));
  EXPECT_EQ(world_.Peek(slot),
            world_.Entry(20, kFresh | pte::kAccessed | pte::kDirty));
}

// A guest that clears A or D and flushes gets them set again.
TEST_P(XiShadowTest, DirtyThatWasClearedIsSetAgain) {
  const MachineAddr slot = world_.SlotFor(page_);
  EXPECT_TRUE(world_.Store(page_, 1));
  const uint64_t clean = world_.Entry(20) & ~(pte::kAccessed | pte::kDirty);
  EXPECT_TRUE(world_.Store(entry_, clean));
  world_.Flush(TlbFlush::NonGlobal());
  EXPECT_TRUE(world_.Load(page_));
  EXPECT_EQ(world_.Peek(slot), clean | pte::kAccessed);
  EXPECT_TRUE(world_.Store(page_, 1));
  EXPECT_EQ(world_.Peek(slot), world_.Entry(20));
}

TEST_P(XiShadowTest, MemoryThatIsNotThereReadsAsOnes) {
  world_.Poke(world_.SlotFor(page_), world_.Entry(5000));
  MemoryOperand load{.size = 4};
  EXPECT_TRUE(world_.Execute(page_, load));
  EXPECT_EQ(load.seen, 0xffffffffu);
  EXPECT_TRUE(world_.Store(page_, 1));
}

TEST_P(XiShadowTest, ALargePageIsInPiecesWhereATableLies) {
  EXPECT_EQ(world_.FrameAt(kLarge + 300 * kPageSize), 300u);
  // The table of kBase is at its beginning.
  const uint64_t table = world_.TableOf(page_);
  EXPECT_TRUE(world_.Load(page_));
  EXPECT_EQ(world_.FrameAt(kLarge + 40 * kPageSize), 40u);
  EXPECT_TRUE(world_.Store(kLarge + 40 * kPageSize, 1));
  const uint64_t opened = world_.Count(Counter::kShadowOpened);
  EXPECT_TRUE(world_.Store(kLarge + table * kPageSize, 0));
  EXPECT_EQ(world_.Count(Counter::kShadowOpened), opened + 1);
}

// Frame 520 is written as data, then used as a table.
void UseAsTable(ShadowWorld& world) {
  const VirtAddr at = kLarge + 520 * kPageSize;
  EXPECT_TRUE(world.Store(at, world.Entry(30)));
  EXPECT_TRUE(
      world.Store(world.Seen(world.SlotFor(kFar, 2)), world.Entry(520)));
  EXPECT_EQ(world.FrameAt(kFar), 30u);
}

TEST_P(XiShadowTest, ALargePageIsDividedAroundANewTable) {
  EXPECT_TRUE(world_.Store(kLarge + 519 * kPageSize, 1));
  uint64_t exits = Exits();
  EXPECT_TRUE(world_.Store(kLarge + 700 * kPageSize, 1));  // large
  EXPECT_EQ(Exits(), exits);
  UseAsTable(world_);
  exits = Exits();
  EXPECT_TRUE(
      world_.Store(kLarge + 521 * kPageSize, 1));  // in pieces, all made
  EXPECT_EQ(Exits(), exits);
  const uint64_t opened = world_.Count(Counter::kShadowOpened);
  EXPECT_TRUE(world_.Store(kLarge + 520 * kPageSize, world_.Entry(31)));
  EXPECT_EQ(world_.Count(Counter::kShadowOpened), opened + 1);
}

TEST_P(XiShadowTest, DividingALargePageLeavesRoomInTheSmallestPool) {
  const uint32_t fewest = GetParam() == PagingMode::k4Level ? 4 : 2;
  ShadowWorld world(GetParam(), {.pool = {.shadows = fewest}});
  ASSERT_EQ(world.Start(), absl::OkStatus());
  UseAsTable(world);
  for (const VirtAddr va : {kFar, kLarge + 600 * kPageSize, kBase, kFar}) {
    EXPECT_TRUE(world.Load(va));
  }
}

TEST_P(XiShadowTest, InvlpgInALargePageInPiecesDropsAllOfIt) {
  const VirtAddr first = kLarge + 40 * kPageSize;
  const VirtAddr second = kLarge + 41 * kPageSize;
  EXPECT_TRUE(world_.Load(page_));
  EXPECT_EQ(world_.FrameAt(first), 40u);
  EXPECT_EQ(world_.FrameAt(second), 41u);
  const VirtAddr entry = world_.Seen(world_.SlotFor(kLarge, 2));
  EXPECT_TRUE(world_.Store(entry, 0));
  world_.Flush(TlbFlush::Page(first));
  EXPECT_FALSE(world_.Load(second));
}

// The root as a table of each level at once, by an entry that leads back to it.
TEST_P(XiShadowTest, AnEntryMayBeMetAtEachLevel) {
  if (GetParam() == PagingMode::kPae) return;  // the L3 is no such table
  const int levels = LevelCount(GetParam());
  constexpr uint64_t kSlot = 3;
  uint64_t va = 0;
  for (int level = 1; level <= levels; ++level) {
    va |= kSlot << LevelShift(GetParam(), level);
  }
  world_.Poke(world_.SlotIn(world_.root, levels, VirtAddr(va)),
              world_.Entry(world_.root));
  EXPECT_EQ(world_.FrameAt(VirtAddr(va)), world_.root);
  EXPECT_TRUE(world_.Store(VirtAddr(va), 0));
}

TEST_P(XiShadowTest, ABadRootIsRefused) {
  EXPECT_EQ(world_.LoadCr3(5000).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(world_.Load(page_));
}

// Freed as a table while nothing had it loaded, so without a flush, and used as
// one again: what its shadow still says must not be met.
TEST_P(XiShadowTest, ATableThatComesBackIsComparedFirst) {
  const MachineAddr link = world_.SlotFor(kFar, 2);
  EXPECT_EQ(world_.FrameAt(page_), 20u);
  const uint64_t table = world_.TableOf(page_);
  const MachineAddr old_link = world_.SlotFor(page_, 2);
  EXPECT_TRUE(world_.Load(world_.Seen(link)));
  // Unlinked, with a flush; then changed, which needs none.
  const VirtAddr at = kLarge + (entry_ - kBase);
  ASSERT_TRUE(world_.Load(at));
  ASSERT_TRUE(world_.Store(kLarge + (world_.Seen(old_link) - kBase), 0));
  world_.Flush(TlbFlush::NonGlobal());
  EXPECT_FALSE(world_.Load(page_));
  ASSERT_TRUE(world_.Store(at, world_.Entry(44)));
  ASSERT_TRUE(
      world_.Store(kLarge + (world_.Seen(link) - kBase), world_.Entry(table)));
  // A neighbour links the old shadow, then the page that was changed.
  const VirtAddr moved = kFar + (page_.value() & 0x1fffff);
  EXPECT_EQ(world_.FrameAt(moved + kPageSize), 21u);
  EXPECT_EQ(world_.FrameAt(moved), 44u);
}

INSTANTIATE_TEST_SUITE_P(Modes, XiShadowTest,
                         ::testing::Values(PagingMode::k2Level,
                                           PagingMode::kPae,
                                           PagingMode::k4Level));

}  // namespace
}  // namespace xmmu::xi_shadow_test
