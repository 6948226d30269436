#ifndef XMMU_REPORT_OUTLINE_H_
#define XMMU_REPORT_OUTLINE_H_

// A table whose rows have rows within them: steps and what each of them consists
// of. A text shows it indented, a page lets its rows unfold.
//
// Plain values; any thread.

#include <cstddef>
#include <string>
#include <vector>

namespace xmmu {

class Outline {
 public:
  struct Row {
    size_t depth = 0;
    std::vector<std::string> cells;
  };

  // `head` says what stands in each column; the first one has the outline. Of the
  // others the first `left` are aligned to the left, the rest to the right.
  Outline(std::vector<std::string> head, size_t left);

  // Adds a row, which is within the last one that has a smaller depth. REQUIRES:
  // as many cells as `head` has; `depth` is at most one more than the last row's,
  // the first row's is 0.
  void Add(size_t depth, std::vector<std::string> cells);

  // All cells are Printable().
  const std::vector<std::string>& head() const { return head_; }
  const std::vector<Row>& rows() const { return rows_; }
  // Whether a column is aligned to the left.
  bool IsLeft(size_t column) const { return column <= left_; }
  // Whether there are rows within row `row`.
  bool HasRows(size_t row) const {
    return row + 1 < rows_.size() && rows_[row + 1].depth > rows_[row].depth;
  }

  // As text: two blanks more before the first cell for each step of depth, in
  // lines that end in a newline.
  std::string Format() const;

 private:
  std::vector<std::string> head_;
  size_t left_;
  std::vector<Row> rows_;
};

}  // namespace xmmu

#endif  // XMMU_REPORT_OUTLINE_H_
