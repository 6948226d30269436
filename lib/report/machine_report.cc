#include "xmmu/report/machine_report.h"

#include <algorithm>
#include <array>
#include <span>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/text.h"
#include "machine/file/machine_fields.h"
#include "report/common_fields.h"
#include "report/field_table.h"
#include "xmmu/machine/machine_file.h"
#include "xmmu/report/text_table.h"

namespace xmmu {
namespace {

constexpr std::array kMachineFormats = {
    MachineFormat::kText, MachineFormat::kCsv, MachineFormat::kJson,
    MachineFormat::kToml};

// A value as lists have it.
struct Row {
  std::string key;
  MachineValue value;
  bool band = false;
  uint32_t low = 0;
  uint32_t high = 0;
  std::string unit;
  std::string mark;
  std::string source;
};

// The value of a cost goes by the name of the section alone.
std::string KeyOf(const MachineSection& section, const MachineField& field) {
  if (section.path.starts_with("cost.")) return section.path;
  return absl::StrCat(section.path, ".", Abs(field.name));
}

std::vector<Row> RowsOf(const MachineModel& machine) {
  MachineModel copy = machine;
  std::vector<Row> rows;
  for (const MachineSection& section : SectionsOf(copy)) {
    if (IsAbsent(section)) continue;
    for (const MachineField& field : section.fields) {
      Row row = {.key = KeyOf(section, field),
                 .value = ValueOf(field),
                 .unit = std::string(field.unit),
                 .mark = std::string(MarkName(*section.mark)),
                 .source = std::string(*section.source)};
      row.band = section.low != nullptr && &field == &section.fields.front() &&
                 !(section.band_optional && *section.high == 0);
      if (row.band) {
        row.low = *section.low;
        row.high = *section.high;
      }
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

std::vector<std::string> PriceCells(const Row& row) {
  return {row.key,
          row.mark,
          TextOf(row.value),
          row.band ? absl::StrCat(row.low) : "",
          row.band ? absl::StrCat(row.high) : "",
          row.unit};
}

std::string MachineText(const MachineModel& machine) {
  TextTable table(2);
  table.Add({"key", "mark", "value", "low", "high", "unit"});
  table.Rule();
  const std::vector<Row> rows = RowsOf(machine);
  for (const Row& row : rows) table.Add(PriceCells(row));
  std::string text = absl::StrCat("machine   ", Abs(machine.name), ": ",
                                  Abs(machine.description), "\n\n");
  // Sources are too long for a column and follow where it would be.
  const std::vector<std::string> lines =
      absl::StrSplit(table.Format(), '\n', absl::SkipEmpty());
  const size_t width = lines[1].size();  // the rule
  for (size_t i = 0; i < lines.size(); ++i) {
    absl::StrAppend(&text, lines[i],
                    std::string(width - std::min(width, lines[i].size()), ' '));
    if (i == 0) text += "  source";
    if (i >= 2) absl::StrAppend(&text, "  ", rows[i - 2].source);
    text += "\n";
  }
  return text;
}

// A value of a machine; `row` is null in the fields of level 0.
struct MachineLine {
  const MachineModel& machine;
  const Row* row;
};

// A value as JSON has it: a number with all of its digits.
Cell CellOf(const MachineValue& value) {
  if (const auto* real = std::get_if<double>(&value)) return Real{*real, 0};
  if (const auto* number = std::get_if<int64_t>(&value)) return *number;
  if (const auto* truth = std::get_if<bool>(&value)) return *truth;
  return std::get<std::string>(value);
}

std::vector<Record> ValueRecords(const MachineModel& machine);

constexpr FieldOf<MachineLine> kMachineFields[] = {
    {0, "machine", "", "name of the machine",
     [](const MachineLine& l) { return l.machine.name; }},
    {0, "description", "", "what the machine is",
     [](const MachineLine& l) { return l.machine.description; }, Shown::kJson},
    {0, "values", "", "one object for each value assumed of the machine",
     [](const MachineLine& l) { return ValueRecords(l.machine); },
     Shown::kJson},
    {1, "key", "", "what the value is, as machine files have it",
     [](const MachineLine& l) { return l.row->key; }},
    {1, "mark", "", "how far the value can be trusted",
     [](const MachineLine& l) { return l.row->mark; }, Shown::kCsv},
    {1, "value", "", "the value, counted in what `unit` says",
     [](const MachineLine& l) { return TextOf(l.row->value); }, Shown::kCsv},
    {1, "value", "", "the value, counted in what `unit` says",
     [](const MachineLine& l) { return CellOf(l.row->value); }, Shown::kJson},
    {1, "low", "", "least value that the source allows",
     [](const MachineLine& l) -> Value {
       return l.row->band ? AsValue(l.row->low) : Absent();
     }},
    {1, "high", "", "most that the source allows",
     [](const MachineLine& l) -> Value {
       return l.row->band ? AsValue(l.row->high) : Absent();
     }},
    {1, "unit", "", "what the value is counted in",
     [](const MachineLine& l) -> Value {
       return l.row->unit.empty() ? Absent() : AsValue(l.row->unit);
     }},
    {1, "mark", "", "how far the value can be trusted",
     [](const MachineLine& l) { return l.row->mark; }, Shown::kJson},
    {1, "source", "", "where the value is from",
     [](const MachineLine& l) { return l.row->source; }},
};

std::span<const FieldOf<MachineLine>> MachineFields() { return kMachineFields; }

std::vector<Record> ValueRecords(const MachineModel& machine) {
  std::vector<Record> records;
  for (const Row& row : RowsOf(machine)) {
    records.push_back(RecordOf(MachineFields(), 1, MachineLine{machine, &row}));
  }
  return records;
}

}  // namespace

Document MachineDocument(const MachineModel& machine) {
  const std::vector<Row> rows = RowsOf(machine);
  std::vector<MachineLine> lines;
  for (const Row& row : rows) lines.push_back({machine, &row});
  Document document;
  document.text = {MachineText(machine)};
  document.table =
      TableOf(MachineFields(), std::span<const MachineLine>(lines));
  document.data = RecordOf(MachineFields(), 0, MachineLine{machine, nullptr});
  document.json_indent = 2;
  document.legend = {
      {"columns",
       {{"key", "", "what the value is, as machine files have it"},
        {"mark", "", "how far the value can be trusted"},
        {"low", "", "least value that the source allows"},
        {"high", "", "most that the source allows"},
        {"source", "", "where the value is from"}}},
      MarkTermGroup()};
  return document;
}

std::string_view MachineFormatName(MachineFormat format) {
  switch (format) {
    case MachineFormat::kText:
      return ReportFormatName(ReportFormat::kText);
    case MachineFormat::kCsv:
      return ReportFormatName(ReportFormat::kCsv);
    case MachineFormat::kJson:
      return ReportFormatName(ReportFormat::kJson);
    case MachineFormat::kToml:
      return "toml";
  }
  return "";
}

std::span<const MachineFormat> AllMachineFormats() { return kMachineFormats; }

std::string FormatMachine(const MachineModel& machine, MachineFormat format) {
  if (format == MachineFormat::kToml) return MachineToml(machine);
  return Render(MachineDocument(machine),
                *ParseReportFormat(MachineFormatName(format)));
}

}  // namespace xmmu
