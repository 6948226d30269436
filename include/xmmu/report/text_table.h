#ifndef XMMU_REPORT_TEXT_TABLE_H_
#define XMMU_REPORT_TEXT_TABLE_H_

// Columns of text, aligned, and numbers as people read them.
//
// Plain values; any thread.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace xmmu {

class TextTable {
 public:
  // The first `left` columns are aligned to the left, the others to the right.
  explicit TextTable(size_t left) : left_(left) {}

  // Adds a row. All rows have the same number of cells.
  void Add(std::vector<std::string> cells);
  // Draws a line under what has been added so far.
  void Rule() { rules_.push_back(rows_.size()); }

  // The cells by row, each Printable(); how many of the first columns are aligned
  // to the left; and the rows before which a line is drawn, by their index.
  const std::vector<std::vector<std::string>>& rows() const { return rows_; }
  size_t left() const { return left_; }
  const std::vector<size_t>& rules() const { return rules_; }

  // The table as text. Each line is indented as much as the columns are apart,
  // which is two blanks, or one in a table of more than 120 columns; and ends
  // in a newline.
  std::string Format() const;

 private:
  std::vector<size_t> Widths() const;

  size_t left_;
  std::vector<std::vector<std::string>> rows_;
  std::vector<size_t> rules_;  // before the row of this index
};

// 1234567 as "1,234,567".
std::string Grouped(uint64_t number);

// At most five characters: 9,999 or less as Grouped(), else three significant
// digits and k, M, G, T, P or E, rounded down.
std::string Compact(uint64_t number);

}  // namespace xmmu

#endif  // XMMU_REPORT_TEXT_TABLE_H_
