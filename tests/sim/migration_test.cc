// Migrations as an option of any comparison.

#include "xmmu/sim/migration.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "xmmu/report/report.h"
#include "xmmu/sim/compare.h"
#include "xmmu/sim/simulator.h"
#include "xmmu/workload/synthetic.h"

namespace xmmu::migration_test {
namespace {

using ::testing::Each;
using ::testing::Gt;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr uint64_t k64MiB = uint64_t{64} << 20;
constexpr uint64_t kPages64MiB = k64MiB >> kPageShift;

ComparisonOptions Options(const std::vector<std::string>& policies) {
  ComparisonOptions options;
  options.base.machine = "skylake-2017";
  options.base.mode = PagingMode::k4Level;
  options.base.guest_memory_bytes = k64MiB;
  options.base.migration = {.rounds = 3, .every_ops = 400};
  options.policies.clear();
  for (const std::string& name : policies) options.policies.push_back({name});
  return options;
}

Comparison Compared(const ComparisonOptions& options,
                    const std::string& workload = "churn:rounds=100") {
  absl::StatusOr<Comparison> comparison = Compare(
      options,
      [&](const SimulatorOptions&) { return MakeSyntheticWorkload(workload); });
  EXPECT_TRUE(comparison.ok()) << comparison.status();
  return *std::move(comparison);
}

// Returns the policies that a guest of `mode` can have and that can log writes.
std::vector<std::string> PoliciesThatLog(PagingMode mode) {
  std::vector<std::string> names;
  for (const PolicyEntry& entry : Policies()) {
    Host host(*FindMachine("skylake-2017"), {});
    if (!entry.make(host)->Abi(mode).ok() || entry.name == "native") continue;
    names.emplace_back(entry.name);
  }
  return names;
}

TEST(MigrationTest, EachRoundFindsWhatWasWrittenSinceTheLast) {
  const Comparison comparison =
      Compared(Options(PoliciesThatLog(PagingMode::k4Level)));
  for (const ReportRow& row : comparison.rows) {
    SCOPED_TRACE(RowLabel(row));
    ASSERT_TRUE(row.migration.has_value());
    const MigrationReport& migration = *row.migration;
    if (!migration.refused.empty()) continue;
    EXPECT_THAT(migration.dirty_pages, SizeIs(3));
    // 16 pages a turn of 18 operations, and the tables above them.
    EXPECT_THAT(migration.dirty_pages, Each(Gt(16u)));
    const uint64_t dirty =
        std::accumulate(migration.dirty_pages.begin(),
                        migration.dirty_pages.end(), uint64_t{0});
    EXPECT_EQ(migration.pages_sent, kPages64MiB + dirty);
    EXPECT_EQ(row.cost.count(Counter::kLogDirtyRounds), 3u);
    EXPECT_GT(migration.domctl_cycles, Cycles(0));
    // A strategy that drops its shadows for the log may be faster without some
    // of them.
    if (absl::StartsWith(row.policy, "shadow-200")) continue;
    EXPECT_GT(*migration.extra_cycles,
              static_cast<int64_t>(migration.domctl_cycles.count()));
  }
}

TEST(MigrationTest, WhoNeverLogsRunsAllTheSameAndSaysSo) {
  const Comparison comparison = Compared(Options({"native", "xi-shadow"}));
  ASSERT_THAT(comparison.rows, SizeIs(2));
  EXPECT_THAT(comparison.rows[0].migration->refused, Not(IsEmpty()));
  EXPECT_THAT(comparison.rows[0].migration->dirty_pages, IsEmpty());
  EXPECT_THAT(comparison.rows[1].migration->refused, IsEmpty());
  EXPECT_TRUE(DigestsAgree(comparison));
}

TEST(MigrationTest, TheEndOfTheWorkloadEndsTheMigrationWithOneRound) {
  ComparisonOptions options = Options({"xi-shadow"});
  options.base.migration = {.rounds = 1000, .every_ops = 1000};
  const Comparison comparison = Compared(options, "touch:pages=2500");
  // There is a round after 1000 and after 2000 operations, and one at the end.
  const std::vector<uint64_t>& dirty =
      comparison.rows[0].migration->dirty_pages;
  ASSERT_THAT(dirty, SizeIs(3));
  EXPECT_THAT(dirty, Each(Gt(500u)));
  EXPECT_GT(dirty[1], 1000u);
  EXPECT_LT(dirty[2], 600u);
}

TEST(MigrationTest, TheRowWithoutOneIsTheRowOfAComparisonWithoutOne) {
  ComparisonOptions options = Options({"nested-paging"});
  const Comparison with = Compared(options);
  options.base.migration = {};
  const Comparison without = Compared(options);
  EXPECT_FALSE(without.rows[0].migration.has_value());
  EXPECT_EQ(with.rows[0].cost.cycles.count(),
            without.rows[0].cost.cycles.count() +
                static_cast<uint64_t>(*with.rows[0].migration->extra_cycles));
  EXPECT_EQ(with.rows[0].guest_digest, without.rows[0].guest_digest);
}

TEST(MigrationTest, EachOfSeveralDomainsIsMigratedOnSeveralVcpus) {
  for (const PagingMode mode :
       {PagingMode::k2Level, PagingMode::kPae, PagingMode::k4Level}) {
    ComparisonOptions options = Options(PoliciesThatLog(mode));
    options.base.mode = mode;
    options.base.vcpus = 2;
    options.base.domains = 2;
    const Comparison comparison =
        Compared(options, "switch:processes=3,rounds=60,pages=8");
    for (const ReportRow& row : comparison.rows) {
      SCOPED_TRACE(RowLabel(row));
      if (!row.migration->refused.empty()) continue;
      EXPECT_THAT(row.migration->dirty_pages, SizeIs(6));
      EXPECT_GT(row.migration->pages_sent, 2 * kPages64MiB);
    }
  }
}

TEST(MigrationTest, TheReportsTellOfIt) {
  const Comparison comparison = Compared(Options({"native", "nested-paging"}));
  const MigrationReport& migration = *comparison.rows[1].migration;
  const std::string table = FormatReport(comparison, ReportFormat::kText);
  EXPECT_THAT(table, HasSubstr("3 rounds, one every 400 operations"));
  EXPECT_THAT(table, HasSubstr("migration in row 1: none, "));
  EXPECT_THAT(table, HasSubstr("pages dirty in 3 rounds ("));
  const auto json =
      nlohmann::json::parse(FormatReport(comparison, ReportFormat::kJson));
  EXPECT_EQ(json["migration"]["rounds"], 3);
  EXPECT_TRUE(json["rows"][0]["migration"].contains("refused"));
  EXPECT_EQ(json["rows"][1]["migration"]["dirty_pages"], migration.dirty_pages);
  EXPECT_EQ(json["rows"][1]["migration"]["extra_cycles"],
            *migration.extra_cycles);
  const std::string csv = FormatReport(comparison, ReportFormat::kCsv);
  const std::vector<std::string> lines = absl::StrSplit(csv, '\n');
  EXPECT_THAT(lines[0], HasSubstr(",migration_domctl_cycles,"
                                  "migration_extra_cycles,workload,"));
  // Bare hardware has nothing in these columns, in front of the workload.
  EXPECT_THAT(lines[1], HasSubstr(",,,,\"" + comparison.workload + "\","));
  EXPECT_THAT(
      lines[2],
      HasSubstr(absl::StrCat(
          ",", migration.pages_sent, ",", migration.domctl_cycles.count(), ",",
          *migration.extra_cycles, ",\"", comparison.workload, "\",")));
}

TEST(MigrationTest, RoundsEveryNoOperationsAreRefused) {
  SimulatorOptions options;
  options.migration = {.rounds = 1, .every_ops = 0};
  EXPECT_TRUE(absl::IsInvalidArgument(Simulator::Create(options).status()));
  options.migration = {.rounds = -1};
  EXPECT_TRUE(absl::IsInvalidArgument(Simulator::Create(options).status()));
}

}  // namespace
}  // namespace xmmu::migration_test
