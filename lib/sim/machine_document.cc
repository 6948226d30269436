#include "sim/machine_document.h"

#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#include <toml++/toml.h>

#include <algorithm>
#include <sstream>

namespace xmmu {
namespace {

MachineValue ValueOf(const toml::node& node) {
  if (const auto* truth = node.as_boolean()) return truth->get();
  if (const auto* number = node.as_integer()) return number->get();
  if (const auto* number = node.as_floating_point()) return number->get();
  if (const auto* text = node.as_string()) return text->get();
  return std::string("\n");
}

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
  const toml::parse_result result = toml::parse(text);
  if (result) return {EntriesOf(result.table()), "", 0};
  const std::string_view error = result.error().description();
  return {{},
          std::string(error.substr(0, error.find('\n'))),
          result.error().source().begin.line};
}

std::string DocumentText(const MachineValue& value) {
  std::ostringstream text;
  std::visit([&](const auto& plain) { text << toml::value(plain); }, value);
  return text.str();
}

}  // namespace xmmu
