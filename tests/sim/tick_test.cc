#include "xmmu/policy/tick.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sim/forwarding_policy.h"
#include "xmmu/sim/simulator.h"
#include "xmmu/workload/synthetic.h"

namespace xmmu::tick_test {
namespace {

constexpr Cycles kNever(~uint64_t{0});

// A tick as the policy saw it.
struct Seen {
  uint32_t cpu = 0;
  DomainId domain = 0;
  Cycles due;
  Cycles at;  // before its exit or interrupt, or after it

  bool operator==(const Seen&) const = default;
};

struct Log {
  std::vector<Seen> ticks;
  bool at_work = false;  // the base policy is
  uint64_t stop_after = ~uint64_t{0};
  uint64_t work = 0;  // charges of kEmulate in each tick
};

class Ticking final : public ForwardingPolicy {
 public:
  Ticking(Host& host, std::string_view base, Cycles period, Log& log)
      : ForwardingPolicy(host, base), period_(period), log_(log) {}

  std::optional<TickRequest> tick() const override {
    if (log_.ticks.size() >= log_.stop_after) return std::nullopt;
    return TickRequest{period_};
  }
  void Tick(VcpuContext& vcpu) override {
    EXPECT_FALSE(log_.at_work);
    EXPECT_EQ(vcpu.cpu->current, &vcpu);
    log_.ticks.push_back({vcpu.cpu->id, vcpu.domain->id(), vcpu.cpu->next_tick,
                          vcpu.cpu->clock.now()});
    vcpu.cpu->clock.Charge(CostEvent::kEmulate, log_.work);
  }
  FaultOutcome HandlePageFault(VcpuContext& vcpu, const PageFault& fault,
                               const Access& access,
                               MemoryOperand& operand) override {
    log_.at_work = true;
    const FaultOutcome outcome =
        ForwardingPolicy::HandlePageFault(vcpu, fault, access, operand);
    log_.at_work = false;
    return outcome;
  }

