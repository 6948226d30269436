#include "report/field_table.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "xmmu/base/check.h"

namespace xmmu {
namespace {

// The members of `group`, each with its cell.
Record GroupRecord(const FieldGroup& group, const std::vector<Cell>& cells) {
  Record record;
  const std::vector<Column> members = group.members();
  XMMU_CHECK(members.size() == cells.size());
  for (size_t i = 0; i < members.size(); ++i) {
    const Column& member = members[i];
    record.fields.push_back({member.key, member.unit, member.help, cells[i]});
  }
  return record;
}

// The object in `record` under `key`, which is added if there is none.
Record& ObjectIn(Record& record, std::string_view key) {
  for (Field& field : record.fields) {
    if (field.key == key) return std::get<Record>(field.value);
  }
  record.fields.push_back({std::string(key), "", "", Record()});
  return std::get<Record>(record.fields.back().value);
}

}  // namespace

Value AsValue(Value value) { return value; }
Value AsValue(Cell cell) { return cell; }
Value AsValue(bool truth) { return Cell(truth); }
Value AsValue(uint64_t number) { return Cell(number); }
Value AsValue(int64_t number) { return Cell(number); }
Value AsValue(std::string text) { return Cell(std::move(text)); }
Value AsValue(std::string_view text) { return Cell(std::string(text)); }
Value AsValue(const char* text) { return Cell(std::string(text)); }
Value AsValue(Real real) { return Cell(real); }
Value AsValue(Cycles cycles) { return Cell(cycles.count()); }
Value AsValue(Record record) { return record; }
Value AsValue(std::vector<Cell> cells) { return cells; }
Value AsValue(std::vector<Record> records) { return records; }

void AddField(const FieldInfo& info, Value value, Record& record) {
  if (std::holds_alternative<Absent>(value)) return;
  if (info.group != nullptr) {
    value = GroupRecord(*info.group, std::get<std::vector<Cell>>(value));
  }
  const size_t dot = info.key.find('.');
  Record& in = dot == std::string_view::npos
                   ? record
                   : ObjectIn(record, info.key.substr(0, dot));
  in.fields.push_back({std::string(info.key.substr(dot + 1)),
                       std::string(info.unit), std::string(info.help),
                       std::move(value)});
}

TableBuilder::TableBuilder(std::vector<FieldInfo> infos)
    : infos_(std::move(infos)), first_(infos_.size()) {
  for (size_t i = 0; i < infos_.size(); ++i) {
    const Shown shown = infos_[i].shown;
    if (shown == Shown::kBoth || shown == Shown::kCsv) AddColumns(i);
  }
  for (size_t i = 0; i < infos_.size(); ++i) {
    const Shown shown = infos_[i].shown;
    if (shown == Shown::kCsvAtEnd || shown == Shown::kCsvOnlyAtEnd) {
      AddColumns(i);
    }
  }
  first_open_ = table_.columns.size();
}

void TableBuilder::AddColumns(size_t i) {
  const FieldInfo& info = infos_[i];
  first_[i] = table_.columns.size();
  if (info.group == nullptr) {
    table_.columns.push_back({std::string(info.key), std::string(info.unit),
                              std::string(info.help)});
    return;
  }
  for (Column& member : info.group->members()) {
    member.key = absl::StrCat(Abs(info.group->prefix), member.key);
    table_.columns.push_back(std::move(member));
  }
}

void TableBuilder::Set(size_t i, Value value) {
  if (infos_[i].shown == Shown::kOpen) {
    if (const auto* record = std::get_if<Record>(&value)) {
      SetOpen(absl::StrCat(Abs(infos_[i].key), "_"), *record);
    }
    return;
  }
  std::vector<Cell>& line = table_.lines.back();
  if (std::holds_alternative<Cell>(value)) {
    line[first_[i]] = std::get<Cell>(std::move(value));
  } else if (infos_[i].group != nullptr) {
    auto& cells = std::get<std::vector<Cell>>(value);
    std::move(cells.begin(), cells.end(),
              line.begin() + static_cast<std::ptrdiff_t>(first_[i]));
  }
}

void TableBuilder::SetOpen(const std::string& prefix, const Record& record) {
  for (const Field& field : record.fields) {
    const std::string key = absl::StrCat(prefix, field.key);
    if (const auto* inner = std::get_if<Record>(&field.value)) {
      SetOpen(key + "_", *inner);
    } else if (const auto* cell = std::get_if<Cell>(&field.value)) {
      const size_t column = OpenColumn({key, field.unit, field.help});
      std::vector<Cell>& line = table_.lines.back();
      if (line.size() <= column) line.resize(column + 1);
      line[column] = *cell;
    }
  }
}

size_t TableBuilder::OpenColumn(Column column) {
  std::vector<Column>& columns = table_.columns;
  for (size_t i = first_open_; i < columns.size(); ++i) {
    if (columns[i].key == column.key) return i;
  }
  columns.push_back(std::move(column));
  return columns.size() - 1;
}

Table TableBuilder::Finish() && {
  for (std::vector<Cell>& line : table_.lines) {
    line.resize(table_.columns.size());
  }
  return std::move(table_);
}

}  // namespace xmmu
