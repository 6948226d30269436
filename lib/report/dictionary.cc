#include "xmmu/report/dictionary.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "report/common_fields.h"
#include "report/comparison_fields.h"

namespace xmmu {
namespace {

std::vector<Term> CounterTerms() { return TermsOf(kCounterGroup.members()); }
std::vector<Term> ComponentTerms() {
  return TermsOf(kComponentGroup.members());
}
std::vector<Term> MarkTerms() { return TermsOf(kMarkGroup.members()); }

std::vector<Term> EventTerms() {
  std::vector<Term> terms;
  for (size_t i = 0; i < kCostEventCount; ++i) {
    const auto event = static_cast<CostEvent>(i);
    terms.push_back({std::string(CostEventName(event)), "cycles",
                     std::string(CostEventHelp(event))});
  }
  return terms;
}

// Columns of CSV; what a group has a column for each of is one name with <> in
// it.
std::vector<Term> ColumnTermsOf(const std::vector<FieldInfo>& infos) {
  std::vector<Term> terms;
  for (const FieldInfo& field : infos) {
    if (field.shown == Shown::kJson) continue;
    std::string name(field.key);
    if (field.group == &kComponentGroup) name = "cycles_<component>";
    if (field.group == &kCounterGroup) name = "<counter>";
    if (field.group == &kMarkShareGroup) name = "share_<mark>";
    if (field.shown == Shown::kOpen) name += "_<name>";
    terms.push_back(
        {std::move(name), std::string(field.unit), std::string(field.help)});
  }
  return terms;
}

std::vector<Term> ColumnTerms() {
  return ColumnTermsOf(InfosOf<ComparisonLine>(ComparisonFields()));
}
std::vector<Term> IntervalTerms() { return ColumnTermsOf(IntervalInfos()); }
std::vector<Term> PartTerms() { return ColumnTermsOf(PartInfos()); }

constexpr DictionaryEntry kEntries[] = {
    {"columns", "columns of the CSV of a comparison", &ColumnTerms},
    {"intervals",
     "columns of the CSV of a comparison with --interval, behind those that "
     "say what was run",
     &IntervalTerms},
    {"parts",
     "columns of the CSV of a comparison with --per, behind those that say "
     "what "
     "was run",
     &PartTerms},
    {"counters", "events that are counted", &CounterTerms},
    {"components", "what cycles are spent on", &ComponentTerms},
    {"events", "what has a price", &EventTerms},
    {"marks", "what a price rests on", &MarkTerms},
};

constexpr FieldOf<Term> kTermFields[] = {
    {0, "name", "", "name in reports", [](const Term& t) { return t.name; }},
    {0, "unit", "", "what it is counted in; empty where there is none",
     [](const Term& t) { return t.unit; }},
    {0, "help", "", "what it means, in a sentence",
     [](const Term& t) { return t.help; }},
};

}  // namespace

std::span<const DictionaryEntry> Dictionary() { return kEntries; }

const DictionaryEntry* FindDictionaryEntry(std::string_view name) {
  const auto* const found =
      std::find_if(std::begin(kEntries), std::end(kEntries),
                   [&](const DictionaryEntry& e) { return e.name == name; });
  return found == std::end(kEntries) ? nullptr : found;
}

Document DictionaryDocument(const DictionaryEntry& entry) {
  const std::vector<Term> terms = entry.terms();
  TextTable table(3);
  table.Add({std::string(entry.name), "unit", "meaning"});
  table.Rule();
  std::vector<Record> records;
  for (const Term& term : terms) {
    table.Add({term.name, term.unit, term.help});
    records.push_back(RecordOf<Term>(kTermFields, 0, term));
  }
  Document document;
  document.text = {std::move(table)};
  document.table = TableOf<Term>(kTermFields, terms);
  document.data = std::move(records);
  return document;
}

}  // namespace xmmu
