// Threads: tasks that share an address space, on one vCPU and on several.

#include <map>
#include <span>
#include <string>
#include <vector>

#include "guest/world.h"
#include "testing/conformance/guest_script.h"

namespace xmmu::threads_test {
namespace {
using conformance::GuestScript;
using conformance::RandomChoice;

GuestOp CloneOp(TaskId thread) { return TaskOp(GuestOpKind::kClone, thread); }
GuestOp ForkOp(TaskId child) { return TaskOp(GuestOpKind::kFork, child); }
GuestOp WaitOp(TaskId child) { return TaskOp(GuestOpKind::kWait, child); }
GuestOp ExitOp() { return TaskOp(GuestOpKind::kExit); }

std::string WayOf(const testing::TestParamInfo<Setting>& setting) {
  return NameOf(setting.param);
}

// Task 1 is there, with four pages that it has stored to. Tasks are on vCPUs 0,
// 1, 2, 3 in the order of their start.
class ThreadsTest : public ::testing::TestWithParam<Setting> {
 protected:
  ThreadsTest() : world_(GetParam()) {
    EXPECT_TRUE(world_.kernel().CreateProcess(1).ok());
    free_ = world_.kernel().free_frames();
    Do(1, MapOp(4));
    for (uint64_t page = 0; page < 4; ++page) Do(1, StoreOp(page));
  }
  ~ThreadsTest() override {
    EXPECT_EQ(world_.FirstEscape(), "");
    EXPECT_TRUE(world_.policy().Audit().ok()) << world_.policy().Audit();
  }

  void Do(TaskId task, const GuestOp& op) { world_.Do(task, op); }
  uint64_t Sum(Counter counter) {
    uint64_t sum = 0;
    for (uint32_t id = 0; id < world_.host().cpu_count(); ++id) {
      sum += world_.cpu(id).counters[counter];
    }
    return sum;
  }
  // What `op` adds to a counter, on all CPUs.
  uint64_t Added(Counter counter, TaskId task, const GuestOp& op) {
    const uint64_t before = Sum(counter);
    Do(task, op);
    return Sum(counter) - before;
  }
  bool Lives(TaskId task) { return world_.kernel().RootsOf(task).has_value(); }
  bool Waits(TaskId task) {
    return Lives(task) &&
           !world_.kernel().Perform(task, TaskOp(GuestOpKind::kSyscall)).ok();
  }

