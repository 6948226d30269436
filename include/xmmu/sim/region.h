#ifndef XMMU_SIM_REGION_H_
#define XMMU_SIM_REGION_H_

// Which part of a workload is measured. Operations are counted over all tasks,
// in the order in which they are executed; kPost and kAwait are none.
//
//     1 ... skip | ... warmup ... | ... operations ... | ... to the end
//     replayed   ^ replayed         measured             replayed
//                caches emptied
//
// On one vCPU that order is the same under every strategy, and so is the
// region. On several, which operations come before others depends on the
// vCPUs' clocks, and so on the strategy: regions are as long, but begin and end
// where each vCPU has come to by then. Each of several domains runs a workload
// of its own, and the region is a part of each.
//
// What is counted and charged is that of the region. What is a peak or a state
// at the end is that of the whole run, as is the digest.
//
// Plain values; any thread.

#include <cstddef>
#include <cstdint>
#include <optional>

namespace xmmu {

// Assumed: no workload has more; sums of a few such numbers have 64 bits.
inline constexpr uint64_t kMaxRegionOperations = uint64_t{1} << 60;

// Assumed: no plot shows more. They take a few KiB each.
inline constexpr size_t kMaxIntervals = 10000;

struct RegionOptions {
  // The first operations, after which TLBs, paging-structure caches and data
  // caches are emptied (Host::MakeCold), unless there are none.
  uint64_t skip = 0;
  // The next ones, which fill them again.
  uint64_t warmup = 0;
  // The length of the region that follows; if not set, it goes to the end.
  std::optional<uint64_t> operations = std::nullopt;
  // The region is also measured in intervals of so many operations; the last
  // one of a workload may be shorter.
  std::optional<uint64_t> interval = std::nullopt;

  // Whether something of the workload is left out.
  bool wanted() const {
    return skip > 0 || warmup > 0 || operations.has_value();
  }
  bool operator==(const RegionOptions&) const = default;
};

}  // namespace xmmu

#endif  // XMMU_SIM_REGION_H_
