#include "xmmu/report/report.h"

#include "report/comparison_fields.h"

namespace xmmu {

Document ComparisonDocument(const Comparison& comparison,
                            const RunIdentity& identity) {
  Document document;
  document.text = ComparisonText(comparison);
  document.table = comparison.options.region.interval.has_value()
                       ? IntervalTable(comparison, identity)
                       : ComparisonTable(comparison, identity);
  document.data = ComparisonRecord(comparison, identity);
  document.json_indent = 2;
  document.legend = ComparisonLegend(comparison);
  return document;
}

std::string FormatReport(const Comparison& comparison, ReportFormat format,
                         const RunIdentity& identity) {
  return Render(ComparisonDocument(comparison, identity), format);
}

}  // namespace xmmu
