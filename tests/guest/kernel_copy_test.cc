// What the kernel reads and writes of a program's memory for a system call: it
// faults as the program does, in kernel mode, and an error takes the place of
// the signal.

#include <array>
#include <vector>

#include "guest/world.h"

namespace xmmu::kernel_copy_test {
namespace {

constexpr uint64_t kPages = 1024;

// The call that has only this operation; or that goes on after it.
GuestOp CopyOp(GuestOpKind kind, uint64_t pages, VirtAddr va = kRegion) {
  return {.kind = kind, .va = va, .length = pages * kPageSize};
}
GuestOp CopyOut(uint64_t pages, VirtAddr va = kRegion) {
  return CopyOp(GuestOpKind::kCopyOut, pages, va);
}
GuestOp CopyIn(uint64_t pages, VirtAddr va = kRegion) {
  return CopyOp(GuestOpKind::kCopyIn, pages, va);
}
GuestOp GoesOn(GuestOp op) {
  op.flags |= kCallGoesOn;
  return op;
}

// A bare machine of the same kind as a setting's, and the setting's, with one
// process each that does the same.
class Pair {
 public:
  explicit Pair(const Setting& setting)
      : bare_({.mode = setting.mode, .vcpus = setting.vcpus}),
        tested_(setting) {
    for (World* world : Worlds()) {
      EXPECT_TRUE(world->kernel().CreateProcess(1).ok());
    }
  }
  std::vector<World*> Worlds() { return {&bare_, &tested_}; }
  void Do(TaskId task, const GuestOp& op) {
    for (World* world : Worlds()) world->Do(task, op);
  }
  // Performs `op`, and expects what it adds to `counter` in both worlds.
  void Expect(Counter counter, uint64_t more, TaskId task, const GuestOp& op) {
    for (World* world : Worlds()) {
      const uint64_t before = world->cpu().counters[counter];
      world->Do(task, op);
      EXPECT_EQ(world->cpu().counters[counter] - before, more)
          << world->policy().name() << ", " << CounterName(counter);
    }
  }
  World& tested() { return tested_; }
  // The programs, and so the kernel, have seen the same.
  void ExpectTheSame() {
    EXPECT_EQ(tested_.kernel().digest(), bare_.kernel().digest());
    EXPECT_EQ(tested_.FirstEscape(), "");
    EXPECT_TRUE(tested_.policy().Audit().ok()) << tested_.policy().Audit();
  }

