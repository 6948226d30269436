// Several vCPUs, interleaved by their clocks: the same run each time, the same
// world as on bare hardware, and shootdowns with what they cost.

#include <algorithm>
#include <map>
#include <vector>

#include "guest/guest_script.h"
#include "guest/world.h"
#include "xmmu/workload/workload.h"

namespace xmmu::conformance_smp_test {
namespace {

// A process that maps and touches memory, then forks some that go on each for
// itself, on memory that they share with each other copy on write.
class Family final : public Workload {
 public:
  explicit Family(PagingMode mode) : mode_(mode) {}

  std::string name() const override { return "family"; }
  TaskId first_task() const override { return 1; }

  absl::StatusOr<std::span<const GuestOp>> Next(TaskId task) override {
    std::vector<GuestOp>& ops = streams_[task];
    // What comes before the forks has to be there for the children.
    AddSteps(ops, task, 150);
    if (task == first_task()) {
      for (TaskId child = 2; child <= kProcesses; ++child) {
        ops.push_back(TaskOp(GuestOpKind::kFork, child));
      }
      AddSteps(ops, task + kProcesses, 150);
      ops.insert(ops.end(), kProcesses - 1, TaskOp(GuestOpKind::kWait));
    }
    ops.push_back(TaskOp(GuestOpKind::kExit));
    return ops;
  }

 private:
  static constexpr TaskId kProcesses = 7;

  void AddSteps(std::vector<GuestOp>& ops, uint64_t seed, int steps) const {
    GuestScript script(mode_, RandomChoice(seed), 1, /*most=*/1);
    for (int i = 0; i < steps; ++i) {
      ops.push_back(script.Next().op);
      // What one process stores to a shared page is nothing that a private
      // mapping of another could meet: when would depend on the clocks.
      if (ops.back().backing == Backing::kFileShared) ops.back().file = 8;
    }
  }

  PagingMode mode_;
  std::map<TaskId, std::vector<GuestOp>> streams_;
};

// All that a run leaves behind on the processors.
struct Outcome {
  uint64_t digest = 0;
  std::vector<CostTally> tallies;
  std::vector<Counters> counters;
  std::vector<Cycles> clocks;
  bool operator==(const Outcome&) const = default;

  uint64_t Sum(Counter counter) const {
    uint64_t sum = 0;
    for (const Counters& each : counters) sum += each[counter];
    return sum;
  }
};

Outcome RunFamily(const Setting& setting) {
  World world(setting, /*memory_mib=*/8);
  Family family(setting.mode);
  const absl::Status status = world.kernel().Run(family);
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(world.FirstEscape(), "");
  EXPECT_TRUE(world.policy().Audit().ok()) << world.policy().Audit();
  Outcome outcome;
  outcome.digest = world.kernel().digest();
  for (uint32_t id = 0; id < world.host().cpu_count(); ++id) {
    outcome.tallies.push_back(world.cpu(id).clock.tallies());
    outcome.counters.push_back(world.cpu(id).counters);
    outcome.clocks.push_back(world.cpu(id).clock.now());
  }
  return outcome;
}

class SmpTest : public ::testing::TestWithParam<Setting> {};

TEST_P(SmpTest, TwoRunsAreTheSameToTheCycleOnEachProcessor) {
  const Outcome outcome = RunFamily(GetParam());
  EXPECT_TRUE(RunFamily(GetParam()) == outcome);
  for (const Counters& counters : outcome.counters) {
    EXPECT_GT(counters[Counter::kAccesses], 20u);
  }
}

TEST_P(SmpTest, ProgramsSeeWhatOneBareProcessorShowsThem) {
  EXPECT_EQ(RunFamily(GetParam()).digest,
            RunFamily({.mode = GetParam().mode}).digest);
}

// Xen flushes all processors that the guest has run on where a page changes its
// type; so there are interrupts even though no two tasks share memory.
TEST_P(SmpTest, ShootdownsAreSentAndWaitedFor) {
  const Outcome outcome = RunFamily(GetParam());
  uint64_t sent = 0;
  uint64_t handled = 0;
  for (const CostTally& tally : outcome.tallies) {
    sent += tally[static_cast<size_t>(CostEvent::kIpiSend)];
    handled += tally[static_cast<size_t>(CostEvent::kIpiHandler)];
  }
  EXPECT_EQ(sent, outcome.Sum(Counter::kIpis));
  EXPECT_EQ(handled, sent);
  if (World(GetParam()).kernel().abi().paravirtual) {
    EXPECT_GT(sent, 0u);
  }
}

std::vector<Setting> Smp() {
  std::vector<Setting> settings = AllSettings(2);
  for (const Setting& setting : AllSettings(4)) settings.push_back(setting);
  return settings;
}

INSTANTIATE_TEST_SUITE_P(Settings, SmpTest, ::testing::ValuesIn(Smp()),
                         [](const testing::TestParamInfo<Setting>& setting) {
                           return NameOf(setting.param);
                         });

// A chain of vforks: one address space, loaded on as many processors as it is
// long. The last one runs.
class ShootdownTest : public ::testing::TestWithParam<Setting> {
 protected:
  ShootdownTest() : world_(GetParam()) {
    EXPECT_TRUE(world_.kernel().CreateProcess(1).ok());
    world_.Do(1, MapOp(4));
    for (uint64_t page = 0; page < 4; ++page) world_.Do(1, StoreOp(page));
  }
  // Returns the last process, on vCPU `links`.
  TaskId Vfork(TaskId links) {
    for (TaskId task = 1; task <= links; ++task) {
      world_.Do(task, TaskOp(GuestOpKind::kVfork, task + 1));
      world_.Do(task + 1, LoadOp(0));
    }
    return links + 1;
  }
  struct Spent {
    uint64_t ipis;
    uint64_t busy;
    CostTally tallies;
    uint64_t of(CostEvent event) const {
      return tallies[static_cast<size_t>(event)];
    }
  };
  // What each processor spends while `task` unmaps a page.
  std::vector<Spent> Unmap(TaskId task) {
    const auto read = [&](uint32_t id) {
      const Cpu& cpu = world_.cpu(id);
      return Spent{cpu.counters[Counter::kIpis], cpu.clock.busy().count(),
                   cpu.clock.tallies()};
    };
    std::vector<Spent> before;
    for (uint32_t id = 0; id < 4; ++id) before.push_back(read(id));
    world_.Do(task, RangeOp(GuestOpKind::kUnmap, 1));
    std::vector<Spent> spent;
    for (uint32_t id = 0; id < 4; ++id) {
      Spent now = read(id);
      now.ipis -= before[id].ipis;
      now.busy -= before[id].busy;
      for (size_t i = 0; i < now.tallies.size(); ++i) {
        now.tallies.at(i) -= before[id].tallies.at(i);
      }
      spent.push_back(now);
    }
    return spent;
  }

