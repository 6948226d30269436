// Streams of several processes: fork, vfork, exec, wait, and what the log does
// not say: where a program's image and stack are.

#include "workload/lackey/trace_support.h"

namespace xmmu::process_tree_test {
namespace {

class ProcessTreeTest : public TraceTest {};

std::string Fork(uint32_t pid, uint32_t child) {
  return Call(pid, 56,
              absl::StrCat("sys_clone ( 1200011, 0x0, 0x0, 0x4a2aa10, 0x0 )   "
                           "clone(fork): process ",
                           pid, " created child ", child)) +
         absl::StrCat(" --> [pre-success] Success(0x", absl::Hex(child),
                      ") \n");
}

std::string Wait(uint32_t pid, int64_t child, int options, uint32_t result) {
  return Call(pid, 61,
              absl::StrCat("sys_wait4 ( ", child, ", 0x0, ", options,
                           ", 0x0 ) --> [async] ... ")) +
         Call(pid, 61,
              absl::StrCat("... [async] --> Success(0x", absl::Hex(result),
                           ") "));
}

std::string Map(uint32_t pid, const std::string& at) {
  return Call(pid, 9,
              absl::StrCat("sys_mmap ( 0x0, 4096, 3, 34, 4294967295, 0 ) --> "
                           "[pre-success] Success(",
                           at, ") "));
}

TEST_F(ProcessTreeTest, AForkedChildGoesOnInItsParentsMappings) {
  const auto streams = ReadAll(
      {Write("p", Head(7) + Map(7, "0x5000000") + Fork(7, 8) +
                      Map(7, "0x6000000") + Wait(7, -1, 0, 8) + Tail(7)),
       Write("c", ForkedHead(8, 7) + " L 05000000,8\n" + Tail(8))});
  ASSERT_TRUE(streams.ok()) << streams.status();
  EXPECT_EQ(ToText(streams->at(7)),
            "map 0x5000000+0x1000 anonymous rw-\nfork 8\n"
            "map 0x6000000+0x1000 anonymous rw-\nwait 8\nexit\n");
  EXPECT_EQ(ToText(streams->at(8)),
            // The child's id, for CLONE_CHILD_SETTID.
            "map 0x4a20000+0x10000 private rwx offset 0x4a20000 ...\n"
            "copy-out 0x4a2aa10+0x4\nload 0x5000000+0x8\nexit\n");
}

TEST_F(ProcessTreeTest, VforkAndPosixSpawnSuspendTheParent) {
  for (const char* call :
       {"58) sys_fork ( )   fork: process 7 created child 8\n",
        "56) sys_clone ( 4111, 0x4844ff0, 0x0, 0x0, 0x0 )   clone(fork): "
        "process 7 created child 8\n"}) {
    const auto streams = ReadAll(
        {Write("p", Head(7) + "SYSCALL[7,1](" + call +
                        " --> [pre-success] Success(0x8) \n" + Tail(7)),
         Write("c", ForkedHead(8, 7) +
                        Call(8, 59, "sys_execve ( 0x1(/no), 0x2, 0x3 )") +
                        " --> [pre-fail] Failure(0x2) \n" +
                        Call(8, 59, "sys_execve ( 0x1(/x), 0x2, 0x3 )") +
                        Head(8, 7, "/x") + Tail(8))});
    ASSERT_TRUE(streams.ok()) << streams.status();
    EXPECT_EQ(ToText(streams->at(7)), "vfork 8\nexit\n");
    EXPECT_EQ(ToText(streams->at(8)), "syscall\nexec\nexit\n");
  }
}

TEST_F(ProcessTreeTest, AChildWhoseLogAnExecOverwroteStartsWithTheExec) {
  const auto streams = ReadAll({Write("p", Head(7) + Fork(7, 8) + Tail(7)),
                                Write("c", Head(8, 7, "/bin/ls") + Tail(8))});
  ASSERT_TRUE(streams.ok()) << streams.status();
  EXPECT_EQ(ToText(streams->at(8)), "exec\nexit\n");
}

TEST_F(ProcessTreeTest, AnOrphanIsAChildAllTheSame) {
  // The child's parent had ended when the child wrote the head of its log.
  const auto streams = ReadAll({Write("p", Head(7, 1) + Fork(7, 8) + Tail(7)),
                                Write("c", ForkedHead(8, 1) + Tail(8))});
  EXPECT_TRUE(streams.ok()) << streams.status();
}

TEST_F(ProcessTreeTest, ExecEmptiesTheAddressSpace) {
  EXPECT_EQ(ReadText(Map(7, "0x410000") + " L 00410000,8\n" +
                     Call(7, 59, "sys_execve ( 0x1(/x), 0x2, 0x3 )") +
                     Head(7, 1, "/x") + " L 00410000,8\n"),
            "map 0x410000+0x1000 anonymous rw-\nload 0x410000+0x8\nexec\n"
            "map 0x410000+0x10000 private rwx offset 0x410000\n"
            "load 0x410000+0x8\nexit\n");
}

TEST_F(ProcessTreeTest, ATaskWaitsForAChildOnlyOnce) {
  const auto streams =
      ReadAll({Write("p", Head(7) + Fork(7, 8) + Wait(7, -1, 1, 0) +
                              Wait(7, -1, 2, 8) + Wait(7, -1, 2, 8) + Tail(7)),
               Write("c", ForkedHead(8, 7) + Tail(8))});
  ASSERT_TRUE(streams.ok()) << streams.status();
  EXPECT_EQ(ToText(streams->at(7)), "fork 8\nyield\nwait 8\nyield\nexit\n");
}

TEST_F(ProcessTreeTest, AWaitCutShortByTheSignalIsForAnyChild) {
  const std::string cut_short =
      Call(7, 61, "sys_wait4 ( 4294967295, 0x0, 0, 0x0 ) --> [async] ... ") +
      Call(7, 15, "sys_rt_sigreturn ( ) --> [pre-success] NoWriteResult ");
  const auto streams = ReadAll(
      {Write("p", Head(7) + Fork(7, 8) + cut_short + cut_short + Tail(7)),
       Write("c", ForkedHead(8, 7) + Tail(8))});
  ASSERT_TRUE(streams.ok()) << streams.status();
  EXPECT_EQ(ToText(streams->at(7)),
            "fork 8\nwait\nsyscall\nsyscall\nsyscall\nexit\n");
}

TEST_F(ProcessTreeTest, StreamsDoNotDependOnTheirOrder) {
  const std::vector<std::string> files = {
      Write("p", Head(7) + Map(7, "0x5000000") + Fork(7, 8) + Fork(7, 9) +
                     " L 00400000,8\n" + Tail(7)),
      Write("c", ForkedHead(8, 7) + Fork(8, 10) + " S 00401000,8\n" + Tail(8)),
      Write("d", ForkedHead(9, 7) + " S 1fff000ff8,8\n" + Tail(9)),
      Write("e", ForkedHead(10, 8) + " S 05000000,8\n" + Tail(10))};
  const auto breadth = ReadAll(files);
  const auto depth = ReadAll({files[3], files[1], files[2], files[0]}, {},
                             /*depth_first=*/true);
  ASSERT_TRUE(breadth.ok()) << breadth.status();
  ASSERT_TRUE(depth.ok()) << depth.status();
  ASSERT_EQ(breadth->size(), 4);
  for (const auto& [task, ops] : *breadth) {
    EXPECT_EQ(ToText(ops), ToText(depth->at(task)));
  }
}

TEST_F(ProcessTreeTest, TheStackIsInferredWithRoomAndGrowsByRoom) {
  EXPECT_EQ(ReadText(" S 1fff000d28,8\n S 1ffeffe000,8\n S 1ffefe0000,8\n"
                     " S 1ffefdfff8,8\n"),
            "map 0x1ffefe0000+0x21000 stack rw-\nstore 0x1fff000d28+0x8\n"
            "store 0x1ffeffe000+0x8\nstore 0x1ffefe0000+0x8\n"
            "map 0x1ffefbf000+0x21000 stack rw-\nstore 0x1ffefdfff8+0x8\n"
            "exit\n");
}

TEST_F(ProcessTreeTest, TheImageIsInferredByChunksAroundWhatIsMapped) {
  EXPECT_EQ(ReadText(Map(7, "0x404000") + " L 00403fff,1\n L 00405000,1\n"),
            "map 0x404000+0x1000 anonymous rw-\n"
            "map 0x400000+0x4000 private rwx offset 0x400000\n"
            "load 0x403fff+0x1\n"
            "map 0x405000+0xb000 private rwx offset 0x405000\n"
            "load 0x405000+0x1\nexit\n");
}

TEST_F(ProcessTreeTest, AnAccessOverTheEdgeInfersTheNextChunk) {
  EXPECT_EQ(ReadText(" L 0040fffc,8\n"),
            "map 0x400000+0x10000 private rwx offset 0x400000\n"
            "map 0x410000+0x10000 private rwx offset 0x410000\n"
            "load 0x40fffc+0x8\nexit\n");
}

TEST_F(ProcessTreeTest, MprotectOfTheImageInfersItFirst) {
  EXPECT_EQ(ReadText(Call(7, 10,
                          "sys_mprotect ( 0x112000, 4096, 1 )[sync] --> "
                          "Success(0x0) ") +
                     " L 00112000,8\n S 00112000,8\n"),
            "map 0x110000+0x10000 private rwx offset 0x110000 ...\n"
            "protect 0x112000+0x1000 r--\nload 0x112000+0x8\nexit\n");
}

TEST_F(ProcessTreeTest, AccessesThatRaisedASignalAreLeftOut) {
  EXPECT_EQ(ReadText(" S 00000000,4\n L 0000ffff,1\n"), "exit\n");
  EXPECT_EQ(ReadText(" L 00010000,1\n"),
            "map 0x10000+0x10000 private rwx offset 0x10000\n"
            "load 0x10000+0x1\nexit\n");
}

TEST_F(ProcessTreeTest, AccessesFromTheEndOfUserSpaceOnAreLeftOut) {
  EXPECT_EQ(ReadText("I  ffffffffff600000,7\n L 7ffffffffffc,8\n"
                     " S ffffffffffffffff,8\n"),
            "exit\n");
  EXPECT_EQ(ReadText(" L 7ffffffffffc,4\n"),
            "map 0x7fffffff0000+0x10000 private rwx offset 0x7fffffff0000\n"
            "load 0x7ffffffffffc+0x4\nexit\n");
}

TEST_F(ProcessTreeTest, TwoProgramsShareTheLinkerAndNotTheirImages) {
  const auto streams =
      ReadAll({Write("p", Head(7, 1, "/bin/a x") + Fork(7, 8) +
                              " L 00400000,8\n L 04000000,8\n" + Tail(7)),
               Write("c", Head(8, 7, "/bin/b") +
                              " L 00400000,8\n L 04000000,8\n" + Tail(8))});
  ASSERT_TRUE(streams.ok()) << streams.status();
  const auto& a = streams->at(7);
  const auto& b = streams->at(8);
  EXPECT_NE(a[1].file, b[1].file);
  EXPECT_EQ(a[3].file, b[3].file);
}

}  // namespace
}  // namespace xmmu::process_tree_test
