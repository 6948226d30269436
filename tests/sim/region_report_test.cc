// What reports say of regions and of series of intervals.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "sim/region_support.h"
#include "xmmu/report/report.h"
#include "xmmu/sim/compare.h"
#include "xmmu/workload/synthetic.h"

namespace xmmu::region_report_test {
namespace {

using namespace region_support;  // NOLINT: a test is written with its words
using Json = nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

Comparison Compared(const RegionOptions& region, int vcpus = 1,
                    std::string_view spec = kSeveral) {
  ComparisonOptions options;
  options.base = OptionsOf("", PagingMode::kPae, region);
  options.base.vcpus = vcpus;
  options.policies = {{"native", {}}, {"xi-shadow", {}}};
  absl::StatusOr<Comparison> comparison = Compare(
      options,
      [&](const SimulatorOptions&) { return MakeSyntheticWorkload(spec); });
  EXPECT_TRUE(comparison.ok()) << comparison.status();
  return *std::move(comparison);
}

TEST(RegionReportTest, TheTextSaysWhatIsMeasured) {
  EXPECT_THAT(FormatReport(Compared({}), ReportFormat::kText),
              AllOf(Not(HasSubstr("region")), Not(HasSubstr("interval"))));
  EXPECT_THAT(
      FormatReport(
          Compared(
              {.skip = 20, .warmup = 10, .operations = 40, .interval = 20}),
          ReportFormat::kText),
      AllOf(HasSubstr("\nregion    operations 31 to 70, caches emptied after "
                      "20, 10 of warm-up\n"),
            HasSubstr("\n2 intervals of 20 operations in each row: "
                      "--format=json and csv have them\n"),
            Not(HasSubstr("clocks"))));
  EXPECT_THAT(FormatReport(Compared({.warmup = 10}, 2), ReportFormat::kText),
              AllOf(HasSubstr("operations 11 to the end, 10 of warm-up"),
                    HasSubstr("depends on the vCPUs' clocks")));
}

TEST(RegionReportTest, JsonHasTheRegionAndTheSeriesInEachRow) {
  const Comparison comparison = Compared({.warmup = 10, .interval = 50});
  const Json report =
      Json::parse(FormatReport(comparison, ReportFormat::kJson));
  EXPECT_EQ(report["region"].dump(), R"({"interval":50,"warmup":10})");
  for (const Json& row : report["rows"]) {
    uint64_t cycles = 0, accesses = 0, operations = 0;
    for (const Json& interval : row["intervals"]) {
      cycles += interval["cycles"].get<uint64_t>();
      accesses += interval["counters"]["accesses"].get<uint64_t>();
      EXPECT_EQ(interval["first_operation"], 11 + operations);
      operations += interval["operations"].get<uint64_t>();
      uint64_t by_component = 0;
      for (const auto& part : interval["cycles_by_component"].items()) {
        by_component += part.value().get<uint64_t>();
      }
      EXPECT_EQ(by_component, interval["cycles"]);
    }
    EXPECT_GT(row["intervals"].size(), 2u);
    EXPECT_EQ(cycles, row["cycles"]);
    EXPECT_EQ(accesses, row["counters"]["accesses"]);
    EXPECT_EQ(operations, row["operations"]);
  }
  const Json plain =
      Json::parse(FormatReport(Compared({}), ReportFormat::kJson));
  EXPECT_FALSE(plain.contains("region"));
  EXPECT_FALSE(plain["rows"][0].contains("intervals"));
}

// A line an interval of a row, which says what was run as the line of a row
// does.
TEST(RegionReportTest, CsvOfASeriesHasALineAnInterval) {
  const auto lines_of = [](const Comparison& comparison) {
    const std::vector<std::string> lines = absl::StrSplit(
        FormatReport(comparison, ReportFormat::kCsv), '\n', absl::SkipEmpty());
    std::vector<std::vector<std::string>> cells;
    for (const std::string& line : lines) {
      cells.push_back(absl::StrSplit(line, ','));
    }
    return cells;
  };
  const std::string_view spec = "touch:pages=70";  // its name has no comma
  const Comparison comparison =
      Compared({.operations = 60, .interval = 20}, 1, spec);
  const auto series = lines_of(comparison);
  ASSERT_EQ(series.size(), 1u + 2 * 3);
  const auto at = [&](size_t line, std::string_view key) {
    for (size_t i = 0; i < series[0].size(); ++i) {
      if (series[0][i] == key) return series[line].at(i);
    }
    ADD_FAILURE() << key;
    return std::string();
  };
  EXPECT_EQ(at(1, "policy"), "native");
  EXPECT_EQ(at(4, "policy"), "xi-shadow");
  EXPECT_EQ(at(4, "region.interval"), "20");
  EXPECT_EQ(at(4, "levels"), "3");
  for (size_t line = 1; line <= 6; ++line) {
    const Interval& interval =
        comparison.rows[(line - 1) / 3].intervals[(line - 1) % 3];
    EXPECT_EQ(at(line, "interval"), absl::StrCat((line - 1) % 3 + 1));
    EXPECT_EQ(at(line, "domain"), "1");
    EXPECT_EQ(at(line, "first_operation"), absl::StrCat(interval.first));
    EXPECT_EQ(at(line, "operations"), "20");
    EXPECT_EQ(at(line, "cycles"), absl::StrCat(interval.cost.cycles.count()));
    EXPECT_EQ(at(line, "page_walks"),
              absl::StrCat(interval.cost.count(Counter::kPageWalks)));
  }
  EXPECT_EQ(lines_of(Compared({.operations = 60}, 1, spec)).size(), 3u);
}

}  // namespace
}  // namespace xmmu::region_report_test
