// System-call records are taken in exactly the form in which Valgrind prints
// them: what is damaged is refused where it stands, and what is a record still
// and cannot have happened, too.

#include <algorithm>
#include <cstring>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "workload/lackey/call_form.h"
#include "workload/lackey/trace_support.h"

namespace xmmu::damaged_records_test {
namespace {

class DamagedRecordsTest : public TraceTest {
 protected:
  // Returns what is wrong with a log whose line 8 is `record`.
  std::string ErrorOf(const std::string& record) const {
    const auto streams = ReadAll(
        {Write("log", Head(7) + "I  00401000,3\n" + record + "\n" + Tail(7))});
    if (streams.ok()) return "no error";
    const std::string mark = Path("log:8: ");
    const std::string error(streams.status().message());
    return error.rfind(mark, 0) == 0 ? error.substr(mark.size()) : error;
  }
  std::string ErrorOf(int number, const std::string& text) const {
    const std::string record = Call(7, number, text);
    return ErrorOf(record.substr(0, record.size() - 1));
  }
};

TEST_F(DamagedRecordsTest, EachPartOfAnMmapIsRead) {
  const std::string good =
      "sys_mmap ( 0x0, 819200, 3, 34, 4294967295, 0 ) --> [pre-success] "
      "Success(0x10000000) ";
  EXPECT_EQ(ErrorOf(9, good), "no error");
  const struct {
    const char* part;
    const char* damaged;
    const char* error;
  } kCases[] = {
      {"819200", "8192z0",
       "'z0, 3, 34, 4294967295, 0 ) --> [pre-success] Success(0x10000...' in a "
       "system call, expected ', ' or ' )'"},
      {" 3,", " z,",
       "'z, 34, 4294967295, 0 ) --> [pre-success] Success(0x10000000)...' in a "
       "system call, expected a number"},
      {"0x10000000", "0x1000z000", "'z000) ' in a system call, expected ')'"},
      {"Success", "Sxccess",
       "'Sxccess(0x10000000) ' in a system call, expected 'Success(0x' or "
       "'Failure(0x'"},
      {"819200", "0819200",
       "'0819200, 3, 34, 4294967295, 0 ) --> [pre-success] Success(0x...' in a "
       "system call, expected a number"},
      {"819200, 3", "819200  3",
       "'  3, 34, 4294967295, 0 ) --> [pre-success] Success(0x1000000...' in a "
       "system call, expected ', ' or ' )'"},
      {", 0 )", " )",
       "' ) --> [pre-success] Success(0x10000000) ' in a system call, expected "
       "6 to 6 arguments of sys_mmap"},
      {"-->", "->",
       "' -> [pre-success] Success(0x10000000) ' in a system call, expected "
       "' --> '"},
      {"[pre-success] Success", "[pre-success] Failure",
       "'Failure(0x10000000) ' in a system call, expected Success"},
      {"[pre-success] Success", "[pre-fail] Success",
       "'Success(0x10000000) ' in a system call, expected Failure"},
      {"Success(0x10000000)", "NoWriteResult",
       "'NoWriteResult ' in a system call, expected 'Success(0x'"},
      {"sys_mmap", "sys_mmxp",
       "call 9 is 'sys_mmxp', expected sys_mmap, as x86-64 numbers it"},
  };
  for (const auto& [part, damaged, error] : kCases) {
    std::string text = good;
    EXPECT_EQ(ErrorOf(9, text.replace(text.find(part), strlen(part), damaged)),
              error)
        << damaged;
  }
}

// Only the name and the end are read of calls without a form of their own.
TEST_F(DamagedRecordsTest, ACallWithoutANameIsNoCall) {
  const auto exits = [&](const std::string& text) {
    return ErrorOf(231, text + " --> [pre-success] Success(0x0) ");
  };
  EXPECT_EQ(exits("exit_group( 0 )"), "no error");
  for (const char* text : {"( 0 )", "Exit_group( 0 )", "?( 0 )"}) {
    EXPECT_EQ(exits(text),
              "call 231 is '', expected exit_group, as x86-64 numbers it")
        << text;
  }
}

TEST_F(DamagedRecordsTest, NoStringOfARecordHasANul) {
  using namespace std::string_literals;
  EXPECT_EQ(ErrorOf(257,
                    "sys_openat ( 3, 0x1(/li\0/f0), 0 )[sync] --> "
                    "Success(0x3) "s),
            "'\\x00/f0), 0 )[sync] --> Success(0x3) ' in a system call, "
            "expected text without NUL bytes");
  EXPECT_EQ(ErrorOf(231, "exit_group( \0 ) --> [pre-success] Success(0x0) "s),
            "'\\x00 ) --> [pre-success] Success(0x0) ' in a system call, "
            "expected text without NUL bytes");
}

TEST_F(DamagedRecordsTest, FieldsHoldWhatLinuxHas) {
  const auto mmap = [&](const std::string& arguments, const char* result) {
    return ErrorOf(9,
                   absl::StrCat("sys_mmap ( ", arguments,
                                " ) --> [pre-success] Success(", result, ") "));
  };
  const auto error = [](const char* what, const char* expected) {
    return absl::StrCat(what, " cannot have succeeded, expected ", expected);
  };
  EXPECT_EQ(mmap("0x0, 1, 15, 1, 3, 0", "0x5000"), "no error");
  EXPECT_EQ(mmap("0x0, 1, 16, 1, 3, 0", "0x5000"),
            error("mmap with rights 0x10", "PROT_ bits that Linux has"));
  for (const int type : {0, 4}) {
    EXPECT_EQ(mmap(absl::StrCat("0x0, 1, 3, ", 32 + type, ", 3, 0"), "0x5000"),
              error(type == 0 ? "mmap with flags 0x20" : "mmap with flags 0x24",
                    "MAP_SHARED, MAP_PRIVATE or MAP_SHARED_VALIDATE in them"));
  }
  EXPECT_EQ(mmap("0x0, 1, 3, 2, 3, 4097", "0x5000"),
            error("mmap from offset 4097", "a multiple of 4096"));
  EXPECT_EQ(mmap("0x5000, 1, 3, 50, 3, 0", "0x5000"), "no error");
  EXPECT_EQ(mmap("0x5000, 1, 3, 50, 3, 0", "0x6000"),
            error("mmap at a fixed 0x5000 with result 0x6000",
                  "the one to be the other"));
  EXPECT_EQ(ErrorOf(10,
                    "sys_mprotect ( 0x405000, 1, 16777219 )[sync] --> "
                    "Success(0x0) "),
            "no error");
  EXPECT_EQ(ErrorOf(10,
                    "sys_mprotect ( 0x5000, 1, 67 )[sync] --> "
                    "Success(0x0) "),
            error("mprotect with rights 0x43", "PROT_ bits that Linux has"));
  EXPECT_EQ(ErrorOf(10,
                    "sys_mprotect ( 0x5000, 1, 3 )[sync] --> "
                    "Success(0x1) "),
            error("mprotect with result 0x1", "0"));
  EXPECT_EQ(ErrorOf(33, "sys_dup2 ( 3, 9 )[sync] --> Success(0x8) "),
            error("dup2 onto 9 with result 8", "the one to be the other"));
  EXPECT_EQ(ErrorOf(32, "sys_dup ( 3 )[sync] --> Success(0x80000000) "),
            error("open or dup with result 0x80000000", "a file descriptor"));
}

TEST_F(DamagedRecordsTest, ErrorsAreOnesThatLinuxHas) {
  const auto fails = [&](const char* error) {
    return ErrorOf(
        39, absl::StrCat("sys_getpid ()[sync] --> Failure(", error, ") "));
  };
  EXPECT_EQ(fails("0x1"), "no error");
  EXPECT_EQ(fails("0xfff"), "no error");
  EXPECT_EQ(fails("0x0"),
            "a system call failed with error 0, expected one from 1 to 4095");
  EXPECT_EQ(
      fails("0x1000"),
      "a system call failed with error 4096, expected one from 1 to 4095");
}

TEST_F(DamagedRecordsTest, ForksNameTheirChildAndThreadsNone) {
  const auto clone = [&](const char* flags, const char* rest) {
    return ErrorOf(56, absl::StrCat("sys_clone ( ", flags,
                                    ", 0x0, 0x0, 0x0, 0x0 )", rest));
  };
  EXPECT_EQ(clone("3d0f00", " --> [pre-success] Success(0x8) "), "no error");
  EXPECT_EQ(clone("1200011", " --> [pre-success] Success(0x8) "),
            "a fork that names no child cannot have succeeded, expected "
            "'process PID created child PID'");
  EXPECT_EQ(clone("1200011", "   clone(fork): process 8 created child 8"),
            "'8 created child 8' in a system call, expected 7");
  EXPECT_EQ(clone("1200011", "   clone(fork): process 7 created child 0"),
            "'0' in a system call, expected a process id from 1 to 4194303");
}

TEST_F(DamagedRecordsTest, AWaitReturnsWhatItWaitedFor) {
  const auto wait = [&](const char* named, const char* result) {
    return ErrorOf(
        61, absl::StrCat("sys_wait4 ( ", named,
                         ", 0x0, 0, 0x0 )[sync] --> Success(", result, ") "));
  };
  EXPECT_EQ(wait("9", "0x9"), "no error");
  EXPECT_EQ(wait("4294967295", "0x9"), "no error");
  EXPECT_EQ(wait("-1", "0x3fffff"), "no error");
  EXPECT_EQ(wait("9", "0x0"), "no error");
  EXPECT_EQ(wait("9", "0x8"),
            "wait4 for 9 with result 0x8 cannot have succeeded, expected 0 or "
            "the process id of what was waited for");
  EXPECT_EQ(wait("-1", "0x400000"),
            "wait4 for -1 with result 0x400000 cannot have succeeded, expected "
            "0 or the process id of what was waited for");
}

TEST_F(DamagedRecordsTest, AResultIsOfACallThatWaitsForIt) {
  const std::string blocked =
      Call(7, 0, "sys_read ( 0, 0x4, 9 ) --> [async] ... ");
  EXPECT_EQ(ErrorOf("SYSCALL[7,1](0) ... [async] --> Success(0x9) "),
            "the result of call 0 of thread 1, expected one for a call that "
            "waits for it");
  EXPECT_EQ(ErrorOf(blocked + "SYSCALL[7,1](0) ... [async] --> Success(0x9) "),
            "no error");
  EXPECT_EQ(ErrorOf(blocked + "SYSCALL[7,1](1) ... [async] --> Success(0x9) "),
            Path("log:9: the result of call 1 of thread 1, expected one of "
                 "call 0"));
}

TEST_F(DamagedRecordsTest, ARecordGoesOnOnlyInItsOwnLines) {
  const std::string open = "SYSCALL[7,1](7) sys_poll ( 0x5, 1, -1 )";
  const char kProblem[] =
      "'sys_poll ( 0x5, 1, -1 )' in a system call, expected the call's result "
      "behind it";
  EXPECT_EQ(ErrorOf(open + "\n --> [async] ... "), "no error");
  EXPECT_EQ(ErrorOf(open + "\n==7== hello\n --> [async] ... "), "no error");
  EXPECT_EQ(ErrorOf(open + "\nI  00401000,3"), kProblem);
  EXPECT_EQ(ErrorOf(open + "\n" + open + "\n --> [async] ... "), kProblem);
  EXPECT_EQ(ErrorOf(open), kProblem);
}

TEST_F(DamagedRecordsTest, AStringEndsWhereTheRestMakesSense) {
  const auto streams = ReadAll({Write(
      "log",
      Head(7) +
          Call(7, 257,
               "sys_openat ( 1, 0x4(/a\nb (x), y), 66, 384 )[sync] --> "
               "Success(0x3) ") +
          Call(7, 9,
               "sys_mmap ( 0x0, 1, 1, 2, 3, 0 )[sync] --> Success(0x5000) ") +
          Call(7, 257, "sys_openat ( 1, 0x4(/a), 0 )[sync] --> Success(0x4) ") +
          Call(7, 9,
               "sys_mmap ( 0x0, 1, 1, 2, 4, 0 )[sync] --> Success(0x6000) ") +
          Call(7, 87,
               "sys_unlink ( 0x4(/a\n --> [async] Success(0x0) \n) )"
               "[sync] --> Failure(0x2) ") +
          Tail(7))});
  ASSERT_TRUE(streams.ok()) << streams.status();
  EXPECT_EQ(ToText(streams->at(7)),
            "open\nmap 0x5000+0x1000 private r--\nopen\n"
            "map 0x6000+0x1000 private r--\nsyscall\nexit\n");
  EXPECT_NE(streams->at(7)[1].file, streams->at(7)[3].file);
}

// Every record of the bundled recordings, damaged in every place: each damage
// is refused or changes nothing, unless it makes one number or one path of
// another.
class DamageTest : public DamagedRecordsTest {
 protected:
  struct Log {
    std::string name;
    std::vector<std::string> lines;
  };

