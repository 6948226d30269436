#include <array>

#include "policy/direct/ptwr_world.h"

// Wherein the generations of writable page tables differ: what is open and how,
// when Xen schedules, SMP guests, and what a batch costs, event by event.

namespace xmmu::ptwr_variants_test {
namespace {

constexpr uint64_t kL1 = 20;  // L1s of another address space
constexpr int kSlot = 3;

uint64_t At(const CostTally& tally, CostEvent event) {
  return tally[IndexOfEvent(event)];
}

// Hooks kL1 and the frames after it in the tree of kOther, from kRegion on.
void HookMore(PtwrWorld& world, int tables) {
  ASSERT_TRUE(world.MapReadOnly(kL1).ok());
  world.HookInOther(kL1);
  const uint64_t l2 = kOther + static_cast<uint64_t>(world.levels()) - 2;
  for (int i = 1; i < tables; ++i) {
    const uint64_t pfn = kL1 + static_cast<uint64_t>(i);
    ASSERT_TRUE(world.MapReadOnly(pfn).ok());
    ASSERT_TRUE(world
                    .Update(l2, IndexOf(world.mode, 2, kRegion) + i,
                            world.EntryOf(pfn, world.kRw))
                    .ok());
  }
}

int OpenTables(const PtwrWorld& world) {
  int open = 0;
  for (const PtwrInfo& info : world.domain->direct().ptwr())
    open += info.in_use();
  return open;
}

// --- When Xen schedules.

class PtwrVariantsTest : public PtwrTest {};

TEST_P(PtwrVariantsTest, OnlyInXen3TablesStayOpenWhileAnotherVcpuRuns) {
  PtwrWorld world(GetParam());
  HookMore(world, 1);
  world.Store(kL1, kSlot, world.EntryOf(kData, world.kRw));
  world.Store(kFirst, kSlot, world.EntryOf(kData, world.kRw));
  ASSERT_EQ(OpenTables(world), 2);
  world.policy->Deschedule(world.vcpu());
  world.ExpectClean();
  const bool xen3 = GetParam().policy == "writable-page-tables";
  EXPECT_EQ(OpenTables(world), xen3 ? 2 : 0);
  EXPECT_EQ(world.Page(kData).type_count, xen3 ? 1u : 3u);
}

TEST_P(PtwrVariantsTest, OnlyInXen3SmpGuestsOpenTables) {
  PtwrWorld world(GetParam(), 2);
  const bool xen3 = GetParam().policy == "writable-page-tables";
  EXPECT_EQ(world.Store(kFirst, kSlot, world.EntryOf(kData, world.kRw)).actions,
            Actions{xen3 ? kRetried : kEmulated});
  EXPECT_EQ(OpenTables(world), xen3 ? 1 : 0);
}

TEST_P(PtwrVariantsTest, OnlyInXen3TheStoreAfterABatchOfNoneIsEmulated) {
  PtwrWorld world(GetParam());
  world.Store(kFirst, kSlot, Pte());  // what it is already
  EXPECT_EQ(world.Load(kRegion).actions, (Actions{kRetried, kReflected}));
  const bool xen3 = GetParam().policy == "writable-page-tables";
  EXPECT_EQ(world.Store(kFirst, kSlot, world.EntryOf(kData, world.kRw)).actions,
            Actions{xen3 ? kEmulated : kRetried});
}

TEST_P(PtwrVariantsTest, ThereIsRoomForAsManyInactiveTablesAsThereWas) {
  PtwrWorld world(GetParam());
  const std::string_view policy = GetParam().policy;
  const bool queue = policy == "writable-page-tables-g0" ||
                     policy == "writable-page-tables-g1";
  const int room = queue ? 4 : 1;
  HookMore(world, 6);
  for (int i = 0; i < 6; ++i) {
    EXPECT_EQ(world
                  .Store(kL1 + static_cast<uint64_t>(i), kSlot,
                         world.EntryOf(kData, world.kRw))
                  .actions,
              Actions{kRetried});
    EXPECT_EQ(OpenTables(world), i % room + 1);
  }
  world.Store(kFirst, kSlot, world.EntryOf(kData, world.kRw));
  EXPECT_EQ(OpenTables(world), 6 % room + (room == 1 ? 2 : 1));
  EXPECT_TRUE(world.Call(MmuUpdateCall{}).ok());
  EXPECT_EQ(OpenTables(world), 0);
  EXPECT_EQ(world.Page(kData).type_count, 8u);
}

TEST_P(PtwrVariantsTest, APinAndAllPlacesOfATableAreWhatTheyWereAfterwards) {
  PtwrWorld world(GetParam());
  ASSERT_TRUE(world.Op(MmuextCommand::kPinL1, kFirst).ok());
  const bool two_places = world.mode == PagingMode::k2Level;
  if (two_places) world.HookInOther(kFirst);
  const PageInfo before = world.Page(kFirst);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(world.Store(kFirst, i, world.EntryOf(kData, world.kRw)).actions,
              Actions{kRetried});
    ASSERT_TRUE(world.active().in_use());
    EXPECT_TRUE(world.Call(MmuUpdateCall{}).ok());
    const PageInfo& after = world.Page(kFirst);
    EXPECT_EQ(after.type, before.type);
    EXPECT_EQ(after.type_count, two_places ? 3u : 2u);
    EXPECT_EQ(after.ref_count, before.ref_count);
    EXPECT_TRUE(after.pinned);
    EXPECT_EQ(after.l2_slot, before.l2_slot);
    EXPECT_EQ(after.hooked_in, before.hooked_in);
  }
}

TEST_P(PtwrVariantsTest, ATableOfAnotherAddressSpaceIsWhatItWasAfterwards) {
  for (const bool pinned : {false, true}) {
    PtwrWorld world(GetParam());
    HookMore(world, 1);
    if (pinned) {
      ASSERT_TRUE(world.Op(MmuextCommand::kPinL1, kL1).ok());
    }
    const PageInfo before = world.Page(kL1);
    EXPECT_EQ(world.Store(kL1, kSlot, world.EntryOf(kData, world.kRw)).actions,
              Actions{kRetried});
    EXPECT_TRUE(world.Call(MmuUpdateCall{}).ok());
    const PageInfo& after = world.Page(kL1);
    EXPECT_EQ(after.type, PageType::kL1);
    EXPECT_EQ(after.type_count, pinned ? 2u : 1u);
    EXPECT_EQ(after.ref_count, before.ref_count);
    EXPECT_EQ(after.l2_slot, before.l2_slot);
    EXPECT_EQ(after.hooked_in, before.hooked_in);
    EXPECT_EQ(world.Page(kData).type_count, 2u);
  }
}

TEST_P(PtwrVariantsTest, AStoreByASecondMappingFindsWhatTheFirstOneWrote) {
  PtwrWorld world(GetParam());
  ASSERT_TRUE(world.Update(kSecond, 0, world.EntryOf(kFirst, world.kRo)).ok());
  const VirtAddr alias = world.RegionOf(kSecond);
  world.Store(kFirst, 1, world.EntryOf(kData, world.kRw));
  EXPECT_TRUE(world
                  .StoreAt(alias + 2 * static_cast<uint64_t>(world.bytes()),
                           world.EntryOf(kData + 1, world.kRw))
                  .done);
  EXPECT_EQ(world.Get(kFirst, 1).frame(), world.Frame(kData));
  EXPECT_TRUE(world.Call(MmuUpdateCall{}).ok());
  EXPECT_EQ(world.Page(kData).type_count, 2u);
  EXPECT_EQ(world.Page(kData + 1).type_count, 2u);
}

// --- Refusals.

TEST_P(PtwrVariantsTest, ARefusedEntryCrashesTheDomainAndItsTablesStaySafe) {
  PtwrWorld world(GetParam());
  world.Store(kFirst, 1, world.EntryOf(kData, world.kRw));
  world.Store(kFirst, 3, world.EntryOf(0, world.kRw));  // the root, for writing
  EXPECT_EQ(world.Load(kRegion).actions, Actions{kReflected});
  EXPECT_TRUE(world.domain->crashed());
  EXPECT_NE(world.domain->crash_reason().find("writable page tables: "),
            std::string::npos);
  EXPECT_NE(world.domain->crash_reason().find(" is refused: "),
            std::string::npos);
  EXPECT_EQ(world.Get(kFirst, 3), Pte());
  EXPECT_TRUE(world.HookAt(kRegion).present());
  EXPECT_FALSE(world.MappingOf(kFirst).writable());
  EXPECT_EQ(OpenTables(world), 0);
}

// Of two open tables each has an entry for the other one, for writing.
TEST_P(PtwrVariantsTest, NoOpenTableIsAPageThatAnotherOneMayMapForWriting) {
  PtwrWorld world(GetParam());
  HookMore(world, 1);
  world.Store(kL1, 1, world.EntryOf(kFirst, world.kRw));
  world.Store(kFirst, 1, world.EntryOf(kL1, world.kRw));
  ASSERT_EQ(OpenTables(world), 2);
  EXPECT_FALSE(world.Call(MmuUpdateCall{}).ok());
  EXPECT_TRUE(world.domain->crashed());
  EXPECT_EQ(OpenTables(world), 0);
  EXPECT_EQ(world.Page(kFirst).type, PageType::kL1);
  EXPECT_EQ(world.Page(kL1).type, PageType::kL1);
  EXPECT_EQ(world.Get(kFirst, 1), Pte());
  EXPECT_EQ(world.Get(kL1, 1), Pte());
}

// Neither while it is open nor after it.
TEST_P(PtwrVariantsTest, NoEmulatedStoreMapsAnOpenTableForWriting) {
  PtwrWorld world(GetParam());
  world.Store(kFirst, 1, world.EntryOf(kData, world.kRw));
  ASSERT_TRUE(world.active().in_use());
  const int slot =
      IndexOf(world.mode, 1, kMapBase) + static_cast<int>(kMappedFrames);
  EXPECT_EQ(world.Store(world.mapper(), slot, world.EntryOf(kFirst, world.kRw))
                .actions,
            Actions{kReflected});
  EXPECT_FALSE(world.domain->crashed());
  EXPECT_EQ(world.Page(kData).type_count, world.active().in_use() ? 1u : 2u);
}

// What a batch of `stores` costs, beside the two traps.
struct Batch {
  uint64_t reads = 0;     // kXenPteRead
  uint64_t writes = 0;    // kXenPteWrite
  uint64_t locked = 0;    // kXenPteCas, kLockedOp
  uint64_t copies = 0;    // kCopyPage
  uint64_t compared = 0;  // kSnapshotCompare
  uint64_t scanned = 0;   // kValidatePte, torn down or validated
  uint64_t flushes = 0;   // of whole TLBs, or of an address

