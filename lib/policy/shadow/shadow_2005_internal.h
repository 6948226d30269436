#ifndef XMMU_LIB_POLICY_SHADOW_SHADOW_2005_INTERNAL_H_
#define XMMU_LIB_POLICY_SHADOW_SHADOW_2005_INTERNAL_H_

// The guests of shadow1's mode "translate, internal". Single-threaded.

#include <memory>

#include "xmmu/policy/policy.h"

namespace xmmu {

// Runs on `shadows`, whose guests are virtual machines otherwise.
std::unique_ptr<Policy> MakeShadowInternal(std::unique_ptr<Policy> shadows);

}  // namespace xmmu

#endif  // XMMU_LIB_POLICY_SHADOW_SHADOW_2005_INTERNAL_H_
