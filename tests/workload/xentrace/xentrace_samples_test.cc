// Real xentrace files, with the counts that were found by other means, and
// beside the text of the same run: see the README of the directory that
// XMMU_TRACE_SAMPLES names.

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "workload/linux_text/linux_event.h"
#include "workload/linux_text/text_reader.h"
#include "workload/xentrace/xentrace_counts.h"
#include "workload/xentrace/xentrace_merger.h"

namespace xmmu {
namespace xentrace_samples_test {

using testing::ElementsAre;
using testing::Pair;

class TraceSamplesXentraceTest : public testing::Test {
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
  XentraceSummary Summary(const std::string& name) const {
    const auto summary = SummarizeXentrace(Path(name), {});
    EXPECT_TRUE(summary.ok()) << summary.status();
    return summary.ok() ? *summary : XentraceSummary{};
  }

 private:
  std::string directory_;
};

TEST_F(TraceSamplesXentraceTest, CpusOfAParavirtualLinux) {
  const XentraceSummary summary = Summary("linux-xen-pv/xentrace.bin.gz");
  EXPECT_EQ(summary.bytes, 1'149'076);
  EXPECT_THAT(summary.windows_by_cpu, ElementsAre(Pair(0, 148), Pair(1, 148)));
  const auto& cpus = summary.counts.cpus();
  ASSERT_EQ(cpus.size(), 2);
  EXPECT_EQ(cpus.at(0).seen.first, 174381411725);
  EXPECT_EQ(cpus.at(0).seen.last, 255324800336);
  EXPECT_EQ(cpus.at(1).seen.first, 174383021816);
  EXPECT_EQ(cpus.at(1).seen.last, 255289598246);
  EXPECT_EQ(cpus.at(0).went_back, 0);
  EXPECT_EQ(cpus.at(1).went_back, 0);
  EXPECT_EQ(cpus.at(0).records + cpus.at(1).records, 58'095);
  EXPECT_EQ(cpus.at(0).lost + cpus.at(1).lost, summary.counts.lost());
}

TEST_F(TraceSamplesXentraceTest, WordsOfHypercalls) {
  const XentraceSummary summary = Summary("linux-xen-pv/xentrace.bin.gz");
  EXPECT_THAT(summary.counts.words_of(0x20100d),
              ElementsAre(0, 30'600, 14'751, 6'318, 0, 0, 0, 0));
  EXPECT_THAT(summary.counts.words_of(0x01f002),
              ElementsAre(0, 0, 0, 1, 0, 0, 0, 0));
}

TEST_F(TraceSamplesXentraceTest, AFileOfHvm) {
  const XentraceSummary summary = Summary("linux-pvh/xentrace-hvm.bin.gz");
  EXPECT_EQ(summary.bytes, 123'156);
  EXPECT_THAT(summary.windows_by_cpu, ElementsAre(Pair(0, 4)));
  EXPECT_TRUE(summary.counts.svm_exits().empty());
  EXPECT_EQ(summary.counts.cpus().at(0).went_back, 0);
}

// "ADDRESS CODE" of the page faults of a text, in its order.
std::vector<std::string> FaultsOfText(const std::string& path, uint64_t* first,
                                      uint64_t* last) {
  std::vector<std::string> faults;
  auto reader = TextReader::Open(path);
  EXPECT_TRUE(reader.ok()) << reader.status();
  for (*first = 0;;) {
    const auto event = reader->Next();
    EXPECT_TRUE(event.ok()) << event.status();
    if (!event.ok() || !event->has_value()) return faults;
    if (*first == 0) *first = (*event)->time;
    *last = (*event)->time;
    const auto read = ParseLinuxEvent(**event);
    EXPECT_TRUE(read.ok()) << read.status();
    if (read->kind != LinuxEventKind::kFault) continue;
    faults.push_back(
        absl::StrCat(absl::Hex(read->address), " ", absl::Hex(read->code)));
  }
}

// Xen bounces to Linux what Linux prints that it got.
TEST_F(TraceSamplesXentraceTest, BouncedFaultsAreLinuxsAddressForAddress) {
  uint64_t first = 0;
  uint64_t last = 0;
  const std::vector<std::string> linux_had =
      FaultsOfText(Path("linux-xen-pv/trace-cmd-report.txt.gz"), &first, &last);
  ASSERT_EQ(linux_had.size(), 226);
  auto merger = XentraceMerger::Open(Path("linux-xen-pv/xentrace.bin.gz"));
  ASSERT_TRUE(merger.ok()) << merger.status();
  std::vector<std::string> bounced;
  for (;;) {
    const auto record = merger->Next();
    ASSERT_TRUE(record.ok()) << record.status();
    if (!record->has_value()) break;
    const XentraceRecord& fault = **record;
    if (fault.event != 0x201104 || fault.tsc < first || fault.tsc > last) {
      continue;
    }
    bounced.push_back(absl::StrCat(absl::Hex(fault.Wide(2)), " ",
                                   absl::Hex(fault.payload[4])));
  }
  EXPECT_EQ(bounced, linux_had);
}

}  // namespace xentrace_samples_test
}  // namespace xmmu
