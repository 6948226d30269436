// These tests say how many hypercalls and traps the Linux of each time issues
// for each event. The numbers follow from the kernels' sources; only those of
// Linux 6.1 were measured, see guest/pvops_*_test.cc.
// A process has N present private pages in one mapping, W of them writable, in
// P L1 tables of E entries, and Q other tables below the root.

#include "guest/pvops_world.h"

namespace xmmu::linux_eras_test {
namespace {

// A column of the table.
struct Era {
  const char* name;
  Setting setting;
};

std::vector<Era> Eras() {
  return {
      {"linux_2_4_on_Xen_2",
       {"pinning", PagingMode::k2Level, GuestOps::kLinux24, PinWhen::kEarly}},
      {"linux_2_6_9_on_Xen_2",
       {"writable-page-tables", PagingMode::k2Level, GuestOps::kLinux269,
        PinWhen::kEarly}},
      {"linux_2_6_12_on_Xen_3_0",
       {"writable-page-tables", PagingMode::k2Level, GuestOps::kLinux2612}},
      {"linux_2_6_12_on_Xen_3_0_pae",
       {"writable-page-tables", PagingMode::kPae, GuestOps::kLinux2612}},
      {"linux_2_6_18_on_Xen_3_1",
       {"trap-and-emulate", PagingMode::k2Level, GuestOps::kLinux2618}},
      {"linux_2_6_18_on_Xen_3_1_pae",
       {"trap-and-emulate", PagingMode::kPae, GuestOps::kLinux2618}},
      {"linux_6_1_on_Xen_4_17",
       {"trap-and-emulate", PagingMode::k4Level, GuestOps::kPvops}},
  };
}

struct Case {
  Era era;
  uint64_t pages;     // N
  uint64_t writable;  // W
};

constexpr uint64_t CeilDiv(uint64_t a, uint64_t b) { return (a + b - 1) / b; }

class LinuxErasTest : public ::testing::TestWithParam<Case> {
 protected:
  GuestOps ops() const { return GetParam().era.setting.ops; }
  PagingMode mode() const { return GetParam().era.setting.mode; }
  uint64_t n() const { return GetParam().pages; }
  uint64_t w() const { return GetParam().writable; }
  uint64_t entries() const {
    return uint64_t{1} << (mode() == PagingMode::k2Level ? 10 : 9);
  }
  uint64_t p() const { return CeilDiv(n(), entries()); }
  // L1 tables with writable pages.
  uint64_t pw() const { return CeilDiv(w(), entries()); }
  // PAE: the program's L2, and the one of its own that maps the kernel.
  // 4-level: an L2 and an L3.
  uint64_t q() const { return mode() == PagingMode::k2Level ? 0 : 2; }
  // Hypercalls for `requests` through the queue of Linux 2.4.
  static uint64_t Queues(uint64_t requests) { return CeilDiv(requests, 2048); }

  // The process; its W writable pages come first.
  void Start() {
    world_ = std::make_unique<RecordedWorld>(GetParam().era.setting);
    world_->Do(1, MapOp(n()));
    world_->Access(1, GuestOpKind::kStore, w(), kRegion);
    world_->Access(1, GuestOpKind::kLoad, n() - w(), kRegion + w() * kPageSize);
  }
  Issued Take(const GuestOp& op, TaskId task = 1) {
    return world_->Take(task, op);
  }
  Issued Access(GuestOpKind kind, uint64_t pages, VirtAddr va = kRegion) {
    return world_->Take([&] { world_->Access(1, kind, pages, va); });
  }
  // Only totals matter of what Linux 2.4 issues: how the queue is cut depends
  // on what was in it before.
  static Issued Total(const Issued& issued) {
    return {.faults = issued.faults,
            .emulated = issued.emulated,
            .updates = issued.updates,
            .mapping_members = issued.mappings + issued.mapping_members,
            .mmuext_calls = issued.hypercalls(),
            .pins = issued.pins,
            .unpins = issued.unpins,
            .base_loads = issued.base_loads,
            .full_flushes = issued.full_flushes};
  }
  // A flush of everything.
  static void AddFullFlush(Issued& issued) {
    ++issued.full_flushes;
    ++issued.mmuext_calls;
  }

