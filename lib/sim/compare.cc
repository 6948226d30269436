#include "xmmu/sim/compare.h"

#include <algorithm>
#include <span>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/text.h"
#include "xmmu/sim/simulator.h"

namespace xmmu {
namespace {

absl::Status WithPrefix(std::string_view prefix, const absl::Status& status) {
  return absl::Status(status.code(),
                      absl::StrCat(Abs(prefix), ": ", status.message()));
}

// Adds the rows of one strategy after the other to a plan.
class Planner {
 public:
  explicit Planner(const ComparisonOptions& options) : options_(options) {}

  // Plans the rows of one strategy; without a hypervisor it has one row.
  absl::Status Add(const PolicyChoice& choice) {
    SimulatorOptions row = options_.base;
    row.policy = choice.name;
    row.custom_policy = choice.make;
    row.guest_ops.reset();
    row.pin.reset();
    row.share_file_pages = false;
    row.linear_map = LinearMap::kDefault;
    SetMostPermissiveThp(row);
    const absl::StatusOr<GuestAbi> abi = AbiOf(row);
    if (!abi.ok()) {
      const bool unsupported = absl::IsUnimplemented(abi.status());
      return unsupported ? LeaveOut(row.policy, abi.status(), false)
                         : abi.status();
    }
    if (!abi->paravirtual) {
      row.guest_ops = GuestOps::kStores;
      AddUnmodified(row, *abi);
      return absl::OkStatus();
    }
    return AddLinearMaps(row, *abi);
  }

  absl::StatusOr<ComparisonPlan> Finish() && {
    if (!plan_.rows.empty()) return std::move(plan_);
    std::string message = "no policy to run";
    if (!plan_.left_out.empty()) {
      message += "; left out: " + absl::StrJoin(plan_.left_out, "; ");
    }
    return absl::InvalidArgumentError(message);
  }

 private:
  // Returns what a guest would find, by asking a policy that is made on a host
  // of its own.
  static absl::StatusOr<GuestAbi> AbiOf(SimulatorOptions& row) {
    const absl::StatusOr<MachineModel> machine = MachineOf(row);
    if (!machine.ok()) return machine.status();
    Host host(*machine, HostOptions());
    std::unique_ptr<Policy> policy;
    if (row.custom_policy) {
      policy = row.custom_policy(host);
    } else if (const PolicyEntry* entry = FindPolicy(row.policy)) {
      policy = entry->make(host);
    }
    if (policy == nullptr) {
      return UnknownName("policy", row.policy, Policies(),
                         [](const PolicyEntry& e) { return e.name; });
    }
    row.policy = std::string(policy->name());
    return policy->Abi(row.mode);
  }

  // A guest without large pages runs under this setting; the digests of all
  // rows are taken by it, so that they can be compared.
  void SetMostPermissiveThp(SimulatorOptions& row) const {
    row.thp.reset();
    if (options_.thps.empty()) return;
    row.thp = *std::max_element(options_.thps.begin(), options_.thps.end());
    row.digest_thp = std::max(*row.thp, row.digest_thp.value_or(*row.thp));
  }

  // Adds the rows of a guest that no hypervisor changed, one for each Thp if it
  // has large pages.
  void AddUnmodified(SimulatorOptions row, const GuestAbi& abi) {
    if (options_.thps.empty() || !abi.large_pages) {
      plan_.rows.push_back(row);
      return;
    }
    for (const Thp thp : options_.thps) {
      row.thp = thp;
      plan_.rows.push_back(row);
    }
  }

  // Adds the rows of a paravirtual guest for each linear map.
  absl::Status AddLinearMaps(SimulatorOptions row, const GuestAbi& abi) {
    std::vector<LinearMap> linear_maps = options_.linear_maps;
    if (linear_maps.empty()) linear_maps = {LinearMap::kDefault};
    for (LinearMap linear_map : linear_maps) {
      row.linear_map = linear_map;
      absl::Status status = CheckLinearMap(row);
      status = status.ok()
                   ? AddParavirtual(row, abi)
                   : LeaveOut(row.policy, status, linear_maps.size() > 1);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  // Adds the rows of a paravirtual guest with one linear map: ways of writing,
  // and for each of them times of pinning.
  absl::Status AddParavirtual(SimulatorOptions row, const GuestAbi& abi) {
    const GuestOptions defaults = DefaultGuestOptions(abi, row.mode);
    std::vector<GuestOps> all_ops = options_.guest_ops;
    if (all_ops.empty()) all_ops = {defaults.ops};
    const std::vector<PinWhen> pins = PinsOf(row.policy, defaults);
    for (GuestOps ops : all_ops) {
      GuestOptions guest = defaults;
      guest.ops = ops;
      if (absl::Status status = CheckGuestOptions(abi, guest); !status.ok()) {
        const bool alone = options_.guest_ops.size() <= 1;
        absl::Status left = LeaveOut(row.policy, status, !alone);
        if (!left.ok()) return left;
        continue;
      }
      row.guest_ops = ops;
      for (PinWhen pin : pins) {
        row.pin = pin;
        row.share_file_pages = false;
        plan_.rows.push_back(row);
        if (!options_.share_file_pages) continue;
        row.share_file_pages = true;
        plan_.rows.push_back(row);
      }
    }
    return absl::OkStatus();
  }

  // Returns the times of pinning that the rows of a strategy have.
  std::vector<PinWhen> PinsOf(std::string_view policy,
                              const GuestOptions& defaults) const {
    if (!options_.pins.empty()) return options_.pins;
    // The cost of not pinning shows beside late pinning, which differs in the
    // pins alone.
    if (policy == "pinning") {
      if (defaults.pin == PinWhen::kEarly) {
        return {PinWhen::kEarly, PinWhen::kLate, PinWhen::kNever};
      }
      return {PinWhen::kLate, PinWhen::kNever};
    }
    return {defaults.pin};
  }

  // Leaves rows out, or returns why they cannot run. With `others` the strategy
  // may have other rows.
  absl::Status LeaveOut(const std::string& policy, const absl::Status& why,
                        bool others) {
    if (!others && !options_.leave_out_unsupported) {
      return WithPrefix(policy, why);
    }
    std::string line = absl::StrCat(policy, ": ", why.message());
    // Several rows may be left out for one reason.
    if (std::find(plan_.left_out.begin(), plan_.left_out.end(), line) ==
        plan_.left_out.end()) {
      plan_.left_out.push_back(std::move(line));
    }
    return absl::OkStatus();
  }

  const ComparisonOptions& options_;
  ComparisonPlan plan_;
};

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
  options.quantum_ops = guest.quantum_ops;
  options.fault_around_pages = guest.fault_around_pages;
  options.flush_ceiling_pages = guest.flush_ceiling_pages;
  options.machine = std::string(simulator.machine().name);
  options.flush_filter = simulator.machine().flush_filter.active();
  return options;
}

// Passes a workload through and keeps the error that it ended with, if any.
class WatchedWorkload final : public Workload {
 public:
  explicit WatchedWorkload(Workload& workload) : workload_(workload) {}

