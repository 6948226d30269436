// Lines as ftrace, trace-cmd and perf print them.

#include "workload/linux_text/text_event.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace xmmu {
namespace text_event_test {

// The line in words.
std::string Read(const std::string& line) {
  const TextLine read = ParseTextLine(line);
  switch (read.kind) {
    case TextLineKind::kNone:
      return "none";
    case TextLineKind::kRemark:
      return "remark";
    case TextLineKind::kLost:
      return absl::StrCat("lost ", read.lost);
    case TextLineKind::kEvent:
      break;
  }
  const TextEvent& e = read.event;
  return absl::StrCat(RenderingName(e.rendering), "|", e.task, "|", e.pid, "|",
                      e.group, "|", e.cpu, "|", e.time, e.seconds ? "ns|" : "|",
                      e.enters ? "enter " : "", e.exits ? "exit " : "", e.name,
                      "|", e.arguments);
}

TEST(TextEventTest, FtraceHasFlagsAndSeconds) {
  EXPECT_EQ(Read("            wc-140   [001] d..1.    67.152580: sched_switch: "
                 "prev_comm=wc"),
            "ftrace|wc|140|0|1|67152580000ns|sched_switch|prev_comm=wc");
  EXPECT_EQ(
      Read("            wc-140   [001] .N.1.  1234567: page_fault_user: a"),
      "ftrace|wc|140|0|1|1234567|page_fault_user|a");
}

TEST(TextEventTest, TraceCmdHasNoBlankBeforeAnInteger) {
  EXPECT_EQ(
      Read("             dls-134   [000]211557620831: sys_exit_mmap:      "
           "  0x7f6c32cbf000"),
      "trace-cmd report|dls|134|0|0|211557620831|exit mmap|0x7f6c32cbf000");
  EXPECT_EQ(
      Read("             dls-134   [000]    67.152580: xen_mc_batch:   x"),
      "trace-cmd report|dls|134|0|0|67152580000ns|xen_mc_batch|x");
}

TEST(TextEventTest, PerfHasTheSubsystemAndNoDash) {
  EXPECT_EQ(
      Read("ls  4242 [001]  123.456789: sched:sched_process_exit: comm=ls"),
      "perf script|ls|4242|0|1|123456789000ns|sched_process_exit|comm=ls");
  EXPECT_EQ(Read("a b  4242/4243 [001]  1.123456789: syscalls:sys_enter_brk: "
                 "brk: 0x00000000"),
            "perf script|a b|4243|4242|1|1123456789ns|enter brk|brk: "
            "0x00000000");
}

TEST(TextEventTest, NamesHoldBlanksDashesAndBrackets) {
  EXPECT_EQ(Read("     my prog-2 x-77    [000] .....     1.000000: e: a"),
            "ftrace|my prog-2 x|77|0|0|1000000000ns|e|a");
  EXPECT_EQ(Read("          <idle>-0     [000]5: e: a"),
            "trace-cmd report|<idle>|0|0|0|5|e|a");
  EXPECT_EQ(Read("     kworker/u4:1-25    [003]5: e: a"),
            "trace-cmd report|kworker/u4:1|25|0|3|5|e|a");
  EXPECT_EQ(Read("     a [1] b-25    [003]5: e: a"),
            "trace-cmd report|a [1] b|25|0|3|5|e|a");
}

TEST(TextEventTest, ThreadGroupsStandInParentheses) {
  EXPECT_EQ(Read("   worker-91      (     88) [000] .....     1.5: e: a"),
            "ftrace|worker|91|88|0|1500000000ns|e|a");
  EXPECT_EQ(Read("   worker-91      (-------) [000] .....     1.5: e: a"),
            "ftrace|worker|91|0|0|1500000000ns|e|a");
}

TEST(TextEventTest, FtracesCallsAreTheirEvents) {
  EXPECT_EQ(Read(" sh-1 [000] ...1. 1.0: sys_mmap(addr: 0, len: 2000)"),
            "ftrace|sh|1|0|0|1000000000ns|enter mmap|addr: 0, len: 2000");
  EXPECT_EQ(Read(" sh-1 [000] ...1. 1.0: sys_mmap -> 0x7f00"),
            "ftrace|sh|1|0|0|1000000000ns|exit mmap|0x7f00");
}

TEST(TextEventTest, WhatIsNoEvent) {
  for (const char* remark :
       {"# tracer: nop", "#", "", "cpus=2", "version = 6", "CPU 1 is empty",
        "\tffffffff81a2b3c4 do_sys_poll+0x4 ([kernel.kallsyms])",
        " => __schedule"}) {
    EXPECT_EQ(Read(remark), "remark") << remark;
  }
  EXPECT_EQ(Read("CPU:1 [LOST 12 EVENTS]"), "lost 12");
  EXPECT_EQ(Read("CPU:0 [5 EVENTS DROPPED]"), "lost 5");
  EXPECT_EQ(Read("CPU:0 [EVENTS DROPPED]"), "lost 0");
}

TEST(TextEventTest, WhatLinuxDoesNotPrint) {
  for (const char* line :
       {"hello", "sh-1 [000]", "sh-1 [000] x: y", "sh-1 [0x0]5: e: a",
        "-1 [000]5: e: a", "sh-99999999 [000]5: e: a",
        "sh-4194304 [000]5: e: a", "sh-1 [9000]5: e: a", "sh-1 [000]5:e: a",
        "sh-1 [000]1.1234567890: e: a", "sh-1 [000]99999999999999999999: e: a",
        "[000]5: e: a", "cpus=", "CPU:x [LOST 1 EVENTS]"}) {
    EXPECT_EQ(Read(line), "none") << line;
  }
  EXPECT_NE(Read("sh-4194303 [8191]5: e: a"), "none");
}

}  // namespace text_event_test
}  // namespace xmmu
