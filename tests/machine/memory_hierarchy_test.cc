#include "xmmu/machine/memory_hierarchy.h"

#include <optional>

#include "gtest/gtest.h"

namespace xmmu::memory_hierarchy_test {
namespace {

// Four sets of two ways.
constexpr CacheGeometry kSmall = {.bytes = 512, .ways = 2};

MachineAddr LineOf(uint64_t set, uint64_t tag) {
  return MachineAddr((tag * 4 + set) * 64);
}

TEST(CacheArrayTest, AsManyLinesAsWaysStayInASet) {
  CacheArray cache(kSmall);
  EXPECT_FALSE(cache.Touch(LineOf(1, 0)));
  EXPECT_FALSE(cache.Touch(LineOf(1, 1)));
  EXPECT_TRUE(cache.Touch(LineOf(1, 0)));
  EXPECT_TRUE(cache.Touch(LineOf(1, 1)));
}

TEST(CacheArrayTest, OneMoreLineEvictsTheLeastRecentlyUsed) {
  CacheArray cache(kSmall);
  cache.Touch(LineOf(1, 0));
  cache.Touch(LineOf(1, 1));
  cache.Touch(LineOf(1, 0));
  cache.Touch(LineOf(1, 2));
  EXPECT_TRUE(cache.Touch(LineOf(1, 0)));
  EXPECT_FALSE(cache.Touch(LineOf(1, 1)));
}

TEST(CacheArrayTest, OtherSetsAreLeftAlone) {
  CacheArray cache(kSmall);
  cache.Touch(LineOf(0, 0));
  for (uint64_t tag = 0; tag < 8; ++tag) cache.Touch(LineOf(1, tag));
  EXPECT_TRUE(cache.Touch(LineOf(0, 0)));
}

TEST(CacheArrayTest, AllBytesOfALineAreOneLine) {
  CacheArray cache(kSmall);
  cache.Touch(MachineAddr(0x1000));
  EXPECT_TRUE(cache.Touch(MachineAddr(0x103f)));
  EXPECT_FALSE(cache.Touch(MachineAddr(0x1040)));
}

TEST(CacheArrayTest, AnAbsentCacheNeverHits) {
  CacheArray cache({.bytes = 0});
  EXPECT_TRUE(cache.absent());
  EXPECT_FALSE(cache.Touch(MachineAddr(0)));
  EXPECT_FALSE(cache.Touch(MachineAddr(0)));
}

TEST(MemoryHierarchyTest, ALineIsServedByTheNearestCacheThatHoldsIt) {
  const MachineModel& model = *FindMachine("skylake-2017");
  CacheArray l3(model.l3);
  MemoryHierarchy one(model, &l3);
  MemoryHierarchy other(model, &l3);
  EXPECT_EQ(one.Touch(MachineAddr(0x1000)), MemoryLevel::kDram);
  EXPECT_EQ(one.Touch(MachineAddr(0x1000)), MemoryLevel::kL1);
  // The L3 is shared, the inner caches are not.
  EXPECT_EQ(other.Touch(MachineAddr(0x1000)), MemoryLevel::kL3);
  one.Clear();
  EXPECT_EQ(one.Touch(MachineAddr(0x1000)), MemoryLevel::kL3);
}

TEST(MemoryHierarchyTest, WhatTheL1LosesTheL2StillHas) {
  const MachineModel& model = *FindMachine("skylake-2017");
  CacheArray l3(model.l3);
  MemoryHierarchy caches(model, &l3);
  caches.Touch(MachineAddr(0));
  // Eight more lines of the same L1 set (64 sets of 64 bytes).
  for (uint64_t i = 1; i <= 8; ++i) caches.Touch(MachineAddr(i * 4096));
  EXPECT_EQ(caches.Touch(MachineAddr(0)), MemoryLevel::kL2);
}

TEST(CacheArrayTest, ResistingThrashingKeepsAPartOfWhatDoesNotFit) {
  CacheArray plain(kSmall);
  CacheArray resists(kSmall, /*resists_thrashing=*/true);
  int plain_hits = 0;
  int hits = 0;
  for (int round = 0; round < 64; ++round) {
    for (uint64_t tag = 0; tag < 3; ++tag) {
      plain_hits += plain.Touch(LineOf(0, tag));
      hits += resists.Touch(LineOf(0, tag));
    }
  }
  EXPECT_EQ(plain_hits, 0);
  EXPECT_GT(hits, 40);
}

TEST(CacheArrayTest, APrefetchedLineIsMarkedUntilItsFirstUse) {
  CacheArray cache(kSmall);
  cache.Fill(8, 8, /*prefetched=*/true);
  EXPECT_TRUE(cache.Holds(8));
  EXPECT_EQ(cache.Use(8, 8), CacheArray::Found::kPrefetched);
  EXPECT_EQ(cache.Use(8, 8), CacheArray::Found::kYes);
}

TEST(CacheArrayTest, FillSaysWhatItEvicts) {
  CacheArray cache(kSmall);
  EXPECT_EQ(cache.Fill(0, 0), kNoLine);
  EXPECT_EQ(cache.Fill(4, 4), kNoLine);
  EXPECT_EQ(cache.Fill(8, 8), 0u);
  cache.Drop(4);
  EXPECT_EQ(cache.Fill(12, 12), kNoLine);
}

// Loads, with a clock of which nothing else takes time.
class LoadTest : public testing::Test {
 protected:
  void Use(const MachineModel& model) {
    model_ = model;
    l3_.emplace(model_.l3, model_.cache_rules.thrash_resistant_l3);
    caches_.emplace(model_, &*l3_);
    clock_.emplace(model_.prices());
  }
  DataAccess Load(uint64_t addr) { return Load(addr, addr); }
  DataAccess Load(uint64_t addr, uint64_t va) {
    const DataAccess access =
        caches_->Load(MachineAddr(addr), VirtAddr(va), clock_->now());
    access.Charge(*clock_);
    return access;
  }
  uint64_t price(CostEvent event) const { return model_.cost(event).value; }

