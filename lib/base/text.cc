#include "base/text.h"

namespace xmmu {
namespace {

// Appends `cell`, in quotes only if RFC 4180 (2.6) demands them.
void AppendCell(const std::string& cell, std::string& line) {
  if (cell.find_first_of(",\"\r\n") == std::string::npos) {
    line += cell;
    return;
  }
  line += '"';
  for (const char c : cell) {
    if (c == '"') line += '"';
    line += c;
  }
  line += '"';
}

}  // namespace

std::string CsvLine(const std::vector<std::string>& cells) {
  std::string line;
  for (size_t i = 0; i < cells.size(); ++i) {
    if (i > 0) line += ',';
    AppendCell(cells[i], line);
  }
  return line + "\n";
}

}  // namespace xmmu
