#include "xmmu/report/report_diff.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xmmu::report_diff_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

ReportDiff DiffOf(const std::string& a, const std::string& b,
                  double tolerance = 0) {
  const auto diff = DiffReports("a.json", a, "b.json", b, tolerance);
  EXPECT_TRUE(diff.ok()) << diff.status();
  return diff.ok() ? *diff : ReportDiff();
}

std::string RefusalOf(const std::string& text) {
  return std::string(
      DiffReports("a.json", text, "b.json", "{}").status().message());
}

constexpr char kReport[] =
    R"({"version": "1", "machine": "m", "rows": [
        {"policy": "native", "pin": "-", "thp": "never", "cycles": 100,
         "counters": {"walks": 7, "faults": 0}, "host_bytes": 1},
        {"policy": "pinning", "pin": "late", "thp": "never", "cycles": 200,
         "counters": {"walks": 8, "faults": 0}, "host_bytes": 1}]})";

TEST(ReportDiffTest, AReportIsTheSameAsItself) {
  const ReportDiff diff = DiffOf(kReport, kReport);
  EXPECT_TRUE(diff.same());
  EXPECT_EQ(diff.compared, 6);
  EXPECT_THAT(diff.results, IsEmpty());
  EXPECT_THAT(diff.settings, IsEmpty());
}

TEST(ReportDiffTest, RowsAreFoundByWhatTheyAreOfWhereverTheyStand) {
  const ReportDiff diff = DiffOf(kReport,
                                 R"({"version": "2", "machine": "m", "rows": [
          {"policy": "pinning", "pin": "late", "thp": "never", "cycles": 150,
           "counters": {"walks": 8, "faults": 3}, "host_bytes": 2},
          {"policy": "native", "pin": "-", "thp": "never", "cycles": 100,
           "counters": {"walks": 7, "faults": 0}, "host_bytes": 1}]})");
  ASSERT_EQ(diff.results.size(), 2);
  const ReportDifference& cycles = diff.results[0];
  EXPECT_EQ(cycles.where, "pinning late");
  EXPECT_EQ(cycles.key, "cycles");
  EXPECT_EQ(cycles.difference, -50);
  EXPECT_EQ(cycles.percent, -25);
  const ReportDifference& faults = diff.results[1];
  EXPECT_EQ(faults.key, "counters.faults");
  EXPECT_EQ(faults.difference, 3);
  EXPECT_EQ(faults.percent, std::nullopt);
  EXPECT_TRUE(faults.moved);
  // A version and the host's memory are told and not judged.
  ASSERT_EQ(diff.settings.size(), 2);
  EXPECT_EQ(diff.settings[0].key, "version");
  EXPECT_EQ(diff.settings[1].key, "host_bytes");
  EXPECT_FALSE(diff.settings[1].moved);
}

TEST(ReportDiffTest, ToleranceIsInPercentOfAAndIncluded) {
  const std::string b = R"({"rows": [{"policy": "native", "cycles": 110}]})";
  const std::string a = R"({"rows": [{"policy": "native", "cycles": 100}]})";
  EXPECT_TRUE(DiffOf(a, b, 10).same());
  EXPECT_EQ(DiffOf(a, b, 10).results.size(), 1);
  EXPECT_FALSE(DiffOf(a, b, 9.99).same());
  // 10 of 110 are less than 10 percent.
  EXPECT_TRUE(DiffOf(b, a, 9.1).same());
  EXPECT_FALSE(DiffOf(b, a, 9).same());
}

TEST(ReportDiffTest, NothingButNumbersIsTolerated) {
  EXPECT_FALSE(DiffOf(R"({"rows": [{"policy": "native", "holds": true}]})",
                      R"({"rows": [{"policy": "native", "holds": false}]})",
                      1000)
                   .same());
  EXPECT_FALSE(DiffOf(R"({"rows": [{"policy": "native", "price": null}]})",
                      R"({"rows": [{"policy": "native", "price": 0}]})", 1000)
                   .same());
}

TEST(ReportDiffTest, SaysWhatOnlyOneSideHas) {
  const ReportDiff diff =
      DiffOf(R"({"rows": [{"policy": "native", "old": 1, "x": [1, 2]},
                          {"policy": "pinning"}]})",
             R"({"rows": [{"policy": "native", "new": 1, "x": [1]},
                          {"policy": "xi-shadow"}], "schema": 2})");
  EXPECT_THAT(diff.only_a,
              ElementsAre("native: old", "native: x[1]", "pinning"));
  EXPECT_THAT(diff.only_b, ElementsAre("native: new", "xi-shadow"));
  EXPECT_FALSE(diff.same());
  ASSERT_EQ(diff.settings.size(), 1);
  EXPECT_EQ(diff.settings[0].key, "schema");
}

