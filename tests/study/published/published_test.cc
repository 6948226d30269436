// Our side of the published tables. All figures are exact in
// golden_published.csv; with XMMU_WRITE_GOLDEN=1 in the environment the test
// writes that file anew, and the diff is the thing to review.

#include "study/published/published.h"

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xmmu::published_test {
namespace {

using ::testing::HasSubstr;

constexpr char kPath[] =
    XMMU_SOURCE_DIR "/tests/study/published/golden_published.csv";

// Measured once: it takes a while.
const std::vector<PublishedTable>& Tables() {
  static const auto* const tables = [] {
    auto* all = new std::vector<PublishedTable>;
    for (const PublishedStudyEntry& entry : PublishedStudies()) {
      auto table = MeasurePublished(entry.study);
      EXPECT_TRUE(table.ok()) << table.status();
      all->push_back(*std::move(table));
    }
    return all;
  }();
  return *tables;
}

const PublishedTable& Table(PublishedStudy study) {
  return Tables().at(static_cast<size_t>(study));
}

const PublishedRow& Row(PublishedStudy study, std::string_view name) {
  for (const PublishedRow& row : Table(study).rows) {
    if (row.name == name) return row;
  }
  ADD_FAILURE() << "no row " << name;
  return Table(study).rows.front();
}

double Ours(PublishedStudy study, std::string_view name, size_t column = 0) {
  return Row(study, name).cells.at(column).ours.value();
}

TEST(PublishedTest, FiguresAreExactlyThoseOfTheGoldenFile) {
  const std::string text =
      Render(PublishedDocument(Tables()), ReportFormat::kCsv);
  if (std::getenv("XMMU_WRITE_GOLDEN") != nullptr) {
    std::ofstream(kPath) << text;
    return;
  }
  std::stringstream golden;
  golden << std::ifstream(kPath).rdbuf();
  EXPECT_EQ(text, golden.str());
}

TEST(PublishedTest, TwoRunsSayTheSame) {
  const auto again = MeasurePublished(PublishedStudy::kAsplos06);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(Render(PublishedDocument({*again}), ReportFormat::kText),
            Render(PublishedDocument({Table(PublishedStudy::kAsplos06)}),
                   ReportFormat::kText));
}

TEST(PublishedTest, EachRowHasACellForEachColumnAndSaysWhatItIs) {
  for (const PublishedTable& table : Tables()) {
    for (const PublishedRow& row : table.rows) {
      EXPECT_EQ(row.cells.size(), table.columns.size()) << row.name;
      EXPECT_FALSE(row.name.empty());
    }
  }
}

// On the processor of 2003 Xen cost something in every row but the null call,
// and not twice as much in most.
TEST(PublishedTest, XenCostsMoreInEachRowButTheNullCall) {
  constexpr size_t kBeyond = 2;
  for (const PublishedRow& row : Table(PublishedStudy::kSosp03).rows) {
    if (row.name == "null call") {
      EXPECT_EQ(row.cells[kBeyond].ours, 0);
    } else {
      EXPECT_GT(row.cells[kBeyond].ours, 0) << row.name;
      EXPECT_GT(row.cells[kBeyond].theirs, 0) << row.name;
    }
  }
}

TEST(PublishedTest, OnlyTheFirstThreeRowsOfLmbenchAreAnchors) {
  std::vector<std::string> anchors;
  for (const PublishedRow& row : Table(PublishedStudy::kSosp03).rows) {
    if (row.anchor) anchors.push_back(row.name);
  }
  EXPECT_THAT(anchors,
              ::testing::ElementsAre("null call", "page fault", "prot fault"));
}

TEST(PublishedTest, AHardwareVmmPaysForFaultsAndEntriesButNotForSystemCalls) {
  constexpr auto kStudy = PublishedStudy::kAsplos06;
  EXPECT_EQ(Ours(kStudy, "syscall", 1), Ours(kStudy, "syscall", 0));
  EXPECT_GT(Ours(kStudy, "pgfault", 1), 5 * Ours(kStudy, "pgfault", 0));
  EXPECT_GT(Ours(kStudy, "ptemod", 1), 1000 * Ours(kStudy, "ptemod", 0));
}

TEST(PublishedTest, AWalkOfFourOnFourLevelsLoadsTwentyFourEntries) {
  EXPECT_EQ(Ours(PublishedStudy::kFigures, "loads of a 2-D walk"), 24);
}

TEST(PublishedTest, RatiosHaveTheSignThatWasPublished) {
  constexpr auto kStudy = PublishedStudy::kFigures;
  for (const char* name : {"ptwr batching: synthetic", "back-pointers: 32-bit",
                           "back-pointers: 64-bit", "exit: pinned to unpinned",
                           "XI demand fault", "XI reflected fault",
                           "nested paging: programs", "nested paging: micro"}) {
    EXPECT_GT(Ours(kStudy, name), 1) << name;
  }
  EXPECT_LT(Ours(kStudy, "ptwr batching: programs"),
            Ours(kStudy, "ptwr batching: synthetic"));
  EXPECT_LT(Ours(kStudy, "the same in place"),
            Ours(kStudy, "exits a page fault"));
}

TEST(PublishedTest, AGapIsOfTheirs) {
  EXPECT_DOUBLE_EQ(*(PublishedCell{4, 5}.gap()), 25);
  EXPECT_DOUBLE_EQ(*(PublishedCell{4, 3}.gap()), -25);
  EXPECT_FALSE((PublishedCell{4, {}}.gap()).has_value());
  EXPECT_FALSE((PublishedCell{{}, 4}.gap()).has_value());
  EXPECT_FALSE((PublishedCell{0, 4}.gap()).has_value());
}

PublishedTable Small() {
  return {"small",
          "a table",
          {"one", "two"},
          {{"row", "us", {{2, 3}, {1500, {}}}, true, "a note"}}};
}

TEST(PublishedTest, TheTextHasBothSidesAndTheGap) {
  const std::string text =
      Render(PublishedDocument({Small()}), ReportFormat::kText);
  EXPECT_THAT(text, HasSubstr("small: a table\n"));
  EXPECT_THAT(text, HasSubstr("  row *     us      2.00  3.00  +50%"));
  EXPECT_THAT(text, HasSubstr("1,500     -"));
  EXPECT_THAT(text, HasSubstr("\n  row: a note\n"));
}

TEST(PublishedTest, NotesAreWrapped) {
  PublishedTable table = Small();
  table.rows[0].note = std::string(60, 'x') + " " + std::string(60, 'y');
  EXPECT_THAT(Render(PublishedDocument({table}), ReportFormat::kText),
              HasSubstr("x\n    yyy"));
}

TEST(PublishedTest, CsvHasALineForEachRowAndColumn) {
  EXPECT_EQ(Render(PublishedDocument({Small()}), ReportFormat::kCsv),
            "table,row,unit,column,anchor,theirs,ours,gap_percent\n"
            "small,row,us,one,1,2.0000,3.0000,50.0000\n"
            "small,row,us,two,1,1500.0000,,\n");
}

TEST(PublishedTest, JsonHasNullsForWhatIsMissing) {
  const auto json = nlohmann::json::parse(
      Render(PublishedDocument({Small()}), ReportFormat::kJson));
  EXPECT_EQ(json[0]["rows"][0]["cells"][0]["gap_percent"], 50);
  EXPECT_TRUE(json[0]["rows"][0]["cells"][1]["ours"].is_null());
  EXPECT_EQ(json[0]["rows"][0]["note"], "a note");
}

TEST(PublishedTest, StudiesAreParsedByTheirNames) {
  for (const PublishedStudyEntry& entry : PublishedStudies()) {
    EXPECT_EQ(ParsePublishedStudy(entry.name), entry.study);
  }
  EXPECT_FALSE(ParsePublishedStudy("sosp").has_value());
}

}  // namespace
}  // namespace xmmu::published_test