 private:
  World bare_;
  World tested_;
};

class KernelCopyTest : public ::testing::TestWithParam<Setting> {
 protected:
  KernelCopyTest() : pair_(GetParam()) {}
  Pair pair_;
};

TEST_P(KernelCopyTest, ReadingIntoFreshPagesTakesADemandZeroFaultForEach) {
  pair_.Do(1, MapOp(kPages));
  for (World* world : pair_.Worlds()) {
    const Counters before = world->cpu().counters;
    world->Do(1, CopyOut(kPages));
    const Counters& after = world->cpu().counters;
    const auto more = [&](Counter counter) {
      return after[counter] - before[counter];
    };
    EXPECT_EQ(more(Counter::kCopyFaults), kPages);
    EXPECT_EQ(more(Counter::kGuestFaults), kPages);
    EXPECT_EQ(more(Counter::kDemandZero), kPages);
    EXPECT_EQ(more(Counter::kSyscalls), 1u);
    EXPECT_EQ(more(Counter::kSignals), 0u);
    EXPECT_EQ(more(Counter::kAccesses), 0u);
    EXPECT_FALSE(world->kernel().vcpu(0).context().kernel_mode);
  }
  // The pages are there, writable and dirty, and what they say is new.
  pair_.Expect(Counter::kGuestFaults, 0, 1, StoreOp(kPages - 1));
  pair_.Expect(Counter::kGuestFaults, 0, 1, LoadOp(0));
  pair_.Expect(Counter::kCopyFaults, 0, 1, CopyOut(kPages));
  pair_.Do(1, LoadOp(0));
  pair_.Do(1, TaskOp(GuestOpKind::kExit));
  pair_.ExpectTheSame();
}

TEST_P(KernelCopyTest, WritingFromPagesThatWereNeverTouchedReadsTheZeroPage) {
  pair_.Do(1, MapOp(4));
  pair_.Expect(Counter::kCopyFaults, 4, 1, CopyIn(4));
  pair_.Expect(Counter::kDemandZero, 4, 1, CopyOut(4));
  pair_.ExpectTheSame();
}

TEST_P(KernelCopyTest, TheKernelBreaksCopyOnWriteOnBothSidesOfAFork) {
  pair_.Do(1, MapOp(3));
  for (uint64_t page = 0; page < 3; ++page) pair_.Do(1, StoreOp(page));
  pair_.Do(1, TaskOp(GuestOpKind::kFork, 2));
  pair_.Expect(Counter::kCowCopies, 3, 2, CopyOut(3));
  pair_.Expect(Counter::kCowReuses, 3, 1, CopyOut(3));
  for (uint64_t page = 0; page < 3; ++page) {
    pair_.Do(1, LoadOp(page));
    pair_.Do(2, LoadOp(page));
  }
  pair_.ExpectTheSame();
}

TEST_P(KernelCopyTest, ACopyEndsAtThePageThatIsRefusedWithoutASignal) {
  pair_.Do(1, MapOp(4));
  pair_.Do(
      1, RangeOp(GuestOpKind::kProtect, 1, kMapRead, kRegion + 2 * kPageSize));
  for (World* world : pair_.Worlds()) {
    const Counters before = world->cpu().counters;
    world->Do(1, CopyOut(4));
    const Counters& after = world->cpu().counters;
    EXPECT_EQ(after[Counter::kDemandZero] - before[Counter::kDemandZero], 2u);
    EXPECT_EQ(after[Counter::kCopyFaults] - before[Counter::kCopyFaults], 3u);
    EXPECT_EQ(after[Counter::kSignals], before[Counter::kSignals]);
  }
  // A read of such a page is allowed; a read of what is not mapped is not.
  pair_.Expect(Counter::kCopyFaults, 2, 1, CopyIn(4));
  pair_.Do(1, RangeOp(GuestOpKind::kUnmap, 1));
  pair_.Expect(Counter::kCopyFaults, 1, 1, CopyIn(4));
  pair_.Expect(Counter::kSignals, 0, 1, CopyOut(4));
  pair_.ExpectTheSame();
}

TEST_P(KernelCopyTest, NoProgramHasTheKernelCopyToTheKernelsOwnHalf) {
  pair_.Do(1, MapOp(1));
  const VirtAddr kernel{LevelCount(GetParam().mode) < 4 ? 0xC0000000
                                                        : 0xFFFF888000000000};
  pair_.Expect(Counter::kGuestFaults, 0, 1, CopyOut(1, kernel));
  pair_.Expect(Counter::kGuestFaults, 0, 1,
               {.kind = GuestOpKind::kCopyIn,
                .va = kRegion,
                .length = ~uint64_t{0} - 8});
  pair_.ExpectTheSame();
}

TEST_P(KernelCopyTest, OneCallMayCopyBothWaysAndMapInBetween) {
  pair_.Expect(Counter::kSyscalls, 1, 1, GoesOn(MapOp(4)));
  pair_.Expect(Counter::kSyscalls, 0, 1, GoesOn(CopyIn(2)));
  pair_.Expect(Counter::kSyscalls, 0, 1, GoesOn(CopyOut(3)));
  for (World* world : pair_.Worlds()) {
    EXPECT_TRUE(world->kernel().vcpu(0).context().kernel_mode);
  }
  pair_.Expect(Counter::kSyscalls, 0, 1, TaskOp(GuestOpKind::kSyscall));
  for (World* world : pair_.Worlds()) {
    EXPECT_FALSE(world->kernel().vcpu(0).context().kernel_mode);
  }
  pair_.Expect(Counter::kSyscalls, 1, 1, TaskOp(GuestOpKind::kSyscall));
  pair_.ExpectTheSame();
}

TEST_P(KernelCopyTest, ACallThatBlocksGoesOnInTheKernelWhenItsTaskRunsAgain) {
  pair_.Do(1, MapOp(4));
  pair_.Do(1, TaskOp(GuestOpKind::kFork, 2));
  pair_.Expect(Counter::kSyscalls, 1, 1, GoesOn(TaskOp(GuestOpKind::kYield)));
  pair_.Do(2, StoreOp(0));  // the other one runs meanwhile, in user mode
  pair_.Expect(Counter::kSyscalls, 0, 1, CopyOut(4));
  pair_.Expect(Counter::kSyscalls, 1, 2, CopyOut(4));
  // A parent that waits gets the status when its child is gone.
  pair_.Do(1, GoesOn(TaskOp(GuestOpKind::kWait, 2)));
  pair_.Do(2, TaskOp(GuestOpKind::kExit));
  pair_.Expect(Counter::kSyscalls, 0, 1, CopyOut(1));
  pair_.Do(1, LoadOp(0));
  pair_.ExpectTheSame();
}

// The call on whose way the kernel flushes late what it has queued.
TEST_P(KernelCopyTest, WhatACallHasMappedIsThereForTheRestOfIt) {
  pair_.Do(1, MapOp(2));
  pair_.Do(1, GoesOn(CopyOut(2)));
  pair_.Do(1, GoesOn(RangeOp(GuestOpKind::kProtect, 2, kMapRead)));
  pair_.Expect(Counter::kCopyFaults, 1, 1, GoesOn(CopyOut(2)));
  pair_.Do(1, GoesOn(RangeOp(GuestOpKind::kUnmap, 2)));
  pair_.Expect(Counter::kCopyFaults, 1, 1, CopyIn(2));
  pair_.ExpectTheSame();
}

INSTANTIATE_TEST_SUITE_P(Settings, KernelCopyTest,
                         ::testing::ValuesIn(AllSettings()),
                         [](const testing::TestParamInfo<Setting>& setting) {
                           return NameOf(setting.param);
                         });

// The fault's error code is what the digest tells of it.
TEST(KernelCopyErrorCodeTest, TheKernelsFaultIsNotTheProgramsFault) {
  uint64_t digests[2];
  for (const bool copies : {false, true}) {
    World world({.policy = "trap-and-emulate"});
    ASSERT_TRUE(world.kernel().CreateProcess(1).ok());
    world.Do(1, MapOp(1));
    world.Do(1, copies ? CopyOut(1) : StoreOp(0));
    digests[copies] = world.kernel().digest();
  }
  EXPECT_NE(digests[0], digests[1]);
}

TEST(KernelCopyCostTest, EachLineOfACopyIsAnAccessOfTheKernels) {
  World world({});
  ASSERT_TRUE(world.kernel().CreateProcess(1).ok());
  world.Do(1, MapOp(2));
  world.Do(1, CopyOut(2));
  const auto tally = [&] {
    return world.cpu()
        .clock.tallies()[static_cast<size_t>(CostEvent::kGuestAccess)];
  };
  for (const auto& [offset, bytes, lines] :
       std::vector<std::array<uint64_t, 3>>{{0, 1, 1},
                                            {0, 64, 1},
                                            {63, 2, 2},
                                            {1, 64, 2},
                                            {0, 2 * kPageSize, 128}}) {
    const uint64_t before = tally();
    world.Do(1, {.kind = GuestOpKind::kCopyOut,
                 .va = kRegion + offset,
                 .length = bytes});
    EXPECT_EQ(tally() - before, lines) << offset << ", " << bytes;
  }
}

}  // namespace
}  // namespace xmmu::kernel_copy_test