TEST(ReportDiffTest, TwoMachinesOfAStudyAreHeldAgainstEachOther) {
  const ReportDiff diff = DiffOf(R"([{"machine": "a", "cycles": 1}])",
                                 R"([{"machine": "b", "cycles": 2}])");
  ASSERT_EQ(diff.results.size(), 1);
  EXPECT_EQ(diff.results[0].where, "a");
  ASSERT_EQ(diff.settings.size(), 1);
  EXPECT_EQ(diff.settings[0].key, "machine");
}

TEST(ReportDiffTest, ObjectsOfOneNameAreToldApartByTheirOrder) {
  const ReportDiff diff =
      DiffOf(R"([{"policy": "a", "x": 1}, {"policy": "a", "x": 2}])",
             R"([{"policy": "a", "x": 1}, {"policy": "a", "x": 3}])");
  ASSERT_EQ(diff.results.size(), 1);
  EXPECT_EQ(diff.results[0].where, "a #2");
}

TEST(ReportDiffTest, NumbersAreTheSameHoweverTheyAreWritten) {
  EXPECT_TRUE(
      DiffOf(R"([{"x": 3, "y": -1}])", R"([{"x": 3.0, "y": -1e0}])").same());
  // Beyond what a double tells apart.
  EXPECT_FALSE(DiffOf(R"([{"x": 18446744073709551615}])",
                      R"([{"x": 18446744073709551614}])")
                   .same());
}

TEST(ReportDiffTest, RefusesWhatIsNoReportWithTheLine) {
  EXPECT_EQ(RefusalOf(""),
            "a.json:1: found its end, want the JSON of a report");
  EXPECT_THAT(RefusalOf("{\"a\":\n1,\n\"a\": 2}"),
              HasSubstr("a.json:3: found key 'a' a second time"));
  EXPECT_THAT(RefusalOf("{\n\n]"), HasSubstr("a.json:3: found ']'"));
  EXPECT_THAT(RefusalOf("{}"), HasSubstr("a.json:1: found no results"));
  EXPECT_EQ(DiffReports("a.json", R"({"rows": [{"policy": "native", "x": 1}]})",
                        "b.json", R"({"kinds": []})")
                .status()
                .message(),
            "b.json:1: found no results, want the JSON of a report");
  EXPECT_THAT(RefusalOf("7"), HasSubstr("a.json:1: found no object"));
  EXPECT_THAT(RefusalOf(std::string(33, '[')),
              HasSubstr("more than 32 objects in each other"));
  EXPECT_THAT(RefusalOf("{} {}"), HasSubstr("a.json:1: found '{'"));
  EXPECT_TRUE(
      DiffReports("a", std::string(32, '[') + std::string(32, ']'), "b", "[]")
          .status()
          .message()
          .find("32 objects") == std::string::npos);
}

TEST(ReportDiffTest, TheDocumentHasItAllInEachFormat) {
  const Document document =
      DiffDocument(DiffOf(kReport, R"({"version": "1", "machine": "m", "rows": [
          {"policy": "native", "pin": "-", "thp": "never", "cycles": 101,
           "counters": {"walks": 7, "faults": 0}, "host_bytes": 1}]})"));
  const std::string text = Render(document, ReportFormat::kText);
  EXPECT_THAT(text, HasSubstr("3 results in both, 1 differ, 1 by more than 0%\n"
                              "NOT the same\n"));
  EXPECT_THAT(text, HasSubstr("native  100  101          +1  +1.00"));
  EXPECT_THAT(text, HasSubstr("only in A: 1\n  pinning late\n"));
  EXPECT_EQ(Render(document, ReportFormat::kCsv),
            "where,value,a,b,difference,percent,moved\n"
            "native,cycles,100,101,1.000000,1.000000,1\n");
  EXPECT_THAT(Render(document, ReportFormat::kJson),
              HasSubstr("\"same\": false"));
  EXPECT_EQ(document.charts.size(), 1);
}

}  // namespace
}  // namespace xmmu::report_diff_test
