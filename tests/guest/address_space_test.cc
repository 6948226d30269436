#include "guest/address_space.h"

#include "gtest/gtest.h"

namespace xmmu::address_space_test {
namespace {

Vma Piece(uint64_t start, uint64_t end, uint64_t offset = 0) {
  return {.start = VirtAddr(start),
          .end = VirtAddr(end),
          .rights = kMapRead,
          .backing = Backing::kFilePrivate,
          .file_offset = offset};
}

TEST(VmaMapTest, FindsTheVmaOfItsFirstAndLastByte) {
  VmaMap map;
  map.Insert(Piece(0x1000, 0x3000));
  EXPECT_EQ(map.Find(VirtAddr(0xfff)), nullptr);
  EXPECT_NE(map.Find(VirtAddr(0x1000)), nullptr);
  EXPECT_NE(map.Find(VirtAddr(0x2fff)), nullptr);
  EXPECT_EQ(map.Find(VirtAddr(0x3000)), nullptr);
}

TEST(VmaMapTest, CarvingTheMiddleLeavesBothEndsWithTheirFileOffsets) {
  VmaMap map;
  map.Insert(Piece(0x1000, 0x5000, 0x10000));
  const std::vector<Vma> gone = map.Carve(VirtAddr(0x2000), VirtAddr(0x3000));
  ASSERT_EQ(gone.size(), 1u);
  EXPECT_EQ(gone[0].file_offset, 0x11000u);
  EXPECT_EQ(map.Find(VirtAddr(0x1000))->end, VirtAddr(0x2000));
  EXPECT_EQ(map.Find(VirtAddr(0x2000)), nullptr);
  EXPECT_EQ(map.Find(VirtAddr(0x4fff))->file_offset, 0x12000u);
  EXPECT_EQ(map.Find(VirtAddr(0x4fff))->FilePage(VirtAddr(0x4000)), 0x13u);
}

TEST(VmaMapTest, CarvingSpansSeveralVmasAndHoles) {
  VmaMap map;
  map.Insert(Piece(0x1000, 0x2000));
  map.Insert(Piece(0x4000, 0x6000));
  EXPECT_EQ(map.Carve(VirtAddr(0), VirtAddr(0x5000)).size(), 2u);
  EXPECT_EQ(map.All().size(), 1u);
}

TEST(VmaMapTest, OverlapsNeedsASharedByte) {
  VmaMap map;
  map.Insert(Piece(0x2000, 0x4000));
  EXPECT_FALSE(map.Overlaps(VirtAddr(0x1000), VirtAddr(0x2000)));
  EXPECT_TRUE(map.Overlaps(VirtAddr(0x1000), VirtAddr(0x2001)));
  EXPECT_TRUE(map.Overlaps(VirtAddr(0x3fff), VirtAddr(0x5000)));
  EXPECT_FALSE(map.Overlaps(VirtAddr(0x4000), VirtAddr(0x5000)));
}

TEST(VmaMapDeathTest, InsertingOverAnotherIsABug) {
  VmaMap map;
  map.Insert(Piece(0x1000, 0x3000));
  EXPECT_DEATH(map.Insert(Piece(0x2000, 0x4000)), "check failed");
}

}  // namespace
}  // namespace xmmu::address_space_test
