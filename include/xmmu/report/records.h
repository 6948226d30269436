#ifndef XMMU_REPORT_RECORDS_H_
#define XMMU_REPORT_RECORDS_H_

// A result as data: cells that have a name, a unit and a sentence that says
// what they mean. A result is turned into these once; what prints it need not
// know what it is about.
//
// A Record is a tree, as JSON has it. A Table is a header and lines, as CSV and
// data frames have it. Both are made from one table of fields, see
// lib/report/field_table.h.
//
// Plain values; any thread.

#include <cstddef>
#include <string>
#include <variant>
#include <vector>

#include "xmmu/base/cell.h"

namespace xmmu {

struct Field;

// Fields in the order in which they are shown.
struct Record {
  std::vector<Field> fields;
};

// A field that is left out of a record altogether, which JSON can, but CSV
// cannot: it has an empty cell.
struct Absent {};

// A cell, a list of cells, an object or a list of objects.
using Value =
    std::variant<Absent, Cell, std::vector<Cell>, Record, std::vector<Record>>;

struct Field {
  std::string key;   // "page_walks": a key of JSON
  std::string unit;  // "cycles", "bytes"; empty where there is none
  std::string help;  // one sentence
  Value value;
};

// What the cells of a table that stand under each other have in common.
struct Column {
  std::string key;
  std::string unit;
  std::string help;
};

// REQUIRES: each line has as many cells as there are columns.
struct Table {
  std::vector<Column> columns;
  std::vector<std::vector<Cell>> lines;
};

// `cell` as a cell of CSV, without quotes: "1" and "0" for a truth, a Real with
// its decimals, nothing for std::monostate.
std::string CellText(const Cell& cell);

}  // namespace xmmu

#endif  // XMMU_REPORT_RECORDS_H_
