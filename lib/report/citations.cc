#include "xmmu/report/citations.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/printable.h"
#include "base/text.h"
#include "machine/file/machine_fields.h"
#include "report/field_table.h"
#include "xmmu/sim/results.h"

namespace xmmu {
namespace {

constexpr std::string_view kCost = "cost.";

// xmmu itself, which names neither authors nor a date. `version` outlives it.
Work ProgramOf(std::string_view version) {
  return {"xmmu",
          "misc",
          {{"title",
            "{xmmu}: Cycle-level x86 {MMU} and {Xen} memory-virtualization "
            "simulator"},
           {"howpublished", "Computer program"},
           {"version", version}},
          {}};
}

// The event of the price with this key. REQUIRES: it is one.
CostEvent EventOf(std::string_view key) {
  key.remove_prefix(kCost.size());
  size_t i = 0;
  while (CostEventName(static_cast<CostEvent>(i)) != key) ++i;
  return static_cast<CostEvent>(i);
}

// Collects the works of machines, section by section.
class Collector {
 public:
  explicit Collector(const CyclesByPrice* cycles) : cycles_(cycles) {
    if (cycles == nullptr) return;
    for (const auto& [name, count] : *cycles) result_.cycles += count;
  }

  void Add(const MachineModel& machine);
  Citations Take() &&;

 private:
  // The cycles of the price with this key, if it is one that is charged;
  // nothing if it is not.
  std::optional<uint64_t> CyclesOf(std::string_view key) const;
  // The works of a price, and of those that it follows from.
  static std::set<const Work*> WorksOf(const MachineModel& machine,
                                       CostEvent event);
  void AddUncited(const MachineSection& section, uint64_t cycles);

