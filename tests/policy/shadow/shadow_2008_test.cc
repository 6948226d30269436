#include <vector>

#include "policy/shadow/shadow_world.h"
#include "xmmu/policy/shadow_options.h"

// What shadow-2008 has beyond shadow-2006, by events and counters, on both
// sides of each of its limits.

namespace xmmu::shadow_2008_test {
namespace {

class World2008 : public ShadowWorld {
 public:
  explicit World2008(PagingMode mode, int vcpus = 1,
                     const Shadow2008Options& options = {})
      : ShadowWorld(mode, vcpus,
                    [&](Host& on) { return MakeShadow2008(on, options); }) {
    user = false;
  }

  uint64_t opened() { return Count(Counter::kShadowOpened); }
  uint64_t resyncs() { return Count(Counter::kShadowResyncs); }
  // Frame `pfn` is the L1 table of `va` from now on, all of it frame 20.
  void MakeL1(VirtAddr va, uint64_t pfn) {
    Poke(SlotFor(va, 2), Entry(pfn));
    Poke(SlotIn(pfn, 1, va), Entry(20));
  }
  // A frame whose place is `home`, the n-th from 100 on.
  uint64_t FrameAtHome(uint64_t home, int n) {
    for (uint64_t pfn = 100;; ++pfn) {
      const uint64_t mfn = domain->p2m().MfnOf(Pfn(pfn)).value();
      if (mfn % 3 == home && n-- == 0) return pfn;
    }
  }
};

class Shadow2008Test : public ::testing::TestWithParam<PagingMode> {
 protected:
  void SetUp() override {
    ASSERT_EQ(world_.Start(), absl::OkStatus());
    slot_ = world_.SlotFor(page_);
    EXPECT_TRUE(world_.Load(page_));
    EXPECT_TRUE(world_.Load(world_.Aside(slot_)));
  }
  void StoreSlot(MachineAddr slot, uint64_t value) {
    EXPECT_TRUE(world_.Store(world_.Aside(slot), value));
  }
  // The region of the n-th L1 table after that of the page.
  VirtAddr Region(int n) const {
    return kBase + (uint64_t{1} << LevelShift(GetParam(), 2)) *
                       static_cast<uint64_t>(n);
  }
  // Opens the L1 table `pfn`, which is in use at `va`.
  void Open(VirtAddr va, uint64_t pfn) {
    EXPECT_EQ(world_.FrameAt(va), 20u);
    StoreSlot(world_.SlotIn(pfn, 1, va + kPageSize), world_.Entry(21));
  }

