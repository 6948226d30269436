// Tests what a guest kernel says of a process's memory, as Linux does in
// /proc/PID/status and by getrusage(2). tests/guest/against_linux.sh holds the
// same figures against a real Linux.

#include "guest/world.h"

namespace xmmu::resident_memory_test {
namespace {

constexpr uint8_t kReadWrite = kMapRead | kMapWrite;

class ResidentMemoryTest : public testing::TestWithParam<Setting> {
 protected:
  ResidentMemoryTest() { EXPECT_TRUE(world_.kernel().CreateProcess(1).ok()); }
  void Do(const GuestOp& op, TaskId task = 1) { world_.Do(task, op); }
  ResidentMemory Resident(TaskId task = 1) {
    return world_.kernel().ResidentOf(task).value_or(ResidentMemory());
  }
  uint64_t Faults(TaskId task = 1) {
    return world_.kernel().MinorFaultsOf(task).value_or(~uint64_t{0});
  }

  World world_{GetParam()};
};

TEST_P(ResidentMemoryTest, WrittenPagesAreAnonymousAndZeroPagesAreNone) {
  Do(MapOp(8));
  for (uint64_t page : {0u, 1u, 2u}) Do(StoreOp(page));
  for (uint64_t page : {3u, 4u}) Do(LoadOp(page));
  EXPECT_EQ(Resident().anonymous, 3u);
  Do(StoreOp(3));
  EXPECT_EQ(Resident().anonymous, 4u);
  EXPECT_EQ(Resident().file + Resident().shmem + Resident().hugetlb, 0u);
}

TEST_P(ResidentMemoryTest, APageOfAFileIsAnonymousOnceItIsCopied) {
  Do(MapOp(4, Backing::kFilePrivate));
  for (uint64_t page : {0u, 1u, 2u, 3u}) Do(LoadOp(page));
  EXPECT_EQ(Resident().file, 4u);
  Do(StoreOp(1));
  EXPECT_EQ(Resident().file, 3u);
  EXPECT_EQ(Resident().anonymous, 1u);
}

TEST_P(ResidentMemoryTest, SharedPagesCountByWhatTheyAreOf) {
  Do(MapOp(4, Backing::kFileShared));
  GuestOp anonymous =
      MapOp(4, Backing::kSharedAnonymous, kReadWrite, kRegion + 64 * kPageSize);
  anonymous.file = 9;
  Do(anonymous);
  Do(StoreOp(0));
  for (uint64_t page : {64u, 65u}) Do(StoreOp(page));
  EXPECT_EQ(Resident().file, 1u);
  EXPECT_EQ(Resident().shmem, 2u);
  EXPECT_EQ(Resident().anonymous, 0u);
}

TEST_P(ResidentMemoryTest, ChildrenHaveWhatWasCopiedAndDiscardedPagesAreGone) {
  Do(MapOp(4));
  for (uint64_t page : {0u, 1u, 2u, 3u}) Do(StoreOp(page));
  Do(TaskOp(GuestOpKind::kFork, 2));
  Do(RangeOp(GuestOpKind::kDiscard, 3));
  EXPECT_EQ(Resident(1).anonymous, 1u);
  EXPECT_EQ(Resident(2).anonymous, 4u);
  Do(RangeOp(GuestOpKind::kUnmap, 4));
  EXPECT_EQ(Resident(1).anonymous, 0u);
  EXPECT_FALSE(world_.kernel().ResidentOf(3).has_value());
}

// The tables of the way to a page are all but the root; those of a PAE guest
// may have an L2 of the kernel's beside them.
TEST_P(ResidentMemoryTest, TablesCountWithoutTheRoot) {
  const uint64_t none = Resident().table_frames;
  Do(MapOp(4));
  Do(StoreOp(0));
  const auto levels = static_cast<uint64_t>(LevelCount(GetParam().mode));
  EXPECT_EQ(Resident().table_frames - none, levels - 1);
}

TEST_P(ResidentMemoryTest, LookingChargesNothing) {
  Do(MapOp(4));
  Do(StoreOp(0));
  const Cycles before = world_.cpu().clock.now();
  EXPECT_EQ(Resident().anonymous, 1u);
  EXPECT_EQ(world_.cpu().clock.now(), before);
}

TEST_P(ResidentMemoryTest, EachResolvedFaultCountsAndRefusedOnesDoNot) {
  Do(MapOp(4));
  EXPECT_EQ(Faults(), 0u);
  Do(LoadOp(0));
  Do(StoreOp(1));
  EXPECT_EQ(Faults(), 2u);
  Do(StoreOp(1));
  EXPECT_EQ(Faults(), 2u);
  Do(StoreOp(0));  // a copy of the zero page
  EXPECT_EQ(Faults(), 3u);
  Do(StoreOp(9));
  EXPECT_EQ(Faults(), 3u);
}

// A filesystem is told of the first write to a page (do_page_mkwrite), tmpfs is
// not.
TEST_P(ResidentMemoryTest, TheFirstWriteToAReadPageOfASharedFileIsAFault) {
  Do(MapOp(4, Backing::kFileShared));
  GuestOp in_tmpfs =
      MapOp(4, Backing::kFileShared, kReadWrite, kRegion + 64 * kPageSize);
  in_tmpfs.file = 9;
  in_tmpfs.flags = kMapZeroFilled;
  Do(in_tmpfs);
  for (uint64_t page : {0u, 64u}) Do(LoadOp(page));
  const uint64_t before = Faults();
  Do(StoreOp(64));
  EXPECT_EQ(Faults(), before);
  Do(StoreOp(0));
  Do(StoreOp(0));
  const bool recent = world_.kernel().options().recent_mm;
  EXPECT_EQ(Faults(), before + (recent ? 1 : 0));
  // What has been written to stays writable through two changes of rights.
  Do(RangeOp(GuestOpKind::kProtect, 4, kMapRead));
  Do(RangeOp(GuestOpKind::kProtect, 4, kReadWrite));
  Do(StoreOp(0));
  EXPECT_EQ(Faults(), before + (recent ? 1 : 0));
}

TEST_P(ResidentMemoryTest, AChildAndAnExecBeginToCountAnew) {
  Do(MapOp(4));
  for (uint64_t page : {0u, 1u}) Do(StoreOp(page));
  Do(TaskOp(GuestOpKind::kFork, 2));
  EXPECT_EQ(Faults(2), 0u);
  Do(StoreOp(0), 2);
  EXPECT_EQ(Faults(2), 1u);
  EXPECT_EQ(Faults(1), 2u);
  Do({.kind = GuestOpKind::kExec}, 2);
  EXPECT_EQ(Faults(2), 0u);
  EXPECT_FALSE(world_.kernel().MinorFaultsOf(3).has_value());
}

TEST_P(ResidentMemoryTest, APageThatIsPopulatedCountsAsAFault) {
  GuestOp map = MapOp(4);
  map.flags = kMapPopulate;
  Do(map);
  EXPECT_EQ(Faults(), 4u);
  EXPECT_EQ(Resident().anonymous, 4u);
  for (uint64_t page : {0u, 1u, 2u, 3u}) Do(StoreOp(page));
  EXPECT_EQ(Faults(), 4u);
}

class LargeResidentMemoryTest : public testing::Test {
 protected:
  static constexpr uint64_t kPages = 512;

