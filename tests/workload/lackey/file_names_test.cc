// Which file or object a mapping is of, and when it goes: descriptors, paths,
// System V segments.

#include <vector>

#include "absl/strings/str_cat.h"
#include "workload/lackey/trace_support.h"

namespace xmmu::file_names_test {
namespace {

class FileNamesTest : public TraceTest {
 protected:
  static std::string Does(int number, const std::string& call,
                          const std::string& result = "0x0") {
    return Call(
        7, number,
        absl::StrCat("sys_", call, "[sync] --> Success(", result, ") "));
  }
  static std::string Open(const std::string& path, int descriptor,
                          int flags = 2) {
    return Does(2, absl::StrCat("open ( 0x0(", path, "), ", flags, " )"),
                absl::StrCat("0x", descriptor));
  }
  static std::string Close(int descriptor) {
    return Does(3, absl::StrCat("close ( ", descriptor, " )"));
  }
  static std::string Unlink(const std::string& path) {
    return Does(87, absl::StrCat("unlink ( 0x0(", path, ") )"));
  }
  static std::string Rename(const std::string& from, const std::string& to) {
    return Does(82, absl::StrCat("rename ( 0x0(", from, "), 0x0(", to, ") )"));
  }
  // A mapping of a descriptor over the last one.
  static std::string Map(int descriptor, int flags = 17) {
    return Does(9,
                absl::StrCat("mmap ( 0x10000000, 8192, 3, ", flags, ", ",
                             descriptor, ", 0 )"),
                "0x10000000");
  }

