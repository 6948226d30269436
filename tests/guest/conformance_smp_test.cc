// Several vCPUs, interleaved by their clocks: the same run each time, the same
// world as on bare hardware, and shootdowns with what they cost.

#include <algorithm>
#include <vector>

#include "guest/world.h"
#include "testing/conformance/family.h"

namespace xmmu::conformance_smp_test {
namespace {

using conformance::FamilyRun;
using conformance::Outcome;

Outcome OutcomeOf(const Setting& setting) {
  const FamilyRun run = conformance::RunFamily(setting);
  EXPECT_EQ(run.wrong, "");
  return run.outcome;
}

class SmpTest : public ::testing::TestWithParam<Setting> {};

TEST_P(SmpTest, TwoRunsAreTheSameToTheCycleOnEachProcessor) {
  const Outcome outcome = OutcomeOf(GetParam());
  EXPECT_TRUE(OutcomeOf(GetParam()) == outcome);
  for (const Counters& counters : outcome.counters) {
    EXPECT_GT(counters[Counter::kAccesses], 20u);
  }
}

TEST_P(SmpTest, ProgramsSeeWhatOneBareProcessorShowsThem) {
  EXPECT_EQ(OutcomeOf(GetParam()).digest,
            OutcomeOf({.mode = GetParam().mode, .thp = GetParam().thp}).digest);
}

// Xen flushes all processors that the guest has run on where a page changes its
// type; so there are interrupts even though no two tasks share memory.
TEST_P(SmpTest, ShootdownsAreSentAndWaitedFor) {
  const Outcome outcome = OutcomeOf(GetParam());
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

INSTANTIATE_TEST_SUITE_P(LargePages, SmpTest,
                         ::testing::ValuesIn(LargePageSettings(2)),
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
  // Returns what each processor spends while `task` unmaps a page.
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
  // The targets work side by side, so the initiator waits as long as the
  // slowest one, which may be the first to find work that is done for all.
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

// CPUs that need no flush are left alone: on bare hardware those with other
// tables loaded, and under Xen too if the guest names its targets.
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
