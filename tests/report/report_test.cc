#include "xmmu/report/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "report/example_comparison.h"
#include "xmmu/sim/results.h"

namespace xmmu::report_test {
namespace {

using Json = nlohmann::ordered_json;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(ReportTest, ALabelNamesWhatTellsRowsApart) {
  EXPECT_EQ(RowLabel(NativeRow()), "native");
  EXPECT_EQ(RowLabel(PinningRow()), "pinning/update-va-mapping/late");
}

TEST(ReportTest, FormatsAreFoundByName) {
  EXPECT_EQ(ParseReportFormat("json"), ReportFormat::kJson);
  EXPECT_EQ(ParseReportFormat("xml"), std::nullopt);
  for (ReportFormat format : AllReportFormats()) {
    EXPECT_EQ(ParseReportFormat(ReportFormatName(format)), format);
  }
}

TEST(ReportTest, DigestsAgreeOnlyIfAllAreEqual) {
  Comparison comparison = Example();
  EXPECT_TRUE(DigestsAgree(comparison));
  comparison.rows[1].guest_digest ^= 1;
  EXPECT_FALSE(DigestsAgree(comparison));
}

TEST(TableReportTest, IsWhatItWas) {
  EXPECT_EQ(FormatReport(Example(), ReportFormat::kText), R"(xmmu 9.9.9
machine   test: a machine to test with
guest     pae paging, 1 vCPU, 64 MiB; quantum 1,000, fault-around 1, flush ceiling 0
workload  fork:pages=1,times=2
timing    pte-caches: loads of page-table entries go through the caches

              guest                                 x    page   page  hyper  fault   emu-  vali-    TLB  mgmt.  est.
  #  policy   ops                pin   cycles  native  faults  walks  calls  fixed  lated  dated  flush    KiB     %
  ------------------------------------------------------------------------------------------------------------------
  1  native   stores             -      1,500   1.000       3      0      0      0      0      0      0      0  25.0
  2  pinning  update-va-mapping  late   3,000   2.000       0   123k      2      0      0      0      0      5   0.0
guest digest 0000000000000abc, equal in all rows

cycles by component, and by the mark of their prices
  component       1 native     2 pinning
  --------------------------------------
  execute     1,000  66.7%  1,000  33.3%
  exception     500  33.3%             -
  hypercall              -  2,000  66.7%
  --------------------------------------
  read               66.7%          0.0%
  measured            0.0%          0.0%
  derived             8.3%          0.0%
  remembered          0.0%          0.0%
  estimated          25.0%          0.0%
marks of prices
  read        the value stands in the source that is named with it
  measured    the value was measured on such a machine
  derived     the value follows from read or measured ones, as its source says
  remembered  the value is from a publication that was not read again
  estimated   the value is assumed: an engineering estimate
)");
}

TEST(TableReportTest, SaysWhenTheMachineHasNoSuchMode) {
  Comparison comparison = Example();
  EXPECT_THAT(FormatReport(comparison, ReportFormat::kText),
              Not(HasSubstr("hypothetical")));
  comparison.hypothetical = true;
  EXPECT_THAT(FormatReport(comparison, ReportFormat::kText),
              HasSubstr("hypothetical: test has no pae paging"));
}

TEST(TableReportTest, SaysWhichRowsAreHypothetical) {
  Comparison comparison = Example();
  comparison.rows[1].hypothetical = "nested paging";
  EXPECT_THAT(
      FormatReport(comparison, ReportFormat::kText),
      HasSubstr("\nhypothetical in row 2: test has no nested paging; "));
  comparison.rows[0].hypothetical = "nested paging";
  EXPECT_THAT(FormatReport(comparison, ReportFormat::kText),
              HasSubstr("\nhypothetical in rows 1, 2: test has no nested "));
  EXPECT_THAT(FormatReport(comparison, ReportFormat::kCsv),
              HasSubstr(",nested paging,"));
}

TEST(TableReportTest, SaysWhatWasLeftOut) {
  Comparison comparison = Example();
  comparison.left_out = {"shadow: too young"};
  EXPECT_THAT(FormatReport(comparison, ReportFormat::kText),
              HasSubstr("left out  shadow: too young\n"));
}

TEST(TableReportTest, WithoutANativeRowThereAreNoRatios) {
  Comparison comparison = Example();
  comparison.rows.erase(comparison.rows.begin());
  EXPECT_THAT(FormatReport(comparison, ReportFormat::kText),
              Not(HasSubstr("1.000")));
}

TEST(TableReportTest, DifferingDigestsAreLoud) {
  Comparison comparison = Example();
  comparison.rows[1].guest_digest = 1;
  EXPECT_THAT(FormatReport(comparison, ReportFormat::kText),
              HasSubstr("DIFFER: 0000000000000abc 0000000000000001"));
}

TEST(TableReportTest, ManyRowsStayWithinTheWidth) {
  Comparison comparison = Example();
  for (int i = 0; i < 10; ++i) comparison.rows.push_back(PinningRow());
  const std::string text = FormatReport(comparison, ReportFormat::kText);
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    EXPECT_LE(line.size(), 120u) << line;
  }
}

TEST(TableReportTest, ARowThatSharesSaysWhatBecameOfPages) {
  Comparison comparison = Example();
  EXPECT_THAT(FormatReport(comparison, ReportFormat::kText),
              Not(HasSubstr("sharing")));
  ReportRow row = PinningRow();
  row.shares_file_pages = true;
  row.cost.counters.Add(Counter::kPagesShared, 7);
  row.cost.counters.Add(Counter::kPagesMerged, 5);
  row.cost.counters.Add(Counter::kSharedFreed, 2);
  comparison.rows.push_back(row);
  const std::string text = FormatReport(comparison, ReportFormat::kText);
  EXPECT_THAT(text, HasSubstr("sharing in row 3: 7 frames shared, 5 pages "
                              "merged with one of them (20 KiB free), 2 "
                              "shared frames freed again\n"));
  EXPECT_EQ(RowLabel(row), "pinning/update-va-mapping/late/shared");
}

TEST(TableReportTest, RowsSayWhichLargePagesTheirProgramsHad) {
  Comparison comparison = Example();
  EXPECT_THAT(FormatReport(comparison, ReportFormat::kText),
              Not(AnyOf(HasSubstr("large pages"), HasSubstr("thp="))));
  comparison.rows[0].thp_chosen = true;
  ReportRow huge = NativeRow();
  huge.thp = Thp::kAlways;
  huge.thp_chosen = true;
  huge.cost.counters.Add(Counter::kThpFaultAlloc, 1200);
  huge.cost.counters.Add(Counter::kThpSplitPmd, 7);
  ReportRow nested = huge;
  nested.policy = "nested-paging";
  nested.cost.counters.Add(Counter::kThpZeroPage, 2);
  nested.cost.counters.Add(Counter::kHugetlbMapped, 3);
  nested.nested_pages = {
      {uint64_t{1} << 30, 1}, {uint64_t{2} << 20, 31}, {4096, 5000}};
  comparison.rows = {comparison.rows[0], huge, huge, nested};
  const std::string text = FormatReport(comparison, ReportFormat::kText);
  EXPECT_THAT(text, HasSubstr(" 1 native thp=never "));
  EXPECT_THAT(text, HasSubstr(" 3 native thp=always "));
  EXPECT_THAT(
      text,
      HasSubstr("large pages in row 1: none\n"
                "large pages in rows 2, 3: 1,200 transparent, 7 split\n"
                "large pages in row 4: 1,200 transparent, 7 split, 2 only "
                "read, 3 hugetlb; nested pages: 1 of 1 GiB, 31 of 2 MiB, "
                "5,000 of 4 KiB\n"));
  EXPECT_EQ(RowLabel(nested), "nested-paging/thp=always");
}

TEST(TableReportTest, AGuestThatHasNoLargePagesSaysWhatItLacks) {
  Comparison comparison = Example();
  ReportRow& row = comparison.rows[1];
  row.large_pages = false;
  row.thp = Thp::kAlways;
  row.thp_chosen = true;
  EXPECT_THAT(FormatReport(comparison, ReportFormat::kText),
              Not(AnyOf(HasSubstr("large pages"), HasSubstr("thp="))));
  row.cost.counters.Add(Counter::kLargeDenied, 1);
  EXPECT_THAT(FormatReport(comparison, ReportFormat::kText),
              HasSubstr("no large pages in row 2: a paravirtual guest has "
                        "none; 1 region of 2 MiB is 4 KiB pages\n"));
  EXPECT_EQ(RowLabel(row), "pinning/update-va-mapping/late");
  ReportRow shadow = row;
  shadow.policy = "shadow-2005";
  shadow.paravirtual = false;
  shadow.cost.counters.Add(Counter::kLargeDenied, 1999);
  comparison.rows.push_back(shadow);
  comparison.options.mode = PagingMode::k2Level;
  EXPECT_THAT(FormatReport(comparison, ReportFormat::kText),
              HasSubstr("no large pages in row 3: the strategy hides them from "
                        "its guest; 2,000 regions of 4 MiB are 4 KiB pages\n"));
}

TEST(TableReportTest, ARowWithALinearMapOfItsOwnSaysWhatTablesTook) {
  Comparison comparison = Example();
  EXPECT_THAT(FormatReport(comparison, ReportFormat::kText),
              Not(HasSubstr("linear map")));
  ReportRow row = PinningRow();
  row.linear_map = LinearMap::kSharedL2;
  row.page_table_bytes_per_space = 14 * 1024;
  comparison.rows.push_back(row);
  EXPECT_THAT(FormatReport(comparison, ReportFormat::kText),
              HasSubstr("row 3: linear map shared-l2; 14.0 KiB of page tables "
                        "an address space at the peak\n"));
  EXPECT_EQ(RowLabel(row), "pinning/update-va-mapping/late/shared-l2");
}

TEST(TableReportTest, SaysWhatOverlapLeaves) {
  Comparison comparison = Example();
  EXPECT_THAT(FormatReport(comparison, ReportFormat::kText),
              Not(HasSubstr("overlap")));
  comparison.options.overlap = {.walkers = 2, .hidden_per_mille = 125};
  comparison.rows[0].cost.hidden = Cycles(500);
  const std::string text = FormatReport(comparison, ReportFormat::kText);
  EXPECT_THAT(text, HasSubstr("overlap   2 walkers; 12.5% of TLB, walk and"));
  EXPECT_THAT(text, HasSubstr("  1  native        1,500        500      1,000"
                              "   1.000\n"));
  EXPECT_THAT(text, HasSubstr("  2  pinning       3,000          0      3,000"
                              "   3.000\n"));
  const std::string csv = FormatReport(comparison, ReportFormat::kCsv);
  EXPECT_THAT(csv, HasSubstr(",default,,2,0.125,1500,500,1500,"));
}

TEST(ReportTest, SharesByMarkAddUpInEveryFormat) {
  const Json json = Json::parse(FormatReport(Example(), ReportFormat::kJson));
  const Json& row = json["rows"][0];
  EXPECT_EQ(row["cycles_by_mark"]["read"], 1000);
  EXPECT_EQ(row["cycles_by_mark"]["estimated"], 375);
  EXPECT_EQ(row["share_by_mark"]["read"], 0.666667);
  EXPECT_EQ(row["share_by_mark"]["derived"], 0.083333);
  EXPECT_EQ(row["share_by_mark"]["estimated"], 0.25);
  EXPECT_THAT(FormatReport(Example(), ReportFormat::kCsv),
              HasSubstr(",0.666667,0.000000,0.083333,0.000000,0.250000,"));
}

TEST(TableReportTest, SaysWhenTheFlushFilterIsOn) {
  Comparison comparison = Example();
  EXPECT_THAT(FormatReport(comparison, ReportFormat::kText),
              Not(HasSubstr("flush filter")));
  comparison.options.flush_filter = true;
  EXPECT_THAT(FormatReport(comparison, ReportFormat::kText),
              HasSubstr("note      the TLB flush filter is on\n"));
}

TEST(JsonReportTest, TheFixedKeysComeInTheirOrder) {
  const Json json = Json::parse(FormatReport(Example(), ReportFormat::kJson));
  EXPECT_EQ(json["xmmu"], "9.9.9");
  EXPECT_EQ(json["machine"], "test");
  EXPECT_EQ(json["levels"], 3);
  EXPECT_EQ(json["vcpus"], 1);
  EXPECT_EQ(json["domains"], 1);
  EXPECT_EQ(json["workload"]["name"], "fork:pages=1,times=2");
  // Keys may be added, but these neither go nor change places.
  const std::vector<std::string> fixed = {"policy",
                                          "guest_ops",
                                          "pin",
                                          "shares_file_pages",
                                          "linear_map",
                                          "hypothetical",
                                          "idle_vcpus",
                                          "cycles",
                                          "hidden_cycles",
                                          "elapsed_cycles",
                                          "cycles_by_component",
                                          "counters",
                                          "page_table_bytes",
                                          "page_table_bytes_per_space",
                                          "memory_overhead_bytes",
                                          "memory_parts",
                                          "cycles_by_mark",
                                          "share_by_mark",
                                          "guest_digest",
                                          "accesses_not_compared",
                                          "pages_not_compared",
                                          "spaces_not_compared",
                                          "host_bytes"};
  std::vector<std::string> found;
  for (const auto& item : json["rows"][0].items()) {
    if (std::find(fixed.begin(), fixed.end(), item.key()) != fixed.end()) {
      found.push_back(item.key());
    }
  }
  EXPECT_EQ(found, fixed);
}

TEST(JsonReportTest, MemoryIsSaidByPart) {
  Comparison comparison = Example();
  comparison.rows[1].memory_parts = {{"shadows", 8192, 4096}};
  const Json json = Json::parse(FormatReport(comparison, ReportFormat::kJson));
  EXPECT_TRUE(json["rows"][0]["memory_parts"].empty());
  EXPECT_EQ(json["rows"][1]["memory_parts"]["shadows"]["reserved_bytes"], 8192);
  EXPECT_EQ(json["rows"][1]["memory_parts"]["shadows"]["peak_bytes"], 4096);
}

TEST(JsonReportTest, NestedPagesAreSaidBySize) {
  Comparison comparison = Example();
  comparison.rows[1].nested_pages = {{uint64_t{2} << 20, 31}, {4096, 512}};
  comparison.rows[1].thp = Thp::kMadvise;
  comparison.rows[1].large_pages = false;
  const Json json = Json::parse(FormatReport(comparison, ReportFormat::kJson));
  EXPECT_FALSE(json["rows"][0].contains("nested_pages"));
  EXPECT_EQ(json["rows"][0]["thp"], "never");
  EXPECT_EQ(json["rows"][0]["large_pages"], true);
  EXPECT_EQ(json["rows"][1]["nested_pages"].dump(), R"({"2m":31,"4k":512})");
  EXPECT_EQ(json["rows"][1]["thp"], "madvise");
  EXPECT_EQ(json["rows"][1]["large_pages"], false);
}

TEST(JsonReportTest, RowsSayHowTheGuestBehaved) {
  const Json json = Json::parse(FormatReport(Example(), ReportFormat::kJson));
  EXPECT_EQ(json["rows"][0]["pin"], "-");
  EXPECT_EQ(json["rows"][0]["guest_ops"], "stores");
  EXPECT_EQ(json["rows"][1]["pin"], "late");
  EXPECT_EQ(json["rows"][1]["guest_ops"], "update-va-mapping");
  EXPECT_EQ(json["rows"][1]["guest_digest"], "0000000000000abc");
}

TEST(JsonReportTest, EveryComponentIsThereAndTheyAddUp) {
  const Json json = Json::parse(FormatReport(Example(), ReportFormat::kJson));
  for (const Json& row : json["rows"]) {
    uint64_t sum = 0;
    for (const Json& part : row["cycles_by_component"]) {
      sum += part.get<uint64_t>();
    }
    EXPECT_EQ(row["cycles_by_component"].size(), kComponentCount);
    EXPECT_EQ(row["counters"].size(), kCounterCount);
    EXPECT_EQ(sum, row["cycles"].get<uint64_t>());
  }
}

TEST(JsonReportTest, ANameThatIsNoUtf8DoesNotBreakTheReport) {
  Comparison comparison = Example();
  comparison.workload = "trace of \xff";
  EXPECT_TRUE(Json::accept(FormatReport(comparison, ReportFormat::kJson)));
}

TEST(CsvReportTest, EveryLineHasACellForEachColumn) {
  const std::string text = FormatReport(Example(), ReportFormat::kCsv);
  const std::vector<std::string> lines = absl::StrSplit(text, '\n');
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_EQ(lines[3], "");
  const std::vector<std::string> header = absl::StrSplit(lines[0], ',');
  EXPECT_EQ(header.size(), ComparisonDocument(Example()).table.columns.size());
  for (int row : {1, 2}) {
    const std::vector<std::string> cells =
        absl::StrSplit(lines[static_cast<size_t>(row)], ',');
    EXPECT_EQ(cells.size(), header.size() + 1);  // a comma in the workload
  }
  EXPECT_THAT(
      lines[2],
      HasSubstr("test,0,3,1,1,pte-caches,pinning,"
                "update-va-mapping,late,0,default,,1,0.000,3000,0,3000,"));
}

TEST(CsvReportTest, WhatTellsFilesApartStandsBehindTheOlderColumns) {
  const std::string text = FormatReport(Example(), ReportFormat::kCsv);
  EXPECT_THAT(
      text,
      HasSubstr(",migration_extra_cycles,workload,xmmu,"
                "guest_memory_bytes,quantum_ops,fault_around_pages,"
                "flush_ceiling_pages,reclaim,migration.rounds,"
                "migration.every_ops,trace_sha1,command_line,thp,large_pages,"
                "region.skip,region.warmup,region.operations,"
                "region.interval,operations,host_bytes\n"));
  EXPECT_THAT(text, HasSubstr(",\"fork:pages=1,times=2\",9.9.9,67108864,1000,"
                              "1,0,none,,,,,never,1,,,,,0,0\n"));
}

}  // namespace
}  // namespace xmmu::report_test