  World world_;
};

TEST_P(ShootdownTest, ThreeTargetsAreInterruptedAtOnceAndTheSlowestAwaited) {
  const std::vector<Spent> spent = Unmap(Vfork(3));
  const Spent& initiator = spent[3];
  const uint64_t shootdowns = initiator.of(CostEvent::kIpiDelivery);
  EXPECT_GE(shootdowns, 1u);
  EXPECT_EQ(initiator.ipis, 0u);
  EXPECT_EQ(initiator.of(CostEvent::kIpiSend), 3 * shootdowns);
  uint64_t slowest = 0;
  for (uint32_t id = 0; id < 3; ++id) {
    EXPECT_EQ(spent[id].ipis, shootdowns) << id;
    EXPECT_EQ(spent[id].of(CostEvent::kIpiHandler), shootdowns) << id;
    slowest = std::max(slowest, spent[id].busy);
  }
  // They work side by side, at the same but for what the first may find to be
  // done for all: the wait is that of one.
  EXPECT_EQ(slowest, initiator.of(CostEvent::kIpiWait));
}

std::vector<Setting> BuiltIn() {
  std::vector<Setting> settings;
  for (const Setting& setting : AllSettings(4)) {
    if (FindPolicy(setting.policy) != nullptr) settings.push_back(setting);
  }
  return settings;
}

INSTANTIATE_TEST_SUITE_P(FourVcpus, ShootdownTest,
                         ::testing::ValuesIn(BuiltIn()),
                         [](const testing::TestParamInfo<Setting>& setting) {
                           return NameOf(setting.param);
                         });

// Who need not know is left alone: by bare hardware whoever has other tables
// loaded; by Xen the same where the guest names whom it means.
class SparingTest : public ShootdownTest {};

TEST_P(SparingTest, ProcessorsWithOtherTablesAreNotInterrupted) {
  const std::vector<Spent> spent = Unmap(Vfork(1));
  EXPECT_GE(spent[0].ipis, 1u);
  EXPECT_EQ(spent[1].ipis, 0u);
  EXPECT_EQ(spent[2].ipis, 0u);
  EXPECT_EQ(spent[3].ipis, 0u);
}

std::vector<Setting> Sparing() {
  std::vector<Setting> settings;
  for (const Setting& setting : AllSettings(4)) {
    const bool pinned =
        setting.policy == "pinning" && setting.pin != PinWhen::kNever;
    if (setting.policy == "native" || pinned) settings.push_back(setting);
  }
  return settings;
}

INSTANTIATE_TEST_SUITE_P(FourVcpus, SparingTest, ::testing::ValuesIn(Sparing()),
                         [](const testing::TestParamInfo<Setting>& setting) {
                           return NameOf(setting.param);
                         });

}  // namespace
}  // namespace xmmu::conformance_smp_test
