// What goes into a packed trace comes out of it.

#include <gmock/gmock.h>

#include <algorithm>

#include "workload/packed/packed_support.h"
#include "workload/packed/small_streams.h"
#include "xmmu/workload/lackey_trace.h"

namespace xmmu::packed_trace_test {
namespace {

using ::testing::HasSubstr;

std::vector<std::string> Logs(const std::string& prefix) {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(
           XMMU_SOURCE_DIR "/tests/workload/lackey/recorded")) {
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
    ExpectAThirdOf(Logs(prefix));
    // The bundled trace is of these logs.
    const auto bundled = PackedTraceReader::Open(
        XMMU_SOURCE_DIR "/examples/traces/" + prefix + ".xmmu");
    ASSERT_TRUE(bundled.ok()) << bundled.status();
    EXPECT_EQ((*bundled)->content_hash(),
              (*PackedTraceReader::Open(path_))->content_hash());
  }

  void ExpectAThirdOf(const std::vector<std::string>& logs) const {
    uint64_t bytes = 0;
    for (const std::string& log : logs) {
      bytes += std::filesystem::file_size(log);
    }
    EXPECT_LE(std::filesystem::file_size(path_), bytes / 3);
  }
};

TEST_F(PackedTraceTest, FourProcessesComeBackAsTheyWereRecorded) {
  ExpectSameAsLogs("ls-sort");
}

TEST_F(PackedTraceTest, ManyBlocksComeBackAsTheyWereRecorded) {
  ExpectSameAsLogs("xz");
}

TEST_F(PackedTraceTest, EveryKindAndFieldComesBack) {
  const Streams streams = SmallStreams();
  ASSERT_TRUE(Pack(streams, 7).ok());
  const auto read = ReadBack();
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_TRUE(SameStreams(*read, streams));
}

// The file was written by the first version of the format and stays as it is.
TEST_F(PackedTraceTest, AFileOfVersion1IsReadForEver) {
  const auto trace =
      OpenTrace({XMMU_SOURCE_DIR "/tests/workload/packed/version-1.xmmu"}, {});
  ASSERT_TRUE(trace.ok()) << trace.status();
  EXPECT_EQ((*trace)->facts().command, "/bin/a b");
  const auto read = AllStreams(**trace);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_TRUE(SameStreams(*read, SmallStreams()));
}

TEST_F(PackedTraceTest, WhatTheHeadSaysComesBack) {
  ASSERT_TRUE(Pack(SmallStreams(), 7).ok());
  const auto trace = OpenTrace({path_}, {});
  ASSERT_TRUE(trace.ok()) << trace.status();
  EXPECT_EQ((*trace)->name(), "trace:a");
  EXPECT_EQ((*trace)->first_task(), 7u);
  const TraceFacts facts = (*trace)->facts();
  EXPECT_EQ(facts.format, "packed");
  EXPECT_EQ(facts.command, "/bin/a b");
  EXPECT_EQ(facts.lacks.size(), 1u);
  EXPECT_EQ(facts.counts.front().second, 7u);
  const PackedHead again = PackedHeadOf(**trace);
  EXPECT_EQ(again.format_of_origin, "test");
  EXPECT_EQ(again.environment.size(), 1u);
}

TEST_F(PackedTraceTest, FetchesAreLeftOutOnRequest) {
  const Streams streams = SmallStreams();
  ASSERT_TRUE(Pack(streams, 7).ok());
  const auto read = ReadBack({.address_limit = 0, .fetches = false});
  ASSERT_TRUE(read.ok()) << read.status();
  Streams expected = streams;
  for (auto& [task, ops] : expected) {
    std::erase_if(
        ops, [](const GuestOp& op) { return op.kind == GuestOpKind::kFetch; });
  }
  EXPECT_TRUE(SameStreams(*read, expected));
}

TEST_F(PackedTraceTest, TheContentHashIsOfTheOperationsAlone) {
  const auto hash = [this] {
    return (*PackedTraceReader::Open(path_))->content_hash();
  };
  Streams streams = SmallStreams();
  ASSERT_TRUE(Pack(streams, 7).ok());
  const std::string of_pieces = hash();
  ASSERT_TRUE(Pack(streams, 7, 1).ok());
  EXPECT_EQ(hash(), of_pieces);
  streams[8].front().flags = kCallGoesOn;
  ASSERT_TRUE(Pack(streams, 7).ok());
  EXPECT_NE(hash(), of_pieces);
}

// Two blocks and a bit, with runs across the places that are looked for.
TEST_F(PackedTraceTest, ReadingBeginsAtAnyOperation) {
  Streams streams;
  std::vector<GuestOp>& ops = streams[1];
  while (ops.size() < 600000) {
    const uint64_t i = ops.size();
    ops.push_back({.kind = GuestOpKind::kFetch,
                   .va = VirtAddr(0x1000 + i % 1000 * 4),
                   .length = 4});
    if (i % 3 != 0) continue;
    ops.push_back(
        {.kind = GuestOpKind::kLoad, .va = VirtAddr(i * i), .length = 8});
  }
  ops.push_back({.kind = GuestOpKind::kExit});
  ASSERT_TRUE(Pack(streams, 1).ok());
  const auto reader = PackedTraceReader::Open(path_);
  ASSERT_TRUE(reader.ok()) << reader.status();
  const uint64_t count = (*reader)->tasks()[0].operations;
  ASSERT_EQ(count, ops.size());
  for (const uint64_t at : {count - 1, uint64_t{262143}, uint64_t{262144},
                            uint64_t{0}, uint64_t{1}, uint64_t{400001}}) {
    ASSERT_TRUE((*reader)->Seek(1, at).ok());
    const auto piece = (*reader)->Next(1);
    ASSERT_TRUE(piece.ok()) << piece.status();
    ASSERT_FALSE(piece->empty());
    for (size_t i = 0; i < piece->size(); ++i) {
      ASSERT_EQ(FieldsOf((*piece)[i]), FieldsOf(ops[at + i])) << at << "+" << i;
    }
  }
  ASSERT_TRUE((*reader)->Seek(1, count).ok());
  EXPECT_TRUE((*reader)->Next(1)->empty());
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
