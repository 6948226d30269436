#include "xmmu/sim/compare.h"

#include <algorithm>
#include <span>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/job_list.h"
#include "base/text.h"
#include "sim/comparison_run.h"
#include "xmmu/policy/policy.h"
#include "xmmu/xen/host.h"

namespace xmmu {
namespace {

absl::Status WithPrefix(std::string_view prefix, const absl::Status& status) {
  return absl::Status(status.code(),
                      absl::StrCat(Abs(prefix), ": ", status.message()));
}

// Adds the rows of one strategy after the other to a plan.
class Planner {
 public:
  explicit Planner(const ComparisonOptions& options) : options_(options) {
    plan_.jobs = options.jobs;
  }

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
  ComparisonRun run(plan, workload);
  JobList jobs;
  run.AddJobs(jobs);
  absl::Status status = jobs.Run(plan.jobs);
  if (!status.ok()) return status;
  return run.Finish();
}

absl::StatusOr<Comparison> Compare(const ComparisonOptions& options,
                                   const WorkloadFactory& workload) {
  absl::StatusOr<ComparisonPlan> plan = PlanComparison(options);
  if (!plan.ok()) return plan.status();
  return RunComparison(*plan, workload);
}

}  // namespace xmmu
