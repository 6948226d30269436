#ifndef XMMU_LIB_REPORT_COMPARISON_FIELDS_H_
#define XMMU_LIB_REPORT_COMPARISON_FIELDS_H_

// What a comparison shows to programs: the table of its fields, from which
// its JSON, its CSV, the dictionary and the legend are made.
//
// Any thread.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "report/field_table.h"
#include "xmmu/report/document.h"
#include "xmmu/report/report.h"
#include "xmmu/sim/results.h"

namespace xmmu {

// One row of a comparison; `row` is null in the fields of level 0, those of the
// comparison itself.
struct ComparisonLine {
  const Comparison& run;
  const RunIdentity& identity;
  const ReportRow* row;
};

// Every column and key there is: the options of a run by RunFields(), which
// rows are told apart by, and results. A column more is a row more in
// comparison_fields.cc.
std::vector<FieldOf<ComparisonLine>> ComparisonFields();

// Text for people: heading, table of rows, and what the cycles were spent on.
std::vector<Document::Block> ComparisonText(const Comparison& comparison);

// The tables of it that have a line a row: results, and what overlap leaves.
TextTable ComparisonRows(const Comparison& comparison);
TextTable OverlapTable(const Comparison& comparison);
// What the words of that text mean.
std::vector<TermGroup> ComparisonLegend(const Comparison& comparison);

// What pages show of it as charts.
std::vector<Chart> ComparisonCharts(const Comparison& comparison);

Record ComparisonRecord(const Comparison& comparison,
                        const RunIdentity& identity);
Table ComparisonTable(const Comparison& comparison,
                      const RunIdentity& identity);

// The series of all rows: a line an interval, which says of itself what was
// run; that of one row; and its fields.
Table IntervalTable(const Comparison& comparison, const RunIdentity& identity);
std::vector<Record> IntervalRecords(const ReportRow& row);
std::vector<FieldInfo> IntervalInfos();
// A line for each that `lines_of` a row has, behind what says of itself what was
// run. The columns of all rows are the same.
Table WithIdentity(const Comparison& comparison, const RunIdentity& identity,
                   absl::FunctionRef<Table(const ReportRow&)> lines_of);

// The same of what each vCPU or task took: see SimulatorOptions::per.
Table PartTable(const Comparison& comparison, const RunIdentity& identity);
// Absent unless the comparison has its rows by `per`.
Value PartsValue(const Comparison& comparison, const ReportRow& row, Per per);
std::vector<FieldInfo> PartInfos();
// Text for people, nothing if it was not asked for: the parts of each row that
// took most.
std::vector<Document::Block> PartText(const Comparison& comparison);
Chart PartChart(const Comparison& comparison);
// Rows as notes and charts name them: "2 pinning/queue/late".
std::vector<std::string> RowNames(const Comparison& comparison);

// Lines of a text report that say what region is measured, and where the series
// is; nothing if there is none.
std::string RegionLines(const Comparison& comparison);
std::string SeriesLine(const Comparison& comparison);

// A field of a record that needs no table of its own.
Field PlainField(std::string key, std::string unit, std::string help,
                 Cell cell);
// A policy's own figures by their names; and its own events, each with what it
// came to and what its price rests on. Absent if it has none.
Value FiguresValue(const ReportRow& row);
Value OwnEventsValue(const ReportRow& row);

// 16 hex digits.
std::string DigestText(uint64_t digest);

// Lines that say which large pages the programs had in each row, or that their
// guest has none; nothing if nobody asked for any.
std::string LargePageLines(const Comparison& comparison);
// Counts by the size of the page: "4k", "2m", "1g"; absent without nested
// tables.
Value NestedPagesValue(const ReportRow& row);

// Reserved and peak bytes by the name of the part.
Record MemoryPartsRecord(const ReportRow& row);

}  // namespace xmmu

#endif  // XMMU_LIB_REPORT_COMPARISON_FIELDS_H_
