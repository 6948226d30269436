// What is no log, or one that lacks what a replay needs, is told so in a line:
// of other programs, other tools, other recording options.

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "workload/lackey/trace_support.h"

namespace xmmu::foreign_logs_test {
namespace {

class ForeignLogsTest : public TraceTest {
 protected:
  static std::string Error(std::vector<std::string> files) {
    const auto streams = ReadAll(std::move(files));
    return streams.ok() ? "no error" : std::string(streams.status().message());
  }
  std::string ErrorIn(const std::string& text) const {
    return Error({Write("log", text)});
  }
  // What the error of `text` says at `line`, or all of it.
  std::string ErrorAt(int line, const std::string& text) const {
    const std::string error = ErrorIn(text);
    const std::string mark = absl::StrCat(Path("log"), ":", line, ": ");
    return error.rfind(mark, 0) == 0 ? error.substr(mark.size()) : error;
  }
};

constexpr char kTitle[] = "expected '==PID== Lackey, an example Valgrind tool'";
constexpr char kNarrow[] =
    ", as in a 32-bit program (i386), expected the log of an x86-64 program: "
    "others cannot be replayed yet";

TEST_F(ForeignLogsTest, A32BitProgramIsToldByNamesBesideNumbers) {
  const struct {
    int number;
    const char* name;
    const char* rest;
  } kCalls[] = {
      {192, "sys_mmap2",
       " ( 0x0, 262144, 3, 34, 4294967295, 0 ) --> [pre-success] "
       "Success(0x4000000) "},
      {90, "old_mmap", " ( 0x0, 1, 3, 34, 1, 0 )[sync] --> Success(0x4000) "},
      {2, "sys_fork", " ( )   fork: process 7 created child 8"},
      {45, "sys_brk", " ( 0x0 ) --> [pre-success] Success(0x804c000) "},
      {5, "sys_open", " ( 0x4(/a), 0 ) --> [async] ... "},
      {1, "exit", "( 0 ) --> [pre-success] Success(0x0) "},
      {252, "exit_group", "( 0 ) --> [pre-success] Success(0x0) "},
      {4, "sys_write", " ( 1, 0x4, 1 ) --> [async] ... "},
      {122, "sys_newuname", " ( 0x4 )[sync] --> Success(0x0) "},
  };
  for (const auto& [number, name, rest] : kCalls) {
    EXPECT_EQ(ErrorAt(7, Head(7) + Call(7, number, absl::StrCat(name, rest)) +
                             Tail(7)),
              absl::StrCat("call ", number, " is ", name, kNarrow));
  }
}

TEST_F(ForeignLogsTest, TheSameNamesAreTakenBesideX8664sNumbers) {
  EXPECT_EQ(ErrorIn(Head(7) +
                    Call(7, 12, "sys_brk ( 0x0 )[sync] --> Success(0x4000) ") +
                    Call(7, 4,
                         "sys_newstat ( 0x4(/a), 0x5 )[sync] --> "
                         "Failure(0x2) ") +
                    Call(7, 122, "sys_setfsuid ( 0 )[sync] --> Success(0x0) ") +
                    Tail(7)),
            "no error");
}

TEST_F(ForeignLogsTest, NumbersOfOtherMachinesAreNotBelieved) {
  // Linux on arm64: 222 is mmap, 214 brk.
  EXPECT_EQ(ErrorAt(7, Head(7) + Call(7, 222, "sys_mmap ( 0x0, 1, 3 )")),
            "call 222 is sys_mmap, expected the number 9 of x86-64");
  EXPECT_EQ(ErrorAt(7, Head(7) + Call(7, 12, "sys_chdir ( 0x4(/) )")),
            "call 12 is sys_chdir, as in a 32-bit program (i386), expected the "
            "log of an x86-64 program: others cannot be replayed yet");
  EXPECT_EQ(
      ErrorAt(7, Head(7) + Call(7, 9, "sys_mprotect ( 0x0, 1, 3 )")),
      "call 9 is 'sys_mprotect', expected sys_mmap, as x86-64 numbers it");
}

std::string Counted(uint32_t pid) {
  const std::string mark = absl::StrCat("==", pid, "== ");
  return absl::StrCat(mark, "\n", mark, "Counted 1 call to main()\n", mark,
                      "Executed:\n", mark, "  guest instrs:  1,204\n", mark,
                      "\n", mark, "Exit code:       0\n");
}
const char kExit[] =
    "SYSCALL[7,1](231) exit_group( 0 ) --> [pre-success] Success(0x0) \n";

TEST_F(ForeignLogsTest, ALogWithoutSystemCallsIsRefused) {
  const std::string accesses = "I  0401ab70,3\n S 1fff000d28,8\n";
  EXPECT_EQ(ErrorAt(15, Head(7) + accesses + Counted(7)),
            "no system call in the log of process 7, expected those that it "
            "made, the last of them exit: record with --trace-syscalls=yes");
  EXPECT_EQ(ErrorIn(Head(7) + accesses + kExit + Counted(7)), "no error");
  EXPECT_EQ(ErrorIn(Head(7) + accesses +
                    "SYSCALL[7,1](60) exit( 0 ) --> [pre-success] "
                    "Success(0x0) \n" +
                    Counted(7)),
            "no error");
}

TEST_F(ForeignLogsTest, AProcessThatASignalEndsNeedsNoExit) {
  const std::string killed =
      "==7== \n==7== Process terminating with default action of signal 11\n";
  // Before its first call a process has only its image and its stack.
  const std::string early = "I  00401000,3\n S 1fff000d28,8\n";
  EXPECT_EQ(ErrorIn(Head(7) + early + killed), "no error");
  EXPECT_EQ(ErrorAt(12, Head(7) + early + "I  0401ab70,3\n" + killed),
            "no system call in the log of process 7, expected those that it "
            "made, the last of them exit: record with --trace-syscalls=yes");
  const std::string call =
      Call(7, 12, "sys_brk ( 0x0 )[sync] --> Success(0x4000) ");
  EXPECT_EQ(ErrorIn(Head(7) + "I  0401ab70,3\n" + call + killed), "no error");
  const std::string parent =
      Head(6) + Call(6, 57, "sys_fork ( )   fork: process 6 created child 7") +
      " --> [pre-success] Success(0x7) \n" + Tail(6);
  EXPECT_EQ(Error({Write("p", parent),
                   Write("c", ForkedHead(7, 6) + "I  0401ab70,3\n" + killed)}),
            "no error");
}

TEST_F(ForeignLogsTest, AProcessThatKillsItselfNeedsNoExit) {
  const std::string kill =
      Call(7, 62, "sys_kill ( 7, 9 ) --> [pre-success] Success(0x0) ");
  const std::string other =
      Call(7, 39, "sys_getpid ()[sync] --> Success(0x7) ");
  EXPECT_EQ(ErrorIn(Head(7) + "I  00401000,3\n" + other + kill + Counted(7)),
            "no error");
  EXPECT_EQ(
      ErrorAt(16, Head(7) + "I  00401000,3\n" + kill + other + Counted(7)),
      "the log of process 7 ends without its exit, expected a record of exit "
      "or exit_group");
}

TEST_F(ForeignLogsTest, ALogWithoutAccessesIsRefused) {
  const char kNone[] =
      "no access to memory in the log of process 7, expected at least its "
      "instructions: record with --trace-mem=yes";
  EXPECT_EQ(ErrorAt(14, Head(7) + kExit + Counted(7)), kNone);
  EXPECT_EQ(ErrorIn(Head(7) + "I  00401000,3\n" + kExit + Counted(7)),
            "no error");
  // Without counts, the linker's work shows that there were instructions.
  EXPECT_EQ(ErrorAt(10, Head(7) +
                            Call(7, 257,
                                 "sys_openat ( 1, 0x4(/usr/libexec/valgrind/"
                                 "vgpreload_core-amd64-linux.so), 0 )[sync] "
                                 "--> Success(0x3) ") +
                            kExit + "==7== \n"),
            kNone);
}

TEST_F(ForeignLogsTest, OptionsThatAddLinesAreRead) {
  const std::string records =
      "SB 00401000\nI  00401000,3\n"
      "SYSCALL[7,1](9) sys_mmap ( 0x0, 8192, 3, 34, 4294967295, 0 )--7-- "
      "Reading syms from /lib/libc.so.6\n--7--    object doesn't have a symbol "
      "table\n --> [pre-success] Success(0x4835000) \n"
      "--7--   SCHED[1]: TRC: YIELD\n";
  EXPECT_EQ(ReadText(records),
            "map 0x400000+0x10000 private rwx offset 0x400000\n"
            "fetch 0x401000+0x3\nmap 0x4835000+0x2000 anonymous rw-\nexit\n");
}

TEST_F(ForeignLogsTest, TimeStampsAreRead) {
  const std::string mark = "==00:00:01:30.250 7== ";
  EXPECT_EQ(ErrorIn(mark + "Lackey, an example Valgrind tool\n" + mark +
                    "Command: /bin/x\n" + mark + "Parent PID: 1\n" +
                    "I  00401000,3\n" + kExit + mark + "Exit code:       0\n"),
            "no error");
  EXPECT_EQ(ErrorAt(1,
                    "==00:00:01:30.25 7== Lackey, an example Valgrind "
                    "tool\n"),
            absl::StrCat("no Lackey log, ", kTitle));
}

TEST_F(ForeignLogsTest, ALogThatEndsWithAnExecSaysSo) {
  const std::string exec =
      "SYSCALL[7,1](59) sys_execve ( 0x4(/bin/ls), 0x5, 0x6 )";
  const char kEnds[] =
      "the log of process 7 ends with an exec, expected that of the next "
      "program behind it: record with examples/record.sh";
  EXPECT_EQ(ErrorAt(8, Head(7) + "I  00401000,3\n" + exec), kEnds);
  EXPECT_EQ(ErrorAt(9, Head(7) + "I  00401000,3\n" + exec + "\n"), kEnds);
}

TEST_F(ForeignLogsTest, OtherFilesAreToldByTheirStart) {
  EXPECT_EQ(ErrorAt(1, "==7== Memcheck, a memory error detector\n"),
            absl::StrCat("'Memcheck, a memory error detector' is no log of "
                         "Lackey's, ",
                         kTitle));
  for (const char* start : {"I  0401ab70,3\n", " S 0401ab70,3\n",
                            "SYSCALL[7,1](12) sys_brk ( 0x0 )"}) {
    EXPECT_EQ(
        ErrorAt(1, start),
        absl::StrCat("a log without its head (recorded with -q?), ", kTitle));
  }
  EXPECT_EQ(ErrorAt(1, "\x28\xb5\x2f\xfd\x04"),
            "compressed by zstd, expected a plain log or one of gzip");
  EXPECT_EQ(
      Error({Write("log", Contents(WriteGzip(
                              "twice", Contents(WriteGzip(
                                           "once", Head(7) + Tail(7))))))}),
      absl::StrCat(Path("log"), ":1: compressed twice by gzip, ", kTitle));
}

TEST_F(ForeignLogsTest, OneFileForSeveralProcessesIsRefused) {
  EXPECT_EQ(ErrorAt(7, Head(7) + "==8== hello\n"),
            "a message of process 8 in the log of process 7, expected a log "
            "for each process (--log-file=NAME.%p)");
  EXPECT_EQ(
      ErrorAt(7,
              Head(7) + Call(8, 39, "sys_getpid ()[sync] --> Success(0x8) ")),
      "a system call of process 8 in the log of process 7, expected a log for "
      "each process (--log-file=NAME.%p)");
}

TEST_F(ForeignLogsTest, SpecialFilesAreNotOpened) {
  mkfifo(Path("log").c_str(), 0600);
  EXPECT_EQ(
      Error({Path("log")}),
      Path("log:1: is a pipe and no regular file, expected a Lackey log"));
  EXPECT_EQ(Error({"/dev/zero"}),
            "/dev/zero:1: is a device and no regular file, expected a Lackey "
            "log");
  const int socket_fd = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  Path("s").copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(
      bind(socket_fd, reinterpret_cast<sockaddr*>(&address), sizeof address),
      0);
  EXPECT_EQ(
      Error({Path("s")}),
      Path("s:1: is a socket and no regular file, expected a Lackey log"));
  close(socket_fd);
}

TEST_F(ForeignLogsTest, GzipMembersFollowEachOtherAndNothingElse) {
  const std::string head =
      Contents(WriteGzip("h", Head(7) + "I  00401000,3\n"));
  const std::string tail = Contents(WriteGzip("t", Tail(7)));
  EXPECT_EQ(ErrorIn(head + tail), "no error");
  EXPECT_EQ(ErrorIn(head + tail + Contents(WriteGzip("e", ""))), "no error");
  for (const std::string& garbage : {std::string("x"), std::string(1, '\0'),
                                     std::string("\x1f"
                                                 "z"),
                                     std::string(" L 00401000,8\n")}) {
    EXPECT_EQ(ErrorAt(13, head + tail + garbage),
              "something else follows the compressed data, expected its end or "
              "more of gzip's");
  }
  EXPECT_EQ(ErrorAt(13, head + tail + tail.substr(0, 9)),
            "the compressed data is cut off, expected more");
}

TEST_F(ForeignLogsTest, ProcessIdsAreBelowLinuxsLimit) {
  EXPECT_EQ(
      ErrorAt(1, "==4194304== Lackey, an example Valgrind tool\n"),
      "'==4194304== ' names no process, expected an id from 1 to 4194303");
  EXPECT_EQ(ErrorIn(Head(4194303) + Tail(4194303)), "no error");
  EXPECT_EQ(ErrorAt(3,
                    "==7== Lackey, an example Valgrind tool\n==7== "
                    "Command: x\n==7== Parent PID: 4294967297\n"),
            "'Parent PID: 4294967297', expected 'Parent PID: ' and a process "
            "id below 4194304");
  const auto fork = [](const char* child) {
    return Call(7, 57,
                absl::StrCat("sys_fork ( )   fork: process 7 created "
                             "child ",
                             child)) +
           " --> [pre-success] Success(0x65) \n";
  };
  EXPECT_EQ(ErrorAt(7, Head(7) + fork("4294967397") + Tail(7)),
            "'4294967397' in a system call, expected a process id from 1 to "
            "4194303");
  EXPECT_EQ(ErrorAt(8, Head(7) + fork("102") + Tail(7)),
            "a fork that created child 102 with result 0x65 cannot have "
            "succeeded, expected the one to be the other");
}

TEST_F(ForeignLogsTest, ACycleOfParentsHasNoFirstProcess) {
  EXPECT_EQ(Error({Write("log", Head(7, 8) + Tail(7)),
                   Write("b", Head(8, 7) + Tail(8))}),
            Path("log:1: process 7 has its parent among the files, and so have "
                 "all others, expected one that has not"));
}

TEST_F(ForeignLogsTest, TheHeadMayBeLongerThanABlock) {
  EXPECT_EQ(ErrorIn(Head(7, 1, "/bin/x " + std::string(200000, 'y')) + Tail(7)),
            "no error");
}

TEST_F(ForeignLogsTest, NamesReachTheTerminalEscaped) {
  EXPECT_EQ(Error({Path("a\x1b[31m\xc2\x9b\xff \xc3\xa4")}),
            Path("a\\x1b[31m\\xc2\\x9b\\xff \xc3\xa4") +
                ":1: cannot be read (No such file or directory), expected a "
                "Lackey log");
  const auto workload = OpenLackeyTrace(
      {Write("log", Head(7, 1, "/bin/x\x1b[31m y") + Tail(7))}, {});
  ASSERT_TRUE(workload.ok());
  EXPECT_EQ((*workload)->name(), "trace:x\\x1b[31m");
}

}  // namespace
}  // namespace xmmu::foreign_logs_test
