// Real texts and xentrace files, with the counts and digests that were found by
// other means: see the README of the directory that XMMU_TRACE_SAMPLES names.

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "workload/linux_text/linux_event.h"
#include "workload/linux_text/process_tree.h"
#include "workload/linux_text/sha256.h"
#include "workload/linux_text/text_reader.h"
#include "workload/linux_text/xen_event.h"
#include "workload/linux_text/xen_tally.h"
#include "workload/xentrace/xentrace_counts.h"
#include "xmmu/workload/trace.h"

namespace xmmu {
namespace linux_samples_test {

class TraceSamplesLinuxTest : public testing::Test {
 protected:
  void SetUp() override {
    const char* const directory = std::getenv("XMMU_TRACE_SAMPLES");
    if (directory == nullptr || *directory == '\0') {
      std::puts("skipped: XMMU_TRACE_SAMPLES names no directory of samples");
      GTEST_SKIP() << "XMMU_TRACE_SAMPLES names no directory of samples";
    }
    directory_ = directory;
  }
  std::string Path(const std::string& name) const {
    return absl::StrCat(directory_, "/", name);
  }

 private:
  std::string directory_;
};

// What a text holds, event by event.
struct TextCounts {
  uint64_t events = 0;
  uint64_t failed_to_parse = 0;
  std::map<std::string, uint64_t> by_name;
  std::map<std::string, uint64_t> faults;  // "user 4"
  std::set<std::string> spaces;
  std::string set_ptes;  // digests
  std::string page_faults;
  XenCounts xen;
  uint64_t unlike_queue = 0;
  uint64_t first = 0;  // times
  uint64_t last = 0;
};

TextCounts Count(const std::string& path) {
  TextCounts counts;
  auto reader = TextReader::Open(path);
  EXPECT_TRUE(reader.ok()) << reader.status();
  Sha256 set_ptes;
  Sha256 faults;
  XenTally tally;
  for (;;) {
    const auto event = reader->Next();
    EXPECT_TRUE(event.ok()) << event.status();
    if (!event.ok() || !event->has_value()) break;
    const TextEvent& e = **event;
    if (counts.events++ == 0) counts.first = e.time;
    counts.last = e.time;
    const char* const prefix = e.enters  ? "sys_enter_"
                               : e.exits ? "sys_exit_"
                                         : "";
    ++counts.by_name[absl::StrCat(prefix, e.name)];
    const std::string arguments(e.arguments);
    counts.failed_to_parse +=
        arguments.find("FAILED TO PARSE") != arguments.npos;
    const auto read = ParseLinuxEvent(e);
    EXPECT_TRUE(read.ok()) << read.status();
    if (read->kind == LinuxEventKind::kFault) {
      const std::string code = absl::StrCat(absl::Hex(read->code));
      faults.Add(absl::StrCat(e.pid, " 0x", absl::Hex(read->address), " 0x",
                              code, "\n"));
      ++counts
            .faults[absl::StrCat(read->in_kernel ? "kernel " : "user ", code)];
    }
    const auto xen = ParseXenEvent(e);
    if (std::string(e.name).rfind("xen_", 0) != 0) continue;
    EXPECT_TRUE(xen.ok()) << xen.status();
    tally.Add(e, *xen, counts.xen);
    if (!xen->mm.empty()) counts.spaces.insert(std::string(xen->mm));
    if (xen->kind == XenEventKind::kSetPte) {
      set_ptes.Add(absl::StrCat(absl::Hex(xen->raw), "\n"));
    }
  }
  counts.set_ptes = set_ptes.Digest();
  counts.page_faults = faults.Digest();
  counts.unlike_queue = tally.flushes_unlike_queue();
  return counts;
}

void ExpectCalls(const TextCounts& counts) {
  for (const auto& [name, times] : std::map<std::string, uint64_t>{
           {"mmap", 16}, {"brk", 13}, {"mprotect", 7}}) {
    EXPECT_EQ(counts.by_name.at("sys_enter_" + name), times);
    EXPECT_EQ(counts.by_name.at("sys_exit_" + name), times);
  }
}

TEST_F(TraceSamplesLinuxTest, TraceCmdsReportOfAParavirtualLinux) {
  const TextCounts counts = Count(Path("linux-xen-pv/trace-cmd-report.txt.gz"));
  const auto named = [&](const char* name) { return counts.by_name.at(name); };
  EXPECT_EQ(counts.events, 5770);
  EXPECT_EQ(counts.failed_to_parse, 2651);
  EXPECT_EQ(named("page_fault_user"), 213);
  EXPECT_EQ(named("page_fault_kernel"), 13);
  EXPECT_EQ(named("sched_process_fork"), 2);
  EXPECT_EQ(named("sched_process_exec"), 3);
  EXPECT_EQ(named("sched_process_exit"), 3);
  EXPECT_EQ(named("sched_switch"), 182);
  ExpectCalls(counts);
  EXPECT_EQ(named("xen_mmu_set_pte"), 1783);
  EXPECT_EQ(named("xen_mmu_set_pmd"), 46);
  EXPECT_EQ(named("xen_mmu_set_pud"), 34);
  EXPECT_EQ(named("xen_mmu_set_p4d"), 25);
  EXPECT_EQ(named("xen_mmu_ptep_modify_prot_start"), 26);
  EXPECT_EQ(named("xen_mmu_ptep_modify_prot_commit"), 26);
  EXPECT_EQ(named("xen_mmu_alloc_ptpage"), 46);
  EXPECT_EQ(named("xen_mmu_release_ptpage"), 59);
  EXPECT_EQ(named("xen_mmu_pgd_pin"), 5);
  EXPECT_EQ(named("xen_mmu_pgd_unpin"), 6);
  EXPECT_EQ(named("xen_mmu_write_cr3"), 42);
  EXPECT_EQ(named("xen_mmu_flush_tlb_one_user"), 64);
  EXPECT_EQ(counts.by_name.count("xen_mmu_flush_tlb_multi"), 0);
  EXPECT_EQ(named("xen_mc_batch"), 592);
  EXPECT_EQ(named("xen_mc_issue"), 592);
  EXPECT_EQ(named("xen_mc_entry_alloc"), 513);
  EXPECT_EQ(named("xen_mc_entry"), 513);
  EXPECT_EQ(named("xen_mc_extend_args"), 198);
  EXPECT_EQ(named("xen_mc_flush"), 659);
  EXPECT_EQ(named("xen_mc_callback"), 53);
  EXPECT_EQ(counts.spaces.size(), 5);
  EXPECT_EQ(counts.faults, (std::map<std::string, uint64_t>{{"user 4", 49},
                                                            {"user 6", 41},
                                                            {"user 7", 40},
                                                            {"user 14", 83},
                                                            {"kernel 0", 3},
                                                            {"kernel 2", 7},
                                                            {"kernel 3", 3}}));
  EXPECT_EQ(counts.set_ptes, "502c62ee157673b3");
  EXPECT_EQ(counts.page_faults, "6ef88ba280843823");
}

TEST_F(TraceSamplesLinuxTest, FtraceOfAParavirtualLinux) {
  const TextCounts counts = Count(Path("linux-xen-pv/ftrace.txt.gz"));
  const auto named = [&](const char* name) { return counts.by_name.at(name); };
  EXPECT_EQ(counts.events, 11967);
  EXPECT_EQ(counts.failed_to_parse, 0);
  EXPECT_EQ(named("page_fault_user"), 237);
  EXPECT_EQ(named("page_fault_kernel"), 17);
  EXPECT_EQ(named("sched_process_fork"), 3);
  EXPECT_EQ(named("sched_process_exec"), 3);
  EXPECT_EQ(named("sched_process_exit"), 3);
  EXPECT_EQ(named("sched_switch"), 197);
  ExpectCalls(counts);
  EXPECT_EQ(named("xen_mmu_set_pte"), 2577);
  EXPECT_EQ(named("xen_mmu_set_pmd"), 46);
  EXPECT_EQ(named("xen_mmu_set_pud"), 34);
  EXPECT_EQ(named("xen_mmu_set_p4d"), 26);
  EXPECT_EQ(named("xen_mmu_ptep_modify_prot_start"), 26);
  EXPECT_EQ(named("xen_mmu_ptep_modify_prot_commit"), 26);
  EXPECT_EQ(named("xen_mmu_alloc_ptpage"), 53);
  EXPECT_EQ(named("xen_mmu_release_ptpage"), 53);
  EXPECT_EQ(named("xen_mmu_pgd_pin"), 6);
  EXPECT_EQ(named("xen_mmu_pgd_unpin"), 6);
  EXPECT_EQ(named("xen_mmu_write_cr3"), 1668);
  EXPECT_EQ(named("xen_mmu_flush_tlb_one_user"), 64);
  EXPECT_EQ(named("xen_mmu_flush_tlb_multi"), 5);
  EXPECT_EQ(named("xen_mc_batch"), 887);
  EXPECT_EQ(named("xen_mc_issue"), 917);
  EXPECT_EQ(named("xen_mc_entry_alloc"), 1042);
  EXPECT_EQ(named("xen_mc_entry"), 883);
  EXPECT_EQ(named("xen_mc_extend_args"), 1302);
  EXPECT_EQ(named("xen_mc_flush"), 1297);
  EXPECT_EQ(named("xen_mc_callback"), 517);
  EXPECT_TRUE(counts.spaces.empty());
  EXPECT_EQ(counts.faults, (std::map<std::string, uint64_t>{{"user 4", 50},
                                                            {"user 6", 42},
                                                            {"user 7", 54},
                                                            {"user 14", 91},
                                                            {"kernel 0", 3},
                                                            {"kernel 2", 7},
                                                            {"kernel 3", 7}}));
  EXPECT_EQ(counts.set_ptes, "c6c6e9ecf826214f");
  EXPECT_EQ(counts.page_faults, "ad7ee655331df4ea");
}

TEST_F(TraceSamplesLinuxTest, NativeLinux) {
  const TextCounts report = Count(Path("linux-pvh/trace-cmd-report.txt.gz"));
  EXPECT_EQ(report.events, 514);
  EXPECT_EQ(report.by_name.at("page_fault_user"), 218);
  EXPECT_EQ(report.by_name.at("page_fault_kernel"), 13);
  EXPECT_EQ(report.by_name.at("sched_process_fork"), 2);
  EXPECT_EQ(report.by_name.at("sched_process_exec"), 3);
  EXPECT_EQ(report.by_name.at("sched_process_exit"), 3);
  EXPECT_EQ(report.by_name.at("sched_switch"), 203);
  ExpectCalls(report);
  EXPECT_EQ(report.page_faults, "ac01350b47358725");
  const TextCounts ftrace = Count(Path("linux-pvh/ftrace.txt.gz"));
  EXPECT_EQ(ftrace.events, 783);
  EXPECT_EQ(ftrace.by_name.at("page_fault_user"), 238);
  EXPECT_EQ(ftrace.by_name.at("page_fault_kernel"), 15);
  EXPECT_EQ(ftrace.by_name.at("sched_process_fork"), 3);
  EXPECT_EQ(ftrace.by_name.at("sched_process_exec"), 3);
  EXPECT_EQ(ftrace.by_name.at("sched_process_exit"), 3);
  EXPECT_EQ(ftrace.by_name.at("sched_switch"), 449);
  ExpectCalls(ftrace);
  EXPECT_EQ(ftrace.page_faults, "217dcfc2279db4c5");
}

// Each text as a workload: its processes, and that every fault is replayed.
TEST_F(TraceSamplesLinuxTest, TextsAreWorkloads) {
  struct Expected {
    const char* path;
    uint64_t faults;
    uint64_t roots;
    uint64_t forks;
  };
  for (const Expected& expected : std::initializer_list<Expected>{
           {"linux-xen-pv/trace-cmd-report.txt.gz", 226, 1, 2},
           {"linux-xen-pv/ftrace.txt.gz", 254, 1, 3},
           {"linux-pvh/trace-cmd-report.txt.gz", 231, 1, 2},
           {"linux-pvh/ftrace.txt.gz", 253, 1, 3}}) {
    SCOPED_TRACE(expected.path);
    auto trace = OpenTrace({Path(expected.path)}, {});
    ASSERT_TRUE(trace.ok()) << trace.status();
    std::map<GuestOpKind, uint64_t> kinds;
    std::vector<TaskId> tasks = {(*trace)->first_task()};
    for (size_t i = 0; i < tasks.size(); ++i) {
      for (bool ended = false; !ended;) {
        const auto ops = (*trace)->Next(tasks[i]);
        ASSERT_TRUE(ops.ok()) << ops.status();
        for (const GuestOp& op : *ops) {
          ++kinds[op.kind];
          if (op.kind == GuestOpKind::kFork) tasks.push_back(op.child);
          ended = op.kind == GuestOpKind::kExit;
        }
      }
    }
    EXPECT_EQ(kinds[GuestOpKind::kFetch] + kinds[GuestOpKind::kLoad] +
                  kinds[GuestOpKind::kStore],
              expected.faults);
    EXPECT_EQ(kinds[GuestOpKind::kFork], expected.forks);
    EXPECT_EQ(kinds[GuestOpKind::kExec], 3);
    EXPECT_EQ(kinds[GuestOpKind::kProtect], 7);
    std::map<std::string, uint64_t> counts;
    const TraceFacts facts = (*trace)->facts();
    for (const auto& [name, count] : facts.counts) counts[name] = count;
    EXPECT_TRUE(facts.faults_only);
    EXPECT_EQ(counts["processes_before"], expected.roots);
    EXPECT_EQ(counts["calls_that_replaced"], 0);
    EXPECT_EQ(counts["faults_no_mapping_allows"], 0);
  }
}

constexpr uint64_t kXentraceFirst = 208982892482;
constexpr uint64_t kXentraceLast = 213064806833;

TEST_F(TraceSamplesLinuxTest, XentraceOfAParavirtualLinux) {
  const auto summary =
      SummarizeXentrace(Path("linux-xen-pv/xentrace.bin.gz"), {});
  ASSERT_TRUE(summary.ok()) << summary.status();
  const XentraceCounts& counts = summary->counts;
  EXPECT_EQ(summary->windows, 296);
  EXPECT_FALSE(summary->truncated);
  EXPECT_EQ(counts.records(), 58095);
  EXPECT_EQ(counts.events(),
            (absl::btree_map<uint32_t, uint64_t>{{0x01f001, 2},
                                                 {0x01f002, 1},
                                                 {0x201103, 314},
                                                 {0x201104, 2441},
                                                 {0x20110b, 3210},
                                                 {0x20100d, 51669},
                                                 {0x20200e, 458}}));
  for (const auto& [name, records] :
       std::map<std::string, uint64_t>{{"mmu_update", 8730},
                                       {"stack_switch", 4212},
                                       {"multicall", 116},
                                       {"update_va_mapping", 26},
                                       {"xen_version", 701},
                                       {"iret", 14964},
                                       {"vcpu_op", 6318},
                                       {"set_segment_base", 9222},
                                       {"mmuext_op", 2432},
                                       {"sched_op", 3473},
                                       {"event_channel_op", 1474},
                                       {"sysctl", 1}}) {
    for (uint32_t i = 0; i < XentraceCounts::kNumbers; ++i) {
      if (HypercallName(i) != name) continue;
      EXPECT_EQ(counts.call(i).records, records);
    }
  }
  EXPECT_EQ(counts.call(14).members, 292);
  EXPECT_EQ(counts.call(26).members, 166);
  EXPECT_EQ(counts.multicalls_whole(), 57);
  EXPECT_EQ(counts.multicalls_cut(), 59);
}

TEST_F(TraceSamplesLinuxTest, XentraceInTheTextsWindow) {
  const auto summary =
      SummarizeXentrace(Path("linux-xen-pv/xentrace.bin.gz"),
                        {.first = kXentraceFirst, .last = kXentraceLast});
  ASSERT_TRUE(summary.ok()) << summary.status();
  const XentraceCounts& counts = summary->counts;
  EXPECT_EQ(counts.events_of(0x20100d), 3600);
  EXPECT_EQ(counts.events_of(0x20200e), 177);
  EXPECT_EQ(counts.events_named("PV_PAGE_FAULT"), 226);
  EXPECT_EQ(counts.events_named("PV_PTWR_EMULATION"), 52);
  EXPECT_EQ(counts.call(1).records, 1807);
  EXPECT_EQ(counts.call(1).continuations, 15);
  EXPECT_EQ(counts.call(1).operations, 1842);
  EXPECT_EQ(counts.call(26).records, 90);
  EXPECT_EQ(counts.call(26).operations, 111);
  EXPECT_EQ(counts.call(26).members, 65);
  // The README's 71 counts what three continuations have left, too.
  EXPECT_EQ(counts.call(26).member_continuations, 3);
  EXPECT_EQ(counts.call(26).member_operations, 71 - 3);
  EXPECT_EQ(counts.call(13).records, 53);
  EXPECT_EQ(counts.call(13).operations, 381);
  EXPECT_EQ(counts.call(14).members + counts.call(26).members, 177);
}

// What Linux's events say that it issued is what arrived in Xen.
TEST_F(TraceSamplesLinuxTest, WhatLinuxIssuedIsWhatArrivedInXen) {
  const TextCounts text = Count(Path("linux-xen-pv/trace-cmd-report.txt.gz"));
  EXPECT_EQ(text.first, kXentraceFirst);
  EXPECT_EQ(text.last, kXentraceLast);
  EXPECT_EQ(text.unlike_queue, 0);
  const auto& update = text.xen.calls[kHypercallMmuUpdate];
  EXPECT_EQ(update.calls, 1807 - 15);
  EXPECT_EQ(update.members, 0);
  EXPECT_EQ(update.operations, 1842);
  const auto& extended = text.xen.calls[kHypercallMmuextOp];
  EXPECT_EQ(extended.calls, 90);
  EXPECT_EQ(extended.members, 65 - 3);
  EXPECT_EQ(extended.operations, 111 + 71 - 3);
  EXPECT_EQ(text.xen.calls[kHypercallUpdateVaMapping].members, 177 - 65);
  const auto xen =
      SummarizeXentrace(Path("linux-xen-pv/xentrace.bin.gz"),
                        {.first = kXentraceFirst, .last = kXentraceLast});
  ASSERT_TRUE(xen.ok()) << xen.status();
  EXPECT_EQ(text.xen.multicalls, xen->counts.multicalls_whole());
}

TEST_F(TraceSamplesLinuxTest, XentraceOfAGuestOnNestedPaging) {
  const auto summary =
      SummarizeXentrace(Path("linux-pvh/xentrace-hvm.bin.gz"), {});
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->windows, 4);
  EXPECT_EQ(summary->counts.records(), 7785);
  EXPECT_EQ(summary->counts.events(),
            (absl::btree_map<uint32_t, uint64_t>{{0x01f001, 1},
                                                 {0x01f002, 1},
                                                 {0x081001, 2503},
                                                 {0x081102, 2503},
                                                 {0x082004, 160},
                                                 {0x08200d, 162},
                                                 {0x08200f, 130},
                                                 {0x082012, 158},
                                                 {0x082013, 8},
                                                 {0x08201a, 1985},
                                                 {0x082020, 174}}));
  uint64_t exits = 0;
  for (const auto& [reason, count] : summary->counts.exits()) exits += count;
  EXPECT_EQ(exits, 2503);
}

}  // namespace linux_samples_test
}  // namespace xmmu
