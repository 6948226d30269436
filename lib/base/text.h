#ifndef XMMU_LIB_BASE_TEXT_H_
#define XMMU_LIB_BASE_TEXT_H_

// Small helpers for messages and reports.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "base/nearest_name.h"

namespace xmmu {

// Converts for StrCat() and its like: Debian builds Abseil with a string_view
// of its own, which std::string_view does not convert to.
inline absl::string_view Abs(std::string_view text) {
  return absl::string_view(text.data(), text.size());
}

// Joins the names of `values`: "a, b, c".
template <typename Range, typename Name>
std::string NamesOf(const Range& values, Name name) {
  std::vector<std::string> names;
  for (const auto& value : values) names.emplace_back(name(value));
  return absl::StrJoin(names, ", ");
}

// The error for `given`, which is the name of no `what` among `values`: it says
// which of them was probably meant, and lists all.
template <typename Range, typename Name>
absl::Status UnknownName(std::string_view what, std::string_view given,
                         const Range& values, Name name) {
  std::vector<std::string_view> names;
  for (const auto& value : values) names.push_back(name(value));
  const std::string_view nearest = NearestName(given, names);
  return absl::InvalidArgumentError(absl::StrCat(
      "no ", Abs(what), " '", Abs(given), "'",
      nearest.empty() ? ""
                      : absl::StrCat(", did you mean \"", Abs(nearest), "\"?"),
      nearest.empty() ? "; there are " : " There are ", NamesOf(values, name)));
}

// Says what would do in the place of `given`, which is none of `names`: "want
// a, b", or, if one of them is near, "did you mean a? There are a, b".
std::string WantedName(std::string_view given,
                       std::span<const std::string_view> names);

// Returns a line of CSV (RFC 4180): a cell with a comma, a quote or a line
// break is put in quotes, and its own quotes are doubled. No byte is changed.
std::string CsvLine(const std::vector<std::string>& cells);

// Returns `arguments` as a POSIX shell takes them: those with more than letters,
// digits and _-+=./:,%@ in single quotes.
std::string CommandText(const std::vector<std::string>& arguments);

}  // namespace xmmu

#endif  // XMMU_LIB_BASE_TEXT_H_
