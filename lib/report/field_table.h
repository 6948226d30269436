#ifndef XMMU_LIB_REPORT_FIELD_TABLE_H_
#define XMMU_LIB_REPORT_FIELD_TABLE_H_

// The one place where a column is defined: a row of a table of fields, with
// key, unit, help and the function that takes its value from a result. Records
// (JSON), lines (CSV), the dictionary and legends are all made from such a
// table, so a column more is a row more.
//
//   struct Line { const Crossover& crossover; const UpdateCosts* way; };
//   constexpr FieldOf<Line> kFields[] = {
//       {0, "machine", "", "name of the machine",
//        [](const Line& l) { return l.crossover.machine; }},
//       {1, "policy", "", "strategy that ...",
//        [](const Line& l) { return l.way->way.policy; }},
//
// A report is a record in which there are lists of records. The level says in
// which record a field is: 0 in the outermost one, 1 in those of its list, and
// so on. A line of CSV has the fields of all levels, in the order of the table.
//
// Charges nothing. Any thread.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "xmmu/base/cycles.h"
#include "xmmu/report/records.h"

namespace xmmu {

// Make a Value of what the functions of a table return. They are no inline
// functions: a table has a hundred callers, and a variant is much code.
Value AsValue(Value value);
Value AsValue(Cell cell);
Value AsValue(bool truth);
Value AsValue(uint64_t number);
Value AsValue(int64_t number);
Value AsValue(std::string text);
Value AsValue(std::string_view text);
Value AsValue(const char* text);
Value AsValue(Real real);
Value AsValue(Cycles cycles);
Value AsValue(Record record);
Value AsValue(std::vector<Cell> cells);
Value AsValue(std::vector<Record> records);
inline Value AsValue(std::unsigned_integral auto number) {
  return AsValue(uint64_t{number});
}
inline Value AsValue(std::signed_integral auto number) {
  return AsValue(int64_t{number});
}

// Where a field is shown.
enum class Shown : uint8_t {
  kBoth,
  // JSON keeps the order of the table; CSV puts the column last, so that older
  // columns keep their places.
  kCsvAtEnd,
  // The value is a Record whose fields need not be the same in all lines: an
  // object in JSON; in CSV a column for each cell in it, behind all others.
  // The keys of the field and of records on the way stand in front of its
  // name, with "_" between them.
  kOpen,
  kJson,
  kCsv,
  // Only CSV has it, and puts the column last.
  kCsvOnlyAtEnd,
};

inline bool InJson(Shown shown) {
  return shown != Shown::kCsv && shown != Shown::kCsvOnlyAtEnd;
}

// Fields that stand together and have their names from a table of their own,
// such as counters. In JSON they are an object under the key of the group; in
// CSV each is a column, with `prefix` in front of its name.
struct FieldGroup {
  std::string_view prefix;
  std::vector<Column> (*members)();
};

template <typename T>
struct FieldOf {
  // `function` takes a const T& and returns anything that AsValue() takes; for
  // a group a std::vector<Cell>, one of each member in their order.
  template <typename Function>
  constexpr FieldOf(int level_of, std::string_view key_of,
                    std::string_view unit_of, std::string_view help_of,
                    Function, Shown shown_in = Shown::kBoth,
                    const FieldGroup* members_of = nullptr)
      : level(level_of),
        key(key_of),
        unit(unit_of),
        help(help_of),
        context(nullptr),
        value([](const void*, const T& t) { return AsValue(Function()(t)); }),
        shown(shown_in),
        group(members_of) {
    static_assert(std::is_empty_v<Function>,
                  "want a lambda that captures none");
  }

  // A field that another table has a row for: `function` is called with
  // `context_of`, which must outlive the field.
  FieldOf(int level_of, std::string_view key_of, std::string_view unit_of,
          std::string_view help_of, const void* context_of,
          Value (*function)(const void* context, const T& t), Shown shown_in)
      : level(level_of),
        key(key_of),
        unit(unit_of),
        help(help_of),
        context(context_of),
        value(function),
        shown(shown_in),
        group(nullptr) {}

  Value ValueIn(const T& t) const { return value(context, t); }

  int level;
  // With a dot, "a.b", it is in JSON the key b of an object a.
  std::string_view key;
  std::string_view unit;
  std::string_view help;
  const void* context;
  Value (*value)(const void* context, const T& t);
  Shown shown;
  const FieldGroup* group;
};

// What a table of fields says of each, whatever it is a table of.
struct FieldInfo {
  std::string_view key;
  std::string_view unit;
  std::string_view help;
  Shown shown;
  const FieldGroup* group;
};

template <typename T>
std::vector<FieldInfo> InfosOf(std::span<const FieldOf<T>> fields) {
  std::vector<FieldInfo> infos;
  for (const FieldOf<T>& field : fields) {
    infos.push_back(
        {field.key, field.unit, field.help, field.shown, field.group});
  }
  return infos;
}

// Adds the field `info` with `value` to `record`; a group becomes an object.
void AddField(const FieldInfo& info, Value value, Record& record);

// The fields of `level`, as JSON has them.
template <typename T>
Record RecordOf(std::span<const FieldOf<T>> fields, int level, const T& t) {
  Record record;
  for (const FieldOf<T>& field : fields) {
    if (field.level != level || !InJson(field.shown)) continue;
    AddField({field.key, field.unit, field.help, field.shown, field.group},
             field.ValueIn(t), record);
  }
  return record;
}

// Makes a Table line by line.
class TableBuilder {
 public:
  explicit TableBuilder(std::vector<FieldInfo> infos);

  // Adds a line: value_of(i) is the value of the i-th field. Fields that are
  // not shown in CSV are not asked for.
  template <typename ValueOfField>
  void AddLine(ValueOfField value_of) {
    table_.lines.emplace_back(first_open_);
    for (size_t i = 0; i < infos_.size(); ++i) {
      if (infos_[i].shown != Shown::kJson) Set(i, value_of(i));
    }
  }

  // All lines get as many cells as there are columns by now.
  Table Finish() &&;

 private:
  void AddColumns(size_t i);
  void Set(size_t i, Value value);
  // Adds the cells in `record` to the last line; see Shown::kOpen.
  void SetOpen(const std::string& prefix, const Record& record);
  // The index of the open column with the key of `column`, which is added if
  // there is none.
  size_t OpenColumn(Column column);

  std::vector<FieldInfo> infos_;
  std::vector<size_t> first_;  // by field: its first column
  size_t first_open_ = 0;      // columns that any line has
  Table table_;
};

// A line for each of `lines`.
template <typename T>
Table TableOf(std::span<const FieldOf<T>> fields, std::span<const T> lines) {
  TableBuilder builder(InfosOf(fields));
  for (const T& line : lines) {
    builder.AddLine([&](size_t i) { return fields[i].ValueIn(line); });
  }
  return std::move(builder).Finish();
}

}  // namespace xmmu

#endif  // XMMU_LIB_REPORT_FIELD_TABLE_H_
