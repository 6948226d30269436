#include "report/page/html.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "base/printable.h"
#include "base/text.h"

namespace xmmu {
namespace {

// A term's unit and meaning, as one sentence.
std::string MeaningOf(const Term& term) {
  if (term.unit.empty()) return term.help;
  return absl::StrCat(term.help, " (", term.unit, ")");
}

// A cell: `element` is "th" with a scope, or "td".
std::string CellOf(std::string_view element, std::string_view attributes,
                   std::string_view text, const Meanings* meanings) {
  std::string inner = Html(text);
  if (meanings != nullptr) {
    const auto meaning = meanings->find(text);
    if (meaning != meanings->end()) {
      inner = absl::StrCat("<span title=\"", Html(meaning->second), "\">",
                           inner, "</span>");
    }
  }
  return absl::StrCat("<", Abs(element), Abs(attributes), ">", inner, "</",
                      Abs(element), ">");
}

// What stands over a column: the cells of all rows of the header as one. A line
// that ends in "-" goes on without a blank, as in "emu-" above "lated".
std::string HeaderOf(const TextTable& table, size_t rows, size_t column) {
  std::string header;
  for (size_t r = 0; r < rows; ++r) {
    const std::string& cell = table.rows()[r][column];
    if (cell.empty()) continue;
    if (header.ends_with('-')) {
      header.pop_back();
    } else if (!header.empty()) {
      header += ' ';
    }
    header += cell;
  }
  return header;
}

std::string HeadOf(const TextTable& table, size_t rows,
                   const Meanings& meanings) {
  std::string html = "<thead><tr>";
  for (size_t i = 0; i < table.rows().front().size(); ++i) {
    const bool left = i < table.left();
    absl::StrAppend(
        &html,
        CellOf("th", left ? " scope=\"col\" class=\"left\"" : " scope=\"col\"",
               HeaderOf(table, rows, i), &meanings));
  }
  return html + "</tr></thead>\n";
}

std::string RowOf(const TextTable& table, size_t row,
                  const Meanings& meanings) {
  const std::vector<std::string>& cells = table.rows()[row];
  std::string html = "<tr>";
  for (size_t i = 0; i < cells.size(); ++i) {
    if (i == 0) {
      html +=
          CellOf("th", " scope=\"row\" class=\"left\"", cells[i], &meanings);
    } else if (i < table.left()) {
      html += CellOf("td", " class=\"left\"", cells[i], &meanings);
    } else {
      html += CellOf("td", "", cells[i], nullptr);
    }
  }
  return html + "</tr>\n";
}

// `text` as HTML; what it means, if that is known, as a tooltip.
std::string Explained(std::string_view text, const Meanings& meanings) {
  const auto meaning = meanings.find(text);
  if (meaning == meanings.end()) return Html(text);
  return absl::StrCat("<span title=\"", Html(meaning->second), "\">",
                      Html(text), "</span>");
}

// The cells of a row of an outline, in `element`.
std::string OutlineRow(const Outline& outline,
                       const std::vector<std::string>& cells,
                       absl::string_view element, const Meanings& meanings) {
  std::string html = absl::StrCat("<", element, " class=\"row\">");
  for (size_t i = 0; i < cells.size(); ++i) {
    absl::StrAppend(
        &html, outline.IsLeft(i) ? "<span class=\"left\">" : "<span>",
        outline.IsLeft(i) ? Explained(cells[i], meanings) : Html(cells[i]),
        "</span>");
  }
  return absl::StrCat(html, "</", element, ">\n");
}

}  // namespace

std::string Html(std::string_view text) {
  std::string html;
  for (const char c : PrintableLines(text)) {
    switch (c) {
      case '&':
        html += "&amp;";
        break;
      case '<':
        html += "&lt;";
        break;
      case '>':
        html += "&gt;";
        break;
      case '"':
        html += "&quot;";
        break;
      default:
        html += c;
    }
  }
  return html;
}

Meanings MeaningsOf(const std::vector<TermGroup>& legend) {
  Meanings meanings;
  for (const TermGroup& group : legend) {
    for (const Term& term : group.terms) {
      meanings.emplace(term.name, MeaningOf(term));
    }
  }
  return meanings;
}

std::string HtmlTable(const TextTable& table, std::string_view caption,
                      const Meanings& meanings) {
  if (table.rows().empty()) return "";
  std::string html = "<div class=\"wide\"><table>\n";
  if (!caption.empty()) {
    absl::StrAppend(&html, "<caption>", Html(caption), "</caption>\n");
  }
  // What is above the first line that is drawn is the header.
  const std::vector<size_t>& rules = table.rules();
  const size_t header = rules.empty() ? 0 : rules.front();
  if (header > 0) html += HeadOf(table, header, meanings);
  html += "<tbody>\n";
  for (size_t r = header; r < table.rows().size(); ++r) {
    const bool rule = std::find(rules.begin(), rules.end(), r) != rules.end();
    if (r > header && rule) html += "</tbody>\n<tbody>\n";
    html += RowOf(table, r, meanings);
  }
  return html + "</tbody>\n</table></div>\n";
}

std::string HtmlOutline(const Outline& outline, std::string_view caption,
                        size_t open, const Meanings& meanings) {
  std::string html = "<div class=\"wide\"><div class=\"outline\">\n";
  if (!caption.empty()) {
    absl::StrAppend(&html, "<div class=\"title\">", Html(caption), "</div>\n");
  }
  html += OutlineRow(outline, outline.head(), "header", meanings);
  size_t unfolded = 0;  // rows that are not closed yet
  for (size_t i = 0; i < outline.rows().size(); ++i) {
    const Outline::Row& row = outline.rows()[i];
    for (; unfolded > row.depth; --unfolded) html += "</details>\n";
    if (outline.HasRows(i)) {
      absl::StrAppend(&html, row.depth < open ? "<details open>" : "<details>",
                      OutlineRow(outline, row.cells, "summary", meanings));
      ++unfolded;
    } else {
      html += OutlineRow(outline, row.cells, "div", meanings);
    }
  }
  for (; unfolded > 0; --unfolded) html += "</details>\n";
  return html + "</div></div>\n";
}

std::string HtmlData(const Table& table, size_t most) {
  std::string html = "<div class=\"wide\"><table>\n<thead><tr>";
  for (const Column& column : table.columns) {
    Meanings meaning;
    meaning.emplace(column.key,
                    MeaningOf({column.key, column.unit, column.help}));
    html += CellOf("th", " scope=\"col\"", column.key, &meaning);
  }
  html += "</tr></thead>\n<tbody>\n";
  const size_t lines = std::min(most, table.lines.size());
  for (size_t i = 0; i < lines; ++i) {
    html += "<tr>";
    for (const Cell& cell : table.lines[i]) {
      const bool left = std::holds_alternative<std::string>(cell);
      html +=
          CellOf("td", left ? " class=\"left\"" : "", CellText(cell), nullptr);
    }
    html += "</tr>\n";
  }
  return html + "</tbody>\n</table></div>\n";
}

std::string HtmlLegend(const std::vector<TermGroup>& legend) {
  std::string html;
  for (const TermGroup& group : legend) {
    if (group.terms.empty()) continue;
    absl::StrAppend(&html, "<h3>", Html(group.title), "</h3>\n<dl>\n");
    for (const Term& term : group.terms) {
      absl::StrAppend(&html, "<dt>", Html(term.name), "</dt><dd>",
                      Html(MeaningOf(term)), "</dd>\n");
    }
    html += "</dl>\n";
  }
  return html;
}

}  // namespace xmmu
