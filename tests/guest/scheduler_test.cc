#include "guest/world.h"
#include "xmmu/workload/synthetic.h"

namespace xmmu::scheduler_test {
namespace {

class SchedulerTest : public ::testing::TestWithParam<Setting> {};

uint64_t DigestOf(const Setting& setting, std::string_view spec) {
  World world(setting);
  auto workload = MakeSyntheticWorkload(spec);
  EXPECT_TRUE(workload.ok()) << workload.status();
  const absl::Status status = world.kernel().Run(**workload);
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(world.FirstEscape(), "");
  return world.kernel().digest();
}

// What a program sees does not depend on how many CPUs there are.
TEST_P(SchedulerTest, FourVcpusShowEveryProgramTheSameWorldAsOne) {
  constexpr std::string_view kSpec = "switch:processes=6,rounds=20,pages=8";
  Setting one = GetParam();
  one.vcpus = 1;
  EXPECT_EQ(DigestOf(GetParam(), kSpec), DigestOf(one, kSpec));
}

INSTANTIATE_TEST_SUITE_P(FourVcpus, SchedulerTest,
                         ::testing::ValuesIn(AllSettings(4)),
                         [](const testing::TestParamInfo<Setting>& setting) {
                           return NameOf(setting.param);
                         });

// What a run came to: clocks, counters, digest and how many operations.
struct RunSeen {
  std::vector<Cycles> clocks;
  Counters counters;
  uint64_t digest = 0;
  uint64_t operations = 0;
  bool operator==(const RunSeen&) const = default;
};

RunSeen RunInPieces(const Setting& setting, uint64_t piece) {
  World world(setting, 32, /*quantum_ops=*/13);
  auto workload = MakeSyntheticWorkload("switch:processes=5,rounds=9,pages=8");
  EXPECT_TRUE(world.kernel().Begin(**workload).ok());
  RunSeen seen;
  while (world.kernel().has_tasks()) {
    const auto ran = world.kernel().RunFor(**workload, piece);
    EXPECT_TRUE(ran.ok()) << ran.status();
    if (!ran.ok()) break;
    if (world.kernel().has_tasks()) {
      EXPECT_EQ(*ran, piece);
    }
    seen.operations += *ran;
  }
  for (uint32_t id = 0; id < world.host().cpu_count(); ++id) {
    seen.clocks.push_back(world.cpu(id).clock.now());
    seen.counters += world.cpu(id).counters;
  }
  seen.digest = world.kernel().digest();
  return seen;
}

using PiecesTest = SchedulerTest;

TEST_P(PiecesTest, ARunInPiecesIsTheSameRun) {
  const RunSeen whole = RunInPieces(GetParam(), 1'000'000);
  EXPECT_GT(whole.operations, 400u);
  for (const uint64_t piece : {1u, 7u, 100u}) {
    EXPECT_TRUE(RunInPieces(GetParam(), piece) == whole) << piece;
  }
}

INSTANTIATE_TEST_SUITE_P(OneVcpu, PiecesTest,
                         ::testing::ValuesIn(AllSettings(1)),
                         [](const auto& setting) {
                           return NameOf(setting.param);
                         });
INSTANTIATE_TEST_SUITE_P(FourVcpus, PiecesTest,
                         ::testing::ValuesIn(AllSettings(4)),
                         [](const auto& setting) {
                           return NameOf(setting.param);
                         });

TEST(SchedulerRunTest, TasksSpreadOverTheVcpus) {
  World world({.vcpus = 4});
  auto workload = MakeSyntheticWorkload("switch:processes=4,rounds=10,pages=2");
  ASSERT_TRUE(world.kernel().Run(**workload).ok());
  for (uint32_t id = 0; id < 4; ++id) {
    EXPECT_GE(world.cpu(id).counters[Counter::kAccesses], 20u) << id;
  }
}

TEST(SchedulerRunTest, ATurnEndsAfterTheQuantum) {
  // Two tasks that never give up the processor by themselves.
  World world({});
  auto workload = MakeSyntheticWorkload("fork:pages=10,cow=10");
  ASSERT_TRUE(world.kernel().Run(**workload).ok());
  EXPECT_GE(world.cpu().counters[Counter::kContextSwitches], 3u);
}

TEST(SchedulerRunTest, TwoRunsOfAWorkloadCostTheSame) {
  Cycles cycles[2];
  for (Cycles& total : cycles) {
    World world({"trap-and-emulate", PagingMode::kPae});
    auto workload = MakeSyntheticWorkload("churn:pages=20,rounds=5");
    ASSERT_TRUE(world.kernel().Run(**workload).ok());
    total = world.cpu().clock.busy();
  }
  EXPECT_EQ(cycles[0], cycles[1]);
}

// A vfork child on another vCPU changes the address space that its parent's
// vCPU still has loaded.
class VforkTest : public ::testing::TestWithParam<Setting> {
 protected:
  static constexpr VirtAddr kFar{0x80000000};  // a gigabyte of its own in PAE
  static constexpr uint64_t kNear = 2;         // pages

