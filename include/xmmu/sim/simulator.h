#ifndef XMMU_SIM_SIMULATOR_H_
#define XMMU_SIM_SIMULATOR_H_

// One simulation: a host, a policy, a domain and a booted guest kernel (or
// several), built from SimulatorOptions and owned by the Simulator.
//
// Booting is no part of any figure: cost() and Run() count from the end of the
// boot, at which all CPUs have the same time.
//
// Single-threaded; one simulator a thread, any number of threads.

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "xmmu/guest/guest_kernel.h"
#include "xmmu/policy/policy.h"
#include "xmmu/sim/cost.h"
#include "xmmu/sim/options.h"
#include "xmmu/sim/results.h"
#include "xmmu/workload/workload.h"
#include "xmmu/xen/host.h"

namespace xmmu {

class Measurement;

class Simulator {
 public:
  // Errors: InvalidArgument for an unknown machine or policy, naming the
  // nearest one and all; for an option out of range or a user's own machine
  // that cannot be built, saying what would do; for more 32-bit domains than
  // 4 GiB hold; and for a figure or priced event of the policy's own that
  // reports could not show (a name that is taken, a price without a source).
  // Unimplemented for a paging mode the policy has no guests of; Cancelled once
  // SimulatorOptions::stop is requested; otherwise those of GuestKernel::Boot.
  static absl::StatusOr<std::unique_ptr<Simulator>> Create(
      const SimulatorOptions& options);
  ~Simulator();

  Simulator(const Simulator&) = delete;
  Simulator& operator=(const Simulator&) = delete;

  // Runs the whole of `workload` on the first guest, and reports everything
  // since the boot, or what SimulatorOptions::region says of it.
  // Errors: those of GuestKernel::Run; InvalidArgument for a workload that ends
  // before the region does, or has more than kMaxIntervals intervals; Cancelled
  // once SimulatorOptions::stop is requested.
  absl::StatusOr<ReportRow> Run(Workload& workload);
  // Runs one workload on each guest, in order, each as a whole.
  // Errors: InvalidArgument if there are not as many workloads as domains, or
  // one is null, before anything runs; those of the other Run().
  absl::StatusOr<ReportRow> Run(std::span<Workload* const> workloads);

  // Returns the row of a report with everything since the boot, or with the
  // regions of the workloads that Run() has run.
  ReportRow Row() const;

  // Returns what has been charged and counted since the boot, on all CPUs.
  Cost cost() const { return CostOf(host_) - boot_; }

  const SimulatorOptions& options() const { return options_; }
  // The machine simulated, with the features that the paging mode needs.
  const MachineModel& machine() const { return machine_; }
  Host& host() { return host_; }
  Policy& policy() { return *policy_; }
  // The domain with that index, and its guest; by default the first.
  Domain& domain(size_t index = 0) { return host_.domain(index); }
  GuestKernel& guest(size_t index = 0) { return *guests_[index]; }
  // What SimulatorOptions::spans asked for, so far; or nullptr.
  std::shared_ptr<const SpanLog> Spans() const;

 private:
  Simulator(const SimulatorOptions& options, const MachineModel& machine);
  absl::Status Boot();
  absl::Status BootGuest(const GuestAbi& abi);
  absl::Status MakePolicy();
  // Runs `workload` on guest `index` unless a stop is requested.
  absl::Status RunOn(size_t index, Workload& workload);
  // Runs `workload` on guest `index`, which is migrated meanwhile if that is
  // wanted, and measures it.
  absl::Status Measure(size_t index, Workload& workload);

  const SimulatorOptions options_;
  const MachineModel machine_;
  Host host_;
  std::unique_ptr<Policy> policy_;
  std::vector<std::unique_ptr<GuestKernel>> guests_;
  Cost boot_;                       // what the boot took
  std::unique_ptr<SpanLog> spans_;  // if it is wanted
  std::optional<MigrationReport> migration_;
  std::unique_ptr<Measurement> measurement_;
};

}  // namespace xmmu

#endif  // XMMU_SIM_SIMULATOR_H_
