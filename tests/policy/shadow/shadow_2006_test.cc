#include "absl/strings/match.h"
#include "policy/shadow/shadow_world.h"
#include "xmmu/policy/shadow_options.h"

// Each event of shadow-2006, by what it makes of the guest's tables and by its
// counters. The guest's kernel does what is done; tables are stored to by their
// mappings in the large pages at kLarge, which no table of theirs is on the way
// to.

namespace xmmu::shadow_2006_test {
namespace {

class World2006 : public ShadowWorld {
 public:
  explicit World2006(PagingMode mode, int vcpus = 1,
                     const Shadow2006Options& options = {})
      : ShadowWorld(mode, vcpus,
                    [&](Host& on) { return MakeShadow2006(on, options); }) {
    user = false;
  }

  VirtAddr PageAside(uint64_t pfn) const { return kLarge + pfn * kPageSize; }
  uint64_t early() { return Count(Counter::kShadowEarlyUnshadow); }
  uint64_t Tally(CostEvent event) {
    return cpu().clock.tallies()[static_cast<size_t>(event)];
  }
};

class Shadow2006Test : public ::testing::TestWithParam<PagingMode> {
 protected:
  void SetUp() override {
    ASSERT_EQ(world_.Start(), absl::OkStatus());
    slot_ = world_.SlotFor(page_);
    // The pages that the tests store to tables by are there.
    EXPECT_TRUE(world_.Load(page_));
    EXPECT_TRUE(world_.Load(world_.Aside(slot_)));
  }
  void StoreSlot(MachineAddr slot, uint64_t value) {
    EXPECT_TRUE(world_.Store(world_.Aside(slot), value));
  }
  // Slot `n` after that of the page.
  MachineAddr Slot(uint64_t n) { return world_.SlotFor(page_ + n * kPageSize); }
  // A fault that is the guest's own.
  void GuestFault() {
    EXPECT_FALSE(world_.Load(kBase + (kMapped + 100) * kPageSize));
  }
  // A table that a root shadow is of, and an entry of its that nobody uses.
  MachineAddr UnusedTopSlot(uint64_t n = 0) {
    const int level = GetParam() == PagingMode::k4Level ? 4 : 2;
    const VirtAddr va = GetParam() == PagingMode::k4Level
                            ? VirtAddr((uint64_t{1} << 46) + (n << 39))
                            : kBase + ((2 + n) << LevelShift(GetParam(), 2));
    if (level == 4) return world_.SlotIn(world_.root, 4, va);
    return world_.SlotFor(va, 2);
  }

