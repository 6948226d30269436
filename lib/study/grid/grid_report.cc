#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/text.h"
#include "report/json.h"
#include "report/text_table.h"
#include "study/grid/latency_grid.h"

namespace xmmu {
namespace {

using Json = nlohmann::ordered_json;

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

std::string RegionTable(const GridErrors& errors) {
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
  return table.Format();
}

std::string StepTable(const GridErrors& errors) {
  TextTable table(1);
  table.Add({"machine", "steps measured", "of them simulated",
             "steps simulated", "of them not measured"});
  table.Rule();
  for (const GridSteps& steps : errors.steps) {
    table.Add({steps.machine, absl::StrCat(steps.measured),
               absl::StrCat(steps.found), absl::StrCat(steps.simulated),
               absl::StrCat(steps.invented)});
  }
  return table.Format();
}

std::string MissingTable(const GridErrors& errors) {
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
  return table.Format();
}

std::string WorstTable(const GridErrors& errors) {
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
  return table.Format();
}

Json JsonOf(const RegionErrors& errors) {
  return {{"machine", errors.machine},
          {"memory", LevelName(errors.region.memory)},
          {"pages", ReachName(errors.region.tlb)},
          {"cells", errors.cells},
          {"median_cycles", errors.median_cycles},
          {"median_percent", errors.median_percent},
          {"worst_percent", errors.worst_percent},
          {"reached", errors.reached}};
}

Json JsonOf(const GridCell& cell) {
  return {{"machine", cell.machine},
          {"pattern", ChaseOrderName(cell.order)},
          {"working_set_bytes", cell.working_set_bytes},
          {"stride_bytes", cell.stride_bytes},
          {"cycles_per_load", *cell.measured},
          {"simulated", cell.simulated}};
}

Json JsonOf(const GridSteps& steps) {
  return {{"machine", steps.machine},
          {"measured", steps.measured},
          {"found", steps.found},
          {"simulated", steps.simulated},
          {"invented", steps.invented}};
}

}  // namespace

std::string FormatGridErrorsText(const GridErrors& errors) {
  std::string text = absl::StrCat(
      "Absolute errors of simulated cycles a load. Reached: a median of 1 "
      "cycle or 5 %,\nin DRAM 10 %.\n\n",
      RegionTable(errors),
      "\nSteps: rises of 2 cycles and 15 % from one working set to the next. "
      "Simulated:\nin the same place, half as high at least.\n\n",
      StepTable(errors));
  if (!errors.missing.empty()) {
    absl::StrAppend(&text, "\nSteps that are missing:\n\n",
                    MissingTable(errors));
  }
  if (!errors.worst.empty()) {
    absl::StrAppend(&text, "\nThe worst cells of each machine:\n\n",
                    WorstTable(errors));
  }
  return text;
}

std::string FormatGridErrorsCsv(const GridErrors& errors) {
  std::string text =
      "machine,memory,pages,cells,median_cycles,median_percent,worst_percent,"
      "reached\n";
  for (const RegionErrors& region : errors.regions) {
    text += CsvLine(
        {region.machine, std::string(LevelName(region.region.memory)),
         std::string(ReachName(region.region.tlb)), absl::StrCat(region.cells),
         Tenths(region.median_cycles), Tenths(region.median_percent),
         Tenths(region.worst_percent), region.reached ? "true" : "false"});
  }
  return text;
}

std::string FormatGridErrorsJson(const GridErrors& errors) {
  Json json;
  for (const RegionErrors& region : errors.regions) {
    json["regions"].push_back(JsonOf(region));
  }
  for (const GridSteps& steps : errors.steps) {
    json["steps"].push_back(JsonOf(steps));
  }
  json["missing_steps"] = Json::array();
  for (const MissingStep& step : errors.missing) {
    json["missing_steps"].push_back(
        {{"from", JsonOf(step.from)}, {"to", JsonOf(step.to)}});
  }
  json["worst"] = Json::array();
  for (const WorstCell& worst : errors.worst) {
    Json cell = JsonOf(worst.cell);
    cell["error_percent"] = worst.percent;
    cell["not_claimed"] = worst.reason;
    json["worst"].push_back(std::move(cell));
  }
  return JsonText(json, 2);
}

}  // namespace xmmu
