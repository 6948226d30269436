// Whether a trace is whole, and what a replay will infer or skip.

#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "report/trace_records.h"
#include "report/trace_report.h"
#include "workload/inspect/op_names.h"
#include "workload/inspect/op_words.h"
#include "xmmu/report/text_table.h"

namespace xmmu {
namespace {

std::string FirstOf(const Finding& finding) {
  return absl::StrCat("task ", finding.task, ": ",
                      Abs(OpKindName(finding.op.kind)), " ",
                      OpWords(finding.op));
}

Record FindingRecord(const Finding& finding) {
  return {
      {FieldWith("times", "operations", "how many there are", finding.times),
       FieldWith("first", "", "number of the first one", finding.number),
       FieldWith("words", "", "the first one in words", FirstOf(finding))}};
}

Record FindingsRecord(const TraceCheck& check) {
  Record record;
  for (const FindingRow& row : FindingRows()) {
    const Finding& finding = check.of(row.kind);
    record.fields.push_back(
        finding.times == 0
            ? FieldWith(
                  row.name, "", row.help,
                  Record{{FieldWith("times", "operations", "how many there are",
                                    finding.times)}})
            : FieldWith(row.name, "", row.help, FindingRecord(finding)));
  }
  return record;
}

std::string FindingLines(const TraceCheck& check) {
  TextTable table(1);
  table.Add({"found", "operations", "first"});
  table.Rule();
  bool any = false;
  std::string words;
  for (const FindingRow& row : FindingRows()) {
    const Finding& finding = check.of(row.kind);
    if (finding.times == 0) continue;
    any = true;
    table.Add({std::string(row.name), Grouped(finding.times),
               Grouped(finding.number)});
    absl::StrAppend(
        &words, FactLine(row.name, row.help),
        FactLine("", absl::StrCat("the first: ", FirstOf(finding))));
  }
  if (!any) {
    return "\nevery access finds its page mapped, with the right to it\n";
  }
  return absl::StrCat("\n", table.Format(), "\n", words);
}

}  // namespace

Document TraceCheckDocument(const TraceFacts& facts, const TraceCheck& check) {
  Document document;
  document.text = {
      absl::StrCat(
          FactLines(facts),
          FactLine("whole",
                   absl::StrCat(
                       "yes: ",
                       Counted(check.operations(), "operation", "operations"),
                       " of ", Counted(check.tasks(), "task", "tasks"),
                       ", each to its end")),
          LackLines(facts)),
      CountLines(facts), FindingLines(check)};
  Record record{FactFields(facts)};
  std::vector<Field> fields = {
      FieldWith("whole", "", "whether all was read, to the end of each task",
                true),
      FieldWith("operations", "operations", "operations that were read",
                check.operations()),
      FieldWith("tasks", "tasks", "tasks that were read", check.tasks()),
      CountsField(facts),
      FieldWith("findings", "",
                "operations that do not fit what is mapped or open, by kind",
                FindingsRecord(check))};
  std::move(fields.begin(), fields.end(), std::back_inserter(record.fields));
  document.table = FigureTable(record);
  document.data = std::move(record);
  TermGroup found{"found", {}};
  for (const FindingRow& row : FindingRows()) {
    found.terms.push_back({std::string(row.name), "", std::string(row.help)});
  }
  document.legend = {std::move(found)};
  return document;
}

}  // namespace xmmu