  World2008 world_{GetParam()};
  const VirtAddr page_ = kBase + 20 * kPageSize;
  MachineAddr slot_;
};

TEST_P(Shadow2008Test, TheFirstStoreToAnL1OpensItAndMoreAreFree) {
  uint64_t exits = world_.exits();
  StoreSlot(slot_, world_.Entry(30));
  EXPECT_EQ(world_.exits(), exits + 1);
  EXPECT_EQ(world_.opened(), 1u);
  for (uint64_t i = 1; i < 10; ++i) {
    StoreSlot(world_.SlotFor(page_ + i * kPageSize), world_.Entry(31));
  }
  EXPECT_EQ(world_.exits(), exits + 1);
  EXPECT_EQ(world_.emulated(), 0u);
}

TEST_P(Shadow2008Test, AStoreToAnUpperTableIsEmulated) {
  const MachineAddr link = world_.SlotFor(page_, 2);
  StoreSlot(link, world_.Peek(link) | pte::kAvail);
  EXPECT_EQ(world_.opened(), 0u);
  EXPECT_EQ(world_.emulated(), 1u);
}

TEST_P(Shadow2008Test, AnotherStoreToTheSamePageIsEmulatedWithoutAWalk) {
  const MachineAddr link = world_.SlotFor(page_, 2);
  const uint64_t entry = world_.Peek(link);
  const auto fast = [&] {
    return world_.Count(Counter::kShadowFastEmulations);
  };
  StoreSlot(link, entry | pte::kAvail);
  EXPECT_EQ(fast(), 0u);
  StoreSlot(link, entry);
  EXPECT_EQ(fast(), 1u);
  world_.Flush(TlbFlush::Page(page_));
  StoreSlot(link, entry | pte::kAvail);
  EXPECT_EQ(fast(), 1u);
  EXPECT_EQ(world_.emulated(), 3u);
}

TEST_P(Shadow2008Test, Cr3MakesInSyncWhatWasWritten) {
  StoreSlot(slot_, world_.Entry(30));
  EXPECT_EQ(world_.LoadCr3(world_.root), absl::OkStatus());
  EXPECT_EQ(world_.resyncs(), 1u);
  const uint64_t exits = world_.exits();
  EXPECT_EQ(world_.FrameAt(page_), 30u);
  EXPECT_EQ(world_.exits(), exits);  // made anew then
  StoreSlot(slot_, world_.Entry(31));
  EXPECT_EQ(world_.opened(), 2u);
}

TEST_P(Shadow2008Test, InvlpgDropsOneEntryAndLeavesTheTableOpen) {
  StoreSlot(slot_, world_.Entry(30));
  StoreSlot(world_.SlotFor(page_ + kPageSize), world_.Entry(31));
  world_.Flush(TlbFlush::Page(page_));
  EXPECT_EQ(world_.FrameAt(page_), 30u);
  EXPECT_EQ(world_.FrameAt(page_ + kPageSize), 21u);  // as it was
  EXPECT_EQ(world_.resyncs(), 0u);
  const uint64_t exits = world_.exits();
  StoreSlot(slot_, world_.Entry(32));
  EXPECT_EQ(world_.exits(), exits);
}

TEST_P(Shadow2008Test, AFaultUnderAnOpenTableMakesItsEntryAlone) {
  const VirtAddr page = kBase + kMapped * kPageSize;
  EXPECT_FALSE(world_.Load(page));
  StoreSlot(slot_, world_.Entry(30));
  StoreSlot(world_.SlotFor(page), world_.Entry(31));
  EXPECT_EQ(world_.FrameAt(page), 31u);
  EXPECT_EQ(world_.FrameAt(page_), 20u);
  EXPECT_EQ(world_.resyncs(), 0u);
  // The snapshot says so too: there is one change left.
  const uint64_t before = world_.Count(Counter::kShadowResynced);
  EXPECT_EQ(world_.LoadCr3(world_.root), absl::OkStatus());
  EXPECT_EQ(world_.Count(Counter::kShadowResynced), before + 1);
}

TEST_P(Shadow2008Test, ThreeTablesHavePlacesTheFourthTakesOne) {
  const auto evicted = [&] {
    return world_.Count(Counter::kShadowUnsyncEvict);
  };
  for (uint64_t home = 0; home < 3; ++home) {
    const uint64_t pfn = world_.FrameAtHome(home, 0);
    const VirtAddr va = Region(2 + static_cast<int>(home));
    world_.MakeL1(va, pfn);
    Open(va, pfn);
  }
  EXPECT_EQ(world_.opened(), 3u);
  EXPECT_EQ(evicted(), 0u);
  const uint64_t fourth = world_.FrameAtHome(0, 1);
  world_.MakeL1(Region(5), fourth);
  Open(Region(5), fourth);
  // Who was at home at 0 moves on to 1, and who was there is in sync.
  EXPECT_EQ(evicted(), 1u);
  const uint64_t exits = world_.exits();
  for (const uint64_t home : {0u, 2u}) {
    const VirtAddr va = Region(2 + static_cast<int>(home));
    StoreSlot(world_.SlotIn(world_.FrameAtHome(home, 0), 1, va), 0);
  }
  EXPECT_EQ(world_.exits(), exits);
  StoreSlot(world_.SlotIn(world_.FrameAtHome(1, 0), 1, Region(3)), 0);
  EXPECT_EQ(world_.exits(), exits + 1);
}

TEST_P(Shadow2008Test, TheThirdTableOfOnePlaceTakesThatOfTheFirst) {
  for (int n = 0; n < 3; ++n) {
    const uint64_t pfn = world_.FrameAtHome(1, n);
    world_.MakeL1(Region(2 + n), pfn);
    Open(Region(2 + n), pfn);
    EXPECT_EQ(world_.Count(Counter::kShadowUnsyncEvict), n == 2 ? 1u : 0u);
  }
  const uint64_t exits = world_.exits();
  StoreSlot(world_.SlotIn(world_.FrameAtHome(1, 1), 1, Region(3)), 0);
  EXPECT_EQ(world_.exits(), exits);
  StoreSlot(world_.SlotIn(world_.FrameAtHome(1, 0), 1, Region(2)), 0);
  EXPECT_EQ(world_.exits(), exits + 1);
}

TEST_P(Shadow2008Test, TwoMappingsOfAnOpenTableAreWritableTheThirdTakesOne) {
  // Prefetch would make them all at once.
  World2008 world(GetParam(), 1, {.prefetch = false});
  ASSERT_EQ(world.Start(), absl::OkStatus());
  const uint64_t pfn = world.FrameAtHome(0, 0);
  world.MakeL1(Region(2), pfn);
  std::vector<VirtAddr> maps;
  for (uint64_t i = 0; i < 3; ++i) {
    maps.push_back(kBase + (kMapped + 4 + i) * kPageSize);
    world.Poke(world.SlotFor(maps.back()), world.Entry(pfn));
  }
  EXPECT_EQ(world.FrameAt(Region(2)), 20u);
  const auto store = [&](size_t map) {
    const uint64_t exits = world.exits();
    EXPECT_TRUE(world.Store(maps[map], world.Entry(22)));
    return world.exits() - exits;
  };
  EXPECT_EQ(store(0), 1u);
  EXPECT_EQ(store(1), 1u);
  EXPECT_EQ(store(0) + store(1), 0u);
  EXPECT_EQ(world.Count(Counter::kShadowFixupEvict), 0u);
  EXPECT_EQ(store(2), 1u);
  EXPECT_EQ(world.Count(Counter::kShadowFixupEvict), 1u);
  EXPECT_EQ(world.opened(), 1u);
  // Its TLB entry is left until the table is in sync again.
  EXPECT_EQ(store(0), 0u);
  EXPECT_EQ(world.LoadCr3(world.root), absl::OkStatus());
  EXPECT_EQ(store(0), 1u);
}

TEST_P(Shadow2008Test, ThirtyOneEntriesThatFollowAreMadeAsWell) {
  World2008 world(GetParam());
  ASSERT_EQ(world.Start(), absl::OkStatus());
  EXPECT_TRUE(world.Load(kBase));
  EXPECT_EQ(world.Count(Counter::kShadowPrefetched), 31u);
  const uint64_t exits = world.exits();
  EXPECT_EQ(world.FrameAt(kBase + 31 * kPageSize), 31u);
  EXPECT_EQ(world.exits(), exits);
  EXPECT_EQ(world.FrameAt(kBase + 32 * kPageSize), 32u);
  EXPECT_EQ(world.exits(), exits + 1);
}

TEST_P(Shadow2008Test, PrefetchEndsAtAnEntryThatWillFaultAllTheSame) {
  World2008 world(GetParam());
  const MachineAddr slot = world.SlotFor(kBase + 5 * kPageSize);
  world.Poke(slot, world.Entry(5) & ~pte::kDirty);
  ASSERT_EQ(world.Start(), absl::OkStatus());
  EXPECT_TRUE(world.Load(kBase));
  EXPECT_EQ(world.Count(Counter::kShadowPrefetched), 4u);
}

TEST_P(Shadow2008Test, WithoutPrefetchEachEntryTakesAFault) {
  World2008 world(GetParam(), 1, {.prefetch = false});
  ASSERT_EQ(world.Start(), absl::OkStatus());
  EXPECT_TRUE(world.Load(kBase));
  const uint64_t exits = world.exits();
  EXPECT_TRUE(world.Load(kBase + kPageSize));
  EXPECT_EQ(world.exits(), exits + 1);
}

TEST_P(Shadow2008Test, WhatIsMarkedNotPresentIsHandedOverWithoutAWalk) {
  const VirtAddr page = kBase + kMapped * kPageSize;
  EXPECT_TRUE(world_.Load(page - kPageSize));  // marks it
  const auto walked = [&] {
    return world_.cpu()
        .clock.tallies()[static_cast<size_t>(CostEvent::kTempMap)];
  };
  const uint64_t before = walked();
  EXPECT_FALSE(world_.Load(page));
  EXPECT_EQ(world_.last_fault.error_code, 0u);
  EXPECT_FALSE(world_.Store(page, 1));
  EXPECT_EQ(world_.last_fault.error_code, pf::kWrite);
  world_.user = true;
  EXPECT_FALSE(world_.Load(page));
  EXPECT_EQ(world_.last_fault.error_code, pf::kUser);
  EXPECT_EQ(world_.last_fault.va, page);
  EXPECT_EQ(walked(), before);
  EXPECT_EQ(world_.Count(Counter::kShadowFastNotPresent), 3u);
}

TEST_P(Shadow2008Test, AMarkOfAnOpenTableIsNotBelieved) {
  const VirtAddr page = kBase + kMapped * kPageSize;
  EXPECT_TRUE(world_.Load(page - kPageSize));
  StoreSlot(slot_, world_.Entry(30));
  StoreSlot(world_.SlotFor(page), world_.Entry(31));
  EXPECT_EQ(world_.FrameAt(page), 31u);
  EXPECT_EQ(world_.Count(Counter::kShadowFastNotPresent), 0u);
}

TEST_P(Shadow2008Test, WithoutOutOfSyncEachStoreIsEmulated) {
  World2008 world(GetParam(), 1, {.out_of_sync = false});
  ASSERT_EQ(world.Start(), absl::OkStatus());
  EXPECT_TRUE(world.Load(page_));
  const VirtAddr at = world.Aside(world.SlotFor(page_));
  for (const uint64_t pfn : {30u, 31u}) {
    EXPECT_TRUE(world.Store(at, world.Entry(pfn)));
  }
  EXPECT_EQ(world.emulated(), 2u);
  EXPECT_EQ(world.opened(), 0u);
}

TEST_P(Shadow2008Test, AnOpenTableThatNothingLeadsToHasNoPlace) {
  StoreSlot(slot_, world_.Entry(30));
  const MachineAddr link = world_.SlotFor(page_, 2);
  const uint64_t entry = world_.Peek(link);
  StoreSlot(link, entry & ~pte::kPresent);
  EXPECT_EQ(world_.resyncs(), 0u);
  StoreSlot(slot_, world_.Entry(31));
  EXPECT_EQ(world_.opened(), 1u);
  StoreSlot(link, entry);
  EXPECT_EQ(world_.FrameAt(page_), 31u);
}

INSTANTIATE_TEST_SUITE_P(Modes, Shadow2008Test,
                         ::testing::Values(PagingMode::k2Level,
                                           PagingMode::kPae,
                                           PagingMode::k4Level));

class Shadow2008SmpTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(world_.Start(), absl::OkStatus());
    for (const uint32_t id : {0u, 1u}) {
      EXPECT_EQ(world_.FrameAt(page_, id), 20u);
    }
    EXPECT_TRUE(world_.Store(at_, world_.Entry(30)));  // vCPU 0 opens it
  }
  World2008 world_{PagingMode::k4Level, 2};
  const VirtAddr page_ = kBase + 20 * kPageSize;
  const VirtAddr at_ = world_.Aside(world_.SlotFor(page_));
};

