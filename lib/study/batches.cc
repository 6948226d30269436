#include "study/batches.h"

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "base/job_list.h"
#include "sim/comparison_run.h"

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

ComparisonPlan PlanOf(const BaseWays& measured, const Jobs& jobs) {
  ComparisonPlan plan;
  plan.jobs = jobs;
  for (const UpdateWay& way : measured.ways) {
    SimulatorOptions row = measured.base;
    row.policy = way.policy;
    row.guest_ops = way.ops;
    plan.rows.push_back(row);
  }
  return plan;
}

Batches BatchesOf(const Comparison& comparison,
                  const std::vector<UpdateWay>& ways) {
  Batches batches;
  batches.machine = comparison.options.machine;
  batches.machine_description = comparison.machine_description;
  batches.mode = comparison.options.mode;
  batches.workload = comparison.workload;
  for (size_t i = 0; i < ways.size(); ++i) {
    batches.rows.push_back(RowOf(ways[i], comparison.rows[i]));
  }
  return batches;
}

}  // namespace

absl::StatusOr<Batches> MeasureBatches(const SimulatorOptions& base,
                                       const std::vector<UpdateWay>& ways,
                                       const WorkloadFactory& workload,
                                       const Jobs& jobs) {
  const BaseWays one{base, ways};
  absl::StatusOr<std::vector<Batches>> all =
      MeasureAllBatches({&one, 1}, workload, jobs);
  if (!all.ok()) return all.status();
  return std::move(all->front());
}

absl::StatusOr<std::vector<Batches>> MeasureAllBatches(
    std::span<const BaseWays> all, const WorkloadFactory& workload,
    const Jobs& jobs) {
  std::vector<std::unique_ptr<ComparisonRun>> runs;
  JobList list;
  for (const BaseWays& one : all) {
    if (one.ways.empty()) {
      return absl::InvalidArgumentError("want one way of updates at least");
    }
    runs.push_back(
        std::make_unique<ComparisonRun>(PlanOf(one, jobs), workload));
    runs.back()->AddJobs(list);
  }
  absl::Status status = list.Run(jobs);
  if (!status.ok()) return status;
  std::vector<Batches> batches;
  for (size_t i = 0; i < all.size(); ++i) {
    const absl::StatusOr<Comparison> comparison = runs[i]->Finish();
    if (!comparison.ok()) return comparison.status();
    batches.push_back(BatchesOf(*comparison, all[i].ways));
  }
  return batches;
}

}  // namespace xmmu
