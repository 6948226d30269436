#include "xmmu/mmu/internal/paging_structure_cache.h"

#include "gtest/gtest.h"
#include "mmu/mmu_fixture.h"

namespace xmmu::paging_structure_cache_test {
namespace {

constexpr VirtAddr kVa{0x123456789000};

PagingStructureCacheGeometry Geometry(uint16_t entries, uint16_t ways = 0) {
  PagingStructureCacheGeometry geometry;
  for (size_t level = 2; level <= 5; ++level) {
    geometry.level[level] = {entries, ways};
  }
  return geometry;
}

void FillAt(PagingStructureCache& cache, int level, VirtAddr va,
            uint16_t pcid = 0) {
  cache.Fill(level, va, pcid, MachineAddr(0x1000u * unsigned(level)),
             rights::kAll);
}

TEST(PagingStructureCacheTest, TheDeepestEntryIsFound) {
  PagingStructureCache cache(Geometry(4));
  EXPECT_EQ(cache.Lookup(kVa, 0), nullptr);
  for (const int level : {4, 3, 2}) {
    FillAt(cache, level, kVa);
    ASSERT_NE(cache.Lookup(kVa, 0), nullptr);
    EXPECT_EQ(cache.Lookup(kVa, 0)->level, level);
    EXPECT_EQ(cache.Lookup(kVa, 0)->table,
              MachineAddr(0x1000u * unsigned(level)));
  }
}

TEST(PagingStructureCacheTest, AnEntryServesItsRegionAndNoFurther) {
  for (const PagingMode mode : {PagingMode::k2Level, PagingMode::k4Level}) {
    PagingStructureCache cache(Geometry(4));
    cache.SetMode(mode);
    const uint64_t bytes = uint64_t{1} << LevelShift(mode, 2);
    const VirtAddr va(bytes * 3);
    FillAt(cache, 2, va + 0x5000);
    EXPECT_NE(cache.Lookup(va, 0), nullptr);
    EXPECT_NE(cache.Lookup(va + (bytes - 1), 0), nullptr);
    EXPECT_EQ(cache.Lookup(va - uint64_t{1}, 0), nullptr);
    EXPECT_EQ(cache.Lookup(va + bytes, 0), nullptr);
    EXPECT_EQ(cache.Entries()[0].va, va);
  }
}

TEST(PagingStructureCacheTest, OneMoreThanItHoldsEvictsTheLeastRecentlyUsed) {
  PagingStructureCache cache(Geometry(2));
  const VirtAddr a(uint64_t{1} << 21);
  const VirtAddr b(uint64_t{2} << 21);
  const VirtAddr c(uint64_t{3} << 21);
  FillAt(cache, 2, a);
  FillAt(cache, 2, b);
  EXPECT_NE(cache.Lookup(a, 0), nullptr);
  EXPECT_NE(cache.Lookup(b, 0), nullptr);
  EXPECT_NE(cache.Lookup(a, 0), nullptr);
  FillAt(cache, 2, c);
  EXPECT_NE(cache.Lookup(a, 0), nullptr);
  EXPECT_EQ(cache.Lookup(b, 0), nullptr);
  EXPECT_NE(cache.Lookup(c, 0), nullptr);
}

// Whether one PCID is held or two, what is dropped is the same, and the order of
// use starts anew.
TEST(PagingStructureCacheTest, DroppingAPcidSparesTheOthers) {
  for (const bool two : {false, true}) {
    PagingStructureCache cache(Geometry(2));
    const VirtAddr a(uint64_t{1} << 21);
    const VirtAddr b(uint64_t{2} << 21);
    if (two) FillAt(cache, 3, kVa, 2);
    FillAt(cache, 2, a, 1);
    FillAt(cache, 2, b, 1);
    FillAt(cache, 4, a, 1);
    cache.DropPcid(3);
    EXPECT_EQ(cache.Entries().size(), two ? 4u : 3u);
    cache.DropPcid(1);
    EXPECT_EQ(cache.Entries().size(), two ? 1u : 0u);
    EXPECT_EQ(cache.Lookup(a, 1), nullptr);
    EXPECT_EQ(cache.Lookup(kVa, 2) != nullptr, two);
    FillAt(cache, 2, b, 1);
    FillAt(cache, 2, a, 1);
    FillAt(cache, 2, VirtAddr(uint64_t{3} << 21), 1);
    EXPECT_EQ(cache.Lookup(b, 1), nullptr);
    EXPECT_NE(cache.Lookup(a, 1), nullptr);
    cache.DropAll();
    EXPECT_TRUE(cache.Entries().empty());
  }
}

TEST(PagingStructureCacheTest, SetsAreChosenByTheRegionNumber) {
  PagingStructureCache cache(Geometry(4, 2));   // 2 sets
  for (const uint64_t region : {0u, 2u, 4u}) {  // set 0, thrice
    FillAt(cache, 2, VirtAddr(region << 21));
  }
  FillAt(cache, 2, VirtAddr(uint64_t{1} << 21));
  EXPECT_EQ(cache.Lookup(VirtAddr(0), 0), nullptr);
  EXPECT_EQ(cache.Entries().size(), 3u);
}

TEST(PagingStructureCacheTest, ALevelWithoutACacheTakesNothing) {
  PagingStructureCacheGeometry geometry = Geometry(4);
  geometry.level[2].entries = 0;
  PagingStructureCache cache(geometry);
  FillAt(cache, 2, kVa);
  EXPECT_TRUE(cache.Entries().empty());
  FillAt(cache, 3, kVa);
  EXPECT_EQ(cache.Lookup(kVa, 0)->level, 3);
}

TEST(PagingStructureCacheTest, RefillingAnEntryReplacesIt) {
  PagingStructureCache cache(Geometry(4));
  FillAt(cache, 2, kVa);
  cache.Fill(2, kVa, 0, MachineAddr(0x7000), rights::kUser);
  EXPECT_EQ(cache.Entries().size(), 1u);
  EXPECT_EQ(cache.Lookup(kVa, 0)->table, MachineAddr(0x7000));
  EXPECT_EQ(cache.Lookup(kVa, 0)->rights, rights::kUser);
}

TEST(PagingStructureCacheTest, EntriesMatchUnderTheirOwnPcid) {
  PagingStructureCache cache(Geometry(4));
  FillAt(cache, 2, kVa, 1);
  EXPECT_EQ(cache.Lookup(kVa, 0), nullptr);
  EXPECT_NE(cache.Lookup(kVa, 1), nullptr);
  FillAt(cache, 2, kVa, 2);
  cache.DropPcid(1);
  EXPECT_EQ(cache.Lookup(kVa, 1), nullptr);
  EXPECT_NE(cache.Lookup(kVa, 2), nullptr);
}

TEST(PagingStructureCacheTest, DropAddressDropsAllLevelsOfThatPathOnly) {
  PagingStructureCache cache(Geometry(4));
  const VirtAddr other(kVa.value() ^ uint64_t{1} << 40);
  for (const int level : {2, 3, 4}) {
    FillAt(cache, level, kVa);
    FillAt(cache, level, other);
  }
  cache.DropAddress(kVa, 0);
  EXPECT_EQ(cache.Lookup(kVa, 0), nullptr);
  EXPECT_EQ(cache.Lookup(other, 0)->level, 2);
  cache.DropAll();
  EXPECT_TRUE(cache.Entries().empty());
}

// The following tests use the cache as the walker does.

TEST(PagingStructureCacheWalkTest, LoadsFollowTheDeepestHit) {
  TestMachine machine;
  machine.Map(kVa, Mfn(5));
  machine.Map(kVa + kPageSize, Mfn(6));            // same PDE
  machine.Map(kVa + (uint64_t{1} << 21), Mfn(7));  // same PDPTE
  machine.Map(kVa + (uint64_t{1} << 30), Mfn(8));  // same PML4E
  machine.Map(VirtAddr(0x7fff00000000), Mfn(9));   // other PML4E
  EXPECT_EQ(machine.LoadsOf(Read(kVa)), 4u);       // cold
  EXPECT_EQ(machine.counters()[Counter::kPscHits], 0u);
  EXPECT_EQ(machine.LoadsOf(Read(kVa)), 0u);  // TLB
  EXPECT_EQ(machine.LoadsOf(Read(kVa + kPageSize)), 1u);
  EXPECT_EQ(machine.LoadsOf(Read(kVa + (uint64_t{1} << 21))), 2u);
  EXPECT_EQ(machine.LoadsOf(Read(kVa + (uint64_t{1} << 30))), 3u);
  EXPECT_EQ(machine.counters()[Counter::kPscHits], 3u);
  EXPECT_EQ(machine.LoadsOf(Read(VirtAddr(0x7fff00000000))), 4u);
}

TEST(PagingStructureCacheWalkTest, FiveLevelsStartFromThePml5eCacheToo) {
  TestMachine machine(PagingMode::k5Level);
  machine.Map(kVa, Mfn(5));
  machine.Map(kVa + (uint64_t{1} << 40), Mfn(6));
  EXPECT_EQ(machine.LoadsOf(Read(kVa)), 5u);
  EXPECT_EQ(machine.LoadsOf(Read(kVa + (uint64_t{1} << 40))), 4u);
}

TEST(PagingStructureCacheWalkTest, PaeCachesPdesOnly) {
  TestMachine machine(PagingMode::kPae);
  const VirtAddr va(0x40000000);
  machine.Map(va, Mfn(5));
  machine.Map(va + kPageSize, Mfn(6));
  machine.Map(va + (uint64_t{1} << 21), Mfn(7));
  EXPECT_EQ(machine.LoadsOf(Read(va)), 2u);
  EXPECT_EQ(machine.LoadsOf(Read(va + kPageSize)), 1u);
  EXPECT_EQ(machine.LoadsOf(Read(va + (uint64_t{1} << 21))), 2u);
}

TEST(PagingStructureCacheWalkTest, AHitBringsTheRightsAboveIt) {
  TestMachine machine;
  machine.Map(kVa, Mfn(5));
  machine.Map(kVa + kPageSize, Mfn(6));
  machine.ClearFlags(kVa, 4, pte::kWritable);
  machine.ClearFlags(kVa, 3, pte::kUser);
  machine.SetFlags(kVa, 2, pte::kNoExecute);
  machine.MustTranslate(Read(kVa));
  machine.MustTranslate(Read(kVa + kPageSize));
  for (const TlbEntry& entry : machine.mmu().TlbEntries()) {
    EXPECT_FALSE(entry.writable());
    EXPECT_FALSE(entry.user());
    EXPECT_TRUE(entry.no_execute());
  }
}

TEST(PagingStructureCacheWalkTest, AStaleUpperEntryIsUsedUntilInvalidated) {
  TestMachine machine;
  machine.Map(kVa, Mfn(5));
  machine.Map(kVa + kPageSize, Mfn(6));
  machine.MustTranslate(Read(kVa));
  machine.ClearFlags(kVa, 4, pte::kPresent);
  EXPECT_EQ(machine.MustTranslate(Read(kVa + kPageSize)), AddressOf(Mfn(6)));
  machine.mmu().Invlpg(kVa + kPageSize);
  EXPECT_EQ(machine.ErrorCode(Read(kVa + kPageSize)), 0u);
}

TEST(PagingStructureCacheWalkTest, ALeafOfALargePageIsNoStructureEntry) {
  TestMachine machine;
  machine.Map(VirtAddr(0x40000000), Mfn(0x200), kUserPage, 2);
  machine.MustTranslate(Read(VirtAddr(0x40000000)));
  for (const auto& entry : machine.mmu().PagingStructureEntries()) {
    EXPECT_GT(entry.level, 2);
  }
  EXPECT_EQ(machine.mmu().PagingStructureEntries().size(), 2u);
}

}  // namespace
}  // namespace xmmu::paging_structure_cache_test
