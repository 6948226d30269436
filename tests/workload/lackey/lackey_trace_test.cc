// Tests what each record becomes in the stream of one process.

#include "xmmu/workload/lackey_trace.h"

#include <sys/resource.h>

#include "absl/strings/str_cat.h"
#include "workload/lackey/trace_support.h"
#include "workload/process/call_buffers.h"

namespace xmmu::lackey_trace_test {
namespace {

// A mapping to work in, and its operation.
std::string MapRecord(const std::string& arguments, const std::string& at) {
  return Call(7, 9,
              absl::StrCat("sys_mmap ( ", arguments,
                           " ) --> [pre-success] Success(", at, ") "));
}
const char kAnonymous[] = "0x0, 16384, 3, 34, 4294967295, 0";
const char kMapped[] = "map 0x5000000+0x4000 anonymous rw-\n";

class LackeyTraceTest : public TraceTest {
 protected:
  // The stream of `records` with 16 KiB mapped at 0x5000000, without what is
  // the same in all of them.
  std::string InMapping(const std::string& records) const {
    std::string text = ReadText(MapRecord(kAnonymous, "0x5000000") + records);
    EXPECT_EQ(text.substr(0, sizeof kMapped - 1), kMapped) << text;
    text = text.substr(std::min(text.size(), sizeof kMapped - 1));
    const size_t exit = text.rfind("exit\n");
    EXPECT_NE(exit, std::string::npos) << text;
    return text.substr(0, exit);
  }
};

TEST_F(LackeyTraceTest, AccessesAreTakenOneForOne) {
  EXPECT_EQ(InMapping(" L 05000000,8\n S 05000ffe,4\n M 05003fff,1\n"),
            "load 0x5000000+0x8\nstore 0x5000ffe+0x4\nmodify 0x5003fff+0x1\n");
}

TEST_F(LackeyTraceTest, FetchesAreLeftOutWhenNotWanted) {
  const std::string records = "I  00401000,5\n L 00401000,8\n";
  const char map[] = "map 0x400000+0x10000 private rwx offset 0x400000\n";
  EXPECT_EQ(ReadText(records), absl::StrCat(map, "fetch 0x401000+0x5\n",
                                            "load 0x401000+0x8\nexit\n"));
  EXPECT_EQ(ReadText(records, {.fetches = false}),
            absl::StrCat(map, "load 0x401000+0x8\nexit\n"));
}

TEST_F(LackeyTraceTest, MmapTellsWhatIsBehindTheMapping) {
  const struct {
    const char* arguments;
    const char* map;
  } kCases[] = {
      {"0x0, 16400, 3, 34, 4294967295, 0", "0x5000+0x5000 anonymous rw-"},
      {"0x0, 4096, 0, 16418, 4294967295, 0", "0x5000+0x1000 anonymous ---"},
      {"0x0, 4096, 2, 33, 4294967295, 0", "0x5000+0x1000 shared-anonymous rw-"},
      {"0x0, 4096, 5, 2, 3, 8192", "0x5000+0x1000 private r-x offset 0x2000"},
      {"0x0, 1, 3, 1, 3, 0", "0x5000+0x1000 shared rw-"},
      {"0x0, 1, 3, 3, 3, 0", "0x5000+0x1000 shared rw-"},
      {"0x0, 4096, 3, 290, 4294967295, 0", "0x5000+0x1000 stack rw-"},
  };
  for (const auto& [arguments, map] : kCases) {
    EXPECT_EQ(ReadText(MapRecord(arguments, "0x5000")),
              absl::StrCat("map ", map, "\nexit\n"))
        << arguments;
  }
}

TEST_F(LackeyTraceTest, AFailedCallChangesNothing) {
  EXPECT_EQ(ReadText(Call(7, 9,
                          "sys_mmap ( 0x1, 3, 3, 50, 4294967295, 0 ) --> "
                          "[pre-fail] Failure(0x16) ")),
            "syscall\nexit\n");
}

TEST_F(LackeyTraceTest, MunmapAndMprotectTakeWholePages) {
  EXPECT_EQ(InMapping(Call(7, 11,
                           "sys_munmap ( 0x5001000, 1 )[sync] --> "
                           "Success(0x0) ") +
                      Call(7, 10,
                           "sys_mprotect ( 0x5002000, 4097, 2 )[sync] --> "
                           "Success(0x0) ")),
            "unmap 0x5001000+0x1000\nprotect 0x5002000+0x2000 rw-\n");
}

TEST_F(LackeyTraceTest, MunmapOfNothingIsACall) {
  EXPECT_EQ(InMapping(Call(7, 11,
                           "sys_munmap ( 0x6000000, 4096 )[sync] --> "
                           "Success(0x0) ")),
            "syscall\n");
}

TEST_F(LackeyTraceTest, MremapMovesGrowsAndShrinks) {
  EXPECT_EQ(InMapping(Call(7, 25,
                           "sys_mremap ( 0x5000000, 16384, 32768, 0x1 ) --> "
                           "[pre-success] Success(0x6000000) ") +
                      " S 06007fff,1\n" +
                      Call(7, 25,
                           "sys_mremap ( 0x6000000, 32768, 4096, 0x0 ) --> "
                           "[pre-success] Success(0x6000000) ")),
            "remap 0x5000000+0x4000 to 0x6000000+0x8000\n"
            "store 0x6007fff+0x1\n"
            "remap 0x6000000+0x8000 to 0x6000000+0x1000\n");
}

TEST_F(LackeyTraceTest, MadviseDiscardsOnlyWhereLinuxDoes) {
  const auto madvise = [](int advice) {
    return Call(7, 28,
                absl::StrCat("sys_madvise ( 0x5001000, 8192, ", advice,
                             " ) --> [async] ... ")) +
           Call(7, 28, "... [async] --> Success(0x0) ");
  };
  EXPECT_EQ(
      InMapping(madvise(4) + madvise(8) + madvise(3)),
      "discard 0x5001000+0x2000\nadvise 0x5001000+0x2000 free\nsyscall\n");
}

TEST_F(LackeyTraceTest, BrkGrowsAndShrinksByPages) {
  const auto brk = [](const char* at) {
    return Call(
        7, 12,
        absl::StrCat("sys_brk ( 0x0 ) --> [pre-success] Success(", at, ") "));
  };
  EXPECT_EQ(ReadText(brk("0x4035000") + brk("0x4056008") + brk("0x4056010") +
                     brk("0x4050000")),
            "syscall\nmap 0x4035000+0x22000 anonymous rw-\nsyscall\n"
            "unmap 0x4050000+0x7000\nexit\n");
}

TEST_F(LackeyTraceTest, SharedMemoryIsAttachedWithItsSize) {
  EXPECT_EQ(
      ReadText(
          Call(7, 29, "sys_shmget ( 0, 5000, 950 )[sync] --> Success(0x12) ") +
          Call(7, 30,
               "sys_shmat ( 18, 0x0, 0 ) --> [pre-success] "
               "Success(0x5000000) ") +
          Call(7, 67, "sys_shmdt ( 0x5000000 )[sync] --> Success(0x0) ")),
      "syscall\nmap 0x5000000+0x2000 shared-anonymous rw- "
      "one-page-faults\nunmap "
      "0x5000000+0x2000\nexit\n");
}

TEST_F(LackeyTraceTest, OnePathIsOneFileAndAnotherAnother) {
  const auto open = [](const char* path, int fd) {
    return Call(7, 257,
                absl::StrCat("sys_openat ( 4294967196, 0x4034bb0(", path,
                             "), 524288 ) --> [async] ... ")) +
           Call(7, 257, absl::StrCat("... [async] --> Success(0x", fd, ") "));
  };
  const auto map = [](int fd) {
    return MapRecord(absl::StrCat("0x5000000, 4096, 1, 18, ", fd, ", 0"),
                     "0x5000000");
  };
  const auto streams = ReadAll({Write(
      "one", Head(7) + open("/lib/a (1).so", 3) + map(3) + open("/b", 3) +
                 map(3) + open("/lib/a (1).so", 4) + map(4) +
                 Call(7, 33, "sys_dup2 ( 3, 9 )[sync] --> Success(0x9) ") +
                 map(9) + map(5) + Tail(7))});
  ASSERT_TRUE(streams.ok()) << streams.status();
  std::vector<uint32_t> files;
  for (const GuestOp& op : streams->at(7)) {
    const bool of_mmap = op.va == VirtAddr(0x5000000);
    if (op.kind == GuestOpKind::kMap && of_mmap) files.push_back(op.file);
  }
  ASSERT_EQ(files.size(), 5);
  EXPECT_EQ(files[0], files[2]);
  EXPECT_EQ(files[1], files[3]);
  EXPECT_NE(files[0], files[1]);
  EXPECT_NE(files[4], files[1]);
}

TEST_F(LackeyTraceTest, CallsThatBlockYield) {
  EXPECT_EQ(ReadText(Call(7, 7, "sys_poll ( 0x5, 1, -1 ) --> [async] ... ") +
                     Call(7, 7, "... [async] --> Success(0x1) ") +
                     Call(7, 0, "sys_read ( 0, 0x4000, 9 ) --> [async] ... ") +
                     Call(7, 0, "... [async] --> Success(0x9) ") +
                     Call(7, 2, "sys_open ( 0x40(/f), 0 ) --> [async] ... ") +
                     Call(7, 2, "... [async] --> Success(0x5) ") +
                     Call(7, 0, "sys_read ( 5, 0x4000, 9 ) --> [async] ... ") +
                     Call(7, 0, "... [async] --> Success(0x9) ") +
                     Call(7, 39, "sys_getpid ()[sync] --> Success(0x7) ")),
            "yield\nyield\nopen\nsyscall\nsyscall\nexit\n");
}

TEST_F(LackeyTraceTest, EachCallYieldsThatTheTableSaysYields) {
  int sleeping = 0;
  for (const CallRow& row : CallRows()) {
    if (row.becomes != "kYield") continue;
    ++sleeping;
    const int number = static_cast<int>(row.number);
    EXPECT_EQ(ReadText(Call(7, number,
                            absl::StrCat(row.name, " ( ) --> [async] ... ")) +
                       Call(7, number, "... [async] --> Success(0x0) ")),
              "yield\nexit\n")
        << row.name;
  }
  EXPECT_EQ(sleeping, 24);
}

TEST_F(LackeyTraceTest, AnInterruptedCallCountsOnceItsSuccessorComes) {
  EXPECT_EQ(ReadText(Call(7, 34, "sys_pause ( ) --> [async] ... ") +
                     Call(7, 15,
                          "sys_rt_sigreturn ( ) --> [pre-success] "
                          "NoWriteResult ")),
            "yield\nsyscall\nexit\n");
}

TEST_F(LackeyTraceTest, RecordsOfOtherThreadsInOneLineAreReadOneByOne) {
  EXPECT_EQ(InMapping("SYSCALL[7,1](56) sys_clone ( 3d0f00, 0x5 ) --> "
                      "[pre-success] Success(0xdfc)  L 05000000,8\n"
                      "SYSCALL[7,2](202) sys_futex ( 0x5 ) --> [async] ... \n"
                      "\n"
                      "SYSCALL[7,1](56) sys_clone ( 3d0f00, 0x5 ) --> "
                      "[pre-success] Success(0xdfd) SYSCALL[7,2](202) ... "
                      "[async] --> Success(0x0) \n"
                      " S 05000008,8\n\n"),
            "syscall\nload 0x5000000+0x8\nsyscall\nyield\n"
            "store 0x5000008+0x8\n");
}

TEST_F(LackeyTraceTest, ACallWithItsResultOnTheNextLineIsOneCall) {
  EXPECT_EQ(ReadText(Call(7, 334,
                          "unimplemented (by the kernel) syscall: 334! "
                          "(ni_syscall)") +
                     " --> [pre-fail] Failure(0x26) \n"),
            "syscall\nexit\n");
  EXPECT_EQ(
      ReadText(Call(7, 7, "sys_poll ( 0x5, 1, -1 )") + " --> [async] ... \n" +
               Call(7, 7, "... [async] --> Success(0x1) ")),
      "yield\nexit\n");
  EXPECT_EQ(ReadText(Call(7, 87,
                          "sys_unlink ( 0x5(a\nb\n\n) )[sync] --> "
                          "Failure(0x2) ")),
            "syscall\nexit\n");
}

TEST_F(LackeyTraceTest, MessagesAreNoOperations) {
  EXPECT_EQ(ReadText("--7-- WARNING: unhandled amd64-linux syscall: 334\n"
                     "==7== Warning: noted but unhandled ioctl\n"
                     "**7** from the program\n"),
            "exit\n");
}

TEST_F(LackeyTraceTest, ALogMayEndWithoutCounts) {
  const auto streams = ReadAll({Write(
      "one", Head(7) + "SYSCALL[7,1](231) exit_group( 0 ) --> [pre-success] "
                       "Success(0x0) \n==7== \n")});
  ASSERT_TRUE(streams.ok()) << streams.status();
  EXPECT_EQ(ToText(streams->at(7)), "exit\n");
}

TEST_F(LackeyTraceTest, AProcessMayDieOfASignal) {
  const auto streams = ReadAll({Write(
      "one",
      Head(7) + Call(7, 34, "sys_pause ( ) --> [async] ... ") +
          "==7== \n==7== Process terminating with default action of signal 15 "
          "(SIGTERM)\n==7==    at 0x491BDF2: pause (pause.c:29)\n")});
  ASSERT_TRUE(streams.ok()) << streams.status();
  EXPECT_EQ(ToText(streams->at(7)), "exit\n");
}

TEST_F(LackeyTraceTest, ACompressedLogReadsAsThePlainOne) {
  std::string text = Head(7) + MapRecord(kAnonymous, "0x5000000");
  for (int i = 0; i < 100000; ++i) {
    absl::StrAppend(&text, " S ",
                    absl::Hex(0x5000000 + i % 16384, absl::kZeroPad8), ",1\n");
  }
  text += Tail(7);
  const auto plain = ReadAll({Write("plain", text)});
  const auto gzip = ReadAll({WriteGzip("gzip", text)});
  ASSERT_TRUE(plain.ok()) << plain.status();
  ASSERT_TRUE(gzip.ok()) << gzip.status();
  EXPECT_EQ(plain->at(7).size(), 100002);
  EXPECT_EQ(ToText(plain->at(7)), ToText(gzip->at(7)));
}

TEST_F(LackeyTraceTest, MemoryDoesNotGrowWithTheLog) {
  constexpr int kBlocks = 3000;
  std::string block;
  for (int i = 0; i < 1000; ++i) absl::StrAppend(&block, " S 05000000,1\n");
  gzFile file = gzopen(Path("long").c_str(), "wb1");
  const auto write = [&](const std::string& text) {
    gzwrite(file, text.data(), static_cast<unsigned>(text.size()));
  };
  write(Head(7) + MapRecord(kAnonymous, "0x5000000"));
  for (int i = 0; i < kBlocks; ++i) write(block);
  write(Tail(7));
  gzclose(file);

  const auto workload = OpenLackeyTrace({Path("long")}, {});
  ASSERT_TRUE(workload.ok()) << workload.status();
  rusage before;
  uint64_t operations = 0;
  for (bool done = false; !done;) {
    const auto ops = (*workload)->Next(7);
    ASSERT_TRUE(ops.ok()) << ops.status();
    ASSERT_LE(ops->size(), 1100);
    if (operations == 0) getrusage(RUSAGE_SELF, &before);
    operations += ops->size();
    done = ops->back().kind == GuestOpKind::kExit;
  }
  rusage after;
  getrusage(RUSAGE_SELF, &after);
  EXPECT_EQ(operations, 1000 * kBlocks + 2);
  EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 4096);  // KiB
}

TEST_F(LackeyTraceTest, ACommandOfAnyLengthIsRead) {
  const auto streams = ReadAll({Write(
      "one", Head(7) + Call(7, 59, "sys_execve ( 0x1(/x), 0x2, 0x3 )") +
                 Head(7, 1, absl::StrCat("/bin/x ", std::string(300000, 'x'))) +
                 " L 00400000,8\n" + Tail(7))});
  ASSERT_TRUE(streams.ok()) << streams.status();
  EXPECT_EQ(ToText(streams->at(7)),
            "exec\nmap 0x400000+0x10000 private rwx offset 0x400000\n"
            "load 0x400000+0x8\nexit\n");
}

TEST_F(LackeyTraceTest, TheNameIsTheProgramWithoutItsDirectory) {
  const auto workload = OpenLackeyTrace(
      {Write("one", Head(7, 1, "/usr/bin/perl -e 1") + Tail(7))}, {});
  ASSERT_TRUE(workload.ok());
  EXPECT_EQ((*workload)->name(), "trace:perl");
}

}  // namespace
}  // namespace xmmu::lackey_trace_test
