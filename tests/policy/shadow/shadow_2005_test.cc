#include "policy/shadow/shadow_world.h"

// What a guest on the shadows of Xen 3.0 gets to see, and at what price: each
// event by what it takes.

namespace xmmu::shadow_2005_test {
namespace {

class Shadow2005Test : public ::testing::TestWithParam<PagingMode> {
 protected:
  void SetUp() override { ASSERT_EQ(world_.Start(), absl::OkStatus()); }
  uint64_t Exits() { return world_.Count(Counter::kVmExits); }
  uint64_t Tally(CostEvent event) {
    return world_.cpu().clock.tallies()[static_cast<size_t>(event)];
  }
  uint64_t Resyncs() { return world_.Count(Counter::kShadowResyncs); }
  VirtAddr EntryOf(VirtAddr va, int level = 1) {
    return world_.Seen(world_.SlotFor(va, level));
  }

  ShadowWorld world_ = MakeWorld(GetParam());
  const VirtAddr page_ = kBase + 20 * kPageSize;
  const VirtAddr entry_ = EntryOf(page_);
};

// --- A new L1 shadow.

TEST_P(Shadow2005Test, ANewL1ShadowHasWhatIsContiguousWithTheFault) {
  // Entries 0 to 9 and 11 on, and the fault is at 20.
  world_.Poke(world_.SlotFor(kBase + 10 * kPageSize), 0);
  world_.Poke(world_.SlotFor(kBase + 30 * kPageSize), 0);
  EXPECT_TRUE(world_.Load(page_));
  uint64_t exits = Exits();
  for (const uint64_t pfn : {0u, 9u, 21u, 29u}) {
    EXPECT_EQ(world_.FrameAt(kBase + pfn * kPageSize), pfn);
  }
  EXPECT_EQ(Exits(), exits);
  for (const uint64_t pfn : {19u, 31u}) {
    EXPECT_EQ(world_.FrameAt(kBase + pfn * kPageSize), pfn);
    EXPECT_EQ(Exits(), ++exits) << pfn;
  }
}

// The processor has not been there: A must be set when it goes.
TEST_P(Shadow2005Test, APageNeverAccessedEndsWhatIsContiguous) {
  constexpr uint64_t kFresh = pte::kPresent | pte::kWritable | pte::kUser;
  const MachineAddr slot = world_.SlotFor(kBase + 22 * kPageSize);
  world_.Poke(slot, world_.Entry(22, kFresh));
  EXPECT_TRUE(world_.Load(page_));
  EXPECT_EQ(world_.Peek(slot), world_.Entry(22, kFresh));
  const uint64_t exits = Exits();
  EXPECT_TRUE(world_.Load(kBase + 23 * kPageSize));
  EXPECT_EQ(Exits(), exits + 1);
}

TEST_P(Shadow2005Test, AFrameThatWasAnL1ShadowNeedsNoZeroing) {
  const MachineAddr link = world_.SlotFor(kUpper, 2);
  world_.Poke(world_.SlotFor(kUpper), world_.Entry(50));
  const uint64_t table = world_.Peek(link);
  EXPECT_TRUE(world_.Load(kUpper));
  // Unlinked, so its shadow is freed; and linked again.
  EXPECT_TRUE(world_.Store(world_.Seen(link), 0));
  world_.Flush(TlbFlush::NonGlobal());
  EXPECT_TRUE(world_.Store(world_.Seen(link), table));
  const uint64_t zeroed = Tally(CostEvent::kZeroPage);
  const uint64_t made = world_.Count(Counter::kShadowsMade);
  EXPECT_TRUE(world_.Load(kUpper));
  EXPECT_EQ(world_.Count(Counter::kShadowsMade), made + 1);
  EXPECT_EQ(Tally(CostEvent::kZeroPage), zeroed + 1);  // the L2's snapshot
}

// --- A table goes out of sync.

TEST_P(Shadow2005Test, TheFirstStoreOpensATableAndMoreAreFree) {
  EXPECT_TRUE(world_.Load(page_));
  const uint64_t exits = Exits();
  EXPECT_TRUE(world_.Store(entry_, world_.Entry(21)));
  EXPECT_EQ(Exits(), exits + 1);
  EXPECT_EQ(world_.Count(Counter::kShadowOpened), 1u);
  EXPECT_TRUE(world_.Store(entry_ + 8, world_.Entry(22)));
  EXPECT_EQ(Exits(), exits + 1);
}

// An entry that the table was opened by counts one of the list's references and
// is recorded: the second mapping opens it again, without another snapshot.
TEST_P(Shadow2005Test, AnotherMappingOfAnOpenTableIsMadeWritableByItsOwnFault) {
  const VirtAddr alias = kBase + (kMapped + 4) * kPageSize;
  world_.Poke(world_.SlotFor(alias), world_.Entry(world_.TableOf(page_)));
  EXPECT_TRUE(world_.Load(page_));
  EXPECT_TRUE(world_.Load(alias));
  EXPECT_TRUE(world_.Store(entry_, world_.Entry(21)));
  const uint64_t exits = Exits();
  EXPECT_TRUE(world_.Store(alias + 128, world_.Entry(22)));
  EXPECT_EQ(Exits(), exits + 1);
  EXPECT_EQ(world_.Count(Counter::kShadowOpened), 1u);
  EXPECT_EQ(world_.LoadCr3(world_.root), absl::OkStatus());
  EXPECT_TRUE(world_.Store(alias + 128, world_.Entry(23)));
  EXPECT_EQ(world_.Count(Counter::kShadowOpened), 2u);
}

// 64 entries of the L1 have been used, so 64 are copied and 64 compared.
TEST_P(Shadow2005Test, OnlyTheRangeInUseIsCopiedAndCompared) {
  const auto bytes = static_cast<uint64_t>(EntryBytes(GetParam()));
  EXPECT_TRUE(world_.Load(page_));
  const uint64_t rounds = kPageSize / (kMapped * bytes);
  for (uint64_t i = 1; i <= rounds; ++i) {
    EXPECT_EQ(Tally(CostEvent::kCopyPage), 0u);
    EXPECT_TRUE(world_.Store(entry_, world_.Entry(20 + i % 2)));
    const uint64_t compared = Tally(CostEvent::kSnapshotCompare);
    EXPECT_EQ(world_.LoadCr3(world_.root), absl::OkStatus());
    EXPECT_EQ(Tally(CostEvent::kSnapshotCompare), compared + kMapped);
  }
  EXPECT_EQ(Tally(CostEvent::kCopyPage), 1u);
}

TEST_P(Shadow2005Test, OfAnUpperTableAllIsCopiedAndCompared) {
  EXPECT_TRUE(world_.Load(page_));
  EXPECT_TRUE(world_.Store(EntryOf(kUpper, 2), 0));
  EXPECT_EQ(Tally(CostEvent::kCopyPage), 1u);
  const uint64_t compared = Tally(CostEvent::kSnapshotCompare);
  EXPECT_EQ(world_.LoadCr3(world_.root), absl::OkStatus());
  EXPECT_EQ(Tally(CostEvent::kSnapshotCompare),
            compared + static_cast<uint64_t>(EntryCount(GetParam(), 2)));
}

// --- And comes back.

TEST_P(Shadow2005Test, AFaultWhereSomethingHasChangedSyncsAllTables) {
  const VirtAddr none = kBase + (kMapped + 1) * kPageSize;
  EXPECT_TRUE(world_.Load(page_));
  EXPECT_TRUE(world_.Store(EntryOf(kUpper, 2), 0));  // another table
  EXPECT_TRUE(world_.Store(EntryOf(none), world_.Entry(33)));
  EXPECT_EQ(world_.Count(Counter::kShadowOpened), 2u);
  const uint64_t zeroed = Tally(CostEvent::kZeroPage);
  EXPECT_EQ(world_.FrameAt(none), 33u);
  EXPECT_EQ(Resyncs(), 2u);
  EXPECT_EQ(Tally(CostEvent::kZeroPage), zeroed + 2);  // the snapshots
  // Both are read-only again.
  EXPECT_TRUE(world_.Store(EntryOf(none), world_.Entry(34)));
  EXPECT_EQ(world_.Count(Counter::kShadowOpened), 3u);
}

TEST_P(Shadow2005Test, AFaultElsewhereLeavesTablesOutOfSync) {
  const VirtAddr none = kBase + (kMapped + 1) * kPageSize;
  EXPECT_TRUE(world_.Load(page_));
  EXPECT_TRUE(world_.Store(entry_, world_.Entry(21)));
  EXPECT_FALSE(world_.Load(none));
  EXPECT_EQ(world_.last_fault, (PageFault{none, pf::kUser}));
  EXPECT_EQ(Resyncs(), 0u);
}

TEST_P(Shadow2005Test, MovCr3SyncsAllTablesAndRemakesWhatHasChanged) {
  EXPECT_TRUE(world_.Load(page_));
  EXPECT_TRUE(world_.Store(entry_, world_.Entry(30)));
  EXPECT_EQ(world_.FrameAt(page_), 20u);  // as if from a TLB
  EXPECT_EQ(world_.LoadCr3(world_.root), absl::OkStatus());
  EXPECT_EQ(Resyncs(), 1u);
  EXPECT_EQ(world_.Count(Counter::kShadowResynced), 1u);
  const uint64_t exits = Exits();
  EXPECT_EQ(world_.FrameAt(page_), 30u);
  EXPECT_EQ(Exits(), exits);
}

TEST_P(Shadow2005Test, InvlpgOfAPageThatHasChangedSyncsAllTables) {
  EXPECT_TRUE(world_.Load(page_));
  EXPECT_TRUE(world_.Store(entry_, world_.Entry(30)));
  world_.Flush(TlbFlush::Page(page_));
  EXPECT_EQ(Resyncs(), 1u);
  const uint64_t exits = Exits();
  EXPECT_EQ(world_.FrameAt(page_), 30u);
  EXPECT_EQ(Exits(), exits);
}

TEST_P(Shadow2005Test, InvlpgOfAnotherPageLeavesTablesOutOfSync) {
  EXPECT_TRUE(world_.Load(page_));
  EXPECT_TRUE(world_.Store(entry_, world_.Entry(30)));
  world_.Flush(TlbFlush::Page(page_ + kPageSize));
  EXPECT_EQ(Resyncs(), 0u);
}

// It saves a fault later: the entry has A by now, which it had not when the
// shadow was made.
TEST_P(Shadow2005Test, InvlpgMakesThePagesEntry) {
  const VirtAddr none = kBase + (kMapped + 1) * kPageSize;
  EXPECT_TRUE(world_.Load(page_));
  world_.Poke(world_.SlotFor(none), world_.Entry(33));
  world_.Flush(TlbFlush::Page(none));
  const uint64_t exits = Exits();
  EXPECT_EQ(world_.FrameAt(none), 33u);
  EXPECT_EQ(Exits(), exits);
}

// As a processor that has no paging-structure entries left.
TEST_P(Shadow2005Test, InvlpgOfAnyPageBringsUpperLevelsUpToDate) {
  EXPECT_TRUE(world_.Load(page_));
  EXPECT_TRUE(world_.Store(EntryOf(kUpper, 2), 0));
  world_.Flush(TlbFlush::Page(page_));
  EXPECT_EQ(Resyncs(), 1u);
}

// Flags set on the guest's behalf are no change of its; that they have been
// cleared again is one.
TEST_P(Shadow2005Test, AccessedThatWasClearedInAnOpenTableIsSetAgain) {
  constexpr uint64_t kFresh = pte::kPresent | pte::kWritable | pte::kUser;
  const VirtAddr none = kBase + (kMapped + 1) * kPageSize;
  const MachineAddr slot = world_.SlotFor(none);
  world_.Poke(slot, world_.Entry(33, kFresh));
  EXPECT_TRUE(world_.Load(none));
  EXPECT_TRUE(world_.Store(EntryOf(none) + 64, world_.Entry(40)));
  EXPECT_TRUE(world_.Store(none, 1));  // sets D, nothing else has changed
  EXPECT_EQ(Resyncs(), 0u);
  EXPECT_TRUE(world_.Store(EntryOf(none), world_.Entry(33, kFresh)));
  world_.Flush(TlbFlush::NonGlobal());
  EXPECT_TRUE(world_.Load(none));
  EXPECT_EQ(world_.Peek(slot), world_.Entry(33, kFresh | pte::kAccessed));
}

// --- What is shadowed no longer.

TEST_P(Shadow2005Test, AnL1ThatIsUnlinkedIsNoTableAnyMore) {
  const MachineAddr link = world_.SlotFor(kUpper, 2);
  world_.Poke(world_.SlotFor(kUpper), world_.Entry(50));
  EXPECT_TRUE(world_.Load(kUpper));
  const VirtAddr as_data = EntryOf(kUpper);
  EXPECT_TRUE(world_.Store(world_.Seen(link), 0));
  EXPECT_EQ(world_.Count(Counter::kShadowDropped), 0u);
  world_.Flush(TlbFlush::NonGlobal());
  EXPECT_EQ(world_.Count(Counter::kShadowDropped), 1u);
  const uint64_t opened = world_.Count(Counter::kShadowOpened);
  EXPECT_TRUE(world_.Store(as_data, 0));
  EXPECT_EQ(world_.Count(Counter::kShadowOpened), opened);
}

INSTANTIATE_TEST_SUITE_P(Modes, Shadow2005Test,
                         ::testing::Values(PagingMode::k2Level,
                                           PagingMode::kPae,
                                           PagingMode::k4Level));

// Frame 600 becomes a root with one entry, then changes while another one is
// loaded.
class Shadow2005RootTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(world_.Start(), absl::OkStatus());
    world_.Poke(first_, world_.Peek(world_.SlotFor(kLarge, 4)));
    ASSERT_EQ(world_.LoadCr3(600), absl::OkStatus());
    ASSERT_EQ(world_.LoadCr3(world_.root), absl::OkStatus());
    ASSERT_EQ(world_.Count(Counter::kShadowDropped), 0u);
  }
  void Store(uint64_t value) {
    EXPECT_TRUE(world_.Store(kLarge + 600 * kPageSize, value));
    world_.Flush(TlbFlush::NonGlobal());
  }
  ShadowWorld world_ = MakeWorld(PagingMode::k4Level);
  const MachineAddr first_ = world_.SlotIn(600, 4, VirtAddr(0));
};

