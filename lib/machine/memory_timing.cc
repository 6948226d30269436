#include "xmmu/machine/memory_timing.h"

#include "base/enum_names.h"

namespace xmmu {
namespace {

constexpr EnumNames<MemoryTiming, 3> kTimings({{
    {MemoryTiming::kFlat, "flat",
     "every load of a page-table entry takes the same"},
    {MemoryTiming::kPteCaches, "pte-caches",
     "loads of page-table entries go through the caches"},
    {MemoryTiming::kAllCaches, "all-caches",
     "entry loads and the program's data go through the caches"},
}});

}  // namespace

std::string_view MemoryTimingName(MemoryTiming timing) {
  return kTimings.Name(timing);
}
std::string_view MemoryTimingHelp(MemoryTiming timing) {
  return kTimings.Help(timing);
}
std::optional<MemoryTiming> ParseMemoryTiming(std::string_view name) {
  return kTimings.Parse(name);
}
std::span<const MemoryTiming> AllMemoryTimings() { return kTimings.All(); }

}  // namespace xmmu
