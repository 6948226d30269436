#include "xmmu/report/document.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "base/printable.h"
#include "base/text.h"
#include "report/renderers.h"

namespace xmmu {
namespace {

struct FormatRow {
  ReportFormat format;
  std::string_view name;
  std::string (*render)(const Document& document);
};

// Rows are indexed by ReportFormat.
constexpr FormatRow kFormatRows[] = {
#define XMMU_ROW(id, name, renderer) {ReportFormat::id, name, &renderer},
    XMMU_REPORT_FORMATS(XMMU_ROW)
#undef XMMU_ROW
};

constexpr ReportFormat kFormats[] = {
#define XMMU_ROW(id, name, renderer) ReportFormat::id,
    XMMU_REPORT_FORMATS(XMMU_ROW)
#undef XMMU_ROW
};

const FormatRow& RowOf(ReportFormat format) {
  return kFormatRows[static_cast<size_t>(format)];
}

// The name of `term` as a legend has it, with its unit in brackets.
std::string TermName(const Term& term) {
  if (term.unit.empty()) return term.name;
  return absl::StrCat(term.name, " (", term.unit, ")");
}

}  // namespace

std::string_view ReportFormatName(ReportFormat format) {
  return RowOf(format).name;
}

std::optional<ReportFormat> ParseReportFormat(std::string_view name) {
  for (const FormatRow& row : kFormatRows) {
    if (row.name == name) return row.format;
  }
  return std::nullopt;
}

std::span<const ReportFormat> AllReportFormats() { return kFormats; }

std::string Render(const Document& document, ReportFormat format) {
  return RowOf(format).render(document);
}

std::string Legend(const Document& document) {
  std::string text;
  for (const TermGroup& group : document.legend) {
    if (group.terms.empty()) continue;
    absl::StrAppend(&text, text.empty() ? "" : "\n", group.title, "\n");
    size_t width = 0;
    for (const Term& term : group.terms) {
      width = std::max(width, Printable(TermName(term)).size());
    }
    for (const Term& term : group.terms) {
      const std::string name = Printable(TermName(term));
      absl::StrAppend(&text, "  ", name, std::string(width - name.size(), ' '),
                      "  ", Printable(term.help), "\n");
    }
  }
  return text;
}

}  // namespace xmmu
