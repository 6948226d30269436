// The strategy of examples/custom_policy.cc, as its author would test it: it
// turns, guests do not notice, and it is right in turning.

#include "examples/adaptive_policy.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "absl/base/config.h"
#include "xmmu/sim/simulator.h"
#include "xmmu/testing/conformance.h"
#include "xmmu/workload/synthetic.h"

namespace xmmu::adaptive_policy_test {
namespace {

// Turns as often as there is anything to turn for.
std::unique_ptr<Policy> MakeNervous(Host& host) {
  return std::make_unique<AdaptivePolicy>(
      host, AdaptivePolicy::Options{.period = Cycles(5'000),
                                    .patience = 1,
                                    .nested_share = 1'000,
                                    .exit_share = 10});
}

ReportRow RowOf(const PolicyFactory& make, std::string_view spec) {
  const auto simulator = Simulator::Create({.machine = "skylake-2017",
                                            .mode = PagingMode::k4Level,
                                            .guest_memory_bytes = 64u << 20,
                                            .custom_policy = make});
  EXPECT_TRUE(simulator.ok()) << simulator.status();
  const auto workload = MakeSyntheticWorkload(spec);
  EXPECT_TRUE(workload.ok()) << workload.status();
  const auto row = (*simulator)->Run(**workload);
  EXPECT_TRUE(row.ok()) << row.status();
  return *row;
}

uint64_t TurnsOf(const ReportRow& row) {
  EXPECT_EQ(row.figures.at(0).name, "turns");
  return std::get<uint64_t>(row.figures.at(0).value);
}

#ifdef ABSL_HAVE_ADDRESS_SANITIZER
const std::vector<uint64_t> kSeeds = {1};  // a seed takes a minute there
#else
const std::vector<uint64_t> kSeeds = {1, 2, 3};
#endif

TEST(AdaptivePolicyTest, GuestsSeeBareHardware) {
  const absl::Status status =
      testing::Conformance(&MakeNervous, {.seeds = kSeeds});
  EXPECT_TRUE(status.ok()) << status;
}

TEST(AdaptivePolicyTest, TurnsThereAndBackAndEachTurnIsPaidFor) {
  const ReportRow row = RowOf(&MakeNervous, "fork:pages=500");
  EXPECT_GE(TurnsOf(row), 2u);
  ASSERT_EQ(row.own_events.size(), 1u);
  EXPECT_EQ(row.own_events[0].count, TurnsOf(row));
}

TEST(AdaptivePolicyTest, BeatsBothOfItsStrategiesWhereWalksAreMany) {
  const auto cycles = [](const PolicyFactory& make) {
    return RowOf(make, "switch:processes=1,rounds=500,pages=3000").cost.cycles;
  };
  const Cycles adaptive =
      cycles([](Host& host) { return std::make_unique<AdaptivePolicy>(host); });
  EXPECT_LT(adaptive, cycles(FindPolicy("nested-paging-4k")->make));
  EXPECT_LT(adaptive, cycles(FindPolicy("shadow-2008")->make));
}

}  // namespace
}  // namespace xmmu::adaptive_policy_test
