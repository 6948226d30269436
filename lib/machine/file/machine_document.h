#ifndef XMMU_LIB_MACHINE_FILE_MACHINE_DOCUMENT_H_
#define XMMU_LIB_MACHINE_FILE_MACHINE_DOCUMENT_H_

// A TOML document as far as machines need it: tables of truths, numbers and
// texts, each with its line.

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace xmmu {

// What a document has for one value.
using MachineValue = std::variant<bool, int64_t, double, std::string>;

struct DocumentEntry {
  std::string key;
  uint32_t line = 0;
  bool is_table = false;
  // Of what is no table. What is none of these is a text with a line break,
  // which nothing takes.
  MachineValue value;
  std::vector<DocumentEntry> table;  // by line
};

struct ParsedDocument {
  std::vector<DocumentEntry> entries;  // by line
  std::string error;                   // one line; empty if there is none
  uint32_t error_line = 0;
};

ParsedDocument ParseDocument(std::string_view text);

// `value` as a document has it.
std::string DocumentText(const MachineValue& value);

}  // namespace xmmu

#endif  // XMMU_LIB_MACHINE_FILE_MACHINE_DOCUMENT_H_
