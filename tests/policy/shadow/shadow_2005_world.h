#ifndef XMMU_TESTS_POLICY_SHADOW_SHADOW_2005_WORLD_H_
#define XMMU_TESTS_POLICY_SHADOW_SHADOW_2005_WORLD_H_

// The guest of xi_world.h on the shadows of Xen 3.0.

#include "policy/shadow/xi_world.h"
#include "xmmu/policy/shadow_options.h"

namespace xmmu {

// In the L2 table of kBase; nothing is there.
inline constexpr VirtAddr kUpper = kBase + (uint64_t{64} << 20);

inline XiWorld MakeWorld(PagingMode mode, const Shadow2005Options& options = {},
                         int vcpus = 1) {
  return XiWorld(mode, vcpus,
                 [options](Host& on) { return MakeShadow2005(on, options); });
}

}  // namespace xmmu

#endif  // XMMU_TESTS_POLICY_SHADOW_SHADOW_2005_WORLD_H_
