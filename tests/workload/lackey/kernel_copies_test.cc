// What the kernel reads and writes of a program's memory for its system calls.

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "workload/lackey/trace_support.h"

namespace xmmu::kernel_copies_test {
namespace {

class KernelCopiesTest : public TraceTest {
 protected:
  // 64 KiB at 0x10000000 that may be written to, and a page behind them that
  // may only be read.
  const std::string maps_ =
      Call(7, 9,
           "sys_mmap ( 0x0, 65536, 3, 34, 4294967295, 0 ) --> [pre-success] "
           "Success(0x10000000) ") +
      Call(7, 9,
           "sys_mmap ( 0x0, 4096, 1, 34, 4294967295, 0 ) --> [pre-success] "
           "Success(0x10010000) ");

  // The stream of `records` behind these mappings.
  std::string Stream(const std::string& records) const {
    const std::string head =
        "map 0x10000000+0x10000 anonymous rw-\n"
        "map 0x10010000+0x1000 anonymous r--\n";
    const std::string text = ReadText(maps_ + records);
    EXPECT_EQ(text.rfind(head, 0), 0) << text;
    return text.substr(std::min(head.size(), text.size()));
  }
  static std::string Does(int number, const std::string& call,
                          const std::string& result) {
    return Call(7, number, absl::StrCat(call, "[sync] --> ", result, " "));
  }
};

TEST_F(KernelCopiesTest, ReadWritesWhatItReturnedAfterItHasSlept) {
  EXPECT_EQ(Stream(Call(7, 0,
                        "sys_read ( 0, 0x10000100, 8192 ) --> [async] "
                        "... ") +
                   Call(7, 0, "... [async] --> Success(0x1234) ")),
            "yield ...\ncopy-out 0x10000100+0x1234\nexit\n");
  EXPECT_EQ(Stream(Does(0, "sys_read ( 0, 0x10000100, 8192 )", "Success(0x0)")),
            "yield\nexit\n");
  EXPECT_EQ(Stream(Does(0, "sys_read ( 0, 0x10000100, 8192 )", "Failure(0x9)")),
            "yield\nexit\n");
}

TEST_F(KernelCopiesTest, WriteReadsBeforeTheCall) {
  EXPECT_EQ(
      Stream(Does(1, "sys_write ( 1, 0x10000100, 100 )", "Success(0x64)")),
      "copy-in 0x10000100+0x64\nexit\n");
}

TEST_F(KernelCopiesTest, ACopyEndsWhereTheRightDoes) {
  EXPECT_EQ(Stream(Does(17, "sys_pread64 ( 3, 0x1000f000, 8192, 0 )",
                        "Success(0x2000)")),
            "copy-out 0x1000f000+0x1000\nexit\n");
  EXPECT_EQ(Stream(Does(18, "sys_pwrite64 ( 3, 0x1000f000, 8192, 0 )",
                        "Success(0x2000)")),
            "copy-in 0x1000f000+0x2000\nexit\n");
}

TEST_F(KernelCopiesTest, MemoryOfExecsIsInferredAndUnmappedMemoryIsNot) {
  EXPECT_EQ(Stream(Does(5, "sys_newfstat ( 1, 0x1fff000800 )", "Success(0x0)")),
            "map 0x1ffefe0000+0x21000 stack rw- ...\n"
            "copy-out 0x1fff000800+0x90\nexit\n");
  EXPECT_EQ(Stream(Does(11, "sys_munmap ( 0x10008000, 4096 )", "Success(0x0)") +
                   Does(5, "sys_newfstat ( 1, 0x10008000 )", "Success(0x0)")),
            "unmap 0x10008000+0x1000\nsyscall\nexit\n");
  EXPECT_EQ(Stream(Does(5, "sys_newfstat ( 1, 0x0 )", "Success(0x0)") +
                   Does(5, "sys_newfstat ( 1, 0x10 )", "Success(0x0)")),
            "syscall\nsyscall\nexit\n");
}

// Behind what a call has mapped exec has put nothing, but a call that has read
// on there shows that something is.
TEST_F(KernelCopiesTest, WhatACopyWentThroughIsNoHole) {
  const std::string protect =
      Does(10, "sys_mprotect ( 0x10010000, 8192, 1 )", "Success(0x0)");
  const auto write = [](int bytes) {
    return Does(1, absl::StrCat("sys_write ( 1, 0x10010f00, ", bytes, " )"),
                absl::StrCat("Success(0x", absl::Hex(bytes), ")"));
  };
  EXPECT_THAT(ReadText(maps_ + write(0x100) + protect),
              testing::HasSubstr("nothing is mapped at 0x10011000"));
  EXPECT_THAT(ReadText(maps_ + write(0x101) + protect),
              testing::HasSubstr("\nprotect 0x10010000+0x2000 r--\n"));
}

TEST_F(KernelCopiesTest, NamesAreReadAlsoByCallsThatFail) {
  const std::string stat = "sys_newstat ( 0x10000000(/etc/x), 0x10001000 )";
  EXPECT_EQ(Stream(Does(4, stat, "Success(0x0)")),
            "copy-in 0x10000000+0x7 ...\ncopy-out 0x10001000+0x90\nexit\n");
  EXPECT_EQ(Stream(Does(4, stat, "Failure(0x2)")),
            "copy-in 0x10000000+0x7\nexit\n");
  EXPECT_EQ(Stream(Does(4, stat, "Failure(0xe)")), "syscall\nexit\n");
  EXPECT_EQ(Stream(Does(59,
                        "sys_execve ( 0x10000000(/x), 0x10001000, "
                        "0x10002000 )",
                        "Failure(0x2)")),
            "copy-in 0x10000000+0x3\nexit\n");
}

TEST_F(KernelCopiesTest, LengthsComeFromArgumentsAndResults) {
  EXPECT_EQ(Stream(Does(7, "sys_poll ( 0x10000000, 3, -1 )\n", "Success(0x1)")),
            "copy-in 0x10000000+0x18 ...\nyield ...\n"
            "copy-out 0x10000000+0x18\nexit\n");
  EXPECT_EQ(Stream(Does(23, "sys_select ( 65, 0x10000000, 0x0, 0x0, 0x0 )",
                        "Success(0x1)")),
            "copy-in 0x10000000+0x10 ...\nyield ...\n"
            "copy-out 0x10000000+0x10\nexit\n");
  EXPECT_EQ(Stream(Does(20, "sys_writev ( 1, 0x10000000, 3 )", "Success(0x9)")),
            "copy-in 0x10000000+0x30\nexit\n");
  EXPECT_EQ(Stream(Does(232, "sys_epoll_wait ( 4, 0x10000000, 8, -1 )",
                        "Success(0x2)")),
            "yield ...\ncopy-out 0x10000000+0x18\nexit\n");
  EXPECT_EQ(Stream(Does(27, "sys_mincore ( 0x10000000, 8193, 0x10001000 )",
                        "Success(0x0)")),
            "copy-out 0x10001000+0x3\nexit\n");
}

TEST_F(KernelCopiesTest, ConditionsAreTheKernels) {
  const auto epoll = [](const char* operation) {
    return Does(
        233,
        absl::StrCat("sys_epoll_ctl ( 4, ", operation, ", 5, 0x10000000 )"),
        "Success(0x0)");
  };
  EXPECT_EQ(Stream(epoll("EPOLL_CTL_ADD")), "copy-in 0x10000000+0xc\nexit\n");
  EXPECT_EQ(Stream(epoll("EPOLL_CTL_DEL")), "syscall\nexit\n");
  const std::string sleep = "sys_nanosleep ( 0x10000000, 0x10000010 )";
  EXPECT_EQ(Stream(Does(35, sleep, "Success(0x0)")),
            "copy-in 0x10000000+0x10 ...\nyield\nexit\n");
  EXPECT_EQ(Stream(Does(35, sleep, "Failure(0x4)")),
            "copy-in 0x10000000+0x10 ...\nyield ...\n"
            "copy-out 0x10000010+0x10\nexit\n");
  EXPECT_EQ(Stream(Does(202, "sys_futex ( 0x10000000, 128, 2, 0x0, 0x0 )",
                        "Success(0x0)")),
            "copy-in 0x10000000+0x4 ...\nyield\nexit\n");
  EXPECT_EQ(Stream(Does(202, "sys_futex ( 0x10000000, 129, 1, 0x0, 0x0 )",
                        "Success(0x0)")),
            "yield\nexit\n");
  EXPECT_EQ(
      Stream(Does(16, "sys_ioctl ( 0, 0x5401, 0x10000000 )", "Success(0x0)") +
             Does(16, "sys_ioctl ( 0, 0x5402, 0x10000000 )", "Success(0x0)") +
             Does(16, "sys_ioctl ( 0, 0x5555, 0x10000000 )", "Success(0x0)")),
      "copy-out 0x10000000+0x24\ncopy-in 0x10000000+0x24\n"
      "syscall\nexit\n");
}

TEST_F(KernelCopiesTest, WhatIsWrittenToNowhereIsNotRead) {
  for (const char* path : {"/dev/null", "/dev/zero", "/dev/../dev//null"}) {
    const std::string copy =
        absl::StrCat("copy-in 0x10000000+0x",
                     absl::Hex(std::string(path).size() + 1), " ...\nopen\n");
    const std::string opened =
        Does(2, absl::StrCat("sys_open ( 0x10000000(", path, "), 1 )"),
             "Success(0x3)");
    EXPECT_EQ(
        Stream(opened +
               Does(1, "sys_write ( 3, 0x10000100, 100 )", "Success(0x64)") +
               Does(18, "sys_pwrite64 ( 3, 0x10000100, 100, 0 )",
                    "Success(0x64)")),
        copy + "syscall\nsyscall\nexit\n");
    // A copy of the descriptor does the same, and another one does not. What
    // says where the pieces are is read (import_iovec).
    EXPECT_EQ(
        Stream(opened + Does(32, "sys_dup ( 3 )", "Success(0x5)") +
               Does(1, "sys_write ( 5, 0x10000100, 100 )", "Success(0x64)") +
               Does(1, "sys_write ( 6, 0x10000100, 100 )", "Success(0x64)") +
               Does(20, "sys_writev ( 3, 0x10000000, 3 )", "Success(0x9)")),
        copy +
            "syscall\nsyscall\ncopy-in 0x10000100+0x64\n"
            "copy-in 0x10000000+0x30\nexit\n");
  }
  // Reading zeros writes them.
  EXPECT_EQ(
      Stream(Does(2, "sys_open ( 0x10000000(/dev/zero), 0 )", "Success(0x3)") +
             Does(0, "sys_read ( 3, 0x10000100, 100 )", "Success(0x64)")),
      "copy-in 0x10000000+0xa ...\nopen\ncopy-out 0x10000100+0x64\nexit\n");
}

// What sleeps has read its arguments when a signal comes. poll writes what it
// found and select how much of its time is left, but not the sets.
TEST_F(KernelCopiesTest, SignalsComeAfterArgumentsAreRead) {
  EXPECT_EQ(Stream(Does(7, "sys_poll ( 0x10000000, 3, -1 )\n", "Failure(0x4)")),
            "copy-in 0x10000000+0x18 ...\nyield ...\n"
            "copy-out 0x10000000+0x18\nexit\n");
  const std::string select =
      "sys_select ( 65, 0x10000000, 0x0, 0x0, 0x10001000 )";
  EXPECT_EQ(Stream(Does(23, select, "Failure(0x4)")),
            "copy-in 0x10000000+0x10 ...\ncopy-in 0x10001000+0x10 ...\n"
            "yield ...\ncopy-out 0x10001000+0x10\nexit\n");
  EXPECT_EQ(Stream(Does(23, select, "Failure(0x16)")), "yield\nexit\n");
}

// Source: waitid (Linux, kernel/exit.c).
TEST_F(KernelCopiesTest, WaitidWritesItsAnswerAlsoWhenItFails) {
  const std::string wait = "sys_waitid( 0, 0, 0x10000000, 4, 0x10001000 )";
  for (const char* error : {"0x4", "0xa", "0x16"}) {
    EXPECT_EQ(Stream(Does(247, wait, absl::StrCat("Failure(", error, ")"))),
              "copy-out 0x10000000+0x1c\nexit\n")
        << error;
  }
  EXPECT_EQ(Stream(Does(247, wait, "Failure(0xe)")), "syscall\nexit\n");
  EXPECT_EQ(Stream(Does(247, wait, "Success(0x0)")),
            "yield ...\ncopy-out 0x10001000+0x90 ...\n"
            "copy-out 0x10000000+0x1c\nexit\n");
}

TEST_F(KernelCopiesTest, WaitWritesTheStatusOfTheChildItReturned) {
  const auto streams = ReadAll(
      {Write("p",
             Head(7) +
                 Call(7, 9,
                      "sys_mmap ( 0x0, 8192, 3, 34, 4294967295, 0 ) --> "
                      "[pre-success] Success(0x10000000) ") +
                 Call(7, 57, "sys_fork ( )   fork: process 7 created child 8") +
                 " --> [pre-success] Success(0x8) \n" +
                 Call(7, 61,
                      "sys_wait4 ( -1, 0x10000000, 0, 0x10001000 ) --> "
                      "[async] ... ") +
                 Call(7, 61, "... [async] --> Success(0x8) ") + Tail(7)),
       Write("c", ForkedHead(8, 7) + Tail(8))});
  ASSERT_TRUE(streams.ok()) << streams.status();
  EXPECT_EQ(ToText(streams->at(7)),
            "map 0x10000000+0x2000 anonymous rw-\nfork 8\nwait 8 ...\n"
            "copy-out 0x10000000+0x4 ...\ncopy-out 0x10001000+0x90\nexit\n");
}

TEST_F(KernelCopiesTest, AnExecReadsItsNameAndClosesBeforeTheNewProgram) {
  const auto streams = ReadAll({Write(
      "one",
      Head(7) +
          Call(7, 9,
               "sys_mmap ( 0x0, 8192, 3, 34, 4294967295, 0 ) --> "
               "[pre-success] Success(0x10000000) ") +
          Does(2, "sys_open ( 0x10000000(/a), 524288 )", "Success(0x3)") +
          Does(2, "sys_open ( 0x10000000(/b), 0 )", "Success(0x4)") +
          Does(72, "sys_fcntl[ARG3=='arg'] ( 4, 2, 1 )", "Success(0x0)") +
          Does(2, "sys_open ( 0x10000000(/c), 0 )", "Success(0x5)") +
          Call(7, 59, "sys_execve ( 0x10000010(/x), 0x10000100, 0x10000200 )") +
          Head(7, 1, "/x") + " L 00400000,8\n" + Tail(7))});
  ASSERT_TRUE(streams.ok()) << streams.status();
  const std::string text = ToText(streams->at(7));
  EXPECT_NE(text.find("copy-in 0x10000010+0x3 ...\ncopy-in 0x10000100+0x8 ...\n"
                      "copy-in 0x10000200+0x8 ...\nclose ...\nclose ...\n"
                      "exec\nmap 0x400000"),
            std::string::npos)
      << text;
}

TEST_F(KernelCopiesTest, ArgumentsThatCannotBeReadAreNoError) {
  EXPECT_EQ(Stream(Does(1, "sys_write ( what is this )", "Success(0x5)") +
                   Does(1, "sys_write", "Success(0x5)") +
                   Does(217, "sys_getdents64 ( 5 )", "Success(0x5)")),
            "syscall\nsyscall\nsyscall\nexit\n");
}

TEST_F(KernelCopiesTest, AnImpossibleLengthEndsSoon) {
  const std::string text = Stream(
      Does(1, "sys_write ( 1, 0x1000fff0, 1 )", "Success(0xffffffffffffffff)"));
  EXPECT_LT(std::count(text.begin(), text.end(), '\n'), 3000);
}

}  // namespace
}  // namespace xmmu::kernel_copies_test
