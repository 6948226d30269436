#include "xmmu/report/machine_report.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/text.h"
#include "machine/file/machine_fields.h"
#include "report/json.h"
#include "report/text_table.h"
#include "xmmu/machine/machine_file.h"

namespace xmmu {
namespace {

constexpr std::array kMachineFormats = {
    MachineFormat::kTable, MachineFormat::kCsv, MachineFormat::kJson,
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

std::string FormatText(const MachineModel& machine) {
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

std::string FormatCsv(const MachineModel& machine) {
  std::string text = "machine,key,mark,value,low,high,unit,source\n";
  for (const Row& row : RowsOf(machine)) {
    std::vector<std::string> cells = PriceCells(row);
    cells.insert(cells.begin(), std::string(machine.name));
    cells.push_back(row.source);
    text += CsvLine(cells);
  }
  return text;
}

std::string FormatJson(const MachineModel& machine) {
  nlohmann::ordered_json json;
  json["machine"] = std::string(machine.name);
  json["description"] = std::string(machine.description);
  json["values"] = nlohmann::ordered_json::array();
  for (const Row& row : RowsOf(machine)) {
    nlohmann::ordered_json one;
    one["key"] = row.key;
    std::visit([&](const auto& value) { one["value"] = value; }, row.value);
    if (row.band) {
      one["low"] = row.low;
      one["high"] = row.high;
    }
    if (!row.unit.empty()) one["unit"] = row.unit;
    one["mark"] = row.mark;
    one["source"] = row.source;
    json["values"].push_back(std::move(one));
  }
  return JsonText(json, 2);
}

}  // namespace

std::string_view MachineFormatName(MachineFormat format) {
  switch (format) {
    case MachineFormat::kTable:
      return "table";
    case MachineFormat::kCsv:
      return "csv";
    case MachineFormat::kJson:
      return "json";
    case MachineFormat::kToml:
      return "toml";
  }
  return "";
}

std::span<const MachineFormat> AllMachineFormats() { return kMachineFormats; }

std::string FormatMachine(const MachineModel& machine, MachineFormat format) {
  switch (format) {
    case MachineFormat::kTable:
      return FormatText(machine);
    case MachineFormat::kCsv:
      return FormatCsv(machine);
    case MachineFormat::kJson:
      return FormatJson(machine);
    case MachineFormat::kToml:
      return MachineToml(machine);
  }
  return "";
}

}  // namespace xmmu
