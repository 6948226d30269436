#include <array>

#include "policy/direct/ptwr_world.h"

// Stores that open nothing: emulated ones, those of SMP guests, those that do
// not get on; and mappings that Xen must not be fooled by.

namespace xmmu::ptwr_refusal_test {
namespace {

constexpr uint64_t kL1 = 14;     // an L1 for the test
constexpr uint64_t kAlias = 15;  // an L1 that maps something a second time

class PtwrRefusalTest : public PtwrTest {
 protected:
  // The L2 slot after those of the boot tables.
  static int FreeSlot(const PtwrWorld& world) {
    return IndexOf(world.mode, 2, FreeRegion(world));
  }
  static VirtAddr FreeRegion(const PtwrWorld& world) {
    return kRegion + 2 * world.span();
  }
  // Hooks kAlias, whose first entry maps `frame` read-only, at the free slot.
  static void MapAgain(PtwrWorld& world, uint64_t frame, uint64_t flags) {
    ASSERT_TRUE(world.MapReadOnly(kAlias).ok());
    world.Put(kAlias, 0, world.EntryOf(frame, world.kRo));
    ASSERT_TRUE(world
                    .Update(world.mapper() - 1, FreeSlot(world),
                            world.EntryOf(kAlias, flags))
                    .ok());
  }
};

TEST_P(PtwrRefusalTest, ATableThatIsHookedNowhereIsEmulated) {
  PtwrWorld world(GetParam());
  ASSERT_TRUE(world.MapReadOnly(kL1).ok());
  ASSERT_TRUE(world.Op(MmuextCommand::kPinL1, kL1).ok());
  EXPECT_EQ(world.Store(kL1, 3, world.EntryOf(kData, world.kRw)).actions,
            Actions{kEmulated});
  EXPECT_EQ(world.Page(kData).type_count, 2u);
  EXPECT_FALSE(world.domain->direct().ptwr_in_use());
}

TEST_P(PtwrRefusalTest, ATableThatIsHookedAtTwoSlotsIsEmulated) {
  PtwrWorld world(GetParam());
  ASSERT_TRUE(world
                  .Update(world.mapper() - 1, FreeSlot(world),
                          world.EntryOf(kFirst, world.kRw))
                  .ok());
  EXPECT_EQ(world.Store(kFirst, 3, world.EntryOf(kData, world.kRw)).actions,
            Actions{kEmulated});
  EXPECT_TRUE(world.Load(kRegion + 3 * kPageSize).done);
}

// In two 2-level roots it is at the same address, and unhooked from the one in
// use; below L3s the other L2 could be anywhere.
TEST_P(PtwrRefusalTest, ATableInTwoTreesIsOpenedOnlyWhereItsPlaceIsOne) {
  PtwrWorld world(GetParam());
  world.HookInOther(kFirst);
  const bool known = world.mode == PagingMode::k2Level;
  EXPECT_EQ(world.Store(kFirst, 3, world.EntryOf(kData, world.kRw)).actions,
            Actions{known ? kRetried : kEmulated});
}

TEST_P(PtwrRefusalTest, ATableThatMapsItselfIsEmulated) {
  PtwrWorld world(GetParam());
  const int slot =
      IndexOf(world.mode, 1, kMapBase) + static_cast<int>(kMappedFrames);
  EXPECT_EQ(world.Store(world.mapper(), slot, world.EntryOf(kData, world.kRo))
                .actions,
            Actions{kEmulated});
}

TEST_P(PtwrRefusalTest, AMappingThatIsReadOnlyFurtherUpIsEmulated) {
  PtwrWorld world(GetParam());
  MapAgain(world, kFirst, world.kRo);
  EXPECT_EQ(
      world.StoreAt(FreeRegion(world), world.EntryOf(kData, world.kRw)).actions,
      Actions{kEmulated});
  EXPECT_FALSE(world.domain->direct().ptwr_in_use());
}

TEST_P(PtwrRefusalTest, AnEmulatedStoreToAnOpenTableClosesItFirst) {
  PtwrWorld world(GetParam());
  MapAgain(world, kFirst, world.kRo);
  world.Store(kFirst, 1, world.EntryOf(kData, world.kRw));
  ASSERT_TRUE(world.active().in_use());
  EXPECT_EQ(
      world.StoreAt(FreeRegion(world), world.EntryOf(kData + 1, world.kRw))
          .actions,
      Actions{kEmulated});
  EXPECT_FALSE(world.active().in_use());
  EXPECT_EQ(world.Page(kData).type_count, 2u);
  EXPECT_EQ(world.Page(kData + 1).type_count, 2u);
}

TEST_P(PtwrRefusalTest, AnEmulatedStoreToTheEntryThatMapsAnOpenTableClosesIt) {
  PtwrWorld world(GetParam());
  world.Store(kFirst, 1, world.EntryOf(kData, world.kRw));
  ASSERT_TRUE(world.active().in_use());
  const int slot = IndexOf(world.mode, 1, kMapBase) + static_cast<int>(kFirst);
  EXPECT_EQ(world.Store(world.mapper(), slot, Pte()).actions,
            Actions{kEmulated});
  EXPECT_FALSE(world.active().in_use());
  EXPECT_EQ(world.Page(kFirst).type_count, 1u);
}

TEST_P(PtwrRefusalTest, OpeningATableClosesTheOneThatItMaps) {
  PtwrWorld world(GetParam());
  ASSERT_TRUE(world.MapReadOnly(kL1).ok());
  world.HookInOther(kL1);
  MapAgain(world, kL1, world.kRw);
  EXPECT_EQ(
      world.StoreAt(FreeRegion(world), world.EntryOf(kData, world.kRw)).actions,
      Actions{kRetried});
  ASSERT_EQ(world.inactive().table, world.Frame(kL1));
  // The entry by which it is written to is now in reach of the guest's stores.
  EXPECT_EQ(world.Store(kAlias, 1, Pte()).actions, Actions{kRetried});
  EXPECT_FALSE(world.inactive().in_use());
  EXPECT_EQ(world.Store(kAlias, 0, Pte()).actions, Actions{});
  EXPECT_TRUE(world.Op(MmuextCommand::kTlbFlushLocal, 0).ok());
  EXPECT_FALSE(world.domain->crashed());
}

TEST_P(PtwrRefusalTest, AfterTheClosingNoSecondAddressIsLeftToWriteThrough) {
  PtwrWorld world(GetParam());
  ASSERT_TRUE(world
                  .Update(world.mapper() - 1, FreeSlot(world),
                          world.EntryOf(world.mapper(), world.kRw))
                  .ok());
  world.Store(kFirst, 1, world.EntryOf(kData, world.kRw));
  ASSERT_TRUE(world.active().in_use());
  const VirtAddr alias = FreeRegion(world) + PageOffset(kMapBase) +
                         kFirst * kPageSize +
                         (kMapBase.value() & (world.span() - 1));
  EXPECT_EQ(world.StoreAt(alias, Pte()).actions, Actions{});
  EXPECT_TRUE(world.Load(kRegion + kPageSize).done);
  ASSERT_FALSE(world.active().in_use());
  EXPECT_EQ(world.StoreAt(alias, Pte()).actions, Actions{kRetried});
}

// --- Getting on.

TEST_P(PtwrRefusalTest, AfterABatchOfNoneOneStoreIsEmulatedAndTheNextOneOpens) {
  PtwrWorld world(GetParam());
  world.Store(kFirst, 1, Pte());  // what it is already
  EXPECT_EQ(world.Load(kRegion).actions, (Actions{kRetried, kReflected}));
  EXPECT_EQ(world.active().last_updates, 0u);
  EXPECT_EQ(world.Store(kFirst, 1, world.EntryOf(kData, world.kRw)).actions,
            Actions{kEmulated});
  EXPECT_EQ(world.Store(kFirst, 2, world.EntryOf(kData, world.kRw)).actions,
            Actions{kRetried});
}

TEST_P(PtwrRefusalTest, AfterABatchOfOneTheNextStoreOpensAtOnce) {
  PtwrWorld world(GetParam());
  world.Store(kFirst, 1, world.EntryOf(kData, world.kRw));
  EXPECT_TRUE(world.Load(kRegion + kPageSize).done);
  EXPECT_EQ(world.active().last_updates, 1u);
  EXPECT_EQ(world.Store(kFirst, 2, world.EntryOf(kData, world.kRw)).actions,
            Actions{kRetried});
}

// --- SMP.

TEST_P(PtwrRefusalTest, AnotherVcpusAccessClosesTheTableOfThisOne) {
  PtwrWorld world(GetParam(), 2);
  world.Store(kFirst, 1, world.EntryOf(kData, world.kRw), 0);
  ASSERT_TRUE(world.active().in_use());
  // In the address space of the vCPU that opened it.
  const auto loads = world.cpu(1).counters[Counter::kCr3Loads];
  const CostTally tally = world.Tally(
      [&] { EXPECT_TRUE(world.Load(kRegion + kPageSize, 1).done); }, 1);
  EXPECT_FALSE(world.active().in_use());
  EXPECT_GE(world.cpu(1).counters[Counter::kCr3Loads], loads + 2);
  EXPECT_GE(tally[IndexOfEvent(CostEvent::kMovCr3)], 2u);
  EXPECT_EQ(tally[IndexOfEvent(CostEvent::kIpiSend)], 1u);
  // Its writable TLB entry has gone with it.
  EXPECT_EQ(world.Store(kFirst, 2, Pte(), 0).actions, Actions{kRetried});
}

TEST_P(PtwrRefusalTest, UnhookingFlushesEveryCpuOfTheDomain) {
  PtwrWorld world(GetParam(), 2);
  ASSERT_TRUE(world.Update(kFirst, 1, world.EntryOf(kData, world.kRw)).ok());
  EXPECT_EQ(world.Load(kRegion + kPageSize, 1).actions, Actions{});
  world.Store(kFirst, 2, Pte(), 0);
  ASSERT_TRUE(world.active().in_use());
  EXPECT_EQ(world.Load(kRegion + kPageSize, 1).actions, Actions{kRetried});
  EXPECT_FALSE(world.active().in_use());
}

TEST_P(PtwrRefusalTest, AStaleReadOnlyEntryOfAnotherVcpuIsOnlyASpuriousFault) {
  PtwrWorld world(GetParam(), 2);
  world.Store(kFirst, 1, world.EntryOf(kData, world.kRw), 0);
  // The other CPU's TLB may still hold this translation.
  MemoryOperand operand{.kind = OperandKind::kStore, .size = 4};
  const Access access{world.VaOf(kFirst, 2), AccessKind::kWrite,
                      world.levels() >= 4};
  const PageFault fault{access.va, pf::kProtection | pf::kWrite};
  EXPECT_EQ(world.policy->HandlePageFault(world.vcpu(1), fault, access, operand)
                .action,
            kRetried);
  EXPECT_EQ(world.cpu(1).counters[Counter::kPtwrActive], 0u);
  EXPECT_EQ(world.active().vcpu, 0u);
}

TEST_P(PtwrRefusalTest, WithASecondMappingOnlyAnSmpGuestsStoreIsEmulated) {
  for (const int vcpus : {1, 2}) {
    PtwrWorld world(GetParam(), vcpus);
    ASSERT_TRUE(
        world.Update(kSecond, 0, world.EntryOf(kFirst, world.kRo)).ok());
    EXPECT_EQ(world.Store(kFirst, 1, world.EntryOf(kData, world.kRw)).actions,
              Actions{vcpus == 1 ? kRetried : kEmulated});
  }
}

TEST_P(PtwrRefusalTest, AnSmpGuestsTableOfAnotherTreeIsEmulated) {
  PtwrWorld world(GetParam(), 2);
  ASSERT_TRUE(world.MapReadOnly(kL1).ok());
  world.HookInOther(kL1);
  EXPECT_EQ(world.Store(kL1, 1, world.EntryOf(kData, world.kRw)).actions,
            Actions{kEmulated});
}

TEST_P(PtwrRefusalTest, AnSmpConflictClosesWhatIsOpen) {
  PtwrWorld world(GetParam(), 2);
  ASSERT_TRUE(world.Update(kSecond, 0, world.EntryOf(kFirst, world.kRo)).ok());
  world.Store(kSecond, 1, world.EntryOf(kData, world.kRw));
  ASSERT_TRUE(world.active().in_use());
  EXPECT_EQ(world.Store(kFirst, 1, world.EntryOf(kData, world.kRw)).actions,
            Actions{kEmulated});
  EXPECT_FALSE(world.active().in_use());
}

INSTANTIATE_TEST_SUITE_P(Machines, PtwrRefusalTest,
                         ::testing::ValuesIn(kPtwrMachines), NameOfMachine);

// It goes over to it without asking.
TEST(PtwrUserRootTest, ATableOfTheUserModeRootIsUnhookedFromThat) {
  PtwrWorld world({"", "skylake-2017", PagingMode::k4Level});
  ASSERT_TRUE(world.MapReadOnly(kL1).ok());
  world.HookInOther(kL1);
  ASSERT_TRUE(world.Op(MmuextCommand::kNewUserBaseptr, kOther).ok());
  world.Store(kL1, 3, world.EntryOf(kData, world.kRw));
  EXPECT_EQ(world.active().table, world.Frame(kL1));
  world.policy->SwitchMode(world.vcpu(), ModeSwitch::kSysret);
  EXPECT_EQ(world.Load(kRegion + 3 * kPageSize).actions, Actions{kRetried});
  EXPECT_FALSE(world.active().in_use());
}

// Xen 3.0 flushes nothing when an L2 entry goes whose table stays in use; a
// paging-structure cache would lead to what the guest now writes.
TEST(PtwrStaleTest, ATableThatACacheStillLeadsToIsFlushedBeforeItIsOpened) {
  PtwrWorld world({"", "skylake-2017", PagingMode::k2Level});
  const int slot = IndexOf(world.mode, 2, kRegion);
  ASSERT_TRUE(world.Update(kFirst, 1, world.EntryOf(kData, world.kRw)).ok());
  world.HookInOther(kFirst);
  EXPECT_TRUE(world.Load(kRegion + kPageSize).done);
  ASSERT_TRUE(world.Update(0, slot, Pte()).ok());
  const auto cached = [&world] {
    int entries = 0;
    for (const auto& entry : world.cpu().mmu.PagingStructureEntries()) {
      if (FrameOf(entry.table) == world.Frame(kFirst)) ++entries;
    }
    return entries;
  };
  ASSERT_EQ(cached(), 1);
  world.Store(kFirst, 2, Pte());
  EXPECT_TRUE(world.inactive().in_use());
  EXPECT_EQ(cached(), 0);
}

}  // namespace
}  // namespace xmmu::ptwr_refusal_test
