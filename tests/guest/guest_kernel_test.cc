#include "xmmu/guest/guest_kernel.h"

#include "guest/world.h"

// Tests what the guest kernel does, event by event, by the counters and costs
// of bare hardware.

namespace xmmu::guest_kernel_test {
namespace {

class GuestKernelTest : public ::testing::Test {
 protected:
  void Start(const Setting& setting = {}) {
    world_ = std::make_unique<World>(setting);
    ASSERT_TRUE(world_->kernel().CreateProcess(1).ok());
  }
  void Do(const GuestOp& op) { world_->Do(1, op); }
  uint64_t Counted(Counter counter) { return world_->cpu().counters[counter]; }

  std::unique_ptr<World> world_;
};

TEST_F(GuestKernelTest, AStoreToAFreshPageFaultsOnce) {
  Start();
  Do(MapOp(1));
  Do(StoreOp(0));
  EXPECT_EQ(Counted(Counter::kGuestFaults), 1u);
  EXPECT_EQ(Counted(Counter::kDemandZero), 1u);
  Do(StoreOp(0));
  EXPECT_EQ(Counted(Counter::kGuestFaults), 1u);
}

TEST_F(GuestKernelTest, AReadMapsTheZeroPageAndAStoreThenReplacesIt) {
  Start();
  Do(MapOp(1));
  Do(LoadOp(0));
  EXPECT_EQ(Counted(Counter::kDemandZero), 0u);
  Do(StoreOp(0));
  EXPECT_EQ(Counted(Counter::kGuestFaults), 2u);
  EXPECT_EQ(Counted(Counter::kDemandZero), 1u);
}

TEST_F(GuestKernelTest,
       AnAccessOutsideAllMappingsIsRefusedAndTheProgramGoesOn) {
  Start();
  Do(LoadOp(0));
  EXPECT_EQ(Counted(Counter::kGuestFaults), 1u);
  EXPECT_EQ(Counted(Counter::kAccesses), 0u);
}

TEST_F(GuestKernelTest, AStoreToAReadOnlyMappingIsRefused) {
  Start();
  Do(MapOp(1, Backing::kAnonymous, kMapRead));
  Do(StoreOp(0));
  EXPECT_EQ(Counted(Counter::kDemandZero), 0u);
  EXPECT_EQ(Counted(Counter::kAccesses), 0u);
}

TEST_F(GuestKernelTest, AfterForkTheFirstWriterCopiesAndTheLastOwnerReuses) {
  Start();
  Do(MapOp(1));
  Do(StoreOp(0));
  Do(TaskOp(GuestOpKind::kFork, 2));
  world_->Do(2, StoreOp(0));
  EXPECT_EQ(Counted(Counter::kCowCopies), 1u);
  world_->Do(1, StoreOp(0));
  EXPECT_EQ(Counted(Counter::kCowCopies), 1u);
  EXPECT_EQ(Counted(Counter::kCowReuses), 1u);
}

TEST_F(GuestKernelTest, ForkDoesNotCopyEntriesThatCanBeFaultedInAgain) {
  Start();
  Do(MapOp(4, Backing::kFilePrivate, kMapRead));
  for (uint64_t page = 0; page < 4; ++page) Do(LoadOp(page));
  const uint64_t faults = Counted(Counter::kGuestFaults);
  Do(TaskOp(GuestOpKind::kFork, 2));
  world_->Do(2, LoadOp(0));
  EXPECT_EQ(Counted(Counter::kGuestFaults), faults + 1);
}

TEST_F(GuestKernelTest, StoresOfTheChildDoNotReachTheParent) {
  // Two worlds that differ only in whether the child stores.
  uint64_t digests[2];
  for (int child_stores = 0; child_stores < 2; ++child_stores) {
    Start();
    Do(MapOp(1));
    Do(StoreOp(0));
    Do(TaskOp(GuestOpKind::kFork, 2));
    world_->Do(2, child_stores == 1 ? StoreOp(0) : LoadOp(0));
    const uint64_t before = world_->kernel().digest();
    Do(LoadOp(0));
    digests[child_stores] = world_->kernel().digest() - before;
  }
  EXPECT_EQ(digests[0], digests[1]);
}

// The parent's TLB still holds the page writable when it forks.
TEST_F(GuestKernelTest, StoresOfTheParentDoNotReachTheChild) {
  uint64_t digests[2];
  for (int parent_stores = 0; parent_stores < 2; ++parent_stores) {
    Start();
    Do(MapOp(1));
    Do(StoreOp(0));
    Do(TaskOp(GuestOpKind::kFork, 2));
    Do(parent_stores == 1 ? StoreOp(0) : LoadOp(0));
    const uint64_t before = world_->kernel().digest();
    world_->Do(2, LoadOp(0));
    digests[parent_stores] = world_->kernel().digest() - before;
  }
  EXPECT_EQ(digests[0], digests[1]);
}

TEST_F(GuestKernelTest, SharedPagesCarryStoresBetweenProcesses) {
  Start();
  Do(MapOp(1, Backing::kSharedAnonymous));
  Do(StoreOp(0));
  Do(TaskOp(GuestOpKind::kFork, 2));
  world_->Do(2, StoreOp(0));
  EXPECT_EQ(Counted(Counter::kCowCopies), 0u);
}

TEST_F(GuestKernelTest, FaultAroundMapsTheAlignedWindowAtOnce) {
  Start();  // 4-level: sixteen pages
  Do(MapOp(32, Backing::kFilePrivate, kMapRead));
  Do(LoadOp(5));
  EXPECT_EQ(Counted(Counter::kFileMapped), 16u);
  Do(LoadOp(15));
  EXPECT_EQ(Counted(Counter::kGuestFaults), 1u);
  Do(LoadOp(16));
  EXPECT_EQ(Counted(Counter::kGuestFaults), 2u);
}

TEST_F(GuestKernelTest, FaultAroundOfAMappingThatBeginsUnalignedIsAsLong) {
  Start();
  constexpr VirtAddr kUnaligned{0x20005000};
  Do(MapOp(32, Backing::kFilePrivate, kMapRead, kUnaligned));
  Do(AccessOp(GuestOpKind::kLoad, 0, kUnaligned));
  EXPECT_EQ(Counted(Counter::kFileMapped), 16u);
  Do(AccessOp(GuestOpKind::kLoad, 15, kUnaligned));
  EXPECT_EQ(Counted(Counter::kGuestFaults), 1u);
  // The next window is aligned: what is there of it is mapped already.
  Do(AccessOp(GuestOpKind::kLoad, 16, kUnaligned));
  EXPECT_EQ(Counted(Counter::kGuestFaults), 2u);
  EXPECT_EQ(Counted(Counter::kFileMapped), 27u);
}

TEST_F(GuestKernelTest, FaultsOfASystemVSegmentMapOnePageEach) {
  Start();
  GuestOp map = MapOp(4, Backing::kSharedAnonymous, kMapRead | kMapWrite);
  map.file = 5;
  for (const bool one : {false, true}) {
    map.flags = one ? kMapOnePageFaults : 0;
    Do(map);
    for (uint64_t page = 0; page < 4; ++page) Do(StoreOp(page));
    const uint64_t before = Counted(Counter::kGuestFaults);
    Do(map);  // once more
    for (uint64_t page = 0; page < 4; ++page) Do(LoadOp(page));
    EXPECT_EQ(Counted(Counter::kGuestFaults) - before, one ? 4u : 1u);
  }
}

TEST_F(GuestKernelTest, ProtNoneKeepsThePageForLater) {
  for (PagingMode mode : {PagingMode::kPae, PagingMode::k4Level}) {
    Start({.mode = mode});
    Do(MapOp(1));
    Do(StoreOp(0));
    Do(RangeOp(GuestOpKind::kProtect, 1, 0));
    Do(LoadOp(0));  // refused
    Do(RangeOp(GuestOpKind::kProtect, 1, kMapRead | kMapWrite));
    Do(StoreOp(0));
    EXPECT_EQ(Counted(Counter::kDemandZero), 1u);
    // A kernel of today gives the write access back at once.
    EXPECT_EQ(Counted(Counter::kCowReuses), mode == PagingMode::kPae ? 1u : 0u);
  }
}

TEST_F(GuestKernelTest, MprotectLeavesAPageOfTwoProcessesReadOnly) {
  for (bool forked : {false, true}) {
    Start();
    Do(MapOp(1));
    Do(StoreOp(0));
    if (forked) Do(TaskOp(GuestOpKind::kFork, 2));
    Do(RangeOp(GuestOpKind::kProtect, 1, kMapRead));
    Do(RangeOp(GuestOpKind::kProtect, 1, kMapRead | kMapWrite));
    Do(StoreOp(0));
    EXPECT_EQ(Counted(Counter::kCowCopies), forked ? 1u : 0u);
  }
}

// Linux: PageAnonExclusive is lost for good until a write fault.
TEST_F(GuestKernelTest, MprotectDoesNotTrustAPageThatWasForked) {
  Start();
  Do(MapOp(1));
  Do(StoreOp(0));
  Do(TaskOp(GuestOpKind::kFork, 2));
  world_->Do(2, TaskOp(GuestOpKind::kExit));
  Do(RangeOp(GuestOpKind::kProtect, 1, kMapRead));
  Do(RangeOp(GuestOpKind::kProtect, 1, kMapRead | kMapWrite));
  Do(StoreOp(0));
  EXPECT_EQ(Counted(Counter::kCowReuses), 1u);
  Do(RangeOp(GuestOpKind::kProtect, 1, kMapRead));
  Do(RangeOp(GuestOpKind::kProtect, 1, kMapRead | kMapWrite));
  Do(StoreOp(0));
  EXPECT_EQ(Counted(Counter::kCowReuses), 1u);
}

TEST_F(GuestKernelTest, DiscardedPagesComeBackAsZeros) {
  Start();
  Do(MapOp(2));
  Do(StoreOp(0));
  Do(RangeOp(GuestOpKind::kDiscard, 2));
  Do(StoreOp(0));
  EXPECT_EQ(Counted(Counter::kDemandZero), 2u);
}

TEST_F(GuestKernelTest, UnmapFreesTheTablesThatMapNothingAnyMore) {
  Start();
  const uint64_t before = world_->kernel().page_table_frames();
  Do(MapOp(1));
  Do(StoreOp(0));
  EXPECT_EQ(world_->kernel().page_table_frames(), before + 3);
  Do(RangeOp(GuestOpKind::kUnmap, 1));
  EXPECT_EQ(world_->kernel().page_table_frames(), before);
}

TEST_F(GuestKernelTest, AMovedRegionKeepsItsPages) {
  Start();
  Do(MapOp(4));
  for (uint64_t page = 0; page < 4; ++page) Do(StoreOp(page));
  const VirtAddr target(0x20000000);
  Do({.kind = GuestOpKind::kRemap,
      .va = kRegion,
      .length = 4 * kPageSize,
      .target = target,
      .new_length = 8 * kPageSize});
  const uint64_t faults = Counted(Counter::kGuestFaults);
  Do(AccessOp(GuestOpKind::kLoad, 3, target));
  EXPECT_EQ(Counted(Counter::kGuestFaults), faults);
  Do(LoadOp(0));  // refused: nothing is there now
  EXPECT_EQ(Counted(Counter::kGuestFaults), faults + 1);
}

TEST_F(GuestKernelTest, AVforkChildUsesItsParentsMemoryUntilItExecs) {
  Start();
  Do(MapOp(1));
  Do(StoreOp(0));
  Do(TaskOp(GuestOpKind::kVfork, 2));
  const absl::Status status = world_->kernel().Perform(1, StoreOp(0));
  EXPECT_FALSE(status.ok());  // the parent waits
  world_->Do(2, StoreOp(0));
  EXPECT_EQ(Counted(Counter::kCowCopies), 0u);
  world_->Do(2, TaskOp(GuestOpKind::kExec));
  world_->Do(1, StoreOp(0));
}

// The parent's vCPU keeps a translation of the page that the child, on another
// one, has replaced.
TEST_F(GuestKernelTest, AVforkChildsStoresReachItsParentOnAnotherVcpu) {
  uint64_t digests[2];
  for (int child_stores = 0; child_stores < 2; ++child_stores) {
    Start({.vcpus = 2});
    Do(MapOp(1));
    Do(LoadOp(0));
    Do(TaskOp(GuestOpKind::kVfork, 2));
    world_->Do(2, child_stores == 1 ? StoreOp(0) : LoadOp(0));
    world_->Do(2, TaskOp(GuestOpKind::kExit));
    const uint64_t before = world_->kernel().digest();
    Do(LoadOp(0));
    digests[child_stores] = world_->kernel().digest() - before;
  }
  EXPECT_NE(digests[0], digests[1]);
}

TEST_F(GuestKernelTest, RunningOutOfMemoryIsAnError) {
  Start();
  Do(MapOp(10000));
  absl::Status status;
  for (uint64_t page = 0; page < 10000 && status.ok(); ++page) {
    status = world_->kernel().Perform(1, StoreOp(page));
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(GuestKernelTest, AMappingBeyondTheProgramsMemoryIsRefused) {
  Start({.mode = PagingMode::kPae});
  const GuestOp last =
      MapOp(1, Backing::kAnonymous, kMapRead, VirtAddr(0xbffff000));
  EXPECT_TRUE(world_->kernel().Perform(1, last).ok());
  const GuestOp beyond =
      MapOp(2, Backing::kAnonymous, kMapRead, VirtAddr(0xbffff000));
  EXPECT_EQ(world_->kernel().Perform(1, beyond).code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(GuestKernelTest, AnUnknownTaskIsAnError) {
  Start();
  EXPECT_EQ(world_->kernel().Perform(9, LoadOp(0)).code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(GuestKernelBootTest, MemoryBeyondTheDirectMapIsRefusedWithTheLimit) {
  Host host(*FindMachine("skylake-2017"), {});
  const std::unique_ptr<Policy> policy = FindPolicy("native")->make(host);
  Domain* const domain = *host.CreateDomain(
      {.mode = PagingMode::k2Level, .memory_frames = 900u << 8});
  const absl::Status status =
      GuestKernel::Boot(host, *policy, *domain, {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("at most 896 MiB"), absl::string_view::npos)
      << status;
}

TEST(GuestKernelBootTest, StoresAreRefusedWhereNothingTakesThem) {
  Host host(*FindMachine("skylake-2017"), {});
  const std::unique_ptr<Policy> policy = FindPolicy("pinning")->make(host);
  Domain* const domain = *host.CreateDomain({.memory_frames = 32u << 8});
  EXPECT_EQ(
      GuestKernel::Boot(host, *policy, *domain, {.ops = GuestOps::kStores})
          .status()
          .code(),
      absl::StatusCode::kInvalidArgument);
}

TEST_F(GuestKernelTest, ExitReadsTheTablesOfItsMappingsOnly) {
  Start();
  Do(MapOp(1));
  Do(StoreOp(0));
  const auto accesses = [&] {
    return world_->cpu()
        .clock.tallies()[static_cast<size_t>(CostEvent::kGuestAccess)];
  };
  const uint64_t before = accesses();
  Do(TaskOp(GuestOpKind::kExit));
  EXPECT_LE(accesses() - before, 16u);  // a few a level
}

// The digest after storing `stores` times to page 1 of three and loading it;
// pages 0 and 2 are shared with others.
uint64_t DigestBetweenSharedPages(Backing backing, int stores) {
  World world({});
  EXPECT_TRUE(world.kernel().CreateProcess(1).ok());
  world.Do(1, MapOp(3, Backing::kSharedAnonymous));
  world.Do(1, MapOp(1, backing, kMapRead | kMapWrite, kRegion + kPageSize));
  for (int i = 0; i < stores; ++i) world.Do(1, StoreOp(1));
  world.Do(1, LoadOp(1));
  return world.kernel().digest();
}

TEST(GuestDigestTest, OwnPagesBetweenSharedOnesAreInIt) {
  EXPECT_NE(DigestBetweenSharedPages(Backing::kAnonymous, 1),
            DigestBetweenSharedPages(Backing::kAnonymous, 2));
}

TEST(GuestDigestTest, WhatOthersMayWriteIsNotInIt) {
  EXPECT_EQ(DigestBetweenSharedPages(Backing::kSharedAnonymous, 1),
            DigestBetweenSharedPages(Backing::kSharedAnonymous, 2));
}

}  // namespace
}  // namespace xmmu::guest_kernel_test
