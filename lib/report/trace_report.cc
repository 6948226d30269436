#include "report/trace_report.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/printable.h"
#include "base/text.h"
#include "report/field_table.h"
#include "workload/inspect/op_names.h"
#include "xmmu/report/text_table.h"

namespace xmmu {
namespace {

std::vector<Cell> CellsOf(const std::vector<std::string>& texts) {
  std::vector<Cell> cells;
  for (const std::string& text : texts) cells.emplace_back(text);
  return cells;
}

Field FieldOfTrace(std::string key, std::string unit, std::string help,
                   Value value) {
  return {std::move(key), std::move(unit), std::move(help), std::move(value)};
}

Record RecordOfPairs(
    const std::vector<std::pair<std::string, std::string>>& pairs,
    std::string_view help) {
  Record record;
  for (const auto& [name, value] : pairs) {
    record.fields.push_back({name, "", std::string(help), AsValue(value)});
  }
  return record;
}

Record CountsOf(const TraceFacts& facts) {
  Record record;
  for (const auto& [name, count] : facts.counts) {
    record.fields.push_back(
        {name, "", "what the reader counted", AsValue(count)});
  }
  return record;
}

Record KindsOf(const TraceSummary& summary) {
  Record record;
  for (const OpKindRow& row : OpKindRows()) {
    record.fields.push_back({std::string(row.name), "operations",
                             std::string(row.help),
                             AsValue(summary.of(row.kind).operations)});
  }
  return record;
}

std::vector<Record> TasksOf(const TraceSummary& summary) {
  std::vector<Record> records;
  for (const TaskSummary& task : summary.tasks()) {
    Record record;
    record.fields = {
        FieldOfTrace("task", "", "the task's number", AsValue(task.id)),
        FieldOfTrace("parent", "", "the task that started it",
                     task.parent == 0 ? Absent() : AsValue(task.parent)),
        FieldOfTrace("process", "", "the task that its process began with",
                     AsValue(task.process)),
        FieldOfTrace("operations", "operations", "operations of the task",
                     AsValue(task.operations)),
        FieldOfTrace("execs", "", "programs that it began by exec",
                     AsValue(task.execs)),
    };
    records.push_back(std::move(record));
  }
  return records;
}

Record InfoRecord(const TraceFacts& facts, const TraceSummary& summary) {
  Record record;
  record.fields = {
      FieldOfTrace("format", "", "format of the trace", AsValue(facts.format)),
      FieldOfTrace("command", "", "the recorded command",
                   AsValue(facts.command)),
      FieldOfTrace("environment", "", "who recorded it, on what",
                   RecordOfPairs(facts.environment, "fact of the recording")),
      FieldOfTrace("faults_only", "",
                   "whether it has only the accesses that faulted",
                   AsValue(facts.faults_only)),
      FieldOfTrace("lacks", "", "what the trace lacks", CellsOf(facts.lacks)),
      FieldOfTrace("processes", "processes", "processes",
                   AsValue(summary.processes())),
      FieldOfTrace("threads", "tasks", "threads of all processes",
                   AsValue(summary.tasks().size())),
      FieldOfTrace("operations", "operations", "operations of all kinds",
                   AsValue(summary.operations())),
      FieldOfTrace("operations_by_kind", "operations", "operations by kind",
                   KindsOf(summary)),
      FieldOfTrace("counts", "", "what the reader counted", CountsOf(facts)),
      FieldOfTrace("tasks", "", "one object for each task", TasksOf(summary)),
  };
  return record;
}

std::string InfoHeading(const TraceFacts& facts, const TraceSummary& summary) {
  std::string text = absl::StrCat("format      ", facts.format, "\n");
  if (!facts.command.empty()) {
    absl::StrAppend(&text, "command     ", Printable(facts.command), "\n");
  }
  for (const auto& [name, value] : facts.environment) {
    absl::StrAppend(&text, Printable(name), "  ", Printable(value), "\n");
  }
  absl::StrAppend(&text, "tasks       ", summary.processes(), " processes, ",
                  summary.tasks().size(), " threads\n", "operations  ",
                  Grouped(summary.operations()), "\n\n");
  return text;
}

TextTable KindTable(const TraceSummary& summary) {
  TextTable table(1);
  table.Add({"operations", "number", "bytes"});
  table.Rule();
  for (const OpKindRow& row : OpKindRows()) {
    const KindSummary& kind = summary.of(row.kind);
    if (kind.operations == 0) continue;
    table.Add({std::string(row.name), Grouped(kind.operations),
               kind.bytes == 0 ? "" : Grouped(kind.bytes)});
  }
  return table;
}

std::string LackLines(const TraceFacts& facts) {
  std::string text;
  for (const std::string& what : facts.lacks) {
    absl::StrAppend(&text, text.empty() ? "\n" : "", "lacks  ", Printable(what),
                    "\n");
  }
  return text;
}

// A line of CSV for each cell in `record`; keys of records around it stand
// before its own.
void AddCsvLines(const std::string& prefix, const Record& record,
                 Table& table) {
  for (const Field& field : record.fields) {
    const std::string key =
        prefix.empty() ? field.key : absl::StrCat(prefix, ".", field.key);
    if (const auto* cell = std::get_if<Cell>(&field.value)) {
      table.lines.push_back({key, *cell});
    } else if (const auto* inner = std::get_if<Record>(&field.value)) {
      AddCsvLines(key, *inner, table);
    } else if (const auto* cells =
                   std::get_if<std::vector<Cell>>(&field.value)) {
      for (const Cell& one : *cells) table.lines.push_back({key, one});
    }
  }
}

}  // namespace

Document TraceInfoDocument(const TraceFacts& facts,
                           const TraceSummary& summary) {
  Document document;
  document.text = {InfoHeading(facts, summary), KindTable(summary),
                   LackLines(facts)};
  Record record = InfoRecord(facts, summary);
  document.table.columns = {{"name", "", "name of the figure"},
                            {"value", "", "the figure"}};
  AddCsvLines("", record, document.table);
  document.data = std::move(record);
  TermGroup kinds{"operations", {}};
  for (const OpKindRow& row : OpKindRows()) {
    kinds.terms.push_back({std::string(row.name), "", std::string(row.help)});
  }
  document.legend = {std::move(kinds)};
  return document;
}

}  // namespace xmmu
