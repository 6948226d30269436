#include "xmmu/xen/linear_map.h"

#include "base/enum_names.h"

namespace xmmu {
namespace {

constexpr EnumNames<LinearMap, 4> kLinearMaps({{
    {LinearMap::kDefault, "default", "what the Xen that ran such guests did"},
    {LinearMap::kPerTable, "per-table",
     "in every root; PAE: in a kernel L2 of every root's own"},
    {LinearMap::kSharedL2, "shared-l2",
     "PAE, 1 vCPU: in one kernel L2, rewritten at each load of CR3"},
    {LinearMap::kNone, "none", "none: Xen walks the tables in software"},
}});

}  // namespace

std::string_view LinearMapName(LinearMap linear_map) {
  return kLinearMaps.Name(linear_map);
}
std::string_view LinearMapHelp(LinearMap linear_map) {
  return kLinearMaps.Help(linear_map);
}
std::optional<LinearMap> ParseLinearMap(std::string_view name) {
  return kLinearMaps.Parse(name);
}
std::span<const LinearMap> AllLinearMaps() { return kLinearMaps.All(); }

}  // namespace xmmu
