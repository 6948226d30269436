#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/text.h"
#include "report/common_fields.h"
#include "report/comparison_fields.h"
#include "report/field_table.h"
#include "study/shadow_fields.h"
#include "study/shadow_study.h"
#include "study/study_charts.h"
#include "xmmu/report/text_table.h"

namespace xmmu {
namespace {

// XI was said to be so many times as fast.
constexpr double kClaim = 4;

std::string Title(const ShadowStudy& study) {
  return absl::StrCat(study.machine, ", ", Abs(PagingModeName(study.mode)),
                      ", ", study.vcpus, " vCPU", study.vcpus == 1 ? "" : "s");
}

// The name of a workload without its parameters.
std::string ShortName(const Comparison& workload) {
  return workload.workload.substr(0, workload.workload.find(':'));
}

std::vector<std::string> Head(std::string_view first,
                              const std::vector<std::string>& names) {
  std::vector<std::string> head = {std::string(first)};
  head.insert(head.end(), names.begin(), names.end());
  return head;
}

TextTable EventTable(const ShadowStudy& study) {
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
  return table;
}

// Prints the components of one policy; the caller alternates the two of a pair.
TextTable ComponentTable(const ShadowStudy& study, size_t policy) {
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
  return table;
}

// A line an event or workload: percent of the cycles that rest on remembered
// and estimated prices.
TextTable EstimatedTable(const ShadowStudy& study) {
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
  return table;
}

template <typename Cell>
TextTable WorkloadTable(const ShadowStudy& study, std::string_view what,
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
  return table;
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

// A line a part of memory: what a strategy has reserved, and the most it used.
TextTable PartsTable(const ShadowStudy& study) {
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
  return table;
}

std::string PairName(const ShadowPair& pair) {
  return absl::StrCat(Abs(pair.older), " : ", Abs(pair.newer));
}

// The ratio of all cycles, and in brackets of those beyond bare hardware's.
std::string RatioCell(const ShadowRatio& ratio) {
  const double beyond = ratio.beyond_native();
  return absl::StrFormat(
      "%.2f (%s)", ratio.total(),
      beyond == 0 ? std::string("-") : absl::StrFormat("%.2f", beyond));
}

TextTable RatioTable(const ShadowStudy& study) {
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
  return table;
}

// Says for which events and workloads the newer one of `pair` is kClaim times
// as fast or more, and for which it is slower.
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

// A line a guest: what each workload gains by the newer one of `pair`.
TextTable Summary(const std::vector<ShadowStudy>& studies,
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
  return table;
}

// Says which strategies have used what the machine does not have.
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

void AddText(const ShadowStudy& study, std::vector<Document::Block>& text) {
  const auto add_table = [&](TextTable table) {
    text.emplace_back(std::move(table));
    text.emplace_back("\n");
  };
  text.emplace_back((text.empty() ? "" : "\n") +
                    OwnMachineLine(study.machine, study.machine_description) +
                    Title(study) + ": cycles an event\n\n");
  add_table(EventTable(study));
  // Components are shown of the pair that the question was about; the other
  // formats have those of all policies.
  for (size_t i = 1; i < study.policies.size(); ++i) {
    const ShadowPair& pair = ShadowPairs().front();
    if (study.policies[i] != pair.older && study.policies[i] != pair.newer) {
      continue;
    }
    add_table(ComponentTable(study, i));
  }
  add_table(WorkloadTable(study, "x native", TimesNative));
  add_table(WorkloadTable(study, "memory mgmt., KiB", Overhead));
  add_table(PartsTable(study));
  add_table(RatioTable(study));
  add_table(EstimatedTable(study));
  std::string words;
  for (const ShadowPair& pair : ShadowPairs()) words += Claim(study, pair);
  words += Hypothetical(study);
  for (const Comparison& workload : study.workloads) {
    words += IdleVcpuLines(workload.rows,
                           absl::StrCat("  ", workload.workload, ": "));
  }
  text.emplace_back(std::move(words));
}

std::vector<TermGroup> ShadowLegend(const std::vector<ShadowStudy>& studies) {
  std::vector<std::string> policies;
  std::vector<const Cost*> costs;
  for (const ShadowStudy& study : studies) {
    for (size_t i = 0; i < study.policies.size(); ++i) {
      policies.push_back(study.policies[i]);
      for (const EventCost& event : study.events[i]) {
        costs.push_back(&event.cost);
      }
    }
  }
  TermGroup events = {"events", {}};
  for (const GuestEventEntry& entry : GuestEvents()) {
    AddTerm(entry.name, entry.help, events);
  }
  return {{"tables",
           {{"x native", "", "cycles as a multiple of bare hardware's"},
            {"memory mgmt., KiB", "", "memory spent on managing memory"},
            {"part, KiB", "",
             "what that memory is for: set aside, and in use at the most"},
            {"times the cycles", "",
             "cycles of the older strategy by those of the newer one; in "
             "brackets, of what both take beyond bare hardware"},
            {"% remembered or estimated", "",
             "share of the cycles whose prices are"}}},
          std::move(events),
          PolicyTerms(policies),
          {"components", ComponentTermsOf(costs)},
          MarkTermGroup()};
}

}  // namespace

Document ShadowStudyDocument(const std::vector<ShadowStudy>& studies) {
  Document document;
  std::vector<Record> records;
  for (const ShadowStudy& study : studies) {
    AddText(study, document.text);
    document.charts.push_back(ShadowEventChart(study));
    if (!study.workloads.empty()) {
      document.charts.push_back(ShadowWorkloadChart(study));
    }
    records.push_back(ShadowRecord(study));
  }
  if (studies.size() > 1) {
    for (const ShadowPair& pair : ShadowPairs()) {
      document.text.emplace_back("\n");
      document.text.emplace_back(Summary(studies, pair));
    }
  }
  document.legend = ShadowLegend(studies);
  document.table = ShadowCostTable(studies);
  document.data = std::move(records);
  return document;
}

}  // namespace xmmu
