#ifndef XMMU_XEN_LINEAR_MAP_H_
#define XMMU_XEN_LINEAR_MAP_H_

// How Xen is built to reach the page tables of the address space that is
// loaded: through a linear map, a slot of the hardware's own tables that leads
// back to them, so that every entry is an element of an array at a fixed
// address; or by walking them in software with temporary mappings. The linear
// map is why update_va_mapping is faster than mmu_update.
//
// A 2- or 4-level root has room for such a slot. A PAE root has not: the slots
// must go into the L2 of its slot 3, which maps the kernel and which guests
// would share among all their roots. The ways out are those of I. Pratt's
// message to xen-devel, "understanding __linear_l2_table and friends" (2005).
//
// Plain values; any thread.

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "xmmu/machine/paging_mode.h"

namespace xmmu {

enum class LinearMap : uint8_t {
  // As the Xen that ran such guests did it: 2-level, Xen 3.0, as kPerTable;
  // 4-level and PAE on a 64-bit Xen 4.17, the L2 entry through the linear map,
  // the L1 by a temporary mapping (map_guest_l1e); PAE on a machine without
  // long mode, as kNone.
  //
  // Whatever else is asked for, a PAE guest runs on a 32-bit Xen, also on a
  // machine that has long mode. It then has no global pages, as guests of Xen
  // 3.0 had none.
  kDefault,
  // Every root has its own linear slots. PAE: and therefore a kernel L2 of its
  // own, into which Xen copies its slots and the four linear ones when the root
  // is validated and whenever one of slots 0 to 2 changes (Xen 3.0.0,
  // create_pae_xen_mappings).
  kPerTable,
  // PAE: all roots of a guest share a kernel L2, in which Xen rewrites the four
  // linear slots before each load of CR3. Two vCPUs would need two contents of
  // one table at a time: guests have one vCPU.
  kSharedL2,
  // No linear map: every level is mapped and read.
  kNone,
};

// Whether a Xen with `linear_map` exists for guests of `mode`: kSharedL2 is for
// PAE guests only.
constexpr bool HasLinearMap(LinearMap linear_map, PagingMode mode) {
  return linear_map != LinearMap::kSharedL2 || mode == PagingMode::kPae;
}

// "default", "per-table", "shared-l2", "none".
std::string_view LinearMapName(LinearMap linear_map);
std::string_view LinearMapHelp(LinearMap linear_map);
std::optional<LinearMap> ParseLinearMap(std::string_view name);
std::span<const LinearMap> AllLinearMaps();

}  // namespace xmmu

#endif  // XMMU_XEN_LINEAR_MAP_H_
