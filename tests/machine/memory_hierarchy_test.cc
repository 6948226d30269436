#include "xmmu/machine/memory_hierarchy.h"

#include "gtest/gtest.h"

namespace xmmu {
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

}  // namespace
}  // namespace xmmu
