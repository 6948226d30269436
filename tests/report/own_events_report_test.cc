// What reports show beside what every comparison has: a policy's own figures and
// events, and the legend.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "report/example_comparison.h"
#include "xmmu/report/document.h"
#include "xmmu/report/report.h"

namespace xmmu::own_events_report_test {
namespace {

using Json = nlohmann::ordered_json;
using ::testing::HasSubstr;
using ::testing::Not;

// A policy that counts and prices something of its own.
Comparison ExampleWithOwnEvents() {
  Comparison comparison = Example();
  ReportRow& row = comparison.rows[1];
  row.figures = {
      {"flips", "times", "how often it changed its mind", uint64_t{7}},
      {"share", "", "share of the time it was right", 0.25}};
  row.own_events = {{{.name = "change-of-mind",
                      .help = "one change of mind",
                      .component = Component::kEmulation,
                      .price = 100,
                      .mark = Mark::kMeasured,
                      .source = "assumed: for this test"},
                     7,
                     Cycles(700)}};
  return comparison;
}

TEST(OwnEventsReportTest, TextJsonAndCsvShowWhatAPolicyHasOfItsOwn) {
  const Comparison comparison = ExampleWithOwnEvents();
  EXPECT_THAT(FormatReport(comparison, ReportFormat::kText), HasSubstr(R"(
of the policies' own
  row        name            count  unit   cycles  component  mark      meaning
  ----------------------------------------------------------------------------------------------------
  2 pinning  change-of-mind  7             700     emulation  measured  one change of mind
  2 pinning  flips           7      times                               how often it changed its mind
  2 pinning  share           0.25                                       share of the time it was right
)"));
  const Json json = Json::parse(FormatReport(comparison, ReportFormat::kJson));
  EXPECT_FALSE(json["rows"][0].contains("own_events"));
  const Json& row = json["rows"][1];
  EXPECT_EQ(row["figures"].dump(), R"({"flips":7,"share":0.25})");
  EXPECT_EQ(row["own_events"]["change-of-mind"].dump(),
            R"({"count":7,"cycles":700,"component":"emulation","price":100,)"
            R"("mark":"measured","source":"assumed: for this test"})");
  const std::string csv = FormatReport(comparison, ReportFormat::kCsv);
  EXPECT_THAT(csv, HasSubstr(",figures_flips,figures_share,"
                             "own_events_change-of-mind_count,"
                             "own_events_change-of-mind_cycles,"
                             "own_events_change-of-mind_component,"
                             "own_events_change-of-mind_price,"
                             "own_events_change-of-mind_mark,"
                             "own_events_change-of-mind_source\n"));
  EXPECT_THAT(csv, HasSubstr(",,,,,,,,\n"));  // of bare hardware: none
  EXPECT_THAT(csv, HasSubstr(",7,0.250000,7,700,emulation,100,measured,"
                             "assumed: for this test\n"));
}

TEST(LegendTest, ItHasAllThatTheTextShows) {
  const std::string legend = Legend(ComparisonDocument(Example()));
  EXPECT_THAT(legend, HasSubstr("\n  x native     cycles as a multiple of"));
  EXPECT_THAT(legend, HasSubstr("\n  emulated     instructions of a"));
  EXPECT_THAT(legend, HasSubstr("\npolicies\n  native   "));
  EXPECT_THAT(legend, HasSubstr("\nguest ops\n  stores  "));
  EXPECT_THAT(legend, HasSubstr("\npin\n  late  "));
  EXPECT_THAT(legend, HasSubstr("\n  hypercall (cycles)  hypercall entry"));
  EXPECT_THAT(legend, HasSubstr("\nmarks of prices\n  read  "));
  // Of what is not in the text, nothing.
  EXPECT_THAT(legend, Not(HasSubstr("trap-and-emulate")));
  EXPECT_THAT(legend, Not(HasSubstr("tlb_flush")));
  EXPECT_THAT(legend, Not(HasSubstr("linear maps")));
}

}  // namespace
}  // namespace xmmu::own_events_report_test