  World2006 world_{GetParam()};
  const VirtAddr page_ = kBase + 20 * kPageSize;
  MachineAddr slot_;
};

TEST_P(Shadow2006Test, EachStoreToATableIsEmulatedAndInTheShadowAtOnce) {
  for (const uint64_t pfn : {30u, 31u, 32u}) {
    const uint64_t exits = world_.exits();
    StoreSlot(slot_, world_.Entry(pfn));
    EXPECT_EQ(world_.exits(), exits + 1);
    world_.Flush(TlbFlush::Page(page_));
    EXPECT_EQ(world_.FrameAt(page_), pfn);
    EXPECT_EQ(world_.exits(), exits + 2);  // INVLPG, and no fault
  }
  EXPECT_EQ(world_.emulated(), 3u);
}

// Two exits: the guest's fault and its store.
TEST_P(Shadow2006Test, APageThatTheGuestMapsIsThereForTheRetry) {
  const VirtAddr page = kBase + kMapped * kPageSize;
  const uint64_t exits = world_.exits();
  EXPECT_FALSE(world_.Load(page));
  StoreSlot(world_.SlotFor(page), world_.Entry(30));
  EXPECT_EQ(world_.FrameAt(page), 30u);
  EXPECT_EQ(world_.exits(), exits + 2);
}

TEST_P(Shadow2006Test, AEntryWithoutAccessedIsNotMadeUntilItIsUsed) {
  const VirtAddr page = kBase + kMapped * kPageSize;
  StoreSlot(world_.SlotFor(page),
            world_.Entry(30) & ~(pte::kAccessed | pte::kDirty));
  uint64_t exits = world_.exits();
  EXPECT_TRUE(world_.Load(page));
  EXPECT_TRUE(world_.Store(page, 1));
  EXPECT_EQ(world_.exits(), exits + 2);  // A, then D
  EXPECT_EQ(world_.Peek(world_.SlotFor(page)), world_.Entry(30));
  exits = world_.exits();
  EXPECT_TRUE(world_.Store(page, 2));
  EXPECT_EQ(world_.exits(), exits);
}

TEST_P(Shadow2006Test, AStoreOfAProgramEndsTheTable) {
  world_.user = true;
  const uint64_t exits = world_.exits();
  StoreSlot(slot_, world_.Entry(30));
  EXPECT_EQ(world_.Count(Counter::kShadowUnshadowed), 1u);
  EXPECT_EQ(world_.exits(), exits + 2);  // no table, then writable
  StoreSlot(slot_, world_.Entry(31));
  EXPECT_EQ(world_.exits(), exits + 2);
  EXPECT_EQ(world_.emulated(), 0u);
  EXPECT_EQ(world_.FrameAt(page_), 31u);
}

TEST_P(Shadow2006Test, AStoreThatTheEmulatorDoesNotKnowEndsTheTable) {
  MemoryOperand none;  // REP STOS and its kin
  const Access access{world_.Aside(slot_), AccessKind::kWrite, false};
  const TranslateResult result = world_.cpu().mmu.Translate(access);
  ASSERT_FALSE(result.ok());
  const FaultOutcome outcome = world_.policy->HandlePageFault(
      world_.vcpu(), result.fault(), access, none);
  EXPECT_EQ(outcome.action, FaultAction::kRetry);
  EXPECT_EQ(world_.Count(Counter::kShadowUnshadowed), 1u);
  EXPECT_EQ(world_.policy->Audit(), absl::OkStatus());
}

// What a program's store can't end: a table on its own way.
TEST_P(Shadow2006Test, AStoreOfAProgramToATableOnItsWayIsEmulated) {
  world_.user = true;
  EXPECT_TRUE(world_.Store(world_.Seen(slot_), world_.Entry(30)));
  EXPECT_EQ(world_.emulated(), 1u);
  EXPECT_EQ(world_.Count(Counter::kShadowUnshadowed), 0u);
}

TEST_P(Shadow2006Test, TheSecondZeroEndsTheTable) {
  StoreSlot(Slot(0), 0);
  EXPECT_EQ(world_.early(), 0u);
  StoreSlot(Slot(1), 0);
  EXPECT_EQ(world_.early(), 1u);
  EXPECT_EQ(world_.emulated(), 2u);
  const uint64_t exits = world_.exits();
  StoreSlot(Slot(2), 0);
  EXPECT_EQ(world_.exits(), exits + 1);  // writable from here on
  StoreSlot(Slot(3), 0);
  EXPECT_EQ(world_.exits(), exits + 1);
  world_.Flush(TlbFlush::NonGlobal());
  for (uint64_t i = 0; i < 4; ++i) {
    EXPECT_FALSE(world_.Load(page_ + i * kPageSize));
  }
}

TEST_P(Shadow2006Test, AnotherStoreInBetweenDoesNotStopTheCount) {
  StoreSlot(Slot(0), 0);
  StoreSlot(Slot(1), world_.Entry(30));
  StoreSlot(Slot(2), 0);
  EXPECT_EQ(world_.early(), 1u);
}

TEST_P(Shadow2006Test, AFaultOfAnotherKindInBetweenStopsTheCount) {
  StoreSlot(Slot(0), 0);
  GuestFault();
  StoreSlot(Slot(1), 0);
  EXPECT_EQ(world_.early(), 0u);
  StoreSlot(Slot(2), 0);
  EXPECT_EQ(world_.early(), 1u);
}

TEST_P(Shadow2006Test, ZerosInDifferentTablesAreNotCountedTogether) {
  if (GetParam() == PagingMode::k2Level) return;
  const MachineAddr other = world_.SlotFor(kFar, 2);
  StoreSlot(Slot(0), 0);
  EXPECT_TRUE(world_.Load(world_.Aside(other)));
  StoreSlot(Slot(0), 0);
  EXPECT_EQ(world_.early(), 0u);
}

TEST_P(Shadow2006Test, WithoutTheHeuristicNoNumberOfZerosEndsATable) {
  World2006 world(GetParam(), 1, {.early_unshadow = false});
  ASSERT_EQ(world.Start(), absl::OkStatus());
  EXPECT_TRUE(world.Load(page_));
  for (uint64_t i = 0; i < 5; ++i) {
    const VirtAddr va = page_ + i * kPageSize;
    EXPECT_TRUE(world.Store(world.Aside(world.SlotFor(va)), 0));
  }
  EXPECT_EQ(world.emulated(), 5u);
}

TEST_P(Shadow2006Test, TheSecondZeroEmptiesARootOnceAMovCr3) {
  EXPECT_TRUE(world_.Load(world_.Aside(UnusedTopSlot())));
  const auto zeros = [&] {
    GuestFault();
    StoreSlot(UnusedTopSlot(), 0);
    StoreSlot(UnusedTopSlot(1), 0);
    return world_.early();
  };
  EXPECT_EQ(zeros(), 1u);
  EXPECT_EQ(world_.emulated(), 2u);
  const uint64_t exits = world_.exits();
  EXPECT_TRUE(world_.Load(page_));  // the path is made anew
  EXPECT_EQ(world_.exits(), exits + 1);
  EXPECT_EQ(zeros(), 1u);
  EXPECT_EQ(world_.emulated(), 4u);  // still a table
  EXPECT_EQ(world_.LoadCr3(world_.root), absl::OkStatus());
  EXPECT_EQ(zeros(), 2u);
}

TEST_P(Shadow2006Test, ATableThatNothingLeadsToIsNone) {
  const MachineAddr link = world_.SlotFor(page_, 2);
  EXPECT_TRUE(world_.Load(world_.Aside(link)));
  const uint64_t entry = world_.Peek(link);
  StoreSlot(link, entry & ~pte::kPresent);
  EXPECT_FALSE(world_.Load(page_));  // and no flush was needed to see it
  EXPECT_EQ(world_.emulated(), 1u);
  StoreSlot(slot_, world_.Entry(30));
  EXPECT_EQ(world_.emulated(), 1u);
  StoreSlot(link, entry);
  EXPECT_EQ(world_.FrameAt(page_), 30u);
}

TEST_P(Shadow2006Test, InvlpgIsNothingWhereNoTableIsShadowed) {
  const auto flushes = [&] {
    return std::pair(world_.Count(Counter::kTlbPageFlushes),
                     world_.Count(Counter::kTlbFlushes));
  };
  const auto before = flushes();
  world_.Flush(TlbFlush::Page(kFar));
  EXPECT_EQ(flushes(), before);
  world_.Flush(TlbFlush::Page(page_));
  EXPECT_EQ(flushes(), std::pair(before.first + 1, before.second));
  world_.Flush(TlbFlush::Page(world_.Aside(slot_)));  // in a large page
  EXPECT_EQ(flushes(), std::pair(before.first + 1, before.second + 1));
}

TEST_P(Shadow2006Test, ALargePageIsInPiecesEachMadeWhenNeeded) {
  const uint64_t exits = world_.exits();
  EXPECT_EQ(world_.FrameAt(world_.PageAside(100)), 100u);
  EXPECT_EQ(world_.FrameAt(world_.PageAside(101)), 101u);
  EXPECT_TRUE(world_.Load(world_.PageAside(101)));
  EXPECT_EQ(world_.exits(), exits + 2);
}

constexpr VirtAddr DirectMapOf(PagingMode mode) {
  return VirtAddr(mode == PagingMode::k4Level ? 0xffff880000000000
                                              : 0xc0000000);
}

// A frame that becomes the L1 table of kFar.
class Shadow2006NewTableTest : public Shadow2006Test {
 protected:
  static constexpr uint64_t kNew = 300;
  // Another mapping of it than the kernel's.
  static constexpr VirtAddr kOther = kBase + (kMapped + 5) * kPageSize;
  const VirtAddr kernels_ = DirectMapOf(GetParam()) + kNew * kPageSize;