  World world_;
  uint64_t free_;
};

TEST_P(ThreadsTest, WhatOneMapsTheOthersUse) {
  const VirtAddr far{0x80000000};
  Do(1, CloneOp(2));
  Do(2, MapOp(2, Backing::kAnonymous, kMapRead | kMapWrite, far));
  Do(2, AccessOp(GuestOpKind::kStore, 0, far));
  EXPECT_EQ(
      Added(Counter::kGuestFaults, 1, AccessOp(GuestOpKind::kLoad, 0, far)),
      0u);
  EXPECT_EQ(Added(Counter::kGuestFaults, 2, LoadOp(3)), 0u);
  EXPECT_EQ(
      Added(Counter::kDemandZero, 1, AccessOp(GuestOpKind::kStore, 1, far)),
      1u);
  EXPECT_EQ(world_.kernel().RootsOf(1)->root, world_.kernel().RootsOf(2)->root);
}

TEST_P(ThreadsTest, WhatOneUnmapsNoOtherReaches) {
  Do(1, CloneOp(2));
  Do(2, LoadOp(1));
  Do(1, RangeOp(GuestOpKind::kUnmap, 4));
  EXPECT_EQ(Added(Counter::kSignals, 2, LoadOp(1)), 1u);
  Do(2, MapOp(4));
  EXPECT_EQ(Added(Counter::kDemandZero, 1, StoreOp(1)), 1u);
  Do(2, RangeOp(GuestOpKind::kProtect, 4, kMapRead));
  EXPECT_EQ(Added(Counter::kSignals, 1, StoreOp(1)), 1u);
}

TEST_P(ThreadsTest, TheMemoryOutlivesAThreadAndGoesWithTheLast) {
  Do(1, CloneOp(2));
  Do(2, CloneOp(3));
  Do(2, StoreOp(2));
  EXPECT_EQ(Added(Counter::kExits, 2, ExitOp()), 1u);
  EXPECT_EQ(Added(Counter::kGuestFaults, 3, StoreOp(2)), 0u);
  Do(1, ExitOp());
  EXPECT_EQ(Added(Counter::kGuestFaults, 3, LoadOp(1)), 0u);
  ASSERT_TRUE(world_.kernel().RootsOf(3).has_value());
  Do(3, ExitOp());
  // The roots may stay until another task is switched to.
  EXPECT_GE(world_.kernel().free_frames(), free_);
}

TEST_P(ThreadsTest, AForkByAThreadCopiesWhatAllHave) {
  Do(1, CloneOp(2));
  Do(1, StoreOp(1));
  Do(2, ForkOp(3));
  EXPECT_EQ(Added(Counter::kCowCopies, 3, StoreOp(1)), 1u);
  EXPECT_EQ(Added(Counter::kCowReuses, 1, StoreOp(1)), 1u);
  EXPECT_EQ(Added(Counter::kGuestFaults, 2, StoreOp(1)), 0u);
  EXPECT_EQ(Added(Counter::kCowCopies, 2, StoreOp(2)), 1u);
  // The child is of the process, not of the thread: any thread waits for it.
  Do(2, ExitOp());
  Do(1, WaitOp(3));
  EXPECT_TRUE(Waits(1));
  Do(3, ExitOp());
  EXPECT_FALSE(Waits(1));
}

TEST_P(ThreadsTest, AThreadIsJoinedByItsNumberAndIsNobodysChild) {
  Do(1, CloneOp(2));
  Do(1, WaitOp(0));
  EXPECT_FALSE(Waits(1));  // ECHILD
  Do(1, WaitOp(2));
  EXPECT_TRUE(Waits(1));
  Do(2, ExitOp());
  EXPECT_FALSE(Waits(1));
  Do(1, WaitOp(2));
  EXPECT_FALSE(Waits(1));
}

TEST_P(ThreadsTest, AProcessIsGoneWithItsLastThread) {
  Do(1, ForkOp(2));
  Do(2, CloneOp(3));
  Do(1, WaitOp(0));
  Do(2, ExitOp());
  EXPECT_TRUE(Waits(1));
  Do(3, ExitOp());
  EXPECT_FALSE(Waits(1));
}

TEST_P(ThreadsTest, OneOfSeveralThatWaitGetsTheChildAndTheRestFail) {
  Do(1, CloneOp(2));
  Do(1, ForkOp(3));
  Do(1, ForkOp(4));
  Do(1, WaitOp(0));
  Do(2, WaitOp(0));
  Do(3, ExitOp());
  EXPECT_FALSE(Waits(1));
  EXPECT_TRUE(Waits(2));  // there is another child
  Do(1, WaitOp(4));
  Do(4, ExitOp());
  EXPECT_FALSE(Waits(1));
  EXPECT_FALSE(Waits(2));
}

TEST_P(ThreadsTest, AThreadThatExecutesLeavesTheOthersWhereTheyAre) {
  Do(1, CloneOp(2));
  Do(2, TaskOp(GuestOpKind::kExec));
  EXPECT_NE(world_.kernel().RootsOf(1)->root, world_.kernel().RootsOf(2)->root);
  EXPECT_EQ(Added(Counter::kGuestFaults, 1, LoadOp(0)), 0u);
  EXPECT_EQ(Added(Counter::kSignals, 2, LoadOp(0)), 1u);
  Do(1, ExitOp());
  Do(2, MapOp(1));
  Do(2, StoreOp(0));
  Do(2, ExitOp());
}

// A vfork's child may start threads: they stay when its parent goes on.
TEST_P(ThreadsTest, ThreadsOfAVforkChildStayInTheParentsMemory) {
  Do(1, TaskOp(GuestOpKind::kVfork, 2));
  Do(2, CloneOp(3));
  EXPECT_TRUE(Waits(1));
  Do(2, TaskOp(GuestOpKind::kExec));
  EXPECT_FALSE(Waits(1));
  Do(3, StoreOp(1));
  EXPECT_EQ(Added(Counter::kGuestFaults, 1, StoreOp(1)), 0u);
  Do(1, ExitOp());
  EXPECT_EQ(Added(Counter::kGuestFaults, 3, LoadOp(1)), 0u);
  Do(3, ExitOp());
  Do(2, ExitOp());
}

std::vector<Setting> Some(int vcpus) {
  std::vector<Setting> settings;
  for (const Setting& setting : AllSettings(vcpus)) {
    const bool small = setting.policy.ends_with("smallest-pool");
    if (!small) settings.push_back(setting);
  }
  return settings;
}

INSTANTIATE_TEST_SUITE_P(OneVcpu, ThreadsTest, ::testing::ValuesIn(Some(1)),
                         WayOf);
INSTANTIATE_TEST_SUITE_P(FourVcpus, ThreadsTest, ::testing::ValuesIn(Some(4)),
                         WayOf);

using OneVcpuThreadsTest = ThreadsTest;

TEST_P(OneVcpuThreadsTest, ASwitchBetweenThreadsLoadsNoTables) {
  Do(1, CloneOp(2));
  Do(1, LoadOp(0));
  EXPECT_EQ(Added(Counter::kCr3Loads, 2, LoadOp(0)), 0u);
  EXPECT_EQ(Added(Counter::kCr3Loads, 1, LoadOp(0)), 0u);
  EXPECT_EQ(Added(Counter::kCr3Loads, 1, ExitOp()), 0u);
  EXPECT_EQ(Added(Counter::kCr3Loads, 2, LoadOp(1)), 0u);
}

INSTANTIATE_TEST_SUITE_P(OneVcpu, OneVcpuThreadsTest,
                         ::testing::ValuesIn(std::vector<Setting>{
                             {}, {.mode = PagingMode::kPae}}),
                         WayOf);

// Where the guest names the targets of a flush, it is the CPUs that its threads
// are on.
using ThreadShootdownTest = ThreadsTest;

TEST_P(ThreadShootdownTest, ItReachesExactlyTheProcessorsWhereThreadsRun) {
  const auto interrupted = [&](TaskId task, const GuestOp& op) {
    std::vector<uint64_t> before;
    for (uint32_t id = 0; id < 4; ++id) {
      before.push_back(world_.cpu(id).counters[Counter::kIpis]);
    }
    Do(task, op);
    std::string text;
    for (uint32_t id = 0; id < 4; ++id) {
      const bool was = world_.cpu(id).counters[Counter::kIpis] != before[id];
      text += was ? "X" : "-";
    }
    return text;
  };
  Do(1, CloneOp(2));
  Do(2, CloneOp(3));
  Do(3, ForkOp(4));
  for (TaskId task = 1; task <= 4; ++task) Do(task, LoadOp(0));
  // No table goes, which would be Xen's to flush: wherever the guest has been.
  const GuestOp discard = RangeOp(GuestOpKind::kDiscard, 1);
  EXPECT_EQ(interrupted(1, discard), "-XX-");
  EXPECT_EQ(interrupted(4, discard), "----");
  Do(2, StoreOp(0));
  EXPECT_EQ(interrupted(3, discard), "XX--");
  Do(2, ExitOp());
  Do(1, StoreOp(0));
  EXPECT_EQ(interrupted(1, discard), "--X-");
  Do(3, ExitOp());
  Do(1, StoreOp(0));
  EXPECT_EQ(interrupted(1, discard), "----");
}

std::vector<Setting> NamingTargets() {
  std::vector<Setting> settings;
  for (const Setting& setting : AllSettings(4)) {
    const bool pinned =
        setting.policy == "pinning" && setting.pin != PinWhen::kNever;
    if (setting.policy == "native" || pinned) settings.push_back(setting);
  }
  return settings;
}

INSTANTIATE_TEST_SUITE_P(FourVcpus, ThreadShootdownTest,
                         ::testing::ValuesIn(NamingTargets()), WayOf);

// Processes and threads, each with a random stream of its own.
class RandomThreads final : public Workload {
 public:
  RandomThreads(PagingMode mode, uint64_t seed) : mode_(mode), seed_(seed) {}
  std::string name() const override { return "random threads"; }
  TaskId first_task() const override { return 1; }