  std::unique_ptr<RecordedWorld> world_;
};

// Each fault makes one hypercall. Linux 2.4's queue is empty by then; otherwise
// the hypercall's own code would flush it first.
TEST_P(LinuxErasTest, ADemandFaultIsOneHypercall) {
  Start();
  const VirtAddr next = kRegion + (w() - 1) * kPageSize;
  world_->Do(1, RangeOp(GuestOpKind::kDiscard, w()));
  Issued expected{.faults = w()};
  if (ops() == GuestOps::kPvops) {
    expected.mmu_updates = expected.updates = w();
  } else {
    expected.mappings = w();
  }
  EXPECT_EQ(Access(GuestOpKind::kStore, w()), expected);
  EXPECT_EQ(Access(GuestOpKind::kStore, 1, next), Issued());
}

TEST_P(LinuxErasTest, TheFirstTouchOfATableMakesPinsAndLinksIt) {
  Start();
  const VirtAddr fresh = kRegion + 16 * entries() * kPageSize;
  world_->Do(1, MapOp(1, Backing::kAnonymous, kMapRead | kMapWrite, fresh));
  Issued expected{.faults = 1, .updates = 1};
  switch (ops()) {
    case GuestOps::kLinux24:  // read-only, pin and link in one flush
      expected.multicalls = {3};
      expected.pins = expected.mapping_members = expected.mappings = 1;
      break;
    case GuestOps::kLinux269:  // three hypercalls
      expected.pins = expected.mmuext_calls = expected.mmu_updates = 1;
      expected.mappings = 2;
      break;
    case GuestOps::kPvops:
      expected.pins = expected.mapping_members = 1;
      expected.multicalls = {2};
      expected.mmu_updates = expected.updates = 2;
      break;
    default:  // no pin of its own: two
      expected.mmu_updates = 1;
      expected.mappings = 2;
  }
  EXPECT_EQ(Access(GuestOpKind::kStore, 1, fresh), expected);
}

// The flush comes with the mapping. Linux 6.1 clears the entry before, which is
// an emulated instruction that its sources do not show as a hypercall.
TEST_P(LinuxErasTest, ACopyIsOneHypercallWithTheFlush) {
  Start();
  world_->Do(1, TaskOp(GuestOpKind::kFork, 2));
  Issued expected{.faults = w()};
  if (ops() == GuestOps::kPvops) {
    expected.emulated = expected.mmu_updates = expected.updates = w();
    expected.page_flushes = expected.mmuext_calls = w();
  } else {
    expected.mappings = expected.mapping_flushes = w();
  }
  EXPECT_EQ(Access(GuestOpKind::kStore, w()), expected);
}

TEST_P(LinuxErasTest, AForkProtectsCopiesAndPins) {
  Start();
  const Issued fork = Take(TaskOp(GuestOpKind::kFork, 2));
  Issued expected;
  switch (ops()) {
    case GuestOps::kLinux24: {
      // The queue goes with each new L1 of the child, and the rest with the
      // flush of the parent's TLB; W and N of a full L1 are a full queue.
      const uint64_t full = w() / entries();
      expected = {.updates = w() + n() + p(),
                  .mapping_members = p() + 1,
                  .mmuext_calls = p() + full + 1,
                  .pins = p() + 1,
                  .full_flushes = 1};
      EXPECT_EQ(Total(fork), expected);
      return;
    }
    case GuestOps::kLinux269:
      // The child's tables are pinned when they are made, so its entries are
      // stored through the inactive slot, while the active one has the
      // parent's. Three hypercalls a table, two for the root.
      expected = {.mmu_updates = p(),
                  .updates = p(),
                  .mappings = p() + 1,
                  .mmuext_calls = p() + 1,
                  .pins = p() + 1,
                  .active = pw(),
                  .inactive = p()};
      AddFullFlush(expected);
      break;
    case GuestOps::kLinux2612:
      // The parent's tables are opened; the child's are ordinary memory, until
      // it is first loaded.
      expected.active = pw();
      AddFullFlush(expected);
      break;
    case GuestOps::kPvops:
      // One thing differs from the sources: W is emulated, not batched.
      expected = {.emulated = w(),
                  .mmu_updates = TableBatches(n()),
                  .updates = n(),
                  .mapping_members = p() + q() + 2,
                  .pins = p() + 2};
      AddQueue(expected, 2 * p() + q() + 4);
      AddFullFlush(expected);
      break;
    default:
      expected = {.mappings = w() + p() + q() + 1,
                  .mapping_flushes = 1,
                  .mmuext_calls = 1,
                  .pins = 1};
      AddFullFlush(expected);
  }
  EXPECT_EQ(fork, expected);
}

// Where fork has pinned the child already, its first switch is like any other.
TEST_P(LinuxErasTest, ASwitchIsOneHypercallButTheFirstMayPin) {
  Start();
  world_->Do(1, TaskOp(GuestOpKind::kFork, 2));
  const GuestOp syscall = TaskOp(GuestOpKind::kSyscall);
  const uint64_t bases = ops() == GuestOps::kPvops ? 2 : 1;
  const Issued one{.mmuext_calls = 1, .base_loads = bases};
  Issued first = one;
  if (ops() == GuestOps::kLinux2612) {
    first.mappings = p() + q() + 1;
    first.mapping_flushes = first.pins = 1;
    ++first.mmuext_calls;
  }
  EXPECT_EQ(Take(syscall, 2), first);
  EXPECT_EQ(Take(syscall, 1), one);
  EXPECT_EQ(Take(syscall, 2), one);
}

TEST_P(LinuxErasTest, AnExitUnpinsOrClearsEachEntry) {
  Start();
  const Issued exit = Take(TaskOp(GuestOpKind::kExit));
  Issued expected;
  switch (ops()) {
    case GuestOps::kLinux24:
      // Linux 2.4 itself kept freed tables pinned, on a list: two requests a
      // table fewer.
      expected = {.updates = n() + p(),
                  .mapping_members = p(),
                  .mmuext_calls = Queues(n() + 3 * p() + 1),
                  .unpins = p(),
                  .full_flushes = 1};
      EXPECT_EQ(Total(exit), expected);
      return;
    case GuestOps::kLinux269:
      // The next L1 closes the one before; three hypercalls for each.
      expected = {.mmu_updates = p(),
                  .updates = p(),
                  .mappings = p(),
                  .mmuext_calls = p(),
                  .unpins = p(),
                  .active = p()};
      AddFullFlush(expected);
      break;
    case GuestOps::kPvops:
      expected = {.mapping_members = p() + q() + 2,
                  .mmuext_calls = 1,
                  .unpins = p() + 2,
                  .base_loads = 2};
      AddQueue(expected, 2 * p() + q() + 3);
      break;
    default:
      // Away from the tables, unpin, each page writable, a flush of everything
      // (mm_unpin), and plain stores.
      expected = {.mappings = p() + q() + 1,
                  .mmuext_calls = 2,
                  .unpins = 1,
                  .base_loads = 1};
      AddFullFlush(expected);
  }
  EXPECT_EQ(exit, expected);
}

// mprotect clears each entry, so that the processor sets no flag in it
// meanwhile, and sets it: before Linux 6.1's preserve-A/D two changes a page.
TEST_P(LinuxErasTest, MprotectClearsAndSetsEachEntry) {
  Start();
  const Issued protect = Take(RangeOp(GuestOpKind::kProtect, n(), kMapRead));
  Issued expected;
  switch (ops()) {
    case GuestOps::kLinux24:
      expected = {.updates = 2 * n(),
                  .mmuext_calls = Queues(2 * n() + 1),
                  .full_flushes = 1};
      EXPECT_EQ(Total(protect), expected);
      return;
    case GuestOps::kLinux269:  // both by stores
      expected.active = p();
      break;
    case GuestOps::kLinux2612:
      // The hypercall that sets an entry closes the table that was opened to
      // clear it.
      expected.active = expected.mappings = n();
      break;
    case GuestOps::kPvops:
      expected = {.mmu_updates = TableBatches(n()), .updates = n()};
      AddFlush(expected, n(), /*threads=*/false);
      EXPECT_EQ(protect, WithCalls(expected));
      return;
    default:  // PAE: one CMPXCHG8B
      expected.emulated = expected.mappings = n();
  }
  AddFullFlush(expected);
  EXPECT_EQ(protect, expected);
}

// Clearing alone is not interrupted, so each table is opened once.
TEST_P(LinuxErasTest, DontneedClearsEachEntry) {
  Start();
  const Issued discard = Take(RangeOp(GuestOpKind::kDiscard, n()));
  Issued expected;
  switch (ops()) {
    case GuestOps::kLinux24:
      expected = {
          .updates = n(), .mmuext_calls = Queues(n() + 1), .full_flushes = 1};
      EXPECT_EQ(Total(discard), expected);
      return;
    case GuestOps::kLinux269:
    case GuestOps::kLinux2612:
      expected.active = p();
      break;
    case GuestOps::kPvops:
      expected.emulated = n();
      AddFlush(expected, n(), /*threads=*/false);
      EXPECT_EQ(discard, WithCalls(expected));
      return;
    default:
      expected.emulated = n();
  }
  AddFullFlush(expected);
  EXPECT_EQ(discard, expected);
}

// Tables pinned before they are in use, by a kernel that never did so: what is
// not loaded is stored to, and Xen opens it.
TEST(LinuxErasUnloadedTest,
     EntriesOfPinnedTablesElsewhereAreStoredNotRequested) {
  constexpr uint64_t kPages = 40;
  RecordedWorld world({"writable-page-tables", PagingMode::k2Level,
                       GuestOps::kLinux2612, PinWhen::kEarly});
  world.Do(1, MapOp(kPages));
  world.Access(1, GuestOpKind::kStore, kPages, kRegion);
  const Issued expected{.mmu_updates = 1,
                        .updates = 1,
                        .mappings = 2,
                        .mapping_flushes = 1,
                        .mmuext_calls = 3,
                        .pins = 2,
                        .full_flushes = 1,
                        .active = 1,
                        .inactive = 1};
  EXPECT_EQ(world.Take(1, TaskOp(GuestOpKind::kFork, 2)), expected);
}

// A page is write-protected by fork and cleared at exit.
TEST(LinuxErasInstructionsTest, Linux269LocksNothingThatItDoesToAnEntry) {
  constexpr uint64_t kPages = 40;
  for (const GuestOps ops : {GuestOps::kLinux269, GuestOps::kLinux2612}) {
    RecordedWorld world(
        {"writable-page-tables", PagingMode::k2Level, ops, PinWhen::kEarly});
    world.Do(1, MapOp(kPages));
    world.Access(1, GuestOpKind::kStore, kPages, kRegion);
    const uint64_t before = world.Charged(CostEvent::kGuestLockedOp);
    world.Do(1, TaskOp(GuestOpKind::kFork, 2));
    world.Do(1, TaskOp(GuestOpKind::kExit));
    EXPECT_EQ(world.Charged(CostEvent::kGuestLockedOp) - before,
              ops == GuestOps::kLinux269 ? 0 : 2 * kPages);
  }
}

std::vector<Case> Cases() {
  std::vector<Case> cases;
  for (const Era& era : Eras()) {
    for (const auto& [pages, writable] : {std::pair<uint64_t, uint64_t>{1, 1},
                                          {2, 1},
                                          {33, 33},
                                          {34, 2},
                                          {512, 512},
                                          {513, 512},
                                          {1023, 600},
                                          {1024, 1024},
                                          {1025, 1025},
                                          {2047, 1},
                                          {2048, 2048},
                                          {3000, 1500}}) {
      cases.push_back({era, pages, writable});
    }
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Eras, LinuxErasTest, ::testing::ValuesIn(Cases()),
                         [](const testing::TestParamInfo<Case>& row) {
                           return absl::StrFormat(
                               "%s_%dpages_%dwritable", row.param.era.name,
                               row.param.pages, row.param.writable);
                         });

}  // namespace
}  // namespace xmmu::linux_eras_test