TEST_F(Shadow2005RootTest, ARootStaysShadowedWhileAnotherIsLoaded) {
  const uint64_t made = world_.Count(Counter::kShadowsMade);
  EXPECT_EQ(world_.LoadCr3(600), absl::OkStatus());
  EXPECT_EQ(world_.Count(Counter::kShadowsMade), made);
}

TEST_F(Shadow2005RootTest, ARootWithoutEntriesIsDropped) {
  Store(0);
  EXPECT_EQ(world_.Count(Counter::kShadowDropped), 1u);
}

TEST_F(Shadow2005RootTest, ARootWithAnEntryThatNoTableHasIsDropped) {
  EXPECT_TRUE(world_.Store(kLarge + 600 * kPageSize + 8, 0x1234 << 4));
  world_.Flush(TlbFlush::NonGlobal());
  EXPECT_EQ(world_.Count(Counter::kShadowDropped), 1u);
}

TEST_F(Shadow2005RootTest, ARootWithAnEntryLeftIsKept) {
  EXPECT_TRUE(world_.Store(kLarge + 600 * kPageSize + 8, world_.Entry(1)));
  world_.Flush(TlbFlush::NonGlobal());
  EXPECT_EQ(world_.Count(Counter::kShadowDropped), 0u);
}

TEST_F(Shadow2005RootTest, ALoadedRootIsKeptWhateverItLooksLike) {
  EXPECT_TRUE(world_.Load(kBase));
  EXPECT_TRUE(world_.Store(
      world_.Seen(world_.SlotIn(world_.root, 4, VirtAddr(uint64_t{1} << 40))),
      0x1230));
  world_.Flush(TlbFlush::NonGlobal());
  EXPECT_EQ(world_.Count(Counter::kShadowDropped), 0u);
}

