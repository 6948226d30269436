// Tests of what makes a file or shared object another one, of what its pages
// hold and cost, and of how long it stays in memory: mm/shmem.c of Linux 6.1,
// mmap(2), memfd_create(2), unlink(2).

#include "guest/world.h"

namespace xmmu::file_objects_test {
namespace {

constexpr VirtAddr kFirst{0x10000000};
constexpr VirtAddr kSecond{0x20000000};
constexpr VirtAddr kThird{0x30000000};
constexpr uint8_t kReadWrite = kMapRead | kMapWrite;
constexpr uint32_t kFile = 7;

struct Case {
  const char* name;
  Setting setting;
};

std::vector<Case> Cases() {
  return {
      {"native", {"native"}},
      {"native_2_level", {"native", PagingMode::k2Level}},
      {"trap_and_emulate",
       {"trap-and-emulate", PagingMode::k4Level, GuestOps::kPvops}},
      {"writable_page_tables",
       {"writable-page-tables", PagingMode::kPae, GuestOps::kLinux2612}},
      {"shadow_2008", {"shadow-2008"}},
      {"nested_paging", {"nested-paging"}},
  };
}

class FileObjectsTest : public ::testing::TestWithParam<Case> {
 protected:
  FileObjectsTest() : world_(GetParam().setting) { Create(1); }

  void Create(TaskId task) {
    ASSERT_TRUE(world_.kernel().CreateProcess(task).ok());
  }
  void Do(const GuestOp& op, TaskId task = 1) { world_.Do(task, op); }
  void Map(VirtAddr va, uint64_t pages, Backing backing, uint32_t file = 0,
           uint8_t flags = 0, TaskId task = 1) {
    Do({.kind = GuestOpKind::kMap,
        .rights = kReadWrite,
        .backing = backing,
        .flags = flags,
        .va = va,
        .length = pages * kPageSize,
        .file = file},
       task);
  }
  void MapObject(VirtAddr va, TaskId task = 1) {
    Map(va, 4, Backing::kSharedAnonymous, 0, 0, task);
  }
  void FileCall(GuestOpKind kind, uint32_t file, uint8_t flags = 0,
                TaskId task = 1) {
    Do({.kind = kind, .flags = flags, .file = file}, task);
  }
  void Store(VirtAddr va, TaskId task = 1) {
    Do({.kind = GuestOpKind::kStore, .va = va, .length = 8}, task);
  }
  void Unmap(VirtAddr va, uint64_t pages, TaskId task = 1) {
    Do(RangeOp(GuestOpKind::kUnmap, pages, 0, va), task);
  }
  // Loads from `va` and returns the frame it led to.
  Mfn FrameAt(VirtAddr va, TaskId task = 1) {
    Do({.kind = GuestOpKind::kLoad, .va = va, .length = 8}, task);
    const TranslateResult found =
        world_.cpu().mmu.Probe({va, AccessKind::kRead, /*user=*/true});
    EXPECT_TRUE(found.ok());
    return found.ok() ? FrameOf(found.addr()) : kInvalidMfn;
  }
  // Loads from `va` and returns what stands for the page's content; zeros are
  // 0.
  uint64_t Content(VirtAddr va, TaskId task = 1) {
    return world_.host().memory().ContentToken(FrameAt(va, task));
  }
  uint64_t Counted(Counter counter) const {
    return world_.cpu().counters[counter];
  }
  uint64_t Zeroed() const {
    return world_.cpu()
        .clock.tallies()[static_cast<size_t>(CostEvent::kZeroPage)];
  }
  uint64_t Free() { return world_.kernel().free_frames(); }

