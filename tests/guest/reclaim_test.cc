// Tests of what happens when the guest's memory is used up: nothing, or clean
// pages of files go (mm/vmscan.c of Linux 6.1, without swap and writeback).

#include "guest/memory_test.h"

namespace xmmu::reclaim_test {
namespace {

constexpr uint64_t kMemoryMib = 8;
constexpr uint64_t kAll = (kMemoryMib + 2) << 8;  // more pages than memory has
constexpr VirtAddr kBig{0x40000000};

class ReclaimTest : public MemoryTest {
 protected:
  ReclaimTest() { Boot(kMemoryMib, Reclaim::kCleanFile); }

  static Mapping File(VirtAddr va, uint64_t pages, uint32_t file,
                      Backing backing = Backing::kFilePrivate) {
    return {.va = va, .pages = pages, .backing = backing, .file = file};
  }
  // Reads a file that memory has no room for, so that whatever may go is gone.
  void Press() {
    Map(File(kBig, kAll, 99));
    FaultsOf(GuestOpKind::kLoad, kBig, kAll);
    Unmap(kBig, kAll);
  }
  uint64_t Loads(VirtAddr va, uint64_t pages, TaskId task = 1) {
    return FaultsOf(GuestOpKind::kLoad, va, pages, task);
  }
  uint64_t Reclaimed() const { return Counted(Counter::kReclaimed); }
};

INSTANTIATE_TEST_SUITE_P(Policies, ReclaimTest,
                         ::testing::ValuesIn(MemorySettings()),
                         MemorySettingName);

TEST_P(ReclaimTest, WithoutReclaimAFileLargerThanMemoryIsAnError) {
  Boot(kMemoryMib, Reclaim::kNone);
  Map(File(kBig, kAll, 99));
  absl::Status status;
  for (uint64_t i = 0; i < kAll && status.ok(); ++i) {
    status = Try(AccessOp(GuestOpKind::kLoad, i, kBig));
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(Reclaimed(), 0u);
}

TEST_P(ReclaimTest, AFileLargerThanMemoryIsReadAndReadAgain) {
  Map(File(kBig, kAll, 99));
  const uint64_t content = Content(kBig);
  const uint64_t last = Content(kBig + (kAll - 1) * kPageSize);
  EXPECT_GT(Loads(kBig, kAll), 0u);
  EXPECT_GT(Reclaimed(), 0u);
  const uint64_t reclaimed = Reclaimed();
  EXPECT_GT(Loads(kBig, kAll), 0u);
  EXPECT_GT(Reclaimed(), reclaimed);
  EXPECT_EQ(Content(kBig), content);
  EXPECT_EQ(Content(kBig + (kAll - 1) * kPageSize), last);
  Check();
}

TEST_P(ReclaimTest, NothingGoesWhileThereIsMemory) {
  Map(File(kBig, kAll / 4, 99));
  Loads(kBig, kAll / 4);
  EXPECT_EQ(Loads(kBig, kAll / 4), 0u);
  EXPECT_EQ(Reclaimed(), 0u);
}

TEST_P(ReclaimTest, AnonymousMemoryStillEndsInAnError) {
  Map({.va = kBig, .pages = kAll});
  absl::Status status;
  for (uint64_t i = 0; i < kAll && status.ok(); ++i) {
    status = Try(AccessOp(GuestOpKind::kStore, i, kBig));
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
}

TEST_P(ReclaimTest, PagesMappedLongestAgoGoFirst) {
  Map(File(kFirst, 64, kFile));
  Loads(kFirst, 64);
  Map(File(kSecond, 64, kFile + 1));
  Loads(kSecond, 64);
  // The first file is mapped once more, which makes it the younger one.
  Map(File(kThird, 64, kFile));
  Loads(kThird, 64);
  Map(File(kBig, kAll, 99));
  uint64_t read = 0;
  while (Reclaimed() == 0) Load(kBig + read++ * kPageSize);
  EXPECT_EQ(Loads(kThird, 64), 0u);
  EXPECT_EQ(Loads(kFirst, 64), 0u);
  EXPECT_GT(Loads(kSecond, 64), 0u);
}

TEST_P(ReclaimTest, APageGoesFromAllWhoMapIt) {
  Map(File(kFirst, 4, kFile));
  Loads(kFirst, 4);
  Map(File(kSecond, 4, kFile, Backing::kFileShared));
  Loads(kSecond, 4);
  Fork(2);
  Loads(kFirst, 4, 2);
  Create(3);
  Map(File(kFirst, 4, kFile), 3);
  Loads(kFirst, 4, 3);
  const uint64_t content = Content(kFirst + kPageSize);
  Press();
  Check();
  EXPECT_GT(Loads(kFirst, 4), 0u);
  EXPECT_GT(Loads(kSecond, 4), 0u);
  EXPECT_GT(Loads(kFirst, 4, 2), 0u);
  EXPECT_GT(Loads(kFirst, 4, 3), 0u);
  for (const TaskId task : {1u, 2u, 3u}) {
    EXPECT_EQ(Content(kFirst + kPageSize, task), content);
  }
}

TEST_P(ReclaimTest, PagesThatWereWrittenToStay) {
  Map(File(kFirst, 4, kFile, Backing::kFileShared));
  Store(kFirst);
  const Mfn mapped = FrameAt(kFirst);
  // The dirty flag of an entry that is gone counts as well.
  Map(File(kSecond, 4, kFile + 1, Backing::kFileShared));
  Store(kSecond);
  const uint64_t stored = Content(kSecond);
  Unmap(kSecond, 4);
  Press();
  EXPECT_EQ(Loads(kFirst, 1), 0u);
  EXPECT_EQ(FrameAt(kFirst), mapped);
  Map(File(kSecond, 4, kFile + 1, Backing::kFileShared));
  EXPECT_EQ(Content(kSecond), stored);
}

TEST_P(ReclaimTest, LockedPagesStayUntilTheyAreUnlocked) {
  Map(File(kFirst, 4, kFile));
  Do({.kind = GuestOpKind::kProtect,
      .rights = kMapRead,
      .va = kFirst,
      .length = 4 * kPageSize});
  Advise(Advice::kLock, kFirst, 4);
  Press();
  EXPECT_EQ(Loads(kFirst, 4), 0u);
  Advise(Advice::kUnlock, kFirst, 4);
  Press();
  EXPECT_GT(Loads(kFirst, 4), 0u);
}

TEST_P(ReclaimTest, CopiesAndPagesOfTmpfsStay) {
  Map(File(kFirst, 4, kFile));
  Store(kFirst);
  const Mfn copy = FrameAt(kFirst);
  Map({.va = kSecond, .backing = Backing::kSharedAnonymous});
  Load(kSecond);
  const Mfn object = FrameAt(kSecond);
  Press();
  EXPECT_EQ(Loads(kFirst, 1) + Loads(kSecond, 1), 0u);
  EXPECT_EQ(FrameAt(kFirst), copy);
  EXPECT_EQ(FrameAt(kSecond), object);
}

TEST_P(ReclaimTest, UnmappingAPageIsPaidFor) {
  Map(File(kFirst, 16, kFile));
  Loads(kFirst, 16);
  Map(File(kBig, kAll, 99));
  uint64_t read = 0;
  uint64_t flushes = 0;
  const auto flushed = [&] {
    return Charged(CostEvent::kInvlpg) + Charged(CostEvent::kInvpcid) +
           Charged(CostEvent::kMovCr3) + Charged(CostEvent::kMovCr4);
  };
  while (Reclaimed() == 0) {
    flushes = flushed();
    Load(kBig + read++ * kPageSize);
  }
  EXPECT_GE(flushed() - flushes, 16u);
}

// The place of a shared frame is memory again when the page is dropped.
TEST_P(ReclaimTest, PagesThatAreSharedWithOtherDomainsGoAsWell) {
  const bool paravirtual = kernel().abi().paravirtual;
  if (!paravirtual) return;
  MemoryWorld world(GetParam(), kMemoryMib, Reclaim::kCleanFile, Thp::kNever,
                    /*share_file_pages=*/true);
  ASSERT_TRUE(world.kernel()
                  .Perform(1, {.kind = GuestOpKind::kMap,
                               .rights = kMapRead,
                               .backing = Backing::kFilePrivate,
                               .va = kBig,
                               .length = kAll * kPageSize,
                               .file = kFile})
                  .ok());
  for (uint64_t i = 0; i < kAll; ++i) {
    const absl::Status status =
        world.kernel().Perform(1, AccessOp(GuestOpKind::kLoad, i, kBig));
    ASSERT_TRUE(status.ok()) << status;
  }
  EXPECT_GT(world.Counted(Counter::kPagesShared), 0u);
  EXPECT_GT(world.Counted(Counter::kReclaimed), 0u);
  world.Check();
}

// Page tables and address spaces need memory as well.
TEST_P(ReclaimTest, ForksAndMovesMakeRoomForTheirTables) {
  Map(File(kBig, kAll, 99));
  Loads(kBig, kAll);
  Map({.va = kFirst, .pages = 64});
  FaultsOf(GuestOpKind::kStore, kFirst, 64);
  for (TaskId child = 2; child < 10; ++child) {
    Loads(kBig, kAll);  // memory is full
    Fork(child);
    FaultsOf(GuestOpKind::kStore, kFirst, 64, child);
    Do({.kind = GuestOpKind::kRemap,
        .va = kFirst,
        .length = 64 * kPageSize,
        .target = kThird + child * 0x1000000,
        .new_length = 64 * kPageSize},
       child);
  }
  Check();
  for (TaskId child = 2; child < 10; ++child) {
    Loads(kBig, kAll);
    Do({.kind = GuestOpKind::kExec,
        .va = VirtAddr(0x9ffe5000),
        .length = 3 * kPageSize},
       child);
    Exit(child);
  }
  Check();
}

}  // namespace
}  // namespace xmmu::reclaim_test
