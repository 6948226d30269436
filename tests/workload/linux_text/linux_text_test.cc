// Small texts, and the operations of their processes.

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "workload/linux_text/text_support.h"
#include "xmmu/workload/trace.h"

namespace xmmu {
namespace linux_text_test {

using testing::HasSubstr;

TEST_F(LinuxTextTest, FaultsAreAccessesOfOneByte) {
  EXPECT_EQ(Text(UserFault(7, "401234", "14") + UserFault(7, "401800", "4") +
                 UserFault(7, "411008", "6") + ExitLine(7)),
            "map 0x400000+0x10000 private rwx offset 0x400000\n"
            "fetch 0x401234+0x1\n"
            "load 0x401800+0x1\n"
            "map 0x410000+0x10000 anonymous rwx\n"
            "store 0x411008+0x1\n"
            "exit\n");
}

TEST_F(LinuxTextTest, HighLoadsAndStoresShowTheStackAndFetchesTheVdso) {
  EXPECT_EQ(Text(UserFault(7, "7ffc00041008", "6") +
                 UserFault(7, "7ffc00061234", "14") +
                 UserFault(7, "7ffbf7ffffff", "6")),
            "map 0x7ffc00021000+0x2f000 stack rwx\n"
            "store 0x7ffc00041008+0x1\n"
            "map 0x7ffc00060000+0x10000 private rwx offset 0x7ffc00060000\n"
            "fetch 0x7ffc00061234+0x1\n"
            "map 0x7ffbf7ff0000+0x10000 anonymous rwx\n"
            "store 0x7ffbf7ffffff+0x1\n"
            "exit\n");
}

TEST_F(LinuxTextTest, FieldsThatTraceCmdCannotFormatAreRead) {
  EXPECT_EQ(Text(Line(7,
                      "page_fault_user: [FAILED TO PARSE] address=0x401234 "
                      "ip=0x401234 error_code=20") +
                 Line(7,
                      "sched_process_exec: [FAILED TO PARSE] filename=/a "
                      "pid=7 old_pid=7")),
            "map 0x400000+0x10000 private rwx offset 0x400000\n"
            "fetch 0x401234+0x1\n"
            "exec\n"
            "exit\n");
}

TEST_F(LinuxTextTest, FaultsOfTheKernelsOwnAreNone) {
  EXPECT_EQ(
      Text(UserFault(7, "401234", "14") + KernelFault(7, "init_task", "2") +
           KernelFault(7, "0xffffc90000123000", "0")),
      "map 0x400000+0x10000 private rwx offset 0x400000\n"
      "fetch 0x401234+0x1\n"
      "exit\n");
}

// The kernel clears the new program's memory before the event of the exec.
TEST_F(LinuxTextTest, StoresOfTheKernelBeforeAnExecAreOfTheNewProgram) {
  EXPECT_EQ(Text(UserFault(7, "401234", "14") +
                 KernelFault(7, "0x411000", "2") + ExecLine(7)),
            "map 0x400000+0x10000 private rwx offset 0x400000\n"
            "fetch 0x401234+0x1\n"
            "exec\n"
            "map 0x410000+0x10000 anonymous rwx\n"
            "store 0x411000+0x1\n"
            "exit\n");
  EXPECT_EQ(Text(KernelFault(7, "0x411000", "2") +
                 UserFault(7, "411234", "14") + ExecLine(7)),
            "map 0x410000+0x10000 anonymous rwx\n"
            "store 0x411000+0x1\n"
            "fetch 0x411234+0x1\n"
            "exec\n"
            "exit\n");
}

TEST_F(LinuxTextTest, MappingsAreWhatTheirCallsReturned) {
  EXPECT_EQ(
      Text(MmapLines(7, "7f0000000000", 0x1800, "22", "ffffffff") +
           CallLines(7, "mprotect",
                     "start: 0x7f0000001000, len: 0x1000, prot: 0x1", "0") +
           CallLines(7, "munmap", "addr: 0x7f0000000000, len: 0x1000", "0") +
           CallLines(7, "brk", "brk: 0x0", "1000000") +
           CallLines(7, "brk", "brk: 0x1002000", "1002000") +
           CallLines(7, "madvise",
                     "start: 0x1000000, len_in: 0x1000, behavior: 0x4", "0") +
           CallLines(7, "mmap",
                     "addr: 0x0, len: 0x1000, prot: 0x3, flags: 0x22, fd: "
                     "0xffffffff, off: 0x0",
                     "fffffffffffffff4") +
           CallLines(7, "read", "fd: 0x3, buf: 0x1, count: 0x10", "10")),
      "map 0x7f0000000000+0x2000 anonymous rw-\n"
      "protect 0x7f0000001000+0x1000 r--\n"
      "unmap 0x7f0000000000+0x1000\n"
      "syscall\n"
      "map 0x1000000+0x2000 anonymous rw-\n"
      "discard 0x1000000+0x1000\n"
      "syscall\n"
      "syscall\n"
      "exit\n");
}

TEST_F(LinuxTextTest, CallsReadTheSameAsFtracePrintsThem) {
  const std::string head = "            prog-7     [000] ...1. 1.000000: ";
  EXPECT_EQ(Text(head +
                 "sys_mmap(addr: 0, len: 2000, prot: 3, flags: 22, fd: "
                 "ffffffff, off: 0)\n" +
                 head + "sys_mmap -> 0x7f5411f1d000\n"),
            "map 0x7f5411f1d000+0x2000 anonymous rw-\n"
            "exit\n");
}

// Both libraries are opened as descriptor 3.
TEST_F(LinuxTextTest, EachFirstMappingOfADescriptorIsAFileOfItsOwn) {
  const auto tasks = Tasks(
      MmapLines(7, "7f0000000000", 0x4000, "2", "3") +
      MmapLines(7, "7f0000002000", 0x1000, "12", "3", "7f0000002000", 0x2000) +
      MmapLines(7, "7f1000000000", 0x1000, "2", "3"));
  ASSERT_TRUE(tasks.ok()) << tasks.status();
  const std::vector<GuestOp>& ops = tasks->at(7);
  ASSERT_EQ(ops.size(), 4);
  EXPECT_EQ(ops[0].file, ops[1].file);
  EXPECT_NE(ops[0].file, ops[2].file);
  EXPECT_EQ(ops[0].backing, Backing::kFilePrivate);
}

TEST_F(LinuxTextTest, WhoSleepsYieldsAndWhoIsPreemptedDoesNot) {
  const auto switches = [](const char* state) {
    return Line(
        7, absl::StrCat("sched_switch: prev_comm=a b prev_pid=7 "
                        "prev_prio=120 prev_state=",
                        state, " ==> next_comm=x next_pid=0 next_prio=120"));
  };
  EXPECT_EQ(
      Text(CallLines(7, "read", "fd: 0x3", "0") + switches("S") +
           switches("D|K") + switches("R+") + switches("R") + switches("X")),
      "syscall\nyield\nyield\nexit\n");
}

// The call that made room for it is not in the text.
TEST_F(LinuxTextTest, AMappingReplacesWhatContradictsIt) {
  EXPECT_EQ(Text(MmapLines(7, "7f0000000000", 0x2000, "22", "ffffffff") +
                 MmapLines(7, "7f0000001000", 0x1000, "22", "ffffffff")),
            "map 0x7f0000000000+0x2000 anonymous rw-\n"
            "map 0x7f0000001000+0x1000 anonymous rw-\n"
            "exit\n");
  EXPECT_EQ(Fact("calls_that_replaced"), 1);
}

TEST_F(LinuxTextTest, LostEventsAreCounted) {
  EXPECT_EQ(Text("CPU:1 [LOST 12 EVENTS]\n" + UserFault(7, "401000", "14") +
                 "CPU:0 [EVENTS DROPPED]\n")
                .substr(0, 3),
            "map");
  EXPECT_EQ(Fact("lost_events"), 13);
}

TEST_F(LinuxTextTest, UnknownEventsAreCountedByName) {
  EXPECT_TRUE(absl::StrContains(Text(UserFault(7, "401000", "14") +
                                     Line(7, "kmem:mm_page_alloc: page=1") +
                                     Line(0, "xen_cpu_load_idt: addr 0")),
                                "fetch"));
  EXPECT_EQ(Fact("mm_page_alloc"), 1);
  EXPECT_EQ(Fact("xen_cpu_load_idt"), 1);
}

TEST_F(LinuxTextTest, DamagedLinesOfKnownEventsAreErrors) {
  const std::string good = UserFault(7, "401000", "14");
  for (const char* event :
       {"page_fault_user: address=0x40100g ip=0x1 error_code=0x4",
        "page_fault_user: address=0x401000 ip=0x1 error_code=4",
        "page_fault_user: address=0x401000 ip=0x1",
        "page_fault_user: address= ip=0x1 error_code=0x4",
        "page_fault_user: address=401000 ip=0x1 error_code=0x4",
        "sched_process_fork: comm=a pid=7 child_comm=a child_pid=",
        "sched_process_fork: comm=a pid=7 child_comm=a child_pid=x",
        "sched_process_exec: filename=/bin/a pid=7",
        "sched_process_exit: comm=a prio=120",
        "sched_switch: prev_comm=a prev_pid=7 prev_prio=1 prev_state=S",
        "sys_enter_mmap: addr: 0x0, len: 0x1000",
        "sys_enter_munmap: addr: 0x0, len: 12 pages",
        "sys_exit_mmap: ",
        "sys_exit_mmap: 0x7fzz",
        "xen_mmu_set_pte: ptep 0xffff pteval",
        "xen_mmu_set_pte: [FAILED TO PARSE] ptep=0x1 pteval=12x",
        "xen_mmu_alloc_ptpage: mm 0x1  pfn 8e8a  level x  pinned",
        "xen_mmu_alloc_ptpage: mm 0x1  pfn 8e8a  level 2  pin",
        "xen_mc_extend_args: extending op 1(mmu_update) by 16 bytes res MAYBE",
        "xen_mc_flush: flushing x hypercalls, 0 arg bytes, 0 callbacks"}) {
    const std::string answer = Text(good + Line(7, event) + good);
    EXPECT_EQ(answer.substr(0, 4), ":2: ") << event << "\n" << answer;
    EXPECT_THAT(answer, HasSubstr("expected")) << event;
  }
}

TEST_F(LinuxTextTest, OtherLinesAreErrors) {
  const std::string good = UserFault(7, "401000", "14");
  EXPECT_EQ(Text(good + "hello\n" + good),
            ":2: 'hello' is no line of Linux's, expected `TASK-PID [CPU] TIME: "
            "EVENT: ARGUMENTS`");
  EXPECT_EQ(Text(good + good.substr(0, good.size() - 1)),
            ":2: the text ends within a line, expected a newline");
  EXPECT_THAT(Text("# tracer: nop\n#\n" + Line(0,
                                               "xen_mc_batch: start batch "
                                               "LAZY_NONE")),
              HasSubstr("no event of a process's memory"));
}

TEST_F(LinuxTextTest, ACompressedTextIsTheSame) {
  const auto trace =
      OpenTrace({WriteGzip("text.gz", UserFault(7, "401000", "14"))}, {});
  ASSERT_TRUE(trace.ok()) << trace.status();
  EXPECT_EQ((*trace)->facts().format, "linux-text");
  EXPECT_TRUE((*trace)->facts().faults_only);
}

TEST_F(LinuxTextTest, OneTextHasAllCpus) {
  const std::string good = UserFault(7, "401000", "14");
  const auto trace = OpenTrace({Write("a", good), Write("b", good)}, {});
  EXPECT_THAT(trace.status().message(), HasSubstr("b:0: a second text"));
}

}  // namespace linux_text_test
}  // namespace xmmu