  std::vector<GuestOp> Ops(const std::string& records) const {
    const auto streams = ReadAll({Write("one", Head(7) + records + Tail(7))});
    EXPECT_TRUE(streams.ok()) << streams.status();
    return streams.ok() ? streams->at(7) : std::vector<GuestOp>{};
  }
  // The files of the mappings that `records` make, in order.
  std::vector<uint32_t> Mapped(const std::string& records) const {
    std::vector<uint32_t> files;
    for (const GuestOp& op : Ops(records)) {
      if (op.kind == GuestOpKind::kMap) files.push_back(op.file);
    }
    return files;
  }
};

TEST_F(FileNamesTest, OpensAndClosesAreInTheStream) {
  EXPECT_EQ(ReadText(Open("/a", 3) + Does(32, "dup ( 3 )", "0x4") + Close(3) +
                     Does(436, "close_range ( 0, 99, 0 )") + Close(3) +
                     Does(32, "dup ( 0 )", "0x3")),
            "open\nsyscall\nsyscall\nclose\nsyscall\nsyscall\nexit\n");
  // A number that comes again was closed.
  EXPECT_EQ(ReadText(Open("/a", 3) + Open("/b", 3)),
            "open\nclose ...\nopen\nexit\n");
}

// The guest would open a new object by the number of one without a name.
TEST_F(FileNamesTest, CopiesOfADescriptorAreOneOpenFile) {
  const std::string memfd = Does(319, "memfd_create ( 0x0, 0 )", "0x3");
  const std::string first = "open zero-filled ...\nremove\n";
  EXPECT_EQ(ReadText(memfd + Does(33, "dup2 ( 3, 5 )", "0x5") + Close(3) +
                     Map(5) + Close(5)),
            first +
                "syscall\nsyscall\n"
                "map 0x10000000+0x2000 shared-anonymous rw- zero-filled\n"
                "close\nexit\n");
  EXPECT_EQ(ReadText(memfd + Open("/proc/self/fd/3", 4) + Close(4) + Close(3)),
            first + "syscall\nsyscall\nclose\nexit\n");
  // Two openings of a path are two.
  EXPECT_EQ(ReadText(Open("/a", 3) + Open("/a", 4) + Close(3) + Close(4)),
            "open\nopen\nclose\nclose\nexit\n");
  // What a copy replaces is closed.
  EXPECT_EQ(ReadText(Open("/a", 3) + Open("/b", 4) +
                     Does(33, "dup2 ( 3, 4 )", "0x4")),
            "open\nopen\nclose\nexit\n");
}

TEST_F(FileNamesTest, EachMemfdIsAnObjectOfItsOwn) {
  const std::string memfd = Does(319, "memfd_create ( 0x0, 0 )", "0x3");
  EXPECT_EQ(ReadText(memfd + Map(3) + Close(3)),
            "open zero-filled ...\nremove\n"
            "map 0x10000000+0x2000 shared-anonymous rw- zero-filled\n"
            "close\nexit\n");
  const auto files = Mapped(memfd + Map(3) + Close(3) + memfd + Map(3));
  ASSERT_EQ(files.size(), 2);
  EXPECT_NE(files[0], files[1]);
}

TEST_F(FileNamesTest, DevZeroIsAnonymousMemory) {
  const std::string zero = Open("/dev/zero", 3);
  EXPECT_EQ(ReadText(zero + Map(3) + Map(3, 18)),
            "open\nmap 0x10000000+0x2000 shared-anonymous rw-\n"
            "map 0x10000000+0x2000 anonymous rw-\nexit\n");
  EXPECT_EQ(Mapped(zero + Map(3) + Map(3)), (std::vector<uint32_t>{0, 0}));
}

TEST_F(FileNamesTest, SharedMemoryOfPosixIsZeroFilled) {
  EXPECT_EQ(ReadText(Open("/dev/shm/x", 3) + Map(3) + Map(3, 18)),
            "open zero-filled\n"
            "map 0x10000000+0x2000 shared rw- zero-filled\n"
            "map 0x10000000+0x2000 private rw- zero-filled\nexit\n");
}

TEST_F(FileNamesTest, AFileThatIsMadeAgainIsAnotherOnce) {
  EXPECT_EQ(ReadText(Open("/a", 3) + Close(3) + Unlink("/a") + Open("/a", 3)),
            "open\nclose\nremove\nopen\nexit\n");
  // While the old one is open the new one has another number.
  const auto files = Mapped(Open("/a", 3) + Map(3) + Unlink("/a") +
                            Open("/a", 4, 0102) + Map(4) + Map(3));
  ASSERT_EQ(files.size(), 3);
  EXPECT_NE(files[0], files[1]);
  EXPECT_EQ(files[0], files[2]);
}

TEST_F(FileNamesTest, AnExclusiveOpenMakesAFile) {
  EXPECT_EQ(ReadText(Open("/a", 3, 0302)), "remove ...\nopen\nexit\n");
  EXPECT_EQ(ReadText(Open("/a", 3, 01102)), "open\nexit\n");  // O_TRUNC
  EXPECT_EQ(ReadText(Open("/tmp", 3, 020200002)),             // O_TMPFILE
            "open ...\nremove\nexit\n");
}

TEST_F(FileNamesTest, AFileKeepsItsIdentityUnderAnotherName) {
  const auto files =
      Mapped(Open("/a", 3) + Map(3) + Rename("/a", "/b") + Open("/b", 4) +
             Map(4) + Open("/a", 5, 0102) + Map(5));
  ASSERT_EQ(files.size(), 3);
  EXPECT_EQ(files[0], files[1]);
  EXPECT_NE(files[0], files[2]);
  // What it replaced is gone.
  EXPECT_EQ(
      ReadText(Open("/b", 3) + Close(3) + Open("/a", 4) + Rename("/a", "/b")),
      "open\nclose\nopen\nremove\nexit\n");
}

TEST_F(FileNamesTest, NamesAreLookedUpFromWhereTheyAre) {
  const auto at = [](const char* directory, const char* path, int descriptor) {
    return Does(257,
                absl::StrCat("openat ( ", directory, ", 0x0(", path, "), 0 )"),
                absl::StrCat("0x", descriptor));
  };
  const auto files = Mapped(
      Open("/lib/x", 3) + Map(3) + at("4294967196", "/lib/./y/../x", 4) +
      Map(4) + Open("/lib", 5) + at("5", "x", 6) + Map(6) +
      at("4294967196", "x", 7) + Map(7) + Does(80, "chdir ( 0x0(/lib) )") +
      at("4294967196", "x", 8) + Map(8));
  ASSERT_EQ(files.size(), 5);
  EXPECT_EQ(files[1], files[0]);
  EXPECT_EQ(files[2], files[0]);
  EXPECT_NE(files[3], files[0]);
  EXPECT_EQ(files[4], files[0]);
}

TEST_F(FileNamesTest, ALinkToADescriptorIsItsFile) {
  const std::string memfd = Does(319, "memfd_create ( 0x0, 0 )", "0x3");
  const std::string file = Open("/a", 3) + Unlink("/a");
  for (const std::string& made : {memfd, file}) {
    for (const char* path :
         {"/proc/self/fd/3", "/proc/thread-self/fd/3", "/dev/fd/3",
          "/proc/7/fd/3", "/proc/self/../self/fd/3"}) {
      const auto files = Mapped(made + Map(3) + Open(path, 4) + Close(3) +
                                Map(4) + Open("/dev/fd/4", 5) + Map(5));
      ASSERT_EQ(files.size(), 3);
      EXPECT_EQ(files[0], files[1]) << path;
      EXPECT_EQ(files[0], files[2]) << path;
    }
    // Other descriptors, and those of other processes, are others.
    for (const char* path : {"/proc/self/fd/4", "/proc/8/fd/3", "/dev/fd/3x",
                             "/proc/self/fd/3/x"}) {
      const auto files = Mapped(made + Map(3) + Open(path, 5) + Map(5));
      ASSERT_EQ(files.size(), 2);
      EXPECT_NE(files[0], files[1]) << path;
    }
  }
  // What it is goes with it: its pages, and whether an exec closes it does not.
  EXPECT_EQ(ReadText(Does(319, "memfd_create ( 0x0, 4 )", "0x3") +
                     Open("/proc/self/fd/3", 4) + Map(4)),
            "open zero-filled ...\nremove\nsyscall\n"
            "map 0x10000000+0x200000 shared-anonymous rw- shift 21 "
            "zero-filled\nexit\n");
  EXPECT_EQ(ReadText(Open("/dev/null", 1) + Open("/dev/stdout", 4) +
                     Does(1, "write ( 4, 0x1fff000000, 8 )", "0x8")),
            "open\nsyscall\nsyscall\nexit\n");
}

// --- System V segments.

std::string Get(uint64_t size, int flags) {
  return Call(7, 29,
              absl::StrCat("sys_shmget ( 7, ", size, ", ", flags,
                           " )[sync] --> Success(0x12) "));
}
std::string Attach(const char* at, int flags = 0) {
  return Call(7, 30,
              absl::StrCat("sys_shmat ( 18, 0x0, ", flags,
                           " ) --> [pre-success] Success(", at, ") "));
}

TEST_F(FileNamesTest, ASegmentIsAsLargeAsItWasMade) {
  for (const int size : {0, 1, 65536}) {
    EXPECT_EQ(ReadText(Get(65536, 03600) + Get(static_cast<uint64_t>(size), 0) +
                       Attach("0x10000000")),
              "syscall\nsyscall\n"
              "map 0x10000000+0x10000 shared-anonymous rw- one-page-faults\n"
              "exit\n");
  }
}

TEST_F(FileNamesTest, AccessesShowHowLargeASegmentIsThatAnotherMade) {
  const auto ops = Ops(Get(1, 0) + Attach("0x10000000") +
                       " S 10000000,8\n S 10001000,8\n S 1003f000,8\n" +
                       Does(67, "shmdt ( 0x10000000 )"));
  EXPECT_EQ(
      ToText(ops),
      "syscall\nmap 0x10000000+0x1000 shared-anonymous rw- one-page-faults\n"
      "store 0x10000000+0x8\n"
      "map 0x10001000+0xf000 shared-anonymous rw- offset 0x1000 "
      "one-page-faults\n"
      "store 0x10001000+0x8\n"
      "map 0x10030000+0x10000 shared-anonymous rw- offset 0x30000 "
      "one-page-faults\n"
      "store 0x1003f000+0x8\nunmap 0x10000000+0x1000 ...\n"
      "unmap 0x10001000+0xf000 ...\nunmap 0x10030000+0x10000\nexit\n");
  EXPECT_EQ(ops[1].file, ops[3].file);
}

// do_shmat maps the whole segment.
TEST_F(FileNamesTest, CallsShowHowLargeASegmentIsThatAnotherMade) {
  const std::string attached = Get(0, 0) + Attach("0x10000000");
  const std::string head =
      "syscall\nmap 0x10000000+0x1000 shared-anonymous rw- one-page-faults\n";
  const auto more = [](uint64_t pages) {
    return absl::StrCat("map 0x10001000+0x", absl::Hex(pages << 12),
                        " shared-anonymous rw- offset 0x1000 one-page-faults"
                        " ...\n");
  };
  const struct {
    int number;
    const char* call;
    uint64_t pages;
    const char* op;
  } kCases[] = {
      {10, "mprotect ( 0x10009000, 4096, 1 )", 9,
       "protect 0x10009000+0x1000 r--"},
      {28, "madvise ( 0x10000000, 122880, 4 )", 29,
       "discard 0x10000000+0x1e000"},
      {28, "madvise ( 0x10000000, 122880, 23 )", 29,
       "advise 0x10000000+0x1e000 populate-write"},
      {149, "mlock ( 0x10000000, 122880 )", 29,
       "advise 0x10000000+0x1e000 lock"},
      {149, "mlock ( 0x10009800, 16 )", 9, "advise 0x10009000+0x1000 lock"},
      {150, "munlock ( 0x10000000, 8192 )", 1,
       "advise 0x10000000+0x2000 unlock"},
  };
  for (const auto& [number, call, pages, op] : kCases) {
    EXPECT_EQ(ReadText(attached + Does(number, call)),
              absl::StrCat(head, more(pages), op, "\nexit\n"));
  }
  EXPECT_EQ(
      ReadText(attached + Call(7, 25,
                               "sys_mremap ( 0x10000000, 40960, 40960, 0x3, "
                               "0x20000000 ) --> [pre-success] "
                               "Success(0x20000000) ")),
      head + more(9) + "remap 0x10000000+0xa000 to 0x20000000+0xa000\nexit\n");
}

TEST_F(FileNamesTest, ASegmentGrowsAsShmatMadeIt) {
  // Neither the rights nor the lock of its first page are the others'.
  EXPECT_EQ(
      ReadText(Get(0, 0) + Attach("0x10000000") +
               Does(10, "mprotect ( 0x10000000, 4096, 1 )") +
               Does(149, "mlock ( 0x10000000, 4096 )") + " S 10001000,8\n"),
      "syscall\nmap 0x10000000+0x1000 shared-anonymous rw- "
      "one-page-faults\nprotect 0x10000000+0x1000 r--\n"
      "advise 0x10000000+0x1000 lock\n"
      "map 0x10001000+0xf000 shared-anonymous rw- offset 0x1000 "
      "one-page-faults\nstore 0x10001000+0x8\nexit\n");
  // An mlockall is for all of them.
  EXPECT_EQ(ReadText(Get(0, 0) + Attach("0x10000000") +
                     Does(151, "mlockall ( 1 )") + " S 10001000,8\n"),
            "syscall\nmap 0x10000000+0x1000 shared-anonymous rw- "
            "one-page-faults\nadvise lock\n"
            "map 0x10001000+0xf000 shared-anonymous rw- offset 0x1000 locked "
            "one-page-faults\nstore 0x10001000+0x8\nexit\n");
}

TEST_F(FileNamesTest, ASegmentIsAttachedAsLargeAsCallsHaveShownIt) {
  const std::string discard = Does(28, "madvise ( 0x10000000, 8192, 4 )");
  EXPECT_EQ(ReadText(Get(0, 0) + Attach("0x10000000") + discard +
                     Does(67, "shmdt ( 0x10000000 )") + Attach("0x10000000") +
                     Does(28, "madvise ( 0x10000000, 16384, 4 )")),
            "syscall\nmap 0x10000000+0x1000 shared-anonymous rw- "
            "one-page-faults\n"
            "map 0x10001000+0x1000 shared-anonymous rw- offset 0x1000 "
            "one-page-faults ...\ndiscard 0x10000000+0x2000\n"
            "unmap 0x10000000+0x2000\n"
            "map 0x10000000+0x2000 shared-anonymous rw- one-page-faults\n"
            "map 0x10002000+0x2000 shared-anonymous rw- offset 0x2000 "
            "one-page-faults ...\ndiscard 0x10000000+0x4000\nexit\n");
}

// Accesses show parts of a segment that one call can then be on.
TEST_F(FileNamesTest, WhatAccessesAndCallsHaveShownIsOneMapping) {
  EXPECT_EQ(ReadText(Get(0, 0) + Attach("0x10000000") + " S 1001d000,8\n" +
                     Call(7, 25,
                          "sys_mremap ( 0x10000000, 122880, 122880, 0x3, "
                          "0x20000000 ) --> [pre-success] "
                          "Success(0x20000000) ")),
            "syscall\nmap 0x10000000+0x1000 shared-anonymous rw- "
            "one-page-faults\n"
            "map 0x10010000+0x10000 shared-anonymous rw- offset 0x10000 "
            "one-page-faults\nstore 0x1001d000+0x8\n"
            "map 0x10001000+0xf000 shared-anonymous rw- offset 0x1000 "
            "one-page-faults ...\n"
            "remap 0x10000000+0x1e000 to 0x20000000+0x1e000\nexit\n");
}

TEST_F(FileNamesTest, ShmdtTakesAllPieces) {
  EXPECT_EQ(
      ReadText(Get(16384, 03600) + Attach("0x10000000") +
               Does(10, "mprotect ( 0x10001000, 4096, 1 )") +
               Does(11, "munmap ( 0x10000000, 4096 )") +
               Does(67, "shmdt ( 0x10000000 )")),
      "syscall\nmap 0x10000000+0x4000 shared-anonymous rw- one-page-faults\n"
      "protect 0x10001000+0x1000 r--\nunmap 0x10000000+0x1000\n"
      "unmap 0x10001000+0x1000 ...\nunmap 0x10002000+0x2000\nexit\n");
}

// ksys_shmdt looks for pieces that end within the segment's size.
TEST_F(FileNamesTest, ShmdtLeavesWhatAnMremapHasMappedBeyondTheSegment) {
  const std::string grown =
      Get(8192, 03600) + Attach("0x10000000") +
      Call(7, 25,
           "sys_mremap ( 0x10000000, 8192, 20480, 0x0 ) --> [pre-success] "
           "Success(0x10000000) ");
  const std::string made =
      "syscall\nmap 0x10000000+0x2000 shared-anonymous rw- one-page-faults\n"
      "remap 0x10000000+0x2000 to 0x10000000+0x5000\n";
  // The first piece goes whole.
  EXPECT_EQ(ReadText(grown + Does(67, "shmdt ( 0x10000000 )")),
            made + "unmap 0x10000000+0x5000\nexit\n");
  EXPECT_EQ(ReadText(grown + Does(10, "mprotect ( 0x10001000, 4096, 1 )") +
                     Does(67, "shmdt ( 0x10000000 )") +
                     Does(10, "mprotect ( 0x10002000, 12288, 1 )")),
            made +
                "protect 0x10001000+0x1000 r--\nunmap 0x10000000+0x1000 ...\n"
                "unmap 0x10001000+0x1000\nprotect 0x10002000+0x3000 r--\n"
                "exit\n");
  // One that ends beyond it is not even in part of the segment.
  EXPECT_EQ(ReadText(grown + Does(10, "mprotect ( 0x10001000, 8192, 1 )") +
                     Does(67, "shmdt ( 0x10000000 )") +
                     Does(10, "mprotect ( 0x10001000, 16384, 1 )")),
            made +
                "protect 0x10001000+0x2000 r--\nunmap 0x10000000+0x1000\n"
                "protect 0x10001000+0x4000 r--\nexit\n");
}

TEST_F(FileNamesTest, ShmdtPassesOverOtherSegmentsBetweenItsPieces) {
  const std::string other =
      Call(7, 29, "sys_shmget ( 0, 4096, 950 )[sync] --> Success(0x13) ") +
      Call(7, 30,
           "sys_shmat ( 19, 0x10001000, 16384 )[sync] --> "
           "Success(0x10001000) ");
  EXPECT_EQ(ReadText(Get(12288, 03600) + Attach("0x10000000") + other +
                     Does(67, "shmdt ( 0x10000000 )")),
            "syscall\nmap 0x10000000+0x3000 shared-anonymous rw- "
            "one-page-faults\nsyscall\n"
            "map 0x10001000+0x1000 shared-anonymous rw- one-page-faults\n"
            "unmap 0x10000000+0x1000 ...\nunmap 0x10002000+0x1000\nexit\n");
}

TEST_F(FileNamesTest, ARemovedSegmentGoesWithItsLastMapping) {
  const std::string remove = Does(31, "shmctl ( 18, 0, 0x0 )");
  EXPECT_EQ(ReadText(Get(4096, 03600) + remove), "syscall\nremove\nexit\n");
  EXPECT_EQ(
      ReadText(Get(4096, 03600) + Attach("0x10000000") + remove +
               Attach("0x20000000") + Does(67, "shmdt ( 0x10000000 )") +
               Does(67, "shmdt ( 0x20000000 )")),
      "syscall\nmap 0x10000000+0x1000 shared-anonymous rw- one-page-faults\n"
      "open zero-filled ...\nremove\n"
      "map 0x20000000+0x1000 shared-anonymous rw- one-page-faults\n"
      "unmap 0x10000000+0x1000\nunmap 0x20000000+0x1000 ...\n"
      "close\nexit\n");
}

}  // namespace
}  // namespace xmmu::file_names_test