  MachineModel model_;
  std::optional<CacheArray> l3_;
  std::optional<MemoryHierarchy> caches_;
  std::optional<CycleClock> clock_;
};

TEST_F(LoadTest, AnOpenRowIsFasterThanAnother) {
  Use(*FindMachine("xeon-2003"));
  EXPECT_FALSE(Load(0).row_hit);
  EXPECT_TRUE(Load(256).row_hit);
  EXPECT_EQ(clock_->busy().count(),
            price(CostEvent::kDataDram) + price(CostEvent::kDataDramRowHit));
}

TEST_F(LoadTest, ALoadWaitsForALineThatIsUnderWay) {
  Use(*FindMachine("core2-2006"));
  Load(0);
  Load(128);  // and its pair
  const uint64_t begin = clock_->now().count();
  const DataAccess access = Load(192);
  EXPECT_EQ(access.level, MemoryLevel::kL2);
  // Both lines were asked for at the same time, and the load before has waited.
  EXPECT_EQ(access.wait, 0u);
  EXPECT_EQ(clock_->now().count() - begin, price(CostEvent::kDataL2));
  Load(256);
  EXPECT_GT(clock_->tally(CostEvent::kDataWait), 0u);
}

TEST_F(LoadTest, AnExclusiveL2HoldsWhatL1LosesAndNothingElse) {
  Use(*FindMachine("opteron-2005"));
  constexpr uint64_t kWay = 32 * 1024;
  Load(0);
  Load(kWay);
  Load(2 * kWay);                              // evicts the first
  EXPECT_EQ(Load(0).level, MemoryLevel::kL2);  // evicts the second
  EXPECT_EQ(Load(0).level, MemoryLevel::kL1);
  EXPECT_EQ(Load(kWay).level, MemoryLevel::kL2);
}

// Lines of one set of either, 64 KiB apart: two ways and sixteen.
TEST_F(LoadTest, AnExclusiveL2AddsItsWaysToThoseOfL1) {
  Use(*FindMachine("opteron-2005"));
  const auto lap = [&](uint64_t lines) {
    for (uint64_t i = 0; i < lines; ++i) Load(i << 16);
  };
  lap(18);
  const CostTally before = clock_->tallies();
  lap(18);
  EXPECT_EQ(clock_->tally(CostEvent::kDataDram),
            before[static_cast<size_t>(CostEvent::kDataDram)]);
  lap(19);
  lap(19);
  EXPECT_GT(clock_->tally(CostEvent::kDataDram),
            before[static_cast<size_t>(CostEvent::kDataDram)] + 1);
}

TEST_F(LoadTest, TheL1OfTheK8IsIndexedByLinearAddress) {
  Use(*FindMachine("opteron-2005"));
  // Three frames of the same colour, at pages of different colours.
  Load(0, 0x0000);
  Load(0x8000, 0x1000);
  Load(0x10000, 0x2000);
  EXPECT_EQ(Load(0, 0x0000).level, MemoryLevel::kL1);
}

TEST_F(LoadTest, WalksOfTheP4FindNothingInL1) {
  Use(*FindMachine("xeon-2003"));
  caches_->Touch(MachineAddr(0x1000));
  EXPECT_EQ(caches_->Touch(MachineAddr(0x1000)), MemoryLevel::kL2);
  Load(0x1000);
  EXPECT_EQ(Load(0x1000).level, MemoryLevel::kL1);
  EXPECT_EQ(caches_->Touch(MachineAddr(0x1000)), MemoryLevel::kL2);
}

TEST_F(LoadTest, WalksStartNoPrefetcher) {
  Use(*FindMachine("skylake-2017"));
  for (uint64_t line = 0; line < 8; ++line) {
    EXPECT_EQ(caches_->Touch(MachineAddr(line * 64)), MemoryLevel::kDram);
  }
}

}  // namespace
}  // namespace xmmu::memory_hierarchy_test
