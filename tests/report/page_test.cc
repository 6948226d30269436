#include "xmmu/report/page.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xmmu::page_test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TextTable SmallTable() {
  TextTable table(1);
  table.Add({"", "emu-"});
  table.Add({"policy", "lated"});
  table.Rule();
  table.Add({"native", "1,234"});
  table.Rule();
  table.Add({"pinning", "5"});
  return table;
}

Document SmallDocument() {
  Document document;
  document.text = {std::string("xmmu\n\na caption\n"), SmallTable(),
                   std::string("\nwords\n")};
  document.table = {{{"policy", "", "strategy"}}, {{Cell(std::string("a"))}}};
  document.data = Record{{{"policy", "", "strategy", Cell(std::string("a"))}}};
  document.legend = {{"columns", {{"emulated", "events", "what is emulated"}}}};
  return document;
}

Chart ChartOf(const std::string& title) {
  Chart chart;
  chart.title = title;
  chart.help = title;
  return chart;
}

// How often `part` is in `text`.
size_t Times(const std::string& text, const std::string& part) {
  size_t times = 0;
  for (size_t at = text.find(part); at != std::string::npos;
       at = text.find(part, at + 1)) {
    ++times;
  }
  return times;
}

TEST(PageTest, TablesAreHtmlWithHeaderCaptionAndMeanings) {
  const std::string page = RenderPage(SmallDocument(), "small");
  EXPECT_THAT(page, HasSubstr("<title>small</title>"));
  EXPECT_THAT(page, HasSubstr("<caption>a caption</caption>"));
  EXPECT_THAT(page,
              HasSubstr("<th scope=\"col\"><span title=\"what is emulated "
                        "(events)\">emulated</span></th>"));
  EXPECT_THAT(page, HasSubstr("<th scope=\"row\" class=\"left\">native</th>"
                              "<td>1,234</td>"));
  EXPECT_THAT(page, HasSubstr("<pre>xmmu</pre>"));
  EXPECT_THAT(page, HasSubstr("<pre>words</pre>"));
  // A line that is drawn begins a body of its own: two of this table, and that
  // of the data.
  EXPECT_EQ(Times(page, "<tbody>"), 3);
}

TEST(PageTest, NothingThatOthersHaveWrittenIsMarkup) {
  const std::string evil = "</script><img src=x onerror=\"alert(1)\">&";
  Document document = SmallDocument();
  document.text.insert(document.text.begin(), evil + "\n");
  TextTable table(1);
  table.Add({evil});
  document.text.emplace_back(table);
  document.table.lines.push_back({Cell(evil)});
  document.data = Record{{{"evil", "", "evil", Cell(evil)}}};
  document.legend[0].terms.push_back({evil, "", evil});
  document.charts.push_back(ChartOf(evil));
  document.charts[0].series.push_back({evil, evil, {{.note = evil}}});
  document.charts[0].marks.push_back({1, evil, evil});
  document.again.push_back({evil, evil});
  const std::string page = RenderPage(document, evil);
  EXPECT_EQ(Times(page, "<img"), 0);
  EXPECT_EQ(Times(page, "<script"), Times(page, "</script>"));
  // Two of data, the page's own, and Chart.js.
  EXPECT_EQ(Times(page, "</script>"), PagesHaveCharts() ? 4 : 3);
}

TEST(PageTest, ThePolicyNamesEveryScriptByItsHashAndForbidsTheRest) {
  const std::string page = RenderPage(SmallDocument(), "small");
  EXPECT_THAT(page,
              HasSubstr("default-src 'none'; base-uri 'none'; form-action "
                        "'none'; script-src 'sha256-"));
  EXPECT_THAT(page, HasSubstr("; style-src 'sha256-"));
  EXPECT_EQ(Times(page, "'sha256-"), PagesHaveCharts() ? 3 : 2);
  EXPECT_THAT(page, Not(HasSubstr("unsafe")));
  EXPECT_THAT(page, Not(HasSubstr(" style=\"")));
}

TEST(PageTest, WithoutChartsThereIsNoSectionForThem) {
  Document document = SmallDocument();
  EXPECT_THAT(RenderPage(document, "small"), Not(HasSubstr("id=\"charts\"")));
  document.charts.push_back(ChartOf("cycles"));
  const std::string page = RenderPage(document, "small");
  EXPECT_THAT(page, HasSubstr("id=\"charts\""));
  EXPECT_EQ(Times(page, "built without Chart.js"), PagesHaveCharts() ? 0 : 1);
  EXPECT_EQ(Times(page, "<canvas"), PagesHaveCharts() ? 1 : 0);
}

TEST(PageTest, LongDataIsCutAndSaysSo) {
  Document document = SmallDocument();
  document.table.lines.assign(500, {Cell(uint64_t{7})});
  EXPECT_THAT(RenderPage(document, "small"), Not(HasSubstr("the first")));
  document.table.lines.push_back({Cell(uint64_t{8})});
  const std::string page = RenderPage(document, "small");
  EXPECT_THAT(page, HasSubstr("These are the first 500 of 501 lines"));
  EXPECT_EQ(Times(page, "<td>7</td>"), 500);
  EXPECT_EQ(Times(page, "<td>8</td>"), 0);
}

TEST(PageTest, TheSamePageHasTheSameBytes) {
  EXPECT_EQ(RenderPage(SmallDocument(), "small"),
            RenderPage(SmallDocument(), "small"));
}

}  // namespace
}  // namespace xmmu::page_test
