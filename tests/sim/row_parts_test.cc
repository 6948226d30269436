// What vCPUs and tasks took of a row: the parts add up, change nothing, and are
// those of whom they name.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "xmmu/policy/policies.h"
#include "xmmu/report/report.h"
#include "xmmu/sim/compare.h"
#include "xmmu/sim/simulator.h"
#include "xmmu/workload/synthetic.h"

namespace xmmu::row_parts_test {
namespace {

using Json = nlohmann::json;
using ::testing::HasSubstr;

constexpr std::string_view kProcesses = "switch:processes=4,rounds=6,pages=5";
constexpr std::string_view kThreads = "threads:pages=8,shared=4,rounds=3";

SimulatorOptions OptionsOf(std::string_view policy, int vcpus, Per per) {
  SimulatorOptions options;
  options.policy = std::string(policy);
  options.vcpus = vcpus;
  options.guest_memory_bytes = uint64_t{32} << 20;
  options.quantum_ops = 17;
  options.per = per;
  return options;
}

ReportRow RowOf(const SimulatorOptions& options, std::string_view spec) {
  auto simulator = Simulator::Create(options);
  EXPECT_TRUE(simulator.ok()) << simulator.status();
  if (!simulator.ok()) return {};
  std::vector<std::unique_ptr<Workload>> own;
  std::vector<Workload*> workloads;
  for (int i = 0; i < options.domains; ++i) {
    own.push_back(*MakeSyntheticWorkload(spec));
    workloads.push_back(own.back().get());
  }
  auto row = (*simulator)->Run(workloads);
  EXPECT_TRUE(row.ok()) << row.status();
  return row.ok() ? *row : ReportRow();
}

// All but elapsed time, which is no sum.
void ExpectSum(const ReportRow& row) {
  ASSERT_FALSE(row.parts.empty());
  Cost sum;
  for (const RowPart& part : row.parts) {
    Cycles by_component;
    for (const Cycles cycles : part.cost.by_component) by_component += cycles;
    EXPECT_EQ(by_component, part.cost.cycles);
    EXPECT_LE(part.cost.cycles, row.cost.cycles) << "less than nothing";
    sum += part.cost;
  }
  sum.elapsed = row.cost.elapsed;
  EXPECT_EQ(sum, row.cost);
}

const RowPart* RestOf(const ReportRow& row) {
  const RowPart& last = row.parts.back();
  return last.rest() ? &last : nullptr;
}

class RowPartsTest
    : public ::testing::TestWithParam<std::tuple<const char*, int, int>> {};

// On one vCPU of one domain nobody else is there; a policy with a timer is an
// exception, and none of these has one.
TEST_P(RowPartsTest, AddUpToTheRowAndChangeNothing) {
  const auto [policy, vcpus, domains] = GetParam();
  for (const std::string_view spec : {kProcesses, kThreads}) {
    SimulatorOptions options = OptionsOf(policy, vcpus, Per::kNothing);
    options.domains = domains;
    const ReportRow plain = RowOf(options, spec);
    EXPECT_TRUE(plain.parts.empty());
    for (const Per per : {Per::kVcpu, Per::kTask}) {
      options.per = per;
      const ReportRow row = RowOf(options, spec);
      EXPECT_EQ(row.cost, plain.cost);
      EXPECT_EQ(row.guest_digest, plain.guest_digest);
      ExpectSum(row);
      const bool alone = vcpus == 1 && domains == 1;
      if (alone || per == Per::kVcpu) {
        EXPECT_EQ(RestOf(row), nullptr);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, RowPartsTest,
    ::testing::Combine(::testing::Values("native", "pinning",
                                         "trap-and-emulate", "xi-shadow",
                                         "shadow-2006", "nested-paging"),
                       ::testing::Values(1, 3), ::testing::Values(1, 2)));

TEST(RowPartTest, ARegionHasThePartsOfItsOperationsAlone) {
  SimulatorOptions options = OptionsOf("pinning", 2, Per::kTask);
  options.domains = 2;
  options.region = {.skip = 20, .warmup = 10, .operations = 60};
  const ReportRow row = RowOf(options, kProcesses);
  ExpectSum(row);
  uint64_t operations = 0;
  for (const RowPart& part : row.parts) operations += part.operations;
  EXPECT_EQ(operations, 120u);
  options.per = Per::kVcpu;
  ExpectSum(RowOf(options, kProcesses));
}

TEST(RowPartTest, OverlapIsShared) {
  SimulatorOptions options = OptionsOf("nested-paging", 2, Per::kTask);
  options.overlap = {.walkers = 2, .hidden_per_mille = 300};
  const ReportRow row = RowOf(options, kProcesses);
  EXPECT_GT(row.cost.hidden.count(), 0u);
  ExpectSum(row);
}

// A toolstack's calls, and what they write-protect, belong to no task.
TEST(RowPartTest, AMigrationIsNoTasks) {
  SimulatorOptions options = OptionsOf("xi-shadow", 1, Per::kTask);
  options.migration = {.rounds = 3, .every_ops = 20};
  const ReportRow row = RowOf(options, kProcesses);
  ExpectSum(row);
  ASSERT_NE(RestOf(row), nullptr);
  EXPECT_EQ(RestOf(row)->cost.count(Counter::kLogDirtyRounds),
            row.cost.count(Counter::kLogDirtyRounds));
  EXPECT_GE(RestOf(row)->cost.cycles, row.migration->domctl_cycles);
}

// The tasks of this workload do the same, so that they take about the same.
TEST(RowPartTest, TasksAreThoseOfTheWorkload) {
  const ReportRow row = RowOf(OptionsOf("native", 1, Per::kTask), kThreads);
  std::set<TaskId> tasks;
  uint64_t operations = 0;
  for (const RowPart& part : row.parts) {
    ASSERT_TRUE(part.task.has_value());
    tasks.insert(part.task->task);
    EXPECT_EQ(part.task->process, row.parts.front().task->task)
        << "threads of one process";
    operations += part.operations;
  }
  EXPECT_EQ(tasks.size(), row.parts.size());
  EXPECT_GT(tasks.size(), 1u);
  EXPECT_EQ(operations, row.operations);
  const ReportRow forks = RowOf(OptionsOf("native", 1, Per::kTask), kProcesses);
  std::set<TaskId> processes;
  for (const RowPart& part : forks.parts) {
    processes.insert(part.task->process);
    EXPECT_EQ(part.cost.count(Counter::kExits), 1u);
  }
  EXPECT_EQ(processes.size(), forks.parts.size());
}

// The one who flushes pays for the wait; who is interrupted does not.
TEST(RowPartTest, InterruptsFromOthersAreNoTasks) {
  const ReportRow row = RowOf(OptionsOf("native", 3, Per::kTask), kThreads);
  const uint64_t ipis = row.cost.count(Counter::kIpis);
  ASSERT_GT(ipis, 0u);
  ASSERT_NE(RestOf(row), nullptr);
  EXPECT_EQ(RestOf(row)->cost.count(Counter::kIpis), ipis);
  EXPECT_EQ(RestOf(row)->cost.count(CostEvent::kIpiHandler), ipis);
  EXPECT_EQ(RestOf(row)->cost.count(Counter::kAccesses), 0u);
  for (const RowPart& part : row.parts) {
    if (part.task.has_value()) {
      EXPECT_EQ(part.cost.count(Counter::kIpis), 0u);
      EXPECT_EQ(part.cost.count(Counter::kLogDirtyRounds), 0u);
    }
  }
}

TEST(RowPartTest, AVcpusTimeIsItsOwn) {
  const ReportRow row = RowOf(OptionsOf("pinning", 3, Per::kVcpu), kProcesses);
  ASSERT_EQ(row.parts.size(), 3u);
  for (uint32_t i = 0; i < 3; ++i) {
    const RowPart& part = row.parts[i];
    EXPECT_EQ(part.vcpu, i);
    EXPECT_GE(part.cost.elapsed, part.cost.cycles);
    EXPECT_LE(part.cost.elapsed, row.cost.elapsed);
  }
}

TEST(RowPartTest, BesideIntervalsTheyAreRefused) {
  SimulatorOptions options = OptionsOf("native", 1, Per::kTask);
  options.region.interval = 10;
  EXPECT_THAT(Simulator::Create(options).status().message(),
              HasSubstr("want one of both"));
}

Comparison Compared(Per per) {
  ComparisonOptions options;
  options.base = OptionsOf("", 2, per);
  options.policies = {{"native", {}}, {"xi-shadow", {}}};
  absl::StatusOr<Comparison> comparison =
      Compare(options, [&](const SimulatorOptions&) {
        return MakeSyntheticWorkload("threads");
      });
  EXPECT_TRUE(comparison.ok()) << comparison.status();
  return *std::move(comparison);
}

TEST(RowPartTest, JsonHasAListInEachRow) {
  const Json report =
      Json::parse(FormatReport(Compared(Per::kTask), ReportFormat::kJson));
  for (const Json& row : report["rows"]) {
    EXPECT_FALSE(row.contains("by_vcpu"));
    uint64_t cycles = 0;
    for (const Json& part : row["by_task"]) {
      cycles += part["cycles"].get<uint64_t>();
      const bool rest = part["part"] == "rest";
      EXPECT_EQ(part["task"].is_null(), rest);
      EXPECT_EQ(part["counters"]["ipis"].is_null(), !rest);
    }
    EXPECT_EQ(cycles, row["cycles"]);
  }
  const Json by_vcpu =
      Json::parse(FormatReport(Compared(Per::kVcpu), ReportFormat::kJson));
  EXPECT_EQ(by_vcpu["rows"][0]["by_vcpu"].size(), 2u);
  EXPECT_EQ(by_vcpu["rows"][0]["by_vcpu"][1]["vcpu"], 1);
}

TEST(RowPartTest, CsvHasALineAPartWithItsKeysLast) {
  const Comparison comparison = Compared(Per::kTask);
  const std::vector<std::string> lines = absl::StrSplit(
      FormatReport(comparison, ReportFormat::kCsv), '\n', absl::SkipEmpty());
  EXPECT_EQ(lines.size(), 1 + comparison.rows[0].parts.size() +
                              comparison.rows[1].parts.size());
  EXPECT_TRUE(
      lines[0].ends_with("part,domain,vcpu,process,task,part_operations"))
      << lines[0];
  const TaskName& first = *comparison.rows[0].parts[0].task;
  EXPECT_TRUE(lines[1].ends_with(
      absl::StrCat("task,1,,", first.process, ",", first.task, ",",
                   comparison.rows[0].parts[0].operations)))
      << lines[1];
}

}  // namespace
}  // namespace xmmu::row_parts_test
