#ifndef XMMU_LIB_SIM_MEASUREMENT_H_
#define XMMU_LIB_SIM_MEASUREMENT_H_

#include <cstdint>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "xmmu/guest/guest_kernel.h"
#include "xmmu/sim/cost.h"
#include "xmmu/sim/options.h"
#include "xmmu/sim/region.h"
#include "xmmu/sim/results.h"
#include "xmmu/workload/workload.h"
#include "xmmu/xen/host.h"

namespace xmmu {

// Runs workloads on guests of one host, and measures the region of each.
class Measurement {
 public:
  // The host outlives this.
  Measurement(Host& host, const RegionOptions& options, Per per)
      : host_(host), options_(options), per_(per) {}

  // Runs the whole of `workload` on the guest of domain `domain`. Calls `ended`
  // behind the last operation; what that charges belongs to it.
  // Errors: those of GuestKernel::Run; InvalidArgument for a workload that ends
  // before the region does, and for too many intervals.
  absl::Status Run(int domain, GuestKernel& guest, Workload& workload,
                   absl::FunctionRef<void()> ended);

  // What the regions of all workloads came to.
  const Cost& cost() const { return cost_; }
  uint64_t operations() const { return operations_; }
  const std::vector<Interval>& intervals() const { return intervals_; }
  // What vCPUs or tasks took of it, without the rest that is nobody's.
  const std::vector<RowPart>& parts() const { return parts_; }

 private:
  // Runs what comes before the region.
  absl::Status Approach(GuestKernel& guest, Workload& workload);
  // What vCPUs or tasks do counts from now on.
  void BeginParts(GuestKernel& guest);
  // Adds what they have done since BeginParts().
  void AddParts(int domain, GuestKernel& guest);
  // Adds what was charged since the last call, or Approach().
  absl::Status Add(int domain, uint64_t first, uint64_t operations);

  Host& host_;
  const RegionOptions options_;
  const Per per_;
  Cost last_;  // at the beginning of the next interval
  Cost cost_;
  uint64_t operations_ = 0;
  std::vector<Interval> intervals_;
  std::vector<Cost> cpus_;  // at BeginParts(), by CPU
  std::vector<RowPart> parts_;
};

}  // namespace xmmu

#endif  // XMMU_LIB_SIM_MEASUREMENT_H_
