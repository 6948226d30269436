// What a comparison says of large pages: how many the programs had, what the
// host's nested tables map them by, and which guests have none.

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/text.h"
#include "report/comparison_fields.h"
#include "xmmu/machine/paging_mode.h"

namespace xmmu {
namespace {

// "4 KiB", "2 MiB", "1 GiB".
std::string PageSizeText(uint64_t bytes) {
  if (bytes >= uint64_t{1} << 30) return absl::StrCat(bytes >> 30, " GiB");
  if (bytes >= uint64_t{1} << 20) return absl::StrCat(bytes >> 20, " MiB");
  return absl::StrCat(bytes >> 10, " KiB");
}

// "; nested pages: 62 of 2 MiB, 512 of 4 KiB".
std::string NestedText(const ReportRow& row) {
  std::vector<std::string> sizes;
  for (const NestedPages& size : row.nested_pages) {
    sizes.push_back(
        absl::StrCat(Grouped(size.count), " of ", PageSizeText(size.bytes)));
  }
  if (sizes.empty()) return "";
  return "; nested pages: " + absl::StrJoin(sizes, ", ");
}

// Why a guest that asks for large pages gets none, and what it lacks.
std::string DeniedText(const ReportRow& row, PagingMode mode) {
  const uint64_t denied = row.cost.counters[Counter::kLargeDenied];
  if (denied == 0) return "";
  return absl::StrCat(
      row.paravirtual ? "a paravirtual guest has none"
                      : "the strategy hides them from its guest",
      "; ", Grouped(denied), denied == 1 ? " region of " : " regions of ",
      PageSizeText(uint64_t{1} << LevelShift(mode, 2)),
      denied == 1 ? " is 4 KiB pages" : " are 4 KiB pages");
}

// The large pages that the programs of a row had.
std::string HadText(const ReportRow& row) {
  const Counters& counters = row.cost.counters;
  const uint64_t zeroed = counters[Counter::kThpFaultAlloc];
  const uint64_t read = counters[Counter::kThpZeroPage];
  const uint64_t hugetlb = counters[Counter::kHugetlbMapped];
  if (zeroed + read + hugetlb == 0) {
    return ChosenThp(row).has_value() ? "none" + NestedText(row) : "";
  }
  std::string text =
      absl::StrCat(Grouped(zeroed), " transparent, ",
                   Grouped(counters[Counter::kThpSplitPmd]), " split");
  if (read > 0) absl::StrAppend(&text, ", ", Grouped(read), " only read");
  if (hugetlb > 0) absl::StrAppend(&text, ", ", Grouped(hugetlb), " hugetlb");
  return text + NestedText(row);
}

// Lines that begin with `what` and the rows of each text, in the order of the
// first of them.
class LinesByText {
 public:
  explicit LinesByText(std::string what) : what_(std::move(what)) {}

  void Add(size_t number, const std::string& text) {
    if (text.empty()) return;
    for (auto& [known, numbers] : texts_) {
      if (known == text) return numbers.push_back(number);
    }
    texts_.push_back({text, {number}});
  }

  std::string Lines() const {
    std::string lines;
    for (const auto& [text, numbers] : texts_) {
      absl::StrAppend(&lines, what_,
                      numbers.size() == 1 ? " in row " : " in rows ",
                      absl::StrJoin(numbers, ", "), ": ", text, "\n");
    }
    return lines;
  }

 private:
  std::string what_;
  std::vector<std::pair<std::string, std::vector<size_t>>> texts_;
};

}  // namespace

std::string LargePageLines(const Comparison& comparison) {
  LinesByText had("large pages");
  LinesByText denied("no large pages");
  size_t number = 0;
  for (const ReportRow& row : comparison.rows) {
    ++number;
    if (row.large_pages) {
      had.Add(number, HadText(row));
    } else {
      denied.Add(number, DeniedText(row, comparison.options.mode));
    }
  }
  return had.Lines() + denied.Lines();
}

Value NestedPagesValue(const ReportRow& row) {
  if (row.nested_pages.empty()) return Absent();
  Record sizes;
  for (const NestedPages& size : row.nested_pages) {
    const std::string key = size.bytes >= uint64_t{1} << 30   ? "1g"
                            : size.bytes >= uint64_t{1} << 20 ? "2m"
                                                              : "4k";
    sizes.fields.push_back(
        {key, "pages", "of " + PageSizeText(size.bytes), size.count});
  }
  return sizes;
}

}  // namespace xmmu
