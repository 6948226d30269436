// Tests what a Linux 6.1 on Xen 4.17 issues for mremap, fork, exit, exec and
// context switches, by its formulas, event by event.

#include <algorithm>

#include "guest/pvops_world.h"

namespace xmmu::pvops_events_test {
namespace {

constexpr uint64_t kL1Bytes = 512 * kPageSize;
// This address is in the same L4 slot as kFarTables, and in another L3 slot.
constexpr VirtAddr kElsewhere = kFarTables + (uint64_t{8} << 30);

GuestOp MoveOp(uint64_t pages, VirtAddr to) {
  return {.kind = GuestOpKind::kRemap,
          .va = kFarTables,
          .length = pages * kPageSize,
          .target = to,
          .new_length = pages * kPageSize};
}

class PvopsMoveTest : public ::testing::TestWithParam<bool> {
 protected:
  bool threads() const { return GetParam(); }
};

TEST_P(PvopsMoveTest, WholeTablesMoveByTwoUpdatesAndNoPin) {
  for (uint64_t k : {1u, 2u, 8u}) {
    PvopsWorld world(threads());
    world.MapAndStore(512 * k);
    Issued expected{
        .mmu_updates = 2 * k + 2, .updates = 2 * k + 2, .mappings = k + 2};
    for (uint64_t i = 0; i < k; ++i) AddFlush(expected, 512, threads());
    AddFlush(expected, 1, threads());  // the L2 left
    EXPECT_EQ(world.Take(MoveOp(512 * k, kElsewhere)), WithCalls(expected));
    EXPECT_EQ(expected.flushes(), k + 1);
    // No page was lost in the move.
    EXPECT_EQ(world.Take([&] {
      world.Access(GuestOpKind::kStore, 512 * k, kElsewhere);
    }),
              Issued());
  }
}

TEST_P(PvopsMoveTest, InAnotherPhaseEachPageIsAnEmulatedClearAndAnUpdate) {
  for (uint64_t phase : {uint64_t{1}, uint64_t{511}}) {
    for (uint64_t k : {1u, 2u, 8u}) {
      PvopsWorld world(threads());
      const uint64_t n = 512 * k;
      world.MapAndStore(n);
      Issued expected{.emulated = n,
                      .mmu_updates = k * (Batches(511) + 1) + 2 * k + 3,
                      .updates = n + 2 * k + 3,
                      .mappings = 2,
                      .mapping_members = 2 * k + 1,
                      .pins = k + 1,
                      .unpins = k};
      expected.multicalls.assign(2 * k + 1, 2);
      for (uint64_t i = 0; i < k; ++i) {
        AddFlush(expected, 511, threads());
        AddFlush(expected, 1, threads());
      }
      AddFlush(expected, k, threads());  // the tables left
      EXPECT_EQ(world.Take(MoveOp(n, kElsewhere + phase * kPageSize)),
                WithCalls(expected));
    }
  }
}

// Fewer pages than a table are moved. A neighbour keeps both tables, so only
// the pages count.
TEST_P(PvopsMoveTest, PageByPageWithinTablesThatStay) {
  for (uint64_t n : {1u, 2u, 31u, 32u, 33u, 34u, 62u, 63u, 256u}) {
    PvopsWorld world(threads());
    for (VirtAddr va : {kFarTables, kElsewhere}) {
      world.Do(MapOp(512, Backing::kAnonymous, kMapRead | kMapWrite, va));
      world.Access(GuestOpKind::kStore, 1, va + kL1Bytes - kPageSize);
    }
    world.Access(GuestOpKind::kStore, n);
    Issued expected{.emulated = n, .mmu_updates = Batches(n), .updates = n};
    AddFlush(expected, n, threads());
    EXPECT_EQ(world.Take(MoveOp(n, kElsewhere)), WithCalls(expected));
  }
}

INSTANTIATE_TEST_SUITE_P(Vcpus, PvopsMoveTest, ::testing::Bool());

// A fork of a process with `l1s` + `l2s` + `l3s` tables, `pages` private pages
// of which `writable` in `calls` batches.
Issued ForkOf(uint64_t pages, uint64_t writable, uint64_t calls, uint64_t l1s,
              uint64_t l2s, uint64_t l3s, bool threads) {
  Issued issued{.emulated = writable,
                .mmu_updates = calls,
                .updates = pages,
                .mapping_members = l1s + l2s + l3s + 2,
                .pins = l1s + 2};
  AddQueue(issued, 2 * l1s + l2s + l3s + 4);
  AddFlush(issued, 512, threads);
  return WithCalls(issued);
}

// The exit of a process; the switch to the next one comes later.
Issued ExitOf(uint64_t l1s, uint64_t l2s, uint64_t l3s) {
  Issued issued{.mapping_members = l1s + l2s + l3s + 2,
                .unpins = l1s + 2,
                .base_loads = 2};
  AddQueue(issued, 2 * l1s + l2s + l3s + 3);
  // The last entry, of the kernel's root, goes alone if the others fill queues.
  if (issued.multicalls.back() == 1) {
    issued.multicalls.pop_back();
    --issued.mapping_members;
    ++issued.mappings;
    ++issued.mapping_flushes;
  }
  return WithCalls(issued);
}

class PvopsForkTest : public ::testing::TestWithParam<uint64_t> {
 protected:
  uint64_t n() const { return GetParam(); }
  uint64_t k() const { return TablesOf(n()); }
  uint64_t l1s() const { return kBaseL1s + k(); }
  uint64_t l2s() const { return kBaseL2s + (n() > 0); }
  uint64_t l3s() const { return kBaseL3s + (n() > 0); }
  uint64_t calls() const { return kBaseL1s + TableBatches(n()); }
};

TEST_P(PvopsForkTest, CopiesByUpdatesProtectsByInstructionsAndPinsInOneQueue) {
  for (bool threads : {false, true}) {
    PvopsWorld world(threads, /*memory_mib=*/160);
    if (n() > 0) world.MapAndStore(n());
    const uint64_t pages = kBasePages + n();
    EXPECT_EQ(world.Take(TaskOp(GuestOpKind::kFork, 3)),
              ForkOf(pages, pages, calls(), l1s(), l2s(), l3s(), threads));
  }
}

TEST_P(PvopsForkTest, ASecondForkEmulatesOnlyWhatWasWrittenSince) {
  PvopsWorld world(/*threads=*/false, /*memory_mib=*/160);
  if (n() > 0) world.MapAndStore(n());
  world.Do(TaskOp(GuestOpKind::kFork, 3));
  world.Access(GuestOpKind::kStore, 3, kStackPages);
  EXPECT_EQ(world.Take(TaskOp(GuestOpKind::kFork, 4)),
            ForkOf(kBasePages + n(), 3, calls(), l1s(), l2s(), l3s(), false));
}

TEST_P(PvopsForkTest, AnExitIsASwitchAndOneQueueWhateverThePages) {
  PvopsWorld world(/*threads=*/false, /*memory_mib=*/160);
  if (n() > 0) world.MapAndStore(n());
  world.Do(TaskOp(GuestOpKind::kFork, 3));
  world.Do(3, AccessOp(GuestOpKind::kLoad, 0, kStackPages));
  EXPECT_EQ(world.Take(3, TaskOp(GuestOpKind::kExit)),
            ExitOf(l1s(), l2s(), l3s()));
  const Issued back = world.Take(AccessOp(GuestOpKind::kLoad, 0, kStackPages));
  EXPECT_EQ(back, WithCalls({.base_loads = 2}));
}

INSTANTIATE_TEST_SUITE_P(ExtraPages, PvopsForkTest,
                         ::testing::Values(0, 1, 16, 30, 31, 32, 33, 34, 62, 63,
                                           511, 512, 513, 1024, 3584, 4096,
                                           4097, 8192));

TEST(PvopsForkTest, FilePagesAreNotCopied) {
  PvopsWorld world;
  world.Do(PvopsWorld::FarMap(64, Backing::kFileShared));
  world.Access(GuestOpKind::kStore, 64);
  EXPECT_EQ(world.Take(TaskOp(GuestOpKind::kFork, 3)),
            ForkOf(kBasePages, kBasePages, kBaseL1s, kBaseL1s, kBaseL2s,
                   kBaseL3s, false));
}

// Two regions in one L1 are two queues.
TEST(PvopsForkTest, TheQueueIsIssuedAtTheEndOfEachRegionWithinATable) {
  PvopsWorld world;
  for (uint64_t i : {0u, 1u}) {
    const VirtAddr va = kFarTables + 16 * i * kPageSize;
    const uint8_t rights =
        i == 0 ? kMapRead | kMapWrite : kMapRead | kMapWrite | kMapExecute;
    world.Do(MapOp(10, Backing::kAnonymous, rights, va));
    world.Access(GuestOpKind::kStore, 10, va);
  }
  EXPECT_EQ(world.Take(TaskOp(GuestOpKind::kFork, 3)),
            ForkOf(kBasePages + 20, kBasePages + 20, kBaseL1s + 2, kBaseL1s + 1,
                   kBaseL2s + 1, kBaseL3s + 1, false));
}

TEST(PvopsForkTest, ParentAndChildEachCopyTheirStackPage) {
  PvopsWorld world;
  world.Do(TaskOp(GuestOpKind::kFork, 3));
  const GuestOp store = AccessOp(GuestOpKind::kStore, 0, kStackPages);
  Issued copy{.faults = 1,
              .emulated = 1,
              .mmu_updates = 1,
              .updates = 1,
              .page_flushes = 1};
  EXPECT_EQ(world.Take(store), WithCalls(copy));
  copy.base_loads = 2;  // to the child
  // The child is the page's last owner now.
  copy.emulated = copy.page_flushes = 0;
  EXPECT_EQ(world.Take(3, store), WithCalls(copy));
}

TEST(PvopsSwitchTest, APingPongIsOneCallOfTwoOperationsEachWay) {
  PvopsWorld world;
  world.Do(TaskOp(GuestOpKind::kFork, 3));
  const GuestOp load = AccessOp(GuestOpKind::kLoad, 0, kStackPages);
  world.Do(3, load);
  for (uint64_t rounds : {1u, 7u, 100u}) {
    const Issued taken = world.Take([&] {
      for (uint64_t i = 0; i < rounds; ++i) {
        world.Do(1, load);
        world.Do(3, load);
      }
    });
    EXPECT_EQ(taken, WithCalls({.base_loads = 4 * rounds}));
    EXPECT_EQ(taken.mmuext_calls, 2 * rounds);
  }
}

TEST(PvopsSwitchTest, ThroughAnIdleKernelBackToTheSameProcessIsNothing) {
  PvopsWorld world;
  EXPECT_EQ(world.Take([&] {
    world.Do(TaskOp(GuestOpKind::kYield));
    world.Do(TaskOp(GuestOpKind::kSyscall));
    world.Access(GuestOpKind::kStore, 1, kStackPages);
  }),
            Issued());
}

// A child of the base process is measured from execve to its first instruction,
// with one page of arguments.
TEST(PvopsExecTest, ArgumentsAreWrittenPinnedMovedAndTheOldTablesUnpinned) {
  PvopsWorld world;
  world.Do(TaskOp(GuestOpKind::kFork, 3));
  world.Do(3, AccessOp(GuestOpKind::kLoad, 0, kStackPages));
  const VirtAddr stack(0x7fff3852f000);
  const Issued exec = world.Take(
      3, {.kind = GuestOpKind::kExec, .va = stack, .length = kPageSize});
  const VirtAddr text(0x400000);
  world.Do(3, MapOp(4, Backing::kAnonymous, kMapRead | kMapWrite, text));
  const Issued first = world.Take(3, AccessOp(GuestOpKind::kStore, 0, text));

  Issued expected{.emulated = 1,
                  .mmu_updates = 7,
                  .updates = 7,
                  .mappings = 2,
                  // The members are those of both trees and of the L1s of the
                  // move.
                  .mapping_members = 5 + 10 + 2,
                  .multicalls = {8, 15, 2, 2},
                  .pins = 3 + 1,
                  .unpins = kBaseL1s + 2 + 1,
                  .base_loads = 2,
                  .page_flushes = 2,
                  .full_flushes = 1};
  EXPECT_EQ(exec, WithCalls(expected));
  Issued fault{.faults = 1,
               .mmu_updates = 4,
               .updates = 5,
               .mappings = 2,
               .mapping_members = 1,
               .multicalls = {2},
               .pins = 1};
  EXPECT_EQ(first, fault);

  // The totals that were measured.
  EXPECT_EQ(exec.mmu_updates + first.mmu_updates, 11u);
  EXPECT_EQ(exec.updates + first.updates, 12u);
  EXPECT_EQ(exec.mappings + exec.mapping_members + first.mappings +
                first.mapping_members,
            22u);
  EXPECT_EQ(exec.mmuext_ops() + first.mmuext_ops(), 17u);
  EXPECT_EQ(exec.multicalls.size() + first.multicalls.size(), 5u);
  EXPECT_EQ(exec.emulated + first.emulated, 1u);
}

TEST(PvopsExecTest, EachPageOfArgumentsIsWrittenProtectedAndMoved) {
  PvopsWorld world;
  const GuestOp exec{.kind = GuestOpKind::kExec,
                     .va = VirtAddr(0x7fff38520000),
                     .length = 5 * kPageSize};
  const Issued taken = world.Take(exec);
  EXPECT_EQ(taken.emulated, 5u);
  EXPECT_EQ(taken.updates, 3 * 5u + 4);  // and the tables of the move
  EXPECT_EQ(taken.mmu_updates, 5u + 1 + 1 + 4);
  EXPECT_EQ(taken.page_flushes, 2 * 5u);
  EXPECT_EQ(world.Take([&] { world.Access(GuestOpKind::kStore, 5, exec.va); }),
            Issued());
}

TEST(PvopsExecTest, WithoutArgumentsOnlyTheEmptyRootsArePinned) {
  PvopsWorld world;
  const Issued taken = world.Take(TaskOp(GuestOpKind::kExec));
  EXPECT_EQ(taken.multicalls, (std::vector<size_t>{4, 15}));
  EXPECT_EQ(taken.updates, 0u);
}

TEST(PvopsExecTest, AStackThatReachesIntoTheTopmostPagesIsRefused) {
  PvopsWorld world;
  const VirtAddr top((uint64_t{1} << 47) - kPageSize);
  const auto exec = [&](VirtAddr va) {
    return world.kernel().Perform(
        1, {.kind = GuestOpKind::kExec, .va = va, .length = 2 * kPageSize});
  };
  EXPECT_EQ(exec(top - 3 * kPageSize).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(exec(top - 2 * kPageSize).ok());  // stays where it is
  EXPECT_TRUE(exec(top - 4 * kPageSize).ok());
}

// A table that is linked to no pinned tree is written to by plain stores; but
// for set_pte.
TEST(PvopsTablesTest, AnUnpinnedTreeTakesEntriesByHypercallAndLinksByStores) {
  PvopsWorld world;
  const uint64_t before = world.Counted(Counter::kWritableMmuUpdates);
  world.Do(TaskOp(GuestOpKind::kFork, 3));
  EXPECT_EQ(world.Counted(Counter::kWritableMmuUpdates) - before, kBasePages);
}

TEST(PvopsTablesTest, EachLevelsNewTableTakesItsOwnRequests) {
  PvopsWorld world;
  const auto touch = [&](VirtAddr va) {
    world.Do(MapOp(1, Backing::kAnonymous, kMapRead | kMapWrite, va));
    return world.Take(AccessOp(GuestOpKind::kStore, 0, va));
  };
  Issued expected{.faults = 1,
                  .mmu_updates = 4,
                  .updates = 5,
                  .mappings = 2,
                  .mapping_members = 1,
                  .multicalls = {2},
                  .pins = 1};
  EXPECT_EQ(touch(kFarTables), expected);  // L3, L2, L1
  expected.mmu_updates = expected.updates = 3;
  expected.mappings = 1;
  EXPECT_EQ(touch(kFarTables + (uint64_t{1} << 30)), expected);  // L2, L1
  expected.mmu_updates = expected.updates = 2;
  expected.mappings = 0;
  EXPECT_EQ(touch(kFarTables + kL1Bytes), expected);  // L1
  EXPECT_EQ(touch(kFarTables + kPageSize),
            (Issued{.faults = 1, .mmu_updates = 1, .updates = 1}));
}

}  // namespace
}  // namespace xmmu::pvops_events_test
