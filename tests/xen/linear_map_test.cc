// What update_va_mapping costs by how Xen reaches the entry, event by event:
// through a linear map, the L2 entry through one, or by a walk in software.

#include <gtest/gtest.h>

#include "xen/direct/pv_fixture.h"
#include "xen/layout.h"

namespace xmmu::linear_map_test {
namespace {

constexpr VirtAddr kVa{0x400000};
constexpr uint64_t kBigLock = 1;  // of Xen 3.0

struct Way {
  const char* name;
  PagingMode mode;
  LinearMap linear_map;
  const char* machine;
  // Operations beyond the references of the page mapped.
  uint64_t locked;
  uint64_t maps;
  uint64_t reads;  // Xen's own loads of entries
  // Entries that the hardware loads for a cold access to the linear map.
  uint64_t loads;
};

constexpr std::array kWays = {
    Way{"TwoLevelDefault", PagingMode::k2Level, LinearMap::kDefault,
        "xeon-2003", kBigLock, 0, 1, 2},
    Way{"TwoLevelPerTable", PagingMode::k2Level, LinearMap::kPerTable,
        "xeon-2003", kBigLock, 0, 1, 2},
    Way{"TwoLevelNone", PagingMode::k2Level, LinearMap::kNone, "xeon-2003",
        kBigLock + 4, 2, 2, 0},
    Way{"PaeDefault", PagingMode::kPae, LinearMap::kDefault, "xeon-2003", 4, 3,
        3, 0},
    Way{"PaePerTable", PagingMode::kPae, LinearMap::kPerTable, "xeon-2003", 0,
        0, 1, 2},
    Way{"PaeSharedL2", PagingMode::kPae, LinearMap::kSharedL2, "xeon-2003", 0,
        0, 1, 2},
    Way{"PaeNone", PagingMode::kPae, LinearMap::kNone, "xeon-2003", 4, 3, 3, 0},
    Way{"PaeSharedL2InLongModeMachine", PagingMode::kPae, LinearMap::kSharedL2,
        "skylake-2017", 0, 0, 1, 2},
    Way{"FourLevelDefault", PagingMode::k4Level, LinearMap::kDefault,
        "skylake-2017", 4, 1, 2, 4},
    Way{"FourLevelPerTable", PagingMode::k4Level, LinearMap::kPerTable,
        "skylake-2017", 0, 0, 1, 4},
    Way{"FourLevelNone", PagingMode::k4Level, LinearMap::kNone, "skylake-2017",
        4, 4, 4, 0},
};

struct Events {
  uint64_t locked;
  uint64_t maps;
  uint64_t reads;
  uint64_t writes;
  uint64_t walks;
  uint64_t loads;
};

Events Now(PvGuest& guest) {
  const CycleClock& clock = guest.clock();
  const Counters& counters = guest.cpu().counters;
  return {
      clock.tally(CostEvent::kLockedOp),   clock.tally(CostEvent::kTempMap),
      clock.tally(CostEvent::kXenPteRead), clock.tally(CostEvent::kXenPteCas),
      counters[Counter::kPageWalks],       counters[Counter::kPteLoads]};
}

class LinearMapTest : public testing::TestWithParam<Way> {
 protected:
  LinearMapTest()
      : guest({.mode = GetParam().mode,
               .machine = GetParam().machine,
               .linear_map = GetParam().linear_map}) {
    guest.Hook(guest.Frame(10), kVa);
  }

  // A read-only page takes one reference, its predecessor's gives one back.
  Events Update(uint64_t pfn) {
    const Events before = Now(guest);
    EXPECT_EQ(guest.UpdateVa(kVa, Pte(guest.Frame(pfn), kRo)), XenErrno::kOk);
    const Events now = Now(guest);
    return {now.locked - before.locked, now.maps - before.maps,
            now.reads - before.reads,   now.writes - before.writes,
            now.walks - before.walks,   now.loads - before.loads};
  }
  bool walks() const { return GetParam().loads == 0; }

