#include "python/values.h"

#include <cstddef>
#include <string>
#include <variant>
#include <vector>

namespace xmmu::python {
namespace {

namespace py = pybind11;

// One overload for each alternative of Cell and Value, for std::visit.
struct ToPython {
  py::object operator()(Absent) const { return py::none(); }
  py::object operator()(std::monostate) const { return py::none(); }
  py::object operator()(bool truth) const { return py::bool_(truth); }
  py::object operator()(uint64_t number) const { return py::int_(number); }
  py::object operator()(int64_t number) const { return py::int_(number); }
  py::object operator()(const Real& real) const {
    return py::float_(real.value);
  }
  py::object operator()(const std::string& text) const {
    return TextValue(text);
  }
  py::object operator()(const Cell& cell) const {
    return std::visit(*this, cell);
  }
  py::object operator()(const Record& record) const {
    py::dict dict;
    for (const Field& field : record.fields) {
      if (std::holds_alternative<Absent>(field.value)) continue;
      dict[TextValue(field.key)] = std::visit(*this, field.value);
    }
    return dict;
  }
  template <typename T>
  py::object operator()(const std::vector<T>& values) const {
    py::list list;
    for (const T& value : values) list.append((*this)(value));
    return list;
  }
};

}  // namespace

py::str TextValue(std::string_view text) {
  PyObject* const decoded = PyUnicode_DecodeUTF8(
      text.data(), static_cast<Py_ssize_t>(text.size()), "replace");
  if (decoded == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::str>(decoded);
}

py::dict ColumnsOf(const Table& table) {
  py::dict columns;
  for (size_t i = 0; i < table.columns.size(); ++i) {
    py::list cells;
    for (const std::vector<Cell>& line : table.lines) {
      cells.append(ToPython()(line[i]));
    }
    columns[TextValue(table.columns[i].key)] = cells;
  }
  return columns;
}

py::dict WordsOfColumns(const Table& table) {
  py::dict words;
  for (const Column& column : table.columns) {
    py::dict word;
    word["unit"] = TextValue(column.unit);
    word["help"] = TextValue(column.help);
    words[TextValue(column.key)] = word;
  }
  return words;
}

py::object ValueOf(const Record& record) { return ToPython()(record); }

py::object ValueOf(const std::vector<Record>& records) {
  return ToPython()(records);
}

}  // namespace xmmu::python
