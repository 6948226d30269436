#ifndef XMMU_LIB_MACHINE_FILE_MACHINE_DOCUMENT_H_
#define XMMU_LIB_MACHINE_FILE_MACHINE_DOCUMENT_H_

// A TOML document as far as machines and lists of options need it: tables of
// booleans, numbers, texts and lists of these, each with its line.

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace xmmu {

// One value of a document.
using MachineValue = std::variant<bool, int64_t, double, std::string>;

struct DocumentEntry {
  std::string key;
  uint32_t line = 0;
  bool is_table = false;
  // Set unless is_table. Dates, lists and multi-line strings, which no key
  // accepts, are a text with a line break.
  MachineValue value;
  // The elements of a list that has at least one.
  std::vector<MachineValue> list;
  std::vector<DocumentEntry> table;  // in the order of lines
};

struct ParsedDocument {
  std::vector<DocumentEntry> entries;  // by line
  std::string error;                   // one line; empty if there is none
  uint32_t error_line = 0;
};

// Parses `text`; with an error there are no entries.
ParsedDocument ParseDocument(std::string_view text);

// Returns `value` in TOML's notation.
std::string DocumentText(const MachineValue& value);

}  // namespace xmmu

#endif  // XMMU_LIB_MACHINE_FILE_MACHINE_DOCUMENT_H_
