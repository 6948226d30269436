#include "xmmu/report/report.h"

#include <string>
#include <utility>
#include <variant>

#include "base/printable.h"
#include "report/comparison_fields.h"

namespace xmmu {
namespace {

// Says in a report of a run what the trace lacks.
void AddTrace(const TraceFacts& facts, Document& document) {
  if (facts.faults_only) {
    auto& heading = std::get<std::string>(document.text.front());
    heading.insert(heading.size() - 1,  // before the empty line
                   "note      faults only: the trace has no other accesses, so "
                   "that figures of hits mean nothing\n");
  }
  TermGroup trace{"trace", {}};
  for (const std::string& what : facts.lacks) {
    trace.terms.push_back({"lacks", "", Printable(what)});
  }
  document.legend.push_back(std::move(trace));
}

// What it takes to get the same again, besides the command, which the program
// adds.
void AddAgain(const RunIdentity& identity, Document& document) {
  if (!identity.machine_file.empty()) {
    document.again.push_back({"machine file", identity.machine_file});
  }
  if (!identity.trace_sha1.empty()) {
    document.again.push_back({"SHA-1 of the trace", identity.trace_sha1});
  }
}

Table TableFor(const Comparison& comparison, const RunIdentity& identity) {
  if (comparison.options.region.interval.has_value()) {
    return IntervalTable(comparison, identity);
  }
  return comparison.options.per == Per::kNothing
             ? ComparisonTable(comparison, identity)
             : PartTable(comparison, identity);
}

}  // namespace

Document ComparisonDocument(const Comparison& comparison,
                            const RunIdentity& identity) {
  Document document;
  document.text = ComparisonText(comparison);
  document.table = TableFor(comparison, identity);
  document.data = ComparisonRecord(comparison, identity);
  document.json_indent = 2;
  document.legend = ComparisonLegend(comparison);
  document.charts = ComparisonCharts(comparison);
  AddAgain(identity, document);
  if (identity.trace.has_value()) AddTrace(*identity.trace, document);
  return document;
}

std::string FormatReport(const Comparison& comparison, ReportFormat format,
                         const RunIdentity& identity) {
  return Render(ComparisonDocument(comparison, identity), format);
}

}  // namespace xmmu
