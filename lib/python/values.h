#ifndef XMMU_LIB_PYTHON_VALUES_H_
#define XMMU_LIB_PYTHON_VALUES_H_

// Results as values of Python: a cell is None, a bool, an int, a float or a str;
// bytes that are no UTF-8 become U+FFFD, as in JSON.
//
// REQUIRES: the GIL.

#include <pybind11/pybind11.h>

#include <string_view>

#include "xmmu/report/records.h"

namespace xmmu::python {

pybind11::str TextValue(std::string_view text);

// A dict of lists of equal length, in the order of the columns of CSV.
pybind11::dict ColumnsOf(const Table& table);

// {column: {"unit": ..., "help": ...}}.
pybind11::dict WordsOfColumns(const Table& table);

// What json.loads() makes of the JSON of a document.
pybind11::object ValueOf(const Record& record);
pybind11::object ValueOf(const std::vector<Record>& records);

}  // namespace xmmu::python

#endif  // XMMU_LIB_PYTHON_VALUES_H_
