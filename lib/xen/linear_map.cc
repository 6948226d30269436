#include "xmmu/xen/linear_map.h"

#include <array>

namespace xmmu {
namespace {

constexpr std::array kLinearMaps = {LinearMap::kDefault, LinearMap::kPerTable,
                                    LinearMap::kSharedL2, LinearMap::kNone};

}  // namespace

std::string_view LinearMapName(LinearMap linear_map) {
  switch (linear_map) {
    case LinearMap::kDefault:
      return "default";
    case LinearMap::kPerTable:
      return "per-table";
    case LinearMap::kSharedL2:
      return "shared-l2";
    case LinearMap::kNone:
      return "none";
  }
  return "";
}

std::string_view LinearMapHelp(LinearMap linear_map) {
  switch (linear_map) {
    case LinearMap::kDefault:
      return "what the Xen that ran such guests did";
    case LinearMap::kPerTable:
      return "in every root; PAE: in a kernel L2 of every root's own";
    case LinearMap::kSharedL2:
      return "PAE, 1 vCPU: in one kernel L2, rewritten at each load of CR3";
    case LinearMap::kNone:
      return "none: Xen walks the tables in software";
  }
  return "";
}

std::optional<LinearMap> ParseLinearMap(std::string_view name) {
  for (LinearMap linear_map : kLinearMaps) {
    if (LinearMapName(linear_map) == name) return linear_map;
  }
  return std::nullopt;
}

std::span<const LinearMap> AllLinearMaps() { return kLinearMaps; }

}  // namespace xmmu
