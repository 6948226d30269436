// Mmu::PrefetchHost(): it may be called for any address at any time, and
// nothing that is simulated depends on it.

#include <random>

#include "gtest/gtest.h"
#include "mmu/mmu_fixture.h"

namespace xmmu::prefetch_host_test {
namespace {

// Any address of a few that lie in the same and in different tables, of which
// some are mapped by large pages and some by none.
VirtAddr AnyAddress(std::mt19937& random, PagingMode mode) {
  uint64_t va = random() % 8 << LevelShift(mode, 2) | random() % 16 << 12;
  if (mode != PagingMode::k2Level) va |= random() % 2 << LevelShift(mode, 3);
  return VirtAddr(va);
}

void MapAny(TestMachine& machine, VirtAddr va, uint32_t dice) {
  const bool large = va.value() >> LevelShift(machine.mode(), 2) & 1;
  if (large) {
    machine.Map(VirtAddr(va.value() >> 22 << 22), Mfn(0x8000), kUserPage, 2);
  } else if (dice % 4 == 0) {
    machine.Store(machine.EntryAt(va, 1), 0);
  } else {
    machine.Map(va, Mfn(0x8000 + dice % 64));
  }
}

void ExpectNoEffect(PagingMode mode, bool caches, uint32_t seed) {
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  MachineModel model = *FindMachine("zen3-2020");
  model.features = TestModel().features;
  TestMachine plain(mode, model, caches);
  TestMachine prefetching(mode, model, caches);
  std::mt19937 random(seed);
  for (int i = 0; i < 3000; ++i) {
    const VirtAddr va = AnyAddress(random, mode);
    prefetching.mmu().PrefetchHost(AnyAddress(random, mode));
    if (i % 3 == 0) prefetching.mmu().PrefetchHost(VirtAddr(~uint64_t{0}));
    const auto dice = static_cast<uint32_t>(random());
    if (dice % 8 == 0) {
      MapAny(plain, va, dice / 8);
      MapAny(prefetching, va, dice / 8);
    }
    const Access access = dice % 2 == 0 ? Read(va) : Write(va);
    const TranslateResult one = plain.mmu().Translate(access);
    const TranslateResult other = prefetching.mmu().Translate(access);
    ASSERT_EQ(one.ok(), other.ok());
    if (one.ok()) {
      ASSERT_EQ(one.addr(), other.addr());
    }
  }
  EXPECT_EQ(plain.clock().tallies(), prefetching.clock().tallies());
  EXPECT_EQ(plain.mmu().TlbEntries(), prefetching.mmu().TlbEntries());
  EXPECT_EQ(plain.mmu().PagingStructureEntries(),
            prefetching.mmu().PagingStructureEntries());
}

TEST(PrefetchHostTest, NothingThatIsSimulatedDependsOnIt) {
  uint32_t seed = 1;
  for (const PagingMode mode : {PagingMode::k2Level, PagingMode::kPae,
                                PagingMode::k4Level, PagingMode::k5Level}) {
    for (const bool caches : {false, true}) {
      ExpectNoEffect(mode, caches, seed++);
    }
  }
}

}  // namespace
}  // namespace xmmu::prefetch_host_test
