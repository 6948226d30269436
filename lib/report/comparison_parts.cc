// What each vCPU or each task took of the rows of a comparison: see
// SimulatorOptions::per.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/text.h"
#include "report/common_fields.h"
#include "report/comparison_fields.h"
#include "xmmu/report/text_table.h"

namespace xmmu {
namespace {

// Assumed: a reader of a text report wants no more of a row, and a chart can
// tell no more apart. JSON and CSV have all.
constexpr size_t kMostInText = 16;
constexpr size_t kMostInChart = 12;

Cell DomainCell(const RowPart& part) {
  return part.rest() ? Cell() : Cell(uint64_t(part.domain) + 1);
}

// Counters that count nothing of a task's have no cell there.
std::vector<Cell> PartCounterCells(const RowPart& part) {
  std::vector<Cell> cells = CounterCells(part.cost);
  for (size_t i = 0; part.task.has_value() && i < kCounterCount; ++i) {
    if (!CountsByTask(static_cast<Counter>(i))) cells[i] = Cell();
  }
  return cells;
}

constexpr FieldOf<RowPart> kPartFields[] = {
    {0, "cycles", "cycles",
     "cycles charged to it, as if nothing overlapped; those of all parts add "
     "up "
     "to the row's, as all that follows does, elapsed_cycles excepted",
     [](const RowPart& p) { return p.cost.cycles; }},
    {0, "hidden_cycles", "cycles",
     "of cycles those that passed beside others; 0 without --walkers and "
     "--overlap",
     [](const RowPart& p) { return p.cost.hidden; }},
    {0, "elapsed_cycles", "cycles",
     "how far the vCPU's simulated time went on, idle time included; a task "
     "has no time of its own",
     [](const RowPart& p) -> Value {
       if (!p.vcpu.has_value()) return Cell();
       return AsValue(p.cost.elapsed);
     }},
    {0, "cycles_by_component", "cycles",
     "cycles by what they were spent on; they add up to cycles",
     [](const RowPart& p) { return ComponentCells(p.cost); }, Shown::kBoth,
     &kComponentGroup},
    {0, "counters", "events",
     "events counted there; ipis and log_dirty_rounds come from elsewhere, and "
     "are no task's",
     [](const RowPart& p) { return PartCounterCells(p); }, Shown::kBoth,
     &kCounterGroup},
    {0, "part", "",
     "vcpu, task, or rest: what belongs to none, such as interrupts from other "
     "CPUs, the policy's timer, a toolstack's calls, a change of domains",
     [](const RowPart& p) {
       if (p.rest()) return "rest";
       return p.task.has_value() ? "task" : "vcpu";
     }},
    {0, "domain", "", "whose vCPU or task it is, from 1 on",
     [](const RowPart& p) { return Value(DomainCell(p)); }},
    {0, "vcpu", "", "number of the vCPU in its domain, from 0 on",
     [](const RowPart& p) -> Value {
       if (!p.vcpu.has_value()) return Cell();
       return AsValue(*p.vcpu);
     }},
    {0, "process", "", "number in the workload of the task's process",
     [](const RowPart& p) -> Value {
       if (!p.task.has_value()) return Cell();
       return AsValue(p.task->process);
     }},
    {0, "task", "",
     "number in the workload of the task; that of its process for the first "
     "thread",
     [](const RowPart& p) -> Value {
       if (!p.task.has_value()) return Cell();
       return AsValue(p.task->task);
     }},
    {0, "part_operations", "operations",
     "operations of the workload that the task executed",
     [](const RowPart& p) -> Value {
       if (!p.task.has_value()) return Cell();
       return AsValue(p.operations);
     }},
};

// "task 2", "thread 5 of 2", "vCPU 1", with the domain if there are several.
std::string PartName(const RowPart& part, int domains) {
  if (part.rest()) return "rest";
  std::string name;
  if (part.vcpu.has_value()) {
    name = absl::StrCat("vCPU ", *part.vcpu);
  } else if (part.task->task == part.task->process) {
    name = absl::StrCat("task ", part.task->task);
  } else {
    name = absl::StrCat("thread ", part.task->task, " of ", part.task->process);
  }
  if (domains > 1) absl::StrAppend(&name, ", domain ", part.domain + 1);
  return name;
}

bool TakesMore(const RowPart* a, const RowPart* b) {
  return a->cost.cycles > b->cost.cycles;
}

// The parts that took most, in that order; all of vCPUs in theirs.
std::vector<const RowPart*> PartsInText(const ReportRow& row) {
  std::vector<const RowPart*> parts;
  for (const RowPart& part : row.parts) parts.push_back(&part);
  if (parts.empty() || parts.front()->vcpu.has_value()) return parts;
  std::stable_sort(parts.begin(), parts.end(), &TakesMore);
  if (parts.size() > kMostInText) parts.resize(kMostInText);
  return parts;
}

std::string PercentOf(Cycles part, Cycles whole) {
  if (whole.count() == 0) return "";
  return absl::StrFormat("%.1f", 100 * static_cast<double>(part.count()) /
                                     static_cast<double>(whole.count()));
}

// What stands over a column in two lines, and its cell. Tasks have no time.
struct PartColumn {
  const char* upper;
  const char* lower;
  bool of_tasks;
  std::string (*cell)(const RowPart& part, const ReportRow& row);
};

std::string CountOf(const RowPart& part, Counter counter) {
  if (part.task.has_value() && !CountsByTask(counter)) return "";
  return Compact(part.cost.counters[counter]);
}

template <Counter counter>
std::string CountCell(const RowPart& part, const ReportRow&) {
  return CountOf(part, counter);
}

constexpr PartColumn kPartColumns[] = {
    {"", "cycles", true,
     [](const RowPart& p, const ReportRow&) {
       return Grouped(p.cost.cycles.count());
     }},
    {"% of", "row", true,
     [](const RowPart& p, const ReportRow& row) {
       return PercentOf(p.cost.cycles, row.cost.cycles);
     }},
    {"", "elapsed", false,
     [](const RowPart& p, const ReportRow&) {
       return p.rest() ? "" : Grouped(p.cost.elapsed.count());
     }},
    {"", "accesses", true, &CountCell<Counter::kAccesses>},
    {"page", "walks", true, &CountCell<Counter::kPageWalks>},
    {"page", "faults", true, &CountCell<Counter::kHardwareFaults>},
    {"hyper", "calls", true, &CountCell<Counter::kHypercalls>},
    {"VM", "exits", true, &CountCell<Counter::kVmExits>},
    {"TLB", "flush", true,
     [](const RowPart& p, const ReportRow&) {
       const Counters& counters = p.cost.counters;
       return Compact(counters[Counter::kTlbFlushes] +
                      counters[Counter::kTlbPageFlushes]);
     }},
    {"", "IPIs", true, &CountCell<Counter::kIpis>},
    {"context", "switches", true, &CountCell<Counter::kContextSwitches>},
};

// The parts of row `number`; all tables have the same columns.
void AddParts(const Comparison& comparison, size_t number, TextTable& table) {
  const ReportRow& row = comparison.rows[number];
  const bool tasks = comparison.options.per == Per::kTask;
  const std::string name = absl::StrCat(number + 1, " ", row.policy);
  const std::vector<const RowPart*> parts = PartsInText(row);
  size_t columns = 0;
  for (const RowPart* part : parts) {
    std::vector<std::string> cells = {
        name, PartName(*part, comparison.options.domains)};
    for (const PartColumn& column : kPartColumns) {
      if (tasks && !column.of_tasks) continue;
      cells.push_back(column.cell(*part, row));
    }
    columns = cells.size();
    table.Add(std::move(cells));
  }
  const size_t left = row.parts.size() - parts.size();
  if (left == 0) return;
  std::vector<std::string> cells = {name, absl::StrCat(left, " more")};
  cells.resize(columns);
  table.Add(std::move(cells));
}

ChartSeries EmptySeries(std::string name, size_t rows) {
  ChartSeries series = {std::move(name), "", {}};
  for (size_t i = 0; i < rows; ++i) {
    series.points.push_back({.x = static_cast<double>(i)});
  }
  return series;
}

// A series a part, by its name; rows may lack some, or have more.
std::vector<ChartSeries> PartSeries(const Comparison& comparison) {
  std::vector<ChartSeries> all;
  absl::flat_hash_map<std::string, size_t> index;
  for (size_t r = 0; r < comparison.rows.size(); ++r) {
    for (const RowPart& part : comparison.rows[r].parts) {
      const std::string name = PartName(part, comparison.options.domains);
      const auto [it, is_new] = index.try_emplace(name, all.size());
      if (is_new) all.push_back(EmptySeries(name, comparison.rows.size()));
      all[it->second].points[r].y =
          static_cast<double>(part.cost.cycles.count());
    }
  }
  return all;
}

double SumOf(const ChartSeries& series) {
  double sum = 0;
  for (const ChartPoint& point : series.points) sum += point.y;
  return sum;
}

// Those that took most, in their order; the others as one, before the rest.
std::vector<ChartSeries> MostOf(std::vector<ChartSeries> all, size_t rows) {
  std::vector<double> sums;
  for (const ChartSeries& series : all) sums.push_back(SumOf(series));
  std::sort(sums.begin(), sums.end(), std::greater<>());
  const double least = sums.size() > kMostInChart ? sums[kMostInChart - 1] : 0;
  std::vector<ChartSeries> most;
  ChartSeries others = EmptySeries("others", rows);
  std::optional<ChartSeries> rest;
  for (ChartSeries& series : all) {
    if (series.name == "rest") {
      rest = std::move(series);
    } else if (SumOf(series) >= least && most.size() < kMostInChart) {
      most.push_back(std::move(series));
    } else {
      for (size_t i = 0; i < rows; ++i)
        others.points[i].y += series.points[i].y;
    }
  }
  if (SumOf(others) > 0) most.push_back(std::move(others));
  if (rest.has_value()) most.push_back(*std::move(rest));
  return most;
}

}  // namespace

std::vector<FieldInfo> PartInfos() { return InfosOf<RowPart>(kPartFields); }

Value PartsValue(const Comparison& comparison, const ReportRow& row, Per per) {
  if (comparison.options.per != per) return Absent();
  std::vector<Record> records;
  for (const RowPart& part : row.parts) {
    Record record = RecordOf<RowPart>(kPartFields, 0, part);
    std::erase_if(record.fields, [&](const Field& field) {
      if (per == Per::kTask) {
        return field.key == "vcpu" || field.key == "elapsed_cycles";
      }
      return field.key == "process" || field.key == "task" ||
             field.key == "part_operations";
    });
    records.push_back(std::move(record));
  }
  return records;
}

Table PartTable(const Comparison& comparison, const RunIdentity& identity) {
  return WithIdentity(comparison, identity, [](const ReportRow& row) {
    return TableOf<RowPart>(kPartFields, row.parts);
  });
}

std::vector<Document::Block> PartText(const Comparison& comparison) {
  if (comparison.options.per == Per::kNothing) return {};
  const bool tasks = comparison.options.per == Per::kTask;
  TextTable table(2);
  std::vector<std::string> upper = {"", ""};
  std::vector<std::string> lower = {"row", tasks ? "task" : "vCPU"};
  for (const PartColumn& column : kPartColumns) {
    if (tasks && !column.of_tasks) continue;
    upper.emplace_back(column.upper);
    lower.emplace_back(column.lower);
  }
  table.Add(std::move(upper));
  table.Add(std::move(lower));
  table.Rule();
  for (size_t i = 0; i < comparison.rows.size(); ++i) {
    AddParts(comparison, i, table);
  }
  std::vector<Document::Block> text;
  text.emplace_back(absl::StrCat(
      "\ncycles and events of each ", tasks ? "task" : "vCPU",
      tasks ? ", those that took most; rest: interrupts from other CPUs, the "
              "policy's timer, a toolstack\n"
            : "; elapsed includes idle time\n"));
  text.emplace_back(std::move(table));
  return text;
}

Chart PartChart(const Comparison& comparison) {
  const bool tasks = comparison.options.per == Per::kTask;
  Chart chart;
  chart.title = tasks ? "Cycles by task" : "Cycles by vCPU";
  chart.help = tasks ? "What each task took of the cycles of a row; what "
                       "belongs to no task is the rest."
                     : "What each vCPU took of the cycles of a row.";
  chart.y.title = "cycles";
  chart.categories = RowNames(comparison);
  chart.as_shares = true;
  chart.series = MostOf(PartSeries(comparison), comparison.rows.size());
  return chart;
}

}  // namespace xmmu
