#include <cmath>
#include <span>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "base/text.h"
#include "report/field_table.h"
#include "study/published/published.h"
#include "xmmu/report/text_table.h"

namespace xmmu {
namespace {

constexpr size_t kTextWidth = 80;

// Three digits or so.
std::string Number(const std::optional<double>& value) {
  if (!value.has_value()) return "-";
  const double size = std::fabs(*value);
  if (size < 10) return absl::StrFormat("%.2f", *value);
  if (size < 100) return absl::StrFormat("%.1f", *value);
  return absl::StrCat(*value < 0 ? "-" : "",
                      Grouped(static_cast<uint64_t>(std::llround(size))));
}

std::string Percent(const std::optional<double>& value) {
  return value.has_value() ? absl::StrFormat("%+.0f%%", *value) : "-";
}

std::vector<std::string> UpperHead(const PublishedTable& table) {
  std::vector<std::string> head = {"", ""};
  for (const std::string& column : table.columns) {
    head.insert(head.end(), {column, "", ""});
  }
  return head;
}

TextTable FiguresTable(const PublishedTable& table) {
  TextTable text(2);
  text.Add(UpperHead(table));
  std::vector<std::string> head = {"* anchor", "unit"};
  for (size_t i = 0; i < table.columns.size(); ++i) {
    head.insert(head.end(), {"theirs", "ours", "gap"});
  }
  text.Add(std::move(head));
  text.Rule();
  for (const PublishedRow& row : table.rows) {
    std::vector<std::string> cells = {
        absl::StrCat(row.name, row.anchor ? " *" : ""), row.unit};
    for (const PublishedCell& cell : row.cells) {
      cells.insert(cells.end(), {Number(cell.theirs), Number(cell.ours),
                                 Percent(cell.gap())});
    }
    text.Add(std::move(cells));
  }
  return text;
}

// `note` in lines of at most kTextWidth, each but the first indented.
std::string Wrapped(const std::string& note) {
  std::string text;
  std::string line = " ";
  for (const absl::string_view word : absl::StrSplit(note, ' ')) {
    if (line.size() + 1 + word.size() > kTextWidth) {
      absl::StrAppend(&text, line, "\n");
      line = "   ";
    }
    absl::StrAppend(&line, " ", word);
  }
  return absl::StrCat(text, line, "\n");
}

// A cell as programs read it. The number goes through text, so that no digit
// depends on how it was come by.
Cell ExactCell(const std::optional<double>& value) {
  if (!value.has_value()) return {};
  return Real{std::stod(absl::StrFormat("%.4f", *value)), 4};
}

// A cell of a table; `row` and `column` mean nothing in the fields of levels
// below theirs.
struct PublishedLine {
  const PublishedTable& table;
  const PublishedRow* row;
  size_t column;

  const PublishedCell& cell() const { return row->cells[column]; }
};

std::vector<Record> PublishedRows(const PublishedTable& table);
std::vector<Record> PublishedCells(const PublishedLine& line);

constexpr FieldOf<PublishedLine> kPublishedFields[] = {
    {0, "table", "", "name of the table",
     [](const PublishedLine& l) { return l.table.name; }},
    {0, "title", "", "what was measured, on which machine, by which strategy",
     [](const PublishedLine& l) { return l.table.title; }, Shown::kJson},
    {0, "rows", "", "one object for each row of the table",
     [](const PublishedLine& l) { return PublishedRows(l.table); },
     Shown::kJson},
    {1, "row", "", "what was measured",
     [](const PublishedLine& l) { return l.row->name; }},
    {1, "unit", "", "what the figures are counted in",
     [](const PublishedLine& l) { return l.row->unit; }},
    {2, "column", "", "system that it was measured on",
     [](const PublishedLine& l) { return l.table.columns[l.column]; }},
    {1, "anchor", "", "whether constants of the machine were derived from it",
     [](const PublishedLine& l) { return l.row->anchor; }},
    {1, "cells", "", "one object for each column of the table",
     [](const PublishedLine& l) { return PublishedCells(l); }, Shown::kJson},
    {2, "theirs", "", "the published figure",
     [](const PublishedLine& l) { return ExactCell(l.cell().theirs); }},
    {2, "ours", "", "the simulated figure",
     [](const PublishedLine& l) { return ExactCell(l.cell().ours); }},
    {2, "gap_percent", "%", "by how much ours is more than theirs",
     [](const PublishedLine& l) { return ExactCell(l.cell().gap()); }},
    {1, "note", "",
     "what was run, what was published in words, what the model leaves out",
     [](const PublishedLine& l) { return l.row->note; }, Shown::kJson},
};

constexpr std::span<const FieldOf<PublishedLine>> kPublished = kPublishedFields;

std::vector<Record> PublishedRows(const PublishedTable& table) {
  std::vector<Record> records;
  for (const PublishedRow& row : table.rows) {
    records.push_back(RecordOf(kPublished, 1, PublishedLine{table, &row, 0}));
  }
  return records;
}

std::vector<Record> PublishedCells(const PublishedLine& line) {
  std::vector<Record> records;
  for (size_t i = 0; i < line.row->cells.size(); ++i) {
    records.push_back(
        RecordOf(kPublished, 2, PublishedLine{line.table, line.row, i}));
  }
  return records;
}

void AddText(const PublishedTable& table, std::vector<Document::Block>& text) {
  text.emplace_back(absl::StrCat(text.empty() ? "" : "\n", table.name, ": ",
                                 table.title, "\n\n"));
  text.emplace_back(FiguresTable(table));
  std::string notes = "\n";
  for (const PublishedRow& row : table.rows) {
    if (!row.note.empty()) {
      notes += Wrapped(absl::StrCat(row.name, ": ", row.note));
    }
  }
  text.emplace_back(std::move(notes));
}

std::vector<TermGroup> PublishedLegend() {
  return {{"columns",
           {{"*", "", "constants of the machine were derived from this row"},
            {"unit", "", "what the figures of the row are counted in"},
            {"theirs", "", "the published figure; - if there is none"},
            {"ours", "", "the simulated figure; - if it is not simulated"},
            {"gap", "%", "by how much ours is more than theirs"}}}};
}

}  // namespace

Document PublishedDocument(const std::vector<PublishedTable>& tables) {
  Document document;
  std::vector<Record> records;
  std::vector<PublishedLine> lines;
  for (const PublishedTable& table : tables) {
    AddText(table, document.text);
    document.charts.push_back(PublishedChart(table));
    records.push_back(
        RecordOf(kPublished, 0, PublishedLine{table, nullptr, 0}));
    for (const PublishedRow& row : table.rows) {
      for (size_t i = 0; i < row.cells.size(); ++i) {
        lines.push_back({table, &row, i});
      }
    }
  }
  document.legend = PublishedLegend();
  document.table = TableOf<PublishedLine>(kPublished, lines);
  document.data = std::move(records);
  return document;
}

}  // namespace xmmu
