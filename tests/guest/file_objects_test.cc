// Tests of what makes a file or shared object another one, of what its pages
// hold and cost, and of how long it stays in memory: mm/shmem.c of Linux 6.1,
// mmap(2), memfd_create(2), unlink(2).

#include "guest/memory_test.h"

namespace xmmu::file_objects_test {
namespace {

class FileObjectsTest : public MemoryTest {
 protected:
  void MapObject(VirtAddr va, TaskId task = 1) {
    Map({.va = va, .backing = Backing::kSharedAnonymous}, task);
  }
  void MapFile(VirtAddr va, uint64_t pages, Backing backing,
               uint32_t file = kFile, uint8_t flags = 0, TaskId task = 1) {
    Map({.va = va,
         .pages = pages,
         .backing = backing,
         .flags = flags,
         .file = file},
        task);
  }
  uint64_t Zeroed() const { return Charged(CostEvent::kZeroPage); }
};

INSTANTIATE_TEST_SUITE_P(Policies, FileObjectsTest,
                         ::testing::ValuesIn(MemorySettings()),
                         MemorySettingName);

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
  Fork(2);
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
  Fork(2);
  Unmap(kFirst, 4);
  EXPECT_EQ(Content(kFirst + 2 * kPageSize, 2),
            Content(kFirst + 2 * kPageSize, 2));
  Exit(2);
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
  MapFile(kFirst, 4, Backing::kFileShared, kFile);
  Store(kFirst);
  const uint64_t zeroed = Zeroed();
  for (uint64_t page = 1; page < 4; ++page) Store(kFirst + page * kPageSize);
  EXPECT_EQ(Zeroed() - zeroed, 0u);
  MapFile(kSecond, 4, Backing::kFileShared, kFile + 1);
  EXPECT_NE(Content(kSecond), 0u);
}

TEST_P(FileObjectsTest, PagesOfAFileInTmpfsAreZerosThatStay) {
  MapFile(kFirst, 4, Backing::kFileShared, kFile, kMapZeroFilled);
  EXPECT_EQ(Content(kFirst), 0u);
  Store(kFirst);
  const uint64_t stored = Content(kFirst);
  Unmap(kFirst, 4);
  MapFile(kSecond, 4, Backing::kFileShared, kFile, kMapZeroFilled);
  EXPECT_EQ(Content(kSecond), stored);
  // A private mapping sees what is in the file and copies it at a store.
  MapFile(kThird, 4, Backing::kFilePrivate, kFile, kMapZeroFilled);
  EXPECT_EQ(FrameAt(kThird), FrameAt(kSecond));
  Store(kThird);
  EXPECT_NE(FrameAt(kThird), FrameAt(kSecond));
  EXPECT_EQ(Content(kSecond), stored);
}

// do_fault_around, filemap_map_pages: what is not in memory is left to its own
// fault.
TEST_P(FileObjectsTest, FaultAroundMakesNoPagesOfAnObject) {
  const bool around = kernel().options().fault_around_pages > 1;
  MapObject(kFirst);
  Store(kFirst + kPageSize);
  Store(kFirst + 3 * kPageSize);
  Fork(2);
  Load(kFirst, 2);
  const uint64_t faults = Counted(Counter::kGuestFaults);
  for (const uint64_t page : {1u, 3u}) FrameAt(kFirst + page * kPageSize, 2);
  const bool copied = kernel().options().fork_copies_all;
  EXPECT_EQ(Counted(Counter::kGuestFaults) - faults,
            around || copied ? 0u : 2u);
  FrameAt(kFirst + 2 * kPageSize, 2);
  EXPECT_EQ(Counted(Counter::kGuestFaults) - faults,
            around || copied ? 1u : 3u);
}

TEST_P(FileObjectsTest, AFileMadeAnewIsAnotherObject) {
  MapFile(kFirst, 4, Backing::kFileShared, kFile);
  Store(kFirst);
  const Mfn old = FrameAt(kFirst);
  FileCall(GuestOpKind::kRemoveFile, kFile);
  MapFile(kSecond, 4, Backing::kFileShared, kFile);
  EXPECT_NE(FrameAt(kSecond), old);
  EXPECT_NE(Content(kSecond), Content(kFirst));
  EXPECT_EQ(FrameAt(kFirst), old);  // it stays with its mapping
  // Nothing maps the old one now; the new one has a name.
  const uint64_t before = Free();
  Unmap(kFirst, 4);
  EXPECT_GT(Free(), before);
  Unmap(kSecond, 4);
  MapFile(kThird, 4, Backing::kFileShared, kFile);
  const Mfn again = FrameAt(kThird);
  Unmap(kThird, 4);
  MapFile(kThird, 4, Backing::kFileShared, kFile);
  EXPECT_EQ(FrameAt(kThird), again);
}

TEST_P(FileObjectsTest, ARemovedFileStaysWhileItIsHeldOpen) {
  FileCall(GuestOpKind::kOpenFile, kFile, kMapZeroFilled);
  MapFile(kFirst, 4, Backing::kFileShared, kFile);
  Store(kFirst);
  const uint64_t stored = Content(kFirst);
  Unmap(kFirst, 4);
  FileCall(GuestOpKind::kRemoveFile, kFile);
  // A program maps what it holds open; others find no such file.
  MapFile(kFirst, 4, Backing::kFileShared, kFile);
  EXPECT_EQ(Content(kFirst), stored);
  Create(2);
  MapFile(kFirst, 4, Backing::kSharedAnonymous, kFile, 0, 2);
  EXPECT_EQ(Content(kFirst, 2), 0u);
  Unmap(kFirst, 4);
  const uint64_t before = Free();
  FileCall(GuestOpKind::kCloseFile, kFile);
  EXPECT_EQ(Free(), before + 1);
}

TEST_P(FileObjectsTest, AForkHoldsOpenWhatItsParentDid) {
  FileCall(GuestOpKind::kOpenFile, kFile, kMapZeroFilled);
  FileCall(GuestOpKind::kRemoveFile, kFile);
  MapFile(kFirst, 1, Backing::kFileShared, kFile);
  Store(kFirst);
  const uint64_t stored = Content(kFirst);
  Unmap(kFirst, 1);
  Fork(2);
  FileCall(GuestOpKind::kCloseFile, kFile);
  MapFile(kFirst, 1, Backing::kFileShared, kFile, 0, 2);
  EXPECT_EQ(Content(kFirst, 2), stored);
  // Its exec keeps them, its exit does not.
  Do({.kind = GuestOpKind::kExec}, 2);
  MapFile(kFirst, 1, Backing::kFileShared, kFile, 0, 2);
  EXPECT_EQ(Content(kFirst, 2), stored);
  Unmap(kFirst, 1, 2);
  Exit(2);
  MapFile(kFirst, 1, Backing::kFileShared, kFile);
  EXPECT_NE(Content(kFirst), stored);
}

TEST_P(FileObjectsTest, AFileThatIsHeldTwiceIsClosedTwice) {
  FileCall(GuestOpKind::kOpenFile, kFile, kMapZeroFilled);
  FileCall(GuestOpKind::kOpenFile, kFile, kMapZeroFilled);
  FileCall(GuestOpKind::kRemoveFile, kFile);
  MapFile(kFirst, 1, Backing::kFileShared, kFile);
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
