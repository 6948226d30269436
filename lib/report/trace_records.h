#ifndef XMMU_LIB_REPORT_TRACE_RECORDS_H_
#define XMMU_LIB_REPORT_TRACE_RECORDS_H_

// What the reports on traces have in common: fields of a trace's facts, and
// lines of text and of CSV.
//
// Charges nothing. Any thread.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "report/field_table.h"
#include "xmmu/report/records.h"
#include "xmmu/workload/trace.h"

namespace xmmu {

// A field with what AsValue() makes of `value`.
template <typename T>
Field FieldWith(std::string_view key, std::string_view unit,
                std::string_view help, T&& value) {
  return {std::string(key), std::string(unit), std::string(help),
          AsValue(std::forward<T>(value))};
}

// What a report of a run says of the trace that ran: format, command, what it
// lacks, and whether it has faults alone.
Record TraceRecord(const TraceFacts& facts);
// Format, command, environment, what the trace lacks.
std::vector<Field> FactFields(const TraceFacts& facts);
// What the reader of the trace counted, inferred and left out.
Field CountsField(const TraceFacts& facts);

// "key             value", with line feeds; the value is made printable.
std::string FactLine(std::string_view key, std::string_view value);
// The lines of a text for FactFields() but what it lacks.
std::string FactLines(const TraceFacts& facts);
// A line for each clause of what it lacks, and one if it has faults alone.
std::string LackLines(const TraceFacts& facts);
// A line for each count, behind an empty line; nothing if there is none.
std::string CountLines(const TraceFacts& facts);

// "1 page", "2 pages", "1,000 pages".
std::string Counted(uint64_t number, std::string_view one,
                    std::string_view plural);

// A line of CSV for each cell of `record`: name and value. Keys of records
// around a cell stand before its own, with a dot between them. Lists of records
// are left out.
Table FigureTable(const Record& record);

}  // namespace xmmu

#endif  // XMMU_LIB_REPORT_TRACE_RECORDS_H_
