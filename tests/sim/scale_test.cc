// Guests of many tasks, vCPUs and domains: they start, work and end under every
// strategy, and a task more costs the host what the one before did.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "xmmu/policy/policies.h"
#include "xmmu/sim/simulator.h"
#include "xmmu/workload/synthetic.h"

namespace xmmu::scale_test {
namespace {

SimulatorOptions OptionsOf(std::string_view policy) {
  SimulatorOptions options;
  options.machine = "skylake-2017";
  options.mode = PagingMode::k4Level;
  options.timing = MemoryTiming::kFlat;
  options.policy = std::string(policy);
  options.guest_memory_bytes = uint64_t{4} << 30;
  return options;
}

ReportRow RowOf(const SimulatorOptions& options, const std::string& workload) {
  const auto simulator = Simulator::Create(options);
  EXPECT_TRUE(simulator.ok()) << simulator.status();
  if (!simulator.ok()) return {};
  std::vector<std::unique_ptr<Workload>> made;
  std::vector<Workload*> workloads;
  for (int i = 0; i < options.domains; ++i) {
    made.push_back(MakeSyntheticWorkload(workload).value());
    workloads.push_back(made.back().get());
  }
  const auto row = (*simulator)->Run(workloads);
  EXPECT_TRUE(row.ok()) << row.status();
  return row.ok() ? *row : ReportRow();
}

class ManyTasksTest : public testing::TestWithParam<std::string_view> {};
class ScaleTest : public testing::TestWithParam<std::string_view> {};

TEST_P(ManyTasksTest, TenThousandTasksTakeTenTimesWhatAThousandTake) {
  const auto row_of = [](int tasks) {
    return RowOf(OptionsOf(GetParam()),
                 absl::StrCat("switch:processes=", tasks, ",rounds=1,pages=1"));
  };
  const ReportRow thousand = row_of(1'000);
  const ReportRow ten_thousand = row_of(10'000);
  EXPECT_GE(ten_thousand.cost.counters[Counter::kCr3Loads], 10'000u);
  // What a task takes of the simulated machine and of the host is the same,
  // give or take what a boot and full caches make of it.
  const auto cycles = static_cast<double>(ten_thousand.cost.cycles.count()) /
                      static_cast<double>(thousand.cost.cycles.count());
  EXPECT_GT(cycles, 9);
  EXPECT_LT(cycles, 11.5);
  EXPECT_LT(ten_thousand.host_bytes, 12 * thousand.host_bytes);
}

TEST_P(ScaleTest, SixtyFourDomainsOfOneMachineAllDoTheirWork) {
  SimulatorOptions options = OptionsOf(GetParam());
  options.guest_memory_bytes = uint64_t{64} << 20;
  options.domains = 64;
  const ReportRow row = RowOf(options, "touch:pages=5");
  options.domains = 1;
  const ReportRow one = RowOf(options, "touch:pages=5");
  EXPECT_EQ(row.operations, 64 * one.operations);
  EXPECT_EQ(row.cost.counters[Counter::kAccesses],
            64 * one.cost.counters[Counter::kAccesses]);
}

TEST_P(ScaleTest, SixtyFourVcpusRunTheThreadsOfOneProgram) {
  SimulatorOptions options = OptionsOf(GetParam());
  options.guest_memory_bytes = uint64_t{64} << 20;
  options.vcpus = 64;
  const ReportRow row = RowOf(options, "threads:threads=64,pages=4");
  EXPECT_EQ(row.vcpus, 64);
  EXPECT_EQ(row.idle_vcpus, 0);
}

std::string NameOf(const testing::TestParamInfo<std::string_view>& row) {
  std::string name(row.param);
  for (char& c : name) c = c == '-' ? '_' : c;
  return name;
}

// Not shadow-2005: what a switch takes grows there with the tables that lie in
// one large page with one that was written to, until that is full of tables;
// 10,000 tasks take a minute.
INSTANTIATE_TEST_SUITE_P(Policies, ManyTasksTest,
                         testing::Values("native", "nested-paging", "pinning",
                                         "trap-and-emulate",
                                         "writable-page-tables", "xi-shadow",
                                         "shadow-2006", "shadow-2008"),
                         NameOf);

INSTANTIATE_TEST_SUITE_P(Policies, ScaleTest,
                         testing::Values("native", "nested-paging", "pinning",
                                         "trap-and-emulate",
                                         "writable-page-tables", "xi-shadow",
                                         "shadow-2005", "shadow-2006",
                                         "shadow-2008"),
                         NameOf);

}  // namespace
}  // namespace xmmu::scale_test
