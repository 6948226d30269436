// What differs between two reports, as a document.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/printable.h"
#include "base/text.h"
#include "report/field_table.h"
#include "xmmu/report/report_diff.h"
#include "xmmu/report/text_table.h"

namespace xmmu {
namespace {

// More lines are for programs; assumed.
constexpr size_t kMostShown = 40;
constexpr size_t kMostRows = 200;
constexpr size_t kWidestCell = 40;
constexpr int kDecimals = 6;
// What everybody wants to know of a row stands first.
constexpr std::string_view kCycles = "cycles";

std::string ShownText(const Cell& cell) {
  if (const auto* number = std::get_if<uint64_t>(&cell)) {
    return Grouped(*number);
  }
  if (const auto* real = std::get_if<Real>(&cell)) {
    return absl::StrFormat("%.6g", real->value);
  }
  if (const auto* truth = std::get_if<bool>(&cell)) {
    return *truth ? "true" : "false";
  }
  std::string text = Printable(CellText(cell));
  if (text.size() > kWidestCell) {
    text.resize(kWidestCell - 3);
    text += "...";
  }
  return text.empty() ? "-" : text;
}

std::string SignedText(double number) {
  const double size = std::abs(number);
  const bool whole = size == std::floor(size) && size < 1e15;
  return absl::StrCat(number < 0 ? "-" : "+",
                      whole ? Grouped(static_cast<uint64_t>(size))
                            : absl::StrFormat("%.6g", size));
}

std::string PercentText(const ReportDifference& difference) {
  if (!difference.percent.has_value()) return "-";
  return absl::StrFormat("%+.2f", *difference.percent);
}

std::vector<std::string> CellsOf(const ReportDifference& difference) {
  return {ShownText(difference.a), ShownText(difference.b),
          difference.difference.has_value() ? SignedText(*difference.difference)
                                            : "-",
          PercentText(difference)};
}

TextTable SettingsTable(const ReportDiff& diff) {
  TextTable table(3);
  table.Add({"made with", "A", "B"});
  table.Rule();
  for (const ReportDifference& setting : diff.settings) {
    std::string name = setting.key;
    if (!setting.where.empty()) name = setting.where + ": " + name;
    table.Add({name, ShownText(setting.a), ShownText(setting.b)});
  }
  return table;
}

TextTable DifferenceTable(
    const std::vector<const ReportDifference*>& differences, bool keys) {
  TextTable table(keys ? 2 : 1);
  std::vector<std::string> head = {"of", "A", "B", "difference", "%"};
  if (keys) head.insert(head.begin() + 1, "value");
  table.Add(std::move(head));
  table.Rule();
  for (const ReportDifference* difference : differences) {
    std::vector<std::string> cells = {Printable(difference->where)};
    if (keys) cells.push_back(Printable(difference->key));
    for (std::string& cell : CellsOf(*difference)) {
      cells.push_back(std::move(cell));
    }
    table.Add(std::move(cells));
  }
  return table;
}

// How far a result has moved, to put the furthest first: what has no percent has
// moved furthest of all.
double SizeOf(const ReportDifference& difference) {
  return difference.percent.has_value() ? std::abs(*difference.percent)
                                        : HUGE_VAL;
}

// Leaves the first `most` of `differences`, and says how many others there are.
std::string Cut(size_t most,
                std::vector<const ReportDifference*>& differences) {
  if (differences.size() <= most) return "";
  const size_t left = differences.size() - most;
  differences.resize(most);
  return absl::StrCat(" (", left, " more in JSON and CSV)");
}

std::string OnlyLines(std::string_view side,
                      const std::vector<std::string>& what) {
  if (what.empty()) return "";
  std::string text =
      absl::StrCat("\nonly in ", Abs(side), ": ", what.size(), "\n");
  for (size_t i = 0; i < std::min(what.size(), kMostShown); ++i) {
    absl::StrAppend(&text, "  ", Printable(what[i]), "\n");
  }
  if (what.size() > kMostShown) {
    absl::StrAppend(&text, "  and ", what.size() - kMostShown, " more\n");
  }
  return text;
}

std::string Heading(const ReportDiff& diff) {
  const uint64_t moved = diff.moved();
  return absl::StrCat("A  ", Printable(diff.name_a), "\nB  ",
                      Printable(diff.name_b), "\n", Grouped(diff.compared),
                      " results in both, ", Grouped(diff.results.size()),
                      " differ, ", Grouped(moved), " by more than ",
                      absl::StrFormat("%g", diff.tolerance), "%\n",
                      diff.same() ? "the same\n" : "NOT the same\n");
}

void AddTexts(const ReportDiff& diff, std::vector<Document::Block>& text) {
  text.emplace_back(Heading(diff));
  if (!diff.settings.empty()) {
    text.emplace_back("\n");
    text.emplace_back(SettingsTable(diff));
  }
  std::vector<const ReportDifference*> cycles;
  std::vector<const ReportDifference*> others;
  for (const ReportDifference& result : diff.results) {
    if (!result.moved) continue;
    (result.key == kCycles ? cycles : others).push_back(&result);
  }
  if (!cycles.empty()) {
    text.emplace_back(absl::StrCat("\ncycles", Cut(kMostRows, cycles), "\n"));
    text.emplace_back(DifferenceTable(cycles, /*keys=*/false));
  }
  if (!others.empty()) {
    std::stable_sort(others.begin(), others.end(),
                     [](const ReportDifference* a, const ReportDifference* b) {
                       return SizeOf(*a) > SizeOf(*b);
                     });
    const std::string cut = Cut(kMostShown, others);
    text.emplace_back(absl::StrCat("\nother results that have moved",
                                   cut.empty() ? "" : ", the furthest first",
                                   cut, "\n"));
    text.emplace_back(DifferenceTable(others, /*keys=*/true));
  }
  text.emplace_back(OnlyLines("A", diff.only_a) + OnlyLines("B", diff.only_b));
}

Value RealValue(const std::optional<double>& number) {
  if (!number.has_value()) return Cell();
  return Cell(Real{*number, kDecimals});
}

constexpr FieldOf<ReportDifference> kDiffFields[] = {
    {0, "where", "", "objects of lists that the value is in",
     [](const ReportDifference& d) { return d.where; }},
    {0, "value", "", "its key",
     [](const ReportDifference& d) { return d.key; }},
    {0, "a", "", "value in A",
     [](const ReportDifference& d) { return AsValue(d.a); }},
    {0, "b", "", "value in B",
     [](const ReportDifference& d) { return AsValue(d.b); }},
    {0, "difference", "", "B less A",
     [](const ReportDifference& d) { return RealValue(d.difference); }},
    {0, "percent", "%", "B less A, in percent of A",
     [](const ReportDifference& d) { return RealValue(d.percent); }},
    {0, "moved", "", "whether it is more than what is tolerated",
     [](const ReportDifference& d) { return d.moved; }},
};

std::vector<Record> RecordsOf(
    const std::vector<ReportDifference>& differences) {
  std::vector<Record> records;
  for (const ReportDifference& difference : differences) {
    records.push_back(RecordOf<ReportDifference>(kDiffFields, 0, difference));
  }
  return records;
}

std::vector<Cell> TextCells(const std::vector<std::string>& texts) {
  return {texts.begin(), texts.end()};
}

Record DataOf(const ReportDiff& diff) {
  return {
      {{"a", "", "file of A", Cell(diff.name_a)},
       {"b", "", "file of B", Cell(diff.name_b)},
       {"tolerance", "%", "what a number may move", RealValue(diff.tolerance)},
       {"compared", "values", "results that both have", Cell(diff.compared)},
       {"moved", "values", "results that differ by more than is tolerated",
        Cell(diff.moved())},
       {"same", "", "whether nothing has moved, and no side lacks any",
        Cell(diff.same())},
       {"settings", "", "what differs in how the two were made",
        RecordsOf(diff.settings)},
       {"results", "", "results that differ", RecordsOf(diff.results)},
       {"only_a", "", "results that B lacks", TextCells(diff.only_a)},
       {"only_b", "", "results that A lacks", TextCells(diff.only_b)}}};
}

// The cycles of each row, in percent of A's.
std::vector<Chart> ChartsOf(const ReportDiff& diff) {
  Chart chart;
  chart.kind = ChartKind::kDots;
  chart.title = "Cycles of B, in percent more than A's";
  chart.help = "Of each row that both have and that differs.";
  chart.y.title = "%";
  ChartSeries series = {"cycles", "", {}};
  for (const ReportDifference& result : diff.results) {
    if (result.key != kCycles || !result.percent.has_value()) continue;
    series.points.push_back(
        {.x = static_cast<double>(series.points.size()), .y = *result.percent});
    chart.categories.push_back(result.where);
  }
  if (series.points.empty()) return {};
  chart.series.push_back(std::move(series));
  chart.marks.push_back({0, "the same"});
  return {std::move(chart)};
}

}  // namespace

Document DiffDocument(const ReportDiff& diff) {
  Document document;
  AddTexts(diff, document.text);
  document.table = TableOf<ReportDifference>(kDiffFields, diff.results);
  document.data = DataOf(diff);
  document.legend = {
      {"columns",
       {{"of", "", "rows, ways or other objects that the value is in"},
        {"value", "", "its key in the JSON of the reports"},
        {"difference", "", "B less A"},
        {"%", "", "that in percent of A; - where A is 0 or no number"}}}};
  document.charts = ChartsOf(diff);
  return document;
}

}  // namespace xmmu
