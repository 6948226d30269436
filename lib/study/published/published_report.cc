#include <cmath>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "base/text.h"
#include "report/json.h"
#include "report/text_table.h"
#include "study/published/published.h"

namespace xmmu {
namespace {

using Json = nlohmann::ordered_json;

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

// For machines to read: the same digits everywhere.
std::string Exact(const std::optional<double>& value) {
  return value.has_value() ? absl::StrFormat("%.4f", *value) : "";
}

std::vector<std::string> UpperHead(const PublishedTable& table) {
  std::vector<std::string> head = {"", ""};
  for (const std::string& column : table.columns) {
    head.insert(head.end(), {column, "", ""});
  }
  return head;
}

std::string TableOf(const PublishedTable& table) {
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
  return text.Format();
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

Json JsonOf(const std::optional<double>& value) {
  // Through text, so that no digit depends on how it was come by.
  return value.has_value() ? Json(std::stod(Exact(value))) : Json();
}

}  // namespace

std::string FormatPublishedText(const std::vector<PublishedTable>& tables) {
  std::string text;
  for (const PublishedTable& table : tables) {
    absl::StrAppend(&text, text.empty() ? "" : "\n", table.name, ": ",
                    table.title, "\n\n", TableOf(table), "\n");
    for (const PublishedRow& row : table.rows) {
      if (!row.note.empty()) {
        text += Wrapped(absl::StrCat(row.name, ": ", row.note));
      }
    }
  }
  return text;
}

std::string FormatPublishedCsv(const std::vector<PublishedTable>& tables) {
  std::string text = CsvLine({"table", "row", "unit", "column", "anchor",
                              "theirs", "ours", "gap_percent"});
  for (const PublishedTable& table : tables) {
    for (const PublishedRow& row : table.rows) {
      for (size_t i = 0; i < row.cells.size(); ++i) {
        const PublishedCell& cell = row.cells[i];
        text += CsvLine({table.name, row.name, row.unit, table.columns[i],
                         row.anchor ? "1" : "0", Exact(cell.theirs),
                         Exact(cell.ours), Exact(cell.gap())});
      }
    }
  }
  return text;
}

std::string FormatPublishedJson(const std::vector<PublishedTable>& tables) {
  Json json = Json::array();
  for (const PublishedTable& table : tables) {
    Json rows = Json::array();
    for (const PublishedRow& row : table.rows) {
      Json cells = Json::array();
      for (size_t i = 0; i < row.cells.size(); ++i) {
        const PublishedCell& cell = row.cells[i];
        cells.push_back({{"column", table.columns[i]},
                         {"theirs", JsonOf(cell.theirs)},
                         {"ours", JsonOf(cell.ours)},
                         {"gap_percent", JsonOf(cell.gap())}});
      }
      rows.push_back({{"row", row.name},
                      {"unit", row.unit},
                      {"anchor", row.anchor},
                      {"cells", std::move(cells)},
                      {"note", row.note}});
    }
    json.push_back({{"table", table.name},
                    {"title", table.title},
                    {"rows", std::move(rows)}});
  }
  return JsonText(json, 1);
}

}  // namespace xmmu
