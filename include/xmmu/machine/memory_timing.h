#ifndef XMMU_MACHINE_MEMORY_TIMING_H_
#define XMMU_MACHINE_MEMORY_TIMING_H_

// How long memory takes: which loads go through the caches of the machine.
//
// Plain values; any thread.

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace xmmu {

enum class MemoryTiming : uint8_t {
  kFlat,       // every entry load costs kPteLoadFlat
  kPteCaches,  // entry loads go through the caches
  kAllCaches,  // entry loads and data accesses go through the caches
};

// The names are "flat", "pte-caches" and "all-caches".
std::string_view MemoryTimingName(MemoryTiming timing);
std::string_view MemoryTimingHelp(MemoryTiming timing);
std::optional<MemoryTiming> ParseMemoryTiming(std::string_view name);
std::span<const MemoryTiming> AllMemoryTimings();

}  // namespace xmmu

#endif  // XMMU_MACHINE_MEMORY_TIMING_H_
