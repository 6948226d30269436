// Tests of madvise's advices about forks and of MADV_FREE: mm/madvise.c,
// kernel/fork.c (dup_mmap) of Linux 6.1.

#include "guest/memory_test.h"

namespace xmmu::fork_advice_test {
namespace {

class ForkAdviceTest : public MemoryTest {
 protected:
  // Whether a fork's child finds nothing mapped, zeros, or what its parent has
  // stored.
  enum class Finds : uint8_t { kNothing, kZeros, kContent };
  Finds Child(VirtAddr va, TaskId child, TaskId parent = 1) {
    if (!kernel().RightsAt(child, va).has_value()) return Finds::kNothing;
    const uint64_t content = Content(va, child);
    if (content == 0) return Finds::kZeros;
    EXPECT_EQ(content, Content(va, parent));
    return Finds::kContent;
  }
  void MapAndStore(VirtAddr va, Backing backing = Backing::kAnonymous) {
    Map({.va = va, .backing = backing});
    for (uint64_t page = 0; page < 4; ++page) Store(va + page * kPageSize);
  }
};

INSTANTIATE_TEST_SUITE_P(Policies, ForkAdviceTest,
                         ::testing::ValuesIn(MemorySettings()),
                         MemorySettingName);

TEST_P(ForkAdviceTest, AChildHasNothingOfWhatIsNotToBeForked) {
  MapAndStore(kFirst);
  MapAndStore(kSecond, Backing::kSharedAnonymous);
  Advise(Advice::kDontFork, kFirst + kPageSize, 2);
  Advise(Advice::kDontFork, kSecond, 4);
  Fork(2);
  EXPECT_EQ(Child(kFirst, 2), Finds::kContent);
  EXPECT_EQ(Child(kFirst + kPageSize, 2), Finds::kNothing);
  EXPECT_EQ(Child(kFirst + 2 * kPageSize, 2), Finds::kNothing);
  EXPECT_EQ(Child(kFirst + 3 * kPageSize, 2), Finds::kContent);
  EXPECT_EQ(Child(kSecond, 2), Finds::kNothing);
  // The parent's pages were not shared, so a store needs no fault.
  EXPECT_EQ(FaultsOf(GuestOpKind::kStore, kFirst + kPageSize, 2), 0u);
  EXPECT_EQ(FaultsOf(GuestOpKind::kStore, kFirst, 1), 1u);
  Advise(Advice::kDoFork, kFirst, 4);
  Fork(3);
  EXPECT_EQ(Child(kFirst + kPageSize, 3), Finds::kContent);
}

TEST_P(ForkAdviceTest, AChildFindsZerosInWhatIsWiped) {
  MapAndStore(kFirst);
  Advise(Advice::kWipeOnFork, kFirst + kPageSize, 1);
  Fork(2);
  EXPECT_EQ(Child(kFirst, 2), Finds::kContent);
  EXPECT_EQ(Child(kFirst + kPageSize, 2), Finds::kZeros);
  EXPECT_NE(Content(kFirst + kPageSize), 0u);
  // The child's children find zeros as well.
  Store(kFirst + kPageSize, 2);
  Fork(3, 2);
  EXPECT_EQ(Child(kFirst + kPageSize, 3, 2), Finds::kZeros);
  Advise(Advice::kKeepOnFork, kFirst + kPageSize, 1, 2);
  Fork(4, 2);
  EXPECT_EQ(Child(kFirst + kPageSize, 4, 2), Finds::kContent);
}

// vma_needs_copy: what was only read has no anon_vma.
TEST_P(ForkAdviceTest, AForkCopiesNoEntriesOfWhatWasOnlyRead) {
  Map({.pages = 8});
  FaultsOf(GuestOpKind::kLoad, kFirst, 8);
  Fork(2);
  const bool all = kernel().options().fork_copies_all;
  EXPECT_EQ(FaultsOf(GuestOpKind::kLoad, kFirst, 8, 2), all ? 0u : 8u);
  // One page of its own, and all are copied.
  Store(kFirst);
  Fork(3);
  EXPECT_EQ(FaultsOf(GuestOpKind::kLoad, kFirst, 8, 3), 0u);
}

// EINVAL for what is of a file, or shared; the walk ends there.
TEST_P(ForkAdviceTest, OnlyPrivateAnonymousMemoryIsWiped) {
  MapAndStore(kFirst);
  MapAndStore(kFirst + 4 * kPageSize, Backing::kSharedAnonymous);
  MapAndStore(kFirst + 8 * kPageSize);
  Advise(Advice::kWipeOnFork, kFirst, 12);
  Fork(2);
  EXPECT_EQ(Child(kFirst, 2), Finds::kZeros);
  EXPECT_EQ(Child(kFirst + 4 * kPageSize, 2), Finds::kContent);
  EXPECT_EQ(Child(kFirst + 8 * kPageSize, 2), Finds::kContent);
}

// vma_merge: pieces with the same advice are one mapping again, for mremap.
TEST_P(ForkAdviceTest, AdviceCutsMappingsAndTakingItBackJoinsThem) {
  const GuestOp move{.kind = GuestOpKind::kRemap,
                     .va = kFirst,
                     .length = 4 * kPageSize,
                     .target = kSecond,
                     .new_length = 4 * kPageSize};
  MapAndStore(kFirst);
  Advise(Advice::kDontFork, kFirst, 2);
  EXPECT_FALSE(Try(move).ok());
  Advise(Advice::kDoFork, kFirst, 2);
  EXPECT_TRUE(Try(move).ok());
}

// madvise_free_pte_range: the pages stay, and their entries are old and clean.
TEST_P(ForkAdviceTest, FreedPagesStayAndAreCleanUntilTheyAreUsed) {
  MapAndStore(kFirst);
  const uint64_t stored = Content(kFirst);
  const uint64_t updates = Charged(CostEvent::kAdUpdate);
  Store(kFirst);
  const uint64_t of_used = Charged(CostEvent::kAdUpdate) - updates;
  Advise(Advice::kFree, kFirst, 4);
  EXPECT_EQ(FaultsOf(GuestOpKind::kLoad, kFirst, 4), 0u);
  EXPECT_NE(Content(kFirst), 0u);
  EXPECT_NE(stored, 0u);
  EXPECT_EQ(of_used, 0u);
  EXPECT_EQ(FaultsOf(GuestOpKind::kStore, kFirst, 4), 0u);
}

TEST_P(ForkAdviceTest, TheWalkerSetsTheFlagsOfFreedPagesAnew) {
  if (kernel().abi().translated) return;  // the walker sets A elsewhere, too
  MapAndStore(kFirst);
  Advise(Advice::kFree, kFirst, 3);
  const uint64_t before = Charged(CostEvent::kAdUpdate);
  for (uint64_t page = 0; page < 4; ++page) Load(kFirst + page * kPageSize);
  EXPECT_EQ(Charged(CostEvent::kAdUpdate) - before, 3u);
  for (uint64_t page = 0; page < 4; ++page) Store(kFirst + page * kPageSize);
  EXPECT_EQ(Charged(CostEvent::kAdUpdate) - before, 6u);
}

TEST_P(ForkAdviceTest, FreeingGoesOverHolesAndEndsAtOtherMemory) {
  if (kernel().abi().translated) return;  // the walker sets A elsewhere, too
  MapAndStore(kFirst);
  MapAndStore(kFirst + 6 * kPageSize);
  MapAndStore(kFirst + 10 * kPageSize, Backing::kSharedAnonymous);
  MapAndStore(kFirst + 14 * kPageSize);
  Advise(Advice::kFree, kFirst, 18);
  const uint64_t before = Charged(CostEvent::kAdUpdate);
  for (const uint64_t page : {0u, 6u, 10u, 14u}) {
    Load(kFirst + page * kPageSize);
  }
  EXPECT_EQ(Charged(CostEvent::kAdUpdate) - before, 2u);
  // Locked memory is not given up either.
  Advise(Advice::kLock, kFirst + 14 * kPageSize, 4);
  Advise(Advice::kFree, kFirst + 14 * kPageSize, 4);
  const uint64_t locked = Charged(CostEvent::kAdUpdate);
  Load(kFirst + 15 * kPageSize);
  EXPECT_EQ(Charged(CostEvent::kAdUpdate) - locked, 0u);
}

}  // namespace
}  // namespace xmmu::fork_advice_test
