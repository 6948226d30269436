// Tests what mremap refuses, and what it does with several VMAs that are one
// mapping to the program (Linux, mm/mremap.c).

#include "guest/world.h"

namespace xmmu::mremap_test {
namespace {

constexpr uint8_t kReadWrite = kMapRead | kMapWrite;

GuestOp RemapOp(uint64_t page, uint64_t pages, uint64_t to,
                uint64_t new_pages) {
  return {.kind = GuestOpKind::kRemap,
          .va = kRegion + page * kPageSize,
          .length = pages * kPageSize,
          .target = kRegion + to * kPageSize,
          .new_length = new_pages * kPageSize};
}

class MremapTest : public ::testing::Test {
 protected:
  MremapTest() : world_(Setting()) {
    EXPECT_TRUE(world_.kernel().CreateProcess(1).ok());
    Do(MapOp(8));
    for (uint64_t page = 0; page < 8; ++page) Do(StoreOp(page));
  }
  void Do(const GuestOp& op, TaskId task = 1) { world_.Do(task, op); }
  std::string Refusal(const GuestOp& op) {
    const absl::Status status = world_.kernel().Perform(1, op);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  }
  uint64_t Accesses() { return world_.cpu().counters[Counter::kAccesses]; }
  // Whether `task` reads page `page` without a signal.
  bool Reads(uint64_t page, TaskId task = 1) {
    const uint64_t before = Accesses();
    Do(LoadOp(page), task);
    return Accesses() > before;
  }

  World world_;
};

TEST_F(MremapTest, RangesMayMeetAndNotOverlap) {
  EXPECT_EQ(Refusal(RemapOp(0, 4, 3, 4)),
            "mremap of 0x4000 bytes at 0x10000000 to 0x4000 bytes at "
            "0x10003000: the ranges overlap");
  EXPECT_EQ(Refusal(RemapOp(4, 4, 1, 4)),
            "mremap of 0x4000 bytes at 0x10004000 to 0x4000 bytes at "
            "0x10001000: the ranges overlap");
  Do(RemapOp(0, 4, 4, 4));
  EXPECT_FALSE(Reads(3));
  EXPECT_TRUE(Reads(4));
}

TEST_F(MremapTest, OnlyOneMappingMoves) {
  Do(RangeOp(GuestOpKind::kProtect, 4, kMapRead));
  EXPECT_NE(Refusal(RemapOp(0, 8, 100, 8)).find("not all of one mapping"),
            std::string::npos);
  Do(RangeOp(GuestOpKind::kProtect, 4, kReadWrite));  // one again
  Do(RemapOp(0, 8, 100, 9));
  EXPECT_TRUE(Reads(108));
  EXPECT_FALSE(Reads(109));
}

TEST_F(MremapTest, NothingGrowsOverAnotherMapping) {
  Do(MapOp(1, Backing::kFilePrivate, kMapRead, kRegion + 10 * kPageSize));
  Do(LoadOp(10));
  EXPECT_NE(Refusal(RemapOp(0, 8, 0, 11)).find("where it would grow"),
            std::string::npos);
  EXPECT_NE(Refusal(RemapOp(0, 4, 0, 5)).find("where it would grow"),
            std::string::npos);
  Do(RemapOp(0, 8, 0, 10));
  EXPECT_TRUE(Reads(9));
}

TEST_F(MremapTest, OwnPagesOfEveryPartAreForked) {
  // The first part has nothing of its own.
  Do(MapOp(4, Backing::kFilePrivate, kReadWrite, kRegion + 20 * kPageSize));
  GuestOp second =
      MapOp(4, Backing::kFilePrivate, kReadWrite, kRegion + 24 * kPageSize);
  second.file_offset = 4 * kPageSize;
  Do(second);
  Do(StoreOp(25));
  Do(RemapOp(20, 8, 40, 8));
  Do(TaskOp(GuestOpKind::kFork, 2));
  const uint64_t faults = world_.cpu().counters[Counter::kGuestFaults];
  EXPECT_TRUE(Reads(45, 2));
  EXPECT_EQ(world_.cpu().counters[Counter::kGuestFaults], faults);
}

TEST_F(MremapTest, WhatAVforkChildHasUnmappedIsAnErrorToTheProgram) {
  Do(TaskOp(GuestOpKind::kVfork, 2));
  Do(RangeOp(GuestOpKind::kUnmap, 8), 2);
  Do(TaskOp(GuestOpKind::kExit), 2);
  Do(RemapOp(0, 8, 100, 8));
  EXPECT_FALSE(Reads(100));
}

TEST_F(MremapTest, WhatShrinksNeedNotBeOneMapping) {
  Do(RangeOp(GuestOpKind::kProtect, 4, kMapRead));
  Do(RemapOp(0, 8, 0, 2));
  EXPECT_TRUE(Reads(1));
  EXPECT_FALSE(Reads(2));
}

}  // namespace
}  // namespace xmmu::mremap_test
