// What the system calls of 32-bit programs become. Numbers and layouts are
// those of Linux's arch/x86/entry/syscalls/syscall_32.tbl and include/uapi.

#include "workload/qemu/spool_support.h"

namespace xmmu::i386_calls_test {

using namespace spool_support;  // NOLINT: a test is written with its words

constexpr uint64_t kStack = 0x40000000;
constexpr uint64_t kBuffer = kStack + 0x100;

class I386CallsTest : public SpoolTest {
 protected:
  static ThreadWords Narrow() {
    ThreadWords words(7, 1);
    words.Program(1, "/bin/prog").Program(3, "i386");
    words.Map(5, kCode, kCode + 0x10000, "/bin/prog");
    words.Map(3, kStack, kStack + 0x10000, "", 0, 1);
    return words;
  }
  // Returns what the calls behind the maps of a program become.
  std::string Become(ThreadWords words) {
    Write("7.0.blocks", BlockWords().Block(kCode, {1}));
    Write("7.0.0", words);
    KeptOps streams;
    const std::string error = Convert(streams);
    return error.empty() ? streams.Behind(7, 2) : error;
  }
};

std::string WordsOf(const std::vector<uint32_t>& words) {
  return std::string(reinterpret_cast<const char*>(words.data()),
                     words.size() * 4);
}

TEST_F(I386CallsTest, Mmap2CountsItsOffsetInPages) {
  Write("7.0.blocks", BlockWords().Block(kCode, {1}));
  Write("7.0.0", Narrow()
                     .Call(5, 2, {kBuffer, 0, 0, 0, 0, 0})
                     .Text(0, "/x")
                     .Return(5, 3, 3)
                     .Done(192, 4, {0, 0x2000, 5, 2, 3, 7}, 0x50000000));
  KeptOps streams;
  ASSERT_EQ(Convert(streams), "");
  const GuestOp& map = streams.by_task[7][4];
  EXPECT_EQ(TextOf(map), "map 50000000 +8192 rights 5\n");
  EXPECT_EQ(map.file_offset, 0x7000);
  EXPECT_EQ(map.backing, Backing::kFilePrivate);
}

TEST_F(I386CallsTest, TheOldMmapHasItsArgumentsInMemory) {
  EXPECT_EQ(Become(Narrow()
                       .Call(90, 2, {kBuffer, 0, 0, 0, 0, 0})
                       .Memory(0, WordsOf({0, 0x3000, 3, 0x22, 0xffffffff, 0}))
                       .Return(90, 3, 0x50000000)),
            "map 50000000 +12288 rights 3\nexit\n");
}

// A result from 2 GiB on is no error, though it is negative in 32 bits.
TEST_F(I386CallsTest, ResultsFrom2GiBOnAreAddresses) {
  EXPECT_EQ(Become(Narrow().Done(192, 2, {0, 0x1000, 3, 0x22, 0xffffffff, 0},
                                 -0x40000000)),
            "map c0000000 +4096 rights 3\nexit\n");
  EXPECT_EQ(Become(Narrow().Done(192, 2, {0, 0x1000, 3, 0x22, 0xffffffff, 0},
                                 0xfffffff4)),
            "syscall\nexit\n");
}

TEST_F(I386CallsTest, CloneHasItsLastTwoArgumentsTheOtherWayRound) {
  constexpr uint64_t kThread = 0x50f00 | 0x01000000;  // CLONE_CHILD_SETTID
  EXPECT_EQ(Become(Narrow().Done(120, 2, {kThread, 0, 0, 1, kBuffer, 0}, 9)),
            "clone task 9 ...\nout 40000100 +4\npost\nexit\n");
}

TEST_F(I386CallsTest, StructuresHaveThe32BitSizes) {
  EXPECT_EQ(Become(Narrow().Done(197, 2, {3, kBuffer, 0, 0, 0, 0}, 0)),
            "out 40000100 +96\nexit\n");
  EXPECT_EQ(Become(Narrow().Done(265, 2, {0, kBuffer, 0, 0, 0, 0}, 0)),
            "out 40000100 +8\nexit\n");
  EXPECT_EQ(Become(Narrow().Done(403, 2, {0, kBuffer, 0, 0, 0, 0}, 0)),
            "out 40000100 +16\nexit\n");
  EXPECT_EQ(Become(Narrow().Done(140, 2, {3, 0, 9, kBuffer, 0, 0}, 0)),
            "out 40000100 +8\nexit\n");
  EXPECT_EQ(
      Become(Narrow().Done(174, 2, {3, kBuffer, kBuffer + 64, 8, 0, 0}, 0)),
      "in 40000100 +20 ...\nout 40000140 +20\nexit\n");
  EXPECT_EQ(
      Become(Narrow().Done(7, 2, {0xffffffff, kBuffer, 0, 0x99, 0, 0}, 12)),
      "yield ...\nout 40000100 +4\nexit\n");
}

TEST_F(I386CallsTest, VectorsAreOf32BitWords) {
  EXPECT_EQ(Become(Narrow()
                       .Call(146, 2, {1, kBuffer, 2, 0, 0, 0})
                       .Memory(1, WordsOf({kStack + 8, 4, kStack + 64, 100}))
                       .Return(146, 3, 50)),
            "in 40000100 +16 ...\nin 40000008 +4 ...\nin 40000040 +46\nexit\n");
}

TEST_F(I386CallsTest, SocketcallIsTheCallThatItsFirstArgumentNames) {
  EXPECT_EQ(Become(Narrow()
                       .Call(102, 2, {9, kBuffer, 0, 0, 0, 0})  // SYS_SEND
                       .Memory(1, WordsOf({3, kStack + 16, 20, 0, 77, 88}))
                       .Return(102, 3, 20)),
            "in 40000010 +20\nexit\n");
  EXPECT_EQ(Become(Narrow()
                       .Call(102, 2, {16, kBuffer, 0, 0, 0, 0})  // SYS_SENDMSG
                       .Memory(1, WordsOf({3, kStack + 16, 0}))
                       .Return(102, 3, 20)),
            "in 40000010 +28\nexit\n");
  EXPECT_EQ(Become(Narrow().Done(102, 2, {99, kBuffer, 0, 0, 0, 0}, 0)),
            "syscall\nexit\n");
}

TEST_F(I386CallsTest, IpcIsTheCallThatItsFirstArgumentNames) {
  EXPECT_EQ(Become(Narrow().Done(117, 2, {1, 5, 2, 0, kBuffer, 0}, 0)),
            "in 40000100 +12 ...\nyield\nexit\n");  // SEMOP of two
}

// The result of SHMAT is in memory that the recording does not have.
TEST_F(I386CallsTest, ASegmentThatIpcAttachedIsLeftOutAndSoIsItsDetach) {
  EXPECT_EQ(Become(Narrow()
                       .Done(117, 2, {23, 0, 0x10000, 0x3b0, 0, 0}, 5)
                       .Done(117, 4, {21, 5, 0, kBuffer, 0, 0}, 0)
                       .Done(117, 6, {22, 0, 0, 0, 0x50000000, 0}, 0)),
            "syscall\nsyscall\nsyscall\nexit\n");
  EXPECT_EQ(Count("calls that Linux refuses, left out"), 1);
}

TEST_F(I386CallsTest, CallsWithoutMemoryAreEntriesIntoTheKernel) {
  EXPECT_EQ(Become(Narrow()
                       .Done(199, 2, {}, 0)  // getuid32
                       .Done(0x1234, 4, {}, -38)),
            "syscall\nsyscall\nexit\n");
}

TEST_F(I386CallsTest, AForkedChildOfA32BitProgramIsOne) {
  Write("7.0.blocks", BlockWords().Block(kCode, {1}));
  Write("7.0.0", Narrow().Done(2, 2, {}, 8));
  Write("8.0.blocks", BlockWords(2));
  Write("8.0.0", ThreadWords(8, 2)
                     .Forked(7)
                     .Done(91, 3, {kStack + 0x8000, 0x1000, 0, 0, 0, 0}, 0)
                     .Call(252, 5, {}));
  KeptOps streams;
  ASSERT_EQ(Convert(streams), "");
  EXPECT_EQ(streams.Text(8), "unmap 40008000 +4096\nexit\n");
}

}  // namespace xmmu::i386_calls_test
