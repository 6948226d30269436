#ifndef XMMU_LIB_SIM_TEXT_H_
#define XMMU_LIB_SIM_TEXT_H_

// Small helpers for messages and reports.

#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"

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

}  // namespace xmmu

#endif  // XMMU_LIB_SIM_TEXT_H_
