#include "report/trace_records.h"

#include <algorithm>
#include <variant>

#include "absl/strings/str_cat.h"
#include "base/printable.h"
#include "base/text.h"
#include "xmmu/report/text_table.h"

namespace xmmu {
namespace {

constexpr size_t kKeyColumn = 16;

void AddFigures(const std::string& prefix, const Record& record, Table& table) {
  for (const Field& field : record.fields) {
    const std::string key =
        prefix.empty() ? field.key : absl::StrCat(prefix, ".", field.key);
    if (const auto* cell = std::get_if<Cell>(&field.value)) {
      table.lines.push_back({key, *cell});
    } else if (const auto* inner = std::get_if<Record>(&field.value)) {
      AddFigures(key, *inner, table);
    } else if (const auto* cells =
                   std::get_if<std::vector<Cell>>(&field.value)) {
      for (const Cell& one : *cells) table.lines.push_back({key, one});
    }
  }
}

}  // namespace

std::vector<Field> FactFields(const TraceFacts& facts) {
  Record environment;
  for (const auto& [name, value] : facts.environment) {
    environment.fields.push_back(
        FieldWith(name, "", "a fact of the recording", value));
  }
  std::vector<Cell> lacks;
  for (const std::string& what : facts.lacks) lacks.emplace_back(what);
  return {FieldWith("format", "", "format of the trace", facts.format),
          FieldWith("command", "", "the recorded command", facts.command),
          FieldWith("environment", "", "who recorded it, on what",
                    std::move(environment)),
          FieldWith("faults_only", "",
                    "whether it has only the accesses that faulted",
                    facts.faults_only),
          FieldWith("lacks", "", "what a replay does without, or infers",
                    std::move(lacks))};
}

Record TraceRecord(const TraceFacts& facts) {
  Record record;
  for (Field& field : FactFields(facts)) {
    if (field.key == "environment") continue;
    record.fields.push_back(std::move(field));
  }
  return record;
}

Field CountsField(const TraceFacts& facts) {
  Record counts;
  for (const auto& [name, count] : facts.counts) {
    counts.fields.push_back(
        FieldWith(name, "", "counted by the reader of the format", count));
  }
  return FieldWith("counts", "",
                   "what was read, inferred and left out, by name",
                   std::move(counts));
}

std::string FactLine(std::string_view key, std::string_view value) {
  const std::string name = Printable(key);
  const size_t gap = std::max(kKeyColumn, name.size() + 2) - name.size();
  return absl::StrCat(name, std::string(gap, ' '), Printable(value), "\n");
}

std::string FactLines(const TraceFacts& facts) {
  std::string text = FactLine("format", facts.format);
  if (!facts.command.empty()) text += FactLine("command", facts.command);
  for (const auto& [name, value] : facts.environment) {
    text += FactLine(name, value);
  }
  return text;
}

std::string LackLines(const TraceFacts& facts) {
  std::string text;
  if (facts.faults_only) {
    text += FactLine("faults only",
                     "accesses are those that faulted as it was recorded: "
                     "figures of hits mean nothing");
  }
  for (const std::string& what : facts.lacks) text += FactLine("lacks", what);
  return text;
}

std::string CountLines(const TraceFacts& facts) {
  TextTable table(1);
  table.Add({"counted by the reader", "number"});
  table.Rule();
  for (const auto& [name, count] : facts.counts) {
    table.Add({Printable(name), Grouped(count)});
  }
  return facts.counts.empty() ? "" : absl::StrCat("\n", table.Format());
}

std::string Counted(uint64_t number, std::string_view one,
                    std::string_view plural) {
  return absl::StrCat(Grouped(number), " ", Abs(number == 1 ? one : plural));
}

Table FigureTable(const Record& record) {
  Table table;
  table.columns = {{"name", "", "what the figure is"},
                   {"value", "", "the figure"}};
  AddFigures("", record, table);
  return table;
}

}  // namespace xmmu
