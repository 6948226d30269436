// Tests a geometry from outside by counters: how many pages the TLBs and the
// paging-structure caches serve before they evict, on both sides of each edge,
// and how many entries a walk loads from where it starts.

#include <array>
#include <ostream>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "mmu/mmu_fixture.h"

namespace xmmu::geometry_test {
namespace {

constexpr VirtAddr kBase{0x40000000};

// A machine with neither TLB nor paging-structure cache.
MachineModel BareModel() {
  MachineModel model = TestModel();
  model.tlb = {};
  model.psc = {};
  return model;
}

// ---- Loads of a walk.

struct LoadsCase {
  PagingMode mode;
  int leaf;           // level of the entry that maps the page
  uint64_t loads[5];  // cold; then with a hit at L2 (PDE), L3, L4 and L5
};

// A cache that does not lie on the path leaves the walk cold.
constexpr LoadsCase kLoadsCases[] = {
    {PagingMode::k2Level, 1, {2, 1, 2, 2, 2}},
    {PagingMode::k2Level, 2, {1, 1, 1, 1, 1}},
    {PagingMode::kPae, 1, {2, 1, 2, 2, 2}},
    {PagingMode::kPae, 2, {1, 1, 1, 1, 1}},
    {PagingMode::k4Level, 1, {4, 1, 2, 3, 4}},
    {PagingMode::k4Level, 2, {3, 3, 1, 2, 3}},
    {PagingMode::k4Level, 3, {2, 2, 2, 1, 2}},
    {PagingMode::k5Level, 1, {5, 1, 2, 3, 4}},
    {PagingMode::k5Level, 2, {4, 4, 1, 2, 3}},
    {PagingMode::k5Level, 3, {3, 3, 3, 1, 2}},
};

TEST(WalkLoadsTest, AWalkLoadsWhatLiesBelowItsDeepestHit) {
  for (const LoadsCase& c : kLoadsCases) {
    for (size_t hit = 1; hit <= 5; ++hit) {
      SCOPED_TRACE(std::string(PagingModeName(c.mode)) + ", leaf at L" +
                   std::to_string(c.leaf) + ", cache of L" +
                   std::to_string(hit));
      MachineModel model = BareModel();
      if (hit >= 2) model.psc.level[hit] = {2, 0};
      TestMachine machine(c.mode, model);
      machine.Map(kBase, Mfn(0x40000), kUserPage, c.leaf);
      EXPECT_EQ(machine.LoadsOf(Read(kBase)), c.loads[0]);
      EXPECT_EQ(machine.LoadsOf(Read(kBase)), c.loads[hit - 1]);
      EXPECT_EQ(machine.LoadsOf(Write(kBase)), c.loads[hit - 1]);
      EXPECT_EQ(machine.LoadsOf(Fetch(kBase)), c.loads[hit - 1]);
      EXPECT_EQ(machine.counters()[Counter::kPscHits],
                c.loads[hit - 1] < c.loads[0] ? 3u : 0u);
    }
  }
}

TEST(WalkLoadsTest, TheDeepestOfSeveralHitsCounts) {
  for (const LoadsCase& c : kLoadsCases) {
    MachineModel model = TestModel();
    model.tlb = {};
    TestMachine machine(c.mode, model);
    machine.Map(kBase, Mfn(0x40000), kUserPage, c.leaf);
    EXPECT_EQ(machine.LoadsOf(Read(kBase)), c.loads[0]);
    EXPECT_EQ(machine.LoadsOf(Read(kBase)), 1u);
  }
}

TEST(WalkLoadsTest, AWalkThatFaultsLoadsUpToTheBadEntry) {
  for (int level = 4; level >= 1; --level) {
    TestMachine machine;
    machine.Map(kBase, Mfn(5));
    machine.ClearFlags(kBase, level, pte::kPresent);
    EXPECT_EQ(machine.LoadsOf(Read(kBase)), static_cast<uint64_t>(5 - level));
    // A fault leaves nothing behind to start from.
    EXPECT_EQ(machine.LoadsOf(Read(kBase)), static_cast<uint64_t>(5 - level));
  }
}

// ---- Capacity and associativity.

// Walks, L2 hits and entry loads that a second round over the same pages takes.
struct Round {
  uint64_t walks = 0;
  uint64_t l2_hits = 0;
  uint64_t loads = 0;
  bool operator==(const Round&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Round& round) {
  return out << round.walks << " walks, " << round.l2_hits << " L2 hits, "
             << round.loads << " loads";
}

// `count` pages of `level`, `stride` bytes apart.
Round SecondRound(const MachineModel& model, bool fetch, int level,
                  uint64_t count, uint64_t stride,
                  PagingMode mode = PagingMode::k4Level) {
  TestMachine machine(mode, model);
  for (uint64_t i = 0; i < count; ++i) {
    machine.Map(VirtAddr(i * stride), Mfn(0x40000), kUserPage, level);
  }
  Counters before;
  for (int round = 0; round < 2; ++round) {
    before = machine.counters();
    for (uint64_t i = 0; i < count; ++i) {
      const VirtAddr va(i * stride);
      machine.MustTranslate(fetch ? Fetch(va) : Read(va));
    }
  }
  const Counters taken = machine.counters() - before;
  return {taken[Counter::kPageWalks], taken[Counter::kTlbL2Hits],
          taken[Counter::kPteLoads]};
}

uint64_t PageBytes(int level) {
  return uint64_t{1} << LevelShift(PagingMode::k4Level, level);
}

TEST(TlbGeometryTest, AnL1HoldsItsEntriesAndNotOneMore) {
  for (const bool fetch : {false, true}) {
    for (const int level : {1, 2, 3}) {
      const uint64_t page = PageBytes(level);
      for (const uint16_t ways : std::array<uint16_t, 4>{0, 16, 4, 1}) {
        MachineModel model = BareModel();
        auto& side = fetch ? model.tlb.instruction_l1 : model.tlb.data_l1;
        side[0] = {16, ways, kTlb4K | kTlbLarge | kTlb1G};
        const uint64_t real_ways = ways == 0 ? 16 : ways;
        const uint64_t sets = 16 / real_ways;
        const auto walks = [&](uint64_t count, uint64_t stride) {
          return SecondRound(model, fetch, level, count, stride).walks;
        };
        // Capacity: one page too many costs the set that it falls into.
        EXPECT_EQ(walks(16, page), 0u) << ways;
        EXPECT_EQ(walks(17, page), real_ways + 1) << ways;
        // Associativity.
        EXPECT_EQ(walks(real_ways, page * sets), 0u) << ways;
        EXPECT_EQ(walks(real_ways + 1, page * sets), real_ways + 1) << ways;
      }
    }
  }
}

TEST(TlbGeometryTest, AnEntryThatServesAgainAndAgainStaysYoung) {
  MachineModel model = BareModel();
  model.tlb.data_l1[0] = {2, 0, kTlb4K};
  TestMachine machine(PagingMode::k4Level, model);
  const VirtAddr pages[] = {VirtAddr(0), VirtAddr(0x1000), VirtAddr(0x2000)};
  for (const VirtAddr va : pages) machine.Map(va, Mfn(5));
  machine.MustTranslate(Read(pages[0]));
  machine.MustTranslate(Read(pages[1]));
  machine.MustTranslate(Read(pages[0]));  // page 1 is the oldest now
  machine.MustTranslate(Read(pages[2]));
  EXPECT_EQ(machine.LoadsOf(Read(pages[0])), 0u);
  EXPECT_EQ(machine.LoadsOf(Read(pages[1])), 4u);
}

TEST(TlbGeometryTest, TheOtherSideOfASplitL1IsNotServed) {
  MachineModel model = BareModel();
  model.tlb.data_l1[0] = {16, 0, kTlb4K};
  EXPECT_EQ(SecondRound(model, /*fetch=*/false, 1, 4, kPageSize).walks, 0u);
  EXPECT_EQ(SecondRound(model, /*fetch=*/true, 1, 4, kPageSize).walks, 4u);
}

TEST(TlbGeometryTest, AnL2ServesWhatL1EvictsUpToItsOwnEdges) {
  for (const bool fetch : {false, true}) {
    MachineModel model = BareModel();
    model.tlb.data_l1[0] = {8, 2, kTlb4K};  // 4 sets
    model.tlb.instruction_l1[0] = {8, 2, kTlb4K};
    model.tlb.data_l2[0] = {32, 4, kTlb4K};  // 8 sets
    const auto round = [&](uint64_t count, uint64_t pages_apart) {
      return SecondRound(model, fetch, 1, count, pages_apart * kPageSize);
    };
    EXPECT_EQ(round(8, 1), (Round{0, 0, 0}));    // L1 is full
    EXPECT_EQ(round(9, 1), (Round{0, 3, 0}));    // a set of L1 overflows
    EXPECT_EQ(round(2, 4), (Round{0, 0, 0}));    // L1's ways
    EXPECT_EQ(round(3, 4), (Round{0, 3, 0}));    // one more
    EXPECT_EQ(round(32, 1), (Round{0, 32, 0}));  // L2 is full
    EXPECT_EQ(round(33, 1).walks, 5u);           // a set of L2 overflows
    EXPECT_EQ(round(33, 1).l2_hits, 28u);
    EXPECT_EQ(round(4, 8), (Round{0, 4, 0}));   // L2's ways
    EXPECT_EQ(round(5, 8), (Round{5, 0, 20}));  // one more
  }
}

TEST(TlbGeometryTest, PageSizesWithArraysOfTheirOwnDoNotEvictEachOther) {
  MachineModel model = BareModel();
  model.tlb.data_l1 = {{{4, 0, kTlb4K}, {2, 0, kTlbLarge}, {1, 0, kTlb1G}}};
  TestMachine machine(PagingMode::k4Level, model);
  std::vector<VirtAddr> pages;
  for (uint64_t i = 0; i < 4; ++i) pages.push_back(VirtAddr(i * kPageSize));
  for (uint64_t i = 1; i <= 2; ++i) pages.push_back(VirtAddr(i << 21));
  pages.push_back(kBase);
  for (size_t i = 0; i < pages.size(); ++i) {
    machine.Map(pages[i], Mfn(0x40000), kUserPage, i < 4 ? 1 : i < 6 ? 2 : 3);
  }
  for (const VirtAddr va : pages) machine.MustTranslate(Read(va));
  for (const VirtAddr va : pages) EXPECT_EQ(machine.LoadsOf(Read(va)), 0u);
}

TEST(StructureCacheGeometryTest, ALevelHoldsItsEntriesAndNotOneMore) {
  const PagingMode mode = PagingMode::k5Level;
  for (size_t level = 2; level <= 5; ++level) {
    const uint64_t region = uint64_t{1}
                            << LevelShift(mode, static_cast<int>(level));
    for (const uint16_t ways : std::array<uint16_t, 4>{0, 8, 2, 1}) {
      MachineModel model = BareModel();
      model.psc.level[level] = {8, ways};
      const uint64_t real_ways = ways == 0 ? 8 : ways;
      const uint64_t sets = 8 / real_ways;
      const uint64_t hit = level - 1;  // loads below a hit
      const auto loads = [&](uint64_t count, uint64_t stride) {
        return SecondRound(model, false, 1, count, stride, mode).loads;
      };
      const uint64_t over = real_ways + 1;
      EXPECT_EQ(loads(8, region), 8 * hit) << level << " " << ways;
      EXPECT_EQ(loads(9, region), (9 - over) * hit + over * 5);
      EXPECT_EQ(loads(real_ways, region * sets), real_ways * hit);
      EXPECT_EQ(loads(over, region * sets), over * 5) << level << " " << ways;
    }
  }
}

}  // namespace
}  // namespace xmmu::geometry_test
