// Every way a trace can be wrong is one line, FILE:LINE: what, expected what.

#include <filesystem>

#include "workload/lackey/trace_support.h"

namespace xmmu::trace_errors_test {
namespace {

class TraceErrorsTest : public TraceTest {
 protected:
  static std::string Error(std::vector<std::string> files) {
    const auto streams = ReadAll(std::move(files));
    if (streams.ok()) return "no error";
    EXPECT_EQ(streams.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(streams.status().message().find('\n'), absl::string_view::npos);
    return std::string(streams.status().message());
  }
  std::string ErrorIn(const std::string& text) const {
    return Error({Write("log", text)});
  }
  std::string At(int line, const std::string& what) const {
    return absl::StrCat(Path("log"), ":", line, ": ", what);
  }
  // The error of a log whose line 8 is `record`.
  std::string ErrorOf(const std::string& record) const {
    return ErrorIn(Head(7) + " L 00400000,8\n" + record + "\n" + Tail(7));
  }
  std::string NoRecord(const std::string& shown) const {
    return At(8, "'" + shown +
                     "' is no record of Lackey's, expected I, L, S, M, SYSCALL "
                     "or a message");
  }
};

constexpr char kTitle[] = "expected '==PID== Lackey, an example Valgrind tool'";

TEST_F(TraceErrorsTest, NoFile) {
  EXPECT_EQ(Error({}), "no trace file, expected the logs of one recording");
}

TEST_F(TraceErrorsTest, AFileThatIsNotThere) {
  EXPECT_EQ(Error({Path("log")}),
            At(1,
               "cannot be read (No such file or directory), expected a Lackey "
               "log"));
}

TEST_F(TraceErrorsTest, ADirectory) {
  std::filesystem::create_directory(Path("log"));
  EXPECT_EQ(Error({Path("log")}),
            At(1, "is a directory, expected a Lackey log"));
}

TEST_F(TraceErrorsTest, ANameWithANewlineIsStillOneLine) {
  EXPECT_EQ(Error({Path("a\nb")}),
            Path("a\\nb") +
                ":1: cannot be read (No such file or directory), expected a "
                "Lackey log");
}

TEST_F(TraceErrorsTest, AnEmptyFile) {
  EXPECT_EQ(ErrorIn(""), At(1, absl::StrCat("the file is empty, ", kTitle)));
}

TEST_F(TraceErrorsTest, ForeignFiles) {
  const std::string expected = At(1, absl::StrCat("no Lackey log, ", kTitle));
  EXPECT_EQ(ErrorIn("root:x:0:0:root:/root:/bin/bash\n"), expected);
  EXPECT_EQ(ErrorIn(std::string("\x7f"
                                "ELF\2\1\1\0\n",
                                9)),
            expected);
  EXPECT_EQ(ErrorIn(std::string(100000, '\0')), expected);
  EXPECT_EQ(ErrorIn("no newline"), expected);
}

TEST_F(TraceErrorsTest, AHeadWithoutCommand) {
  EXPECT_EQ(ErrorIn("==7== Lackey, an example Valgrind tool\n"),
            At(1,
               "the head of the log has no command or no parent, expected "
               "'==PID== Command: ...' and '==PID== Parent PID: ...', as "
               "--log-file=NAME.%p writes"));
}

TEST_F(TraceErrorsTest, LinesThatAreNoRecord) {
  for (const char* line :
       {"I  0401ab7g,3", "I  ,3", "I  0401ab70", "I  0401ab70,", "I  04,3x",
        "I  04,0", "I  04,16385", "I 0401ab70,3", " X 0401ab70,3", " L", "I",
        " ", "I  11112222333344445,1", "==7 hello", "==", " --> ",
        " --> [pre-success] Great(0x0) ", "I  04,99999999999999999"}) {
    EXPECT_EQ(ErrorOf(line), NoRecord(line));
  }
}

// What Valgrind 3.19 writes at a vxorps of 512 bits, in 64-bit and 32-bit code,
// at the assertion of Lackey's that follows, and what else it ends with.
TEST_F(TraceErrorsTest, LinesOfAValgrindThatEndsItself) {
  const std::string bytes = "0x62 0xF1 0x7C 0x48 0x57 0xC0 0x48 0x8D 0x3D 0x99";
  for (const char* processor : {"amd64", "x86"}) {
    EXPECT_EQ(
        ErrorOf(absl::StrCat("vex ", processor,
                             "->IR: unhandled instruction bytes: ", bytes,
                             "\nvex amd64->IR:   REX=0 REX.W=0")),
        At(8, "Valgrind does not know the instruction of the bytes " + bytes +
                  " and ended here, expected a program without it"));
  }
  for (const char* line :
       {"Lackey: lk_main.c:529 (f): Assertion 'isize' failed.",
        "vex: priv/main.c:1 (f): Assertion `x' failed.",
        "valgrind: the 'impossible' happened:",
        "vex: the `impossible' happened:"}) {
    EXPECT_EQ(ErrorOf(line),
              At(8, absl::StrCat("Valgrind itself failed here, '", line,
                                 "', expected a log with its end")));
  }
  for (const char* line :
       {"vex amd64->IR:   REX=0", "unhandled instruction bytes: 0x62",
        "valgrind: something", "Assertion 'x' failed", "x' failed."}) {
    EXPECT_EQ(ErrorOf(line), NoRecord(line));
  }
}

TEST_F(TraceErrorsTest, AResultNeedsACall) {
  const std::string result = " --> [pre-success] Success(0x0) ";
  EXPECT_EQ(ErrorOf(result), NoRecord(result));
  EXPECT_EQ(ErrorOf("SYSCALL[7,1](7) sys_poll ( 0x5, 1, -1 )\n" + result),
            "no error");
}

TEST_F(TraceErrorsTest, TheSizesOnTheEdgeAreTaken) {
  EXPECT_EQ(ErrorOf("I  00400000,16384"), "no error");
  EXPECT_EQ(ErrorOf("I  0000000000400000,1"), "no error");
}

TEST_F(TraceErrorsTest, ALongOrBinaryLineIsShownInPart) {
  EXPECT_EQ(ErrorOf("\x01\xff" + std::string(100, 'y')),
            NoRecord("\\x01\\xff" + std::string(58, 'y') + "..."));
}

TEST_F(TraceErrorsTest, ALineWithoutEnd) {
  EXPECT_EQ(ErrorOf("I  " + std::string(70000, 'y')),
            At(8, "a line of more than 65536 bytes, expected a Lackey record"));
}

TEST_F(TraceErrorsTest, ACallThatCannotHaveSucceeded) {
  EXPECT_EQ(ErrorOf("SYSCALL[7,1](11) sys_munmap ( 0x1001, 4096 )[sync] --> "
                    "Success(0x0) "),
            At(8,
               "munmap of 4096 bytes at 0x1001 cannot have succeeded, expected "
               "whole pages below 0x7ffffffff000"));
  EXPECT_EQ(ErrorOf("SYSCALL[7,1](9) sys_mmap ( 0x0, 18446744073709551615, 3, "
                    "34, 0, 0 ) --> [pre-success] Success(0x1000) "),
            At(8,
               "mmap of 18446744073709551615 bytes at 0x1000 cannot have "
               "succeeded, expected whole pages below 0x7ffffffff000"));
}

TEST_F(TraceErrorsTest, ALogThatEndsTooEarly) {
  const std::string whole = Head(7) + " L 00400000,8\n" + Tail(7);
  const std::string at_line = Head(7) + " L 00400000,8\n";
  EXPECT_EQ(ErrorIn(at_line),
            At(8,
               "the log of process 7 ends here, expected the end of the "
               "process first"));
  EXPECT_EQ(ErrorIn(at_line + " L 0040"),
            At(8, "the last line is cut off, expected a log with its end"));
  EXPECT_EQ(ErrorIn(whole.substr(0, whole.find("==7== Exit code"))),
            At(12,
               "the log of process 7 ends here, expected the end of the "
               "process first"));
}

// Cut anywhere but behind the process's exit, a log is an error.
TEST_F(TraceErrorsTest, NoTruncationGoesUnnoticed) {
  const std::string whole =
      Head(7) + " L 00400000,8\nI  00400010,2\n" +
      Call(7, 61, "sys_wait4 ( -1, 0x0, 0, 0x0 ) --> [async] ... ") + Tail(7);
  const size_t exits = whole.find("==7== Counted");
  for (size_t length = 0; length < whole.size(); ++length) {
    const std::string error = ErrorIn(whole.substr(0, length));
    if (length != exits) {
      EXPECT_EQ(error.rfind(Path("log:"), 0), 0) << length << ": " << error;
    }
  }
}

TEST_F(TraceErrorsTest, CompressedDataCutOffOrDamaged) {
  std::string text = Head(7);
  for (int i = 0; i < 50000; ++i) {
    absl::StrAppend(&text, " L ",
                    absl::Hex(0x400000 + i * 7919 % 65536, absl::kZeroPad8),
                    ",8\n");
  }
  const std::string gzip = Contents(WriteGzip("whole", text + Tail(7)));
  const std::string cut = ErrorIn(gzip.substr(0, gzip.size() / 2));
  EXPECT_NE(cut.find(": the compressed data is cut off, expected more"),
            std::string::npos)
      << cut;
  EXPECT_NE(ErrorIn(gzip.substr(0, gzip.size() - 1)).find("cut off"),
            std::string::npos);
  std::string damaged = gzip;
  damaged[gzip.size() - 6] ^= 1;  // in the checksum
  const std::string error = ErrorIn(damaged);
  EXPECT_NE(error.find("the data cannot be read (incorrect data check), "
                       "expected an undamaged file"),
            std::string::npos)
      << error;
}

TEST_F(TraceErrorsTest, TwoLogsOfOneProcess) {
  const std::string first = Write("a", Head(7) + Tail(7));
  EXPECT_EQ(Error({first, Write("log", Head(7) + Tail(7))}),
            At(1,
               "a second log of process 7, expected one log a process; the "
               "first is " +
                   first));
  EXPECT_EQ(ErrorIn(Head(7) + Tail(7) + Head(7) + Tail(7)),
            At(12,
               "a second log of process 7 starts here, expected the end of the "
               "file"));
}

TEST_F(TraceErrorsTest, TwoRoots) {
  const std::string first = Write("a", Head(7) + Tail(7));
  EXPECT_EQ(Error({first, Write("log", Head(9) + Tail(9))}),
            At(1, "process 9 is not of the process tree of 7 (" + first +
                      "), expected the logs of one recording"));
}

TEST_F(TraceErrorsTest, NoRoot) {
  EXPECT_EQ(ErrorIn(ForkedHead(8, 7) + Tail(8)),
            At(1,
               "process 8 and all others were forked, expected the log of the "
               "first process among the files"));
}

TEST_F(TraceErrorsTest, AForkWithoutTheChildsLog) {
  EXPECT_EQ(
      ErrorOf("SYSCALL[7,1](57) sys_fork ( )   fork: process 7 created "
              "child 8\n --> [pre-success] Success(0x8) "),
      At(9, "a fork creates process 8, expected its log among the files"));
}

TEST_F(TraceErrorsTest, ALogThatNoForkCreates) {
  const std::string parent = Write("p", Head(7) + Tail(7));
  EXPECT_EQ(Error({parent, Write("log", Head(8, 7) + Tail(8))}),
            At(1,
               "no log has the fork that created process 8, expected all that "
               "its parent 7 did: an exec overwrites the log, unless recorded "
               "by examples/record.sh"));
}

TEST_F(TraceErrorsTest, AnErrorStays) {
  const auto workload =
      OpenLackeyTrace({Write("log", Head(7) + "nonsense\n")}, {});
  ASSERT_TRUE(workload.ok());
  const absl::Status first = (*workload)->Next(7).status();
  EXPECT_FALSE(first.ok());
  EXPECT_EQ((*workload)->Next(7).status(), first);
}

}  // namespace
}  // namespace xmmu::trace_errors_test
