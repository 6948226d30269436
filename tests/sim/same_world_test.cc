// Every strategy gives the guest the same world: all policies, with every way
// their guests have of writing and pinning page tables, in all paging modes, on
// one and on four vCPUs, under each built-in workload. A comparison fails by
// itself if two digests differ. Recorded programs: same_world_recorded_test.cc.

#include <gtest/gtest.h>

#include <string>
#include <tuple>
#include <vector>

#include "xmmu/sim/compare.h"
#include "xmmu/workload/synthetic.h"

namespace xmmu::same_world_test {
namespace {

class SameWorldTest
    : public ::testing::TestWithParam<std::tuple<PagingMode, int, size_t>> {
 protected:
  ComparisonOptions Options() const {
    const auto [mode, vcpus, workload] = GetParam();
    ComparisonOptions options;
    options.base.machine = LevelCount(mode) >= 4 ? "skylake-2017" : "xeon-2003";
    options.base.mode = mode;
    options.base.vcpus = vcpus;
    options.policies.clear();
    for (const PolicyEntry& policy : Policies()) {
      options.policies.push_back({std::string(policy.name)});
    }
    for (const GuestOps ops : AllGuestOps()) {
      // These kernels are known as 32-bit ones only.
      if (IsLinuxOfATime(ops) && LevelCount(mode) > 3) continue;
      options.guest_ops.push_back(ops);
    }
    options.pins.assign(AllPinWhen().begin(), AllPinWhen().end());
    options.leave_out_unsupported = true;
    return options;
  }
};

TEST_P(SameWorldTest, AllPoliciesAgree) {
  const SyntheticWorkload& workload =
      SyntheticWorkloads()[std::get<2>(GetParam())];
  const auto comparison = Compare(Options(), [&](const SimulatorOptions&) {
    return MakeSyntheticWorkload(workload.name);
  });
  ASSERT_TRUE(comparison.ok()) << comparison.status();
  EXPECT_TRUE(DigestsAgree(*comparison));
  for (const ReportRow& row : comparison->rows) {
    EXPECT_EQ(row.cost.count(Counter::kGuestFaults),
              comparison->rows.front().cost.count(Counter::kGuestFaults))
        << RowLabel(row);
  }
}

// The variants differ in how stores are taken, so only stores are compared.
TEST_P(SameWorldTest, AllVariantsAgree) {
  const SyntheticWorkload& workload =
      SyntheticWorkloads()[std::get<2>(GetParam())];
  ComparisonOptions options = Options();
  options.policies = {{"native", {}}};
  for (const PolicyEntry& policy : Policies()) {
    if (policy.variant_of.empty()) continue;
    options.policies.push_back({std::string(policy.name)});
  }
  options.guest_ops.clear();
  options.pins = {PinWhen::kLate};
  const auto comparison = Compare(options, [&](const SimulatorOptions&) {
    return MakeSyntheticWorkload(workload.name);
  });
  ASSERT_TRUE(comparison.ok()) << comparison.status();
  EXPECT_TRUE(DigestsAgree(*comparison));
}

std::string NameOf(
    const ::testing::TestParamInfo<SameWorldTest::ParamType>& info) {
  const auto [mode, vcpus, workload] = info.param;
  std::string name = std::string(PagingModeName(mode)) + "_" +
                     std::to_string(vcpus) + "_" +
                     std::string(SyntheticWorkloads()[workload].name);
  for (char& c : name) {
    if (c == '-') c = '_';
  }
  return name;
}

INSTANTIATE_TEST_SUITE_P(
    All, SameWorldTest,
    ::testing::Combine(::testing::ValuesIn(kAllPagingModes),
                       ::testing::Values(1, 4),
                       ::testing::Range(size_t{0},
                                        SyntheticWorkloads().size())),
    NameOf);

}  // namespace
}  // namespace xmmu::same_world_test
