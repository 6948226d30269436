#include "sim/comparison_run.h"

#include <deque>
#include <span>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/text.h"
#include "xmmu/sim/simulator.h"

namespace xmmu {
namespace {

// Names a row in errors, before there is a ReportRow for RowLabel().
std::string LabelOf(const SimulatorOptions& row) {
  if (!row.pin.has_value()) {
    return absl::StrCat(row.policy, ThpSuffix(row.thp));
  }
  return absl::StrCat(
      row.policy, "/",
      row.guest_ops.has_value() ? Abs(GuestOpsName(*row.guest_ops)) : "", "/",
      Abs(PinWhenName(*row.pin)), row.share_file_pages ? "/shared" : "",
      LinearMapSuffix(row.linear_map));
}

// Returns what rows like that of `simulator` share, with the defaults of its
// guest and its machine filled in.
SimulatorOptions SharedOptions(const Simulator& simulator,
                               const GuestOptions& guest) {
  const SimulatorOptions unset;
  SimulatorOptions options = simulator.options();
  options.policy = unset.policy;
  options.custom_policy = unset.custom_policy;
  options.guest_ops = unset.guest_ops;
  options.pin = unset.pin;
  options.share_file_pages = unset.share_file_pages;
  options.linear_map = unset.linear_map;
  options.thp = unset.thp;
  options.spans = unset.spans;
  options.stop = unset.stop;
  options.quantum_ops = guest.quantum_ops;
  options.fault_around_pages = guest.fault_around_pages;
  options.flush_ceiling_pages = guest.flush_ceiling_pages;
  options.machine = std::string(simulator.machine().name);
  options.flush_filter = simulator.machine().flush_filter.active();
  return options;
}

// Passes a workload through, counts what it hands out, until it is gone unless
// that was all, and keeps the error that it ended with, if any.
class WatchedWorkload final : public Workload {
 public:
  WatchedWorkload(Workload& workload, JobProgress* progress)
      : workload_(workload), progress_(progress) {}
  ~WatchedWorkload() override {
    if (progress_ != nullptr) progress_->TakeBackOperations(handed_out_);
  }
  WatchedWorkload(const WatchedWorkload&) = delete;
  WatchedWorkload& operator=(const WatchedWorkload&) = delete;

  std::string name() const override { return workload_.name(); }
  TaskId first_task() const override { return workload_.first_task(); }
  absl::StatusOr<std::span<const GuestOp>> Next(TaskId task) override {
    absl::StatusOr<std::span<const GuestOp>> ops = workload_.Next(task);
    if (!ops.ok()) {
      error_ = ops.status();
    } else if (progress_ != nullptr) {
      progress_->AddOperations(ops->size());
      handed_out_ += ops->size();
    }
    return ops;
  }
  // The run has ended well: what was counted stays.
  void Keep() { handed_out_ = 0; }

  const absl::Status& error() const { return error_; }

