#include "xmmu/report/document.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "report/field_table.h"

namespace xmmu::document_test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// A result with fields of all kinds: an object with a list of objects in it.
struct Part {
  std::string name;
  uint64_t cycles = 0;
  Record own = {};
};
struct Whole {
  std::string title;
  std::vector<Part> parts;
};
struct Line {
  const Whole& whole;
  const Part* part;
};

constexpr FieldGroup kGroup = {"group_", [] {
                                 return std::vector<Column>{
                                     {"a", "cycles", "first"},
                                     {"b", "cycles", "second"}};
                               }};

std::vector<Record> PartRecords(const Whole& whole);

constexpr FieldOf<Line> kFields[] = {
    {0, "late", "", "in CSV behind the others",
     [](const Line& l) { return l.whole.parts.size(); }, Shown::kCsvAtEnd},
    {0, "title", "", "of all", [](const Line& l) { return l.whole.title; }},
    {1, "name", "", "of a part", [](const Line& l) { return l.part->name; }},
    {0, "parts", "", "one object a part",
     [](const Line& l) { return PartRecords(l.whole); }, Shown::kJson},
    {1, "own", "", "differs between lines",
     [](const Line& l) { return l.part->own; }, Shown::kOpen},
    {1, "cycles", "cycles", "none if 0",
     [](const Line& l) -> Value {
       return l.part->cycles == 0 ? Absent() : AsValue(l.part->cycles);
     }},
    {1, "group", "cycles", "two cells",
     [](const Line& l) {
       return std::vector<Cell>{l.part->cycles, Real{0.25, 3}};
     },
     Shown::kBoth, &kGroup},
    {1, "seen", "", "only in CSV", [](const Line&) { return true; },
     Shown::kCsv},
};
constexpr std::span<const FieldOf<Line>> kAll = kFields;

std::vector<Record> PartRecords(const Whole& whole) {
  std::vector<Record> records;
  for (const Part& part : whole.parts) {
    records.push_back(RecordOf(kAll, 1, Line{whole, &part}));
  }
  return records;
}

Document DocumentOf(const Whole& whole) {
  std::vector<Line> lines;
  for (const Part& part : whole.parts) lines.push_back({whole, &part});
  Document document;
  document.table = TableOf<Line>(kAll, lines);
  document.data = RecordOf(kAll, 0, Line{whole, nullptr});
  return document;
}

Field Count(std::string key, uint64_t count) {
  return {std::move(key), "events", "", Cell(count)};
}

TEST(DocumentTest, ALineHasTheFieldsOfAllLevelsInTheOrderOfTheTable) {
  const Whole whole = {"t", {{"x", 3}, {"y", 0}}};
  EXPECT_EQ(Render(DocumentOf(whole), ReportFormat::kCsv),
            "title,name,cycles,group_a,group_b,seen,late\n"
            "t,x,3,3,0.250,1,2\n"
            "t,y,,0,0.250,1,2\n");
}

TEST(DocumentTest, WithoutALineThereIsAHeader) {
  EXPECT_EQ(Render(DocumentOf({"t", {}}), ReportFormat::kCsv),
            "title,name,cycles,group_a,group_b,seen,late\n");
}

TEST(DocumentTest, OpenColumnsAreThoseOfAnyLineBehindAllOthers) {
  const Whole whole = {
      "t",
      {{"x", 1, {{Count("p", 7)}}},
       {"y", 1, {}},
       {"z", 1, {{Count("q", 8), {"in", "", "", Record{{Count("r", 9)}}}}}}}};
  EXPECT_EQ(Render(DocumentOf(whole), ReportFormat::kCsv),
            "title,name,cycles,group_a,group_b,seen,late,own_p,own_q,own_in_r\n"
            "t,x,1,1,0.250,1,3,7,,\n"
            "t,y,1,1,0.250,1,3,,,\n"
            "t,z,1,1,0.250,1,3,,8,9\n");
}

TEST(DocumentTest, AnObjectHasTheFieldsOfItsLevelAndLeavesOutWhatIsAbsent) {
  const Whole whole = {"t", {{"x", 3}, {"y", 0}}};
  EXPECT_EQ(Render(DocumentOf(whole), ReportFormat::kJson), R"({
 "late": 2,
 "title": "t",
 "parts": [
  {
   "name": "x",
   "own": {},
   "cycles": 3,
   "group": {
    "a": 3,
    "b": 0.25
   }
  },
  {
   "name": "y",
   "own": {},
   "group": {
    "a": 0,
    "b": 0.25
   }
  }
 ]
}
)");
}

TEST(DocumentTest, JsonReplacesWhatIsNoUtf8AndCsvQuotesAsItIs) {
  const Whole whole = {"s\"h,\xff", {{"x", 1}}};
  EXPECT_THAT(Render(DocumentOf(whole), ReportFormat::kJson),
              HasSubstr("\"title\": \"s\\\"h,\uFFFD\""));
  EXPECT_THAT(Render(DocumentOf(whole), ReportFormat::kCsv),
              HasSubstr("\n\"s\"\"h,\xff\",x,"));
}

TEST(DocumentTest, TextIsItsBlocksWithoutWhatATerminalObeys) {
  TextTable table(1);
  table.Add({"a", "1"});
  Document document;
  document.text = {std::string("title \x1b[31m\n\n"), table};
  EXPECT_EQ(Render(document, ReportFormat::kText),
            "title \\x1b[31m\n\n  a  1\n");
}

TEST(DocumentTest, ALegendHasALineForEachTermByGroup) {
  Document document;
  EXPECT_EQ(Legend(document), "");
  document.legend = {
      {"columns", {{"cycles", "cycles", "all of them"}, {"policy", "", "who"}}},
      {"marks", {}},
      {"components", {{"tlb", "cycles", "hits"}}}};
  EXPECT_EQ(Legend(document),
            "columns\n"
            "  cycles (cycles)  all of them\n"
            "  policy           who\n"
            "\n"
            "components\n"
            "  tlb (cycles)  hits\n");
}

TEST(DocumentTest, ACellOfCsvHasTheDecimalsOfItsNumber) {
  EXPECT_EQ(CellText(Real{1.0 / 3, 4}), "0.3333");
  EXPECT_EQ(CellText(Cell()), "");
  EXPECT_EQ(CellText(false), "0");
  EXPECT_EQ(CellText(int64_t{-5}), "-5");
}

}  // namespace
}  // namespace xmmu::document_test
