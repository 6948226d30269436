// What the recorded parts of texts hold.

#include <string>

#include "gtest/gtest.h"
#include "workload/linux_text/text_summary.h"

namespace xmmu {
namespace recorded_texts_test {

constexpr char kRecorded[] = "tests/workload/linux_text/recorded/";

// The calls of Linux, counted by hand with grep: 16 pages around a fault are
// one call each, as they are outside of lazy mode.
TEST(RecordedTextsTest, TheBeginningOfAShell) {
  const auto summary = SummarizeLinuxText(std::string(kRecorded) + "report.gz");
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->tree.roots.size(), 1);
  EXPECT_TRUE(summary->has_xen_events);
  EXPECT_EQ(summary->program.faults, 26);
  EXPECT_EQ(summary->program.execs, 1);
  EXPECT_EQ(summary->xen.of(XenEventKind::kSetPte), 220);
  EXPECT_EQ(summary->xen.lone_set_ptes, 220);
  EXPECT_EQ(summary->xen.queued_set_ptes, 0);
  EXPECT_EQ(summary->flushes_unlike_queue, 0);
}

TEST(RecordedTextsTest, AShellForksTwice) {
  const auto summary = SummarizeLinuxText(std::string(kRecorded) + "ftrace.gz");
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->program.forks, 2);
  EXPECT_EQ(summary->tree.assumed_forks, 0);
  EXPECT_GT(summary->xen.queued_set_ptes, summary->xen.multicalls);
  EXPECT_EQ(summary->xen.of(XenEventKind::kPin), 3);
  EXPECT_EQ(summary->xen.calls[kHypercallMmuUpdate].members, 0);
}

}  // namespace recorded_texts_test
}  // namespace xmmu
