// Flags of mappings, advices and locks, and what calls have done that failed.

#include "absl/strings/str_cat.h"
#include "workload/lackey/trace_support.h"

namespace xmmu::advice_records_test {
namespace {

std::string Returned(int number, const std::string& call,
                     const std::string& result = "Success(0x0)") {
  return Call(7, number,
              absl::StrCat("sys_", call, "[sync] --> ", result, " "));
}
std::string Madvise(int advice, const std::string& result = "Success(0x0)",
                    const char* range = "0x10000000, 16384") {
  return Returned(28, absl::StrCat("madvise ( ", range, ", ", advice, " )"),
                  result);
}

class AdviceRecordsTest : public TraceTest {
 protected:
  // The stream of `records` behind one mapping of four pages.
  std::string InFour(const std::string& records, int flags = 34) const {
    const std::string text =
        ReadText(Returned(9,
                          absl::StrCat("mmap ( 0x0, 16384, 3, ", flags,
                                       ", 4294967295, 0 )"),
                          "Success(0x10000000)") +
                 records);
    const size_t line = text.find('\n');
    EXPECT_EQ(text.rfind("map 0x10000000+0x4000 ", 0), 0) << text;
    return text.substr(line + 1);
  }
  // As InFour(), without the second of the four pages.
  std::string InThree(const std::string& records) const {
    const std::string text =
        InFour(Returned(11, "munmap ( 0x10001000, 4096 )") + records);
    return text.substr(text.find('\n') + 1);
  }
  std::string Mmap(uint64_t flags, uint64_t length = 4096,
                   const char* at = "0x10000000") const {
    return ReadText(Returned(9,
                             absl::StrCat("mmap ( 0x0, ", length, ", 3, ",
                                          flags, ", 4294967295, 0 )"),
                             absl::StrCat("Success(", at, ")")));
  }
};

TEST_F(AdviceRecordsTest, FlagsOfMappings) {
  const std::string map = "map 0x10000000+0x1000 anonymous rw-";
  EXPECT_EQ(Mmap(0x22 | 0x8000), map + " populate\nexit\n");
  EXPECT_EQ(Mmap(0x22 | 0x18000), map + "\nexit\n");  // MAP_NONBLOCK
  EXPECT_EQ(Mmap(0x22 | 0x2000), map + " locked\nexit\n");
  EXPECT_EQ(Mmap(0x22 | 0x4000), map + "\nexit\n");  // MAP_NORESERVE
}

TEST_F(AdviceRecordsTest, HugePagesAreWholeOnes) {
  EXPECT_EQ(Mmap(0x40022),
            "map 0x10000000+0x200000 anonymous rw- shift 21\nexit\n");
  EXPECT_EQ(Mmap(0x40022 | 30ull << 26, 4096, "0x40000000"),
            "map 0x40000000+0x40000000 anonymous rw- shift 30\nexit\n");
  EXPECT_NE(Mmap(0x40022, 4096, "0x10001000").find("expected EINVAL"),
            std::string::npos);
  EXPECT_NE(Mmap(0x40022 | 22ull << 26).find("expected EINVAL"),
            std::string::npos);
  EXPECT_NE(ReadText(Returned(9,
                              "mmap ( 0x0, 4194304, 3, 262178, 4294967295, "
                              "0 )",
                              "Success(0x10000000)") +
                     Returned(11, "munmap ( 0x10000000, 4096 )"))
                .find("expected EINVAL"),
            std::string::npos);
}

TEST_F(AdviceRecordsTest, EachAdviceIsWhatLinuxMakesOfIt) {
  const struct {
    int advice;
    const char* op;
  } kCases[] = {{0, "syscall"},
                {3, "syscall"},
                {4, "discard"},
                {8, "advise free"},
                {10, "advise no-fork"},
                {11, "advise fork-again"},
                {12, "syscall"},
                {14, "advise huge"},
                {15, "advise no-huge"},
                {18, "advise wipe-on-fork"},
                {19, "advise keep-on-fork"},
                {20, "syscall"},
                {21, "syscall"},
                {22, "advise populate-read"},
                {23, "advise populate-write"},
                {24, "discard"},
                {25, "syscall"}};
  for (const auto& [advice, op] : kCases) {
    std::string wanted = op;
    const size_t space = wanted.find(' ');
    const std::string range = " 0x10000000+0x4000";
    if (wanted != "syscall") {
      wanted.insert(std::min(space, wanted.size()), range);
    }
    EXPECT_EQ(InFour(Madvise(advice)), wanted + "\nexit\n") << advice;
  }
}

TEST_F(AdviceRecordsTest, MadviseGoesOnOverAHole) {
  EXPECT_EQ(InThree(Madvise(4, "Failure(0xc)")),
            "discard 0x10000000+0x1000 ...\ndiscard 0x10002000+0x2000\nexit\n");
  // Populating ends there.
  EXPECT_EQ(InThree(Madvise(23, "Failure(0xc)")),
            "advise 0x10000000+0x1000 populate-write\nexit\n");
  // Without a hole nothing tells what was done.
  EXPECT_EQ(InFour(Madvise(4, "Failure(0xc)")), "syscall\nexit\n");
  EXPECT_EQ(InThree(Madvise(4, "Failure(0x16)")), "syscall\nexit\n");
}

TEST_F(AdviceRecordsTest, MadviseEndsAtWhatItRefuses) {
  const std::string locked = Returned(149, "mlock ( 0x10002000, 4096 )");
  EXPECT_EQ(InFour(locked + Madvise(4, "Failure(0x16)")),
            "advise 0x10002000+0x1000 lock\ndiscard 0x10000000+0x2000\nexit\n");
  EXPECT_NE(ReadText(Returned(9, "mmap ( 0x0, 16384, 3, 8226, 4294967295, 0 )",
                              "Success(0x10000000)") +
                     Madvise(4))
                .find("expected EINVAL: at 0x10000000, what is locked stays"),
            std::string::npos);
  EXPECT_EQ(InFour(locked + Madvise(24)),
            "advise 0x10002000+0x1000 lock\ndiscard 0x10000000+0x2000 ...\n"
            "advise 0x10002000+0x1000 unlock ...\n"
            "discard 0x10002000+0x1000 ...\n"
            "advise 0x10002000+0x1000 lock-on-fault ...\n"
            "discard 0x10003000+0x1000\nexit\n");
  const std::string read_only =
      Returned(10, "mprotect ( 0x10003000, 4096, 1 )");
  EXPECT_EQ(InFour(read_only + Madvise(23, "Failure(0x16)")),
            "protect 0x10003000+0x1000 r--\n"
            "advise 0x10000000+0x3000 populate-write\nexit\n");
}

TEST_F(AdviceRecordsTest, MprotectStopsAtAHole) {
  EXPECT_EQ(InThree(Returned(10, "mprotect ( 0x10000000, 16384, 1 )",
                             "Failure(0xc)") +
                    " S 10000000,8\n S 10002000,8\n"),
            "protect 0x10000000+0x1000 r--\nstore 0x10002000+0x8\nexit\n");
  EXPECT_EQ(
      InFour(Returned(10, "mprotect ( 0x10000000, 16384, 1 )", "Failure(0xd)")),
      "syscall\nexit\n");
}

TEST_F(AdviceRecordsTest, LocksAreTaken) {
  EXPECT_EQ(InFour(Returned(149, "mlock ( 0x10000800, 4096 )") +
                   Returned(325, "mlock2 ( 0x10002000, 4096, 1 )") +
                   Returned(150, "munlock ( 0x10000000, 16384 )")),
            "advise 0x10000000+0x2000 lock\n"
            "advise 0x10002000+0x1000 lock-on-fault\n"
            "advise 0x10000000+0x4000 unlock\nexit\n");
  EXPECT_EQ(
      InThree(Returned(149, "mlock ( 0x10000000, 16384 )", "Failure(0xc)") +
              Madvise(4, "Success(0x0)", "0x10000000, 4096")),
      "advise 0x10000000+0x1000 lock-on-fault\n"
      "advise 0x10000000+0x1000 unlock ...\n"
      "discard 0x10000000+0x1000\nexit\n");
}

TEST_F(AdviceRecordsTest, LaterMappingsAreLockedUntilAnExec) {
  const std::string map = Returned(
      9, "mmap ( 0x0, 4096, 3, 34, 4294967295, 0 )", "Success(0x20000000)");
  const std::string mapped = "map 0x20000000+0x1000 anonymous rw-";
  EXPECT_EQ(InFour(Returned(151, "mlockall ( 3 )") + map),
            absl::StrCat("advise lock\n", mapped, " locked\nexit\n"));
  EXPECT_EQ(InFour(Returned(151, "mlockall ( 6 )") + map),
            absl::StrCat("syscall\n", mapped, " lock-on-fault\nexit\n"));
  EXPECT_EQ(InFour(Returned(151, "mlockall ( 2 )") +
                   Returned(152, "munlockall ( )") + map),
            absl::StrCat("syscall\nadvise unlock\n", mapped, "\nexit\n"));
  const auto streams = ReadAll(
      {Write("one", Head(7) + Returned(151, "mlockall ( 2 )") +
                        Call(7, 59, "sys_execve ( 0x0(/x), 0x0, 0x0 )") +
                        Head(7, 1, "/x") + map + Tail(7))});
  ASSERT_TRUE(streams.ok()) << streams.status();
  EXPECT_EQ(ToText(streams->at(7)),
            absl::StrCat("syscall\nexec\n", mapped, "\nexit\n"));
}

TEST_F(AdviceRecordsTest, AChildHasNotWhatIsKeptFromIt) {
  const auto streams = ReadAll(
      {Write("p",
             Head(7) +
                 Returned(9, "mmap ( 0x0, 8192, 3, 34, 4294967295, 0 )",
                          "Success(0x10000000)") +
                 Madvise(10, "Success(0x0)", "0x10000000, 4096") +
                 Returned(151, "mlockall ( 3 )") +
                 Call(7, 57, "sys_fork ( )   fork: process 7 created child 8") +
                 " --> [pre-success] Success(0x8) \n" + Tail(7)),
       Write("c", ForkedHead(8, 7) +
                      Call(8, 28,
                           "sys_madvise ( 0x10000000, 8192, 4 ) --> "
                           "[sync] Failure(0xc) ") +
                      Call(8, 9,
                           "sys_mmap ( 0x0, 4096, 3, 34, 4294967295, 0 ) "
                           "--> [sync] Success(0x10000000) ") +
                      Tail(8))});
  ASSERT_TRUE(streams.ok()) << streams.status();
  EXPECT_EQ(ToText(streams->at(8)),
            "discard 0x10001000+0x1000\n"
            "map 0x10000000+0x1000 anonymous rw-\nexit\n");
}

}  // namespace
}  // namespace xmmu::advice_records_test
