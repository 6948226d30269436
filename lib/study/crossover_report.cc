#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "report/json.h"
#include "report/mark_fields.h"
#include "report/text_table.h"
#include "study/crossover.h"

namespace xmmu {
namespace {

using Json = nlohmann::ordered_json;

std::string Title(const Crossover& crossover) {
  return absl::StrCat(crossover.machine, ", ",
                      Abs(PagingModeName(crossover.mode)),
                      ": cycles an update, by updates in one L1 table\n");
}

// Rounded down.
std::string Table(const Crossover& crossover) {
  const size_t most = crossover.ways.front().cycles.size();
  TextTable table(1);
  std::vector<std::string> head = {"way"};
  for (size_t n = 1; n <= most; n *= 2) head.push_back(absl::StrCat(n));
  table.Add(std::move(head));
  table.Rule();
  for (const UpdateCosts& costs : crossover.ways) {
    std::vector<std::string> row = {UpdateWayName(costs.way)};
    for (size_t n = 1; n <= most; n *= 2) {
      row.push_back(Grouped(costs.cycles[n - 1] / n));
    }
    table.Add(std::move(row));
  }
  return table.Format();
}

// What each way's cycles rest on, all numbers of updates together.
std::string MarkTable(const Crossover& crossover) {
  TextTable table(1);
  std::vector<std::string> head = {"% of cycles"};
  for (size_t i = 0; i < kMarkCount; ++i) {
    head.emplace_back(MarkName(static_cast<Mark>(i)));
  }
  table.Add(std::move(head));
  table.Rule();
  for (const UpdateCosts& costs : crossover.ways) {
    std::vector<std::string> row = {UpdateWayName(costs.way)};
    for (std::string& cell : MarkPercents(costs.by_mark)) {
      row.push_back(std::move(cell));
    }
    table.Add(std::move(row));
  }
  return table.Format();
}

std::string Words(const Crossing& crossing) {
  return absl::StrCat("  ", UpdateWayName(crossing.cheaper),
                      " is cheaper than ", UpdateWayName(crossing.dearer),
                      " from ", crossing.updates, " updates on\n");
}

Json JsonOf(const Crossover& crossover) {
  Json json;
  json["machine"] = crossover.machine;
  json["levels"] = LevelCount(crossover.mode);
  json["ways"] = Json::array();
  for (const UpdateCosts& costs : crossover.ways) {
    Json way = {{"policy", costs.way.policy},
                {"guest_ops", GuestOpsName(costs.way.ops)},
                {"cycles", costs.cycles}};
    AddMarksJson(costs.by_mark, way);
    json["ways"].push_back(std::move(way));
  }
  json["crossings"] = Json::array();
  for (const Crossing& crossing : crossover.crossings) {
    json["crossings"].push_back({{"cheaper", UpdateWayName(crossing.cheaper)},
                                 {"dearer", UpdateWayName(crossing.dearer)},
                                 {"updates", crossing.updates}});
  }
  return json;
}

}  // namespace

std::string FormatCrossoverCsv(const std::vector<Crossover>& crossovers) {
  std::vector<std::string> head = {"machine",   "levels",  "policy",
                                   "guest_ops", "updates", "cycles"};
  AddMarkNames(head);
  std::string text = CsvLine(head);
  for (const Crossover& crossover : crossovers) {
    for (const UpdateCosts& costs : crossover.ways) {
      for (size_t i = 0; i < costs.cycles.size(); ++i) {
        std::vector<std::string> cells = {
            crossover.machine,   absl::StrCat(LevelCount(crossover.mode)),
            costs.way.policy,    std::string(GuestOpsName(costs.way.ops)),
            absl::StrCat(i + 1), absl::StrCat(costs.cycles[i])};
        AddMarkShares(costs.by_mark, cells);
        text += CsvLine(cells);
      }
    }
  }
  return text;
}

std::string FormatCrossoverJson(const std::vector<Crossover>& crossovers) {
  Json json = Json::array();
  for (const Crossover& crossover : crossovers) {
    json.push_back(JsonOf(crossover));
  }
  return JsonText(json, 1);
}

std::string FormatCrossoverText(const std::vector<Crossover>& crossovers) {
  std::string text;
  for (const Crossover& crossover : crossovers) {
    absl::StrAppend(&text, text.empty() ? "" : "\n", Title(crossover), "\n",
                    Table(crossover), "\n");
    for (const Crossing& crossing : crossover.crossings) {
      text += Words(crossing);
    }
    absl::StrAppend(&text, "\n", MarkTable(crossover));
  }
  return text;
}

}  // namespace xmmu