TEST_F(Shadow2008SmpTest, Cr3OfAnotherSeesWhatWasWrittenAndLeavesItOpen) {
  EXPECT_EQ(world_.LoadCr3(world_.root, 1), absl::OkStatus());
  EXPECT_EQ(world_.FrameAt(page_, 1), 30u);
  EXPECT_EQ(world_.Count(Counter::kShadowResynced, 1), 1u);
  const uint64_t exits = world_.exits();
  EXPECT_TRUE(world_.Store(at_, world_.Entry(31)));
  EXPECT_EQ(world_.exits(), exits);
}

TEST_F(Shadow2008SmpTest, ATableOfARootThatItDoesNotLoadIsLeftAlone) {
  EXPECT_EQ(world_.LoadCr3(600, 1), absl::OkStatus());
  EXPECT_EQ(world_.Count(Counter::kShadowResynced, 1), 0u);
  EXPECT_EQ(world_.LoadCr3(world_.root, 1), absl::OkStatus());
  EXPECT_EQ(world_.Count(Counter::kShadowResynced, 1), 1u);
  EXPECT_EQ(world_.FrameAt(page_, 1), 30u);
}

TEST_F(Shadow2008SmpTest, AResyncFlushesEveryProcessor) {
  EXPECT_TRUE(world_.Store(at_, world_.Entry(31), 1));  // by its TLB too
  const uint64_t ipis = world_.Count(Counter::kIpis, 1);
  EXPECT_EQ(world_.LoadCr3(world_.root, 0), absl::OkStatus());
  EXPECT_EQ(world_.Count(Counter::kIpis, 1), ipis + 1);
  const uint64_t exits = world_.Count(Counter::kVmExits, 1);
  EXPECT_TRUE(world_.Store(at_, world_.Entry(32), 1));
  EXPECT_EQ(world_.Count(Counter::kVmExits, 1), exits + 1);
}

}  // namespace
}  // namespace xmmu::shadow_2008_test
