#include "guest/address_space.h"

#include <algorithm>
#include <map>
#include <random>
#include <vector>

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

// What was found last is no answer once something has changed.
TEST(VmaMapTest, FindsWhatIsThereAfterEachChange) {
  std::mt19937 random(7);
  VmaMap map;
  std::map<uint64_t, uint64_t> pages;  // by page number: its page of the file
  for (int step = 0; step < 20000; ++step) {
    const uint64_t first = 1 + random() % 64;
    const uint64_t end = first + 1 + random() % 16;
    if (random() % 8 == 0) {
      map.Carve(VirtAddr(first << kPageShift), VirtAddr(end << kPageShift));
      for (uint64_t page = first; page < end; ++page) pages.erase(page);
      if (random() % 2 == 0) {
        const uint64_t offset = random() % 1000;
        map.Insert(Piece(first << kPageShift, end << kPageShift,
                         offset << kPageShift));
        for (uint64_t page = first; page < end; ++page) {
          pages[page] = offset + page - first;
        }
      }
    }
    const VirtAddr va(first << kPageShift | random() % kPageSize);
    const Vma* const vma = map.Find(va);
    const auto known = pages.find(first);
    ASSERT_EQ(vma != nullptr, known != pages.end()) << "step " << step;
    if (vma != nullptr) {
      ASSERT_EQ(vma->FilePage(va), known->second) << "step " << step;
    }
  }
}

TEST(TableListTest, KeepsTheOrderInWhichTablesCame) {
  TableList tables;
  for (uint64_t i = 0; i < 100; ++i) {
    tables.Add({.pfn = Pfn(100 - i), .base = VirtAddr(i)});
  }
  EXPECT_EQ(tables.Remove(Pfn(50)).base, VirtAddr(50));
  EXPECT_EQ(tables.Remove(Pfn(100)).base, VirtAddr(0));
  tables.Get(Pfn(1)).kept = true;
  tables.Add({.pfn = Pfn(50), .base = VirtAddr(200)});
  std::vector<uint64_t> order;
  for (const TablePage& table : tables) order.push_back(table.base.value());
  ASSERT_EQ(order.size(), 99u);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
  EXPECT_EQ(order.front(), 1u);
  EXPECT_EQ(order.back(), 200u);
  EXPECT_TRUE(tables.Remove(Pfn(1)).kept);
}

TEST(VmaMapDeathTest, InsertingOverAnotherIsABug) {
  VmaMap map;
  map.Insert(Piece(0x1000, 0x3000));
  EXPECT_DEATH(map.Insert(Piece(0x2000, 0x4000)), "check failed");
}

}  // namespace
}  // namespace xmmu::address_space_test
