#ifndef XMMU_LIB_SIM_COMPARISON_RUN_H_
#define XMMU_LIB_SIM_COMPARISON_RUN_H_

// The rows of one comparison as jobs, for what runs several comparisons, or
// other work, side by side.
//
// A row that runs has a simulator and workloads of its own, and shares with
// others what nobody writes to: the plan, and the machine.

#include <cstddef>
#include <stop_token>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/job_list.h"
#include "xmmu/sim/compare.h"
#include "xmmu/sim/results.h"

namespace xmmu {

class ComparisonRun {
 public:
  ComparisonRun(ComparisonPlan plan, WorkloadFactory workload);
  ComparisonRun(const ComparisonRun&) = delete;
  ComparisonRun& operator=(const ComparisonRun&) = delete;

  // Adds a job for each row. This outlives them.
  void AddJobs(JobList& jobs);

  // Takes the result. Errors: Internal, naming the rows, if what the guest saw
  // differs. REQUIRES: the jobs have been run without an error.
  absl::StatusOr<Comparison> Finish();

 private:
  // Runs a row and puts it into its place. A row with a migration is run without
  // one as well, which tells what the migration costs.
  absl::Status RunRow(size_t index, const std::stop_token& stop);
  // Runs `row`; one that `describes` says what all rows share.
  absl::StatusOr<ReportRow> RunOnce(const SimulatorOptions& row,
                                    bool describes);

  const ComparisonPlan plan_;
  const WorkloadFactory workload_;
  // Each row is written by its own job, and all else by that of the first row.
  Comparison comparison_;
};

}  // namespace xmmu

#endif  // XMMU_LIB_SIM_COMPARISON_RUN_H_
