// Recorded programs that do one thing each (tests/workload/lackey/recorded), in
// replays: what the kernel does for a program, and to memory that programs
// share. The programs themselves said how many minor faults it took.

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "xmmu/policy/policies.h"
#include "xmmu/sim/compare.h"
#include "xmmu/workload/lackey_trace.h"

namespace xmmu::recorded_calls_test {
namespace {

absl::StatusOr<std::unique_ptr<Workload>> Open(const std::string& name) {
  return OpenLackeyTrace(
      {absl::StrCat(XMMU_SOURCE_DIR "/tests/workload/lackey/recorded/", name,
                    ".gz")},
      {});
}

ComparisonOptions Options(uint64_t memory_mib = 256) {
  ComparisonOptions options;
  options.base.mode = PagingMode::k4Level;
  options.base.machine = "skylake-2017";
  options.base.guest_memory_bytes = memory_mib << 20;
  options.policies = {{"native", {}}};
  return options;
}

class RecordedCallsTest : public testing::Test {
 protected:
  // The counters of a replay on bare hardware.
  static Cost Replay(const std::string& name, Thp thp = Thp::kNever) {
    ComparisonOptions options = Options();
    options.thps = {thp};
    const auto comparison =
        Compare(options, [&](const SimulatorOptions&) { return Open(name); });
    EXPECT_TRUE(comparison.ok()) << comparison.status();
    return comparison.ok() ? comparison->rows.front().cost : Cost{};
  }
  // A replay under every strategy that can run it.
  static absl::StatusOr<Comparison> UnderAll(const std::string& name, Thp thp) {
    ComparisonOptions options = Options();
    options.policies.clear();
    for (const PolicyEntry& policy : Policies()) {
      options.policies.push_back({std::string(policy.name), {}});
    }
    options.leave_out_unsupported = true;
    options.thps = {thp};
    return Compare(options,
                   [&](const SimulatorOptions&) { return Open(name); });
  }
  static bool FitsInto(const std::string& name, uint64_t memory_mib) {
    const auto comparison =
        Compare(Options(memory_mib),
                [&](const SimulatorOptions&) { return Open(name); });
    return comparison.ok();
  }
};

// The rest of each program (its image, its stack, its C library) takes fewer
// faults than this.
constexpr uint64_t kRest = 60;

TEST_F(RecordedCallsTest, ASegmentOpenedByLessIsMappedWhole) {
  EXPECT_GE(Replay("size0").count(Counter::kDemandZero), 16);
  const Cost smaller = Replay("smaller");
  EXPECT_GE(smaller.count(Counter::kDemandZero), 256);
  EXPECT_LT(smaller.count(Counter::kDemandZero), 256 + kRest);
  EXPECT_LT(smaller.count(Counter::kCowCopies), kRest);
}

TEST_F(RecordedCallsTest, SharedObjectsHaveTheirOwnPages) {
  EXPECT_FALSE(FitsInto("anonymous", 64));  // 90 MiB
  EXPECT_FALSE(FitsInto("memfd", 48));      // 60 MiB
  EXPECT_TRUE(FitsInto("pair", 48));        // 30 MiB
  const Cost zeroed = Replay("zeroed");
  EXPECT_GE(zeroed.count(Counter::kDemandZero), 128);
  EXPECT_LT(zeroed.count(Counter::kDemandZero), 128 + kRest);
}

TEST_F(RecordedCallsTest, ReadFillsFreshMemoryInTheKernel) {
  const Cost read = Replay("read");
  EXPECT_GE(read.count(Counter::kCopyFaults), 1024);
  EXPECT_LT(read.count(Counter::kGuestFaults), 1024 + kRest);
  EXPECT_GE(read.count(Counter::kDemandZero), 1024);
}

TEST_F(RecordedCallsTest, PopulatedPagesTakeNoFaults) {
  const Cost populate = Replay("populate");
  EXPECT_EQ(populate.count(Counter::kPopulated), 1000);
  EXPECT_LT(populate.count(Counter::kGuestFaults), kRest);
}

TEST_F(RecordedCallsTest, AdvisedMemoryHasLargePages) {
  const Cost large = Replay("large", Thp::kMadvise);
  EXPECT_EQ(large.count(Counter::kThpFaultAlloc), 32);
  EXPECT_LT(large.count(Counter::kGuestFaults), 32 + kRest);
  EXPECT_GE(Replay("large").count(Counter::kGuestFaults), 16384);
}

TEST_F(RecordedCallsTest, AllStrategiesSeeTheSame) {
  for (const char* name : {"size0", "smaller", "zeroed", "read", "populate",
                           "anonymous", "memfd", "pair"}) {
    const auto comparison = UnderAll(name, Thp::kNever);
    ASSERT_TRUE(comparison.ok()) << name << ": " << comparison.status();
    EXPECT_TRUE(DigestsAgree(*comparison)) << name;
  }
}

// As many pages as the program has on Linux, also in large nested ones; where
// the guest has none it says so, and the program sees the same.
TEST_F(RecordedCallsTest, LargePagesAreThereUnderEachStrategyThatHasThem) {
  const auto comparison = UnderAll("large", Thp::kMadvise);
  ASSERT_TRUE(comparison.ok()) << comparison.status();
  EXPECT_TRUE(DigestsAgree(*comparison));
  std::set<std::string> with_large_pages;
  for (const ReportRow& row : comparison->rows) {
    if (row.large_pages) with_large_pages.insert(row.policy);
    EXPECT_EQ(row.cost.count(Counter::kThpFaultAlloc), row.large_pages ? 32 : 0)
        << row.policy;
    EXPECT_EQ(row.cost.count(Counter::kLargeDenied), row.large_pages ? 0 : 32)
        << row.policy;
  }
  for (const char* policy : {"native", "shadow-2008", "nested-paging"}) {
    EXPECT_EQ(with_large_pages.count(policy), 1) << policy;
  }
  EXPECT_EQ(with_large_pages.count("pinning"), 0);
}

}  // namespace
}  // namespace xmmu::recorded_calls_test
