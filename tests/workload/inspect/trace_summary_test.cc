#include "workload/inspect/trace_summary.h"

#include <set>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "workload/inspect/mappings.h"
#include "workload/inspect/op_words.h"
#include "workload/inspect/ops_workload.h"
#include "workload/inspect/random_tasks.h"
#include "workload/inspect/trace_check.h"
#include "workload/inspect/trace_point.h"

namespace xmmu::trace_summary_test {
namespace {

TraceSummary SummaryOf(const TaskOps& tasks) {
  OpsWorkload workload(tasks);
  TraceSummary summary(workload.first_task());
  EXPECT_TRUE(Summarize(workload, summary).ok());
  return summary;
}

TEST(TraceSummaryTest, PagesAreThoseOfEachAddressSpace) {
  const TraceSummary summary = SummaryOf(
      {{1,
        {Load(0x1000), Store(0x1ffc), Op(GuestOpKind::kFetch, 0x200000, 4),
         OfTask(GuestOpKind::kFork, 2), Load(0x1000),
         OfTask(GuestOpKind::kClone, 3), Exit()}},
       {2, {Load(0x1000), Op(GuestOpKind::kExec), Load(0x1000), Exit()}},
       {3, {Op(GuestOpKind::kCopyOut, 0x1000, 0x3000), Exit()}}});
  EXPECT_EQ(summary.pages().touched, 4u + 1 + 1);
  EXPECT_EQ(summary.pages().fetched, 1u);
  EXPECT_EQ(summary.pages().written, 3u);
  EXPECT_EQ(summary.pages().regions, 2u + 1 + 1);
  EXPECT_EQ(summary.address_spaces(), 3u);
  EXPECT_EQ(summary.processes(), 2u);
  ASSERT_EQ(summary.tasks().size(), 3u);
  EXPECT_EQ(summary.tasks()[0].pages, 3u);
  EXPECT_EQ(summary.tasks()[1].pages, 2u);
  EXPECT_EQ(summary.tasks()[2].pages, 1u);
  EXPECT_EQ(summary.tasks()[2].process, 1u);
}

TEST(TraceSummaryTest, TheOperationsOfOneCallAreOneCall) {
  GuestOp yield = Op(GuestOpKind::kYield);
  yield.flags = kCallGoesOn;
  const TraceSummary summary = SummaryOf(
      {{1,
        {yield, Op(GuestOpKind::kCopyOut, 0x1000, 8), Op(GuestOpKind::kSyscall),
         Op(GuestOpKind::kPost), Exit()}}});
  EXPECT_EQ(summary.system_calls(), 3u);
  EXPECT_EQ(summary.operations(), 4u);
}

TEST(TraceSummaryTest, ThePeakIsThatOfAllAddressSpacesTogether) {
  const TraceSummary summary =
      SummaryOf({{1,
                  {MapOf(0x10000, 0x4000), OfTask(GuestOpKind::kFork, 2),
                   OfTask(GuestOpKind::kWait, 2),
                   MapOf(0x20000, 0x1000, Backing::kStack), Exit()}},
                 {2, {Op(GuestOpKind::kUnmap, 0x10000, 0x1000), Exit()}}});
  EXPECT_EQ(summary.peak_mapped_bytes(), 0x8000u);
  EXPECT_EQ(summary.of(Backing::kAnonymous).bytes_at_peak, 0x8000u);
  EXPECT_EQ(summary.of(Backing::kAnonymous).bytes, 0x4000u);
  EXPECT_EQ(summary.of(Backing::kStack).bytes_at_peak, 0u);
}

TEST(TraceCheckTest, WhatDoesNotFitIsFoundWithItsNumber) {
  OpsWorkload workload(
      {{1,
        {MapOf(0x1000, 0x1000, Backing::kAnonymous, kMapRead), Load(0x1000),
         Store(0x1000), Load(0x1ffc), Load(0x3000),
         Op(GuestOpKind::kCopyIn, 0x1800, 0x1000),
         Op(GuestOpKind::kUnmap, 0x5000, 0x1000), Op(GuestOpKind::kCloseFile),
         Exit()}}});
  TraceCheck check(1);
  ASSERT_TRUE(CheckTrace(workload, check).ok());
  EXPECT_EQ(check.operations(), 9u);
  EXPECT_EQ(check.of(FindingKind::kRight).times, 1u);
  EXPECT_EQ(check.of(FindingKind::kRight).number, 2u);
  EXPECT_EQ(check.of(FindingKind::kUnmapped).times, 2u);
  EXPECT_EQ(check.of(FindingKind::kUnmapped).number, 3u);
  EXPECT_EQ(check.of(FindingKind::kCopy).number, 5u);
  EXPECT_EQ(check.of(FindingKind::kRange).number, 6u);
  EXPECT_EQ(check.of(FindingKind::kClose).number, 7u);
}

TEST(TraceCheckTest, NothingIsFoundInTreesThatTouchWhatTheyHaveMapped) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    OpsWorkload workload(RandomTasks(seed).ops());
    TraceCheck check(workload.first_task());
    ASSERT_TRUE(CheckTrace(workload, check).ok());
    EXPECT_EQ(check.of(FindingKind::kUnmapped).times, 0u);
    EXPECT_EQ(check.of(FindingKind::kRight).times, 0u);
  }
}

