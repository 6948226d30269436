// Calls that Linux refuses, said to have succeeded, and their neighbours that
// it does not.

#include "workload/lackey/trace_support.h"

namespace xmmu::call_rules_test {
namespace {

std::string Returned(int number, const std::string& call,
                     const std::string& value = "0x0") {
  return Call(7, number,
              absl::StrCat("sys_", call, " --> [sync] Success(", value, ") "));
}
std::string Mmap(const std::string& arguments, const std::string& at) {
  return Returned(9, absl::StrCat("mmap ( ", arguments, " )"), at);
}
std::string Anonymous(const std::string& at, int pages) {
  return Mmap(absl::StrCat("0x0, ", pages * 4096, ", 3, 34, 4294967295, 0"),
              at);
}
std::string Open(int flags) {
  return Returned(
      257, absl::StrCat("openat ( 4294967196, 0x1(/f), ", flags, " )"), "0x3");
}
std::string Mprotect(const std::string& at, uint64_t length, int rights = 1) {
  return Returned(
      10, absl::StrCat("mprotect ( ", at, ", ", length, ", ", rights, " )"));
}
std::string Madvise(const std::string& at, uint64_t length, int advice = 4) {
  return Returned(
      28, absl::StrCat("madvise ( ", at, ", ", length, ", ", advice, " )"));
}
std::string Munmap(const std::string& at, uint64_t length) {
  return Returned(11, absl::StrCat("munmap ( ", at, ", ", length, " )"));
}
std::string Mremap(const std::string& arguments, const std::string& to) {
  return Returned(25, absl::StrCat("mremap ( ", arguments, " )"), to);
}
std::string Brk(const std::string& wanted, const std::string& now) {
  return Returned(12, absl::StrCat("brk ( ", wanted, " )"), now);
}

class CallRulesTest : public TraceTest {
 protected:
  // The error of a log whose last record is that of `calls`; the line must be
  // its.
  std::string RefusalOf(const std::string& calls) {
    const std::string text = Head(7) + calls;
    const auto line = std::count(text.begin(), text.end(), '\n');
    const auto streams = ReadAll({Write("one", text + Tail(7))});
    if (streams.ok()) return "none";
    const std::string message(streams.status().message());
    const std::string where = absl::StrCat(Path("one"), ":", line, ": ");
    EXPECT_EQ(message.rfind(where, 0), 0) << message;
    return message.substr(std::min(where.size(), message.size()));
  }
  void Refused(const std::string& calls, const std::string& error) {
    EXPECT_NE(
        RefusalOf(calls).find(" cannot have succeeded, expected " + error),
        std::string::npos)
        << calls << RefusalOf(calls);
  }
  void Fine(const std::string& calls) { EXPECT_EQ(RefusalOf(calls), "none"); }
};

TEST_F(CallRulesTest, MmapWithoutMapFixedReplacesNothing) {
  const std::string one = Anonymous("0x10000000", 4);
  EXPECT_EQ(RefusalOf(one + Anonymous("0x10003000", 2)),
            "mmap of 8192 bytes at 0x10003000 cannot have succeeded, expected "
            "another place: 0x10000000-0x10004000 is mapped there");
  Fine(one + Anonymous("0x10004000", 2));
  Fine(one + Munmap("0x10003000", 4096) + Anonymous("0x10003000", 1));
  Fine(one + Mmap("0x10003000, 8192, 3, 50, 4294967295, 0", "0x10003000"));
  Refused(
      one + Mmap("0x10003000, 8192, 3, 1048610, 4294967295, 0", "0x10003000"),
      "EEXIST");
  Fine(one + Mmap("0x10004000, 8192, 3, 1048610, 4294967295, 0", "0x10004000"));
  Refused(Mmap("0x10000000, 4096, 3, 50, 4294967295, 0", "0x10001000"), "");
  // The real mapping may have been smaller than the inferred one.
  Fine(" L 00400000,8\n" + Anonymous("0x408000", 1));
}

TEST_F(CallRulesTest, MmapTakesWhatItsFlagsSay) {
  Refused(Mmap("0x0, 4096, 3, 32, 4294967295, 0", "0x10000000"), "");
  Refused(Mmap("0x0, 4096, 3, 289, 4294967295, 0", "0x10000000"), "EINVAL");
  Refused(Mmap("0x0, 4096, 3, 2, 4294967295, 0", "0x10000000"), "EBADF");
  Refused(Mmap("0x0, 4096, 3, 2, 3, 100", "0x10000000"), "");
  Fine(Mmap("0x0, 4096, 3, 2, 3, 8192", "0x10000000"));
  Refused(Mmap("0x0, 4096, 3, 2, 3, 18446744073709547520", "0x10000000"),
          "EOVERFLOW");
  Fine(Mmap("0x0, 4096, 3, 2, 3, 18446744073709543424", "0x10000000"));
}

TEST_F(CallRulesTest, HowAFileWasOpenedIsNotHeldAgainstItsMapping) {
  const std::string shared = Mmap("0x0, 4096, 3, 1, 3, 0", "0x10000000");
  for (const int mode : {0, 1, 2}) Fine(Open(mode) + shared);
  Fine(Open(0) + Mmap("0x0, 4096, 1, 1, 3, 0", "0x10000000") +
       Mprotect("0x10000000", 4096, 3));
}

TEST_F(CallRulesTest, MprotectAndMadviseWantAllOfTheRangeMapped) {
  const std::string two =
      Anonymous("0x10000000", 2) + Anonymous("0x10003000", 1);
  EXPECT_EQ(RefusalOf(two + Mprotect("0x10000000", 16384)),
            "mprotect of 16384 bytes at 0x10000000 cannot have succeeded, "
            "expected ENOMEM: nothing is mapped at 0x10002000");
  Refused(two + Madvise("0x10001000", 8192), "ENOMEM");
  Fine(two + Mprotect("0x10000000", 8192) + Madvise("0x10003000", 4096));
  Refused(Mprotect("0x10000000", uint64_t{1} << 46), "ENOMEM");
  Refused(Mprotect("0x10000000", 4096), "ENOMEM");
  Refused(Mprotect("0x400001", 4096), "");
  Fine(Mprotect("0x400000", 0));
  Refused(Mprotect("0x400000", 4096, 64), "");
}

TEST_F(CallRulesTest, WhatExecMappedIsBelievedWhereItCanBe) {
  Fine(Mprotect("0x112000", 4096) + Mprotect("0x4030000", 8192));
  Fine(Mprotect("0x1fff000000", 4096));
  Refused(Mprotect("0x1f80000000", 4096), "ENOMEM");
  Fine("I  7bc00000,4\n" + Mprotect("0x7bc00000", 131072));
  Refused("I  7bc00000,4\n" + Mprotect("0x7bd00000", 4096), "ENOMEM");
  Refused(Munmap("0x404000", 4096) + Mprotect("0x403000", 12288), "ENOMEM");
  Fine(Munmap("0x404000", 4096) + Mprotect("0x405000", 4096));
}

TEST_F(CallRulesTest, MadvFreeIsForAnonymousMemory) {
  Fine(Anonymous("0x10000000", 1) + Madvise("0x10000000", 4096, 8));
  Refused(Mmap("0x0, 4096, 3, 2, 3, 0", "0x10000000") +
              Madvise("0x10000000", 4096, 8),
          "EINVAL");
}

TEST_F(CallRulesTest, MadvRemoveIsForSharedMemory) {
  Refused(Anonymous("0x10000000", 1) + Madvise("0x10000000", 4096, 9),
          "EINVAL");
  Refused(Mmap("0x0, 4096, 3, 2, 3, 0", "0x10000000") +
              Madvise("0x10000000", 4096, 9),
          "EACCES");
  for (const char* flags : {"1, 3", "33, 4294967295"}) {
    Fine(Mmap(absl::StrCat("0x0, 4096, 3, ", flags, ", 0"), "0x10000000") +
         Madvise("0x10000000", 4096, 9));
  }
}

TEST_F(CallRulesTest, MadviseKnowsItsAdvice) {
  const std::string one = Anonymous("0x10000000", 1);
  for (const int advice : {0, 4, 8, 10, 25, 100, 103}) {
    Fine(one + Madvise("0x10000000", 4096, advice));
  }
  for (const int advice : {-1, 5, 7, 26, 99, 104}) {
    Refused(one + Madvise("0x10000000", 4096, advice), "EINVAL");
  }
  Refused(Madvise("0x10000000", 0, 99), "EINVAL");
}

TEST_F(CallRulesTest, DroppableMemoryIsPrivate) {
  const std::string droppable =
      Mmap("0x0, 8192, 3, 40, 4294967295, 0", "0x10000000");
  Fine(droppable + Madvise("0x10000000", 8192, 8));
  Refused(droppable + Mremap("0x10000000, 0, 4096, 0x1", "0x20000000"),
          "EINVAL");
  for (const int type : {4, 7, 9}) {
    Refused(Mmap(absl::StrCat("0x0, 8192, 3, ", 32 + type, ", 4294967295, 0"),
                 "0x10000000"),
            "");
  }
}

TEST_F(CallRulesTest, MremapMovesOneMappingToWhereNothingIs) {
  const std::string one = Anonymous("0x10000000", 4);
  Refused(one + Mremap("0x10000000, 16384, 20480, 0x1", "0x10001000"),
          "another place");
  Refused(
      one + Mremap("0x10000000, 16384, 16384, 0x3, 0x10001000", "0x10001000"),
      "EINVAL");
  Fine(one + Mremap("0x10000000, 16384, 16384, 0x3, 0x10004000", "0x10004000"));
  Refused(one + Anonymous("0x20000000", 1) +
              Mremap("0x10000000, 16384, 20480, 0x1", "0x1fffc000"),
          "another place");
  Fine(one + Anonymous("0x20000000", 1) +
       Mremap("0x10000000, 16384, 20480, 0x3, 0x1fffc000", "0x1fffc000"));
  Refused(one + Mprotect("0x10002000", 8192) +
              Mremap("0x10000000, 16384, 20480, 0x1", "0x20000000"),
          "EFAULT");
  Fine(one + Mprotect("0x10002000", 8192) +
       Mremap("0x10002000, 8192, 20480, 0x1", "0x20000000"));
  Refused(Mremap("0x10000000, 4096, 8192, 0x1", "0x20000000"), "EFAULT");
}

TEST_F(CallRulesTest, MremapGrowsWhereItIsIfThereIsRoom) {
  const std::string one = Anonymous("0x10000000", 4);
  const auto grow = [](int pages) {
    return Mremap(absl::StrCat("0x10000000, 16384, ", pages * 4096, ", 0x0"),
                  "0x10000000");
  };
  Fine(one + Anonymous("0x10006000", 1) + grow(6));
  Refused(one + Anonymous("0x10006000", 1) + grow(7), "another place");
  Refused(one + Mremap("0x10000000, 8192, 12288, 0x0", "0x10000000"),
          "another place");
  Refused(one + Mremap("0x10000000, 16384, 20480, 0x0", "0x20000000"),
          "ENOMEM");
}

TEST_F(CallRulesTest, MremapStaysWhereItNeedNotMove) {
  const std::string one = Anonymous("0x10000000", 4);
  Refused(one + Mremap("0x10000000, 16384, 8192, 0x1", "0x20000000"),
          "0x10000000");
  Fine(one + Mremap("0x10000000, 16384, 8192, 0x0", "0x10000000"));
  // It may give up several mappings, and holes.
  Fine(one + Mprotect("0x10002000", 8192) + Munmap("0x10003000", 4096) +
       Mremap("0x10000000, 16384, 4096, 0x0", "0x10000000"));
}

TEST_F(CallRulesTest, MremapDoublesOnlySharedMemory) {
  const std::string to = Mremap("0x10000000, 0, 4096, 0x1", "0x20000000");
  Refused(Anonymous("0x10000000", 1) + to, "EINVAL");
  Fine(Mmap("0x0, 4096, 3, 33, 4294967295, 0", "0x10000000") + to);
}

TEST_F(CallRulesTest, MremapKnowsItsFlags) {
  const std::string one = Anonymous("0x10000000", 1);
  for (const char* flags : {"0x8", "0x2, 0x20000000", "0x4"}) {
    Refused(one + Mremap(absl::StrCat("0x10000000, 4096, 4096, ", flags),
                         "0x20000000"),
            "EINVAL");
  }
  Refused(one + Mremap("0x10000000, 4096, 8192, 0x5", "0x20000000"), "EINVAL");
  Fine(one + Mremap("0x10000000, 4096, 4096, 0x5", "0x20000000"));
  Refused(one + Mremap("0x10000000, 4096, 8192, 0x3, 0x20000000", "0x30000000"),
          "0x20000000");
}

TEST_F(CallRulesTest, TheBreakGoesWhereItIsWantedOrStays) {
  const std::string start = Brk("0x0", "0x5000000");
  Fine(start + Brk("0x5003000", "0x5003000") + Brk("0x9000000", "0x5003000"));
  Refused(start + Brk("0x5003000", "0x5004000"), "0x5000000");
  Refused(start + Brk("0x4fff000", "0x4fff000"), "0x5000000");
  Refused(start + Brk("0x7ffffffff000", "0x7ffffffff000"), "0x5000000");
  Refused(start + Anonymous("0x5002000", 1) + Brk("0x5003000", "0x5003000"),
          "0x5000000");
  Fine(start + Anonymous("0x5002000", 1) + Brk("0x5002000", "0x5002000"));
}

TEST_F(CallRulesTest, SharedMemoryIsAttachedToWhereNothingIs) {
  const std::string get = Returned(29, "shmget ( 0, 8192, 950 )", "0x12") +
                          Anonymous("0x10000000", 1);
  const auto attach = [](const char* arguments, const char* at) {
    return Returned(30, absl::StrCat("shmat ( 18, ", arguments, " )"), at);
  };
  Refused(get + attach("0x10000000, 0", "0x10000000"), "EINVAL");
  Refused(get + attach("0x0, 0", "0xffff000"), "another place");
  Fine(get + attach("0x10000000, 16384", "0x10000000"));
  Refused(get + attach("0x20000800, 0", "0x20000000"), "0x20000800");
  Fine(get + attach("0x20000800, 8192", "0x20000000"));
  Refused(
      get + attach("0x0, 4096", "0x20000000") + Mprotect("0x20000000", 4096, 3),
      "EACCES");
  Refused(get + Returned(67, "shmdt ( 0x10000000 )"), "EINVAL");
}

TEST_F(CallRulesTest, OnlyTheBeginningOfAnAttachedSegmentIsDetached) {
  const std::string attached =
      Returned(29, "shmget ( 0, 8192, 950 )", "0x12") +
      Returned(30, "shmat ( 18, 0x0, 0 )", "0x10000000");
  const auto detach = [](const char* at) {
    return Returned(67, absl::StrCat("shmdt ( ", at, " )"));
  };
  Fine(attached + detach("0x10000000"));
  Refused(attached + detach("0x10000000") + detach("0x10000000"), "EINVAL");
  Refused(attached + detach("0x10001000"), "EINVAL");
  Refused(attached + Mprotect("0x10001000", 4096) + detach("0x10001000"),
          "EINVAL");
  Refused(attached + detach("0x20000000"), "EINVAL");
  Refused(Mmap("0x0, 4096, 3, 1, 3, 0", "0x10000000") + detach("0x10000000"),
          "EINVAL");
}

TEST_F(CallRulesTest, ASegmentOfUnknownSizeIsBelieved) {
  const std::string before =
      Anonymous("0x10000000", 2) + Munmap("0x10000000", 8192);
  const std::string used = Returned(30, "shmat ( 18, 0x0, 0 )", "0x10000000") +
                           Mprotect("0x10000000", 4096) +
                           Returned(67, "shmdt ( 0x10000000 )");
  Fine(before + used);
  Fine(before + Returned(29, "shmget ( 1, 0, 0 )", "0x12") + used);
  Refused(Anonymous("0x10000000", 2) +
              Returned(30, "shmat ( 18, 0x0, 0 )", "0x10000000"),
          "another place");
  Refused(Returned(30, "shmat ( 18, 0x0, 0 )", "0x10000008"), "");
  // The segment has the largest size that any call named, whichever was the
  // last.
  const std::string made = Returned(29, "shmget ( 1, 8192, 950 )", "0x12");
  for (const char* size : {"0", "1", "8192"}) {
    Refused(
        made +
            Returned(29, absl::StrCat("shmget ( 1, ", size, ", 0 )"), "0x12") +
            Returned(30, "shmat ( 18, 0x0, 0 )", "0x10000000") +
            Anonymous("0x10001000", 1),
        "another place");
  }
}

TEST_F(CallRulesTest, ASegmentOfUnknownSizeReachesAsFarAsCallsDo) {
  const std::string attached =
      Returned(29, "shmget ( 1, 0, 0 )", "0x12") +
      Returned(30, "shmat ( 18, 0x0, 0 )", "0x10000000");
  Fine(attached + Mprotect("0x10009000", 4096));
  Fine(attached + Madvise("0x10000000", 30 * 4096));
  Fine(attached +
       Mremap("0x10000000, 40960, 40960, 0x3, 0x20000000", "0x20000000"));
  // It is then known to be there.
  Refused(attached + Madvise("0x10000000", 8192) + Anonymous("0x10001000", 1),
          "another place");
  Fine(attached + Madvise("0x10000000", 8192) + Anonymous("0x10002000", 1));
  // It reaches up to another mapping, and not behind it.
  const std::string next = attached + Anonymous("0x10005000", 1);
  Fine(next + Mprotect("0x10000000", 6 * 4096));
  Refused(next + Mprotect("0x10000000", 7 * 4096), "ENOMEM");
  Refused(next + Mprotect("0x10007000", 4096), "ENOMEM");
  Refused(
      next + Mremap("0x10000000, 24576, 24576, 0x3, 0x20000000", "0x20000000"),
      "EFAULT");
  Fine(next +
       Mremap("0x10000000, 20480, 20480, 0x3, 0x20000000", "0x20000000"));
  // Below it, and where it has been unmapped, it is not.
  Refused(attached + Mprotect("0xffff000", 8192), "ENOMEM");
  Refused(attached + Munmap("0x10002000", 4096) + Mprotect("0x10002000", 4096),
          "ENOMEM");
  Fine(attached + Munmap("0x10002000", 4096) + Mprotect("0x10003000", 4096));
  Refused(attached + Munmap("0x10002000", 4096) + Mprotect("0x10000000", 16384),
          "ENOMEM");
  // What was unmapped there before it was attached says nothing.
  Fine(Anonymous("0x10000000", 4) + Munmap("0x10000000", 16384) + attached +
       Mprotect("0x10000000", 16384));
  // A segment that was seen made is not larger.
  Refused(Returned(29, "shmget ( 0, 4096, 950 )", "0x12") +
              Returned(30, "shmat ( 18, 0x0, 0 )", "0x10000000") +
              Mprotect("0x10000000", 8192),
          "ENOMEM");
  // Advice that is for anonymous memory is refused of all of it.
  Refused(attached + Madvise("0x10000000", 8192, 8), "EINVAL");
  Refused(attached + Madvise("0x10004000", 4096, 8), "EINVAL");
}

TEST_F(CallRulesTest, NothingIsMappedFromTheLastPageOn) {
  Fine(Mmap("0x0, 4096, 3, 34, 4294967295, 0", "0x7fffffffe000"));
  EXPECT_EQ(
      RefusalOf(Mmap("0x0, 8192, 3, 34, 4294967295, 0", "0x7fffffffe000")),
      "mmap of 8192 bytes at 0x7fffffffe000 cannot have succeeded, "
      "expected whole pages below 0x7ffffffff000");
}

TEST_F(CallRulesTest, SharedAnonymousMappingsAreObjectsOfTheirOwn) {
  const std::string shared = "0x0, 4096, 3, 33, 4294967295, 0";
  const auto streams = ReadAll({Write(
      "one", Head(7) + Mmap(shared, "0x10000000") + Mmap(shared, "0x10001000") +
                 Mremap("0x10001000, 0, 4096, 0x1", "0x20000000") + Tail(7))});
  ASSERT_TRUE(streams.ok()) << streams.status();
  const auto& ops = streams->at(7);
  EXPECT_EQ(ToText({ops[0], ops[1], ops[2]}),
            "map 0x10000000+0x1000 shared-anonymous rw-\n"
            "map 0x10001000+0x1000 shared-anonymous rw-\n"
            "remap 0x10001000 to 0x20000000+0x1000\n");
  EXPECT_EQ(ops[0].file, 0);
  EXPECT_EQ(ops[1].file, 0);
  Refused(Mmap(shared, "0x10000000") + Mmap(shared, "0x10001000") +
              Mremap("0x10000000, 8192, 12288, 0x1", "0x20000000"),
          "EFAULT");
}

TEST_F(CallRulesTest, WhatGrowsOverInferredPagesTakesTheirPlace) {
  const auto streams = ReadAll({Write(
      "one", Head(7) + " L 04020000,8\n" +
                 Mmap("0x4021000, 4096, 3, 50, 4294967295, 0", "0x4021000") +
                 Mremap("0x4021000, 4096, 8192, 0x0", "0x4021000") + Tail(7))});
  ASSERT_TRUE(streams.ok()) << streams.status();
  EXPECT_EQ(ToText(streams->at(7)),
            "map 0x4020000+0x10000 private rwx offset 0x4020000\n"
            "load 0x4020000+0x8\nmap 0x4021000+0x1000 anonymous rw-\n"
            "unmap 0x4022000+0x1000 ...\nremap 0x4021000+0x1000 to "
            "0x4021000+0x2000\nexit\n");
}

}  // namespace
}  // namespace xmmu::call_rules_test