  // A bundled log with one of its accesses.
  static Log Read(const std::string& name) {
    Log log{name, {}};
    gzFile file =
        gzopen(absl::StrCat(XMMU_SOURCE_DIR "/tests/workload/lackey/recorded/",
                            name, ".gz")
                   .c_str(),
               "rb");
    char line[8192];
    bool accessed = false;
    while (gzgets(file, line, sizeof line) != nullptr) {
      const absl::string_view text = line;
      const bool access = text.substr(0, 2) == "I " ||
                          (text[0] == ' ' && text.substr(2, 1) == " ");
      const bool count = absl::StrContains(text, "guest instrs:");
      if (access ? !accessed : !count) log.lines.emplace_back(text);
      accessed |= access;
    }
    gzclose(file);
    return log;
  }

  // Number and name: what is behind them has the same form in all such records.
  static std::string Shape(const std::string& line) {
    const size_t begin = line.find("](");
    if (line.rfind("SYSCALL[", 0) != 0) return "";
    const size_t end = line.find_first_of("(", begin + 2);
    return line.substr(begin, end - begin) +
           (absl::StrContains(line, "... ") ? "." : "");
  }

  static bool IsDigit(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
  }

  // Whether place `at` of `line` is in a path.
  static bool InPath(const std::string& line, size_t at) {
    const size_t begin = line.find("(/");
    return begin != std::string::npos && at > begin &&
           at < line.find("), ", begin);
  }