  VforkTest() : world_(GetParam()) {
    EXPECT_TRUE(world_.kernel().CreateProcess(1).ok());
    world_.Do(1, MapOp(kNear));
    world_.Do(1, StoreOp(0));
  }
  void MapFar(TaskId task) {
    world_.Do(task, MapOp(1, Backing::kAnonymous, kMapRead | kMapWrite, kFar));
  }
  void StoreFar(TaskId task) {
    world_.Do(task, AccessOp(GuestOpKind::kStore, 0, kFar));
  }

  World world_;
};

TEST_P(VforkTest, TheParentReachesWhatTheChildHasMapped) {
  world_.Do(1, TaskOp(GuestOpKind::kVfork, 2));
  MapFar(2);
  StoreFar(2);
  world_.Do(2, TaskOp(GuestOpKind::kExit));
  const uint64_t accesses = world_.cpu().counters[Counter::kAccesses];
  StoreFar(1);
  EXPECT_EQ(world_.cpu().counters[Counter::kAccesses], accesses + 1);
}

TEST_P(VforkTest, TheParentNoLongerReachesWhatTheChildHasUnmapped) {
  MapFar(1);
  StoreFar(1);
  world_.Do(1, TaskOp(GuestOpKind::kVfork, 2));
  world_.Do(2, RangeOp(GuestOpKind::kUnmap, 1, 0, kFar));
  world_.Do(2, TaskOp(GuestOpKind::kExit));
  const uint64_t accesses = world_.cpu().counters[Counter::kAccesses];
  StoreFar(1);
  EXPECT_EQ(world_.cpu().counters[Counter::kAccesses], accesses);
  EXPECT_EQ(world_.FirstEscape(), "");
}

INSTANTIATE_TEST_SUITE_P(TwoVcpus, VforkTest,
                         ::testing::ValuesIn(AllSettings(2)),
                         [](const testing::TestParamInfo<Setting>& setting) {
                           return NameOf(setting.param);
                         });

using OneVcpuTest = SchedulerTest;

TEST_P(OneVcpuTest, AProcessMayBeStartedWhileAnotherIsInUserMode) {
  World world(GetParam());
  GuestKernel& kernel = world.kernel();
  ASSERT_TRUE(kernel.CreateProcess(1).ok());
  world.Do(1, MapOp(2));
  world.Do(1, StoreOp(0));
  ASSERT_FALSE(kernel.vcpu(0).context().kernel_mode);
  ASSERT_TRUE(kernel.CreateProcess(2).ok());
  world.Do(2, MapOp(2));
  world.Do(2, StoreOp(0));
  world.Do(1, StoreOp(1));
  world.Do(2, TaskOp(GuestOpKind::kExit));
  world.Do(1, TaskOp(GuestOpKind::kExit));
}

INSTANTIATE_TEST_SUITE_P(OneVcpu, OneVcpuTest,
                         ::testing::ValuesIn(AllSettings()),
                         [](const auto& setting) {
                           return NameOf(setting.param);
                         });

// Bare hardware: what an interrupt enters, IRET leaves.
TEST(SchedulerRunTest, AnInterruptedTaskGoesOnByIret) {
  World world({}, 32, /*quantum_ops=*/5);
  auto workload = MakeSyntheticWorkload("switch:processes=3,rounds=4,pages=20");
  ASSERT_TRUE(world.kernel().Run(**workload).ok());
  const auto tally = [&](CostEvent event) {
    return world.cpu().clock.tallies()[static_cast<size_t>(event)];
  };
  EXPECT_EQ(tally(CostEvent::kIret), tally(CostEvent::kExceptionEntry));
}

}  // namespace
}  // namespace xmmu::scheduler_test