  void SetUp() override {
    world_.Poke(world_.SlotFor(kernels_, 2),
                world_.Entry(0, kUserRw | pte::kPageSize));
    world_.Poke(world_.SlotFor(kOther), world_.Entry(kNew));
    // The table that it will be linked in is one.
    const VirtAddr beside = kFar + (1 << LevelShift(GetParam(), 2));
    world_.Poke(world_.SlotFor(beside, 2),
                world_.Entry(0, kUserRw | pte::kPageSize));
    Shadow2006Test::SetUp();
    EXPECT_TRUE(world_.Load(beside));
  }
  void WriteBy(VirtAddr page) {
    EXPECT_TRUE(world_.Store(page, world_.Entry(33)));
  }
  void UseIt() {
    StoreSlot(world_.SlotFor(kFar, 2), world_.Entry(kNew));
    EXPECT_EQ(world_.FrameAt(kFar), 33u);
    EXPECT_TRUE(world_.Store(world_.PageAside(kNew), world_.Entry(34)));
    EXPECT_EQ(world_.Count(Counter::kShadowEmulations), 2u);
  }
  uint64_t guessed() { return world_.Count(Counter::kShadowGuessed); }
  uint64_t searches() { return world_.Count(Counter::kShadowBruteForce); }
};

TEST_P(Shadow2006NewTableTest, TheKernelsMappingIsGuessed) {
  WriteBy(kernels_);
  UseIt();
  EXPECT_EQ(guessed(), 1u);
  EXPECT_EQ(searches(), 0u);
}

TEST_P(Shadow2006NewTableTest, AnotherOneTakesASearchOfAllShadows) {
  WriteBy(kOther);
  UseIt();
  EXPECT_EQ(guessed(), 0u);
  EXPECT_EQ(searches(), 1u);
}

TEST_P(Shadow2006NewTableTest, BothTakeASearchToo) {
  WriteBy(kernels_);
  WriteBy(kOther);
  UseIt();
  EXPECT_EQ(searches(), 1u);
}

TEST_P(Shadow2006NewTableTest, NoneIsKnownToBeNone) {
  world_.Poke(world_.SlotIn(kNew, 1, kFar), world_.Entry(33));
  UseIt();
  EXPECT_EQ(guessed() + searches(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Modes, Shadow2006NewTableTest,
                         ::testing::Values(PagingMode::k2Level,
                                           PagingMode::kPae,
                                           PagingMode::k4Level));

INSTANTIATE_TEST_SUITE_P(Modes, Shadow2006Test,
                         ::testing::Values(PagingMode::k2Level,
                                           PagingMode::kPae,
                                           PagingMode::k4Level));

TEST(Shadow2006PoolTest, RootsNotInUseGoFirstAndThoseInUseAreEmptied) {
  World2006 world(PagingMode::k4Level, 1, {.pool = {.shadows = 5}});
  ASSERT_EQ(world.Start(), absl::OkStatus());
  EXPECT_TRUE(world.Load(kBase));                 // four
  EXPECT_EQ(world.LoadCr3(1), absl::OkStatus());  // frame 1: an L3
  EXPECT_EQ(world.LoadCr3(world.root), absl::OkStatus());
  EXPECT_EQ(world.Count(Counter::kShadowsRecycled), 0u);
  EXPECT_TRUE(world.Load(kLarge));  // an L2 and a splinter: the other root goes
  EXPECT_EQ(world.Count(Counter::kShadowsRecycled), 4u);  // and all the rest
  uint64_t exits = world.exits();
  EXPECT_TRUE(world.Load(kBase));
  EXPECT_EQ(world.exits(), exits + 1);
}

TEST(Shadow2006PoolTest, ThePathIsEnoughAndLessIsRefused) {
  for (const PagingMode mode :
       {PagingMode::k2Level, PagingMode::kPae, PagingMode::k4Level}) {
    const uint32_t fewest = mode == PagingMode::k4Level ? 5 : 2;
    World2006 world(mode, 2, {.pool = {.shadows = fewest}});
    ASSERT_EQ(world.Start(), absl::OkStatus());
    for (int i = 0; i < 3; ++i) {
      for (const uint32_t id : {0u, 1u}) {
        EXPECT_EQ(world.FrameAt(kBase + 20 * kPageSize, id), 20u);
        EXPECT_EQ(world.FrameAt(kLarge + 600 * kPageSize, id), 600u);
        EXPECT_EQ(world.LoadCr3(world.root, id), absl::OkStatus());
      }
    }
    World2006 smaller(mode, 2, {.pool = {.shadows = fewest - 1}});
    const absl::Status status = smaller.Start();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_TRUE(absl::StrContains(status.message(), "or more for a"));
  }
}

class Shadow2006SmpTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(world_.Start(), absl::OkStatus());
    for (const uint32_t id : {0u, 1u})
      EXPECT_EQ(world_.FrameAt(page_, id), 20u);
    EXPECT_TRUE(world_.Load(world_.Aside(world_.SlotFor(page_))));
    EXPECT_TRUE(world_.Load(world_.Aside(world_.SlotFor(page_, 2))));
    ipis_ = world_.Count(Counter::kIpis, 1);
  }
  World2006 world_{PagingMode::k4Level, 2};
  const VirtAddr page_ = kBase + 20 * kPageSize;
  uint64_t ipis_ = 0;
};

TEST_F(Shadow2006SmpTest, AnL1EntryIsLeftToTheGuestToFlush) {
  EXPECT_TRUE(
      world_.Store(world_.Aside(world_.SlotFor(page_)), world_.Entry(30)));
  EXPECT_EQ(world_.Count(Counter::kIpis, 1), ipis_);
  EXPECT_EQ(world_.FrameAt(page_, 1), 20u);
  world_.Flush(TlbFlush::Page(page_), 3);
  EXPECT_EQ(world_.FrameAt(page_, 1), 30u);
}

TEST_F(Shadow2006SmpTest, AnUpperEntryIsFlushedOnAllProcessors) {
  EXPECT_TRUE(world_.Store(world_.Aside(world_.SlotFor(page_, 2)), 0));
  EXPECT_EQ(world_.Count(Counter::kIpis, 1), ipis_ + 1);
  EXPECT_FALSE(world_.Load(page_, 1));
}

TEST(Shadow2006CostTest, AnEmulatedStore) {
  World2006 world(PagingMode::k4Level);
  const VirtAddr page = kBase + 20 * kPageSize;
  ASSERT_EQ(world.Start(), absl::OkStatus());
  EXPECT_TRUE(world.Load(page));
  const VirtAddr at = world.Aside(world.SlotFor(page));
  EXPECT_TRUE(world.Load(at));
  const CostTally before = world.cpu().clock.tallies();
  EXPECT_TRUE(world.Store(at, world.Entry(30)));
  const auto charged = [&](CostEvent event) {
    return world.Tally(event) - before[static_cast<size_t>(event)];
  };
  EXPECT_EQ(charged(CostEvent::kVmExit), 1u);
  EXPECT_EQ(charged(CostEvent::kEmulate), 1u);
  // Two walks of three levels, and the store.
  EXPECT_EQ(charged(CostEvent::kTempMap), 2u * 3 + 1);
  // The lock; and for each of two writable mappings two references: the old
  // page's and the new one's.
  EXPECT_EQ(charged(CostEvent::kLockedOp), 1u + 2 + 2);
  EXPECT_EQ(charged(CostEvent::kXenPteWrite), 1u);
}

}  // namespace
}  // namespace xmmu::shadow_2006_test
