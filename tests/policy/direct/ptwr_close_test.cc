#include <array>

#include "policy/direct/ptwr_world.h"

// What closing an open table takes: entries compared and validated one by one,
// with what that costs; and what becomes of a guest whose entry is refused.

namespace xmmu::ptwr_close_test {
namespace {

constexpr int kSlot = 3;
constexpr VirtAddr kPage = kRegion + kSlot * kPageSize;

class PtwrCloseTest : public PtwrTest {
 protected:
  static uint64_t At(const CostTally& tally, CostEvent event) {
    return tally[IndexOfEvent(event)];
  }
  // Xen 3.0 takes the domain's lock once a fault.
  static uint64_t Lock(const PtwrWorld& world) {
    return world.mode == PagingMode::k2Level ? 1 : 0;
  }
};

TEST_P(PtwrCloseTest, OpeningCostsOneTrapTwoEntriesAFlushAndACopy) {
  PtwrWorld world(GetParam());
  const auto flushes = world.cpu().counters[Counter::kTlbFlushes];
  const CostTally tally = world.Tally(
      [&] { world.Store(kFirst, kSlot, world.EntryOf(kData, world.kRw)); });
  EXPECT_EQ(At(tally, CostEvent::kExceptionEntry), 1u);
  EXPECT_EQ(At(tally, CostEvent::kIret), 1u);
  EXPECT_EQ(At(tally, CostEvent::kLockedOp), Lock(world));
  // The mapping's entry and the L2 entry; without a linear map a walk as well.
  const bool walks = GetParam().machine == std::string("xeon-2003") &&
                     world.mode == PagingMode::kPae;
  EXPECT_EQ(At(tally, CostEvent::kXenPteRead), walks ? 4u : 2u);
  EXPECT_EQ(At(tally, CostEvent::kTempMap), walks ? 3u : 1u);
  EXPECT_EQ(At(tally, CostEvent::kXenPteWrite), 2u);
  EXPECT_EQ(At(tally, CostEvent::kCopyPage), 1u);
  EXPECT_EQ(world.cpu().counters[Counter::kTlbFlushes], flushes + 1);
  EXPECT_EQ(At(tally, CostEvent::kEmulate), 0u);
  EXPECT_EQ(At(tally, CostEvent::kBounce), 0u);
}

TEST_P(PtwrCloseTest, AFurtherStoreCostsXenNothing) {
  PtwrWorld world(GetParam());
  world.Store(kFirst, kSlot, world.EntryOf(kData, world.kRw));
  const Cycles before = world.cpu().clock.busy();
  world.Store(kFirst, kSlot + 1, world.EntryOf(kData, world.kRw));
  EXPECT_EQ(world.cpu().clock.busy(), before);
}

TEST_P(PtwrCloseTest, ClosingCostsOneTrapAFlushAndEveryEntryCompared) {
  PtwrWorld world(GetParam());
  world.Store(kFirst, kSlot, world.EntryOf(kData, world.kRw));
  const CostTally tally = world.Tally([&] { world.Load(kPage); });
  EXPECT_EQ(At(tally, CostEvent::kExceptionEntry), 1u);
  EXPECT_EQ(At(tally, CostEvent::kIret), 1u);
  EXPECT_EQ(At(tally, CostEvent::kXenPteRead), 1u);
  EXPECT_EQ(At(tally, CostEvent::kXenPteWrite), 2u);
  EXPECT_EQ(At(tally, CostEvent::kTempMap), 1u);
  EXPECT_EQ(At(tally, CostEvent::kCopyPage), 0u);
  EXPECT_EQ(At(tally, CostEvent::kSnapshotCompare),
            static_cast<uint64_t>(world.entries()));
  EXPECT_EQ(At(tally, CostEvent::kLockedOp), Lock(world) + 2);
  // Xen 3.0's INVLPG by mask is a flush where it runs.
  const bool flush = world.mode == PagingMode::k2Level;
  EXPECT_EQ(At(tally, CostEvent::kInvlpg), flush ? 0u : 1u);
  EXPECT_EQ(At(tally, CostEvent::kMovCr3), flush ? 1u : 0u);
}

TEST_P(PtwrCloseTest, AHypercallThatClosesPaysNoFurtherTrap) {
  PtwrWorld world(GetParam());
  const auto empty = [&world] {
    return world.Tally([&] { (void)world.Call(MmuUpdateCall{}); });
  };
  const CostTally idle = empty();
  world.Store(kFirst, kSlot, world.EntryOf(kData, world.kRw));
  const CostTally closing = empty();
  EXPECT_EQ(At(closing, CostEvent::kExceptionEntry), 0u);
  EXPECT_EQ(At(closing, CostEvent::kHypercallWork),
            At(idle, CostEvent::kHypercallWork));
  EXPECT_EQ(At(closing, CostEvent::kLockedOp),
            At(idle, CostEvent::kLockedOp) + 2);
}

TEST_P(PtwrCloseTest, AnInactiveTableIsNotHookedAgain) {
  PtwrWorld world(GetParam());
  constexpr uint64_t kL1 = 14;
  ASSERT_TRUE(world.MapReadOnly(kL1).ok());
  world.HookInOther(kL1);
  const auto flushes = world.cpu().counters[Counter::kTlbFlushes];
  CostTally tally = world.Tally(
      [&] { world.Store(kL1, kSlot, world.EntryOf(kData, world.kRw)); });
  EXPECT_EQ(world.cpu().counters[Counter::kTlbFlushes], flushes);
  EXPECT_EQ(At(tally, CostEvent::kXenPteWrite), 1u);
  EXPECT_EQ(At(tally, CostEvent::kMovCr3) + At(tally, CostEvent::kMovCr4), 0u);
  tally = world.Tally([&] { (void)world.Call(MmuUpdateCall{}); });
  EXPECT_EQ(At(tally, CostEvent::kXenPteWrite), 1u);
}

// Locked operations a changed entry, as in mod_l1_entry; but a loss of write
// permission and no more drops the type alone.
TEST_P(PtwrCloseTest, EachKindOfChangeTakesTheReferencesThatItNeeds) {
  PtwrWorld world(GetParam());
  const Pte none;
  const Pte ro = world.EntryOf(kData, world.kRo);
  const Pte rw = world.EntryOf(kData, world.kRw);
  const Pte clean = rw.Without(pte::kDirty);
  const Pte other = world.EntryOf(kData + 1, world.kRw);
  const struct {
    Pte from, to;
    uint64_t locked;
  } kCases[] = {
      {none, ro, 1},
      {none, rw, 2},
      {ro, none, 1},
      {rw, none, 2},
      {rw, rw.Without(pte::kWritable), 1},
      {rw, clean.Without(pte::kWritable), 3},
      {ro, rw, 3},
      {rw, clean, 4},
      {rw, other, 4},
      {rw, rw, 0},
      {none, world.EntryOf(kData, 0), 0},
      {rw, rw.Without(pte::kPresent), 2},
  };
  for (const auto& row : kCases) {
    SCOPED_TRACE(&row - kCases);
    ASSERT_TRUE(world.Update(kFirst, kSlot, row.from).ok());
    // What Xen adds to entries of 64-bit guests is the guest's to leave alone.
    const uint64_t added = world.Get(kFirst, kSlot).raw() ^ row.from.raw();
    const Pte to = row.to.present() ? Pte(row.to.raw() | added) : row.to;
    world.Store(kFirst, kSlot, to);
    if (!world.active().in_use()) {  // after a batch of none
      world.Store(kFirst, kSlot + 1, Pte());
    }
    const uint64_t before = world.cpu().clock.tally(CostEvent::kLockedOp);
    world.Load(kPage + kPageSize);
    EXPECT_EQ(world.cpu().clock.tally(CostEvent::kLockedOp) - before,
              2 * Lock(world) + row.locked);
    EXPECT_EQ(world.Get(kFirst, kSlot).Without(pte::kGlobal),
              to.Without(pte::kGlobal));
    ASSERT_FALSE(world.active().in_use());
    world.domain->direct().ptwr(PtwrSlot::kActive).last_updates = 1;
  }
}

TEST_P(PtwrCloseTest, ManyStoresCostOneOpeningAndOneClosing) {
  constexpr int kStores = 100;
  PtwrWorld world(GetParam());
  for (int slot = 0; slot < kStores; ++slot) {
    world.Store(kFirst, slot, world.EntryOf(kData, world.kRw));
  }
  world.Load(kRegion);
  const Counters& counters = world.cpu().counters;
  EXPECT_EQ(counters[Counter::kPtwrActive], 1u);
  EXPECT_EQ(counters[Counter::kPtwrChanged], uint64_t{kStores});
  EXPECT_EQ(world.Page(kData).type_count, uint64_t{kStores + 1});
}

TEST_P(PtwrCloseTest, TheFirstAndTheLastEntryAreCompared) {
  PtwrWorld world(GetParam());
  const int last = world.entries() - 1;
  world.Store(kFirst, 0, world.EntryOf(kData, world.kRw));
  world.Store(kFirst, last, world.EntryOf(kData, world.kRw));
  EXPECT_TRUE(
      world.Load(kRegion + static_cast<uint64_t>(last) * kPageSize).done);
  EXPECT_EQ(world.Page(kData).type_count, 3u);
}

TEST_P(PtwrCloseTest, FromUserModeA64BitGuestsKernelRootIsLoadedForIt) {
  PtwrWorld world(GetParam());
  if (world.levels() < 4) return;
  // A user root with the same tree below it.
  ASSERT_TRUE(world.MapReadOnly(kOther).ok());
  world.Put(kOther, 0, world.Get(0, 0));
  ASSERT_TRUE(world.Op(MmuextCommand::kPinL4, kOther).ok());
  ASSERT_TRUE(world.Op(MmuextCommand::kNewUserBaseptr, kOther).ok());
  world.Store(kFirst, kSlot, world.EntryOf(kData, world.kRw));
  ASSERT_TRUE(world.active().in_use());
  world.policy->SwitchMode(world.vcpu(), ModeSwitch::kSysret);
  const auto loads = world.cpu().counters[Counter::kCr3Loads];
  EXPECT_TRUE(world.Load(kPage).done);
  EXPECT_EQ(world.cpu().counters[Counter::kCr3Loads], loads + 2);
  EXPECT_EQ(world.cpu().mmu.registers().cr3,
            AddressOf(world.Frame(kOther)).value());
}

TEST_P(PtwrCloseTest, EntriesOf64BitGuestsGetTheFlagsThatXenInsistsOn) {
  PtwrWorld world(GetParam());
  world.Store(kFirst, kSlot, world.EntryOf(kData, pte::kPresent));
  world.Call(MmuUpdateCall{}).IgnoreError();
  EXPECT_EQ(world.Get(kFirst, kSlot).user(), world.levels() == 4);
}

// --- Refusals.

TEST_P(PtwrCloseTest, ARefusedEntryCrashesTheDomainWithCountsThatAreRight) {
  PtwrWorld world(GetParam());
  const Pte good = world.EntryOf(kData, world.kRw);
  ASSERT_TRUE(world.Update(kFirst, 7, good).ok());
  const Pte seventh = world.Get(kFirst, 7);
  world.Store(kFirst, 1, good);
  world.Store(kFirst, 3, world.EntryOf(0, world.kRw));  // the root, for writing
  world.Store(kFirst, 5, good);
  world.Store(kFirst, 7, Pte());
  EXPECT_EQ(world.Load(kRegion).actions, Actions{kReflected});
  EXPECT_TRUE(world.domain->crashed());
  // Up to it the new ones hold, from it on the old ones.
  EXPECT_EQ(world.Get(kFirst, 1).frame(), world.Frame(kData));
  EXPECT_EQ(world.Get(kFirst, 3), Pte());
  EXPECT_EQ(world.Get(kFirst, 5), Pte());
  EXPECT_EQ(world.Get(kFirst, 7), seventh);
  EXPECT_EQ(world.Page(kData).type_count, 3u);
  EXPECT_TRUE(world.HookAt(kRegion).present());
  EXPECT_FALSE(world.MappingOf(kFirst).writable());
}

TEST_P(PtwrCloseTest, TheHypercallThatClosesSaysWhyTheDomainHasCrashed) {
  PtwrWorld world(GetParam());
  world.Store(kFirst, 3, Pte(Mfn(1), world.kRw));  // nobody's
  const absl::Status status = world.Update(kFirst, 9, Pte());
  EXPECT_EQ(ErrnoOf(status), XenErrno::kEINVAL);
  EXPECT_NE(status.message().find("writable page tables: entry 3 of the L1"),
            std::string::npos)
      << status;
}

TEST_P(PtwrCloseTest, ACrashedDomainGetsNothingDoneAnyMore) {
  PtwrWorld world(GetParam());
  world.Store(kFirst, 3, world.EntryOf(0, world.kRw));
  world.Load(kRegion);
  ASSERT_TRUE(world.domain->crashed());
  const CostTally tally = world.Tally([&] {
    EXPECT_FALSE(world.Update(kFirst, 9, world.EntryOf(kData, world.kRw)).ok());
  });
  EXPECT_EQ(At(tally, CostEvent::kHypercallWork), 0u);
  EXPECT_EQ(world.Get(kFirst, 9), Pte());
  const std::array<Subcall, 1> calls = {MmuUpdateCall{}};
  EXPECT_FALSE(world.Call(MulticallCall{.calls = calls}).ok());
  EXPECT_EQ(world.Store(kFirst, 9, Pte()).actions, Actions{kReflected});
  EXPECT_FALSE(world.domain->direct().ptwr_in_use());
}

TEST_P(PtwrCloseTest, AMappingOfAnotherOpenTableForWritingIsRefused) {
  PtwrWorld world(GetParam());
  world.Store(kFirst, 3, world.EntryOf(kFirst, world.kRw));
  EXPECT_EQ(world.Load(kRegion).actions, Actions{kReflected});
  EXPECT_TRUE(world.domain->crashed());
}

INSTANTIATE_TEST_SUITE_P(Machines, PtwrCloseTest,
                         ::testing::ValuesIn(kPtwrMachines), NameOfMachine);

}  // namespace
}  // namespace xmmu::ptwr_close_test
