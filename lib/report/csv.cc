// The table of a document as CSV (RFC 4180).

#include <string>
#include <vector>

#include "base/text.h"
#include "report/renderers.h"

namespace xmmu {

std::string RenderCsv(const Document& document) {
  std::vector<std::string> cells;
  for (const Column& column : document.table.columns) {
    cells.push_back(column.key);
  }
  std::string text = CsvLine(cells);
  for (const std::vector<Cell>& line : document.table.lines) {
    cells.clear();
    for (const Cell& cell : line) cells.push_back(CellText(cell));
    text += CsvLine(cells);
  }
  return text;
}

}  // namespace xmmu