  mutable World world_;
};

INSTANTIATE_TEST_SUITE_P(Policies, FileObjectsTest,
                         ::testing::ValuesIn(Cases()),
                         [](const testing::TestParamInfo<Case>& one) {
                           return std::string(one.param.name);
                         });

TEST_P(FileObjectsTest, EachSharedAnonymousMappingIsAnObjectOfItsOwn) {
  MapObject(kFirst);
  MapObject(kSecond);
  Store(kFirst);
  EXPECT_NE(FrameAt(kFirst), FrameAt(kSecond));
  EXPECT_NE(Content(kFirst), 0u);
  EXPECT_EQ(Content(kSecond), 0u);
  Unmap(kFirst, 4);
  Unmap(kSecond, 4);
  MapObject(kThird);
  EXPECT_EQ(Content(kThird), 0u);
  Create(2);
  MapObject(kFirst, 2);
  EXPECT_EQ(Content(kFirst, 2), 0u);
}

TEST_P(FileObjectsTest, ForksShareAnObjectThatTheirParentMapped) {
  MapObject(kFirst);
  Do(TaskOp(GuestOpKind::kFork, 2));
  Store(kFirst, 2);
  Store(kFirst + kPageSize);
  EXPECT_NE(Content(kFirst), 0u);
  EXPECT_EQ(FrameAt(kFirst), FrameAt(kFirst, 2));
  EXPECT_EQ(FrameAt(kFirst + kPageSize, 2), FrameAt(kFirst + kPageSize));
  // What the child maps itself is its own.
  MapObject(kSecond, 2);
  MapObject(kSecond);
  Store(kSecond, 2);
  EXPECT_EQ(Content(kSecond), 0u);
}

TEST_P(FileObjectsTest, AnObjectGoesWithItsLastMapping) {
  MapObject(kFirst);
  const uint64_t before = Free();
  for (uint64_t page = 0; page < 4; ++page) Store(kFirst + page * kPageSize);
  EXPECT_LE(Free(), before - 4);
  Unmap(kFirst, 2);
  // All pages stay with what is left of the mapping.
  EXPECT_LE(Free(), before - 4);
  Do(TaskOp(GuestOpKind::kFork, 2));
  Unmap(kFirst, 4);
  EXPECT_EQ(Content(kFirst + 2 * kPageSize, 2),
            Content(kFirst + 2 * kPageSize, 2));
  Do(TaskOp(GuestOpKind::kExit), 2);
  Do({.kind = GuestOpKind::kWait});
  EXPECT_GE(Free(), before);
}

TEST_P(FileObjectsTest, NewPagesOfAnObjectAreZeroedAndPaidFor) {
  MapObject(kFirst);
  Store(kFirst);  // and the tables
  const uint64_t zeroed = Zeroed();
  const uint64_t demand = Counted(Counter::kDemandZero);
  const uint64_t mapped = Counted(Counter::kFileMapped);
  for (uint64_t page = 1; page < 4; ++page) Store(kFirst + page * kPageSize);
  EXPECT_EQ(Zeroed() - zeroed, 3u);
  EXPECT_EQ(Counted(Counter::kDemandZero) - demand, 3u);
  EXPECT_EQ(Counted(Counter::kFileMapped) - mapped, 3u);
}

TEST_P(FileObjectsTest, PagesOfAFileAreReadInAndNotZeroed) {
  Map(kFirst, 4, Backing::kFileShared, kFile);
  Store(kFirst);
  const uint64_t zeroed = Zeroed();
  for (uint64_t page = 1; page < 4; ++page) Store(kFirst + page * kPageSize);
  EXPECT_EQ(Zeroed() - zeroed, 0u);
  Map(kSecond, 4, Backing::kFileShared, kFile + 1);
  EXPECT_NE(Content(kSecond), 0u);
}

TEST_P(FileObjectsTest, PagesOfAFileInTmpfsAreZerosThatStay) {
  Map(kFirst, 4, Backing::kFileShared, kFile, kMapZeroFilled);
  EXPECT_EQ(Content(kFirst), 0u);
  Store(kFirst);
  const uint64_t stored = Content(kFirst);
  Unmap(kFirst, 4);
  Map(kSecond, 4, Backing::kFileShared, kFile, kMapZeroFilled);
  EXPECT_EQ(Content(kSecond), stored);
  // A private mapping sees what is in the file and copies it at a store.
  Map(kThird, 4, Backing::kFilePrivate, kFile, kMapZeroFilled);
  EXPECT_EQ(FrameAt(kThird), FrameAt(kSecond));
  Store(kThird);
  EXPECT_NE(FrameAt(kThird), FrameAt(kSecond));
  EXPECT_EQ(Content(kSecond), stored);
}

// do_fault_around, filemap_map_pages: what is not in memory is left to its own
// fault.
TEST_P(FileObjectsTest, FaultAroundMakesNoPagesOfAnObject) {
  const bool around = world_.kernel().options().fault_around_pages > 1;
  MapObject(kFirst);
  Store(kFirst + kPageSize);
  Store(kFirst + 3 * kPageSize);
  Do(TaskOp(GuestOpKind::kFork, 2));
  Do({.kind = GuestOpKind::kLoad, .va = kFirst, .length = 8}, 2);
  const uint64_t faults = Counted(Counter::kGuestFaults);
  for (const uint64_t page : {1, 3}) FrameAt(kFirst + page * kPageSize, 2);
  const bool copied = world_.kernel().options().fork_copies_all;
  EXPECT_EQ(Counted(Counter::kGuestFaults) - faults,
            around || copied ? 0u : 2u);
  FrameAt(kFirst + 2 * kPageSize, 2);
  EXPECT_EQ(Counted(Counter::kGuestFaults) - faults,
            around || copied ? 1u : 3u);
}

TEST_P(FileObjectsTest, AFileMadeAnewIsAnotherObject) {
  Map(kFirst, 4, Backing::kFileShared, kFile);
  Store(kFirst);
  const Mfn old = FrameAt(kFirst);
  FileCall(GuestOpKind::kRemoveFile, kFile);
  Map(kSecond, 4, Backing::kFileShared, kFile);
  EXPECT_NE(FrameAt(kSecond), old);
  EXPECT_NE(Content(kSecond), Content(kFirst));
  EXPECT_EQ(FrameAt(kFirst), old);  // it stays with its mapping
  // Nothing maps the old one now; the new one has a name.
  const uint64_t before = Free();
  Unmap(kFirst, 4);
  EXPECT_GT(Free(), before);
  Unmap(kSecond, 4);
  Map(kThird, 4, Backing::kFileShared, kFile);
  const Mfn again = FrameAt(kThird);
  Unmap(kThird, 4);
  Map(kThird, 4, Backing::kFileShared, kFile);
  EXPECT_EQ(FrameAt(kThird), again);
}

TEST_P(FileObjectsTest, ARemovedFileStaysWhileItIsHeldOpen) {
  FileCall(GuestOpKind::kOpenFile, kFile, kMapZeroFilled);
  Map(kFirst, 4, Backing::kFileShared, kFile);
  Store(kFirst);
  const uint64_t stored = Content(kFirst);
  Unmap(kFirst, 4);
  FileCall(GuestOpKind::kRemoveFile, kFile);
  // A program maps what it holds open; others find no such file.
  Map(kFirst, 4, Backing::kFileShared, kFile);
  EXPECT_EQ(Content(kFirst), stored);
  Create(2);
  Map(kFirst, 4, Backing::kSharedAnonymous, kFile, 0, 2);
  EXPECT_EQ(Content(kFirst, 2), 0u);
  Unmap(kFirst, 4);
  const uint64_t before = Free();
  FileCall(GuestOpKind::kCloseFile, kFile);
  EXPECT_EQ(Free(), before + 1);
}

TEST_P(FileObjectsTest, AForkHoldsOpenWhatItsParentDid) {
  FileCall(GuestOpKind::kOpenFile, kFile, kMapZeroFilled);
  FileCall(GuestOpKind::kRemoveFile, kFile);
  Map(kFirst, 1, Backing::kFileShared, kFile);
  Store(kFirst);
  const uint64_t stored = Content(kFirst);
  Unmap(kFirst, 1);
  Do(TaskOp(GuestOpKind::kFork, 2));
  FileCall(GuestOpKind::kCloseFile, kFile);
  Map(kFirst, 1, Backing::kFileShared, kFile, 0, 2);
  EXPECT_EQ(Content(kFirst, 2), stored);
  // Its exec keeps them, its exit does not.
  Do({.kind = GuestOpKind::kExec}, 2);
  Map(kFirst, 1, Backing::kFileShared, kFile, 0, 2);
  EXPECT_EQ(Content(kFirst, 2), stored);
  Unmap(kFirst, 1, 2);
  Do(TaskOp(GuestOpKind::kExit), 2);
  Map(kFirst, 1, Backing::kFileShared, kFile);
  EXPECT_NE(Content(kFirst), stored);
}

TEST_P(FileObjectsTest, AFileThatIsHeldTwiceIsClosedTwice) {
  FileCall(GuestOpKind::kOpenFile, kFile, kMapZeroFilled);
  FileCall(GuestOpKind::kOpenFile, kFile, kMapZeroFilled);
  FileCall(GuestOpKind::kRemoveFile, kFile);
  Map(kFirst, 1, Backing::kFileShared, kFile);
  Store(kFirst);
  Unmap(kFirst, 1);
  const uint64_t before = Free();
  FileCall(GuestOpKind::kCloseFile, kFile);
  EXPECT_EQ(Free(), before);
  FileCall(GuestOpKind::kCloseFile, kFile);
  EXPECT_EQ(Free(), before + 1);
  // A program may close what it never opened: close(2) of a bad descriptor.
  FileCall(GuestOpKind::kCloseFile, kFile);
  FileCall(GuestOpKind::kRemoveFile, kFile);
}

}  // namespace
}  // namespace xmmu::file_objects_test
