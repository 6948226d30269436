// The recordings in examples/traces: what is in them, to the operation, as
// examples/traces/README.md says.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <deque>
#include <string>

#include "xmmu/workload/trace.h"

namespace xmmu::bundled_traces_test {
namespace {

using Counts = std::array<uint64_t, 25>;  // by GuestOpKind

struct Summary {
  size_t tasks = 0;
  Counts counts{};
  uint64_t end = 0;  // of the highest access
};

class BundledTracesTest : public ::testing::Test {
 protected:
  static Summary Read(const std::string& prefix, TraceOptions options) {
    Summary summary;
    auto workload = OpenTrace(
        {XMMU_SOURCE_DIR "/examples/traces/" + prefix + ".xmmu"}, options);
    EXPECT_TRUE(workload.ok()) << workload.status();
    if (!workload.ok()) return summary;
    std::deque<TaskId> ready{(*workload)->first_task()};
    while (!ready.empty()) {
      const TaskId task = ready.front();
      ready.pop_front();
      const auto ops = (*workload)->Next(task);
      EXPECT_TRUE(ops.ok()) << ops.status();
      if (!ops.ok()) return summary;
      for (const GuestOp& op : *ops) Add(op, &summary, &ready);
      if (ops->back().kind != GuestOpKind::kExit) ready.push_back(task);
    }
    return summary;
  }

 private:
  static void Add(const GuestOp& op, Summary* summary,
                  std::deque<TaskId>* ready) {
    ++summary->counts[static_cast<size_t>(op.kind)];
    if (op.kind == GuestOpKind::kExit) ++summary->tasks;
    if (op.kind <= GuestOpKind::kModify) {
      summary->end = std::max(summary->end, op.va.value() + op.length);
    }
    if (StartsTask(op.kind)) {
      ready->push_back(op.child);
    }
  }
};

TEST_F(BundledTracesTest, AShellPipelineForksExecsAndWaits) {
  const Summary summary = Read("ls-sort", {});
  EXPECT_EQ(summary.tasks, 4);
  EXPECT_EQ(
      summary.counts,
      (Counts{1245156, 326964, 165657, 8032, 93, 5, 18, 0, 0,  0, 80, 85, 16,
              16,      0,      3,      0,    3,  0, 3,  5, 66, 4, 0,  0}));
  EXPECT_EQ(summary.end, 0x1fff000ffa);
}

TEST_F(BundledTracesTest, ACompressorUsesItsHeapHereAndThere) {
  const Summary summary = Read("xz", {});
  EXPECT_EQ(summary.tasks, 1);
  EXPECT_EQ(
      summary.counts,
      (Counts{1840546, 424128, 197504, 9633, 29, 1, 5, 0, 0,  0, 27, 24, 5,
              5,       0,      0,      0,    0,  0, 0, 0, 23, 1, 0,  0}));
}

TEST_F(BundledTracesTest, AThreadedCompressorKeepsItsThreadsInOrder) {
  const Summary summary = Read("xz-threads", {});
  EXPECT_EQ(summary.tasks, 3);
  EXPECT_EQ(
      summary.counts,
      (Counts{2806642, 688793, 346625, 27040, 35, 5, 8, 0,  0,  0, 42, 32, 4,
              4,       0,      0,      0,     0,  2, 0, 11, 27, 3, 23, 6}));
}

TEST_F(BundledTracesTest, AProgramOf32BitsNeedsNoMoving) {
  const Summary summary = Read("narrow", {});
  EXPECT_EQ(summary.counts,
            (Counts{101793, 28791, 13942, 1721, 19, 1, 3, 0, 0, 0, 8, 7, 2,
                    2,      0,     0,     0,    0,  0, 0, 0, 5, 1, 0, 0}));
  EXPECT_LE(summary.end, 0xC0000000) << "32-bit addresses without a limit";
}

TEST_F(BundledTracesTest, TheyFitA32BitGuestWithTheSameOperations) {
  for (const char* name : {"ls-sort", "xz", "narrow"}) {
    const Summary wide = Read(name, {});
    const Summary narrow = Read(name, {.address_limit = 0xC0000000});
    EXPECT_EQ(narrow.counts, wide.counts) << name;
    EXPECT_LE(narrow.end, 0xC0000000) << name;
  }
}

}  // namespace
}  // namespace xmmu::bundled_traces_test
