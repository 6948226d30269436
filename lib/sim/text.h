#ifndef XMMU_LIB_SIM_TEXT_H_
#define XMMU_LIB_SIM_TEXT_H_

// Small helpers for messages and reports.

#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "xmmu/base/check.h"

namespace xmmu {

// Abseil as Debian builds it has a string_view of its own.
inline absl::string_view Abs(std::string_view text) {
  return absl::string_view(text.data(), text.size());
}

// The names of `values`, as "a, b, c".
template <typename Range, typename Name>
std::string NamesOf(const Range& values, Name name) {
  std::vector<std::string> names;
  for (const auto& value : values) names.emplace_back(name(value));
  return absl::StrJoin(names, ", ");
}

// A line of CSV (RFC 4180). REQUIRES: no cell needs quotes; ours are numbers
// and names.
inline std::string CsvLine(const std::vector<std::string>& cells) {
  for (const std::string& cell : cells) {
    XMMU_CHECK(cell.find_first_of(",\"\r\n") == std::string::npos);
  }
  return absl::StrJoin(cells, ",") + "\n";
}

}  // namespace xmmu

#endif  // XMMU_LIB_SIM_TEXT_H_
