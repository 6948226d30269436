#include "study/batches.h"

#include "absl/status/status.h"

namespace xmmu {
namespace {

constexpr auto kFirst = static_cast<size_t>(Counter::kPtwrClosed0);

BatchRow RowOf(const UpdateWay& way, const ReportRow& of) {
  const Cost& cost = of.cost;
  BatchRow row;
  row.by_mark = of.by_mark;
  row.way = way;
  row.cycles = cost.cycles.count();
  const Counters& counters = cost.counters;
  uint64_t all = 0;
  for (size_t i = 0; i < kBatchBuckets; ++i) {
    row.closed.push_back(counters[static_cast<Counter>(kFirst + i)]);
    all += row.closed.back();
  }
  if (all == 0) row.closed.clear();
  row.updates = counters[Counter::kPtwrChanged];
  return row;
}

}  // namespace

absl::StatusOr<Batches> MeasureBatches(const SimulatorOptions& base,
                                       const std::vector<UpdateWay>& ways,
                                       const WorkloadFactory& workload) {
  if (ways.empty()) {
    return absl::InvalidArgumentError("want one way of updates at least");
  }
  ComparisonPlan plan;
  for (const UpdateWay& way : ways) {
    SimulatorOptions row = base;
    row.policy = way.policy;
    row.guest_ops = way.ops;
    plan.rows.push_back(row);
  }
  const absl::StatusOr<Comparison> comparison = RunComparison(plan, workload);
  if (!comparison.ok()) return comparison.status();
  Batches batches;
  batches.machine = comparison->options.machine;
  batches.machine_description = comparison->machine_description;
  batches.mode = comparison->options.mode;
  batches.workload = comparison->workload;
  for (size_t i = 0; i < ways.size(); ++i) {
    batches.rows.push_back(RowOf(ways[i], comparison->rows[i]));
  }
  return batches;
}

}  // namespace xmmu
