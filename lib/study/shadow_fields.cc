#include "study/shadow_fields.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "report/common_fields.h"
#include "report/comparison_fields.h"
#include "report/field_table.h"

namespace xmmu {
namespace {

constexpr std::string_view kEventKind = "event";
constexpr std::string_view kWorkloadKind = "workload";

// What was done: an event, or a workload.
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
    lines.push_back({std::string(kEventKind), std::string(entry.name),
                     cost.times, &cost.cost});
  }
  for (const Comparison& workload : study.workloads) {
    const ReportRow& row = workload.rows[policy];
    lines.push_back(
        {std::string(kWorkloadKind), workload.workload, 1, &row.cost, &row});
  }
  return lines;
}

// What a policy took for a line; `policy` and `line` mean nothing in the fields
// of level 0, `line` is null in those of level 1.
struct ShadowLine {
  const ShadowStudy& study;
  size_t policy;
  const Line* line;

  const ReportRow* row() const { return line->row; }
  MarkCycles by_mark() const { return CyclesByMark(*line->cost, study.costs); }
  // The name of what was done if it is a `kind`.
  Value NameIf(std::string_view kind) const {
    if (line->kind != kind) return Absent();
    return AsValue(line->name);
  }
};

std::vector<Record> PolicyRecords(const ShadowStudy& study);
std::vector<Record> CostRecords(const ShadowStudy& study, size_t policy);

constexpr FieldOf<ShadowLine> kShadowFields[] = {
    {0, "machine", "", "machine that was simulated",
     [](const ShadowLine& l) { return l.study.machine; }},
    {0, "levels", "levels", "levels of page tables of the guest; 3 is PAE",
     [](const ShadowLine& l) { return LevelCount(l.study.mode); }},
    {0, "vcpus", "vCPUs", "vCPUs of the guest",
     [](const ShadowLine& l) { return l.study.vcpus; }},
    {0, "policies", "", "one object for each strategy",
     [](const ShadowLine& l) { return PolicyRecords(l.study); }, Shown::kJson},
    {1, "policy", "", "strategy that virtualizes the guest's memory",
     [](const ShadowLine& l) { return l.study.policies[l.policy]; }},
    {1, "costs", "", "one object for each event and each workload",
     [](const ShadowLine& l) { return CostRecords(l.study, l.policy); },
     Shown::kJson},
    {2, "kind", "", "event, or workload",
     [](const ShadowLine& l) { return l.line->kind; }, Shown::kCsv},
    {2, "name", "", "which event or workload",
     [](const ShadowLine& l) { return l.line->name; }, Shown::kCsv},
    {2, "event", "", "the event that was measured",
     [](const ShadowLine& l) { return l.NameIf(kEventKind); }, Shown::kJson},
    {2, "workload", "", "the workload that was run",
     [](const ShadowLine& l) { return l.NameIf(kWorkloadKind); }, Shown::kJson},
    {2, "times", "events", "how many such events the cycles are of",
     [](const ShadowLine& l) { return l.line->times; }},
    {2, "cycles", "cycles", "cycles charged, of all CPUs",
     [](const ShadowLine& l) { return l.line->cost->cycles; }},
    {2, "idle_vcpus", "vCPUs", "vCPUs that never ran a task",
     [](const ShadowLine& l) {
       return l.row() == nullptr ? Value(Absent())
                                 : AsValue(l.row()->idle_vcpus);
     },
     Shown::kJson},
    {2, "memory_overhead_bytes", "bytes",
     "memory spent on managing memory by a workload; 0 for an event",
     [](const ShadowLine& l) {
       return l.row() == nullptr ? 0 : l.row()->memory_overhead_bytes;
     },
     Shown::kCsv},
    {2, "memory_overhead_bytes", "bytes",
     "memory spent on managing memory by a workload; 0 for an event",
     [](const ShadowLine& l) {
       return l.row() == nullptr ? Value(Absent())
                                 : AsValue(l.row()->memory_overhead_bytes);
     },
     Shown::kJson},
    {2, "memory_parts", "bytes",
     "what the strategy's part of memory_overhead_bytes is for",
     [](const ShadowLine& l) {
       return l.row() == nullptr ? Value(Absent())
                                 : AsValue(MemoryPartsRecord(*l.row()));
     },
     Shown::kJson},
    {2, "cycles_by_component", "cycles",
     "cycles by what they were spent on; they add up to cycles",
     [](const ShadowLine& l) { return ComponentCells(*l.line->cost); },
     Shown::kBoth, &kComponentGroup},
    {2, "cycles_by_mark", "cycles",
     "cycles by what is known of their prices; they add up to cycles",
     [](const ShadowLine& l) { return MarkCyclesCells(l.by_mark()); },
     Shown::kJson, &kMarkCyclesGroup},
    {2, "share_by_mark", "share of 1",
     "share of cycles by what is known of their prices; they add up to 1",
     [](const ShadowLine& l) { return MarkShareCells(l.by_mark()); },
     Shown::kBoth, &kMarkShareGroup},
};

constexpr std::span<const FieldOf<ShadowLine>> kShadows = kShadowFields;

std::vector<Record> PolicyRecords(const ShadowStudy& study) {
  std::vector<Record> records;
  for (size_t policy = 0; policy < study.policies.size(); ++policy) {
    records.push_back(
        RecordOf(kShadows, 1, ShadowLine{study, policy, nullptr}));
  }
  return records;
}

std::vector<Record> CostRecords(const ShadowStudy& study, size_t policy) {
  std::vector<Record> records;
  for (const Line& line : LinesOf(study, policy)) {
    records.push_back(RecordOf(kShadows, 2, ShadowLine{study, policy, &line}));
  }
  return records;
}

}  // namespace

Record ShadowRecord(const ShadowStudy& study) {
  return RecordOf(kShadows, 0, ShadowLine{study, 0, nullptr});
}

Table ShadowCostTable(const std::vector<ShadowStudy>& studies) {
  std::vector<std::vector<Line>> kept;  // what `lines` point to
  std::vector<ShadowLine> lines;
  for (const ShadowStudy& study : studies) {
    for (size_t policy = 0; policy < study.policies.size(); ++policy) {
      kept.push_back(LinesOf(study, policy));
      for (const Line& line : kept.back()) {
        lines.push_back({study, policy, &line});
      }
    }
  }
  return TableOf<ShadowLine>(kShadows, lines);
}

}  // namespace xmmu