  absl::StatusOr<std::span<const GuestOp>> Next(TaskId task) override {
    std::vector<GuestOp>& ops = streams_[task];
    AddSteps(ops, task, 60);
    // A tree of threads (of 1, and of process 4), and forks by threads.
    const std::map<TaskId, std::vector<GuestOp>> starts = {
        {1, {CloneOp(2), CloneOp(3), ForkOp(4)}},
        {2, {ForkOp(5), TaskOp(GuestOpKind::kVfork, 7)}},
        {4, {CloneOp(6)}}};
    if (const auto it = starts.find(task); it != starts.end()) {
      for (const GuestOp& op : it->second) {
        ops.push_back(op);
        AddSteps(ops, task + 20 * op.child, 20);
      }
      AddSteps(ops, task + 10, 60);
      ops.insert(ops.end(), 2, WaitOp(0));
    }
    ops.push_back(ExitOp());
    return ops;
  }

 private:
  void AddSteps(std::vector<GuestOp>& ops, uint64_t number, int steps) const {
    const auto choice = RandomChoice(1000 * seed_ + number);
    GuestScript script(mode_, choice, 1, /*most=*/1);
    for (int i = 0; i < steps; ++i) {
      GuestOp op = script.Next().op;
      // Threads that execute another program share nothing any more.
      if (op.kind == GuestOpKind::kExec && choice(4) != 0) continue;
      ops.push_back(op);
      if (choice(8) == 0) AddCopy(ops, choice);
      if (choice(2) == 0) AddOwn(ops, number, choice);
    }
  }
  void AddCopy(std::vector<GuestOp>& ops,
               const conformance::Choice& choice) const {
    const VirtAddr window = GuestScript::WindowsOf(mode_)[choice(3)];
    GuestOp op{
        .kind = choice(2) == 0 ? GuestOpKind::kCopyIn : GuestOpKind::kCopyOut,
        .va = window + choice(GuestScript::kPages) * kPageSize,
        .length = (1 + choice(4)) * kPageSize};
    if (choice(4) == 0) op.flags = kCallGoesOn;
    ops.push_back(op);
  }

