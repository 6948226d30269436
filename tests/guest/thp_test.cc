// Tests transparent large pages, rule by rule, as Linux 6.1 has them in
// mm/huge_memory.c and its callers.

#include <tuple>

#include "guest/address_space.h"
#include "guest/large_world.h"

namespace xmmu::thp_test {
namespace {

constexpr uint64_t kPage = kPageSize;

class ThpTest : public ::testing::Test {
 protected:
  LargeWorld world_{{}};

  void Do(const GuestOp& op, TaskId task = 1) { world_.Do(op, task); }
  uint64_t Splits() { return world_.Count(Counter::kThpSplitPmd); }
  int LevelAt(VirtAddr va, TaskId task = 1) {
    return world_.LeafOf(va, task).level;
  }
  // Maps `count` large pages and writes to the first byte of each.
  void Fill(uint64_t count) {
    Do(LargeMap(kLarge, count * k2MiB));
    for (uint64_t i = 0; i < count; ++i) Do(Store(kLarge + i * k2MiB));
    ASSERT_EQ(world_.Count(Counter::kThpFaultAlloc), count);
  }
};

TEST_F(ThpTest, TheFirstWriteMakesALargePageAtOnce) {
  Do(LargeMap(kLarge, 2 * k2MiB));
  const uint64_t faults = world_.Faults();
  for (uint64_t i = 0; i < 512; ++i) Do(Store(kLarge + i * kPage));
  EXPECT_EQ(world_.Faults(), faults + 1);
  EXPECT_EQ(world_.Count(Counter::kThpFaultAlloc), 1u);
  EXPECT_EQ(world_.Count(Counter::kDemandZero), 0u);
  const LargeWorld::Leaf leaf = world_.LeafOf(kLarge + k2MiB - 1);
  EXPECT_EQ(leaf.level, 2);
  EXPECT_TRUE(leaf.entry.present() && leaf.entry.writable() &&
              leaf.entry.dirty() && leaf.entry.user());
  EXPECT_EQ(leaf.entry.frame().value() % 512, 0u);
  EXPECT_EQ(LevelAt(kLarge + k2MiB), 0);
}

TEST_F(ThpTest, ZeroingALargePageCostsEachOfIts4KiB) {
  Do(LargeMap(kLarge, k2MiB));
  const auto zeroed = [&] {
    return world_.domain().vcpu(0).cpu->clock.tally(CostEvent::kZeroPage);
  };
  const uint64_t before = zeroed();
  Do(Store(kLarge));
  // With the table laid by for a split and the two that lead to the page.
  EXPECT_EQ(zeroed() - before, 512u + 3u);
}

TEST_F(ThpTest, TheRegionHasToLieInOneMapping) {
  // One page is missing at either end.
  Do(LargeMap(kLarge + kPage, 3 * k2MiB - 2 * kPage));
  for (uint64_t i = 0; i < 3; ++i) Do(Store(kLarge + i * k2MiB + kPage));
  EXPECT_EQ(LevelAt(kLarge + kPage), 1);
  EXPECT_EQ(LevelAt(kLarge + k2MiB), 2);
  EXPECT_EQ(LevelAt(kLarge + 2 * k2MiB + kPage), 1);
}

TEST_F(ThpTest, MappingsThatContinueEachOtherAreOne) {
  Do(LargeMap(kLarge, k2MiB / 2));
  Do(LargeMap(kLarge + k2MiB / 2, k2MiB / 2));
  Do(Store(kLarge));
  EXPECT_EQ(LevelAt(kLarge + k2MiB - kPage), 2);
  // All of it is forked.
  Do(Of(GuestOpKind::kFork, 2));
  EXPECT_EQ(LevelAt(kLarge, 2), 2);
  EXPECT_EQ(Splits(), 0u);
  GuestOp other = LargeMap(kLarge + k2MiB, k2MiB / 2);
  Do(other);
  other.rights = kMapRead | kMapWrite | kMapExecute;
  other.va = other.va + k2MiB / 2;
  Do(other);
  Do(Store(kLarge + k2MiB));
  EXPECT_EQ(LevelAt(kLarge + k2MiB), 1);
}

TEST_F(ThpTest, WhatHasATableOf4KiBPagesKeepsIt) {
  Do(LargeMap(kLarge, k2MiB / 2));
  Do(Store(kLarge));
  Do(LargeMap(kLarge + k2MiB / 2, k2MiB / 2));
  Do(Store(kLarge + k2MiB / 2));
  EXPECT_EQ(LevelAt(kLarge + k2MiB / 2), 1);
}

TEST_F(ThpTest, PagesOfFilesAreSmall) {
  for (const Backing backing : {Backing::kFilePrivate, Backing::kFileShared,
                                Backing::kSharedAnonymous}) {
    Do(LargeMap(kLarge, k2MiB, 0, backing));
    Do(Store(kLarge));
    EXPECT_EQ(LevelAt(kLarge), 1);
  }
  Do(LargeMap(kLarge, k2MiB, 0, Backing::kStack));
  Do(Store(kLarge));
  EXPECT_EQ(LevelAt(kLarge), 2);
}

TEST_F(ThpTest, AFirstReadMapsTheLargeZeroPage) {
  Do(LargeMap(kLarge, 2 * k2MiB));
  const uint64_t faults = world_.Faults();
  Do(Load(kLarge + kPage));
  Do(Load(kLarge + 7 * kPage));
  Do(Load(kLarge + k2MiB));
  EXPECT_EQ(world_.Faults(), faults + 2);
  EXPECT_EQ(world_.Count(Counter::kThpZeroPage), 2u);
  EXPECT_EQ(world_.kernel().ResidentOf(1)->anonymous, 0u);
  EXPECT_EQ(LevelAt(kLarge), 2);
  EXPECT_FALSE(world_.LeafOf(kLarge).entry.writable());
  EXPECT_EQ(world_.LeafOf(kLarge).entry.frame(),
            world_.LeafOf(kLarge + k2MiB).entry.frame());
}

TEST_F(ThpTest, AWriteSplitsTheLargeZeroPage) {
  Do(LargeMap(kLarge, k2MiB));
  Do(Load(kLarge));
  Do(Store(kLarge + 5 * kPage));
  EXPECT_EQ(Splits(), 1u);
  EXPECT_EQ(world_.Count(Counter::kDemandZero), 1u);
  EXPECT_EQ(LevelAt(kLarge), 1);
  EXPECT_TRUE(world_.LeafOf(kLarge + 5 * kPage).entry.writable());
  const Pte zero = world_.LeafOf(kLarge).entry;
  EXPECT_TRUE(zero.accessed() && !zero.writable() && !zero.dirty());
  EXPECT_EQ(zero, world_.LeafOf(kLarge + k2MiB - kPage).entry);
}

TEST_F(ThpTest, AForkSharesALargePageUntilAWriteSplitsIt) {
  Fill(1);
  Do(Of(GuestOpKind::kFork, 2));
  EXPECT_EQ(LevelAt(kLarge, 2), 2);
  EXPECT_FALSE(world_.LeafOf(kLarge).entry.writable());
  EXPECT_FALSE(world_.LeafOf(kLarge, 2).entry.writable());
  EXPECT_FALSE(world_.LeafOf(kLarge, 2).entry.accessed());
  Do(Store(kLarge + kPage), 2);
  EXPECT_EQ(Splits(), 1u);
  EXPECT_EQ(world_.Count(Counter::kCowCopies), 1u);
  EXPECT_EQ(LevelAt(kLarge, 2), 1);
  EXPECT_EQ(LevelAt(kLarge), 2);
  EXPECT_EQ(world_.LeafOf(kLarge, 2).entry.frame(),
            world_.LeafOf(kLarge).entry.frame());
}

TEST_F(ThpTest, TheLastUserWritesToALargePageInPlace) {
  Fill(1);
  Do(Of(GuestOpKind::kFork, 2));
  Do(Of(GuestOpKind::kExit), 2);
  Do(Store(kLarge + kPage));
  EXPECT_EQ(Splits(), 0u);
  EXPECT_EQ(world_.Count(Counter::kCowReuses), 1u);
  EXPECT_TRUE(world_.LeafOf(kLarge).entry.writable());
}

TEST_F(ThpTest, AChildThatHasSplitAPageStillHoldsItsPartOfIt) {
  Fill(1);
  Do(Of(GuestOpKind::kFork, 2));
  for (uint64_t i = 0; i < 511; ++i) Do(Store(kLarge + i * kPage), 2);
  Do(Store(kLarge));  // one entry of the child's is left
  EXPECT_EQ(Splits(), 2u);
  EXPECT_EQ(world_.Count(Counter::kCowCopies), 512u);
}

TEST_F(ThpTest, OnceTheChildHasCopiedAllThePageIsTheParents) {
  Fill(1);
  Do(Of(GuestOpKind::kFork, 2));
  for (uint64_t i = 0; i < 512; ++i) Do(Store(kLarge + i * kPage), 2);
  Do(Store(kLarge));
  EXPECT_EQ(Splits(), 1u);
  EXPECT_EQ(world_.Count(Counter::kCowReuses), 1u);
}

TEST_F(ThpTest, PagesOfASplitPageThatAForkHasSharedAreCopiedForEver) {
  // page_count is that of the whole, which others still map in part.
  Fill(1);
  Do(Of(GuestOpKind::kFork, 2));
  Do(Over(GuestOpKind::kUnmap, kLarge, kPage), 2);  // split
  Do(Of(GuestOpKind::kExit), 2);
  Do(Over(GuestOpKind::kDiscard, kLarge, kPage));  // split, too
  Do(Store(kLarge + kPage));
  EXPECT_EQ(world_.Count(Counter::kCowReuses), 0u);
  EXPECT_EQ(world_.Count(Counter::kCowCopies), 1u);
}

TEST_F(ThpTest, PagesOfASplitPageThatWasNeverSharedAreReused) {
  Fill(1);
  Do(Over(GuestOpKind::kDiscard, kLarge, kPage));
  Do(Over(GuestOpKind::kProtect, kLarge, k2MiB, kMapRead));
  Do(Over(GuestOpKind::kProtect, kLarge, k2MiB, kMapRead | kMapWrite));
  Do(Store(kLarge + kPage));
  EXPECT_EQ(world_.Count(Counter::kCowReuses), 1u);
  EXPECT_EQ(world_.Count(Counter::kCowCopies), 0u);
}

TEST_F(ThpTest, UnmappingPartOfALargePageSplitsItAndAllOfItDoesNot) {
  Fill(2);
  Do(Over(GuestOpKind::kUnmap, kLarge, k2MiB));
  EXPECT_EQ(Splits(), 0u);
  Do(Over(GuestOpKind::kUnmap, kLarge + k2MiB, kPage));
  EXPECT_EQ(Splits(), 1u);
  EXPECT_EQ(LevelAt(kLarge + k2MiB), 0);
  const Pte rest = world_.LeafOf(kLarge + k2MiB + kPage).entry;
  EXPECT_TRUE(rest.present() && rest.writable() && rest.accessed());
  EXPECT_FALSE(rest.dirty());  // 6.1: the next write sets it
}

TEST_F(ThpTest, MprotectOfPartOfALargePageSplitsItAndOfAllOfItDoesNot) {
  Fill(2);
  Do(Over(GuestOpKind::kProtect, kLarge, k2MiB, kMapRead));
  EXPECT_EQ(Splits(), 0u);
  EXPECT_FALSE(world_.LeafOf(kLarge).entry.writable());
  Do(Over(GuestOpKind::kProtect, kLarge, k2MiB, kMapRead | kMapWrite));
  // 6.1 leaves a large page read-only until the next write.
  EXPECT_FALSE(world_.LeafOf(kLarge).entry.writable());
  Do(Store(kLarge));
  EXPECT_EQ(LevelAt(kLarge), 2);
  Do(Over(GuestOpKind::kProtect, kLarge + k2MiB, k2MiB - kPage, kMapRead));
  EXPECT_EQ(Splits(), 1u);
}

TEST_F(ThpTest, MprotectToWhatIsAlreadySoChangesNothing) {
  Fill(1);
  Do(Over(GuestOpKind::kProtect, kLarge, kPage, kMapRead | kMapWrite));
  EXPECT_EQ(Splits(), 0u);
  Do(Of(GuestOpKind::kFork, 2));
  EXPECT_EQ(LevelAt(kLarge, 2), 2);
}

TEST_F(ThpTest, ALargePageWithoutAnyRightStaysAndComesBack) {
  Fill(1);
  Do(Over(GuestOpKind::kProtect, kLarge, k2MiB, 0));
  EXPECT_FALSE(world_.LeafOf(kLarge).entry.present());
  EXPECT_EQ(LevelAt(kLarge), 2);
  const uint64_t signals = world_.Count(Counter::kSignals);
  Do(Load(kLarge));
  EXPECT_EQ(world_.Count(Counter::kSignals), signals + 1);
  Do(Of(GuestOpKind::kFork, 2));
  Do(Over(GuestOpKind::kProtect, kLarge, k2MiB, kMapRead | kMapWrite));
  Do(Load(kLarge));
  EXPECT_TRUE(world_.LeafOf(kLarge).entry.present());
  Do(Over(GuestOpKind::kProtect, kLarge, kPage, kMapRead), 2);
  EXPECT_FALSE(world_.LeafOf(kLarge + kPage, 2).entry.present());
  EXPECT_EQ(LevelAt(kLarge + kPage, 2), 1);
}

TEST_F(ThpTest, WhatIsDiscardedAsAWholeIsLargeAgain) {
  Fill(2);
  Do(Over(GuestOpKind::kDiscard, kLarge, k2MiB + kPage));
  EXPECT_EQ(Splits(), 1u);
  Do(Store(kLarge));
  Do(Store(kLarge + k2MiB));
  EXPECT_EQ(LevelAt(kLarge), 2);
  EXPECT_EQ(LevelAt(kLarge + k2MiB), 1);
}

TEST_F(ThpTest, DiscardingBesideALargePageLeavesItsMappingOne) {
  // The large page lies over both ends of what is discarded in Linux's one VMA.
  Fill(3);
  Do(Over(GuestOpKind::kDiscard, kLarge + kPage, kPage));
  Do(Advise(Advice::kHugePage, kLarge + k2MiB, 2 * k2MiB));
  Do(Advise(Advice::kHugePage, kLarge + k2MiB + kPage, kPage));
  Do(Of(GuestOpKind::kFork, 2));
  EXPECT_EQ(LevelAt(kLarge + k2MiB, 2), 2);
  EXPECT_EQ(Splits(), 1u);
}

TEST_F(ThpTest, ALargePageMovesWholeToAnAlignedPlace) {
  Fill(2);
  const VirtAddr to = kLarge + 16 * k2MiB;
  const Mfn frame = world_.LeafOf(kLarge).entry.frame();
  Do(MoveTo(kLarge, 2 * k2MiB, to));
  EXPECT_EQ(Splits(), 0u);
  EXPECT_EQ(LevelAt(kLarge), 0);
  EXPECT_EQ(world_.LeafOf(to).entry.frame(), frame);
  EXPECT_EQ(LevelAt(to + k2MiB), 2);
  // One page off, and back to where tables are by now.
  Do(MoveTo(to, 2 * k2MiB, kLarge + kPage));
  EXPECT_EQ(Splits(), 2u);
  EXPECT_EQ(world_.LeafOf(kLarge + kPage).entry.frame(), frame);
  EXPECT_EQ(LevelAt(kLarge + kPage), 1);
}

TEST_F(ThpTest, MovingPartOfALargePageSplitsIt) {
  Fill(1);
  Do(MoveTo(kLarge, k2MiB - kPage, kLarge + 16 * k2MiB));
  EXPECT_EQ(Splits(), 1u);
  EXPECT_EQ(LevelAt(kLarge), 0);
  EXPECT_EQ(LevelAt(kLarge + k2MiB - kPage), 1);
}

TEST_F(ThpTest, AdviceSplitsWhatItsEdgesCutAndNothingElse) {
  Fill(3);
  Do(Advise(Advice::kNoHugePage, kLarge + k2MiB / 2, 2 * k2MiB));
  EXPECT_EQ(Splits(), 2u);
  EXPECT_EQ(LevelAt(kLarge), 1);
  EXPECT_EQ(LevelAt(kLarge + k2MiB), 2);
  EXPECT_EQ(LevelAt(kLarge + 2 * k2MiB), 1);
}

TEST_F(ThpTest, TheTableForASplitIsLaidByAndGoesWithThePage) {
  Do(LargeMap(kLarge, 2 * k2MiB));
  Do(Store(kLarge));
  const uint64_t one = world_.kernel().page_table_frames();
  EXPECT_EQ(world_.kernel().ResidentOf(1)->table_frames, 3u);
  Do(Store(kLarge + k2MiB));
  EXPECT_EQ(world_.kernel().page_table_frames(), one + 1);
  Do(Over(GuestOpKind::kDiscard, kLarge + k2MiB, kPage));  // split
  EXPECT_EQ(world_.kernel().page_table_frames(), one + 1);
  Do(Over(GuestOpKind::kDiscard, kLarge, k2MiB));
  EXPECT_EQ(world_.kernel().page_table_frames(), one);
}

TEST_F(ThpTest, OneFlushDropsALargePage) {
  Fill(2);
  const uint64_t pages = world_.Count(Counter::kTlbPageFlushes);
  const uint64_t all = world_.Count(Counter::kTlbFlushes);
  Do(Over(GuestOpKind::kProtect, kLarge, 2 * k2MiB, kMapRead));
  EXPECT_EQ(world_.Count(Counter::kTlbPageFlushes), pages + 2);
  EXPECT_EQ(world_.Count(Counter::kTlbFlushes), all);
}

TEST(ThpMemoryTest, WithoutABlockPagesAreSmall) {
  LargeWorld world({.memory_mib = 8});
  const uint64_t most = 4;
  world.Do(LargeMap(kLarge, most * k2MiB));
  for (uint64_t i = 0; i < most; ++i) world.Do(Store(kLarge + i * k2MiB));
  EXPECT_EQ(world.Count(Counter::kThpFaultAlloc), 3u);
  EXPECT_EQ(world.Count(Counter::kThpFaultFallback), 1u);
  EXPECT_EQ(world.LeafOf(kLarge + (most - 1) * k2MiB).level, 1);
  // A page of the same region falls back without another try.
  world.Do(Store(kLarge + (most - 1) * k2MiB + kPage));
  EXPECT_EQ(world.Count(Counter::kThpFaultFallback), 1u);
}

TEST(ThpMemoryTest, WhatProgramsGiveUpBecomesBlocksAgain) {
  LargeWorld world({.memory_mib = 8});
  for (int i = 0; i < 20; ++i) {
    world.Do(LargeMap(kLarge, 2 * k2MiB));
    world.Do(Store(kLarge));
    world.Do(Store(kLarge + k2MiB));
    EXPECT_EQ(world.LeafOf(kLarge + k2MiB).level, 2);
    world.Do(Over(GuestOpKind::kUnmap, kLarge + kPage, kPage));
    world.Do(Over(GuestOpKind::kUnmap, kLarge, 2 * k2MiB));
  }
  EXPECT_EQ(world.Count(Counter::kThpFaultAlloc), 40u);
}

using ThpSettingTest =
    ::testing::TestWithParam<std::tuple<Thp, HugeAdvice, bool>>;

TEST_P(ThpSettingTest, SettingAndAdviceDecideTogether) {
  const auto [thp, advice, large] = GetParam();
  LargeWorld world({.thp = thp});
  world.Do(LargeMap(kLarge, k2MiB));
  if (advice != HugeAdvice::kDefault) {
    world.Do(Advise(
        advice == HugeAdvice::kHuge ? Advice::kHugePage : Advice::kNoHugePage,
        kLarge, k2MiB));
  }
  world.Do(Store(kLarge));
  EXPECT_EQ(world.LeafOf(kLarge).level, large ? 2 : 1);
}

INSTANTIATE_TEST_SUITE_P(
    All, ThpSettingTest,
    ::testing::Values(
        std::make_tuple(Thp::kNever, HugeAdvice::kDefault, false),
        std::make_tuple(Thp::kNever, HugeAdvice::kHuge, false),
        std::make_tuple(Thp::kMadvise, HugeAdvice::kDefault, false),
        std::make_tuple(Thp::kMadvise, HugeAdvice::kHuge, true),
        std::make_tuple(Thp::kMadvise, HugeAdvice::kNoHuge, false),
        std::make_tuple(Thp::kAlways, HugeAdvice::kDefault, true),
        std::make_tuple(Thp::kAlways, HugeAdvice::kHuge, true),
        std::make_tuple(Thp::kAlways, HugeAdvice::kNoHuge, false)));

TEST(ThpModeTest, A2LevelGuestsLargePageIs4MiB) {
  LargeWorld world({.mode = PagingMode::k2Level});
  world.Do(LargeMap(kLarge, 2 * k2MiB + k2MiB));
  world.Do(Store(kLarge + 2 * k2MiB - kPage));
  world.Do(Store(kLarge + 2 * k2MiB));
  EXPECT_EQ(world.LeafOf(kLarge).level, 2);
  EXPECT_EQ(world.LeafOf(kLarge + 2 * k2MiB).level, 1);
}

TEST(ThpModeTest, AGuestWithoutLargePagesCountsEachRegionOnce) {
  LargeWorld world({.policy = "pinning"});
  world.Do(LargeMap(kLarge + kPage, 3 * k2MiB));
  for (uint64_t i = 0; i < 3 * 512; ++i) {
    world.Do(Store(kLarge + kPage + i * kPage));
  }
  EXPECT_EQ(world.Count(Counter::kLargeDenied), 2u);
  EXPECT_EQ(world.Count(Counter::kDemandZero), 3 * 512u);
  EXPECT_EQ(world.Count(Counter::kThpFaultAlloc), 0u);
}

}  // namespace
}  // namespace xmmu::thp_test
