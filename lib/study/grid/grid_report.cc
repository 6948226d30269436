#include <algorithm>
#include <map>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/text.h"
#include "report/field_table.h"
#include "study/grid/latency_grid.h"
#include "xmmu/report/text_table.h"

namespace xmmu {
namespace {

std::string_view ReachName(TlbReach reach) {
  switch (reach) {
    case TlbReach::kL1:
      return "L1-TLB";
    case TlbReach::kL2:
      return "L2-TLB";
    case TlbReach::kBeyond:
      break;
  }
  return "beyond";
}

std::string_view LevelName(MemoryLevel level) {
  switch (level) {
    case MemoryLevel::kL1:
      return "L1";
    case MemoryLevel::kL2:
      return "L2";
    case MemoryLevel::kL3:
      return "L3";
    case MemoryLevel::kDram:
      break;
  }
  return "DRAM";
}

std::string Tenths(double number) { return absl::StrFormat("%.1f", number); }

std::string_view Verdict(const RegionErrors& errors) {
  return errors.reached ? "yes" : "NO";
}

void AddErrors(TextTable& table, const RegionErrors& errors,
               std::string_view memory, std::string_view tlb) {
  table.Add({errors.machine, std::string(memory), std::string(tlb),
             absl::StrCat(errors.cells), Tenths(errors.median_cycles),
             Tenths(errors.median_percent), Tenths(errors.worst_percent),
             std::string(Verdict(errors))});
}

TextTable RegionTable(const GridErrors& errors) {
  TextTable table(3);
  table.Add({"machine", "memory", "pages", "cells", "median, cycles",
             "median, %", "worst, %", "reached"});
  table.Rule();
  for (const RegionErrors& region : errors.regions) {
    AddErrors(table, region, LevelName(region.region.memory),
              ReachName(region.region.tlb));
  }
  table.Rule();
  for (const RegionErrors& all : errors.outside_dram) {
    AddErrors(table, all, "not DRAM", "all");
  }
  for (const RegionErrors& all : errors.in_dram) {
    AddErrors(table, all, "DRAM", "all");
  }
  return table;
}

TextTable StepTable(const GridErrors& errors) {
  TextTable table(1);
  table.Add({"machine", "steps measured", "of them simulated",
             "steps simulated", "of them not measured"});
  table.Rule();
  for (const GridSteps& steps : errors.steps) {
    table.Add({steps.machine, absl::StrCat(steps.measured),
               absl::StrCat(steps.found), absl::StrCat(steps.simulated),
               absl::StrCat(steps.invented)});
  }
  return table;
}

TextTable MissingTable(const GridErrors& errors) {
  TextTable table(2);
  table.Add({"machine", "pattern", "stride", "from KiB", "to KiB", "measured",
             "simulated"});
  table.Rule();
  for (const MissingStep& step : errors.missing) {
    const auto both = [](double from, double to) {
      return absl::StrCat(Tenths(from), " to ", Tenths(to));
    };
    table.Add({step.to.machine, std::string(ChaseOrderName(step.to.order)),
               absl::StrCat(step.to.stride_bytes),
               absl::StrCat(step.from.working_set_bytes >> 10),
               absl::StrCat(step.to.working_set_bytes >> 10),
               both(*step.from.measured, *step.to.measured),
               both(step.from.simulated, step.to.simulated)});
  }
  return table;
}

TextTable WorstTable(const GridErrors& errors) {
  TextTable table(2);
  table.Add({"machine", "pattern", "KiB", "stride", "measured", "simulated",
             "error, %", "not claimed"});
  table.Rule();
  for (const WorstCell& worst : errors.worst) {
    table.Add(
        {worst.cell.machine, std::string(ChaseOrderName(worst.cell.order)),
         absl::StrCat(worst.cell.working_set_bytes >> 10),
         absl::StrCat(worst.cell.stride_bytes), Tenths(*worst.cell.measured),
         Tenths(worst.cell.simulated), absl::StrFormat("%+.1f", worst.percent),
         std::string(worst.reason)});
  }
  return table;
}

constexpr FieldOf<RegionErrors> kRegionFields[] = {
    {0, "machine", "", "machine that was measured and simulated",
     [](const RegionErrors& e) { return e.machine; }},
    {0, "memory", "", "cache or memory that holds the working set",
     [](const RegionErrors& e) { return LevelName(e.region.memory); }},
    {0, "pages", "", "TLB with an entry for each page of the working set",
     [](const RegionErrors& e) { return ReachName(e.region.tlb); }},
    {0, "cells", "cells", "cells of the grid that this is of",
     [](const RegionErrors& e) { return e.cells; }},
    {0, "median_cycles", "cycles", "median of the absolute errors of a load",
     [](const RegionErrors& e) {
       return Real{e.median_cycles, 1};
     }},
    {0, "median_percent", "%", "median error by the measured figure",
     [](const RegionErrors& e) {
       return Real{e.median_percent, 1};
     }},
    {0, "worst_percent", "%", "worst error by the measured figure",
     [](const RegionErrors& e) {
       return Real{e.worst_percent, 1};
     }},
    {0, "reached", "",
     "whether the median is within 1 cycle or 5 %, in DRAM within 10 %",
     [](const RegionErrors& e) { return e.reached ? "true" : "false"; },
     Shown::kCsv},
    {0, "reached", "",
     "whether the median is within 1 cycle or 5 %, in DRAM within 10 %",
     [](const RegionErrors& e) { return e.reached; }, Shown::kJson},
};

constexpr FieldOf<GridCell> kCellFields[] = {
    {0, "machine", "", "machine that was measured and simulated",
     [](const GridCell& c) { return c.machine; }},
    {0, "pattern", "", "order in which a chase visits its lines",
     [](const GridCell& c) { return ChaseOrderName(c.order); }},
    {0, "working_set_bytes", "bytes", "memory that the chase goes through",
     [](const GridCell& c) { return c.working_set_bytes; }},
    {0, "stride_bytes", "bytes", "distance of the lines visited",
     [](const GridCell& c) { return c.stride_bytes; }},
    {0, "cycles_per_load", "cycles", "cycles of a load as measured",
     [](const GridCell& c) {
       return Real{*c.measured, 1};
     }},
    {0, "simulated", "cycles", "cycles of a load as simulated",
     [](const GridCell& c) {
       return Real{c.simulated, 1};
     }},
};

constexpr FieldOf<GridSteps> kStepFields[] = {
    {0, "machine", "", "machine that was measured and simulated",
     [](const GridSteps& s) { return s.machine; }},
    {0, "measured", "steps", "rises of 2 cycles and 15 % that were measured",
     [](const GridSteps& s) { return s.measured; }},
    {0, "found", "steps",
     "of them those simulated in the same place, half as high at least",
     [](const GridSteps& s) { return s.found; }},
    {0, "simulated", "steps", "rises of 2 cycles and 15 % as simulated",
     [](const GridSteps& s) { return s.simulated; }},
    {0, "invented", "steps",
     "of those the ones measured less than half as high",
     [](const GridSteps& s) { return s.invented; }},
};

// The record of each of `all`.
template <typename T>
std::vector<Record> RecordsOf(std::span<const FieldOf<T>> fields,
                              const std::vector<T>& all) {
  std::vector<Record> records;
  for (const T& one : all) records.push_back(RecordOf(fields, 0, one));
  return records;
}

Record CellRecord(const GridCell& cell) {
  return RecordOf<GridCell>(kCellFields, 0, cell);
}

std::vector<Record> MissingRecords(const GridErrors& errors) {
  std::vector<Record> records;
  for (const MissingStep& step : errors.missing) {
    records.push_back(
        {{{"from", "", "the cell before the step", CellRecord(step.from)},
          {"to", "", "the cell behind it", CellRecord(step.to)}}});
  }
  return records;
}

std::vector<Record> WorstRecords(const GridErrors& errors) {
  std::vector<Record> records;
  for (const WorstCell& worst : errors.worst) {
    Record record = CellRecord(worst.cell);
    record.fields.push_back({"error_percent", "%",
                             "simulated less measured, of measured",
                             Cell(Real{worst.percent, 1})});
    record.fields.push_back({"not_claimed", "",
                             "why the model claims nothing here",
                             Cell(std::string(worst.reason))});
    records.push_back(std::move(record));
  }
  return records;
}

Record ErrorsRecord(const GridErrors& errors) {
  return {
      {{"regions", "", "errors by machine and region",
        RecordsOf<RegionErrors>(kRegionFields, errors.regions)},
       {"steps", "", "steps from one working set to the next",
        RecordsOf<GridSteps>(kStepFields, errors.steps)},
       {"missing_steps", "", "steps that were measured, not simulated",
        MissingRecords(errors)},
       {"worst", "", "the worst cells of each machine", WorstRecords(errors)}}};
}

// A measured figure as its file has it.
Value MeasuredText(const GridCell& cell) {
  if (!cell.measured.has_value()) return Absent();
  return AsValue(absl::StrCat(*cell.measured));
}

// The fields of a file of cells; see GridDocument().
std::vector<FieldOf<GridCell>> FileFields(bool measured) {
  std::vector<FieldOf<GridCell>> fields;
  for (const FieldOf<GridCell>& field : kCellFields) {
    if (field.key != "cycles_per_load" && field.key != "simulated") {
      fields.push_back(field);
    }
  }
  if (measured) {
    fields.push_back({0, "cycles_per_load", "cycles",
                      "cycles of a load as measured",
                      [](const GridCell& c) { return MeasuredText(c); }});
  }
  fields.push_back({0, measured ? "simulated" : "cycles_per_load", "cycles",
                    "cycles of a load as simulated", [](const GridCell& c) {
                      return Real{c.simulated, 1};
                    }});
  return fields;
}

std::vector<TermGroup> GridErrorsLegend() {
  return {
      {"errors",
       {{"memory", "", "cache or memory that holds the working set"},
        {"pages", "",
         "TLB with an entry for each page of the working set; beyond: none"},
        {"cells", "", "cells of the grid that this is of"},
        {"median, cycles", "cycles", "median of the absolute errors of a load"},
        {"median, %", "%", "median error by the measured figure"},
        {"worst, %", "%", "worst error by the measured figure"},
        {"reached", "",
         "whether the median is within 1 cycle or 5 %, in DRAM within 10 %"}}},
      {"steps",
       {{"steps measured", "", "rises from one working set to the next"},
        {"of them simulated", "",
         "those simulated in the same place, half as high at least"},
        {"steps simulated", "", "rises of the simulated figures"},
        {"of them not measured", "",
         "those of which less than half was measured"}}},
      {"cells",
       {{"pattern", "", "order in which a chase visits its lines"},
        {"stride", "bytes", "distance of the lines visited"},
        {"KiB", "", "size of the working set"},
        {"measured", "cycles", "cycles of a load as measured"},
        {"simulated", "cycles", "cycles of a load as simulated"},
        {"error, %", "%", "simulated less measured, of measured"},
        {"not claimed", "", "why the model claims nothing here"}}}};
}

// Cycles a load of one machine and order: a line a working set, a column a
// stride; as measured behind it, where that is known.
TextTable CellTable(const std::vector<const GridCell*>& cells) {
  std::map<uint64_t, std::map<uint64_t, std::string>> lines;
  std::set<uint64_t> strides;
  for (const GridCell* cell : cells) {
    strides.insert(cell->stride_bytes);
    std::string& text = lines[cell->working_set_bytes][cell->stride_bytes];
    text = Tenths(cell->simulated);
    if (cell->measured.has_value()) {
      absl::StrAppend(&text, " / ", Tenths(*cell->measured));
    }
  }
  TextTable table(0);
  std::vector<std::string> head = {"KiB"};
  for (const uint64_t stride : strides) head.push_back(absl::StrCat(stride));
  table.Add(std::move(head));
  table.Rule();
  for (const auto& [bytes, by_stride] : lines) {
    std::vector<std::string> cells_of_line = {Grouped(bytes >> 10)};
    for (const uint64_t stride : strides) {
      const auto cell = by_stride.find(stride);
      cells_of_line.push_back(cell == by_stride.end() ? "" : cell->second);
    }
    table.Add(std::move(cells_of_line));
  }
  return table;
}

}  // namespace

Document GridDocument(std::span<const GridCell> cells) {
  const bool measured = std::any_of(
      cells.begin(), cells.end(),
      [](const GridCell& cell) { return cell.measured.has_value(); });
  Document document;
  document.table = TableOf<GridCell>(FileFields(measured), cells);
  std::vector<Record> records;
  for (const GridCell& cell : cells) {
    records.push_back(RecordOf<GridCell>(FileFields(measured), 0, cell));
  }
  document.data = std::move(records);
  for (const auto& [group, members] : GroupsOf(cells)) {
    document.text.emplace_back(
        absl::StrCat(document.text.empty() ? "" : "\n", group.first, ", ",
                     Abs(ChaseOrderName(group.second)),
                     " order: cycles a load by working set and stride in bytes",
                     measured ? ", simulated / measured" : "", "\n"));
    document.text.emplace_back(CellTable(members));
  }
  document.charts = GridCharts(cells);
  return document;
}

Document GridErrorsDocument(const GridErrors& errors) {
  Document document;
  const auto add = [&](std::string_view heading, TextTable table) {
    document.text.emplace_back(std::string(heading));
    document.text.emplace_back(std::move(table));
  };
  add("Absolute errors of simulated cycles a load. Reached: a median of 1 "
      "cycle or 5 %,\nin DRAM 10 %.\n\n",
      RegionTable(errors));
  add("\nSteps: rises of 2 cycles and 15 % from one working set to the next. "
      "Simulated:\nin the same place, half as high at least.\n\n",
      StepTable(errors));
  if (!errors.missing.empty()) {
    add("\nSteps that are missing:\n\n", MissingTable(errors));
  }
  if (!errors.worst.empty()) {
    add("\nThe worst cells of each machine:\n\n", WorstTable(errors));
  }
  document.legend = GridErrorsLegend();
  document.table = TableOf<RegionErrors>(kRegionFields, errors.regions);
  document.data = ErrorsRecord(errors);
  document.json_indent = 2;
  return document;
}

}  // namespace xmmu