  const CyclesByPrice* cycles_;
  Citations result_;
  absl::btree_map<std::string_view, CitedWork> works_;  // by key
};

std::optional<uint64_t> Collector::CyclesOf(std::string_view key) const {
  if (cycles_ == nullptr || !key.starts_with(kCost)) return 0;
  key.remove_prefix(kCost.size());
  const auto it = cycles_->find(std::string(key));
  if (it == cycles_->end() || it->second == 0) return std::nullopt;
  return it->second;
}

std::set<const Work*> Collector::WorksOf(const MachineModel& machine,
                                         CostEvent event) {
  const auto index = static_cast<size_t>(event);
  std::set<const Work*> works;
  for (const Work* work : WorksIn(machine.costs[index].source)) {
    works.insert(work);
  }
  const PriceRule& rule = machine.price_rules[index];
  if (rule.of.has_value()) works.merge(WorksOf(machine, *rule.of));
  if (rule.less.has_value()) works.merge(WorksOf(machine, *rule.less));
  return works;
}

void Collector::AddUncited(const MachineSection& section, uint64_t cycles) {
  UncitedValues* uncited = nullptr;
  switch (UnsourcedOf(*section.mark, *section.source)) {
    case Unsourced::kOwn:
      uncited = &result_.own;
      break;
    case Unsourced::kRemembered:
      uncited = &result_.remembered;
      break;
    case Unsourced::kFromOthers:
      return;
    case Unsourced::kNo:
      result_.unknown.emplace_back(*section.source);
      return;
  }
  ++uncited->values;
  uncited->cycles += cycles;
}

void Collector::Add(const MachineModel& machine) {
  result_.machines.emplace_back(machine.name);
  MachineModel copy = machine;
  for (const MachineSection& section : SectionsOf(copy)) {
    const auto cycles = CyclesOf(section.path);
    if (IsAbsent(section) || !cycles.has_value()) continue;
    std::set<const Work*> works;
    if (section.path.starts_with(kCost)) {
      works = WorksOf(machine, EventOf(section.path));
    } else {
      for (const Work* work : WorksIn(*section.source)) works.insert(work);
    }
    if (works.empty()) AddUncited(section, *cycles);
    for (const Work* work : works) {
      CitedWork& cited = works_[work->key];
      cited.work = work;
      cited.values.push_back(section.path);
      cited.cycles += *cycles;
    }
  }
}

Citations Collector::Take() && {
  result_.version = std::string(Version());
  for (auto& [key, cited] : works_) {
    auto& values = cited.values;  // several machines have the same
    std::sort(values.begin(), values.end());
    values.erase(std::unique(values.begin(), values.end()), values.end());
    result_.works.push_back(std::move(cited));
  }
  auto& unknown = result_.unknown;
  std::sort(unknown.begin(), unknown.end());
  unknown.erase(std::unique(unknown.begin(), unknown.end()), unknown.end());
  return std::move(result_);
}

std::string PercentOfCycles(uint64_t part, uint64_t whole) {
  return absl::StrFormat(
      "%.1f %%", 100 * static_cast<double>(part) / static_cast<double>(whole));
}

// "12 values of xeon-2003; prices of 41.2 % of the cycles".
std::string UseOf(const Citations& all, uint64_t values, uint64_t cycles) {
  std::string text = absl::StrCat(values, values == 1 ? " value" : " values");
  if (all.cycles > 0) {
    absl::StrAppend(&text, ", prices of ", PercentOfCycles(cycles, all.cycles),
                    " of the cycles");
  }
  return text;
}

std::string BibtexText(const Citations& citations) {
  std::string text = BibtexOf(ProgramOf(citations.version));
  for (const CitedWork& cited : citations.works) {
    absl::StrAppend(&text, "\n% ",
                    UseOf(citations, cited.values.size(), cited.cycles), "\n",
                    BibtexOf(*cited.work));
  }
  absl::StrAppend(
      &text, "\n% Machines: ", absl::StrJoin(citations.machines, ", "), "\n");
  const auto uncited = [&](const char* what, const UncitedValues& values) {
    if (values.values == 0) return;
    absl::StrAppend(&text, "% Of no work, ", what, ": ",
                    UseOf(citations, values.values, values.cycles), "\n");
  };
  uncited("estimated or measured by the authors", citations.own);
  uncited("generally known", citations.remembered);
  for (const std::string& source : citations.unknown) {
    absl::StrAppend(&text, "% To be cited by hand: ", Printable(source), "\n");
  }
  return text;
}

struct EntryLine {
  const Citations& all;
  const Work& work;
  const CitedWork* cited;  // null for xmmu itself
};

// A field of BibTeX without the braces that keep the case of letters.
Cell Plain(const EntryLine& line, std::string_view name) {
  std::string value(line.work.Field(name));
  std::erase_if(value, [](char c) { return c == '{' || c == '}'; });
  return value.empty() ? Cell() : Cell(std::move(value));
}

// Where it has appeared, whatever BibTeX calls that.
Cell VenueOf(const EntryLine& line) {
  for (const std::string_view name :
       {"booktitle", "journal", "organization", "howpublished"}) {
    Cell venue = Plain(line, name);
    if (!std::holds_alternative<std::monostate>(venue)) return venue;
  }
  return Cell();
}

std::vector<Cell> KeysOf(const EntryLine& line) {
  if (line.cited == nullptr) return {};
  return {line.cited->values.begin(), line.cited->values.end()};
}

constexpr FieldOf<EntryLine> kEntryFields[] = {
    {0, "key", "", "key of the entry in BibTeX",
     [](const EntryLine& l) { return l.work.key; }},
    {0, "type", "", "type of the entry",
     [](const EntryLine& l) { return l.work.type; }},
    {0, "author", "",
     "authors, with \"and\" between them; empty if none are named",
     [](const EntryLine& l) -> Value { return Plain(l, "author"); }},
    {0, "title", "", "its title",
     [](const EntryLine& l) -> Value { return Plain(l, "title"); }},
    {0, "venue", "", "where it has appeared",
     [](const EntryLine& l) -> Value { return VenueOf(l); }},
    {0, "year", "", "when; empty for what has no date",
     [](const EntryLine& l) -> Value { return Plain(l, "year"); }},
    {0, "doi", "", "its DOI, if it has one",
     [](const EntryLine& l) -> Value { return Plain(l, "doi"); }},
    {0, "url", "", "where it is, if it has no DOI",
     [](const EntryLine& l) -> Value { return Plain(l, "url"); }},
    {0, "version", "", "version of the program; empty for other works",
     [](const EntryLine& l) -> Value { return Plain(l, "version"); }},
    {0, "values", "", "values of the machines that rest on it, by their keys",
     [](const EntryLine& l) { return KeysOf(l); }, Shown::kJson},
    {0, "cycles", "cycles",
     "cycles of all rows whose prices rest on it; a price may rest on several "
     "works; 0 without a report",
     [](const EntryLine& l) {
       return l.cited == nullptr ? uint64_t{0} : l.cited->cycles;
     }},
    {0, "bibtex", "", "the entry in BibTeX",
     [](const EntryLine& l) { return BibtexOf(l.work); }, Shown::kJson},
};

std::vector<Cell> CitedTexts(const std::vector<std::string>& texts) {
  return {texts.begin(), texts.end()};
}

Field PlainNumber(std::string key, std::string unit, std::string help,
                  uint64_t number) {
  return {std::move(key), std::move(unit), std::move(help), Cell(number)};
}

Value UncitedValue(const UncitedValues& uncited) {
  return Record{
      {PlainNumber("values", "values", "values of the machines that rest on it",
                   uncited.values),
       PlainNumber("cycles", "cycles", "cycles of their prices",
                   uncited.cycles)}};
}

Record RecordOfAll(const Citations& citations, std::vector<Record> entries) {
  Record record;
  record.fields = {
      {"xmmu", "", "version of xmmu that is cited", Cell(citations.version)},
      {"machines", "", "machines whose sources these are",
       CitedTexts(citations.machines)},
      PlainNumber("cycles", "cycles", "cycles of all rows of the report",
                  citations.cycles),
      {"entries", "", "one object an entry; the first is xmmu itself",
       std::move(entries)},
      {"own", "", "values that are estimated, or measured by the authors",
       UncitedValue(citations.own)},
      {"remembered", "", "values that are generally known",
       UncitedValue(citations.remembered)},
      {"unknown", "", "sources that name no work known here",
       CitedTexts(citations.unknown)}};
  return record;
}

}  // namespace

Citations CitationsOf(std::span<const MachineModel* const> machines,
                      const CyclesByPrice* cycles) {
  Collector collector(cycles);
  for (const MachineModel* machine : machines) collector.Add(*machine);
  return std::move(collector).Take();
}

Document CitationDocument(const Citations& citations) {
  const Work program = ProgramOf(citations.version);
  std::vector<EntryLine> lines = {{citations, program, nullptr}};
  for (const CitedWork& cited : citations.works) {
    lines.push_back({citations, *cited.work, &cited});
  }
  std::vector<Record> entries;
  for (const EntryLine& line : lines) {
    entries.push_back(RecordOf<EntryLine>(kEntryFields, 0, line));
  }
  Document document;
  document.text = {BibtexText(citations)};
  document.table = TableOf<EntryLine>(kEntryFields, lines);
  document.data = RecordOfAll(citations, std::move(entries));
  return document;
}

}  // namespace xmmu
