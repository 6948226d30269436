// kPost and kAwait: what one task does comes before what another one does.

#include <gmock/gmock.h>

#include <map>
#include <span>
#include <string>
#include <vector>

#include "guest/world.h"

namespace xmmu::points_test {
namespace {

using ::testing::HasSubstr;

constexpr VirtAddr kLate{0x80000000};

GuestOp Post() { return {.kind = GuestOpKind::kPost}; }
GuestOp Await(TaskId task, uint64_t points) {
  return {.kind = GuestOpKind::kAwait, .length = points, .child = task};
}
GuestOp Clone(TaskId thread) { return TaskOp(GuestOpKind::kClone, thread); }
GuestOp Exit() { return TaskOp(GuestOpKind::kExit); }
GuestOp StoreLate() { return AccessOp(GuestOpKind::kStore, 0, kLate); }
GuestOp MapLate() {
  return MapOp(1, Backing::kAnonymous, kMapRead | kMapWrite, kLate);
}
GuestOp UnmapLate() { return RangeOp(GuestOpKind::kUnmap, 1, 0, kLate); }

using Streams = std::map<TaskId, std::vector<GuestOp>>;

// Each task's stream is there from the start; kExit is added to it.
class Fixed final : public Workload {
 public:
  explicit Fixed(Streams streams) : streams_(std::move(streams)) {
    for (auto& [id, ops] : streams_) ops.push_back(Exit());
  }
  std::string name() const override { return "fixed"; }
  TaskId first_task() const override { return 1; }
  absl::StatusOr<std::span<const GuestOp>> Next(TaskId task) override {
    return streams_[task];
  }

 private:
  Streams streams_;
};

std::vector<GuestOp> operator*(int times, const GuestOp& op) {
  return std::vector<GuestOp>(static_cast<size_t>(times), op);
}
std::vector<GuestOp> operator+(std::vector<GuestOp> a,
                               const std::vector<GuestOp>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}
using Ops = std::vector<GuestOp>;

// Thread 1 maps a page, thread 2 uses it, thread 1 unmaps it, thread 2 finds
// nothing there: each has much else to do before its part.
Streams PingPong() {
  const Ops busy = 300 * LoadOp(0);
  return {{1, Ops{MapOp(1), Clone(2)} + busy + Ops{MapLate(), Post()} +
                  Ops{Await(2, 1), UnmapLate(), Post()}},
          {2, Ops{Await(1, 1)} + 5 * StoreLate() + busy + 5 * StoreLate() +
                  Ops{Post(), Await(1, 2), StoreLate()}}};
}

uint64_t SumOf(World& world, Counter counter) {
  uint64_t sum = 0;
  for (uint32_t id = 0; id < world.host().cpu_count(); ++id) {
    sum += world.cpu(id).counters[counter];
  }
  return sum;
}

absl::Status RunIn(World& world, const Streams& streams) {
  Fixed workload(streams);
  return world.kernel().Run(workload);
}

class PointsTest : public ::testing::TestWithParam<Setting> {};

TEST_P(PointsTest, WhatIsPostedComesBeforeWhatAwaitsIt) {
  World world(GetParam(), 32, /*quantum_ops=*/7);
  EXPECT_TRUE(RunIn(world, PingPong()).ok());
  EXPECT_EQ(SumOf(world, Counter::kSignals), 1u);
  EXPECT_EQ(SumOf(world, Counter::kDemandZero), 1u);  // kRegion is only read
  EXPECT_EQ(world.FirstEscape(), "");
}

std::string WayOf(const testing::TestParamInfo<Setting>& setting) {
  return NameOf(setting.param);
}
INSTANTIATE_TEST_SUITE_P(OneVcpu, PointsTest,
                         ::testing::ValuesIn(AllSettings(1)), WayOf);
INSTANTIATE_TEST_SUITE_P(FourVcpus, PointsTest,
                         ::testing::ValuesIn(AllSettings(4)), WayOf);

// Without them the same threads come in another order, so they are needed.
TEST(PointsRunTest, WithoutThemTheThreadsComeInAnotherOrder) {
  Streams streams = PingPong();
  for (auto& [id, ops] : streams) {
    std::erase_if(ops, [](const GuestOp& op) {
      return op.kind == GuestOpKind::kPost || op.kind == GuestOpKind::kAwait;
    });
  }
  World world({.vcpus = 2});
  EXPECT_TRUE(RunIn(world, streams).ok());
  EXPECT_GT(SumOf(world, Counter::kSignals), 1u);
}

// A world with tasks 1 and 2, threads of one process, on vCPUs 0 and, if there
// is one, 1. Task 1 is in user mode.
struct TwoThreads {
  explicit TwoThreads(int vcpus) : world({.vcpus = vcpus}) {
    EXPECT_TRUE(world.kernel().CreateProcess(1).ok());
    world.Do(1, MapOp(2));
    world.Do(1, Clone(2));
    world.Do(2, StoreOp(1));
    world.Do(1, StoreOp(0));
  }
  bool Waits(TaskId task) {
    return !world.kernel().Perform(task, LoadOp(0)).ok();
  }
  auto Tallies(uint32_t id = 0) { return world.cpu(id).clock.tallies(); }