  // Whether place `at` of `line` is among the arguments of a call that is read
  // for its buffers alone: without readable arguments it has none.
  static bool InBufferArguments(const std::string& line, size_t at) {
    const size_t number = line.find("](");
    if (number == std::string::npos || at < line.find("(", number + 2)) {
      return false;
    }
    const uint64_t call = std::stoul(line.substr(number + 2));
    const CallForm* const form = FindCallForm(call);
    const bool strict = form != nullptr && form->most != kNoList;
    return !strict && at < line.find("-->");
  }

  // Of `logs`, of which the first may have changed.
  std::string Streams(const std::vector<Log>& logs) {
    std::vector<std::string> files;
    for (const Log& log : logs) files.push_back(Path(log.name));
    Write(logs[0].name, absl::StrJoin(logs[0].lines, ""));
    const auto streams = ReadAll(files);
    if (!streams.ok()) return absl::StrCat("!", streams.status().message());
    std::string text;
    for (const auto& [task, ops] : *streams) {
      absl::StrAppend(&text, task, "\n");
      for (const GuestOp& op : ops)
        absl::StrAppend(&text, ToText(op), " ", op.file, "\n");
    }
    return text;
  }

  void DamageEach(std::vector<Log> logs);

  std::set<std::string> shapes_{""};  // seen
  int refused_ = 0;
  int same_ = 0;
  int other_number_ = 0;
  int other_path_ = 0;
  int other_buffer_ = 0;
};

void DamageTest::DamageEach(std::vector<Log> logs) {
  for (const Log& log : logs) Write(log.name, absl::StrJoin(log.lines, ""));
  const std::string right = Streams(logs);
  ASSERT_NE(right[0], '!') << right;
  for (size_t n = 0; n < logs[0].lines.size(); ++n) {
    std::string& line = logs[0].lines[n];
    if (!shapes_.insert(Shape(line)).second) continue;
    const std::string whole = line;
    for (size_t at = 0; at + 1 < whole.size(); ++at) {
      for (const char c : {'z', '0', ' ', '\0'}) {  // '\0': nothing
        if (c == whole[at]) continue;
        line = whole;
        c == '\0' ? line.erase(at, 1) : line.replace(at, 1, 1, c);
        const std::string got = Streams(logs);
        if (got == right) {
          ++same_;
        } else if (got[0] == '!') {
          ++refused_;
          EXPECT_TRUE(absl::StartsWith(got, "!" + Path(logs[0].name) + ":") ||
                      absl::StrContains(got, "no log has the fork"))
              << got;
        } else if (InPath(whole, at)) {
          ++other_path_;
        } else if (InBufferArguments(whole, at)) {
          ++other_buffer_;
        } else {
          ++other_number_;
          EXPECT_TRUE(IsDigit(whole[at]) && (c == '0' || c == '\0'))
              << whole << line;
        }
      }
    }
    line = whole;
  }
}

TEST_F(DamageTest, NoDamageToARecordGoesUnnoticed) {
  DamageEach({Read("ls-sort.19306"), Read("ls-sort.19307"),
              Read("ls-sort.19308"), Read("ls-sort.19309")});
  DamageEach({Read("xz.26182")});
  RecordProperty("refused", refused_);
  RecordProperty("same", same_);
  RecordProperty("another number", other_number_);
  RecordProperty("another path", other_path_);
  RecordProperty("other buffers", other_buffer_);
  EXPECT_GT(refused_, 5000);
  EXPECT_LT(other_number_, refused_ / 10);
}

}  // namespace
}  // namespace xmmu::damaged_records_test
