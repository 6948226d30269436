#include "report/common_fields.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "xmmu/policy/policies.h"

namespace xmmu {
namespace {

constexpr int kShareDecimals = 6;
constexpr int kPercentDecimals = 3;
constexpr size_t kMarkNameWidth = 12;

// The columns of an enumeration of `count` values.
template <typename Enum>
std::vector<Column> ColumnsOf(size_t count, Column (*column)(Enum)) {
  std::vector<Column> columns;
  for (size_t i = 0; i < count; ++i) {
    columns.push_back(column(static_cast<Enum>(i)));
  }
  return columns;
}

// Sets the unit of each column of the marks, which have none by themselves.
std::vector<Column> MarkColumns(std::string_view unit) {
  std::vector<Column> columns = ColumnsOf(kMarkCount, &MarkColumn);
  for (Column& column : columns) column.unit = unit;
  return columns;
}

}  // namespace

const FieldGroup kComponentGroup = {
    "cycles_", [] { return ColumnsOf(kComponentCount, &ComponentColumn); }};
const FieldGroup kCounterGroup = {
    "", [] { return ColumnsOf(kCounterCount, &CounterColumn); }};
const FieldGroup kMarkCyclesGroup = {"cycles_",
                                     [] { return MarkColumns("cycles"); }};
const FieldGroup kMarkShareGroup = {"share_",
                                    [] { return MarkColumns("share of 1"); }};
const FieldGroup kMarkGroup = {"", [] { return MarkColumns(""); }};

std::vector<Term> TermsOf(const std::vector<Column>& columns) {
  std::vector<Term> terms;
  for (const Column& column : columns) {
    terms.push_back({column.key, column.unit, column.help});
  }
  return terms;
}

std::vector<Term> ComponentTermsOf(const std::vector<const Cost*>& costs) {
  std::vector<Column> used;
  for (size_t i = 0; i < kComponentCount; ++i) {
    const bool any = std::any_of(
        costs.begin(), costs.end(),
        [i](const Cost* cost) { return cost->by_component[i].count() != 0; });
    if (any) used.push_back(ComponentColumn(static_cast<Component>(i)));
  }
  return TermsOf(used);
}

TermGroup PolicyTerms(const std::vector<std::string>& names) {
  TermGroup group = {"policies", {}};
  for (const std::string& name : names) {
    if (const PolicyEntry* const entry = FindPolicy(name)) {
      AddTerm(name, entry->help, group);
    }
  }
  return group;
}

TermGroup GuestOpsTerms(const std::vector<GuestOps>& ops) {
  TermGroup group = {"guest ops", {}};
  for (const GuestOps each : ops) {
    AddTerm(GuestOpsName(each), GuestOpsHelp(each), group);
  }
  return group;
}

void AddTerm(std::string_view name, std::string_view help, TermGroup& group) {
  for (const Term& term : group.terms) {
    if (term.name == name) return;
  }
  group.terms.push_back({std::string(name), "", std::string(help)});
}

TermGroup MarkTermGroup() {
  return {"marks of prices", TermsOf(kMarkGroup.members())};
}

std::string MarkLines() {
  std::string text = "marks of prices\n";
  for (const Term& term : MarkTermGroup().terms) {
    absl::StrAppend(&text, "  ", term.name,
                    std::string(kMarkNameWidth - term.name.size(), ' '),
                    term.help, "\n");
  }
  return text;
}

std::vector<Cell> ComponentCells(const Cost& cost) {
  std::vector<Cell> cells;
  for (const Cycles cycles : cost.by_component) cells.push_back(cycles.count());
  return cells;
}

Record EventCycles(const Cost& cost, const CostTable& costs) {
  Record record;
  for (size_t i = 0; i < kCostEventCount; ++i) {
    const auto event = static_cast<CostEvent>(i);
    const uint64_t cycles = cost.count(event) * costs[i].value;
    if (cycles == 0) continue;
    record.fields.push_back({std::string(CostEventName(event)), "cycles",
                             std::string(CostEventHelp(event)), Cell(cycles)});
  }
  return record;
}

std::vector<Cell> CounterCells(const Cost& cost) {
  std::vector<Cell> cells;
  for (size_t i = 0; i < kCounterCount; ++i) {
    cells.push_back(cost.counters[static_cast<Counter>(i)]);
  }
  return cells;
}

std::vector<Cell> MarkCyclesCells(const MarkCycles& cycles) {
  std::vector<Cell> cells;
  for (const Cycles each : cycles) cells.push_back(each.count());
  return cells;
}

std::vector<Cell> MarkShareCells(const MarkCycles& cycles) {
  std::vector<Cell> cells;
  for (const uint64_t share : SharesByMark(cycles, kShareDecimals)) {
    cells.push_back(Real{static_cast<double>(share) / 1e6, kShareDecimals});
  }
  return cells;
}

std::vector<std::string> MarkPercents(const MarkCycles& cycles) {
  std::vector<std::string> cells;
  for (const uint64_t share : SharesByMark(cycles, kPercentDecimals)) {
    cells.push_back(PercentText(share, kPercentDecimals));
  }
  return cells;
}

std::string OwnMachineLine(std::string_view name,
                           std::string_view description) {
  if (FindMachine(name) != nullptr) return "";
  return absl::StrCat("machine   ", Abs(name), ": ", Abs(description), "\n");
}

std::string EstimatedPercent(const MarkCycles& cycles) {
  const auto shares = SharesByMark(cycles, kPercentDecimals);
  uint64_t sum = 0;
  for (size_t i = 0; i < kMarkCount; ++i) {
    if (IsEstimate(static_cast<Mark>(i))) sum += shares[i];
  }
  return PercentText(sum, kPercentDecimals);
}

Column ComponentColumn(Component component) {
  return {std::string(ComponentName(component)), "cycles",
          std::string(ComponentHelp(component))};
}

Column CounterColumn(Counter counter) {
  return {std::string(CounterName(counter)), "events",
          std::string(CounterHelp(counter))};
}

Column MarkColumn(Mark mark) {
  return {std::string(MarkName(mark)), "", std::string(MarkHelp(mark))};
}

}  // namespace xmmu
