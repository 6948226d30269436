// What goes into a packed trace comes out of it.

#include <gmock/gmock.h>

#include <algorithm>

#include "workload/packed/packed_support.h"
#include "xmmu/workload/lackey_trace.h"

namespace xmmu::packed_trace_test {
namespace {

using ::testing::HasSubstr;

std::vector<std::string> Logs(const std::string& prefix) {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(
           XMMU_SOURCE_DIR "/examples/traces")) {
    if (entry.path().filename().string().rfind(prefix + ".", 0) == 0) {
      files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

class PackedTraceTest : public PackedTest {
 protected:
  void ExpectSameAsLogs(const std::string& prefix) {
    auto logs = OpenLackeyTrace(Logs(prefix), {});
    ASSERT_TRUE(logs.ok()) << logs.status();
    const auto recorded = AllStreams(**logs);
    ASSERT_TRUE(recorded.ok()) << recorded.status();
    logs = OpenLackeyTrace(Logs(prefix), {});
    auto writer = PackedTraceWriter::Create(path_, PackedHeadOf(**logs));
    ASSERT_TRUE(writer.ok()) << writer.status();
    const absl::Status packed = PackTrace(**logs, **writer);
    ASSERT_TRUE(packed.ok()) << packed;
    const auto streams = ReadBack();
    ASSERT_TRUE(streams.ok()) << streams.status();
    EXPECT_TRUE(SameStreams(*recorded, *streams));
    RecordProperty("bytes", std::to_string(std::filesystem::file_size(path_)));
  }
};

TEST_F(PackedTraceTest, FourProcessesComeBackAsTheyWereRecorded) {
  ExpectSameAsLogs("ls-sort");
}

TEST_F(PackedTraceTest, ManyBlocksComeBackAsTheyWereRecorded) {
  ExpectSameAsLogs("xz");
}

TEST_F(PackedTraceTest, AnUnfinishedFileIsNotThere) {
  {
    auto writer = PackedTraceWriter::Create(path_, {.first_task = 1});
    ASSERT_TRUE(writer.ok());
    const GuestOp op = {.kind = GuestOpKind::kYield};
    ASSERT_TRUE((*writer)->Append(1, {&op, 1}).ok());
    EXPECT_THAT(std::string((*writer)->Finish({}).message()),
                HasSubstr("task 1 has no end, expected its exit"));
  }
  EXPECT_FALSE(std::filesystem::exists(path_));
}

}  // namespace
}  // namespace xmmu::packed_trace_test
