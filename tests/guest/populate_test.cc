// Tests of memory that is there before it is used, and of memory that is
// locked: mm/gup.c (__mm_populate, populate_vma_page_range,
// faultin_vma_page_range), mm/mlock.c, mm/mprotect.c and mm/mremap.c of Linux
// 6.1.

#include "guest/memory_test.h"

namespace xmmu::populate_test {
namespace {

class PopulateTest : public MemoryTest {
 protected:
  uint64_t Stores(VirtAddr va, uint64_t pages, TaskId task = 1) {
    return FaultsOf(GuestOpKind::kStore, va, pages, task);
  }
  uint64_t Loads(VirtAddr va, uint64_t pages, TaskId task = 1) {
    return FaultsOf(GuestOpKind::kLoad, va, pages, task);
  }
  uint64_t Populated() const { return Counted(Counter::kPopulated); }
  void LockAll(Advice advice) {
    Do({.kind = GuestOpKind::kAdvise, .advice = advice});
  }
};

INSTANTIATE_TEST_SUITE_P(Policies, PopulateTest,
                         ::testing::ValuesIn(MemorySettings()),
                         MemorySettingName);

TEST_P(PopulateTest, StoresToAPopulatedMappingTakeNoFault) {
  const uint64_t faults = Counted(Counter::kGuestFaults);
  Map({.pages = 1000, .flags = kMapPopulate});
  EXPECT_EQ(Populated(), 1000u);
  EXPECT_EQ(Counted(Counter::kDemandZero), 1000u);
  EXPECT_EQ(Counted(Counter::kGuestFaults), faults);
  EXPECT_EQ(Stores(kFirst, 1000), 0u);
}

TEST_P(PopulateTest, PopulatingCostsWhatFaultsDoWithoutTheFaults) {
  Map({.pages = 201});
  Store(kFirst);  // and makes the tables
  const uint64_t zeroed = Charged(CostEvent::kZeroPage);
  Stores(kFirst + kPageSize, 100);
  EXPECT_EQ(Charged(CostEvent::kZeroPage) - zeroed, 100u);
  const uint64_t path = Charged(CostEvent::kGuestFaultPath);
  Advise(Advice::kLock, kFirst, 201);
  EXPECT_EQ(Charged(CostEvent::kZeroPage) - zeroed, 200u);
  EXPECT_EQ(Charged(CostEvent::kGuestFaultPath), path);
}

// A read is enough where a write would make nothing private, or may not be.
TEST_P(PopulateTest, OnlyPrivateWritableMappingsArePopulatedByWrites) {
  Map({.va = kFirst, .rights = kMapRead, .flags = kMapPopulate});
  EXPECT_EQ(Counted(Counter::kDemandZero), 0u);
  EXPECT_EQ(Loads(kFirst, 4), 0u);
  Map({.va = kSecond,
       .backing = Backing::kFilePrivate,
       .flags = kMapPopulate,
       .file = kFile});
  EXPECT_EQ(Counted(Counter::kCowCopies), 4u);
  EXPECT_EQ(Stores(kSecond, 4), 0u);
  Map({.va = kThird,
       .backing = Backing::kFilePrivate,
       .rights = kMapRead,
       .flags = kMapPopulate,
       .file = kFile});
  EXPECT_EQ(Counted(Counter::kCowCopies), 4u);
  EXPECT_EQ(Loads(kThird, 4), 0u);
}

TEST_P(PopulateTest, SharedMappingsAreCleanAndWritableWhenPopulated) {
  Map({.backing = Backing::kSharedAnonymous, .flags = kMapPopulate});
  EXPECT_EQ(Counted(Counter::kDemandZero), 4u);
  EXPECT_EQ(Loads(kFirst, 4), 0u);
  EXPECT_EQ(Stores(kFirst, 4), 0u);
}

TEST_P(PopulateTest, MappingsWithoutRightsAreNotPopulated) {
  Map({.rights = 0, .flags = kMapPopulate});
  EXPECT_EQ(Populated(), 0u);
  // Execute alone is a right: FOLL_FORCE reads it.
  Map({.va = kSecond, .rights = kMapExecute, .flags = kMapPopulate});
  EXPECT_EQ(Populated(), 4u);
}

TEST_P(PopulateTest, LockingMakesPagesAndLockingOnFaultDoesNot) {
  Map({.flags = kMapLocked});
  EXPECT_EQ(Stores(kFirst, 4), 0u);
  Map({.va = kSecond, .flags = kMapLockOnFault});
  EXPECT_EQ(Stores(kSecond, 4), 4u);
  // VM_LOCKONFAULT has the last word (populate_vma_page_range).
  Map({.va = kThird, .flags = kMapLockOnFault | kMapPopulate});
  EXPECT_EQ(Stores(kThird, 4), 4u);
}

TEST_P(PopulateTest, MlockMakesThePagesOfItsRange) {
  Map({.pages = 8});
  Advise(Advice::kLock, kFirst + 2 * kPageSize, 3);
  EXPECT_EQ(Populated(), 3u);
  EXPECT_EQ(Stores(kFirst + 2 * kPageSize, 3), 0u);
  EXPECT_EQ(Stores(kFirst, 2), 2u);
  EXPECT_EQ(Stores(kFirst + 5 * kPageSize, 3), 3u);
  Map({.va = kSecond});
  Advise(Advice::kLockOnFault, kSecond, 4);
  EXPECT_EQ(Stores(kSecond, 4), 4u);
}

// apply_vma_lock_flags: the flags are set up to the hole, and no page is made.
TEST_P(PopulateTest, MlockEndsAtAHole) {
  Map({.va = kFirst});
  Map({.va = kFirst + 6 * kPageSize});
  Advise(Advice::kLock, kFirst, 10);
  EXPECT_EQ(Populated(), 0u);
  EXPECT_EQ(Stores(kFirst, 4), 4u);
  EXPECT_EQ(Stores(kFirst + 6 * kPageSize, 4), 4u);
  // What lies before the hole is locked, and not discarded; what lies behind
  // it is.
  Discard(kFirst, 4);
  EXPECT_EQ(Loads(kFirst, 4), 0u);
  Discard(kFirst + 6 * kPageSize, 4);
  EXPECT_EQ(Loads(kFirst + 6 * kPageSize, 4), 4u);
  // A call that begins in a hole does nothing.
  Advise(Advice::kUnlock, kFirst - kPageSize, 5);
  Discard(kFirst, 4);
  EXPECT_EQ(Loads(kFirst, 4), 0u);
}

TEST_P(PopulateTest, MlockEndsAtWhatMayNotBeTouchedAndMmapGoesOn) {
  Map({.va = kFirst});
  Map({.va = kFirst + 4 * kPageSize, .rights = 0});
  Map({.va = kFirst + 8 * kPageSize});
  Advise(Advice::kLock, kFirst, 12);
  EXPECT_EQ(Populated(), 4u);
  LockAll(Advice::kLock);
  EXPECT_EQ(Populated(), 8u);
}

TEST_P(PopulateTest, MlockallLocksAllThatIsMappedNow) {
  Map({.va = kFirst});
  Map({.va = kSecond});
  LockAll(Advice::kLock);
  EXPECT_EQ(Populated(), 8u);
  Map({.va = kThird});
  EXPECT_EQ(Stores(kThird, 4), 4u);
  Discard(kFirst, 4);
  Discard(kSecond, 4);
  EXPECT_EQ(Loads(kFirst, 4) + Loads(kSecond, 4), 0u);
  LockAll(Advice::kUnlock);
  Discard(kFirst, 4);
  Discard(kSecond, 4);
  EXPECT_EQ(Loads(kFirst, 4) + Loads(kSecond, 4), 8u);
  LockAll(Advice::kLockOnFault);
  EXPECT_EQ(Stores(kFirst, 4), 4u);
  Discard(kFirst, 4);
  EXPECT_EQ(Stores(kFirst, 4), 0u);
}

// madvise_walk_vmas: the walk goes over holes, and ends where it is refused.
TEST_P(PopulateTest, DiscardingEndsAtWhatIsLocked) {
  Map({.va = kFirst, .flags = kMapPopulate});
  Map({.va = kFirst + 6 * kPageSize, .flags = kMapLocked});
  Map({.va = kFirst + 10 * kPageSize, .flags = kMapPopulate});
  Discard(kFirst, 14);
  EXPECT_EQ(Loads(kFirst, 4), 4u);
  EXPECT_EQ(Loads(kFirst + 6 * kPageSize, 8), 0u);
}

TEST_P(PopulateTest, DiscardingGoesOverAHole) {
  Map({.va = kFirst, .flags = kMapPopulate});
  Map({.va = kFirst + 6 * kPageSize, .flags = kMapPopulate});
  Discard(kFirst, 10);
  EXPECT_EQ(Loads(kFirst, 4), 4u);
  EXPECT_EQ(Loads(kFirst + 6 * kPageSize, 4), 4u);
}

// do_mprotect_pkey.
TEST_P(PopulateTest, MprotectEndsAtAHole) {
  Map({.va = kFirst});
  Map({.va = kFirst + 6 * kPageSize});
  Protect(kFirst, 10, kMapRead);
  EXPECT_EQ(kernel().RightsAt(1, kFirst), kMapRead);
  EXPECT_EQ(kernel().RightsAt(1, kFirst + 6 * kPageSize), kReadWrite);
  Protect(kFirst - kPageSize, 5, 0);
  EXPECT_EQ(kernel().RightsAt(1, kFirst), kMapRead);
}

TEST_P(PopulateTest, LockedMemoryThatBecomesWritableIsCopiedAtOnce) {
  for (const bool locked : {false, true}) {
    Map({.va = kFirst,
         .backing = Backing::kFilePrivate,
         .rights = kMapRead,
         .flags = locked ? kMapLocked : kMapPopulate,
         .file = kFile});
    const uint64_t copies = Counted(Counter::kCowCopies);
    Protect(kFirst, 4, kReadWrite);
    EXPECT_EQ(Counted(Counter::kCowCopies) - copies, locked ? 4u : 0u);
    EXPECT_EQ(Stores(kFirst, 4), locked ? 0u : 4u);
  }
  // Shared pages are not copied, and those that were writable are there.
  Map({.va = kSecond,
       .backing = Backing::kSharedAnonymous,
       .rights = kMapRead,
       .flags = kMapLocked});
  const uint64_t populated = Populated();
  Protect(kSecond, 4, kReadWrite);
  EXPECT_EQ(Populated(), populated);
}

TEST_P(PopulateTest, WhatALockedMappingGrowsByIsMade) {
  for (const VirtAddr to : {kFirst, kSecond}) {
    for (const MapFlags flags : {kMapPopulate, kMapLocked, kMapLockOnFault}) {
      Map({.va = kFirst, .flags = static_cast<uint8_t>(flags | kMapPopulate)});
      Stores(kFirst, 4);
      Do({.kind = GuestOpKind::kRemap,
          .va = kFirst,
          .length = 4 * kPageSize,
          .target = to,
          .new_length = 7 * kPageSize});
      EXPECT_EQ(Stores(to, 7), flags == kMapLocked ? 0u : 3u);
      Unmap(to, 7);
    }
  }
}

TEST_P(PopulateTest, AForkInheritsNoLock) {
  Map({.flags = kMapLocked});
  Fork(2);
  Discard(kFirst, 4, 2);
  EXPECT_EQ(Loads(kFirst, 4, 2), 4u);
  Discard(kFirst, 4);
  EXPECT_EQ(Loads(kFirst, 4), 0u);
}

TEST_P(PopulateTest, MadvPopulateReadsOrWritesAsItIsTold) {
  Map({});
  Advise(Advice::kPopulateRead, kFirst, 4);
  EXPECT_EQ(Counted(Counter::kDemandZero), 0u);
  EXPECT_EQ(Loads(kFirst, 4), 0u);
  Advise(Advice::kPopulateWrite, kFirst, 4);
  EXPECT_EQ(Counted(Counter::kDemandZero), 4u);
  EXPECT_EQ(Stores(kFirst, 4), 0u);
  EXPECT_EQ(Populated(), 8u);
  Advise(Advice::kPopulateWrite, kFirst, 4);
  EXPECT_EQ(Populated(), 8u);
  // Also where faults are to make the pages.
  Map({.va = kSecond, .flags = kMapLockOnFault});
  Advise(Advice::kPopulateWrite, kSecond, 4);
  EXPECT_EQ(Stores(kSecond, 4), 0u);
}

// faultin_vma_page_range, check_vma_flags: EINVAL.
TEST_P(PopulateTest, MadvPopulateEndsWhereTheRightIsMissing) {
  Map({.va = kFirst});
  Map({.va = kFirst + 6 * kPageSize, .rights = kMapRead});
  Map({.va = kFirst + 10 * kPageSize});
  Advise(Advice::kPopulateWrite, kFirst, 14);
  EXPECT_EQ(Populated(), 4u);
  // Over the hole, and to the end.
  Advise(Advice::kPopulateRead, kFirst, 14);
  EXPECT_EQ(Populated(), 12u);
  Map({.va = kSecond, .rights = kMapWrite});
  Advise(Advice::kPopulateRead, kSecond, 4);
  EXPECT_EQ(Populated(), 12u);
  Advise(Advice::kPopulateWrite, kSecond, 4);
  EXPECT_EQ(Populated(), 16u);
}

TEST_P(PopulateTest, PopulatingWhatAForkSharesCopiesIt) {
  Map({.flags = kMapPopulate});
  Fork(2);
  Advise(Advice::kLock, kFirst, 4);
  EXPECT_EQ(Counted(Counter::kCowCopies), 4u);
  Exit(2);
}

TEST_P(PopulateTest, NothingOutsideOfProgramsMemoryIsAdvisedOf) {
  EXPECT_EQ(Try({.kind = GuestOpKind::kAdvise,
                 .advice = Advice::kPopulateRead,
                 .va = kFirst})
                .code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Try({.kind = GuestOpKind::kAdvise,
                 .advice = Advice::kLock,
                 .va = kFirst,
                 .length = ~uint64_t{0}})
                .code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace xmmu::populate_test
