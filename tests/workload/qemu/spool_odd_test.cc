// What a real recorder of a real program has written, and is odd: it is left out
// or taken as QEMU did it, and counted. It is never an error.

#include "workload/qemu/spool_support.h"

namespace xmmu::spool_odd_test {

using namespace spool_support;  // NOLINT: a test is written with its words

constexpr uint64_t kMmap = 9;
constexpr uint64_t kMprotect = 10;
constexpr uint64_t kMunmap = 11;
constexpr uint64_t kBrk = 12;
constexpr uint64_t kMremap = 25;
constexpr uint64_t kShmdt = 67;
constexpr uint64_t kClone = 56;
constexpr uint64_t kFork = 57;
constexpr uint64_t kUnshare = 272;
constexpr uint64_t kPlace = 0x10000000;
constexpr uint64_t kPage = 0x1000;
constexpr uint64_t kPrivate = 0x22;  // MAP_PRIVATE | MAP_ANONYMOUS
constexpr const char* kStrays = "accesses that no block has, left out";
constexpr const char* kRefused = "calls that Linux refuses, left out";
constexpr const char* kOverlaps = "mappings in the way of a call, unmapped";

class SpoolOddTest : public SpoolTest {
 protected:
  void WriteBlocks() {
    Write("7.0.blocks", BlockWords().Block(kCode, {1, 2, 3}).Block(kCode, {4}));
  }
  // What a program becomes, behind its MAPs.
  std::string Become(ThreadWords words) {
    WriteBlocks();
    Write("7.0.0", words);
    KeptOps streams;
    EXPECT_EQ(Convert(streams), "");
    return streams.Behind(7, 2);
  }
  static std::array<uint64_t, 6> Mmap(uint64_t at, uint64_t pages,
                                      uint64_t flags = kPrivate) {
    return {at, pages * kPage, 3, flags, ~uint64_t{0}, 0};
  }
};

// A signal comes behind a block: QEMU names an instruction that ran before.
TEST_F(SpoolOddTest, AnAccessThatIsNotTheBlocksIsLeftOut) {
  EXPECT_EQ(Become(Program(7)
                       .Block(1)
                       .Load(1, kStackStart, 3)
                       .Load(0, kStackStart + 8, 3)   // of one behind
                       .Load(3, kStackStart + 16, 3)  // the block has three
                       .Store(2, kStackStart + 24, 3)),
            "fetch 400000 +1\nfetch 400001 +2\nload 4000000000 +8\n"
            "fetch 400003 +3\nstore 4000000018 +8\nexit\n");
  EXPECT_EQ(Count(kStrays), 2);
}

TEST_F(SpoolOddTest, AnAccessBehindACallOrBeforeABlockIsLeftOut) {
  EXPECT_EQ(Become(Program(7)
                       .Load(0, kStackStart, 3)
                       .Block(2)
                       .Done(39, 2, {}, 7)
                       .Store(0, kStackStart, 3)
                       .Block(2)
                       .Clock(4)
                       .Load(0, kStackStart, 3)),
            "fetch 400000 +4\nsyscall\nfetch 400000 +4\nexit\n");
  EXPECT_EQ(Count(kStrays), 3);
}

// QEMU takes MAP_FIXED_NOREPLACE for a hint.
TEST_F(SpoolOddTest, MapFixedNoReplaceMapsWhereQemuMapped) {
  EXPECT_EQ(
      Become(Program(7)
                 .Done(kMmap, 2, Mmap(0, 2), kPlace)
                 .Done(kMmap, 4, Mmap(kPlace, 1, kPrivate | 0x100000),
                       kPlace + 0x8000)
                 .Done(kMmap, 6, Mmap(kPlace, 1, kPrivate | 0x100000), kPlace)),
      "map 10000000 +8192 rights 3\nmap 10008000 +4096 rights 3\n"
      "unmap 10000000 +4096\nmap 10000000 +4096 rights 3\nexit\n");
  EXPECT_EQ(Count(kOverlaps), 1);
}

TEST_F(SpoolOddTest, AMappingReplacesWhatQemuDidNotKnow) {
  EXPECT_EQ(Become(Program(7)
                       .Done(kMmap, 2, Mmap(0, 3), kPlace)
                       .Done(kMmap, 4, Mmap(0, 1), kPlace + kPage)),
            "map 10000000 +12288 rights 3\nunmap 10001000 +4096\n"
            "map 10001000 +4096 rights 3\nexit\n");
  EXPECT_EQ(Count(kOverlaps), 1);
}

// QEMU keeps what brk has given back.
TEST_F(SpoolOddTest, TheBreakGrowsOverAMapping) {
  constexpr uint64_t kHeap = 0x600000;
  EXPECT_EQ(Become(Program(7)
                       .Done(kBrk, 2, {0}, kHeap)
                       .Done(kMmap, 4, Mmap(kHeap + kPage, 1, kPrivate | 0x10),
                             kHeap + kPage)
                       .Done(kBrk, 6, {kHeap + 3 * kPage}, kHeap + 3 * kPage)
                       // Another thread's call has moved it.
                       .Done(kBrk, 8, {kHeap + 9 * kPage}, kHeap + 4 * kPage)),
            "syscall\nmap 601000 +4096 rights 3\nunmap 601000 +4096\n"
            "map 600000 +12288 rights 3\nmap 603000 +4096 rights 3\nexit\n");
  EXPECT_EQ(Count(kOverlaps), 1);
}

TEST_F(SpoolOddTest, CallsOnWhatIsNotKnownToBeMappedGoOnWhereSomethingIs) {
  EXPECT_EQ(Become(Program(7)
                       .Done(kMmap, 2, Mmap(0, 1), kPlace)
                       .Done(kMprotect, 4, {kPlace, 2 * kPage, 1}, 0)
                       .Done(kMprotect, 6, {kPlace + kPage, kPage, 1}, 0)
                       .Done(kShmdt, 8, {kPlace + kPage}, 0)),
            "map 10000000 +4096 rights 3\nprotect 10000000 +4096 rights 1\n"
            "syscall\nsyscall\nexit\n");
  EXPECT_EQ(Count(kRefused), 3);
}

TEST_F(SpoolOddTest, WhatIsMovedFromNowhereIsANewMapping) {
  EXPECT_EQ(
      Become(Program(7)
                 .Done(kMremap, 2, {kPlace, kPage, 2 * kPage, 1}, kPlace * 2)
                 .Block(2)
                 .Store(0, kPlace * 2, 3)),
      "syscall\nmap 20000000 +8192 rights 3\nfetch 400000 +4\n"
      "store 20000000 +8\nexit\n");
  EXPECT_EQ(Count(kRefused), 1);
}

// The fork copied the mappings before another thread's mmap returned, or behind
// its munmap, which returned later.
TEST_F(SpoolOddTest, AChildMapsWhereItsParentsOtherThreadDid) {
  Write("7.0.blocks", BlockWords().Block(kCode, {1}).Block(kCode + 1, {1}));
  Write("7.0.0", Program(7)
                     .Done(kClone, 2, {0x50f00}, 9)
                     .Call(kFork, 4, {})
                     .Return(kFork, 7, 8));
  Write("7.0.1", ThreadWords(9, 4).Done(kMmap, 5, Mmap(0, 4), kPlace));
  Write("8.0.blocks", BlockWords(3).Block(kCode, {1}));
  Write("8.0.0", ThreadWords(8, 6)
                     .Forked(7)
                     .Done(kMmap, 7, Mmap(0, 1), kPlace)
                     .Block(1)
                     .Store(0, kPlace, 3)
                     .Done(kMunmap, 9, {kPlace, kPage}, 0));
  KeptOps streams;
  ASSERT_EQ(Convert(streams), "");
  EXPECT_EQ(streams.Text(8),
            "unmap 10000000 +4096\nmap 10000000 +4096 rights 3\n"
            "fetch 400000 +1\nstore 10000000 +8\nunmap 10000000 +4096\nexit\n");
  EXPECT_EQ(Count(kOverlaps), 1);
}

// The first process of a namespace of its own is 1 in its own sight.
TEST_F(SpoolOddTest, ChildrenInANamespaceOfTheirOwnAreKnownByTheirParent) {
  Write("7.0.blocks", BlockWords().Block(kCode, {1}));
  Write("7.0.0", Program(7)
                     .Done(kUnshare, 2, {0x20020000}, 0)
                     .Done(kFork, 4, {}, 8)
                     .Done(kFork, 6, {}, 9)
                     .Done(61, 8, {8}, 8));
  Write("1.0.blocks", BlockWords(2).Block(kCode + 1, {1}));
  Write("1.0.0", ThreadWords(1, 4).Forked(7).Block(2).Done(kFork, 5, {}, 3));
  Write("2.0.blocks", BlockWords(2).Block(kCode + 2, {1}));
  Write("2.0.0", ThreadWords(2, 6).Forked(7).Block(2));
  Write("3.0.blocks", BlockWords(3).Block(kCode + 3, {1}));
  Write("3.0.0", ThreadWords(3, 6).Forked(1).Block(3));
  KeptOps streams;
  ASSERT_EQ(Convert(streams), "");
  EXPECT_EQ(streams.Behind(7, 2),
            "syscall\nfork task 8\nfork task 9\nwait task 8\nexit\n");
  EXPECT_EQ(streams.Text(8), "fetch 400001 +1\nfork task 3\nexit\n");
  EXPECT_EQ(streams.Text(9), "fetch 400002 +1\nexit\n");
  EXPECT_EQ(streams.Text(3), "fetch 400003 +1\nexit\n");
  EXPECT_EQ(Count("processes without a word"), 0);
}

// Its parent could write no more.
TEST_F(SpoolOddTest, AProcessThatNoForkNamesIsLeftOut) {
  WriteBlocks();
  Write("7.0.0", Program(7).Block(2));
  Write("8.0.blocks", BlockWords(3));
  Write("8.0.0", ThreadWords(8, 2).Forked(7).Block(2));
  Write("9.0.blocks", BlockWords(3));
  Write("9.0.0", ThreadWords(9, 2).Forked(8).Block(2));
  KeptOps streams;
  ASSERT_EQ(Convert(streams), "");
  EXPECT_EQ(streams.by_task.size(), 1);
  EXPECT_EQ(Count("processes that no fork named, left out"), 2);
}

TEST_F(SpoolOddTest, ALaterProgramOfAProcessWithoutAFirstIsLeftOut) {
  WriteBlocks();
  Write("7.0.0", Program(7).Done(kFork, 2, {}, 8).Block(2));
  Write("8.1.blocks", BlockWords().Block(kCode, {1}));
  Write("8.1.0", Program(8).Block(1));
  KeptOps streams;
  ASSERT_EQ(Convert(streams), "");
  EXPECT_EQ(streams.Text(8), "exit\n");
  EXPECT_EQ(Count("processes that no fork named, left out"), 1);
}

TEST_F(SpoolOddTest, AProgramThatNoExecBeganIsOneAllTheSame) {
  WriteBlocks();
  Write("7.0.0", Program(7).Block(2));
  Write("7.1.blocks", BlockWords().Block(kCode, {1}));
  Write("7.1.0", Program(7).Block(1));
  KeptOps streams;
  ASSERT_EQ(Convert(streams), "");
  EXPECT_EQ(streams.Behind(7, 2),
            "fetch 400000 +4\nexec\nmap 400000 +65536 rights 5\n"
            "map 4000000000 +8388608 rights 3\nfetch 400000 +1\nexit\n");
  EXPECT_EQ(Count("programs that no exec began"), 1);
}

// ---- Recordings that end where the recorder could write no more.

constexpr size_t kWindowWords = 8192;  // plugin/spool.c, FIRST_WINDOW

TEST_F(SpoolOddTest, AFileThatEndsWithAWindowEndsItsThreadWithinARecord) {
  ThreadWords words = Program(7).Block(2);
  while (words.words().size() < kWindowWords - 2) words.Clock(1);
  words.Call(kMmap, 2, Mmap(0, 1));
  words.words().resize(kWindowWords);
  EXPECT_EQ(Become(words), "fetch 400000 +4\nexit\n");
}

TEST_F(SpoolOddTest, BlocksThatWereNotWrittenAreLeftOut) {
  BlockWords blocks;
  while (blocks.words().size() < kWindowWords - 2) blocks.Block(kCode, {1});
  blocks.Block(kCode, {1});
  const uint64_t last = blocks.words()[kWindowWords - 2] >> 16;
  blocks.words().resize(kWindowWords);
  Write("7.0.blocks", blocks);
  Write("7.0.0", Program(7)
                     .Block(last - 1)
                     .Block(last)
                     .Load(0, kStackStart, 3)
                     .Block(last + 1)
                     .Block(1));
  KeptOps streams;
  ASSERT_EQ(Convert(streams), "");
  EXPECT_EQ(streams.Behind(7, 2), "fetch 400000 +1\nfetch 400000 +1\nexit\n");
  EXPECT_EQ(Count("blocks that were not written, left out"), 2);
  EXPECT_EQ(Count(kStrays), 1);
}

TEST_F(SpoolOddTest, AProcessThatWasKilledInItsFirstWordsDidNothing) {
  WriteBlocks();
  Write("7.0.0", Program(7).Done(kFork, 2, {}, 8).Done(kFork, 4, {}, 9));
  Write("8.0.blocks", BlockWords(3));
  Write("8.0.0", ThreadWords(8, 2));  // and no FORKED yet
  KeptOps streams;
  ASSERT_EQ(Convert(streams), "");
  EXPECT_EQ(streams.Text(8), "exit\n");
  EXPECT_EQ(Count("processes without a word"), 2);
}

TEST_F(SpoolOddTest, AKillCutsTheLastRecordShort) {
  EXPECT_EQ(Become(Program(7).Map(5, 0x500000, 0)), "exit\n");
  EXPECT_EQ(Become(ThreadWords(7, 1)
                       .Program(1, "/bin/a")
                       .Program(3, std::string("i38\0", 4))),
            "");
}

}  // namespace xmmu::spool_odd_test
