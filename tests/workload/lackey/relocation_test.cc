// The rule that moves a 64-bit program's mappings below an address limit.

#include "workload/lackey/trace_support.h"
#include "workload/process/address_map.h"

namespace xmmu::relocation_test {
namespace {

constexpr uint64_t kSegment = uint64_t{1} << kSegmentShift;
constexpr uint64_t kLimit = 0xC0000000;  // 12 segments

class RelocationTest : public TraceTest {
 protected:
  AddressMap map_{kLimit};

  // Guest address of `segment`'s start, in segments; -1 if it does not fit.
  int64_t PlaceSegments(uint64_t segment, uint64_t count = 1) {
    const auto shift =
        map_.Place(segment * kSegment, (segment + count) * kSegment);
    if (!shift.has_value()) return -1;
    return static_cast<int64_t>((segment * kSegment + *shift) / kSegment);
  }
};

TEST_F(RelocationTest, WithoutALimitEverythingStays) {
  AddressMap map(0);
  EXPECT_EQ(map.Place(uint64_t{1} << 46, (uint64_t{1} << 46) + 4096), 0);
}

TEST_F(RelocationTest, ASegmentBelowTheLimitStays) {
  EXPECT_EQ(PlaceSegments(0), 0);
  EXPECT_EQ(PlaceSegments(11), 11);
}

TEST_F(RelocationTest, HighSegmentsGetTheHighestFreeInOrderOfAppearance) {
  EXPECT_EQ(PlaceSegments(12), 11);
  EXPECT_EQ(PlaceSegments(0x1ff), 10);
  EXPECT_EQ(PlaceSegments(12), 11);
}

TEST_F(RelocationTest, ASegmentWhoseNumberWasGivenAwayMovesToo) {
  EXPECT_EQ(PlaceSegments(0x1ff), 11);
  EXPECT_EQ(PlaceSegments(11), 10);
}

TEST_F(RelocationTest, AMappingOverSegmentsStaysInOnePiece) {
  EXPECT_EQ(PlaceSegments(100, 3), 9);
  EXPECT_EQ(PlaceSegments(10, 2), 7);  // 10 and 11 are taken
  EXPECT_EQ(PlaceSegments(103), 6);    // not next to 102, which it need not be
  EXPECT_EQ(PlaceSegments(102, 2), -1);
}

TEST_F(RelocationTest, TheTableFillsUpToTheLastSegment) {
  int64_t slot = 11;
  for (uint64_t segment = 20; segment < 32; ++segment, --slot) {
    EXPECT_EQ(PlaceSegments(segment), slot);
  }
  EXPECT_EQ(PlaceSegments(40), -1);
  EXPECT_EQ(PlaceSegments(20), 11);
}

TEST_F(RelocationTest, SegmentsThatLieApartDoNotJoinAgain) {
  EXPECT_EQ(PlaceSegments(20), 11);
  EXPECT_EQ(PlaceSegments(21), 10);
  EXPECT_EQ(PlaceSegments(22), 9);
  EXPECT_EQ(PlaceSegments(21, 2), -1);
}

TEST_F(RelocationTest, AMappingAsLargeAsTheLimitFitsAndOneLargerDoesNot) {
  EXPECT_EQ(PlaceSegments(100, 13), -1);
  EXPECT_EQ(PlaceSegments(100, 12), 0);
}

TEST_F(RelocationTest, AFailedPlacementTakesNothing) {
  EXPECT_EQ(PlaceSegments(11), 11);
  EXPECT_EQ(PlaceSegments(10, 2), 10);
  EXPECT_EQ(PlaceSegments(11, 2), -1);  // 12 would have to be at 12
  EXPECT_EQ(PlaceSegments(12), 9);
}

TEST_F(RelocationTest, ExecEmptiesTheTable) {
  EXPECT_EQ(PlaceSegments(20), 11);
  map_.Clear();
  EXPECT_EQ(PlaceSegments(21), 11);
}

TEST_F(RelocationTest, AProgramsStackEndsUpBelowTheLimit) {
  EXPECT_EQ(
      ReadText(" S 1fff000d28,8\n L 04000000,8\n", {.address_limit = kLimit}),
      "map 0xbefe0000+0x21000 stack rw-\nstore 0xbf000d28+0x8\n"
      "map 0x4000000+0x10000 private rwx offset 0x4000000\n"
      "load 0x4000000+0x8\nexit\n");
}

TEST_F(RelocationTest, ACallOverMovedMappingsIsSplitWhereTheyPart) {
  // Segment 11 has been given to the stack, so its mapping goes to 10.
  const std::string records =
      " S 1fff000d28,8\n" +
      Call(7, 9,
           "sys_mmap ( 0x0, 4096, 3, 34, 4294967295, 0 ) --> [pre-success] "
           "Success(0xaffff000) ") +
      Call(7, 9,
           "sys_mmap ( 0x0, 4096, 3, 34, 4294967295, 0 ) --> [pre-success] "
           "Success(0xb0000000) ") +
      Call(7, 11, "sys_munmap ( 0xaffff000, 8192 )[sync] --> Success(0x0) ");
  EXPECT_EQ(ReadText(records, {.address_limit = kLimit}),
            "map 0xbefe0000+0x21000 stack rw-\nstore 0xbf000d28+0x8\n"
            "map 0xaffff000+0x1000 anonymous rw-\n"
            "map 0x90000000+0x1000 anonymous rw-\n"
            "unmap 0xaffff000+0x1000 ...\nunmap 0x90000000+0x1000\nexit\n");
}

TEST_F(RelocationTest, WhatDoesNotFitIsOneError) {
  const std::string path = Path("one");
  EXPECT_EQ(ReadText(" L 04000000,8\n" +
                         Call(7, 9,
                              "sys_mmap ( 0x0, 68719476736, 0, 16418, "
                              "4294967295, 0 ) --> [pre-success] "
                              "Success(0x100000000) "),
                     {.address_limit = kLimit}),
            path +
                ":8: the mapping 0x100000000-0x1100000000 does not fit, "
                "expected room in one piece below the address limit (segments "
                "of 256 MiB)");
}

TEST_F(RelocationTest, TheLimitIsAMultipleOfASegment) {
  const std::string log = Write("one", Head(7) + Tail(7));
  EXPECT_FALSE(OpenLackeyTrace({log}, {.address_limit = 0xC0001000}).ok());
  EXPECT_TRUE(OpenLackeyTrace({log}, {.address_limit = kSegment}).ok());
  EXPECT_TRUE(OpenLackeyTrace({log}, {.address_limit = 64 * kSegment}).ok());
  EXPECT_FALSE(OpenLackeyTrace({log}, {.address_limit = 65 * kSegment}).ok());
}

class RegionsTest : public testing::Test {
 protected:
  static std::string Text(const AddressMap& map) {
    std::string text;
    map.ForEachPiece(0, kSegment, [&](uint64_t start, uint64_t end, uint64_t) {
      absl::StrAppend(&text, absl::Hex(start), "-", absl::Hex(end), " ");
    });
    return text;
  }

