// Operations with recorded addresses are moved below an address limit as the
// reader of logs moves them.

#include <gmock/gmock.h>

#include <algorithm>

#include "workload/packed/packed_support.h"
#include "workload/process/op_relocation.h"
#include "xmmu/workload/lackey_trace.h"

namespace xmmu::packed_relocation_test {
namespace {

using enum GuestOpKind;
using ::testing::HasSubstr;

constexpr uint64_t kSegment = uint64_t{1} << kSegmentShift;
constexpr uint64_t kLimit = 0xC0000000;  // 12 segments

VirtAddr At(uint64_t segment, uint64_t offset = 0) {
  return VirtAddr(segment * kSegment + offset);
}

class PackedRelocationTest : public PackedTest {
 protected:
  // What becomes of an operation of task 1.
  std::vector<GuestOp> Move(const GuestOp& op, TaskId task = 1) {
    std::vector<GuestOp> moved;
    const auto done = relocation_.Append(task, {&op, 1}, &moved);
    EXPECT_TRUE(done.ok()) << done.status();
    return moved;
  }
  void Map(uint64_t segment, uint64_t segments = 1, TaskId task = 1) {
    Move({.kind = kMap, .va = At(segment), .length = segments * kSegment},
         task);
  }
  // Where a load goes, in segments.
  uint64_t PlaceOf(uint64_t segment, TaskId task = 1) {
    const auto moved =
        Move({.kind = kLoad, .va = At(segment, 64), .length = 8}, task);
    EXPECT_EQ(moved.size(), 1u);
    return moved.empty() ? 99 : moved[0].va.value() / kSegment;
  }

