#include "xmmu/machine/internal/prefetcher.h"

#include "gtest/gtest.h"
#include "xmmu/machine/internal/dram.h"

namespace xmmu::prefetcher_test {
namespace {

constexpr uint64_t kPage = 64 * 10;  // first line of a page

Prefetcher Make(uint8_t max_stride, uint8_t per_load, uint8_t ahead) {
  return Prefetcher({.max_stride = max_stride,
                     .lines_per_load = per_load,
                     .lines_ahead = ahead,
                     .pairs = false,
                     .from = {}});
}

TEST(PrefetcherTest, TheSecondLoadInLineStartsAStream) {
  Prefetcher prefetcher = Make(1, 2, 8);
  EXPECT_EQ(prefetcher.Observe(kPage).count, 0u);
  const auto request = prefetcher.Observe(kPage + 1);
  EXPECT_EQ(request.first, kPage + 2);
  EXPECT_EQ(request.count, 2u);
}

TEST(PrefetcherTest, EachLoadAsksForLinesNotAskedForYetUpToItsReach) {
  Prefetcher prefetcher = Make(1, 2, 3);
  prefetcher.Observe(kPage);
  prefetcher.Observe(kPage + 1);  // 2 and 3
  const auto third = prefetcher.Observe(kPage + 2);
  EXPECT_EQ(third.first, kPage + 4);
  EXPECT_EQ(third.count, 2u);  // 5 is three ahead
  EXPECT_EQ(prefetcher.Observe(kPage + 3).count, 1u);
}

TEST(PrefetcherTest, AStrideTooLongIsNotFollowed) {
  Prefetcher prefetcher = Make(2, 2, 8);
  prefetcher.Observe(kPage);
  EXPECT_EQ(prefetcher.Observe(kPage + 2).count, 2u);
  EXPECT_EQ(prefetcher.Observe(kPage + 5).count, 0u);
}

TEST(PrefetcherTest, DescendingLoadsAreNotFollowed) {
  Prefetcher prefetcher = Make(1, 2, 8);
  prefetcher.Observe(kPage + 9);
  EXPECT_EQ(prefetcher.Observe(kPage + 8).count, 0u);
}

TEST(PrefetcherTest, AStreamEndsWithItsPage) {
  Prefetcher prefetcher = Make(1, 4, 8);
  prefetcher.Observe(kPage + 61);
  const auto request = prefetcher.Observe(kPage + 62);
  EXPECT_EQ(request.first, kPage + 63);
  EXPECT_EQ(request.count, 1u);
  EXPECT_EQ(prefetcher.Observe(kPage + 64).count, 0u);
}

TEST(PrefetcherTest, SixteenStreamsAreKeptAndNoMore) {
  Prefetcher prefetcher = Make(1, 1, 8);
  for (uint64_t page = 0; page < 16; ++page) prefetcher.Observe(page * 64);
  EXPECT_EQ(prefetcher.Observe(1).count, 1u);
  prefetcher.Observe(16 * 64);  // in the place of page 1
  EXPECT_EQ(prefetcher.Observe(64 + 1).count, 0u);
}

TEST(PrefetcherTest, TheArrivalOfALineIsKnownOnceItIsUnderWay) {
  Prefetcher prefetcher = Make(1, 1, 8);
  EXPECT_EQ(prefetcher.ArrivalOf(kPage), 0u);
  prefetcher.Started(kPage, 500);
  EXPECT_EQ(prefetcher.ArrivalOf(kPage), 500u);
}

TEST(DramTest, ARowStaysOpenUntilAnotherOfItsBank) {
  Dram dram({.row_bytes = 4096, .banks = 2, .core_cycles = 0, .from = {}});
  EXPECT_FALSE(dram.Access(MachineAddr(0)));
  EXPECT_TRUE(dram.Access(MachineAddr(4095)));
  EXPECT_FALSE(dram.Access(MachineAddr(4096)));  // the other bank
  EXPECT_TRUE(dram.Access(MachineAddr(64)));
  EXPECT_FALSE(dram.Access(MachineAddr(2 * 4096)));
  EXPECT_FALSE(dram.Access(MachineAddr(0)));
}

TEST(DramTest, WithoutRowsNoneIsEverOpen) {
  Dram dram(DramModel{});
  EXPECT_FALSE(dram.Access(MachineAddr(0)));
  EXPECT_FALSE(dram.Access(MachineAddr(0)));
}

}  // namespace
}  // namespace xmmu::prefetcher_test
