#include "machine/file/machine_document.h"

#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <sstream>

namespace xmmu {
namespace {

// These limits are far beyond what a machine needs, whose keys have 3 parts and
// which has no list.
constexpr int kMostDots = 16;
constexpr int kMostBrackets = 8;

// Finds keys and lists that nest deep before the parser sees them: it calls
// itself for each part, and a hostile file would overflow the stack.
class NestingCheck {
 public:
  explicit NestingCheck(std::string_view text) : text_(text) {}

  // Returns the line of the first part that nests too deep, or 0 if none does.
  uint32_t Line() && {
    while (!text_.empty()) {
      const char c = text_[0];
      if (c == '"' || c == '\'') {
        SkipText(c);
        continue;
      }
      if (c == '#') {
        SkipTo(text_.find('\n'));
        continue;
      }
      text_.remove_prefix(1);
      if (c == '.') {
        if (++dots_ > kMostDots) return line_;
        continue;
      }
      if (c == '\n') ++line_;
      if (c == '[' || c == '{') ++brackets_;
      if ((c == ']' || c == '}') && brackets_ > 0) --brackets_;
      if (brackets_ > kMostBrackets) return line_;
      if (std::string_view("\n=,[]{}").find(c) != std::string_view::npos) {
        dots_ = 0;
      }
    }
    return 0;
  }

 private:
  // Skips the characters up to `end`, or all if there are fewer.
  void SkipTo(size_t end) {
    const std::string_view skipped = text_.substr(0, end);
    line_ +=
        static_cast<uint32_t>(std::count(skipped.begin(), skipped.end(), '\n'));
    text_.remove_prefix(skipped.size());
  }

  // Skips a text in one or three quotes to its end; a text without an end is
  // skipped to where the parser will complain.
  void SkipText(char quote) {
    const bool long_text = text_.starts_with(std::string(3, quote));
    const size_t quotes = long_text ? 3 : 1;
    size_t end = quotes;
    while (end < text_.size()) {
      if (!long_text && text_[end] == '\n') return SkipTo(end);
      if (text_.substr(end).starts_with(std::string(quotes, quote))) {
        return SkipTo(end + quotes);
      }
      end += quote == '"' && text_[end] == '\\' ? 2 : 1;
    }
    SkipTo(end);
  }

  std::string_view text_;
  uint32_t line_ = 1;
  int dots_ = 0;  // in this key
  int brackets_ = 0;
};

// A line break stands for dates and lists: no key accepts a text with one, so
// that the key's own error message answers them.
MachineValue ValueOf(const toml::node& node) {
  if (const auto* truth = node.as_boolean()) return truth->get();
  if (const auto* number = node.as_integer()) return number->get();
  if (const auto* number = node.as_floating_point()) return number->get();
  if (const auto* text = node.as_string()) return text->get();
  return std::string("\n");
}

// The parser keeps keys in alphabetical order; by line errors come in the order
// of the file.
std::vector<DocumentEntry> EntriesOf(const toml::table& table) {
  std::vector<DocumentEntry> entries;
  for (const auto& [key, node] : table) {
    DocumentEntry entry;
    entry.key = std::string(key.str());
    entry.line = key.source().begin.line;
    const toml::table* const inner = node.as_table();
    entry.is_table = inner != nullptr;
    if (inner != nullptr) {
      entry.table = EntriesOf(*inner);
    } else {
      entry.value = ValueOf(node);
      if (const toml::array* const array = node.as_array()) {
        for (const toml::node& element : *array) {
          entry.list.push_back(ValueOf(element));
        }
      }
    }
    entries.push_back(std::move(entry));
  }
  std::stable_sort(entries.begin(), entries.end(),
                   [](const DocumentEntry& a, const DocumentEntry& b) {
                     return a.line < b.line;
                   });
  return entries;
}

}  // namespace

ParsedDocument ParseDocument(std::string_view text) {
  if (const uint32_t line = NestingCheck(text).Line(); line != 0) {
    return {{}, "nests deeper than any key here does", line};
  }
  const toml::parse_result result = toml::parse(text);
  if (result) return {EntriesOf(result.table()), "", 0};
  const std::string_view error = result.error().description();
  return {{},
          std::string(error.substr(0, error.find('\n'))),
          result.error().source().begin.line};
}

std::string DocumentText(const MachineValue& value) {
  if (const double* number = std::get_if<double>(&value)) {
    // The shortest text that reads as the same number, which toml++ does not
    // write: "2.4".
    std::array<char, 32> digits;
    const auto [end, error] =
        std::to_chars(digits.data(), digits.data() + digits.size(), *number);
    std::string shortest(digits.data(), end);
    // TOML takes a number without a point for a whole one.
    if (shortest.find_first_not_of("-0123456789") == std::string::npos) {
      shortest += ".0";
    }
    return shortest;
  }
  std::ostringstream text;
  std::visit([&](const auto& plain) { text << toml::value(plain); }, value);
  return text.str();
}

}  // namespace xmmu
