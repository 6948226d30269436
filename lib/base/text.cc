#include "base/text.h"

#include "absl/strings/str_replace.h"

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

std::string WantedName(std::string_view given,
                       std::span<const std::string_view> names) {
  const std::string all =
      NamesOf(names, [](std::string_view name) { return name; });
  // A longer text is no misspelt name, and comparing it would take long.
  constexpr size_t kLongestName = 64;
  const std::string_view nearest =
      given.size() > kLongestName ? "" : NearestName(given, names);
  if (nearest.empty()) return "want " + all;
  return absl::StrCat("did you mean ", Abs(nearest), "? There are ", all);
}

std::string CsvLine(const std::vector<std::string>& cells) {
  std::string line;
  for (size_t i = 0; i < cells.size(); ++i) {
    if (i > 0) line += ',';
    AppendCell(cells[i], line);
  }
  return line + "\n";
}

std::string CommandText(const std::vector<std::string>& arguments) {
  constexpr std::string_view kPlain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
      "_-+=./:,%@";
  std::vector<std::string> words;
  for (const std::string& argument : arguments) {
    const bool plain = !argument.empty() &&
                       argument.find_first_not_of(kPlain) == std::string::npos;
    words.push_back(
        plain ? argument
              : absl::StrCat(
                    "'", absl::StrReplaceAll(argument, {{"'", "'\\''"}}), "'"));
  }
  return absl::StrJoin(words, " ");
}

}  // namespace xmmu
