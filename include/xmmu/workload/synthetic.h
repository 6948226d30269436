#ifndef XMMU_WORKLOAD_SYNTHETIC_H_
#define XMMU_WORKLOAD_SYNTHETIC_H_

// Built-in workloads repeat one event of memory management N times, with
// nothing else around it. Each has a name and integer parameters with defaults.
//
// Single-threaded.

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "xmmu/workload/workload.h"

namespace xmmu {

struct SyntheticParameter {
  std::string_view name;
  uint64_t default_value;
  std::string_view help;
  uint64_t max_value = uint64_t{1} << 32;  // more than any guest has room for
};

struct SyntheticWorkload {
  std::string_view name;
  std::string_view help;
  std::span<const SyntheticParameter> parameters;
};

// All built-in workloads, in a fixed order.
std::span<const SyntheticWorkload> SyntheticWorkloads();

// Returns the values of the parameters of `workload`, in their order, that
// `spec` = "NAME[:key=value,...]" gives; those not given have their defaults.
// Errors: InvalidArgument naming the word that is wrong and what was expected.
absl::StatusOr<std::vector<uint64_t>> WorkloadValues(
    const SyntheticWorkload& workload, std::string_view spec);

// Makes the workload that `spec` = "NAME[:key=value,...]" describes.
// Errors: InvalidArgument naming the word that is wrong and what was expected.
absl::StatusOr<std::unique_ptr<Workload>> MakeSyntheticWorkload(
    std::string_view spec);

}  // namespace xmmu

#endif  // XMMU_WORKLOAD_SYNTHETIC_H_