 private:
  Workload& workload_;
  JobProgress* const progress_;
  uint64_t handed_out_ = 0;
  absl::Status error_;
};

// Makes a workload for each domain of `row`.
absl::Status MakeWorkloads(const SimulatorOptions& row,
                           const WorkloadFactory& factory,
                           std::vector<std::unique_ptr<Workload>>& workloads) {
  if (!factory) {
    return absl::InvalidArgumentError("no workload: its factory is null");
  }
  for (int i = 0; i < row.domains; ++i) {
    absl::StatusOr<std::unique_ptr<Workload>> workload = factory(row);
    if (!workload.ok()) return workload.status();
    if (*workload == nullptr) {
      return absl::InvalidArgumentError("the factory made no workload");
    }
    workloads.push_back(*std::move(workload));
  }
  return absl::OkStatus();
}

// The guest must see the same under every strategy.
absl::Status CheckDigests(const Comparison& comparison) {
  if (DigestsAgree(comparison)) return absl::OkStatus();
  const ReportRow& first = comparison.rows.front();
  std::vector<std::string> others;
  for (const ReportRow& row : comparison.rows) {
    if (row.guest_digest != first.guest_digest) others.push_back(RowLabel(row));
  }
  return absl::InternalError(
      absl::StrCat("the guest did not see the same under ", RowLabel(first),
                   " and under ", absl::StrJoin(others, ", ")));
}

// `status` with the name of the row in front.
absl::Status OfRow(const SimulatorOptions& row, const absl::Status& status) {
  return absl::Status(status.code(),
                      absl::StrCat(LabelOf(row), ": ", status.message()));
}

// What is the same for all rows, from the run of the first one.
void DescribeComparison(const Simulator& simulator, const GuestOptions& guest,
                        const std::string& workload, Comparison& comparison) {
  const MachineModel& machine = simulator.machine();
  comparison.version = std::string(Version());
  comparison.options = SharedOptions(simulator, guest);
  comparison.machine_description = std::string(machine.description);
  comparison.hypothetical =
      !HasMode(*OwnMachineOf(simulator.options()), simulator.options().mode);
  comparison.costs = machine.costs;
  // The machine owns the texts of the sources and may be gone first.
  for (CostConstant& cost : comparison.costs) cost.source = {};
  comparison.workload = workload;
}

}  // namespace

absl::StatusOr<ReportRow> ComparisonRun::RunOnce(const SimulatorOptions& row,
                                                 bool describes) {
  std::vector<std::unique_ptr<Workload>> workloads;
  absl::Status made = MakeWorkloads(row, workload_, workloads);
  if (!made.ok()) return made;
  absl::StatusOr<std::unique_ptr<Simulator>> simulator = Simulator::Create(row);
  if (!simulator.ok()) return OfRow(row, simulator.status());
  std::deque<WatchedWorkload> watched;
  for (const auto& workload : workloads) {
    watched.emplace_back(*workload, plan_.jobs.progress);
  }
  std::vector<Workload*> in_order;
  for (WatchedWorkload& workload : watched) in_order.push_back(&workload);
  absl::StatusOr<ReportRow> result = (*simulator)->Run(in_order);
  for (const WatchedWorkload& workload : watched) {
    if (!workload.error().ok()) return workload.error();
  }
  if (!result.ok()) return OfRow(row, result.status());
  for (WatchedWorkload& workload : watched) workload.Keep();
  if (describes) {
    DescribeComparison(**simulator, (*simulator)->guest().options(),
                       workloads.front()->name(), comparison_);
  }
  return result;
}

absl::Status ComparisonRun::RunRow(size_t index, const std::stop_token& stop) {
  SimulatorOptions row = plan_.rows[index];
  row.stop = stop;
  absl::StatusOr<ReportRow> result = RunOnce(row, index == 0);
  if (!result.ok()) return result.status();
  if (result->migration.has_value() && result->migration->refused.empty()) {
    row.migration = MigrationOptions();
    row.spans.reset();
    row.per = Per::kNothing;
    const absl::StatusOr<ReportRow> without = RunOnce(row, /*describes=*/false);
    if (!without.ok()) return without.status();
    if (without->guest_digest != result->guest_digest) {
      return absl::InternalError(absl::StrCat(
          "the guest sees that it is migrated under ", RowLabel(*result)));
    }
    result->migration->extra_cycles =
        static_cast<int64_t>(result->cost.cycles.count()) -
        static_cast<int64_t>(without->cost.cycles.count());
  }
  comparison_.rows[index] = *std::move(result);
  return absl::OkStatus();
}

ComparisonRun::ComparisonRun(ComparisonPlan plan, WorkloadFactory workload)
    : plan_(std::move(plan)), workload_(std::move(workload)) {
  comparison_.left_out = plan_.left_out;
  comparison_.rows.resize(plan_.rows.size());
}

void ComparisonRun::AddJobs(JobList& jobs) {
  for (size_t i = 0; i < plan_.rows.size(); ++i) {
    jobs.Add(
        [this, i](const std::stop_token& stop) { return RunRow(i, stop); });
  }
}

absl::StatusOr<Comparison> ComparisonRun::Finish() {
  if (absl::Status status = CheckDigests(comparison_); !status.ok()) {
    return status;
  }
  return std::move(comparison_);
}

}  // namespace xmmu