// A write fault on a large page opens all tables in it.
TEST(Shadow2005LargePageTest, AllItsTablesAreOpenedByOneStore) {
  ShadowWorld world = MakeWorld(PagingMode::k4Level);
  ASSERT_EQ(world.Start(), absl::OkStatus());
  EXPECT_TRUE(world.Load(kBase));
  EXPECT_TRUE(world.Load(kLarge));
  EXPECT_TRUE(world.Store(kLarge + world.TableOf(kBase) * kPageSize, 0));
  // The root, its L3, two L2s of it (kFar's is not shadowed) and the L1.
  EXPECT_EQ(world.Count(Counter::kShadowOpened), 5u);
}

TEST(Shadow2005LargePageTest, TwoLevelGuestsAreNotToldOfThem) {
  Host host(*FindMachine("skylake-2017"), {});
  const auto policy = MakeShadow2005(host, Shadow2005Options{});
  EXPECT_FALSE(policy->Abi(PagingMode::k2Level)->large_pages);
  EXPECT_TRUE(policy->Abi(PagingMode::kPae)->large_pages);
  EXPECT_TRUE(policy->Abi(PagingMode::k4Level)->large_pages);
  EXPECT_TRUE(absl::IsUnimplemented(policy->Abi(PagingMode::k5Level).status()));
}

}  // namespace
}  // namespace xmmu::shadow_2005_test
