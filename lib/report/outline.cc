#include "xmmu/report/outline.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/printable.h"
#include "xmmu/base/check.h"
#include "xmmu/report/text_table.h"

namespace xmmu {
namespace {

constexpr size_t kBlanksAStep = 2;

std::vector<std::string> AllPrintable(std::vector<std::string> cells) {
  for (std::string& cell : cells) cell = Printable(cell);
  return cells;
}

}  // namespace

Outline::Outline(std::vector<std::string> head, size_t left)
    : head_(AllPrintable(std::move(head))), left_(left) {}

void Outline::Add(size_t depth, std::vector<std::string> cells) {
  XMMU_CHECK(cells.size() == head_.size());
  XMMU_CHECK(depth <= (rows_.empty() ? 0 : rows_.back().depth + 1));
  rows_.push_back({depth, AllPrintable(std::move(cells))});
}

std::string Outline::Format() const {
  TextTable table(left_ + 1);
  table.Add(head_);
  table.Rule();
  for (const Row& row : rows_) {
    std::vector<std::string> cells = row.cells;
    cells.front().insert(0, kBlanksAStep * row.depth, ' ');
    table.Add(std::move(cells));
  }
  return table.Format();
}

}  // namespace xmmu