  bool operator==(const Batch&) const = default;
};

std::ostream& operator<<(std::ostream& os, const Batch& batch) {
  return os << batch.reads << " reads, " << batch.writes << " writes, "
            << batch.locked << " locked, " << batch.copies << " copies, "
            << batch.compared << " compared, " << batch.scanned << " scanned, "
            << batch.flushes << " flushes";
}

Batch Measure(PtwrWorld& world, int present, int stores) {
  const Pte entry = world.EntryOf(kData, world.kRw);
  for (int i = 0; i < present; ++i) {
    EXPECT_TRUE(world.Update(kFirst, i, entry).ok());
  }
  const Counters before = world.cpu().counters;
  const CostTally tally = world.Tally([&] {
    for (int i = 0; i < stores; ++i) world.Store(kFirst, present + i, entry);
    EXPECT_TRUE(
        world.Load(kRegion + static_cast<uint64_t>(present) * kPageSize).done);
  });
  const Counters since = world.cpu().counters - before;
  EXPECT_EQ(At(tally, CostEvent::kExceptionEntry), 2u);
  EXPECT_EQ(At(tally, CostEvent::kIret), 2u);
  EXPECT_EQ(At(tally, CostEvent::kEmulate), 0u);
  const uint64_t lock = world.mode == PagingMode::k2Level ? 2 : 0;
  return {
      .reads = At(tally, CostEvent::kXenPteRead),
      .writes = At(tally, CostEvent::kXenPteWrite),
      .locked = At(tally, CostEvent::kXenPteCas) +
                At(tally, CostEvent::kLockedOp) - lock,
      .copies = At(tally, CostEvent::kCopyPage),
      .compared = At(tally, CostEvent::kSnapshotCompare),
      .scanned = At(tally, CostEvent::kValidatePte),
      .flushes = since[Counter::kTlbFlushes] + At(tally, CostEvent::kInvlpg)};
}

Batch Expected(const PtwrWorld& world, std::string_view policy, int present,
               int stores) {
  const auto entries = static_cast<uint64_t>(world.entries());
  const auto b = static_cast<uint64_t>(stores);
  const auto p = static_cast<uint64_t>(present);
  // To find the mapping and the hook, and to close the mapping.
  const bool walks = world.host.model().features.long_mode == false &&
                     world.mode == PagingMode::kPae;
  Batch batch{.reads = walks ? 5u : 3u, .writes = 4, .flushes = 2};
  if (policy != "writable-page-tables-g0") {
    batch.copies = 1;
    batch.compared = entries;
    batch.locked = 2 * b;
    if (policy == "writable-page-tables-g2") batch.writes += b;
    return batch;
  }
  // The L2 entry is changed by mod_l2_entry, both times; each entry's frame is
  // let go and taken again, and so is the table itself, which is a writable
  // page in between.
  batch.reads += 2;
  batch.writes -= 2;
  const uint64_t last_put = world.mode == PagingMode::k2Level ? 1 : 0;
  batch.locked = 2 + 2 * (2 * p + b) + 2 + 2 + 2 + last_put;
  batch.scanned = 2 * entries;
  return batch;
}

TEST_P(PtwrVariantsTest, OneStoreCostsWhatTheWayOfOpeningCosts) {
  PtwrWorld world(GetParam());
  const Batch batch = Measure(world, 0, 1);
  EXPECT_EQ(batch, Expected(world, GetParam().policy, 0, 1));
}

TEST_P(PtwrVariantsTest, ManyStoresCostTheSameAndTheirReferences) {
  PtwrWorld world(GetParam());
  const Batch batch = Measure(world, 0, 100);
  EXPECT_EQ(batch, Expected(world, GetParam().policy, 0, 100));
}

// Only where the table is validated anew.
TEST_P(PtwrVariantsTest, WhatIsInTheTableAlreadyCostsTheFirstGenerationMore) {
  PtwrWorld world(GetParam());
  const Batch batch = Measure(world, 50, 1);
  EXPECT_EQ(batch, Expected(world, GetParam().policy, 50, 1));
}

INSTANTIATE_TEST_SUITE_P(Machines, PtwrVariantsTest,
                         ::testing::ValuesIn(PtwrMachinesWithAll()),
                         NameOfMachine);

}  // namespace
}  // namespace xmmu::ptwr_variants_test
