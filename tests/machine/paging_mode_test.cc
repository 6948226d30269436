#include "xmmu/machine/paging_mode.h"

#include "gtest/gtest.h"

namespace xmmu::paging_mode_test {
namespace {

TEST(PagingModeTest, LevelsCoverTheLinearAddressExactly) {
  for (PagingMode mode : kAllPagingModes) {
    const int root = LevelCount(mode);
    EXPECT_EQ(LevelShift(mode, root) + IndexBits(mode, root),
              LinearAddressBits(mode))
        << PagingModeName(mode);
  }
}

TEST(PagingModeTest, ATableFillsAPageExceptThePaeRoot) {
  for (PagingMode mode : kAllPagingModes) {
    for (int level = 1; level <= LevelCount(mode); ++level) {
      const int bytes = EntryCount(mode, level) * EntryBytes(mode);
      const bool pae_root = mode == PagingMode::kPae && level == 3;
      EXPECT_EQ(bytes, pae_root ? 32 : 4096);
    }
  }
}

TEST(PagingModeTest, IndicesOfAnAddressRebuildIt) {
  const VirtAddr va(0x0000123456789000);
  for (PagingMode mode : {PagingMode::k4Level, PagingMode::k5Level}) {
    uint64_t rebuilt = 0;
    for (int level = 1; level <= LevelCount(mode); ++level) {
      rebuilt |= static_cast<uint64_t>(IndexOf(mode, level, va))
                 << LevelShift(mode, level);
    }
    EXPECT_EQ(rebuilt, va.value());
  }
}

TEST(PagingModeTest, CanonicalEdges) {
  EXPECT_TRUE(IsCanonical(PagingMode::k4Level, VirtAddr(0x00007fffffffffff)));
  EXPECT_FALSE(IsCanonical(PagingMode::k4Level, VirtAddr(0x0000800000000000)));
  EXPECT_FALSE(IsCanonical(PagingMode::k4Level, VirtAddr(0xffff7fffffffffff)));
  EXPECT_TRUE(IsCanonical(PagingMode::k4Level, VirtAddr(0xffff800000000000)));
  EXPECT_TRUE(IsCanonical(PagingMode::k5Level, VirtAddr(0x00ffffffffffffff)));
  EXPECT_FALSE(IsCanonical(PagingMode::k5Level, VirtAddr(0x0100000000000000)));
  EXPECT_TRUE(IsCanonical(PagingMode::kPae, VirtAddr(0xffffffff)));
  EXPECT_FALSE(IsCanonical(PagingMode::kPae, VirtAddr(0x100000000)));
}

TEST(PagingModeTest, LevelsNameModesFromTwoToFive) {
  EXPECT_EQ(PagingModeOfLevels(1), std::nullopt);
  EXPECT_EQ(PagingModeOfLevels(2), PagingMode::k2Level);
  EXPECT_EQ(PagingModeOfLevels(5), PagingMode::k5Level);
  EXPECT_EQ(PagingModeOfLevels(6), std::nullopt);
}

}  // namespace
}  // namespace xmmu::paging_mode_test
