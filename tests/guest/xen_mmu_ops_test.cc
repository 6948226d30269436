#include "guest/world.h"

// How many hypercalls and traps each way of issuing page-table writes takes.

namespace xmmu::xen_mmu_ops_test {
namespace {

constexpr uint64_t kPages = 64;

class XenMmuOpsTest : public ::testing::Test {
 protected:
  void Start(const Setting& setting) {
    world_ = std::make_unique<World>(setting);
    ASSERT_TRUE(world_->kernel().CreateProcess(1).ok());
    Do(MapOp(kPages));
    Do(StoreOp(0));  // the tables are there
    Mark();
  }
  void Do(const GuestOp& op) { world_->Do(1, op); }
  void Mark() { before_ = world_->cpu().counters; }
  uint64_t Since(Counter counter) {
    return (world_->cpu().counters - before_)[counter];
  }
  void TouchAll() {
    for (uint64_t page = 1; page < kPages; ++page) Do(StoreOp(page));
  }

  std::unique_ptr<World> world_;
  Counters before_;
};

TEST_F(XenMmuOpsTest, ADemandFaultIsOneUpdateVaMapping) {
  Start({"pinning", PagingMode::kPae, GuestOps::kUpdateVaMapping});
  TouchAll();
  EXPECT_EQ(Since(Counter::kCallsToUpdateVaMapping), kPages - 1);
  EXPECT_EQ(Since(Counter::kHypercalls), kPages - 1);
}

TEST_F(XenMmuOpsTest, ADemandFaultIsOneMmuUpdateOfOneOutsideLazyMode) {
  Start({"pinning", PagingMode::k4Level, GuestOps::kMulticall});
  TouchAll();
  EXPECT_EQ(Since(Counter::kCallsToMmuUpdate), kPages - 1);
  EXPECT_EQ(Since(Counter::kNumPageUpdates), kPages - 1);
}

TEST_F(XenMmuOpsTest, ADemandFaultIsOneEmulatedStore) {
  Start({"trap-and-emulate", PagingMode::k4Level, GuestOps::kStores});
  TouchAll();
  EXPECT_EQ(Since(Counter::kPtwrEmulations), kPages - 1);
  EXPECT_EQ(Since(Counter::kHypercalls), 0u);
}

TEST_F(XenMmuOpsTest, APaeEntryTakesTwoEmulatedStores) {
  Start({"trap-and-emulate", PagingMode::kPae, GuestOps::kStores});
  TouchAll();
  EXPECT_EQ(Since(Counter::kPtwrEmulations), 2 * (kPages - 1));
}

TEST_F(XenMmuOpsTest, MprotectGoesInBatchesOf31) {
  Start({"pinning", PagingMode::k4Level, GuestOps::kMulticall});
  TouchAll();
  Mark();
  Do(RangeOp(GuestOpKind::kProtect, kPages, kMapRead));
  EXPECT_EQ(Since(Counter::kNumPageUpdates), kPages);
  EXPECT_EQ(Since(Counter::kCallsToMmuUpdate), (kPages + 30) / 31);
}

TEST_F(XenMmuOpsTest, MprotectGoesInOneQueueOf2048) {
  Start({"pinning", PagingMode::k2Level, GuestOps::kQueue, PinWhen::kEarly});
  TouchAll();
  Mark();
  Do(RangeOp(GuestOpKind::kProtect, kPages, kMapRead));
  EXPECT_EQ(Since(Counter::kNumPageUpdates), kPages);
  EXPECT_EQ(Since(Counter::kCallsToMmuUpdate), 1u);
}

TEST_F(XenMmuOpsTest, AnUnpinnedTreeIsTornDownByPlainStores) {
  Start({"pinning", PagingMode::k4Level, GuestOps::kMulticall});
  TouchAll();
  Mark();
  Do(TaskOp(GuestOpKind::kExit));
  EXPECT_EQ(Since(Counter::kNumPageUpdates), 0u);
  EXPECT_EQ(Since(Counter::kUnpins), 3u);  // both roots and the L1
}

TEST_F(XenMmuOpsTest, EachEntryOfATreePinnedEarlyIsClearedThroughXen) {
  Start({"pinning", PagingMode::k2Level, GuestOps::kQueue, PinWhen::kEarly});
  TouchAll();
  Mark();
  Do(TaskOp(GuestOpKind::kExit));
  EXPECT_EQ(Since(Counter::kNumPageUpdates), kPages + 1);  // and the L2's
}

TEST_F(XenMmuOpsTest, LatePinningTakesOneMappingATableAndOnePin) {
  World world({"pinning", PagingMode::kPae, GuestOps::kUpdateVaMapping});
  const Counters before = world.cpu().counters;
  ASSERT_TRUE(world.kernel().CreateProcess(1).ok());
  const Counters since = world.cpu().counters - before;
  // The private kernel L2 and the root.
  EXPECT_EQ(since[Counter::kCallsToUpdateVaMapping], 2u);
  EXPECT_EQ(since[Counter::kPins], 1u);
}

// The difference between the strategies is visible where the mechanism says,
// and nowhere else.
TEST_F(XenMmuOpsTest, NotPinningCostsAtSwitchesOnly) {
  uint64_t per_switch[2];
  uint64_t per_fault[2];
  for (PinWhen pin : {PinWhen::kLate, PinWhen::kNever}) {
    const auto which = static_cast<size_t>(pin == PinWhen::kNever);
    Start({"pinning", PagingMode::k4Level, GuestOps::kMulticall, pin});
    TouchAll();
    per_fault[which] = Since(Counter::kValidatedPtes);
    Do(TaskOp(GuestOpKind::kFork, 2));
    world_->Do(2, LoadOp(0));
    Do(LoadOp(0));
    Mark();
    world_->Do(2, LoadOp(0));
    Do(LoadOp(0));
    per_switch[which] = Since(Counter::kValidatedPtes);
  }
  EXPECT_EQ(per_fault[0], per_fault[1]);
  EXPECT_EQ(per_switch[0], 0u);
  // Two switches, each a tree of two L4s, an L3, an L2 and an L1.
  EXPECT_GE(per_switch[1], 2u * 5 * 256);
}

}  // namespace
}  // namespace xmmu::xen_mmu_ops_test
