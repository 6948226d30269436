#include <array>

#include "policy/direct/ptwr_world.h"

// What opens a table for its guest's stores, and everything that closes it, in
// all generations.

namespace xmmu::writable_page_tables_test {
namespace {

TEST_P(PtwrTest, TheFirstStoreUnhooksTheTableAndTheNextOnesRunFree) {
  PtwrWorld world(GetParam());
  const Pte hook = world.HookAt(kRegion);
  EXPECT_EQ(world.Store(kFirst, 0, world.EntryOf(kData, world.kRw)).actions,
            Actions{kRetried});
  EXPECT_TRUE(world.active().in_use());
  EXPECT_FALSE(world.inactive().in_use());
  EXPECT_EQ(world.HookAt(kRegion), hook.Without(pte::kPresent));
  EXPECT_TRUE(world.MappingOf(kFirst).writable());
  for (int slot = 1; slot < 20; ++slot) {
    EXPECT_EQ(world.Store(kFirst, slot, world.EntryOf(kData, 0)).actions,
              Actions{});
  }
  EXPECT_EQ(world.cpu().counters[Counter::kPtwrActive], 1u);
  EXPECT_EQ(world.cpu().counters[Counter::kPtwrEmulations], 0u);
}

TEST_P(PtwrTest, AnAccessToItsRegionClosesItAndFindsTheNewEntry) {
  PtwrWorld world(GetParam());
  const Pte hook = world.HookAt(kRegion);
  world.Store(kFirst, 5, world.EntryOf(kData, world.kRw));
  EXPECT_EQ(world.Page(kData).type_count, 1u);  // the mapper's
  const PtwrWorld::Result load = world.Load(kRegion + 5 * kPageSize);
  EXPECT_EQ(load.actions, Actions{kRetried});
  EXPECT_TRUE(load.done);
  EXPECT_FALSE(world.active().in_use());
  EXPECT_TRUE(world.HookAt(kRegion).present());
  EXPECT_EQ(world.HookAt(kRegion).frame(), hook.frame());
  EXPECT_FALSE(world.MappingOf(kFirst).writable());
  EXPECT_EQ(world.MappingOf(kFirst).frame(), world.Frame(kFirst));
  EXPECT_EQ(world.Page(kData).type_count, 2u);
}

TEST_P(PtwrTest, AProgramsAccessClosesItToo) {
  PtwrWorld world(GetParam());
  world.Store(kFirst, 5, world.EntryOf(kData, world.kRw));
  world.vcpu().kernel_mode = false;
  EXPECT_TRUE(world.Load(kRegion + 5 * kPageSize).done);
  EXPECT_FALSE(world.active().in_use());
}

TEST_P(PtwrTest, AnAccessThatFaultsEitherWayIsTheGuestsAfterTheClosing) {
  PtwrWorld world(GetParam());
  world.Store(kFirst, 5, world.EntryOf(kData, world.kRw));
  EXPECT_EQ(world.Load(kRegion + 6 * kPageSize).actions,
            (Actions{kRetried, kReflected}));
}

TEST_P(PtwrTest, TheAddressesBesideItsRegionDoNotCloseIt) {
  PtwrWorld world(GetParam());
  world.Store(kFirst, 5, world.EntryOf(kData, world.kRw));
  EXPECT_EQ(world.Load(kRegion - 1).actions, Actions{kReflected});
  EXPECT_EQ(world.Load(kRegion + world.span()).actions, Actions{kReflected});
  EXPECT_TRUE(world.active().in_use());
  EXPECT_EQ(world.Load(kRegion + (world.span() - 4)).actions,
            (Actions{kRetried, kReflected}));
  EXPECT_FALSE(world.active().in_use());
}

TEST_P(PtwrTest, AFaultThatWantsTheSlotClosesIt) {
  PtwrWorld world(GetParam());
  world.Store(kFirst, 5, world.EntryOf(kData, world.kRw));
  EXPECT_EQ(world.Store(kSecond, 5, world.EntryOf(kData, world.kRw)).actions,
            Actions{kRetried});
  EXPECT_EQ(world.active().table, world.Frame(kSecond));
  EXPECT_EQ(world.Page(kData).type_count, 2u);
  EXPECT_TRUE(world.HookAt(kRegion).present());
}

TEST_P(PtwrTest, ATableOfAnotherAddressSpaceIsOpenedWithoutUnhooking) {
  PtwrWorld world(GetParam());
  constexpr uint64_t kL1 = 14;
  ASSERT_TRUE(world.MapReadOnly(kL1).ok());
  world.HookInOther(kL1);
  EXPECT_EQ(world.Store(kL1, 3, world.EntryOf(kData, world.kRw)).actions,
            Actions{kRetried});
  EXPECT_EQ(world.inactive().table, world.Frame(kL1));
  EXPECT_EQ(world.cpu().counters[Counter::kPtwrInactive], 1u);
  // Both slots can be in use.
  world.Store(kFirst, 3, world.EntryOf(kData, world.kRw));
  EXPECT_TRUE(world.active().in_use());
  EXPECT_TRUE(world.inactive().in_use());
  EXPECT_TRUE(world.Op(MmuextCommand::kTlbFlushLocal, 0).ok());
  EXPECT_FALSE(world.domain->direct().ptwr_in_use());
  EXPECT_EQ(world.Page(kData).type_count, 3u);
}

TEST_P(PtwrTest, ATableOfTheAddressSpaceThatIsLeftIsClosedByTheChangeOfCr3) {
  PtwrWorld world(GetParam());
  constexpr uint64_t kL1 = 14;
  ASSERT_TRUE(world.MapReadOnly(kL1).ok());
  world.HookInOther(kL1);
  world.Store(kFirst, 3, world.EntryOf(kData, world.kRw));
  world.Store(kL1, 3, world.EntryOf(kData, world.kRw));
  EXPECT_TRUE(world.policy->LoadCr3(world.vcpu(), world.GfnOf(kOther)).ok());
  EXPECT_FALSE(world.domain->direct().ptwr_in_use());
  world.ExpectClean();
}

// --- Hypercalls.

TEST_P(PtwrTest, EachHypercallThatTouchesTablesOrFramesClosesBothSlots) {
  const std::array updates = {MmuUpdate{}};
  const std::array ops = {
      MmuextOp{.command = MmuextCommand::kInvlpgLocal, .va = kRegion}};
  const std::array<Subcall, 1> members = {UpdateVaMappingCall{.va = kRegion}};
  const std::array<Subcall, 1> assist = {VmAssistCall{.enable = true}};
  const struct {
    Hypercall call;
    bool closes;
  } kCalls[] = {
      {MmuUpdateCall{.requests = updates}, true},
      {MmuUpdateCall{}, true},
      {MmuextCall{.ops = ops}, true},
      {UpdateVaMappingCall{.va = kRegion}, true},
      {DecreaseReservationCall{}, true},
      {PopulatePhysmapCall{}, true},
      {MulticallCall{.calls = members}, true},
      {VmAssistCall{.enable = false}, true},
      {VmAssistCall{.enable = true}, false},
      {MulticallCall{.calls = assist}, false},
      {SetGdtCall{}, false},
  };
  for (const auto& row : kCalls) {
    PtwrWorld world(GetParam());
    constexpr uint64_t kL1 = 14;
    ASSERT_TRUE(world.MapReadOnly(kL1).ok());
    world.HookInOther(kL1);
    world.Store(kL1, 3, world.EntryOf(kData, world.kRw));
    world.Store(kFirst, 3, world.EntryOf(kData, world.kRw));
    world.Call(row.call).IgnoreError();
    EXPECT_EQ(world.active().in_use(), !row.closes) << row.call.index();
    EXPECT_EQ(world.inactive().in_use(), !row.closes) << row.call.index();
  }
}

TEST_P(PtwrTest, UpdateVaMappingFindsTheEntryInTheUnhookedRegion) {
  PtwrWorld world(GetParam());
  world.Store(kFirst, 3, world.EntryOf(kData, world.kRw));
  EXPECT_TRUE(world
                  .Call(UpdateVaMappingCall{
                      .va = kRegion + 3 * kPageSize,
                      .value = world.EntryOf(kData + 1, world.kRo).raw()})
                  .ok());
  EXPECT_EQ(world.Get(kFirst, 3).frame(), world.Frame(kData + 1));
}

// A frame has lost its last writable mapping only in the open table. One that
// is no table meanwhile holds nothing that could be in the way.
TEST_P(PtwrTest, ATypeThatIsInTheWayClosesTheTablesThatMayStillHoldIt) {
  PtwrWorld world(GetParam());
  ASSERT_TRUE(world.MapReadOnly(kData).ok());
  ASSERT_TRUE(world.Update(kFirst, 0, world.EntryOf(kData, world.kRw)).ok());
  world.Store(kFirst, 0, Pte());
  ASSERT_TRUE(world.active().in_use());
  const std::array frames = {world.Frame(kData)};
  EXPECT_TRUE(world.Call(SetGdtCall{.frames = frames}).ok());
  EXPECT_EQ(world.active().in_use(),
            GetParam().policy == "writable-page-tables-g0");
  EXPECT_EQ(world.Page(kData).type, PageType::kSegDesc);
}

TEST_P(PtwrTest, WithoutVmAssistAStoreToATableIsAFaultOfTheGuest) {
  PtwrWorld world(GetParam());
  ASSERT_TRUE(world.Call(VmAssistCall{.enable = false}).ok());
  EXPECT_EQ(world.Store(kFirst, 0, Pte()).actions, Actions{kReflected});
  ASSERT_TRUE(world.Call(VmAssistCall{.enable = true}).ok());
  EXPECT_EQ(world.Store(kFirst, 0, Pte()).actions, Actions{kRetried});
}

TEST_P(PtwrTest, AProgramsStoreToATableOpensNothing) {
  PtwrWorld world(GetParam());
  world.vcpu().kernel_mode = false;
  EXPECT_EQ(world.Store(kFirst, 0, Pte()).actions, Actions{kReflected});
}

TEST_P(PtwrTest, StoresToTablesAboveL1AreTheGuestsFaults) {
  PtwrWorld world(GetParam());
  EXPECT_EQ(world.Store(0, 1, Pte()).actions, Actions{kReflected});
  EXPECT_EQ(world.Store(world.mapper() - 1, 9, Pte()).actions,
            Actions{kReflected});
}

// A flush by privileged instruction, which Xen emulates.
TEST_P(PtwrTest, AnEmulatedFlushClosesIt) {
  PtwrWorld world(GetParam());
  world.Store(kFirst, 3, world.EntryOf(kData, world.kRw));
  world.policy->FlushTlb(world.vcpu(), MaskOf(0),
                         TlbFlush::Page(kRegion + 64 * kPageSize));
  EXPECT_FALSE(world.active().in_use());
}

TEST_P(PtwrTest, AnEmulatedStoreToATableOfUnknownPlaceClosesNothingElse) {
  PtwrWorld world(GetParam());
  constexpr uint64_t kL1 = 14;
  ASSERT_TRUE(world.MapReadOnly(kL1).ok());
  ASSERT_TRUE(world.Op(MmuextCommand::kPinL1, kL1).ok());
  world.Store(kFirst, 3, world.EntryOf(kData, world.kRw));
  EXPECT_EQ(world.Store(kL1, 3, world.EntryOf(kData, world.kRw)).actions,
            Actions{kEmulated});
  EXPECT_TRUE(world.active().in_use());
}

INSTANTIATE_TEST_SUITE_P(Machines, PtwrTest,
                         ::testing::ValuesIn(PtwrMachinesWithAll()),
                         NameOfMachine);

}  // namespace
}  // namespace xmmu::writable_page_tables_test
