// The threads of a process: which task each is, and what keeps their recorded
// order in any interleaving.

#include <array>

#include "workload/qemu/spool_support.h"
#include "workload/qemu/thread_calls.h"

namespace xmmu::spool_threads_test {

using namespace spool_support;  // NOLINT: a test is written with its words

class SpoolThreadsTest : public SpoolTest {
 protected:
  void WriteBlocks() {
    Write("7.0.blocks", BlockWords().Block(kCode, {1}).Block(kCode + 1, {1}));
  }
};

TEST_F(SpoolThreadsTest,
       AThreadThatRunsBeforeItsCloneReturnsComesBehindTheClone) {
  WriteBlocks();
  Write("7.0.0", Program(7)
                     .Block(1)
                     .Call(kClone, 2, {kThreadFlags, 0, 0, 0, 0, 0})
                     .Return(kClone, 5, 9)
                     .Block(1));
  Write(
      "7.0.1",
      ThreadWords(9, 2).Block(2).Done(39, 3, {}, 7).Call(kExit, 6, {}).Exit(9));
  KeptOps streams;
  ASSERT_EQ(Convert(streams), "");
  EXPECT_EQ(streams.Behind(7, 2),
            "fetch 400000 +1\nclone task 9\nfetch 400000 +1\n"
            "post\nawait task 9 +1\nexit\n");
  EXPECT_EQ(streams.Text(9), "fetch 400001 +1\nsyscall\nexit\n");
  EXPECT_EQ(Count("threads"), 1);
}

TEST_F(SpoolThreadsTest, AMappingIsAwaitedByThoseWhoUseItAndAnUnmapAwaitsThem) {
  WriteBlocks();
  Write("7.0.0",
        Program(7)
            .Done(kClone, 2, {kThreadFlags, 0, 0, 0, 0, 0}, 9)
            .Done(kMmap, 4, {0, 0x1000, 3, 0x22, ~uint64_t{0}, 0}, kPlace)
            .Clock(6)
            .Done(kMunmap, 7, {kPlace, 0x1000, 0, 0, 0, 0}, 0)
            .Clock(9)
            .Block(1)
            .Call(kExitGroup, 11, {})
            .Exit(7));
  Write("7.0.1", ThreadWords(9, 2)
                     .Block(2)
                     .Clock(5)
                     .Block(2)
                     .Store(0, kPlace, 3)
                     .Block(2)
                     .Clock(8)
                     .Block(2));
  KeptOps streams;
  ASSERT_EQ(Convert(streams), "");
  EXPECT_EQ(streams.Behind(7, 2),
            "clone task 9\n"
            "map 10000000 +4096 rights 3\n"
            "post\n"
            "await task 9 +1\n"
            "unmap 10000000 +4096\n"
            "post\n"
            "fetch 400000 +1\n"
            "exit\n");
  EXPECT_EQ(streams.Text(9),
            "fetch 400001 +1\n"
            "await task 7 +1\n"
            "fetch 400001 +1\n"
            "store 10000000 +8\n"
            "fetch 400001 +1\n"
            "post\n"
            "await task 7 +2\n"
            "fetch 400001 +1\n"
            "post\n"
            "exit\n");
}

TEST_F(SpoolThreadsTest, AProcessOfOneThreadWaitsForNothing) {
  WriteBlocks();
  Write("7.0.0",
        Program(7)
            .Done(kMmap, 4, {0, 0x1000, 3, 0x22, ~uint64_t{0}, 0}, kPlace)
            .Done(kMunmap, 7, {kPlace, 0x1000, 0, 0, 0, 0}, 0));
  KeptOps streams;
  ASSERT_EQ(Convert(streams), "");
  EXPECT_EQ(streams.Behind(7, 2),
            "map 10000000 +4096 rights 3\nunmap 10000000 +4096\nexit\n");
}

// What one thread saw of another's call comes behind that call, whichever file
// is read first.
TEST_F(SpoolThreadsTest, AClockComesBehindTheCallOfThatClock) {
  WriteBlocks();
  Write("7.0.0", Program(7)
                     .Done(kClone, 2, {kThreadFlags, 0, 0, 0, 0, 0}, 9)
                     .Clock(5)
                     .Block(1)
                     .Store(0, kPlace, 3));
  Write("7.0.1", ThreadWords(9, 2).Done(
                     kMmap, 4, {0, 0x1000, 3, 0x22, ~uint64_t{0}, 0}, kPlace));
  KeptOps streams;
  ASSERT_EQ(Convert(streams), "");
  EXPECT_EQ(Count("accesses to what is not mapped, left out"), 0);
}

// The kernel has unmapped before the munmap returned, and another thread has
// mapped there.
TEST_F(SpoolThreadsTest,
       AMunmapThatReturnsLateComesBeforeTheMmapThatTookItsPlace) {
  WriteBlocks();
  const std::array<uint64_t, 6> mmap = {0, 0x1000, 3, 0x22, ~uint64_t{0}, 0};
  Write("7.0.0", Program(7)
                     .Done(kClone, 2, {kThreadFlags, 0, 0, 0, 0, 0}, 9)
                     .Done(kMmap, 4, mmap, kPlace)
                     .Call(kMunmap, 6, {kPlace, 0x1000, 0, 0, 0, 0})
                     .Return(kMunmap, 9, 0));
  Write("7.0.1", ThreadWords(9, 6)
                     .Done(kMmap, 7, mmap, kPlace)
                     .Block(2)
                     .Store(0, kPlace, 3));
  KeptOps streams;
  ASSERT_EQ(Convert(streams), "");
  EXPECT_EQ(streams.Behind(7, 2),
            "clone task 9\nmap 10000000 +4096 rights 3\npost\n"
            "unmap 10000000 +4096\npost\nexit\n");
  EXPECT_EQ(streams.Text(9),
            "await task 7 +2\nmap 10000000 +4096 rights 3\npost\n"
            "fetch 400001 +1\nstore 10000000 +8\npost\nexit\n");
  EXPECT_EQ(Count("mappings in the way of a call, unmapped"), 0);
}

TEST_F(SpoolThreadsTest, AnExecOfAnotherThreadIsThatOfTheProcess) {
  WriteBlocks();
  Write("7.0.0", Program(7)
                     .Done(kClone, 2, {kThreadFlags, 0, 0, 0, 0, 0}, 9)
                     .Call(202, 4, {kStackStart, 0, 0, 0, 0, 0}));
  Write("7.0.1", ThreadWords(9, 2)
                     .Call(59, 5, {kStackStart, 0, 0, 0, 0, 0})
                     .Text(0, "/bin/b"));
  Write("7.1.blocks", BlockWords().Block(kCode, {1}));
  Write("7.1.0", Program(7).Block(1));
  KeptOps streams;
  ASSERT_EQ(Convert(streams), "");
  EXPECT_EQ(streams.Behind(7, 2),
            "clone task 9\nyield\npost\nawait task 9 +1\n"
            "in 4000000000 +7 ...\nexec\n"
            "map 400000 +65536 rights 5\nmap 4000000000 +8388608 rights 3\n"
            "fetch 400000 +1\nexit\n");
  EXPECT_EQ(streams.Text(9), "exit\n");
}

TEST_F(SpoolThreadsTest, AThreadThatNeverRanExits) {
  WriteBlocks();
  Write("7.0.0", Program(7).Done(kClone, 2, {kThreadFlags, 0, 0, 0, 0, 0}, 9));
  KeptOps streams;
  ASSERT_EQ(Convert(streams), "");
  EXPECT_EQ(streams.Text(9), "exit\n");
}

TEST_F(SpoolThreadsTest, AThreadThatNoCloneNamedIsLeftOut) {
  WriteBlocks();
  Write("7.0.0", Program(7).Block(1));
  Write("7.0.1", ThreadWords(9, 2).Block(1));
  KeptOps streams;
  ASSERT_EQ(Convert(streams), "");
  EXPECT_EQ(streams.by_task.count(9), 0);
  EXPECT_EQ(Count("threads that no clone named, left out"), 1);
}

// The first thread is still in its clone when the second one executes.
TEST_F(SpoolThreadsTest, AThreadIsThatOfACloneThatWasCutShort) {
  WriteBlocks();
  Write("7.0.0", Program(7).Block(1).Call(kClone, 2, {kThreadFlags}));
  Write("7.0.1",
        ThreadWords(9, 2).Block(2).Call(59, 3, {kStackStart}).Text(0, "/b"));
  Write("7.1.blocks", BlockWords().Block(kCode, {1}));
  Write("7.1.0", Program(7).Block(1));
  KeptOps streams;
  ASSERT_EQ(Convert(streams), "");
  EXPECT_EQ(streams.Behind(7, 2),
            "fetch 400000 +1\nclone task 9\n"
            "await task 9 +1\nin 4000000000 +3 ...\nexec\n"
            "map 400000 +65536 rights 5\nmap 4000000000 +8388608 rights 3\n"
            "fetch 400000 +1\nexit\n");
  EXPECT_EQ(streams.Text(9), "fetch 400001 +1\nexit\n");
  EXPECT_EQ(Count("threads that no clone named, left out"), 0);
}

TEST_F(SpoolThreadsTest, ACloneThatMadeNoThreadIsACall) {
  WriteBlocks();
  Write("7.0.0", Program(7).Call(kClone, 2, {kThreadFlags}));
  KeptOps streams;
  ASSERT_EQ(Convert(streams), "");
  EXPECT_EQ(streams.Behind(7, 2), "syscall\nexit\n");
}

}  // namespace xmmu::spool_threads_test
