// Tests pages of MAP_HUGETLB mappings, rule by rule, as Linux 6.1 has them in
// mm/hugetlb.c and its callers.

#include "guest/large_world.h"

namespace xmmu::hugetlb_test {
namespace {

constexpr uint8_t k2MiBShift = 21;
constexpr uint64_t kGiB = uint64_t{1} << 30;
constexpr VirtAddr kGiant{0x40000000};

class HugetlbTest : public ::testing::Test {
 protected:
  // Transparent pages are off, so whatever is large is hugetlb's.
  LargeWorld world_{{.thp = Thp::kNever}};

  void Do(const GuestOp& op, TaskId task = 1) { world_.Do(op, task); }
  int LevelAt(VirtAddr va, TaskId task = 1) {
    return world_.LeafOf(va, task).level;
  }
  Pte EntryAt(VirtAddr va, TaskId task = 1) {
    return world_.LeafOf(va, task).entry;
  }
};

TEST_F(HugetlbTest, EachPageIsOneFault) {
  Do(LargeMap(kLarge, 2 * k2MiB, k2MiBShift));
  const uint64_t faults = world_.Faults();
  for (uint64_t i = 0; i < 1024; ++i) Do(Store(kLarge + i * kPageSize));
  EXPECT_EQ(world_.Faults(), faults + 2);
  EXPECT_EQ(world_.Count(Counter::kHugetlbMapped), 2u);
  EXPECT_EQ(world_.Count(Counter::kThpFaultAlloc), 0u);
  EXPECT_EQ(LevelAt(kLarge), 2);
  EXPECT_TRUE(EntryAt(kLarge).writable() && EntryAt(kLarge).dirty());
}

TEST_F(HugetlbTest, APrivatePageThatIsReadIsNoZeroPageAndIsWrittenInPlace) {
  Do(LargeMap(kLarge, 2 * k2MiB, k2MiBShift));
  Do(Load(kLarge));
  Do(Load(kLarge + k2MiB));
  EXPECT_FALSE(EntryAt(kLarge).writable());
  EXPECT_NE(EntryAt(kLarge).frame(), EntryAt(kLarge + k2MiB).frame());
  const Mfn frame = EntryAt(kLarge).frame();
  Do(Store(kLarge));
  EXPECT_EQ(EntryAt(kLarge).frame(), frame);
  EXPECT_EQ(world_.Count(Counter::kCowReuses), 1u);
}

TEST_F(HugetlbTest, AWriteAfterAForkCopiesAllOfThePage) {
  Do(LargeMap(kLarge, k2MiB, k2MiBShift));
  Do(Store(kLarge));
  Do(Of(GuestOpKind::kFork, 2));
  EXPECT_FALSE(EntryAt(kLarge).writable());
  Do(Store(kLarge + kPageSize), 2);
  EXPECT_EQ(world_.Count(Counter::kCowCopies), 1u);
  EXPECT_EQ(LevelAt(kLarge, 2), 2);
  EXPECT_NE(EntryAt(kLarge, 2).frame(), EntryAt(kLarge).frame());
  Do(Store(kLarge));  // the last user
  EXPECT_EQ(world_.Count(Counter::kCowReuses), 1u);
  EXPECT_EQ(world_.Count(Counter::kThpSplitPmd), 0u);
}

TEST_F(HugetlbTest, PagesOfASharedMappingAreSharedByForksAndOthers) {
  GuestOp map = LargeMap(kLarge, k2MiB, k2MiBShift, Backing::kSharedAnonymous);
  map.file = 9;
  Do(map);
  Do(Store(kLarge));
  Do(Of(GuestOpKind::kFork, 2));
  EXPECT_TRUE(EntryAt(kLarge).writable());
  EXPECT_EQ(LevelAt(kLarge, 2), 0);  // a fault makes it again
  Do(Store(kLarge), 2);
  EXPECT_EQ(EntryAt(kLarge, 2).frame(), EntryAt(kLarge).frame());
  map.va = kLarge + k2MiB;
  Do(map);
  Do(Load(map.va));
  EXPECT_EQ(EntryAt(map.va).frame(), EntryAt(kLarge).frame());
  EXPECT_TRUE(EntryAt(map.va).writable());
}

TEST_F(HugetlbTest, PagesGoWithTheLastUserOfTheirObject) {
  LargeWorld world({.memory_mib = 8});
  for (int i = 0; i < 20; ++i) {
    world.Do(LargeMap(kLarge, k2MiB, k2MiBShift, Backing::kSharedAnonymous));
    world.Do(Store(kLarge));
    world.Do(LargeMap(kLarge + k2MiB, k2MiB, k2MiBShift));
    world.Do(Store(kLarge + k2MiB));
  }
  EXPECT_EQ(world.Count(Counter::kHugetlbMapped), 40u);
}

TEST_F(HugetlbTest, APrivateMappingOfAFileReadsItsPagesAndCopiesThem) {
  GuestOp shared = LargeMap(kLarge, k2MiB, k2MiBShift, Backing::kFileShared);
  shared.file = 9;
  Do(shared);
  Do(Store(kLarge));
  GuestOp own = shared;
  own.va = kLarge + k2MiB;
  own.backing = Backing::kFilePrivate;
  Do(own);
  Do(Load(own.va));
  EXPECT_EQ(EntryAt(own.va).frame(), EntryAt(kLarge).frame());
  EXPECT_FALSE(EntryAt(own.va).writable());
  Do(Store(own.va));
  EXPECT_EQ(world_.Count(Counter::kCowCopies), 1u);
  EXPECT_NE(EntryAt(own.va).frame(), EntryAt(kLarge).frame());
}

TEST_F(HugetlbTest, LengthsAreRoundedUpAndAddressesHaveToFit) {
  Do(LargeMap(kLarge, kPageSize, k2MiBShift));
  Do(Store(kLarge + k2MiB - kPageSize));
  EXPECT_EQ(LevelAt(kLarge), 2);
  EXPECT_NE(world_.Refusal(LargeMap(kLarge + kPageSize, k2MiB, k2MiBShift))
                .find("expected multiples"),
            std::string::npos);
  GuestOp offset = LargeMap(kLarge, k2MiB, k2MiBShift, Backing::kFileShared);
  offset.file_offset = kPageSize;
  EXPECT_NE(world_.Refusal(offset).find("offset 0x1000"), std::string::npos);
  EXPECT_NE(world_.Refusal(LargeMap(kLarge, k2MiB, 12)).find("2^12"),
            std::string::npos);
}

TEST_F(HugetlbTest, NoCallCutsAPage) {
  Do(LargeMap(kLarge, 2 * k2MiB, k2MiBShift));
  Do(Store(kLarge));
  Do(Store(kLarge + k2MiB));
  EXPECT_EQ(world_.Refusal(Over(GuestOpKind::kUnmap, kLarge, kPageSize)),
            "munmap of 0x1000 bytes at 0x20000000: it would cut a page of "
            "MAP_HUGETLB");
  world_.Refusal(Over(GuestOpKind::kUnmap, kLarge + kPageSize, k2MiB));
  world_.Refusal(Over(GuestOpKind::kProtect, kLarge, kPageSize, kMapRead));
  world_.Refusal(LargeMap(kLarge, kPageSize));
  EXPECT_EQ(LevelAt(kLarge), 2);
  Do(Over(GuestOpKind::kProtect, kLarge, k2MiB, kMapRead));
  EXPECT_FALSE(EntryAt(kLarge).writable());
  EXPECT_TRUE(EntryAt(kLarge + k2MiB).writable());
  Do(Over(GuestOpKind::kUnmap, kLarge, k2MiB));
  EXPECT_EQ(LevelAt(kLarge), 0);
  EXPECT_EQ(LevelAt(kLarge + k2MiB), 2);
}

TEST_F(HugetlbTest, ADiscardKeepsAPageThatItDoesNotReachTheEndOf) {
  Do(LargeMap(kLarge, 2 * k2MiB, k2MiBShift));
  Do(Store(kLarge));
  Do(Store(kLarge + k2MiB));
  Do(Over(GuestOpKind::kDiscard, kLarge, 2 * k2MiB - kPageSize));
  EXPECT_EQ(LevelAt(kLarge), 0);
  EXPECT_EQ(LevelAt(kLarge + k2MiB), 2);
  // It begins within a page: EINVAL.
  Do(Over(GuestOpKind::kDiscard, kLarge + kPageSize, 2 * k2MiB - kPageSize));
  EXPECT_EQ(LevelAt(kLarge + k2MiB), 2);
}

TEST_F(HugetlbTest, MremapMovesWholePagesAndDoesNotGrow) {
  Do(LargeMap(kLarge, 2 * k2MiB, k2MiBShift));
  Do(Store(kLarge + k2MiB));
  const Mfn frame = EntryAt(kLarge + k2MiB).frame();
  const VirtAddr to = kLarge + 16 * k2MiB;
  Do(MoveTo(kLarge, 2 * k2MiB, to));
  EXPECT_EQ(LevelAt(to), 0);
  EXPECT_EQ(EntryAt(to + k2MiB).frame(), frame);
  EXPECT_EQ(LevelAt(kLarge + k2MiB), 0);
  GuestOp grow = MoveTo(to, 2 * k2MiB, to);
  grow.new_length = 3 * k2MiB;
  EXPECT_NE(world_.Refusal(grow).find("does not grow"), std::string::npos);
  EXPECT_NE(world_.Refusal(MoveTo(to, k2MiB, kLarge + kPageSize))
                .find("does not begin there"),
            std::string::npos);
  GuestOp shrink = MoveTo(to, 2 * k2MiB, to);
  shrink.new_length = k2MiB - kPageSize;  // rounded up
  Do(shrink);
  EXPECT_EQ(LevelAt(to + k2MiB), 0);
}

TEST_F(HugetlbTest, NoTableIsLaidByForAPageThatIsNeverSplit) {
  Do(LargeMap(kLarge, 2 * k2MiB, k2MiBShift));
  Do(Store(kLarge));
  const uint64_t tables = world_.kernel().page_table_frames();
  Do(Store(kLarge + k2MiB));
  EXPECT_EQ(world_.kernel().page_table_frames(), tables);
}

TEST_F(HugetlbTest, PopulatedPagesAreOneEach) {
  GuestOp map = LargeMap(kLarge, 2 * k2MiB, k2MiBShift);
  map.flags = kMapPopulate;
  const uint64_t faults = world_.Faults();
  Do(map);
  EXPECT_EQ(world_.Count(Counter::kPopulated), 2u);
  EXPECT_TRUE(EntryAt(kLarge + k2MiB).writable());
  Do(Store(kLarge));
  EXPECT_EQ(world_.Faults(), faults);
}

TEST_F(HugetlbTest, WithoutMemoryInOnePieceTheGuestIsOutOfMemory) {
  LargeWorld world({.memory_mib = 8});
  world.Do(LargeMap(kLarge, 4 * k2MiB, k2MiBShift));
  for (uint64_t i = 0; i < 3; ++i) world.Do(Store(kLarge + i * k2MiB));
  const absl::Status status =
      world.kernel().Perform(1, Store(kLarge + 3 * k2MiB));
  EXPECT_EQ(status.message(),
            "the guest has no 2 MiB in one piece for MAP_HUGETLB; give it more "
            "(--memory)");
}

TEST(HugetlbSizeTest, PagesOf1GiBWhereTheMachineHasThem) {
  for (const std::string_view policy : {"native", "nested-paging"}) {
    LargeWorld world(
        {.policy = policy, .thp = Thp::kNever, .memory_mib = 2048});
    world.Do(LargeMap(kGiant, kGiB, 30));
    world.Do(Store(kGiant + kGiB - kPageSize));
    world.Do(Load(kGiant));
    EXPECT_EQ(world.LeafOf(kGiant).level, 3);
    EXPECT_EQ(world.Faults(), 1u);
    world.Do(Of(GuestOpKind::kFork, 2));
    EXPECT_EQ(world.LeafOf(kGiant, 2).level, 3);
    world.Do(MoveTo(kGiant, kGiB, kGiant + 2 * kGiB));
    EXPECT_EQ(world.LeafOf(kGiant).level, 0);
    EXPECT_EQ(world.LeafOf(kGiant + 2 * kGiB).level, 3);
    world.Do(Of(GuestOpKind::kExit), 2);
    world.Do(Of(GuestOpKind::kExit));
  }
}

TEST(HugetlbSizeTest, AGuestWithoutASizeTakesTheNextSmallerOne) {
  struct Case {
    std::string_view policy;
    PagingMode mode;
    uint8_t page_shift;
    uint64_t bytes;  // that one fault maps
  };
  const Case cases[] = {
      {"native", PagingMode::k4Level, 22, uint64_t{2} << 20},
      {"native", PagingMode::kPae, 30, uint64_t{2} << 20},
      {"native", PagingMode::k2Level, 22, uint64_t{4} << 20},
      {"native", PagingMode::k2Level, 21, kPageSize},
      {"shadow-2008", PagingMode::k4Level, 30, uint64_t{2} << 20},
      {"pinning", PagingMode::k4Level, 21, kPageSize},
  };
  for (const auto& [policy, mode, page_shift, bytes] : cases) {
    SCOPED_TRACE(policy);
    LargeWorld world({.policy = policy, .mode = mode, .thp = Thp::kNever});
    world.Do(LargeMap(kGiant, uint64_t{1} << page_shift, page_shift));
    world.Do(Store(kGiant));
    const uint64_t faults = world.Faults();
    world.Do(Store(kGiant + bytes - kPageSize));
    EXPECT_EQ(world.Faults(), faults);
    world.Do(Store(kGiant + bytes));
    EXPECT_EQ(world.Faults(), faults + 1);
    EXPECT_EQ(world.Count(Counter::kLargeDenied), bytes == kPageSize ? 1u : 0u);
    // No call cuts what the program takes for one page.
    world.Refusal(Over(GuestOpKind::kUnmap, kGiant, kPageSize));
  }
}

}  // namespace
}  // namespace xmmu::hugetlb_test