  // What nobody else touches: it is compared although all may see it.
  static void AddOwn(std::vector<GuestOp>& ops, uint64_t number,
                     const conformance::Choice& choice) {
    constexpr uint64_t kOwnPages = 8;
    const VirtAddr own = VirtAddr(0x40000000) + number * kOwnPages * kPageSize;
    const VirtAddr page = own + choice(kOwnPages) * kPageSize;
    constexpr std::array kKinds = {GuestOpKind::kStore, GuestOpKind::kLoad,
                                   GuestOpKind::kCopyOut, GuestOpKind::kCopyIn,
                                   GuestOpKind::kDiscard};
    GuestOp op{.kind = kKinds[choice(kKinds.size())], .va = page, .length = 8};
    if (choice(8) == 0) {
      op = MapOp(kOwnPages, Backing::kAnonymous, kMapRead | kMapWrite, own);
    }
    ops.push_back(op);
  }

  PagingMode mode_;
  uint64_t seed_;
  std::map<TaskId, std::vector<GuestOp>> streams_;
};

struct Seen {
  uint64_t digest = 0;
  uint64_t accesses = 0;
  uint64_t pages = 0;
  uint64_t spaces = 0;
  bool operator==(const Seen&) const = default;
};

Seen RunRandom(const Setting& setting, uint64_t seed) {
  World world(setting, /*memory_mib=*/8);
  RandomThreads workload(setting.mode, seed);
  const absl::Status status = world.kernel().Run(workload);
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(world.FirstEscape(), "");
  EXPECT_TRUE(world.policy().Audit().ok()) << world.policy().Audit();
  const NotCompared left_out = world.kernel().not_compared();
  return {world.kernel().digest(), left_out.accesses, left_out.pages,
          left_out.threaded_spaces};
}

std::ostream& operator<<(std::ostream& out, const Seen& seen) {
  return out << std::hex << seen.digest << std::dec << ", not compared "
             << seen.accesses << " accesses to " << seen.pages << " pages in "
             << seen.spaces << " spaces";
}

// Each way has seeds of its own.
uint64_t FirstSeed() {
  const testing::UnitTest& unit = *testing::UnitTest::GetInstance();
  const std::string name = unit.current_test_info()->name();
  uint64_t hash = 0;
  for (const char c : name) hash = hash * 31 + static_cast<uint64_t>(c);
  return hash % 10000;
}

class RandomThreadsTest : public ::testing::TestWithParam<Setting> {};

// On several vCPUs the interleaving differs from policy to policy.
TEST_P(RandomThreadsTest, EveryPolicyShowsThemTheSame) {
  const uint64_t first = FirstSeed();
  for (uint64_t seed = first; seed < first + 2; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    const Setting bare{.mode = GetParam().mode, .vcpus = GetParam().vcpus};
    EXPECT_EQ(RunRandom(GetParam(), seed), RunRandom(bare, seed));
  }
}

TEST(RandomThreadsRunTest, OnOneVcpuEverythingIsComparedAndOnSeveralALot) {
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    const Seen one = RunRandom({.mode = PagingMode::kPae}, seed);
    EXPECT_EQ(one.accesses, 0u);
    const Seen four = RunRandom({.mode = PagingMode::kPae, .vcpus = 4}, seed);
    EXPECT_GT(four.accesses, 10u);
    EXPECT_GT(four.pages, 10u);
  }
}

INSTANTIATE_TEST_SUITE_P(OneVcpu, RandomThreadsTest,
                         ::testing::ValuesIn(AllSettings(1)), WayOf);
INSTANTIATE_TEST_SUITE_P(TwoVcpus, RandomThreadsTest,
                         ::testing::ValuesIn(AllSettings(2)), WayOf);
INSTANTIATE_TEST_SUITE_P(FourVcpus, RandomThreadsTest,
                         ::testing::ValuesIn(AllSettings(4)), WayOf);

}  // namespace
}  // namespace xmmu::threads_test
