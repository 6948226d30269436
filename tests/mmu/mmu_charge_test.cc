// Tests exactly what each step of a translation charges and counts.

#include <iterator>
#include <vector>

#include "gtest/gtest.h"
#include "mmu/mmu_fixture.h"

namespace xmmu::mmu_charge_test {
namespace {

constexpr VirtAddr kVa{0x40201000};
constexpr Mfn kFrame{0x345};

class ChargeTest : public testing::Test {
 protected:
  // Cycles that `access` takes.
  uint64_t CyclesOf(TestMachine& machine, const Access& access) {
    const Cycles before = machine.clock().busy();
    static_cast<void>(machine.mmu().Translate(access));
    return (machine.clock().busy() - before).count();
  }
  static uint64_t Price(TestMachine& machine, CostEvent event) {
    return machine.clock().price(event);
  }
};

TEST_F(ChargeTest, FlatWalkThenL1HitThenL2Hit) {
  MachineModel model = TestModel();
  model.tlb.data_l1[0].entries = 1;
  TestMachine m(PagingMode::k4Level, model);
  m.Map(kVa, kFrame);
  m.Map(kVa + kPageSize, Mfn(0x346));
  EXPECT_EQ(CyclesOf(m, Read(kVa)), Price(m, CostEvent::kWalkOverhead) +
                                        4 * Price(m, CostEvent::kPteLoadFlat));
  EXPECT_EQ(CyclesOf(m, Read(kVa)), 0u);
  EXPECT_EQ(
      CyclesOf(m, Read(kVa + kPageSize)),
      Price(m, CostEvent::kWalkOverhead) + Price(m, CostEvent::kPteLoadFlat));
  EXPECT_EQ(CyclesOf(m, Read(kVa)), Price(m, CostEvent::kTlbL2Hit));
  EXPECT_EQ(CyclesOf(m, Read(kVa)), 0u);
  EXPECT_EQ(m.counters()[Counter::kTlbL1Hits], 2u);
  EXPECT_EQ(m.counters()[Counter::kTlbL2Hits], 1u);
  EXPECT_EQ(m.counters()[Counter::kPageWalks], 2u);
  EXPECT_EQ(m.counters()[Counter::kPteLoads], 5u);
}

TEST_F(ChargeTest, WithTwoWalkersOneWalkIsLeftOutstanding) {
  for (const int walkers : {1, 2}) {
    TestMachine m;
    m.Map(kVa, kFrame);
    m.Map(kVa + kPageSize, Mfn(0x346));
    m.clock().SetOverlap({.walkers = walkers});
    m.MustTranslate(Read(kVa));
    const Cycles first = m.clock().busy();
    EXPECT_EQ(m.clock().now(), walkers == 1 ? first : Cycles(0));
    // The shorter one ends first, for it starts with a cached entry.
    m.MustTranslate(Read(kVa + kPageSize));
    EXPECT_EQ(m.clock().now(),
              walkers == 1 ? m.clock().busy() : m.clock().busy() - first);
    m.clock().Charge(CostEvent::kExceptionEntry, 0);
    EXPECT_EQ(m.clock().now(), walkers == 1 ? m.clock().busy() : first);
  }
}

TEST_F(ChargeTest, AccessedAndDirtyUpdatesAreChargedOncePerEntry) {
  TestMachine m;
  m.Map(kVa, kFrame, kUserPage & ~(pte::kAccessed | pte::kDirty));
  m.ClearFlags(kVa, 2, pte::kAccessed);
  EXPECT_EQ(CyclesOf(m, Write(kVa)), Price(m, CostEvent::kWalkOverhead) +
                                         4 * Price(m, CostEvent::kPteLoadFlat) +
                                         2 * Price(m, CostEvent::kAdUpdate));
}

TEST_F(ChargeTest, ADirtyRewalkChargesTheWalkAndNoTlbHit) {
  TestMachine m;
  m.Map(kVa, kFrame, kUserPage & ~pte::kDirty);
  m.MustTranslate(Read(kVa));
  EXPECT_EQ(CyclesOf(m, Write(kVa)), Price(m, CostEvent::kWalkOverhead) +
                                         Price(m, CostEvent::kPteLoadFlat) +
                                         Price(m, CostEvent::kAdUpdate));
  EXPECT_EQ(m.counters()[Counter::kTlbL1Hits], 0u);
}

TEST_F(ChargeTest, AFaultingWalkIsChargedAndTheFaultItselfIsNot) {
  TestMachine m;
  EXPECT_EQ(CyclesOf(m, Read(kVa)), Price(m, CostEvent::kWalkOverhead) +
                                        Price(m, CostEvent::kPteLoadFlat));
}

TEST_F(ChargeTest, LoadsAreChargedAtTheLevelThatServesThem) {
  MachineModel model = TestModel();
  model.l1 = {.bytes = 4096, .ways = 4};
  model.l2 = {.bytes = 65536, .ways = 4};
  model.l3 = {.bytes = 1 << 20, .ways = 4};
  model.psc = PagingStructureCacheGeometry{};
  TestMachine m(PagingMode::k4Level, model, /*caches=*/true);
  m.Map(kVa, kFrame);
  EXPECT_EQ(CyclesOf(m, Read(kVa)), Price(m, CostEvent::kWalkOverhead) +
                                        4 * Price(m, CostEvent::kPteLoadDram));
  m.mmu().Invlpg(kVa);
  EXPECT_EQ(CyclesOf(m, Read(kVa)), Price(m, CostEvent::kWalkOverhead) +
                                        4 * Price(m, CostEvent::kPteLoadL1));
  EXPECT_EQ(m.clock().tally(CostEvent::kPteLoadFlat), 0u);
}

TEST_F(ChargeTest, EachCacheHasItsOwnPrice) {
  const CacheGeometry cache = {.bytes = 65536, .ways = 4};
  const CostEvent events[] = {CostEvent::kPteLoadL1, CostEvent::kPteLoadL2,
                              CostEvent::kPteLoadL3, CostEvent::kPteLoadDram};
  for (size_t first = 0; first < std::size(events); ++first) {
    // The caches before `first` are not there.
    MachineModel model = TestModel();
    model.l1 = first == 0 ? cache : CacheGeometry{};
    model.l2 = first <= 1 ? cache : CacheGeometry{};
    model.l3 = first <= 2 ? cache : CacheGeometry{};
    model.psc = PagingStructureCacheGeometry{};
    TestMachine m(PagingMode::k4Level, model, /*caches=*/true);
    m.Map(kVa, kFrame);
    m.MustTranslate(Read(kVa));
    m.mmu().Invlpg(kVa);
    EXPECT_EQ(CyclesOf(m, Read(kVa)),
              Price(m, CostEvent::kWalkOverhead) + 4 * Price(m, events[first]))
        << first;
  }
}

TEST_F(ChargeTest, PaePdpteRegistersAreNoLoads) {
  TestMachine m(PagingMode::kPae);
  m.Map(kVa, kFrame);
  EXPECT_EQ(CyclesOf(m, Read(kVa)), Price(m, CostEvent::kWalkOverhead) +
                                        2 * Price(m, CostEvent::kPteLoadFlat));
  const VirtAddr absent(0xc0000000);
  EXPECT_EQ(CyclesOf(m, Read(absent)), Price(m, CostEvent::kWalkOverhead));
}

}  // namespace
}  // namespace xmmu::mmu_charge_test
