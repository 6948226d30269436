#include "xmmu/report/page.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/text.h"
#include "report/json.h"
#include "report/page/chart_data.h"
#include "report/page/embedded.h"
#include "report/page/html.h"
#include "xmmu/sim/results.h"

namespace xmmu {
namespace {

// More lines of data make a page that browsers are slow with; assumed.
constexpr size_t kMostDataLines = 500;

// `file` as a source in a policy: CSP Level 3, 2.3.1, hash-source.
std::string HashSource(const EmbeddedFile& file) {
  return absl::StrCat(
      "'sha256-", absl::Base64Escape(absl::HexStringToBytes(Abs(file.sha256))),
      "'");
}

std::string Policy() {
  std::string scripts = HashSource(kEmbeddedScript);
  if (PagesHaveCharts()) {
    absl::StrAppend(&scripts, " ", HashSource(kEmbeddedChartJs));
  }
  return absl::StrCat(
      "default-src 'none'; base-uri 'none'; form-action "
      "'none'; script-src ",
      scripts, "; style-src ", HashSource(kEmbeddedStyle));
}

std::string Head(const std::string& title) {
  return absl::StrCat(
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"",
      Policy(),
      "\">\n<meta name=\"viewport\" content=\"width=device-width, "
      "initial-scale=1\">\n<meta name=\"generator\" content=\"xmmu ",
      Abs(Version()), "\">\n<title>", Html(title), "</title>\n<style>",
      Abs(kEmbeddedStyle.text()), "</style>\n</head>\n<body>\n");
}

// Splits what stands before a table: its last line, unless that is empty, is
// the table's caption.
std::pair<std::string_view, std::string_view> SplitCaption(
    std::string_view text) {
  if (!text.ends_with('\n')) return {text, ""};
  const std::string_view lines = text.substr(0, text.size() - 1);
  const size_t feed = lines.rfind('\n');
  const size_t last = feed == std::string_view::npos ? 0 : feed + 1;
  return {lines.substr(0, last), lines.substr(last)};
}

std::string Paragraph(std::string_view text) {
  while (text.ends_with('\n')) text.remove_suffix(1);
  while (text.starts_with('\n')) text.remove_prefix(1);
  if (text.empty()) return "";
  return absl::StrCat("<pre>", Html(text), "</pre>\n");
}

// Rows of an outline with a smaller depth are open at first; assumed.
constexpr size_t kOpenSteps = 2;

// What stands before block `i`, if it is text.
std::string_view TextBefore(const Document& document, size_t i) {
  if (i == 0) return "";
  const auto* text = std::get_if<std::string>(&document.text[i - 1]);
  return text == nullptr ? std::string_view() : std::string_view(*text);
}

std::string BlockHtml(const Document& document, size_t i,
                      const Meanings& meanings) {
  const Document::Block& block = document.text[i];
  const std::string_view caption = SplitCaption(TextBefore(document, i)).second;
  if (const auto* table = std::get_if<TextTable>(&block)) {
    return HtmlTable(*table, caption, meanings);
  }
  if (const auto* outline = std::get_if<Outline>(&block)) {
    return HtmlOutline(*outline, caption, kOpenSteps, meanings);
  }
  const std::string_view text = std::get<std::string>(block);
  const bool captions =
      i + 1 < document.text.size() &&
      !std::holds_alternative<std::string>(document.text[i + 1]);
  return Paragraph(captions ? SplitCaption(text).first : text);
}

std::string Tables(const Document& document) {
  const Meanings meanings = MeaningsOf(document.legend);
  std::string html = "<section id=\"tables\">\n<h2>Tables</h2>\n";
  for (size_t i = 0; i < document.text.size(); ++i) {
    html += BlockHtml(document, i, meanings);
  }
  return html + "</section>\n";
}

// What the marks of a chart stand for.
std::string Notes(const Chart& chart) {
  std::string items;
  for (const ChartMark& mark : chart.marks) {
    if (mark.note.empty()) continue;
    absl::StrAppend(&items, "<li>", Html(mark.note), "</li>\n");
  }
  if (items.empty()) return "";
  return absl::StrCat(
      "<details>\n<summary>Dashed lines; &lt; stands for "
      "cheaper</summary>\n<ul>\n",
      items, "</ul>\n</details>\n");
}

std::string Figure(const Chart& chart, size_t number) {
  const std::string shares = chart.as_shares
                                 ? "<button type=\"button\" "
                                   "aria-pressed=\"false\">as shares</button>\n"
                                 : "";
  return absl::StrCat(
      "<figure data-chart=\"", number, "\">\n<figcaption><strong>",
      Html(chart.title), "</strong>", Html(chart.help), "</figcaption>\n",
      shares, "<div class=\"canvas\"><canvas role=\"img\" aria-label=\"",
      Html(chart.title), "; the tables have its figures\"></canvas></div>\n",
      Notes(chart), "</figure>\n");
}

std::string Charts(const Document& document) {
  if (document.charts.empty()) return "";
  if (!PagesHaveCharts()) {
    return "<section id=\"charts\">\n<h2>Charts</h2>\n<p "
           "class=\"missing\">There "
           "are no charts: this xmmu was built without Chart.js (Debian: "
           "libjs-chart.js).</p>\n</section>\n";
  }
  std::string html =
      "<section id=\"charts\" class=\"needs-script\">\n<h2>Charts</h2>\n";
  for (size_t i = 0; i < document.charts.size(); ++i) {
    html += Figure(document.charts[i], i);
  }
  return html + "</section>\n";
}

std::string Words(const Document& document) {
  const std::string legend = HtmlLegend(document.legend);
  if (legend.empty()) return "";
  return absl::StrCat(
      "<section id=\"words\">\n<h2>Words</h2>\n<details>\n"
      "<summary>What columns and words mean</summary>\n",
      legend, "</details>\n</section>\n");
}

std::string Data(const Document& document) {
  const Table& table = document.table;
  if (table.columns.empty()) return "";
  std::string note;
  if (table.lines.size() > kMostDataLines) {
    note = absl::StrCat("<p>These are the first ", kMostDataLines, " of ",
                        table.lines.size(),
                        " lines; the CSV has all of them.</p>\n");
  }
  return absl::StrCat(
      "<section id=\"data\">\n<h2>Data</h2>\n<details>\n"
      "<summary>All ",
      table.columns.size(), " columns, ", table.lines.size(),
      " lines</summary>\n", note, HtmlData(table, kMostDataLines),
      "</details>\n</section>\n");
}

std::string SaveButton(std::string_view file, std::string_view type,
                       std::string_view words) {
  return absl::StrCat("<button type=\"button\" data-file=\"", Abs(file),
                      "\" data-type=\"", Abs(type), "\" data-name=\"xmmu.",
                      Abs(file), "\">", Abs(words), "</button>\n");
}

std::string Again(const Document& document) {
  std::string html = "<section id=\"again\">\n<h2>Run this again</h2>\n";
  for (const Document::Fact& fact : document.again) {
    const bool long_text = fact.text.find('\n') != std::string::npos;
    const std::string text = absl::StrCat("<pre>", Html(fact.text), "</pre>\n");
    absl::StrAppend(
        &html, long_text
                   ? absl::StrCat("<details>\n<summary>", Html(fact.name),
                                  "</summary>\n", text, "</details>\n")
                   : absl::StrCat("<h3>", Html(fact.name), "</h3>\n", text));
  }
  return absl::StrCat(html, "<div class=\"needs-script\">\n",
                      SaveButton("json", "application/json", "Save JSON"),
                      SaveButton("csv", "text/csv", "Save CSV"),
                      "</div>\n</section>\n");
}

// JSON within an element of a script: HTML ends that at "</script", and changes
// its mind at "<!--" (HTML, 4.12.1.3).
std::string DataElement(std::string_view id, const std::string& json) {
  return absl::StrCat("<script type=\"application/json\" id=\"", Abs(id), "\">",
                      absl::StrReplaceAll(json, {{"<", "\\u003c"}}),
                      "</script>\n");
}

std::string Scripts(const Document& document) {
  const Record files = {
      {{"json", "", "", Cell(Render(document, ReportFormat::kJson))},
       {"csv", "", "", Cell(Render(document, ReportFormat::kCsv))}}};
  std::string html = absl::StrCat(
      DataElement("chart-data", JsonText(ChartRecords(document.charts))),
      DataElement("files", JsonText(files)));
  if (PagesHaveCharts()) {
    absl::StrAppend(&html, "<script>", Abs(kEmbeddedChartJs.text()),
                    "</script>\n");
  }
  return absl::StrCat(html, "<script>", Abs(kEmbeddedScript.text()),
                      "</script>\n");
}

}  // namespace

bool PagesHaveCharts() { return kEmbeddedChartJs.there(); }

std::string RenderPage(const Document& document, const std::string& title) {
  return absl::StrCat(
      Head(title), "<header>\n<h1>", Html(title), "</h1>\n</header>\n<main>\n",
      Tables(document), Charts(document), Words(document), Data(document),
      Again(document), "</main>\n", Scripts(document), "</body>\n</html>\n");
}

}  // namespace xmmu
