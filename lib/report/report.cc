#include "xmmu/report/report.h"

#include "report/comparison_fields.h"

namespace xmmu {

Document ComparisonDocument(const Comparison& comparison) {
  Document document;
  document.text = ComparisonText(comparison);
  document.table = ComparisonTable(comparison);
  document.data = ComparisonRecord(comparison);
  document.json_indent = 2;
  return document;
}

std::string FormatReport(const Comparison& comparison, ReportFormat format) {
  return Render(ComparisonDocument(comparison), format);
}

}  // namespace xmmu