  World world;
};

TEST(PointsRunTest, APointAndAnAwaitThatIsSatisfiedAreFree) {
  TwoThreads two(1);
  for (const bool in_call : {false, true}) {
    if (in_call) {
      two.world.Do(1, {.kind = GuestOpKind::kSyscall, .flags = kCallGoesOn});
    }
    const Cycles now = two.world.cpu().clock.now();
    const Counters counters = two.world.cpu().counters;
    const uint64_t digest = two.world.kernel().digest();
    two.world.Do(1, Post());
    two.world.Do(1, Await(1, 1));
    two.world.Do(1, Await(2, 0));
    two.world.Do(1, Await(77, 0));
    EXPECT_EQ(two.world.cpu().clock.now(), now);
    EXPECT_EQ(two.world.cpu().counters, counters);
    EXPECT_EQ(two.world.kernel().digest(), digest);
    EXPECT_EQ(two.world.kernel().vcpu(0).context().kernel_mode, in_call);
  }
}

TEST(PointsRunTest, ATaskGoesOnWhenTheLastOfThePointsIsPassed) {
  for (const int vcpus : {1, 2}) {
    TwoThreads two(vcpus);
    two.world.Do(1, Await(2, 2));
    EXPECT_TRUE(two.Waits(1));
    two.world.Do(2, Post());
    EXPECT_TRUE(two.Waits(1));
    two.world.Do(2, Post());
    EXPECT_FALSE(two.Waits(1));
  }
}

TEST(PointsRunTest, ABlockedTaskPaysForTheSwitchAlone) {
  TwoThreads two(2);
  const auto before = two.Tallies();
  two.world.Do(1, Await(2, 1));
  two.world.Do(2, Post());
  two.world.Do(1, LoadOp(0));
  auto want = before;
  ++want[static_cast<size_t>(CostEvent::kExceptionEntry)];
  ++want[static_cast<size_t>(CostEvent::kGuestSwitchPath)];
  ++want[static_cast<size_t>(CostEvent::kIret)];
  // The load itself costs something, too; the kernel does nothing more.
  for (const CostEvent event :
       {CostEvent::kExceptionEntry, CostEvent::kIret,
        CostEvent::kGuestSwitchPath, CostEvent::kSyscallInt,
        CostEvent::kSyscallFast, CostEvent::kGuestSyscallPath,
        CostEvent::kGuestFaultPath}) {
    const auto index = static_cast<size_t>(event);
    EXPECT_EQ(two.Tallies()[index], want[index]) << index;
  }
}

TEST(PointsRunTest, ATaskThatAwaitsInACallGoesOnWithTheCall) {
  TwoThreads two(1);
  two.world.Do(1, {.kind = GuestOpKind::kSyscall, .flags = kCallGoesOn});
  two.world.Do(1, Await(2, 1));
  two.world.Do(2, Post());
  const auto before = two.Tallies();
  two.world.Do(1, {.kind = GuestOpKind::kSyscall});
  const auto index = static_cast<size_t>(CostEvent::kGuestSyscallPath);
  EXPECT_EQ(two.Tallies()[index], before[index]);
  EXPECT_FALSE(two.world.kernel().vcpu(0).context().kernel_mode);
}

TEST(PointsRunTest, ATaskThatHasEndedHasPassedAll) {
  TwoThreads two(1);
  two.world.Do(1, Await(2, 9));
  EXPECT_TRUE(two.Waits(1));
  two.world.Do(2, Exit());
  EXPECT_FALSE(two.Waits(1));
  two.world.Do(1, Await(2, ~uint64_t{0}));
  EXPECT_FALSE(two.Waits(1));
}

TEST(PointsRunTest, ATaskMayAwaitOneThatBeginsLater) {
  TwoThreads two(1);
  two.world.Do(1, Await(3, 1));
  EXPECT_TRUE(two.Waits(1));
  two.world.Do(2, Clone(3));
  EXPECT_TRUE(two.Waits(1));
  two.world.Do(3, Post());
  EXPECT_FALSE(two.Waits(1));
}

TEST(PointsRunTest, AChildBeginsWithoutPointsOfItsParent) {
  TwoThreads two(1);
  two.world.Do(1, Post());
  two.world.Do(1, TaskOp(GuestOpKind::kFork, 3));
  two.world.Do(2, Await(3, 1));
  EXPECT_TRUE(two.Waits(2));
}

TEST(PointsRunTest, AnAwaitIsNoWaitForAChild) {
  TwoThreads two(1);
  two.world.Do(1, TaskOp(GuestOpKind::kFork, 3));
  two.world.Do(1, Await(2, 1));
  two.world.Do(3, Exit());
  EXPECT_TRUE(two.Waits(1));
}

TEST(PointsRunTest, TheyAreNoOperationsOfARunInPieces) {
  World world({});
  Fixed workload({{1, {Post(), MapOp(1), Post(), Await(1, 2), StoreOp(0)}}});
  ASSERT_TRUE(world.kernel().Begin(workload).ok());
  EXPECT_EQ(*world.kernel().RunFor(workload, 2), 2u);
  EXPECT_EQ(world.cpu().counters[Counter::kAccesses], 1u);
  EXPECT_EQ(*world.kernel().RunFor(workload, 0), 0u);
  EXPECT_EQ(*world.kernel().RunFor(workload, 9), 1u);  // kExit
  EXPECT_FALSE(world.kernel().has_tasks());
}

std::string ErrorOf(const Streams& streams, int vcpus) {
  World world({.vcpus = vcpus});
  const absl::Status status = RunIn(world, streams);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  return std::string(status.message());
}

TEST(PointsRunTest, TasksThatAwaitEachOtherAreNamed) {
  for (const int vcpus : {1, 2}) {
    EXPECT_EQ(ErrorOf({{1, {Clone(2), Post(), Await(2, 3)}},
                       {2, {Post(), Post(), Await(1, 2), Post()}}},
                      vcpus),
              "a trace whose tasks wait for one another: task 1 awaits point 3 "
              "of task 2, which has passed 2; task 2 awaits point 2 of task 1, "
              "which has passed 1");
    EXPECT_EQ(ErrorOf({{1, {Await(5, 1)}}}, vcpus),
              "a trace whose tasks wait for one another: task 1 awaits point 1 "
              "of task 5, which never begins");
  }
}

TEST(PointsRunTest, OfManyTasksThatAreStuckFourAreNamed) {
  Streams streams;
  for (TaskId thread = 2; thread <= 7; ++thread) {
    streams[1].push_back(Clone(thread));
    streams[thread] = {Await(1, 1)};
  }
  streams[1].push_back(Await(1, 1));
  EXPECT_THAT(ErrorOf(streams, 1), HasSubstr("passed 0; and 3 more"));
}

// What several vCPUs leave out of the digest is what it is without points.
TEST(PointsRunTest, TheDigestHasNoPoints) {
  for (const int vcpus : {1, 2}) {
    Streams plain = {{1, Ops{MapOp(3), Clone(2)} + 40 * StoreOp(0) +
                             40 * LoadOp(0) + 10 * LoadOp(2)},
                     {2, 40 * StoreOp(1) + 40 * LoadOp(1) + 10 * StoreOp(2)}};
    Streams posted = plain;
    for (auto& [id, ops] : posted) {
      for (const auto at : {60, 45, 30, 15, 2})
        ops.insert(ops.begin() + at, Post());
    }
    posted[2].insert(posted[2].begin() + 50, Await(1, 2));
    World a({.vcpus = vcpus});
    World b({.vcpus = vcpus});
    ASSERT_TRUE(RunIn(a, plain).ok());
    ASSERT_TRUE(RunIn(b, posted).ok());
    EXPECT_EQ(a.kernel().not_compared().accesses,
              b.kernel().not_compared().accesses);
    EXPECT_EQ(a.kernel().not_compared().pages, vcpus == 1 ? 0u : 1u);
    if (vcpus > 1) {
      EXPECT_EQ(a.kernel().digest(), b.kernel().digest());
    }
  }
}

}  // namespace
}  // namespace xmmu::points_test
