#ifndef XMMU_REPORT_DOCUMENT_H_
#define XMMU_REPORT_DOCUMENT_H_

// What a program prints: one result, ready for people and for programs, in each
// of the formats there are. Whoever has a result makes a Document of it;
// Render() is the only thing that knows formats.
//
// Plain values; any thread. Rendering is deterministic and charges nothing.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "xmmu/report/chart.h"
#include "xmmu/report/outline.h"
#include "xmmu/report/records.h"
#include "xmmu/report/text_table.h"

namespace xmmu {

// The formats there are: X(enumerator, name, renderer). A renderer is a
// function in a file of its own in lib/report/, see lib/report/renderers.h.
#define XMMU_REPORT_FORMATS(X) \
  X(kText, "text", RenderText) \
  X(kJson, "json", RenderJson) \
  X(kCsv, "csv", RenderCsv)

enum class ReportFormat : uint8_t {
#define XMMU_ENUM(id, name, renderer) id,
  XMMU_REPORT_FORMATS(XMMU_ENUM)
#undef XMMU_ENUM
};

// "text", "json", "csv".
std::string_view ReportFormatName(ReportFormat format);
std::optional<ReportFormat> ParseReportFormat(std::string_view name);
std::span<const ReportFormat> AllReportFormats();

// A word of a report and what it means: a column, a component, a mark, a value
// of an option.
struct Term {
  std::string name;
  std::string unit;  // empty where there is none
  std::string help;  // one sentence
};
struct TermGroup {
  std::string title;  // "columns"
  std::vector<Term> terms;
};

struct Document {
  // For people: paragraphs that are ready, tables and outlines. Each paragraph
  // ends in a newline, an empty line between two blocks is a part of one of them.
  using Block = std::variant<std::string, TextTable, Outline>;
  std::vector<Block> text;

  // CSV renders this.
  Table table;

  // JSON renders this object, or list of objects.
  std::variant<Record, std::vector<Record>> data;
  int json_indent = 1;  // blanks a step

  // Every word in `text` that is not plain English, see Legend().
  std::vector<TermGroup> legend;

  // For pages, see xmmu/report/page.h: figures that show what the tables say.
  std::vector<Chart> charts;

  // What it takes to get the same again, for pages: the command, the machine as
  // a file, the hash of the trace. JSON says it in keys of its own.
  struct Fact {
    std::string name;
    std::string text;  // of one line or several
  };
  std::vector<Fact> again;
};

// `document` in `format`, ending in a newline.
//   kText  the blocks of `text`; nothing in them that a terminal obeys
//   kJson  `data`; bytes that are no UTF-8 become U+FFFD, as JSON has no others
//   kCsv   `table` with a header (RFC 4180); bytes stay what they are
std::string Render(const Document& document, ReportFormat format);

// What the words of a text report mean, a line each, by group, ending in a
// newline; empty if the document has none.
std::string Legend(const Document& document);

}  // namespace xmmu

#endif  // XMMU_REPORT_DOCUMENT_H_