  PvGuest guest;
};

TEST_P(LinearMapTest, AnUpdateTakesTheseLocksMappingsAndLoads) {
  const Events cold = Update(20);
  EXPECT_EQ(cold.locked, GetParam().locked + 1);
  EXPECT_EQ(cold.maps, GetParam().maps);
  EXPECT_EQ(cold.reads, GetParam().reads);
  EXPECT_EQ(cold.writes, 1u);
  EXPECT_EQ(cold.walks, walks() ? 0u : 1u);
  EXPECT_EQ(cold.loads, GetParam().loads);
  EXPECT_EQ(guest.Get(guest.Frame(10), IndexOf(guest.mode, 1, kVa)).frame(),
            guest.Frame(20));
}

TEST_P(LinearMapTest, AWarmLinearMapIsNoWalk) {
  Update(20);
  const Events warm = Update(21);
  EXPECT_EQ(warm.locked, GetParam().locked + 2);
  EXPECT_EQ(warm.maps, GetParam().maps);
  EXPECT_EQ(warm.walks, 0u);
  EXPECT_EQ(warm.loads, 0u);
}

TEST_P(LinearMapTest, AFlushMakesItColdAgain) {
  Update(20);
  ASSERT_EQ(guest.Op({.command = MmuextCommand::kTlbFlushLocal}),
            XenErrno::kOk);
  EXPECT_EQ(Update(21).walks, walks() ? 0u : 1u);
}

// The hardware goes through the guest's own entries, and marks them; a walk in
// software does not.
TEST_P(LinearMapTest, TheMapSetsAccessedBitsOnTheWay) {
  const int slot = IndexOf(guest.mode, 2, kVa);
  Mfn l2 = guest.root;
  for (int level = LevelCount(guest.mode); level > 2; --level) {
    l2 = guest.Get(l2, IndexOf(guest.mode, level, kVa)).frame();
  }
  ASSERT_EQ(guest.Update(l2, slot, Pte(guest.Frame(10), 7)), XenErrno::kOk);
  Update(20);
  const bool through_l2 = guest.mode != PagingMode::k4Level ||
                          GetParam().linear_map != LinearMap::kDefault;
  EXPECT_EQ(guest.Get(l2, slot).accessed(), !walks() && through_l2);
}

TEST_P(LinearMapTest, WhatHasNoL1IsRefused) {
  EXPECT_EQ(guest.UpdateVa(VirtAddr(0x80000000), Pte(guest.Frame(20), kRo)),
            XenErrno::kEINVAL);
  EXPECT_EQ(
      guest.UpdateVa(HypervisorStart(guest.mode), Pte(guest.Frame(20), kRo)),
      XenErrno::kEINVAL);
}

TEST_P(LinearMapTest, GlobalPagesAreXen417s) {
  const bool xen30 = guest.mode == PagingMode::k2Level ||
                     (guest.mode == PagingMode::kPae &&
                      GetParam().linear_map != LinearMap::kDefault);
  EXPECT_EQ(guest.UpdateVa(kVa, Pte(guest.Frame(20), kRo | pte::kGlobal)),
            xen30 ? XenErrno::kEINVAL : XenErrno::kOk);
  EXPECT_EQ(guest.domain->may_use_global(), !xen30);
}

INSTANTIATE_TEST_SUITE_P(Ways, LinearMapTest, testing::ValuesIn(kWays),
                         [](const testing::TestParamInfo<Way>& way) {
                           return std::string(way.param.name);
                         });

TEST(LinearMapNameTest, EveryNameIsFound) {
  for (const LinearMap linear_map : AllLinearMaps()) {
    EXPECT_EQ(ParseLinearMap(LinearMapName(linear_map)), linear_map);
    EXPECT_FALSE(LinearMapHelp(linear_map).empty());
  }
  EXPECT_EQ(ParseLinearMap("linear"), std::nullopt);
}

TEST(LinearMapNameTest, OnlyPaeGuestsShareAnL2) {
  for (const PagingMode mode : kAllPagingModes) {
    EXPECT_EQ(HasLinearMap(LinearMap::kSharedL2, mode),
              mode == PagingMode::kPae);
    EXPECT_TRUE(HasLinearMap(LinearMap::kPerTable, mode));
  }
}

}  // namespace
}  // namespace xmmu::linear_map_test
