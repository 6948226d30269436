#ifndef XMMU_REPORT_DICTIONARY_H_
#define XMMU_REPORT_DICTIONARY_H_

// What the names in reports mean, from the tables that reports are made of:
// `xmmu list counters` and its kin, and the dictionary in lib/report/README.md.
//
// Charges nothing. Any thread.

#include <span>
#include <string_view>
#include <vector>

#include "xmmu/report/document.h"

namespace xmmu {

// What a list is of, by its name on the command line.
struct DictionaryEntry {
  std::string_view name;  // "counters"
  std::string_view help;  // what the names are, in a few words
  std::vector<Term> (*terms)();
};

// columns (of a comparison), intervals (those of its series), counters,
// components, events (that have a price) and marks.
std::span<const DictionaryEntry> Dictionary();

// The entry with that name, or nullptr.
const DictionaryEntry* FindDictionaryEntry(std::string_view name);

// The names of `entry` with unit and help.
//   text   a table
//   data   a list of objects
//   table  a line a name
Document DictionaryDocument(const DictionaryEntry& entry);

}  // namespace xmmu

#endif  // XMMU_REPORT_DICTIONARY_H_