  LargeResidentMemoryTest() {
    EXPECT_TRUE(world_.kernel().CreateProcess(1).ok());
  }
  ResidentMemory Resident() {
    return world_.kernel().ResidentOf(1).value_or(ResidentMemory());
  }
  World world_{Setting{}};
};

TEST_F(LargeResidentMemoryTest, ALargePageIsAnonymousAndOneFault) {
  world_.Do(1, MapOp(2 * kPages));
  GuestOp advice = RangeOp(GuestOpKind::kAdvise, 2 * kPages);
  advice.advice = Advice::kHugePage;
  world_.Do(1, advice);
  world_.Do(1, StoreOp(0));
  EXPECT_EQ(Resident().anonymous, kPages);
  EXPECT_EQ(Resident().anon_huge, kPages);
  EXPECT_EQ(world_.kernel().MinorFaultsOf(1), 1u);
  // The large zero page is no memory of anybody's.
  world_.Do(1, LoadOp(kPages));
  EXPECT_EQ(Resident().anonymous, kPages);
  EXPECT_EQ(world_.kernel().MinorFaultsOf(1), 2u);
  world_.Do(1, RangeOp(GuestOpKind::kUnmap, 1));
  EXPECT_EQ(Resident().anonymous, kPages - 1);
  EXPECT_EQ(Resident().anon_huge, 0u);
}

// A page of hugetlbfs is no part of RSS (hugetlb_count_add).
TEST_F(LargeResidentMemoryTest, APageOfHugetlbfsCountsByItself) {
  GuestOp map = MapOp(2 * kPages);
  map.page_shift = 21;
  world_.Do(1, map);
  world_.Do(1, StoreOp(kPages));
  EXPECT_EQ(Resident().hugetlb, kPages);
  EXPECT_EQ(Resident().anonymous, 0u);
  EXPECT_EQ(world_.kernel().MinorFaultsOf(1), 1u);
}

INSTANTIATE_TEST_SUITE_P(
    Ways, ResidentMemoryTest,
    testing::Values(Setting{.mode = PagingMode::k2Level},
                    Setting{.mode = PagingMode::kPae},
                    Setting{.mode = PagingMode::k4Level},
                    Setting{.mode = PagingMode::k5Level},
                    Setting{.policy = "pinning",
                            .mode = PagingMode::kPae,
                            .ops = GuestOps::kUpdateVaMapping},
                    Setting{.policy = "writable-page-tables",
                            .mode = PagingMode::k4Level},
                    Setting{.policy = "shadow-2008"}),
    [](const auto& setting) { return NameOf(setting.param); });

}  // namespace
}  // namespace xmmu::resident_memory_test
