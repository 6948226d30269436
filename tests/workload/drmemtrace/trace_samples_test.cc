// Reads the samples of drmemtrace that XMMU_TRACE_SAMPLES names a directory of,
// and holds the counts against those that a script of other authors got from
// them. Without the variable it is skipped (exit status 77).

#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "workload/drmemtrace/known_mappings.h"
#include "workload/drmemtrace/record_counts.h"
#include "workload/drmemtrace/thread_merge.h"
#include "workload/drmemtrace/trace_set.h"
#include "xmmu/workload/trace.h"

namespace xmmu {
namespace {

struct SampleRow {
  std::string file;  // or directory, whose threads are merged
  uint64_t records, threads, fetch, no_fetch, read, write, rmw, cross, size0,
      syscalls, kernel_events, pages, blocks;
  std::string digest;
};

const char kThreadsig[] = "drmemtrace.threadsig.x64.tracedir";
const char kFib[] = "fib_plus";

std::string Threadsig(const char* ids) {
  return absl::StrCat(kThreadsig, "/drmemtrace.threadsig.", ids, ".trace.zip");
}
std::string Fib(const char* ids) {
  return absl::StrCat(kFib, "/drmemtrace.tool.fib_plus.", ids, ".trace.gz");
}

// clang-format off
const SampleRow kRows[] = {
    {"drmemtrace.small.x64.trace", 251, 1, 173, 0, 42, 14, 0, 0, 0, 0, 0, 2, 2, "899c32b470a44fe8"},
    {"drmemtrace.allasm_x86_64.trace.zip", 329, 1, 133, 0, 0, 0, 0, 0, 0, 17, 0, 1, 1, "91e0bc97ed7b2522"},
    {"drmemtrace.as_traced.x64.tracedir", 86217, 1, 57812, 345, 11178, 4064, 1183, 0, 0, 23, 0, 79, 16, "8f536f2d31b9ac94"},
    {"threadsig.main", 119516, 1, 79427, 78, 18054, 10424, 409, 2, 0, 138, 44, 139, 40, "bd2d590e8be13b7d"},
    {"offline-legacy-trace.gz", 128035, 5, 78753, 6317, 26381, 16308, 325, 0, 0, 0, 12, 190, 54, "02bd514aa334995f"},
    {Fib("125254.3691"), 24718, 1, 18874, 78, 4308, 1433, 70, 0, 8, 0, 0, 90, 24, "e08c68da1dd8e07f"},
    {Fib("125255.3920"), 10929, 1, 7502, 0, 2139, 1098, 23, 0, 12, 0, 0, 84, 29, "5746a19732068d79"},
    {Fib("125256.0417"), 8453, 1, 5764, 0, 1630, 867, 21, 0, 8, 0, 0, 83, 29, "8915b44d75dadd23"},
    {kFib, 44100, 3, 32140, 78, 8077, 3398, 114, 0, 28, 0, 0, 119, 33, "942733ea04faa4fe"},
    {Threadsig("872805.4975"), 38567, 1, 22052, 0, 6303, 3559, 197, 0, 20, 109, 96, 176, 65, "0bf77c6bc16f0688"},
    {Threadsig("872884.3060"), 231037, 1, 156381, 63, 41274, 24168, 2597, 40, 0, 80, 35, 56, 22, "2b61b0d5d1d18687"},
    {Threadsig("872894.3824"), 184318, 1, 123958, 63, 32775, 19174, 2043, 31, 2, 70, 32, 81, 34, "60c4235c19f7dad6"},
    {Threadsig("872901.9125"), 73339, 1, 48615, 0, 12833, 7400, 779, 11, 4, 36, 18, 75, 30, "2486a0d83bbcd277"},
    {Threadsig("872902.5666"), 92098, 1, 61550, 0, 16232, 9388, 1011, 16, 2, 29, 8, 72, 31, "b9160ff2cbdcb468"},
    {Threadsig("872903.3218"), 116411, 1, 78051, 0, 20590, 11964, 1284, 19, 2, 48, 22, 71, 30, "b327963d7953ac6c"},
    {Threadsig("872904.7848"), 68591, 1, 45355, 0, 11990, 6910, 725, 11, 4, 34, 18, 76, 31, "f54936dcb837b1fe"},
    {Threadsig("872905.5783"), 96910, 1, 65121, 0, 17160, 9997, 1077, 18, 0, 41, 20, 46, 18, "d2f2f2817f49678d"},
    {Threadsig("872906.1041"), 74061, 1, 49493, 0, 13051, 7590, 814, 13, 0, 33, 16, 45, 17, "8875a382ef23e235"},
    {kThreadsig, 975332, 9, 650576, 126, 172208, 100150, 10527, 159, 34, 480, 265, 231, 85, "04c101342109005e"},
};
// clang-format on

std::string Samples() {
  return absl::StrCat(getenv("XMMU_TRACE_SAMPLES"), "/drmemtrace/");
}

void Read(const std::string& file, RecordCounts* counts,
          size_t most_open = kMostOpenThreads) {
  const auto set = ReadTraceSet({Samples() + file});
  ASSERT_TRUE(set.ok()) << set.status();
  ASSERT_EQ(set->processes.size(), 1u);
  const auto& [process, programs] = *set->processes.begin();
  ASSERT_EQ(programs.size(), 1u);
  ThreadMerge merge(programs[0].heads, most_open);
  const absl::Status counted = CountRecords(merge, counts);
  ASSERT_TRUE(counted.ok()) << counted;
}

class DrmemtraceSample : public testing::TestWithParam<SampleRow> {};

TEST_P(DrmemtraceSample, HasTheCountsAndTheDigest) {
  const SampleRow& row = GetParam();
  RecordCounts counts;
  Read(row.file, &counts);
  EXPECT_EQ(counts.records, row.records);
  EXPECT_EQ(counts.exits, row.threads);
  EXPECT_EQ(counts.fetch, row.fetch);
  EXPECT_EQ(counts.no_fetch, row.no_fetch);
  EXPECT_EQ(counts.read, row.read);
  EXPECT_EQ(counts.write, row.write);
  EXPECT_EQ(counts.rmw, row.rmw);
  EXPECT_EQ(counts.cross, row.cross);
  EXPECT_EQ(counts.size0, row.size0);
  EXPECT_EQ(counts.syscalls, row.syscalls);
  EXPECT_EQ(counts.kernel_events, row.kernel_events);
  EXPECT_EQ(counts.pages.size(), row.pages);
  EXPECT_EQ(counts.blocks.size(), row.blocks);
  EXPECT_EQ(counts.digest, row.digest);
}

INSTANTIATE_TEST_SUITE_P(, DrmemtraceSample, testing::ValuesIn(kRows));

TEST(DrmemtraceSamples, MergedThreadsHaveTheirPiecesAndSwitches) {
  RecordCounts fib;
  Read(kFib, &fib);
  EXPECT_EQ(fib.pieces, 37u);
  EXPECT_EQ(fib.switches, 20u);
  RecordCounts threadsig;
  Read(kThreadsig, &threadsig);
  EXPECT_EQ(threadsig.pieces, 1657u);
  EXPECT_EQ(threadsig.switches, 335u);
}

TEST(DrmemtraceSamples, FilesThatAreClosedMeanwhileAreReadOn) {
  RecordCounts counts;
  Read(kThreadsig, &counts, /*most_open=*/2);
  EXPECT_EQ(counts.records, 975332u);
  EXPECT_EQ(counts.digest, "04c101342109005e");
}

using Numbers = std::map<uint64_t, uint64_t>;

TEST(DrmemtraceSamples, SystemCallsHaveTheirNumbers) {
  RecordCounts as_traced;
  Read("drmemtrace.as_traced.x64.tracedir", &as_traced);
  EXPECT_EQ(as_traced.by_number, (Numbers{{0, 1},
                                          {3, 2},
                                          {9, 8},
                                          {12, 1},
                                          {17, 2},
                                          {21, 1},
                                          {158, 1},
                                          {218, 1},
                                          {257, 2},
                                          {262, 2},
                                          {273, 1},
                                          {334, 1}}));
  RecordCounts allasm;
  Read("drmemtrace.allasm_x86_64.trace.zip", &allasm);
  EXPECT_EQ(allasm.by_number, (Numbers{{1, 16}, {231, 1}}));
  RecordCounts main;
  Read("threadsig.main", &main);
  EXPECT_EQ(main.by_number, (Numbers{{1, 2},
                                     {5, 1},
                                     {9, 20},
                                     {10, 20},
                                     {11, 16},
                                     {12, 3},
                                     {13, 3},
                                     {14, 1},
                                     {15, 44},
                                     {38, 1},
                                     {56, 20},
                                     {63, 1},
                                     {89, 1},
                                     {158, 1},
                                     {218, 1},
                                     {231, 1},
                                     {273, 1},
                                     {302, 1}}));
  RecordCounts attached;
  Read(Threadsig("872805.4975"), &attached);
  EXPECT_EQ(attached.by_number,
            (Numbers{{1, 2}, {5, 1}, {11, 4}, {15, 96}, {202, 5}, {231, 1}}));
}

// What the stream has of each kind, and of system calls.
TEST(DrmemtraceSamples, TheWorkloadHasTheAccessesOfTheRecords) {
  for (const SampleRow& row : kRows) {
    auto trace = OpenTrace({Samples() + row.file}, {});
    ASSERT_TRUE(trace.ok()) << trace.status();
    std::map<GuestOpKind, uint64_t> ops;
    const TaskId task = (*trace)->first_task();
    for (bool exited = false; !exited;) {
      const auto span = (*trace)->Next(task);
      ASSERT_TRUE(span.ok()) << span.status();
      for (const GuestOp& op : *span) ++ops[op.kind];
      exited = span->back().kind == GuestOpKind::kExit;
    }
    EXPECT_EQ(ops[GuestOpKind::kFetch], row.fetch) << row.file;
    EXPECT_EQ(ops[GuestOpKind::kModify], row.rmw) << row.file;
    EXPECT_EQ(ops[GuestOpKind::kLoad], row.read - row.rmw) << row.file;
    EXPECT_EQ(ops[GuestOpKind::kStore], row.write - row.rmw) << row.file;
    EXPECT_LE(ops[GuestOpKind::kMap], row.blocks + 5) << row.file;
  }
}

// 26 rows, of which those of the vdso contain its image.
TEST(DrmemtraceSamples, ModulesAreRowsWhateverBytesTheyContain) {
  const auto modules = ReadModules(Samples() + "modules.log");
  ASSERT_TRUE(modules.ok()) << modules.status();
  ASSERT_EQ(modules->size(), 26u);
  const KnownMapping& first = modules->front();
  EXPECT_EQ(first.start, 0x7f014c68e000u);
  EXPECT_EQ(first.end, 0x7f014c6a4000u);
  const KnownMapping& vdso = (*modules)[17];
  EXPECT_EQ(vdso.start, 0x7ffc2dde8000u);
  EXPECT_EQ(vdso.end, 0x7ffc2dde9000u);
  EXPECT_EQ(vdso.offset, 0x1000u);
  EXPECT_EQ(vdso.file, (*modules)[16].file);
  const KnownMapping& after = (*modules)[18];
  EXPECT_EQ(after.start, 0x7f018ff22000u);
  EXPECT_NE(after.file, vdso.file);
  const KnownMapping& last = modules->back();
  EXPECT_EQ(last.start, 0x7f0190103000u);
  EXPECT_EQ(last.end, 0x7f0190109000u);
  EXPECT_EQ(last.offset, 0x1b000u);  // recorded as 0x1bc08
  EXPECT_EQ(last.file, (*modules)[22].file);
}

std::vector<std::pair<uint64_t, uint64_t>> RangesOf(
    const std::vector<KnownMapping>& mappings) {
  std::vector<std::pair<uint64_t, uint64_t>> ranges;
  for (const KnownMapping& mapping : mappings) {
    EXPECT_EQ(mapping.page_shift, 21);
    EXPECT_FALSE(mapping.is_file);
    ranges.emplace_back(mapping.start, mapping.end);
  }
  return ranges;
}

// Nine pages of an AArch64 program, of which two lie below x86-64's 2^47.
TEST(DrmemtraceSamples, VirtualPagesInDecimal) {
  const auto pages = ReadV2p(Samples() + "v2p.textproto");
  ASSERT_TRUE(pages.ok()) << pages.status();
  using Range = std::pair<uint64_t, uint64_t>;
  EXPECT_EQ(RangesOf(*pages), (std::vector<Range>{{0x400000, 0x600000},
                                                  {0x71000000, 0x71200000}}));
}

// Four addresses of the page at 0, one of them left out: what a program may map
// of it begins at 64 KiB (Linux, vm.mmap_min_addr).
TEST(DrmemtraceSamples, VirtualPagesInHexadecimalAndOneWithoutAnAddress) {
  const auto pages = ReadV2p(Samples() + "v2p_example.textproto");
  ASSERT_TRUE(pages.ok()) << pages.status();
  using Range = std::pair<uint64_t, uint64_t>;
  EXPECT_EQ(RangesOf(*pages), (std::vector<Range>{{0x10000, 0x200000}}));
}

TEST(DrmemtraceSamples, TemplatesAreNoTraces) {
  for (const char* file :
       {"mock_switch_sequences.x64.zip", "mock_syscall_sequences.x64"}) {
    const auto trace = OpenTrace({Samples() + file}, {});
    ASSERT_FALSE(trace.ok());
    EXPECT_EQ(trace.status().message(),
              absl::StrCat(Samples(), file,
                           ":24: a file of templates of kernel code, no trace, "
                           "expected the trace of an x86-64 one"));
  }
}

}  // namespace
}  // namespace xmmu

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (getenv("XMMU_TRACE_SAMPLES") == nullptr) {
    std::printf("skipped: XMMU_TRACE_SAMPLES names no directory of samples\n");
    return 77;
  }
  return RUN_ALL_TESTS();
}
