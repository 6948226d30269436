#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/text.h"
#include "report/json.h"
#include "report/mark_fields.h"
#include "report/text_table.h"
#include "study/shadow_study.h"
#include "xmmu/base/printable.h"

namespace xmmu {
namespace {

using Json = nlohmann::ordered_json;

// What XI was said to be.
constexpr double kClaim = 4;

std::string Title(const ShadowStudy& study) {
  return absl::StrCat(study.machine, ", ", Abs(PagingModeName(study.mode)),
                      ", ", study.vcpus, " vCPU", study.vcpus == 1 ? "" : "s");
}

// Without parameters.
std::string ShortName(const Comparison& workload) {
  return workload.workload.substr(0, workload.workload.find(':'));
}

std::vector<std::string> Head(std::string_view first,
                              const std::vector<std::string>& names) {
  std::vector<std::string> head = {std::string(first)};
  head.insert(head.end(), names.begin(), names.end());
  return head;
}

std::string EventTable(const ShadowStudy& study) {
  TextTable table(1);
  table.Add(Head("event", study.policies));
  table.Rule();
  for (const GuestEventEntry& entry : GuestEvents()) {
    std::vector<std::string> cells = {std::string(entry.name)};
    for (const EventCosts& costs : study.events) {
      cells.push_back(
          Grouped(costs[static_cast<size_t>(entry.event)].cycles()));
    }
    table.Add(std::move(cells));
  }
  return table.Format();
}

// Of both of a pair, in turns.
std::string ComponentTable(const ShadowStudy& study, size_t policy) {
  TextTable table(1);
  std::vector<std::string> head = {study.policies[policy]};
  for (const GuestEventEntry& entry : GuestEvents()) {
    head.emplace_back(entry.name);
  }
  table.Add(std::move(head));
  table.Rule();
  for (size_t i = 0; i < kComponentCount; ++i) {
    const auto component = static_cast<Component>(i);
    uint64_t sum = 0;
    std::vector<std::string> cells = {std::string(ComponentName(component))};
    for (const EventCost& cost : study.events[policy]) {
      sum += cost.component(component);
      const uint64_t cycles = cost.component(component);
      cells.push_back(cycles == 0 ? "-" : Grouped(cycles));
    }
    if (sum != 0) table.Add(std::move(cells));
  }
  return table.Format();
}

// Percent of the cycles that rest on remembered and estimated prices.
std::string EstimatedTable(const ShadowStudy& study) {
  TextTable table(1);
  table.Add(Head("% remembered or estimated", study.policies));
  table.Rule();
  const auto percent = [&](const Cost& cost) {
    return EstimatedPercent(CyclesByMark(cost, study.costs));
  };
  for (const GuestEventEntry& entry : GuestEvents()) {
    std::vector<std::string> cells = {std::string(entry.name)};
    for (const EventCosts& costs : study.events) {
      cells.push_back(percent(costs[static_cast<size_t>(entry.event)].cost));
    }
    table.Add(std::move(cells));
  }
  for (const Comparison& workload : study.workloads) {
    std::vector<std::string> cells = {workload.workload};
    for (const ReportRow& row : workload.rows) {
      cells.push_back(percent(row.cost));
    }
    table.Add(std::move(cells));
  }
  return table.Format();
}

template <typename Cell>
std::string WorkloadTable(const ShadowStudy& study, std::string_view what,
                          Cell cell) {
  TextTable table(1);
  table.Add(Head(what, study.policies));
  table.Rule();
  for (const Comparison& workload : study.workloads) {
    std::vector<std::string> cells = {workload.workload};
    for (const ReportRow& row : workload.rows) {
      cells.push_back(cell(row, workload.rows.front()));
    }
    table.Add(std::move(cells));
  }
  return table.Format();
}

std::string TimesNative(const ReportRow& row, const ReportRow& native) {
  return absl::StrFormat("%.3f",
                         static_cast<double>(row.cost.cycles.count()) /
                             static_cast<double>(native.cost.cycles.count()));
}

std::string Kibibytes(uint64_t bytes) { return Grouped((bytes + 1023) >> 10); }

std::string Overhead(const ReportRow& row, const ReportRow&) {
  return Kibibytes(row.memory_overhead_bytes);
}

// What each strategy has reserved, and the most it has used, by part.
std::string PartsTable(const ShadowStudy& study) {
  TextTable table(1);
  std::vector<std::string> head = {"part, KiB", "reserved"};
  for (const Comparison& workload : study.workloads) {
    head.push_back(ShortName(workload));
  }
  table.Add(std::move(head));
  table.Rule();
  for (size_t policy = 0; policy < study.policies.size(); ++policy) {
    if (study.workloads.empty()) break;
    const std::vector<MemoryPart>& parts =
        study.workloads.front().rows[policy].memory_parts;
    for (size_t i = 0; i < parts.size(); ++i) {
      std::vector<std::string> cells = {
          absl::StrCat(study.policies[policy], ": ", Abs(parts[i].name)),
          Kibibytes(parts[i].reserved_bytes)};
      for (const Comparison& workload : study.workloads) {
        cells.push_back(
            Kibibytes(workload.rows[policy].memory_parts[i].peak_bytes));
      }
      table.Add(std::move(cells));
    }
  }
  return table.Format();
}

std::string PairName(const ShadowPair& pair) {
  return absl::StrCat(Abs(pair.older), " : ", Abs(pair.newer));
}

// In brackets, of what is beyond bare hardware.
std::string RatioCell(const ShadowRatio& ratio) {
  const double beyond = ratio.beyond_native();
  return absl::StrFormat(
      "%.2f (%s)", ratio.total(),
      beyond == 0 ? std::string("-") : absl::StrFormat("%.2f", beyond));
}

std::string RatioTable(const ShadowStudy& study) {
  TextTable table(1);
  std::vector<std::string> head = {"times the cycles"};
  std::vector<std::vector<ShadowRatio>> columns;
  for (const ShadowPair& pair : ShadowPairs()) {
    head.push_back(PairName(pair));
    columns.push_back(RatiosOf(study, pair));
  }
  table.Add(std::move(head));
  table.Rule();
  for (size_t i = 0; i < columns.front().size(); ++i) {
    std::vector<std::string> cells = {columns.front()[i].name};
    for (const auto& column : columns) cells.push_back(RatioCell(column[i]));
    table.Add(std::move(cells));
  }
  return table.Format();
}

// Where the newer one of `pair` is `times` as fast or more, and where not.
std::string Claim(const ShadowStudy& study, const ShadowPair& pair) {
  std::vector<std::string> there;
  std::vector<std::string> only_beyond;
  std::vector<std::string> slower;
  for (const ShadowRatio& ratio : RatiosOf(study, pair)) {
    if (ratio.total() >= kClaim) {
      there.push_back(ratio.name);
    } else if (ratio.beyond_native() >= kClaim) {
      only_beyond.push_back(ratio.name);
    }
    if (ratio.newer > ratio.older) slower.push_back(ratio.name);
  }
  const auto list = [](const std::vector<std::string>& names) {
    return names.empty() ? std::string("nowhere") : absl::StrJoin(names, ", ");
  };
  return absl::StrCat("  ", Abs(pair.newer), " for ", Abs(pair.older),
                      ":\n    4 times as fast: ", list(there),
                      "\n    only of what is beyond bare hardware: ",
                      list(only_beyond), "\n    slower: ", list(slower), "\n");
}

// What each workload gains, guest by guest.
std::string Summary(const std::vector<ShadowStudy>& studies,
                    const ShadowPair& pair) {
  TextTable table(1);
  std::vector<std::string> head = {PairName(pair)};
  for (const Comparison& workload : studies.front().workloads) {
    head.push_back(ShortName(workload));
  }
  table.Add(std::move(head));
  table.Rule();
  for (const ShadowStudy& study : studies) {
    std::vector<std::string> cells = {Title(study)};
    const std::vector<ShadowRatio> ratios = RatiosOf(study, pair);
    for (size_t i = kGuestEventCount; i < ratios.size(); ++i) {
      cells.push_back(absl::StrFormat("%.2f", ratios[i].total()));
    }
    table.Add(std::move(cells));
  }
  return table.Format();
}

struct Line {
  std::string kind;
  std::string name;
  uint64_t times = 1;
  const Cost* cost = nullptr;
  const ReportRow* row = nullptr;  // of a workload
};

std::vector<Line> LinesOf(const ShadowStudy& study, size_t policy) {
  std::vector<Line> lines;
  for (const GuestEventEntry& entry : GuestEvents()) {
    const EventCost& cost =
        study.events[policy][static_cast<size_t>(entry.event)];
    lines.push_back({"event", std::string(entry.name), cost.times, &cost.cost});
  }
  for (const Comparison& workload : study.workloads) {
    const ReportRow& row = workload.rows[policy];
    lines.push_back({"workload", workload.workload, 1, &row.cost, &row});
  }
  return lines;
}

Json JsonOf(const Line& line, const CostTable& costs) {
  Json json;
  json[line.kind] = line.name;
  json["times"] = line.times;
  json["cycles"] = line.cost->cycles.count();
  if (line.row != nullptr) {
    json["idle_vcpus"] = line.row->idle_vcpus;
    json["memory_overhead_bytes"] = line.row->memory_overhead_bytes;
    json["memory_parts"] = MemoryPartsJson(*line.row);
  }
  json["cycles_by_component"] = ComponentsJson(*line.cost);
  AddMarksJson(CyclesByMark(*line.cost, costs), json);
  return json;
}

// Which strategies have used what the machine has not.
std::string Hypothetical(const ShadowStudy& study) {
  std::string text;
  for (size_t i = 0; i < study.policies.size(); ++i) {
    std::string_view part;
    for (const Comparison& workload : study.workloads) {
      if (!workload.rows[i].hypothetical.empty()) {
        part = workload.rows[i].hypothetical;
      }
    }
    if (part.empty()) continue;
    absl::StrAppend(&text, "  ", study.policies[i], " is hypothetical on ",
                    study.machine, ", which has no ", Abs(part), "\n");
  }
  return text;
}

}  // namespace

std::string FormatShadowStudyText(const std::vector<ShadowStudy>& studies) {
  std::string text;
  for (const ShadowStudy& study : studies) {
    absl::StrAppend(&text, text.empty() ? "" : "\n", Title(study),
                    ": cycles an event\n\n", EventTable(study), "\n");
    // Of the pair that the question was about; the other formats have all.
    for (size_t i = 1; i < study.policies.size(); ++i) {
      const ShadowPair& pair = ShadowPairs().front();
      if (study.policies[i] != pair.older && study.policies[i] != pair.newer) {
        continue;
      }
      absl::StrAppend(&text, ComponentTable(study, i), "\n");
    }
    absl::StrAppend(&text, WorkloadTable(study, "x native", TimesNative), "\n",
                    WorkloadTable(study, "memory mgmt., KiB", Overhead), "\n",
                    PartsTable(study), "\n", RatioTable(study), "\n",
                    EstimatedTable(study), "\n");
    for (const ShadowPair& pair : ShadowPairs()) text += Claim(study, pair);
    text += Hypothetical(study);
    for (const Comparison& workload : study.workloads) {
      text += IdleVcpuLines(workload.rows,
                            absl::StrCat("  ", workload.workload, ": "));
    }
  }
  text = PrintableLines(text);
  if (studies.size() < 2) return text;
  for (const ShadowPair& pair : ShadowPairs()) {
    absl::StrAppend(&text, "\n", Summary(studies, pair));
  }
  return text;
}

std::string FormatShadowStudyCsv(const std::vector<ShadowStudy>& studies) {
  std::vector<std::string> head = {
      "machine", "levels", "vcpus",
      "policy",  "kind",   "name",
      "times",   "cycles", "memory_overhead_bytes"};
  for (size_t i = 0; i < kComponentCount; ++i) {
    head.push_back(
        absl::StrCat("cycles_", Abs(ComponentName(static_cast<Component>(i)))));
  }
  AddMarkNames(head);
  std::string text = CsvLine(head);
  for (const ShadowStudy& study : studies) {
    for (size_t policy = 0; policy < study.policies.size(); ++policy) {
      for (const Line& line : LinesOf(study, policy)) {
        std::vector<std::string> cells = {
            study.machine,
            absl::StrCat(LevelCount(study.mode)),
            absl::StrCat(study.vcpus),
            study.policies[policy],
            line.kind,
            line.name,
            absl::StrCat(line.times),
            absl::StrCat(line.cost->cycles.count()),
            absl::StrCat(
                line.row == nullptr ? 0 : line.row->memory_overhead_bytes)};
        for (const Cycles cycles : line.cost->by_component) {
          cells.push_back(absl::StrCat(cycles.count()));
        }
        AddMarkShares(CyclesByMark(*line.cost, study.costs), cells);
        text += CsvLine(cells);
      }
    }
  }
  return text;
}

std::string FormatShadowStudyJson(const std::vector<ShadowStudy>& studies) {
  Json json = Json::array();
  for (const ShadowStudy& study : studies) {
    Json one;
    one["machine"] = study.machine;
    one["levels"] = LevelCount(study.mode);
    one["vcpus"] = study.vcpus;
    one["policies"] = Json::array();
    for (size_t policy = 0; policy < study.policies.size(); ++policy) {
      Json lines = Json::array();
      for (const Line& line : LinesOf(study, policy)) {
        lines.push_back(JsonOf(line, study.costs));
      }
      one["policies"].push_back(
          {{"policy", study.policies[policy]}, {"costs", std::move(lines)}});
    }
    json.push_back(std::move(one));
  }
  return JsonText(json, 1);
}

}  // namespace xmmu