  std::string name() const override { return workload_.name(); }
  TaskId first_task() const override { return workload_.first_task(); }
  absl::StatusOr<std::span<const GuestOp>> Next(TaskId task) override {
    absl::StatusOr<std::span<const GuestOp>> ops = workload_.Next(task);
    if (!ops.ok()) error_ = ops.status();
    return ops;
  }

  const absl::Status& error() const { return error_; }

 private:
  Workload& workload_;
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

// Runs `row`; the first one describes `comparison`.
absl::StatusOr<ReportRow> RunOnce(const SimulatorOptions& row,
                                  const WorkloadFactory& factory,
                                  Comparison& comparison) {
  std::vector<std::unique_ptr<Workload>> workloads;
  absl::Status made = MakeWorkloads(row, factory, workloads);
  if (!made.ok()) return made;
  absl::StatusOr<std::unique_ptr<Simulator>> simulator = Simulator::Create(row);
  if (!simulator.ok()) return WithPrefix(LabelOf(row), simulator.status());
  std::vector<WatchedWorkload> watched;
  for (const auto& workload : workloads) watched.emplace_back(*workload);
  std::vector<Workload*> in_order;
  for (WatchedWorkload& workload : watched) in_order.push_back(&workload);
  absl::StatusOr<ReportRow> result = (*simulator)->Run(in_order);
  for (const WatchedWorkload& workload : watched) {
    if (!workload.error().ok()) return workload.error();
  }
  if (!result.ok()) return WithPrefix(LabelOf(row), result.status());
  if (comparison.rows.empty()) {
    const MachineModel& machine = (*simulator)->machine();
    comparison.version = std::string(Version());
    comparison.options =
        SharedOptions(**simulator, (*simulator)->guest().options());
    comparison.machine_description = std::string(machine.description);
    comparison.hypothetical = !HasMode(*OwnMachineOf(row), row.mode);
    comparison.costs = machine.costs;
    // The machine owns the texts of the sources and may be gone first.
    for (CostConstant& cost : comparison.costs) cost.source = {};
    comparison.workload = workloads.front()->name();
  }
  return result;
}

// Runs a row. A row with a migration is run without one as well, which tells
// what the migration costs.
absl::Status RunRow(SimulatorOptions row, const WorkloadFactory& factory,
                    Comparison& comparison) {
  absl::StatusOr<ReportRow> result = RunOnce(row, factory, comparison);
  if (!result.ok()) return result.status();
  if (result->migration.has_value() && result->migration->refused.empty()) {
    row.migration = MigrationOptions();
    const absl::StatusOr<ReportRow> without = RunOnce(row, factory, comparison);
    if (!without.ok()) return without.status();
    if (without->guest_digest != result->guest_digest) {
      return absl::InternalError(absl::StrCat(
          "the guest sees that it is migrated under ", RowLabel(*result)));
    }
    result->migration->extra_cycles =
        static_cast<int64_t>(result->cost.cycles.count()) -
        static_cast<int64_t>(without->cost.cycles.count());
  }
  comparison.rows.push_back(*std::move(result));
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

}  // namespace

absl::StatusOr<ComparisonPlan> PlanComparison(
    const ComparisonOptions& options) {
  Planner planner(options);
  for (const PolicyChoice& choice : options.policies) {
    if (absl::Status status = planner.Add(choice); !status.ok()) return status;
  }
  return std::move(planner).Finish();
}

absl::StatusOr<Comparison> RunComparison(const ComparisonPlan& plan,
                                         const WorkloadFactory& workload) {
  Comparison comparison;
  comparison.left_out = plan.left_out;
  for (const SimulatorOptions& row : plan.rows) {
    if (absl::Status status = RunRow(row, workload, comparison); !status.ok()) {
      return status;
    }
  }
  if (absl::Status status = CheckDigests(comparison); !status.ok()) {
    return status;
  }
  return comparison;
}

absl::StatusOr<Comparison> Compare(const ComparisonOptions& options,
                                   const WorkloadFactory& workload) {
  absl::StatusOr<ComparisonPlan> plan = PlanComparison(options);
  if (!plan.ok()) return plan.status();
  return RunComparison(*plan, workload);
}

}  // namespace xmmu