  AddressMap map_{0};
};

TEST_F(RegionsTest, UnmapInTheMiddleLeavesBothEnds) {
  map_.Map(0x1000, {.end = 0x5000, .backing = Backing::kFilePrivate});
  map_.Unmap(0x2000, 0x3000);
  EXPECT_EQ(Text(map_), "1000-2000 3000-5000 ");
  EXPECT_EQ(map_.Find(0x2fff), map_.end());
  EXPECT_EQ(map_.Find(0x3000)->second.offset, 0x2000);
  EXPECT_EQ(map_.FirstHole(0x1000, 0x5000), 0x2000);
  EXPECT_EQ(map_.FirstHole(0x3000, 0x5000), std::nullopt);
}

TEST_F(RegionsTest, NeighboursThatContinueEachOtherBecomeOne) {
  map_.Map(0x1000, {.end = 0x2000, .rights = 3});
  map_.Map(0x3000, {.end = 0x4000, .rights = 3});
  map_.Map(0x2000, {.end = 0x3000, .rights = 3});
  EXPECT_EQ(map_.Find(0x1000)->second.end, 0x4000);
  map_.Change(0x2000, 0x3000, [](Region& region) { region.rights = 1; });
  EXPECT_EQ(map_.Find(0x1000)->second.end, 0x2000);
  map_.Change(0x2000, 0x3000, [](Region& region) { region.rights = 3; });
  EXPECT_EQ(map_.Find(0x1000)->second.end, 0x4000);
}

TEST_F(RegionsTest, AFilesPagesContinueOnlyByTheirOffset) {
  Region region{.end = 0x2000, .backing = Backing::kFileShared};
  map_.Map(0x1000, region);
  region.end = 0x3000;
  map_.Map(0x2000, region);
  EXPECT_EQ(map_.Find(0x1000)->second.end, 0x2000);
  region.offset = 0x1000;
  map_.Map(0x2000, region);
  EXPECT_EQ(map_.Find(0x1000)->second.end, 0x3000);
}

}  // namespace
}  // namespace xmmu::relocation_test