TEST(TraceCheckTest, AMappingThatAnotherThreadTakesAwayIsGone) {
  OpsWorkload workload(
      {{1,
        {MapOf(0x1000, 0x1000), Load(0x1000), OfTask(GuestOpKind::kClone, 2),
         Op(GuestOpKind::kYield), Load(0x1000), Exit()}},
       {2, {Op(GuestOpKind::kUnmap, 0x1000, 0x1000), Exit()}}});
  TraceCheck check(1);
  ASSERT_TRUE(CheckTrace(workload, check).ok());
  EXPECT_EQ(check.of(FindingKind::kUnmapped).times, 1u);
}

TEST(MappingsTest, NeighboursThatContinueEachOtherAreOne) {
  Mappings mappings;
  for (uint64_t i = 0; i < 100; ++i) {
    mappings.Apply(MapOf(0x1000 * i, 0x1000), i);
  }
  EXPECT_EQ(std::distance(mappings.begin(), mappings.end()), 1);
  mappings.Apply(Op(GuestOpKind::kUnmap, 0x5000, 0x1000), 0);
  EXPECT_EQ(std::distance(mappings.begin(), mappings.end()), 2);
  EXPECT_EQ(mappings.bytes(Backing::kAnonymous), 99u * 0x1000);
}

TEST(MappingsTest, TheLastPageOfAllIsNeverMapped) {
  Mappings mappings;
  mappings.Apply(MapOf(~uint64_t{0} - 0x2fff, ~uint64_t{0}), 0);
  EXPECT_EQ(mappings.bytes(Backing::kAnonymous), 0x2000u);
}

TEST(OpWordsTest, AnOperationSaysWhatItsKindNames) {
  GuestOp map =
      MapOf(0x400000, 0x2000, Backing::kFilePrivate, kMapRead | kMapExecute);
  map.file = 3;
  map.file_offset = 0x1000;
  map.flags = kMapLocked;
  EXPECT_EQ(OpWords(map),
            "0x400000 to 0x402000, r-x, file-private 3 at 0x1000, locked");
  EXPECT_EQ(OpWords(Load(0x10, 1)), "1 byte at 0x10");
  EXPECT_EQ(OpWords(OfTask(GuestOpKind::kWait, 0)), "for any child");
  EXPECT_EQ(OpWords(OfTask(GuestOpKind::kAwait, 7, 2)), "point 2 of task 7");
}

TEST(OpWordsTest, ARangeHasTheNumbersOfTheWholeTrace) {
  OpsWorkload workload({{1,
                         {OfTask(GuestOpKind::kFork, 2), Op(GuestOpKind::kPost),
                          Load(0x1000), OfTask(GuestOpKind::kWait, 2), Exit()}},
                        {2, {Store(0x1000), Store(0x2000), Exit()}}});
  const auto ops = TakeOps(workload, {.from = 4, .count = 2, .task = 2});
  ASSERT_TRUE(ops.ok());
  ASSERT_EQ(ops->size(), 2u);
  EXPECT_EQ((*ops)[0].number, 4u);
  EXPECT_EQ((*ops)[0].op.va, VirtAddr(0x2000));
  EXPECT_EQ((*ops)[1].op.kind, GuestOpKind::kExit);
}

TEST(TracePointTest, PointsAreNumbersOrWhatHappensThere) {
  EXPECT_EQ(ParseTracePoint("1000")->number, 1000u);
  const auto third = ParseTracePoint("fetch:0x401136:3");
  ASSERT_TRUE(third.ok());
  EXPECT_EQ(third->kind, GuestOpKind::kFetch);
  EXPECT_EQ(third->address, 0x401136u);
  EXPECT_EQ(third->count, 3u);
  const auto second = ParseTracePoint("exec::2");
  ASSERT_TRUE(second.ok());
  EXPECT_FALSE(second->address.has_value());
  EXPECT_EQ(second->count, 2u);
  for (const char* const bad :
       {"", "-1", "fetch:", "fetch:0x", "fetch:1:0", "fetch:1:2:3", "jump",
        "await", "fork:0x1", "1000x", "fetch::", "exec::2:", "load:z"}) {
    EXPECT_FALSE(ParseTracePoint(bad).ok()) << bad;
  }
}

TEST(TracePointTest, TheEndIsCountedFromTheBeginningOfTheRegion) {
  const TaskOps tasks = {{1,
                          {Load(0x1000), Store(0x2000), Load(0x1004),
                           Store(0x2004), Load(0x1008), Exit()}}};
  const auto region = [&](const char* from, const char* to) {
    OpsWorkload workload(tasks);
    const auto found =
        FindRegion(workload, *ParseTracePoint(from), *ParseTracePoint(to));
    EXPECT_TRUE(found.ok()) << found.status();
    return found.ok() ? std::pair(found->from, *found->to)
                      : std::pair<uint64_t, uint64_t>();
  };
  EXPECT_EQ(region("load:0x1009", "store"),
            std::pair(uint64_t{2}, uint64_t{3}));
  EXPECT_EQ(region("load::2", "exit"), std::pair(uint64_t{2}, uint64_t{5}));
  OpsWorkload workload(tasks);
  EXPECT_EQ(FindRegion(workload, *ParseTracePoint("fetch:16"), std::nullopt)
                .status()
                .message(),
            "no fetch number 1 of 0x10: the trace has 6 operations");
}

}  // namespace
}  // namespace xmmu::trace_summary_test
