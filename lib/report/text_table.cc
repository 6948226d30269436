#include "xmmu/report/text_table.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/printable.h"
#include "xmmu/base/check.h"

namespace xmmu {
namespace {

// Wider tables make do with one blank between columns.
constexpr size_t kMaxWidth = 120;

}  // namespace

void TextTable::Add(std::vector<std::string> cells) {
  XMMU_CHECK(rows_.empty() || rows_.front().size() == cells.size());
  // A name may be that of somebody's program.
  for (std::string& cell : cells) cell = Printable(cell);
  rows_.push_back(std::move(cells));
}

std::vector<size_t> TextTable::Widths() const {
  std::vector<size_t> widths(rows_.empty() ? 0 : rows_.front().size());
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], row[i].size());
    }
  }
  return widths;
}

std::string TextTable::Format() const {
  const std::vector<size_t> widths = Widths();
  size_t total = 0;
  for (size_t width : widths) total += width;
  const size_t wide = total + 2 * widths.size();
  const std::string gap(wide <= kMaxWidth ? 2 : 1, ' ');
  total += gap.size() * widths.size();
  std::string text;
  for (size_t r = 0; r < rows_.size(); ++r) {
    if (std::find(rules_.begin(), rules_.end(), r) != rules_.end()) {
      absl::StrAppend(&text, gap, std::string(total - gap.size(), '-'), "\n");
    }
    std::string line;
    for (size_t i = 0; i < widths.size(); ++i) {
      const std::string& cell = rows_[r][i];
      const std::string pad(widths[i] - cell.size(), ' ');
      absl::StrAppend(&line, gap, i < left_ ? cell + pad : pad + cell);
    }
    absl::StrAppend(&text, absl::StripTrailingAsciiWhitespace(line), "\n");
  }
  return text;
}

std::string Grouped(uint64_t number) {
  std::string digits = absl::StrCat(number);
  for (size_t left = digits.size(); left > 3;) {
    left -= 3;
    digits.insert(left, 1, ',');
  }
  return digits;
}

std::string Compact(uint64_t number) {
  if (number < 10'000) return Grouped(number);
  constexpr char kUnits[] = "kMGTPE";
  uint64_t unit = 1000;
  size_t index = 0;
  while (number / unit >= 1000) {
    unit *= 1000;
    ++index;
  }
  const uint64_t whole = number / unit;
  const uint64_t thousandths = number % unit / (unit / 1000);
  const std::string suffix(1, kUnits[index]);
  if (whole >= 100) return absl::StrCat(whole, suffix);
  if (whole >= 10) return absl::StrCat(whole, ".", thousandths / 100, suffix);
  return absl::StrFormat("%d.%02d%s", whole, thousandths / 10, suffix);
}

}  // namespace xmmu
