#include "guest/frame_pool.h"

#include "gtest/gtest.h"

namespace xmmu::frame_pool_test {
namespace {

TEST(FramePoolTest, GivesEachFrameOnceAndThenNothing) {
  FramePool pool(Pfn(10), Pfn(12));
  EXPECT_EQ(pool.free_frames(), 2u);
  EXPECT_EQ(pool.Alloc(), Pfn(10));
  EXPECT_EQ(pool.Alloc(), Pfn(11));
  EXPECT_EQ(pool.Alloc(), std::nullopt);
}

TEST(FramePoolTest, AFrameIsFreeOnlyWithItsLastReference) {
  FramePool pool(Pfn(10), Pfn(11));
  const Pfn pfn = *pool.Alloc();
  pool.Get(pfn);
  EXPECT_FALSE(pool.Put(pfn));
  EXPECT_EQ(pool.Alloc(), std::nullopt);
  EXPECT_TRUE(pool.Put(pfn));
  EXPECT_EQ(pool.Alloc(), pfn);
}

TEST(FramePoolTest, ReusesTheLastFreedFirst) {
  FramePool pool(Pfn(0), Pfn(4));
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(pool.Alloc().has_value());
  pool.Put(Pfn(1));
  pool.Put(Pfn(3));
  EXPECT_EQ(pool.Alloc(), Pfn(3));
  EXPECT_EQ(pool.Alloc(), Pfn(1));
}

TEST(FramePoolDeathTest, PuttingAFreeFrameIsABug) {
  FramePool pool(Pfn(0), Pfn(4));
  EXPECT_DEATH(pool.Put(Pfn(0)), "check failed");
}

}  // namespace
}  // namespace xmmu::frame_pool_test
