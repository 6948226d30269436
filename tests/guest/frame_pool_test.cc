#include "guest/frame_pool.h"

#include <algorithm>
#include <optional>
#include <random>
#include <set>
#include <utility>
#include <vector>

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

// A frame's word has 29 bits for the number of the one freed before it.
TEST(FramePoolTest, ReusesTheLastFreedFirstAroundTwoTebibytes) {
  const uint64_t limit = (uint64_t{1} << 29) - 1;
  FramePool pool(Pfn(limit - 3), Pfn(limit + 3));
  std::vector<Pfn> taken;
  while (const std::optional<Pfn> pfn = pool.Alloc()) taken.push_back(*pfn);
  ASSERT_EQ(taken.size(), 6u);
  std::mt19937 dice(16);
  for (int round = 0; round < 100; ++round) {
    std::shuffle(taken.begin(), taken.end(), dice);
    const size_t count = dice() % 7;
    for (size_t i = 0; i < count; ++i) EXPECT_TRUE(pool.Put(taken[i]));
    EXPECT_EQ(pool.free_frames(), count);
    for (size_t i = 0; i < count; ++i) EXPECT_EQ(pool.references(taken[i]), 0u);
    for (size_t i = count; i-- > 0;) EXPECT_EQ(pool.Alloc(), taken[i]);
    EXPECT_EQ(pool.Alloc(), std::nullopt);
  }
}

TEST(FramePoolTest, FreeFramesTakeNoMemoryOfTheirOwn) {
  FramePool pool(Pfn(0), Pfn(8192));
  for (int i = 0; i < 8192; ++i) ASSERT_TRUE(pool.Alloc().has_value());
  const uint64_t bytes = pool.host_bytes();
  for (uint64_t pfn = 0; pfn < 8192; ++pfn) pool.Put(Pfn(pfn));
  EXPECT_EQ(pool.host_bytes(), bytes);
}

TEST(FramePoolTest, SingleFramesComeInTheSameOrderBesideBlocks) {
  FramePool plain(Pfn(3), Pfn(70), /*number_of_0=*/0, /*unit=*/8);
  FramePool mixed(Pfn(3), Pfn(70), /*number_of_0=*/0, /*unit=*/8);
  const auto both = [&] {
    const std::optional<Pfn> pfn = mixed.Alloc();
    EXPECT_EQ(plain.Alloc(), pfn);
    return *pfn;
  };
  const Pfn first = both();
  both();
  EXPECT_EQ(mixed.AllocBlock(8), Pfn(56));  // the last 8 below 70
  EXPECT_EQ(mixed.free_frames(), plain.free_frames() - 8);
  plain.Put(first);
  mixed.Put(first);
  for (int i = 0; i < 52; ++i) both();  // up to 55
  // What lies above the last whole unit is taken last.
  EXPECT_EQ(mixed.Alloc(), Pfn(64));
}

TEST(FramePoolTest, BlocksAreAlignedAsTheGuestsTablesNumberFrames) {
  FramePool pool(Pfn(0), Pfn(32), /*number_of_0=*/1003, /*unit=*/8);
  EXPECT_EQ(pool.AllocBlock(8), Pfn(21));  // 1024
  EXPECT_EQ(pool.AllocBlock(16), Pfn(5));  // 1008
  EXPECT_EQ(pool.AllocBlock(8), std::nullopt);
  EXPECT_EQ(pool.free_frames(), 8u);  // 0 to 4, 29 to 31
}

TEST(FramePoolTest, FreeFramesBecomeABlockWhenTheLastOfThemIsFree) {
  FramePool pool(Pfn(0), Pfn(16), /*number_of_0=*/0, /*unit=*/8);
  for (int i = 0; i < 16; ++i) ASSERT_TRUE(pool.Alloc().has_value());
  for (uint64_t i = 8; i < 15; ++i) pool.Put(Pfn(i));
  EXPECT_EQ(pool.AllocBlock(8), std::nullopt);
  pool.Put(Pfn(15));
  EXPECT_EQ(pool.AllocBlock(8), Pfn(8));
  EXPECT_EQ(pool.Alloc(), std::nullopt);
  pool.PutBlock(Pfn(8));
  EXPECT_EQ(pool.Alloc(), Pfn(8));
}

