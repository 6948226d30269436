#include "report/mark_fields.h"

#include "absl/strings/str_cat.h"
#include "base/text.h"

namespace xmmu {
namespace {

constexpr int kShareDecimals = 6;
constexpr int kPercentDecimals = 3;

}  // namespace

void AddMarkNames(std::vector<std::string>& cells) {
  for (size_t i = 0; i < kMarkCount; ++i) {
    cells.push_back(
        absl::StrCat("share_", Abs(MarkName(static_cast<Mark>(i)))));
  }
}

void AddMarkShares(const MarkCycles& cycles, std::vector<std::string>& cells) {
  for (const uint64_t share : SharesByMark(cycles, kShareDecimals)) {
    cells.push_back(ShareText(share, kShareDecimals));
  }
}

std::vector<std::string> MarkPercents(const MarkCycles& cycles) {
  std::vector<std::string> cells;
  for (const uint64_t share : SharesByMark(cycles, kPercentDecimals)) {
    cells.push_back(PercentText(share, kPercentDecimals));
  }
  return cells;
}

std::string EstimatedPercent(const MarkCycles& cycles) {
  const auto shares = SharesByMark(cycles, kPercentDecimals);
  uint64_t sum = 0;
  for (size_t i = 0; i < kMarkCount; ++i) {
    if (IsEstimate(static_cast<Mark>(i))) sum += shares[i];
  }
  return PercentText(sum, kPercentDecimals);
}

}  // namespace xmmu
