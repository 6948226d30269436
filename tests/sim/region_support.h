#ifndef XMMU_TESTS_SIM_REGION_SUPPORT_H_
#define XMMU_TESTS_SIM_REGION_SUPPORT_H_

// What tests of regions and their reports run.

#include <cstdint>
#include <string>
#include <string_view>

#include "xmmu/sim/region.h"
#include "xmmu/sim/simulator.h"

namespace xmmu::region_support {

// Several processes, and one.
inline constexpr std::string_view kSeveral =
    "switch:processes=4,rounds=6,pages=5";
inline constexpr std::string_view kOne = "churn:pages=8,rounds=12";

inline SimulatorOptions OptionsOf(std::string_view policy, PagingMode mode,
                                  const RegionOptions& region = {}) {
  SimulatorOptions options;
  options.machine = "skylake-2017";
  options.mode = mode;
  options.guest_memory_bytes = uint64_t{32} << 20;
  options.policy = std::string(policy);
  options.quantum_ops = 17;
  options.region = region;
  return options;
}

}  // namespace xmmu::region_support

#endif  // XMMU_TESTS_SIM_REGION_SUPPORT_H_