  OpRelocation relocation_{kLimit, 1};
};

TEST_F(PackedRelocationTest, SegmentsAreGivenInOrderOfTheirMappings) {
  Map(100);
  Map(3);
  Map(200, 2);
  EXPECT_EQ(PlaceOf(100), 11u);
  EXPECT_EQ(PlaceOf(3), 3u);
  EXPECT_EQ(PlaceOf(201), 10u);
  EXPECT_EQ(PlaceOf(200), 9u);
}

TEST_F(PackedRelocationTest, WhatGrewUpwardsGoesUpFromAThirdOfTheLimit) {
  relocation_ = OpRelocation(kLimit, 1, MmapLayout::kBottomUp);
  Map(0);
  Map(1024);
  EXPECT_EQ(PlaceOf(1024), 4u);
  // A mapping that begins in a segment that is placed has the next one free.
  const auto moved =
      Move({.kind = kMap, .va = At(1024, kSegment / 2), .length = kSegment});
  EXPECT_EQ(moved[0].va, At(4, kSegment / 2));
  EXPECT_EQ(PlaceOf(1025), 5u);
  Map(1026, 6);
  EXPECT_EQ(PlaceOf(1031), 11u);
  // What is above is used up.
  Map(1032);
  EXPECT_EQ(PlaceOf(1032), 3u);
}

TEST_F(PackedRelocationTest, ARangeOverSegmentsThatPartIsOneCallOfSeveralOps) {
  Map(100);
  Map(101);
  const auto moved =
      Move({.kind = kUnmap, .va = At(100, 0x1000), .length = kSegment});
  ASSERT_EQ(moved.size(), 2u);
  EXPECT_EQ(moved[0].va, At(11, 0x1000));
  EXPECT_EQ(moved[0].length, kSegment - 0x1000);
  EXPECT_EQ(moved[0].flags, kCallGoesOn);
  EXPECT_EQ(moved[1].va, At(10));
  EXPECT_EQ(moved[1].length, 0x1000u);
  EXPECT_EQ(moved[1].flags, 0);
}

TEST_F(PackedRelocationTest, ARangeOverSegmentsThatDoNotPartIsOneOp) {
  Map(100, 2);
  const auto moved = Move(
      {.kind = kProtect, .rights = 1, .va = At(100), .length = 2 * kSegment});
  ASSERT_EQ(moved.size(), 1u);
  EXPECT_EQ(moved[0].va, At(10));
  EXPECT_EQ(moved[0].length, 2 * kSegment);
}

TEST_F(PackedRelocationTest, ACallWhereNothingWasMappedIsACall) {
  const auto moved = Move({.kind = kDiscard,
                           .flags = kCallGoesOn,
                           .va = At(100),
                           .length = 0x1000});
  ASSERT_EQ(moved.size(), 1u);
  EXPECT_EQ(moved[0].kind, kSyscall);
  EXPECT_EQ(moved[0].flags, kCallGoesOn);
}

TEST_F(PackedRelocationTest, AnAccessOverABorderStaysOnlyInOnePiece) {
  Map(100, 2);
  Map(102);
  const GuestOp inside = {
      .kind = kLoad, .va = At(101) + (0 - uint64_t{4}), .length = 8};
  EXPECT_EQ(Move(inside).size(), 1u);
  const GuestOp apart = {
      .kind = kLoad, .va = At(102) + (0 - uint64_t{4}), .length = 8};
  EXPECT_EQ(Move(apart).size(), 0u);
}

TEST_F(PackedRelocationTest, AForkCopiesTheTableAndAThreadSharesIt) {
  Map(100);
  Move({.kind = kFork, .child = 2});
  Move({.kind = kClone, .child = 3});
  Map(101, 1, 2);
  Map(102, 1, 3);
  EXPECT_EQ(PlaceOf(102), 10u);
  EXPECT_EQ(PlaceOf(101, 2), 10u);
  EXPECT_EQ(PlaceOf(100, 2), 11u);
}

TEST_F(PackedRelocationTest, AnExecEmptiesTheTableOfItsTaskAlone) {
  Map(100);
  Move({.kind = kFork, .child = 2});
  Move({.kind = kExec}, 2);
  Map(200, 1, 2);
  EXPECT_EQ(PlaceOf(200, 2), 11u);
  EXPECT_EQ(PlaceOf(100), 11u);
}

TEST_F(PackedRelocationTest, WhatIsBehindAnAwaitIsMovedLater) {
  const std::vector<GuestOp> ops = {{.kind = kAwait, .length = 1, .child = 2},
                                    {.kind = kPost}};
  std::vector<GuestOp> moved;
  EXPECT_EQ(*relocation_.Append(1, ops, &moved), 1u);
  EXPECT_EQ(moved.size(), 1u);
}

TEST_F(PackedRelocationTest, AMappingThatDoesNotFitIsNamedWithItsPlace) {
  ASSERT_TRUE(Pack({{1,
                     {{.kind = kMap, .va = At(100), .length = 13 * kSegment},
                      {.kind = kExit}}}},
                   1)
                  .ok());
  const auto read = ReadBack({.address_limit = kLimit});
  EXPECT_EQ(std::string(read.status().message()),
            path_ +
                ":80: task 1: the mapping 0x640000000-0x710000000 does not "
                "fit, expected room in one piece below the address limit "
                "(segments of 256 MiB)");
  EXPECT_THAT(std::string(ReadBack({.address_limit = 5}).status().message()),
              HasSubstr("expected a multiple of 256 MiB"));
}

// The logs' reader has rules of its own for mappings, which come to the same.
TEST_F(PackedRelocationTest, BundledTracesAreMovedAsTheirLogsAre) {
  for (const std::string prefix : {"ls-sort", "xz"}) {
    std::vector<std::string> logs;
    for (const auto& entry : std::filesystem::directory_iterator(
             XMMU_SOURCE_DIR "/tests/workload/lackey/recorded")) {
      if (entry.path().filename().string().rfind(prefix + ".", 0) == 0) {
        logs.push_back(entry.path());
      }
    }
    const auto recorded = OpenLackeyTrace(logs, {});
    auto writer = PackedTraceWriter::Create(path_, PackedHeadOf(**recorded));
    ASSERT_TRUE(PackTrace(**recorded, **writer).ok());
    const auto limited = OpenLackeyTrace(logs, {.address_limit = kLimit});
    const auto expected = AllStreams(**limited);
    const auto moved = ReadBack({.address_limit = kLimit});
    ASSERT_TRUE(moved.ok()) << moved.status();
    EXPECT_TRUE(SameStreams(*moved, *expected)) << prefix;
  }
}

}  // namespace
}  // namespace xmmu::packed_relocation_test
