// Which events make a process and which a thread.

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "workload/linux_text/text_support.h"
#include "xmmu/workload/trace.h"

namespace xmmu {
namespace linux_processes_test {

using testing::HasSubstr;

using LinuxProcessesTest = LinuxTextTest;

TEST_F(LinuxProcessesTest, AForksChildGoesOnWithItsParentsMemory) {
  const auto tasks =
      Tasks(MmapLines(7, "7f0000000000", 0x1000, "22", "ffffffff") +
            ForkLine(7, 8) + UserFault(8, "7f0000000010", "7") +
            UserFault(7, "7f0000000020", "7") + ExitLine(8) + ExitLine(7));
  ASSERT_TRUE(tasks.ok()) << tasks.status();
  EXPECT_EQ(ToText(tasks->at(8)), "store 0x7f0000000010+0x1\nexit\n");
  EXPECT_EQ(ToText(tasks->at(7)),
            "map 0x7f0000000000+0x1000 anonymous rw-\n"
            "fork 8\n"
            "store 0x7f0000000020+0x1\n"
            "exit\n");
}

constexpr char kPins[] =
    "xen_mmu_pgd_pin:      mm 0xffff88800640a400 pgd 0xffff888005658000";

// With `xen:` events a child for which nothing was built is a thread.
TEST_F(LinuxProcessesTest, ChildrenWithoutTablesAreThreads) {
  const auto tasks =
      Tasks(UserFault(7, "401000", "14") + Line(7, kPins) + ForkLine(7, 8) +
            UserFault(7, "402000", "14") + ForkLine(7, 9) +
            UserFault(9, "403000", "14") + ExitLine(9) +
            UserFault(8, "404000", "14") + ExitLine(8) +
            UserFault(7, "405000", "14") + ExitLine(7));
  ASSERT_TRUE(tasks.ok()) << tasks.status();
  EXPECT_EQ(tasks->size(), 2);
  EXPECT_EQ(ToText(tasks->at(7)),
            "map 0x400000+0x10000 private rwx offset 0x400000\n"
            "fetch 0x401000+0x1\n"
            "fork 8\n"
            "fetch 0x402000+0x1\n"
            "syscall\n"
            "fetch 0x403000+0x1\n"
            "fetch 0x405000+0x1\n"
            "exit\n");
  EXPECT_EQ(ToText(tasks->at(8)), "fetch 0x404000+0x1\nexit\n");
}

// A fault makes tables of a tree that is pinned: they are of no child.
TEST_F(LinuxProcessesTest, TablesOfAFaultMakeNoProcess) {
  const auto tasks =
      Tasks(Line(5, kPins) + UserFault(7, "401000", "14") +
            Line(7, "xen_mmu_alloc_ptpage: mm 0x1  pfn 8e8a  level 4  pinned") +
            ForkLine(7, 8) + UserFault(8, "402000", "14"));
  ASSERT_TRUE(tasks.ok()) << tasks.status();
  EXPECT_EQ(tasks->size(), 1);
}

// The first event of the text may be of the tables that a fork builds.
TEST_F(LinuxProcessesTest, TablesBuiltBeforeTheFirstFaultCount) {
  const auto tasks = Tasks(Line(7, kPins) + ForkLine(7, 8) + ExitLine(8));
  ASSERT_TRUE(tasks.ok()) << tasks.status();
  EXPECT_EQ(tasks->size(), 2);
}

TEST_F(LinuxProcessesTest, AChildWithoutTablesThatExecsIsOneOfVfork) {
  const auto tasks =
      Tasks(Line(5, kPins) + UserFault(7, "401000", "14") + ForkLine(7, 8) +
            UserFault(8, "402000", "14") + ExecLine(8) + ExitLine(8));
  ASSERT_TRUE(tasks.ok()) << tasks.status();
  EXPECT_THAT(ToText(tasks->at(7)), HasSubstr("vfork 8\n"));
  EXPECT_EQ(ToText(tasks->at(8)), "fetch 0x402000+0x1\nexec\nexit\n");
}

TEST_F(LinuxProcessesTest, ClonesFlagsTellThreads) {
  const auto forks = [&](const char* name, const char* flags) {
    const auto tasks = Tasks(
        Line(7, absl::StrCat("sys_enter_", name, ": clone_flags: 0x", flags)) +
        ForkLine(7, 8) + Line(7, absl::StrCat("sys_exit_", name, ": 0x8")) +
        UserFault(8, "401000", "14"));
    EXPECT_TRUE(tasks.ok()) << tasks.status();
    return ToText(tasks->at(7)).substr(0, ToText(tasks->at(7)).find('\n'));
  };
  EXPECT_EQ(forks("clone", "3d0f00"), "syscall");
  EXPECT_EQ(forks("clone", "1200011"), "fork 8");
  EXPECT_EQ(forks("clone", "4111"), "vfork 8");
  EXPECT_EQ(forks("vfork", "0"), "vfork 8");
  EXPECT_EQ(forks("fork", "0"), "fork 8");
  EXPECT_EQ(Fact("children_assumed_processes"), 0);
  EXPECT_EQ(forks("clone3", "0"), "fork 8");
  EXPECT_EQ(Fact("children_assumed_processes"), 1);
}

TEST_F(LinuxProcessesTest, ThreadGroupsTellThreads) {
  const auto grouped = [](int pid, int group, const std::string& event) {
    return absl::StrCat("   prog-", pid, "   (  ", group,
                        ") [000] .....  1.0: ", event, "\n");
  };
  const std::string fault =
      "page_fault_user: address=0x401000 ip=0x1 error_code=0x14";
  const auto tasks = Tasks(
      grouped(9, 7, fault) + grouped(7, 7, fault) +
      grouped(7, 7,
              "sched_process_fork: comm=a pid=7 child_comm=a child_pid=10") +
      grouped(10, 7, fault) +
      grouped(9, 7,
              "sched_process_fork: comm=a pid=9 child_comm=a child_pid=11") +
      grouped(11, 11, fault));
  ASSERT_TRUE(tasks.ok()) << tasks.status();
  EXPECT_EQ(tasks->size(), 2);
  EXPECT_THAT(ToText(tasks->at(7)),
              HasSubstr("syscall\nfetch 0x401000+0x1\nfork 11\n"));
}

// It gets the id of its process, whose first thread has ended.
TEST_F(LinuxProcessesTest, AThreadThatExecsGoesOnAsItsProcess) {
  const auto tasks =
      Tasks(Line(7, "sys_enter_clone: clone_flags: 0x10100") + ForkLine(7, 8) +
            UserFault(8, "401000", "14") + ExitLine(7) +
            Line(7, "sched_process_exec: filename=/a pid=7 old_pid=8") +
            UserFault(7, "402000", "14") + ExitLine(7) +
            UserFault(7, "403000", "14"));
  ASSERT_TRUE(tasks.ok()) << tasks.status();
  EXPECT_EQ(ToText(tasks->at(7)),
            "syscall\n"
            "map 0x400000+0x10000 private rwx offset 0x400000\n"
            "fetch 0x401000+0x1\n"
            "exec\n"
            "map 0x400000+0x10000 private rwx offset 0x400000\n"
            "fetch 0x402000+0x1\n"
            "exit\n");
}

// An exit of one thread is not yet that of its process.
TEST_F(LinuxProcessesTest, AProcessEndsWithItsLastThread) {
  EXPECT_EQ(Text(Line(7, "sys_enter_clone: clone_flags: 0x10100") +
                 ForkLine(7, 8) + ExitLine(7) + UserFault(8, "401000", "14") +
                 ExitLine(8) + UserFault(8, "402000", "14"))
                .find("0x402000"),
            std::string::npos);
}

TEST_F(LinuxProcessesTest, WhatRanBeforeIsForkedByATaskThatIsInNoEvent) {
  const auto tasks = Tasks(UserFault(7, "401000", "14") +
                           UserFault(9, "401000", "14") + ForkLine(9, 10));
  ASSERT_TRUE(tasks.ok()) << tasks.status();
  EXPECT_EQ(ToText(tasks->at(4194304)),
            "fork 7\nfork 9\nwait 7\nwait 9\nexit\n");
  EXPECT_EQ(tasks->size(), 4);
  EXPECT_EQ(Fact("processes_before"), 2);
}

TEST_F(LinuxProcessesTest, AnIdThatIsGivenAgainNamesAnotherTask) {
  const auto tasks =
      Tasks(UserFault(7, "401000", "14") + ForkLine(7, 8) +
            UserFault(8, "402000", "14") + ExitLine(8) + ForkLine(7, 8) +
            UserFault(8, "403000", "14") + ExitLine(8));
  ASSERT_TRUE(tasks.ok()) << tasks.status();
  ASSERT_EQ(tasks->size(), 3);
  EXPECT_EQ(ToText(tasks->at(8)), "fetch 0x402000+0x1\nexit\n");
  EXPECT_EQ(ToText(tasks->rbegin()->second), "fetch 0x403000+0x1\nexit\n");
}

}  // namespace linux_processes_test
}  // namespace xmmu
