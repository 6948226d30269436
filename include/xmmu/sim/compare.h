#ifndef XMMU_SIM_COMPARE_H_
#define XMMU_SIM_COMPARE_H_

// Compares several strategies on the same guest, workload and machine. As many
// Simulators run at a time as Jobs::threads says, one if it is not set, so that
// memory use does not grow with rows; results do not depend on it.
//
// To be called by one thread, like all functions without a word of threads. With
// several Jobs::threads the comparison calls what users hand it from several
// threads at a time: a WorkloadFactory, PolicyChoice::make, and whatever is made
// by them, each object from one thread alone. With one thread it is the caller's,
// and there is no other.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "xmmu/base/jobs.h"
#include "xmmu/sim/options.h"
#include "xmmu/sim/results.h"
#include "xmmu/workload/workload.h"

namespace xmmu {

// A strategy to compare: a built-in one by its name, or a user's own with
// `make`.
struct PolicyChoice {
  std::string name;
  PolicyFactory make = {};
};

struct ComparisonOptions {
  // What all rows share. Its policy, custom_policy, guest_ops, pin,
  // share_file_pages, linear_map, thp and stop are not read, and its digest_thp
  // is raised to the most permissive of `thps`.
  SimulatorOptions base;

  // The strategies, in row order.
  std::vector<PolicyChoice> policies = {
      {"native", {}}, {"pinning", {}}, {"trap-and-emulate", {}}};

  // How paravirtual guests issue page-table writes: there is a row for each. If
  // empty, it is each strategy's default. A guest that asks nothing of a
  // hypervisor has one row whatever is here.
  std::vector<GuestOps> guest_ops;

  // When paravirtual guests pin: there is a row for each. If empty, it is each
  // strategy's default, and for "pinning" also kNever, which pinning is judged
  // by.
  std::vector<PinWhen> pins;

  // Whether each row of a paravirtual guest is followed by one of the same
  // guest that shares file pages with other domains.
  bool share_file_pages = false;

  // How Xen reaches the page tables of paravirtual guests: there is a row for
  // each. If empty, it is LinearMap::kDefault. Among several, those that the
  // guests cannot have are left out.
  std::vector<LinearMap> linear_maps;

  // Which anonymous memory gets large pages: there is a row for each. If empty,
  // it is what the Linux of the time did. A guest that has no large pages for
  // its programs (GuestAbi::large_pages) has one row, under the most permissive
  // of these, so that Counter::kLargeDenied says what it lacks.
  std::vector<Thp> thps;

  // Whether strategies that cannot run are left out, with a line in
  // Comparison::left_out, instead of being an error. Among several guest_ops,
  // those that a strategy cannot run with are left out in any case.
  bool leave_out_unsupported = false;

  // How rows are run: a job each.
  Jobs jobs = {};
};

struct ComparisonPlan {
  std::vector<SimulatorOptions> rows;
  std::vector<std::string> left_out;  // "NAME: why"
  Jobs jobs = {};                     // ComparisonOptions::jobs
};

// Returns the rows that `options` ask for. Runs nothing.
// Errors: InvalidArgument for an unknown name; what Policy::Abi and
// CheckGuestOptions say of a row that cannot run; InvalidArgument if no row is
// left.
absl::StatusOr<ComparisonPlan> PlanComparison(const ComparisonOptions& options);

// Makes the workload anew for each row, always the same. Called from several
// threads at a time if there are several Jobs::threads.
using WorkloadFactory = std::function<absl::StatusOr<std::unique_ptr<Workload>>(
    const SimulatorOptions& row)>;

// Runs all rows of `plan`, which share ComparisonOptions::base.
// Errors, that of the first row which has one: InvalidArgument if the factory is
// null or makes none; those of the factory, of Simulator::Create and of
// Simulator::Run, the last two with the row's name in front unless they are
// about the workload itself. Internal, naming the rows, if what the guest saw
// differs. InvalidArgument for Jobs::threads out of range; Cancelled if a stop
// was requested.
absl::StatusOr<Comparison> RunComparison(const ComparisonPlan& plan,
                                         const WorkloadFactory& workload);

// Plans and runs a comparison.
absl::StatusOr<Comparison> Compare(const ComparisonOptions& options,
                                   const WorkloadFactory& workload);

}  // namespace xmmu

#endif  // XMMU_SIM_COMPARE_H_