 private:
  const Cycles period_;
  Log& log_;
};

std::unique_ptr<Simulator> Make(std::string_view base, uint64_t period,
                                Log& log, SimulatorOptions options = {}) {
  options.custom_policy = [=, &log](Host& host) {
    return std::make_unique<Ticking>(host, base, Cycles(period), log);
  };
  auto simulator = Simulator::Create(options);
  EXPECT_TRUE(simulator.ok()) << simulator.status();
  return *std::move(simulator);
}

ReportRow RunOn(Simulator& simulator, const std::string& spec) {
  std::vector<std::unique_ptr<Workload>> workloads;
  std::vector<Workload*> in_order;
  for (int i = 0; i < simulator.options().domains; ++i) {
    workloads.push_back(*MakeSyntheticWorkload(spec));
    in_order.push_back(workloads.back().get());
  }
  absl::StatusOr<ReportRow> row = simulator.Run(in_order);
  EXPECT_TRUE(row.ok()) << row.status();
  EXPECT_TRUE(simulator.policy().Audit().ok());
  return *std::move(row);
}

ReportRow RunWithout(std::string_view policy, const std::string& spec,
                     SimulatorOptions options = {}) {
  options.policy = std::string(policy);
  const auto simulator = Simulator::Create(options);
  EXPECT_TRUE(simulator.ok()) << simulator.status();
  return RunOn(**simulator, spec);
}

void Perform(Simulator& simulator, const GuestOp& op) {
  const absl::Status status = simulator.guest().Perform(1, op);
  EXPECT_TRUE(status.ok()) << status;
}

GuestOp MapOp(VirtAddr va, uint64_t pages) {
  return {.kind = GuestOpKind::kMap,
          .rights = kMapRead | kMapWrite,
          .va = va,
          .length = pages * kPageSize};
}

GuestOp StoreOp(VirtAddr va, uint64_t bytes) {
  return {.kind = GuestOpKind::kStore, .va = va, .length = bytes};
}

constexpr VirtAddr kVa{0x10000000};
const std::string kFork = "fork:pages=40,cow=10";

TEST(TickTest, APolicyThatAsksForNoneHasNone) {
  const auto simulator = Simulator::Create({.vcpus = 2});
  ASSERT_TRUE(simulator.ok());
  for (uint32_t id = 0; id < 2; ++id) {
    EXPECT_EQ((*simulator)->host().cpu(id).next_tick, kNever);
  }
}

TEST(TickTest, EachPeriodOfAProgramThatComputesHasOne) {
  constexpr uint64_t kPeriod = 50'000;
  Log log;
  const auto simulator = Make("native", kPeriod, log);
  ASSERT_TRUE(simulator->guest().CreateProcess(1).ok());
  Perform(*simulator, MapOp(kVa, 1));
  Perform(*simulator, StoreOp(kVa, 8));
  const Cycles begin = simulator->host().cpu(0).next_tick - Cycles(kPeriod);
  log.ticks.clear();
  while (log.ticks.size() < 20) Perform(*simulator, StoreOp(kVa, 8));
  for (size_t i = 0; i < log.ticks.size(); ++i) {
    EXPECT_EQ(log.ticks[i].due, begin + Cycles(kPeriod * (i + 1)));
    // A tick is at most an access late, apart from the interrupt itself.
    EXPECT_GE(log.ticks[i].at, log.ticks[i].due);
    EXPECT_LT((log.ticks[i].at - log.ticks[i].due).count(), kPeriod / 10);
  }
}

TEST(TickTest, AtTheLastCycleOfAPeriodNoneIsDueYet) {
  Log log;
  const auto simulator = Make("native", 1'000'000, log);
  VcpuContext& vcpu = simulator->domain().vcpu(0);
  CycleClock& clock = vcpu.cpu->clock;
  clock.AdvanceTo(vcpu.cpu->next_tick - Cycles(1));
  EXPECT_FALSE(TickIsDue(vcpu));
  clock.AdvanceTo(vcpu.cpu->next_tick);
  EXPECT_TRUE(TickIsDue(vcpu));
}

TEST(TickTest, ThePeriodsOfALongOperationAreOneTickAfterIt) {
  constexpr uint64_t kPeriod = 1000;
  Log log;
  const auto simulator = Make("native", kPeriod, log);
  Cpu& cpu = simulator->host().cpu(0);
  const Cycles begin = cpu.next_tick;
  ASSERT_TRUE(simulator->guest().CreateProcess(1).ok());
  Perform(*simulator, MapOp(kVa, 64));
  log.ticks.clear();
  const Cycles before = cpu.clock.now();
  // This operation takes 64 faults.
  Perform(*simulator, StoreOp(kVa, 64 * kPageSize));
  EXPECT_LE(log.ticks.size(), 1u);  // that of the periods before it
  EXPECT_GT((cpu.clock.now() - before).count(), 10 * kPeriod);
  log.ticks.clear();
  Perform(*simulator, StoreOp(kVa, 8));
  ASSERT_EQ(log.ticks.size(), 1u);
  // The next one is in the future, at the end of a period.
  EXPECT_GT(cpu.next_tick, log.ticks[0].at);
  EXPECT_EQ((cpu.next_tick - begin).count() % kPeriod, 0u);
}

TEST(TickTest, ASystemCallOfSeveralOperationsHasNoneInItsMiddle) {
  Log log;
  const auto simulator = Make("native", 1000, log);
  ASSERT_TRUE(simulator->guest().CreateProcess(1).ok());
  Perform(*simulator, MapOp(kVa, 64));
  const auto copy = [&](uint64_t page, uint8_t flags) {
    Perform(*simulator, {.kind = GuestOpKind::kCopyOut,
                         .flags = flags,
                         .va = kVa + page * kPageSize,
                         .length = kPageSize});
  };
  copy(0, kCallGoesOn);  // a tick may have come before it
  log.ticks.clear();
  for (uint64_t page = 1; page < 63; ++page) copy(page, kCallGoesOn);
  copy(63, 0);
  EXPECT_TRUE(log.ticks.empty());
  Perform(*simulator, StoreOp(kVa, 8));
  EXPECT_EQ(log.ticks.size(), 1u);
}

TEST(TickTest, APeriodShorterThanATickLetsTheGuestGoOn) {
  for (const std::string_view policy : {"trap-and-emulate", "shadow-2008"}) {
    Log log;
    log.work = 3;
    const auto simulator = Make(policy, 1, log);
    const ReportRow row = RunOn(*simulator, kFork);
    EXPECT_EQ(row.guest_digest, RunWithout(policy, kFork).guest_digest);
    // There is at most one tick for each operation, and most operations are
    // accesses.
    EXPECT_GT(log.ticks.size(), row.cost.count(Counter::kAccesses) / 2);
  }
}

// The machine has VPID: an exit drops nothing.
TEST(TickTest, OfAVirtualMachineItIsAnExit) {
  const SimulatorOptions options = {.machine = "skylake-2017"};
  Log log;
  const auto simulator = Make("nested-paging", 20'000, log, options);
  const Cost with = RunOn(*simulator, kFork).cost;
  const Cost without = RunWithout("nested-paging", kFork, options).cost;
  ASSERT_GT(log.ticks.size(), 3u);
  for (size_t i = 0; i < kCostEventCount; ++i) {
    const auto event = static_cast<CostEvent>(i);
    const bool exit =
        event == CostEvent::kVmExit || event == CostEvent::kVmExitWork;
    EXPECT_EQ(with.count(event) - without.count(event),
              exit ? log.ticks.size() : 0)
        << CostEventName(event);
  }
  EXPECT_EQ(with.count(Counter::kVmExits),
            without.count(Counter::kVmExits) + log.ticks.size());
}

TEST(TickTest, OfAParavirtualGuestItIsAnInterruptThatTheGuestDoesNotSee) {
  for (const std::string_view policy : {"pinning", "native"}) {
    Log log;
    const auto simulator = Make(policy, 20'000, log);
    const Cost with = RunOn(*simulator, kFork).cost;
    const Cost without = RunWithout(policy, kFork).cost;
    ASSERT_GT(log.ticks.size(), 3u);
    for (size_t i = 0; i < kCostEventCount; ++i) {
      const auto event = static_cast<CostEvent>(i);
      const bool interrupt =
          event == CostEvent::kExceptionEntry || event == CostEvent::kIret;
      EXPECT_EQ(with.count(event) - without.count(event),
                interrupt ? log.ticks.size() : 0)
          << CostEventName(event);
    }
  }
}

TEST(TickTest, UnderEveryPolicyProgramsSeeTheSameWorldWithTicks) {
  for (const PolicyEntry& entry : Policies()) {
    Log log;
    const auto simulator = Make(entry.name, 5000, log);
    EXPECT_EQ(RunOn(*simulator, kFork).guest_digest,
              RunWithout(entry.name, kFork).guest_digest)
        << entry.name;
    EXPECT_GT(log.ticks.size(), 10u) << entry.name;
  }
}

TEST(TickTest, EachCpuHasTicksByItsOwnClock) {
  constexpr uint64_t kPeriod = 20'000;
  const SimulatorOptions options = {.vcpus = 4};
  Log log;
  const auto simulator = Make("pinning", kPeriod, log, options);
  const Cycles first = simulator->host().cpu(0).next_tick;
  RunOn(*simulator, "switch:processes=8,rounds=40,pages=8");
  std::vector<Cycles> last(4);
  std::vector<int> count(4);
  for (const Seen& seen : log.ticks) {
    EXPECT_EQ((seen.due - first).count() % kPeriod, 0u);
    EXPECT_GT(seen.due, last[seen.cpu]);
    last[seen.cpu] = seen.due;
    ++count[seen.cpu];
  }
  for (const int ticks : count) EXPECT_GT(ticks, 3);
}

TEST(TickTest, ALaterDomainGoesOnWithTheTicksOfItsCpu) {
  constexpr uint64_t kPeriod = 20'000;
  Log log;
  const auto simulator = Make("shadow-2006", kPeriod, log, {.domains = 2});
  const Cycles first = simulator->host().cpu(0).next_tick;
  RunOn(*simulator, kFork);
  std::vector<int> count(3);
  Cycles last;
  for (const Seen& seen : log.ticks) {
    EXPECT_EQ((seen.due - first).count() % kPeriod, 0u);
    EXPECT_GT(seen.due, last);
    last = seen.due;
    ++count[seen.domain];
  }
  EXPECT_GT(count[1], 3);
  EXPECT_GT(count[2], 3);
}

TEST(TickTest, TwoRunsHaveTheSameTicks) {
  Log logs[2];
  for (Log& log : logs) {
    RunOn(*Make("xi-shadow", 3000, log, {.vcpus = 2}), kFork);
  }
  EXPECT_EQ(logs[0].ticks, logs[1].ticks);
}

TEST(TickTest, APolicyThatNoLongerAsksHasHadItsLast) {
  Log log;
  log.stop_after = 3;
  const auto simulator = Make("native", 5000, log);
  RunOn(*simulator, kFork);
  EXPECT_EQ(log.ticks.size(), 3u);
  EXPECT_EQ(simulator->host().cpu(0).next_tick, kNever);
}

TEST(TickTest, APeriodBeyondTheEndOfTimeIsNever) {
  Log log;
  const auto simulator = Make("native", ~uint64_t{0}, log);
  RunOn(*simulator, kFork);
  EXPECT_TRUE(log.ticks.empty());
}

TEST(TickTest, APeriodOfNoCyclesIsRefused) {
  Log log;
  SimulatorOptions options;
  options.custom_policy = [&log](Host& host) {
    return std::make_unique<Ticking>(host, "native", Cycles(0), log);
  };
  EXPECT_THAT(std::string(Simulator::Create(options).status().message()),
              ::testing::HasSubstr("own: a tick every 0 cycles"));
}

}  // namespace
}  // namespace xmmu::tick_test
