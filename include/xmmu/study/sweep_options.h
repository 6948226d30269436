#ifndef XMMU_STUDY_SWEEP_OPTIONS_H_
#define XMMU_STUDY_SWEEP_OPTIONS_H_

// Which prices are moved within their bands to see what conclusions rest on
// them, and how.
//
// Plain values; any thread.

#include <cstdint>

namespace xmmu {

// The most samples (so that the arithmetic stays within 64 bits).
inline constexpr uint32_t kMaxSweepSamples = 100'000;

struct SweepOptions {
  // Every price that has a band; without it those remembered or estimated.
  bool all_bands = false;
  // Points of the Latin hypercube, up to kMaxSweepSamples.
  uint32_t samples = 1000;
  uint64_t seed = 1;
};

}  // namespace xmmu

#endif  // XMMU_STUDY_SWEEP_OPTIONS_H_
