#include "base/nearest_name.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

namespace xmmu {
namespace {

// Longer texts are taken for no name at all, since comparing takes time in
// proportion to the product of the lengths.
constexpr size_t kLongest = 100;

// Reduces `name` to what is compared: its letters in lower case and its digits.
std::string Letters(std::string_view name) {
  std::string letters;
  for (const char c : name) {
    if (c == '_' || c == '-' || c == '.' || c == ' ') continue;
    letters += 'A' <= c && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return letters;
}

// The optimal string alignment distance: how many letters are missing, too
// many, wrong, or swapped with their neighbour.
size_t Distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<size_t>> rows(a.size() + 1,
                                        std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) rows[i][0] = i;
  for (size_t j = 0; j <= b.size(); ++j) rows[0][j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t wrong = a[i - 1] == b[j - 1] ? 0 : 1;
      size_t best = std::min(
          {rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + wrong});
      const bool swapped =
          i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) best = std::min(best, rows[i - 2][j - 2] + 1);
      rows[i][j] = best;
    }
  }
  return rows[a.size()][b.size()];
}

// Returns the first of the names that begin with most of `letters`, as a plural
// begins like its singular: four letters at least, and all but two.
std::string_view SameStem(std::string_view letters,
                          std::span<const std::string_view> known) {
  if (letters.size() < 5) return {};
  const size_t stem = std::max<size_t>(4, letters.size() - 2);
  for (const std::string_view name : known) {
    if (Letters(name).starts_with(letters.substr(0, stem))) return name;
  }
  return {};
}

}  // namespace

std::string_view NearestName(std::string_view given,
                             std::span<const std::string_view> known) {
  const std::string letters = Letters(given);
  if (letters.empty() || letters.size() > kLongest) return {};
  std::string_view nearest;
  size_t fewest = letters.size() / 3 + 1;
  for (const std::string_view name : known) {
    const std::string other = Letters(name);
    if (other.size() > kLongest) continue;
    const size_t distance = Distance(letters, other);
    if (distance >= fewest) continue;
    nearest = name;
    fewest = distance;
  }
  if (!nearest.empty()) return nearest;
  for (const std::string_view name : known) {
    if (Letters(name).starts_with(letters)) return name;
  }
  return SameStem(letters, known);
}

}  // namespace xmmu
