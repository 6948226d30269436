// Every strategy gives a recorded program the same world: each of the bundled
// traces, whoever recorded it, under every strategy of the table by its guests'
// defaults, in every paging mode that the strategy exists for. A comparison
// fails by itself if two digests differ. Variants and other ways of a guest's to
// write page tables have the built-in workloads of same_world_test.cc.
//
// The order of tests and modes matters: of five shards (tests/sim/CMakeLists.txt)
// the first, which alone is no long test, has each trace and each mode once.

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "xmmu/sim/compare.h"
#include "xmmu/workload/trace.h"

namespace xmmu::same_world_recorded_test {
namespace {

class SameWorldRecordedTest : public ::testing::TestWithParam<PagingMode> {
 protected:
  void ExpectAgreement(const std::string& name, int vcpus,
                       uint64_t forks) const {
    const auto comparison = CompareOn(name, vcpus);
    ASSERT_TRUE(comparison.ok()) << comparison.status();
    EXPECT_TRUE(DigestsAgree(*comparison));
    EXPECT_GE(comparison->rows.size(), 2u);
    for (const ReportRow& row : comparison->rows) {
      EXPECT_EQ(row.operations, comparison->rows.front().operations)
          << RowLabel(row);
      EXPECT_EQ(row.cost.count(Counter::kForks), forks) << RowLabel(row);
    }
  }

 private:
  absl::StatusOr<Comparison> CompareOn(const std::string& name,
                                       int vcpus) const {
    const PagingMode mode = GetParam();
    ComparisonOptions options;
    // The default machine has neither the 64-bit modes nor NX: those rows are
    // hypothetical.
    options.base.mode = mode;
    options.base.vcpus = vcpus;
    options.policies.clear();
    for (const PolicyEntry& policy : Policies()) {
      if (!policy.variant_of.empty()) continue;
      options.policies.push_back({std::string(policy.name)});
    }
    options.leave_out_unsupported = true;
    TraceOptions trace;
    if (LinearAddressBits(mode) == 32) trace.address_limit = 0xC0000000;
    return Compare(options, [&](const SimulatorOptions&) {
      return OpenTrace(
          {absl::StrCat(XMMU_SOURCE_DIR "/examples/traces/", name, ".xmmu")},
          trace);
    });
  }
};

// Its one process would use one vCPU of several.
TEST_P(SameWorldRecordedTest, AllPoliciesAgreeOnAProgramOf32Bits) {
  ExpectAgreement("narrow", 1, 0);
}

// A thread is a task, so threads run at once on two vCPUs.
TEST_P(SameWorldRecordedTest, AllPoliciesAgreeOnThreads) {
  for (const int vcpus : {1, 2}) {
    ExpectAgreement("xz-threads", vcpus, 0);
  }
}

TEST_P(SameWorldRecordedTest, AllPoliciesAgreeOnAShellPipeline) {
  for (const int vcpus : {1, 4}) {
    ExpectAgreement("ls-sort", vcpus, 3);
  }
}

// There is only one process here, too.
TEST_P(SameWorldRecordedTest, AllPoliciesAgreeOnACompressor) {
  ExpectAgreement("xz", 1, 0);
}

INSTANTIATE_TEST_SUITE_P(All, SameWorldRecordedTest,
                         ::testing::ValuesIn(kAllPagingModes),
                         [](const ::testing::TestParamInfo<PagingMode>& mode) {
                           return "Levels" +
                                  std::to_string(LevelCount(mode.param));
                         });

}  // namespace
}  // namespace xmmu::same_world_recorded_test