TEST(FramePoolTest, ABlockCountsLargeEntriesAndSmallOnesTogether) {
  FramePool pool(Pfn(0), Pfn(8), /*number_of_0=*/0, /*unit=*/8);
  const Pfn head = *pool.AllocBlock(8);
  EXPECT_EQ(pool.references(head + 3), 1u);
  pool.GetBlock(head);  // a fork
  EXPECT_EQ(pool.references(head + 3), 2u);
  pool.SplitBlock(head);  // in one of them
  EXPECT_EQ(pool.references(head), 9u);
  for (uint64_t i = 0; i < 7; ++i) EXPECT_FALSE(pool.Put(head + i));
  EXPECT_EQ(pool.references(head), 2u);
  pool.PutBlock(head);  // all but the last small one
  EXPECT_EQ(pool.free_frames(), 7u);
  EXPECT_EQ(pool.references(head + 7), 1u);
  EXPECT_TRUE(pool.Put(head + 7));
  EXPECT_EQ(pool.AllocBlock(8), head);
}

TEST(FramePoolTest, ASplitTellsEachFrameWhoseItIs) {
  FramePool pool(Pfn(0), Pfn(16), /*number_of_0=*/0, /*unit=*/8);
  const Pfn own = *pool.AllocBlock(8);
  pool.SetExclusive(own, true);
  pool.SplitBlock(own);
  EXPECT_TRUE(pool.exclusive(own + 7));
  const Pfn shared = *pool.AllocBlock(8);
  pool.SplitBlock(shared);
  EXPECT_FALSE(pool.exclusive(shared));
}

// A pool beside a naive account of who has which frame.
class PoolAccount {
 public:
  PoolAccount() : pool_(Pfn(5), Pfn(300), /*number_of_0=*/7, /*unit=*/8) {}

  void Step(uint32_t dice) {
    switch (dice % 4) {
      case 0:
      case 1:
        if (const auto pfn = pool_.Alloc()) Take(*pfn, 1);
        return;
      case 2: {
        const uint64_t frames = dice % 3 == 0 ? 32 : 8;
        const auto head = pool_.AllocBlock(frames);
        if (!head.has_value()) return;
        EXPECT_EQ((head->value() + 7) % frames, 0u);
        Take(*head, frames);
        blocks_.emplace_back(*head, frames);
        return;
      }
      default:
        Drop(dice / 4);
    }
  }
  void Check() const { EXPECT_EQ(pool_.free_frames(), 295 - taken_.size()); }
  void DropAll() {
    while (!taken_.empty()) Drop(0);
    EXPECT_EQ(pool_.free_frames(), 295u);
  }

 private:
  void Take(Pfn first, uint64_t frames) {
    for (uint64_t i = 0; i < frames; ++i) {
      EXPECT_TRUE(taken_.insert((first + i).value()).second);
    }
  }
  // A block is given up as a whole, or split and given up in pieces.
  void Drop(uint32_t dice) {
    if (!blocks_.empty()) {
      const auto [head, frames] = blocks_.back();
      blocks_.pop_back();
      if (dice % 2 == 0) {
        pool_.PutBlock(head);
        for (uint64_t i = 0; i < frames; ++i) taken_.erase(head.value() + i);
      } else {
        pool_.SplitBlock(head);
      }
      return;
    }
    if (taken_.empty()) return;
    auto it = taken_.lower_bound(dice % 300);
    if (it == taken_.end()) it = taken_.begin();
    EXPECT_TRUE(pool_.Put(Pfn(*it)));
    taken_.erase(it);
  }

  FramePool pool_;
  std::set<uint64_t> taken_;
  std::vector<std::pair<Pfn, uint64_t>> blocks_;
};

TEST(FramePoolTest, NoFrameIsLostOrGivenTwice) {
  for (uint32_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 dice(seed);
    PoolAccount account;
    for (int i = 0; i < 400; ++i) {
      account.Step(static_cast<uint32_t>(dice()));
      account.Check();
    }
    account.DropAll();
  }
}

TEST(FramePoolDeathTest, PuttingAFreeFrameIsABug) {
  FramePool pool(Pfn(0), Pfn(4));
  EXPECT_DEATH(pool.Put(Pfn(0)), "check failed");
}

}  // namespace
}  // namespace xmmu::frame_pool_test
