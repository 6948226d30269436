#ifndef XMMU_TESTS_GUEST_WORLD_H_
#define XMMU_TESTS_GUEST_WORLD_H_

// Every way to run a guest under every policy, worlds of one guest each, and
// operations for their processes.

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "gtest/gtest.h"
#include "guest/virtual_tlb.h"
#include "testing/conformance/world.h"
#include "xmmu/guest/guest_kernel.h"
#include "xmmu/policy/policies.h"
#include "xmmu/policy/shadow_options.h"

namespace xmmu {

using conformance::AddWays;
using conformance::NameOf;
using conformance::Setting;

// Values of Setting::policy for strategies of shadows with the smallest pool
// that they can run with.
inline constexpr std::string_view kSmallestPools[] = {
    "xi-shadow-smallest-pool", "shadow-2006-smallest-pool",
    "shadow-2005-smallest-pool", "shadow-2008-smallest-pool"};

// Returns `setting` with the factory of its policy if the table of policies
// does not have it: that is so for shadows with the smallest pool, and for the
// policy for translated guests.
inline Setting WithFactory(Setting setting) {
  const bool roots = LevelCount(setting.mode) >= 4;
  const auto fewest = static_cast<uint32_t>(roots ? 3 + setting.vcpus : 2);
  // 2-level guests have 2-level shadows under shadow-2005, root and all.
  const bool two = setting.mode == PagingMode::k2Level;
  const auto of_2005 = two ? static_cast<uint32_t>(1 + setting.vcpus) : fewest;
  if (setting.policy == kSmallestPools[0]) {
    setting.make = [fewest](Host& host) {
      return MakeXiShadow(host, {.pool = {.shadows = fewest}});
    };
  } else if (setting.policy == kSmallestPools[1]) {
    setting.make = [fewest](Host& host) {
      return MakeShadow2006(host, {.pool = {.shadows = fewest}});
    };
  } else if (setting.policy == kSmallestPools[2]) {
    setting.make = [of_2005](Host& host) {
      return MakeShadow2005(host, {.pool = {.shadows = of_2005}});
    };
  } else if (setting.policy == kSmallestPools[3]) {
    setting.make = [fewest](Host& host) {
      return MakeShadow2008(host, {.pool = {.shadows = fewest}});
    };
  } else if (FindPolicy(setting.policy) == nullptr) {
    setting.make = [](Host& host) {
      return std::make_unique<VirtualTlb>(host);
    };
  }
  return setting;
}

// Adds the ways to reach the tables of PAE guests that the machine's Xen does
// not use. How the guest writes its tables matters little to them.
inline void AddLinearMaps(int vcpus, std::vector<Setting>& settings) {
  for (const LinearMap linear_map : AllLinearMaps()) {
    const bool shared = linear_map == LinearMap::kSharedL2;
    if (linear_map == LinearMap::kDefault || (shared && vcpus > 1)) continue;
    Setting setting{.policy = "pinning",
                    .mode = PagingMode::kPae,
                    .ops = GuestOps::kUpdateVaMapping,
                    .vcpus = vcpus,
                    .linear_map = linear_map};
    settings.push_back(setting);
    setting.pin = PinWhen::kNever;
    settings.push_back(setting);
    setting.policy = "trap-and-emulate";
    setting.ops = GuestOps::kStores;
    setting.pin = PinWhen::kEarly;
    settings.push_back(setting);
  }
}

// Returns every setting of every policy in the table, and of a policy for
// translated guests, in all modes; and linear maps.
inline std::vector<Setting> AllSettings(int vcpus = 1) {
  std::vector<Setting> settings;
  Host host(*FindMachine("skylake-2017"), {});
  const auto add = [&](Policy& policy, std::string_view name) {
    for (const PagingMode mode : kAllPagingModes) {
      const absl::StatusOr<GuestAbi> abi = policy.Abi(mode);
      if (!abi.ok()) continue;
      AddWays(*abi, WithFactory({.policy = name, .mode = mode, .vcpus = vcpus}),
              settings);
    }
  };
  for (const PolicyEntry& entry : Policies()) {
    const size_t first = settings.size();
    add(*entry.make(host), entry.name);
    if (entry.variant_of.empty()) continue;
    // A variant keeps only the settings that its strategy is varied for.
    settings.erase(
        std::remove_if(settings.begin() + static_cast<std::ptrdiff_t>(first),
                       settings.end(),
                       [](const Setting& setting) {
                         return setting.ops != GuestOps::kStores ||
                                setting.pin == PinWhen::kNever;
                       }),
        settings.end());
  }
  VirtualTlb virtual_tlb(host);
  add(virtual_tlb, virtual_tlb.name());
  AddLinearMaps(vcpus, settings);
  return settings;
}

// Returns a setting of each policy in the table, of the policy for translated
// guests and of the smallest pools, in each mode, whose programs get large
// pages wherever their guest has them.
inline std::vector<Setting> LargePageSettings(int vcpus = 1) {
  std::vector<std::string_view> names = {"virtual-tlb"};
  for (const PolicyEntry& entry : Policies()) names.push_back(entry.name);
  names.insert(names.end(), std::begin(kSmallestPools),
               std::end(kSmallestPools));
  std::vector<Setting> settings;
  Host host(*FindMachine("skylake-2017"), {});
  for (const std::string_view name : names) {
    for (const PagingMode mode : kAllPagingModes) {
      Setting setting = WithFactory(
          {.policy = name, .mode = mode, .vcpus = vcpus, .thp = Thp::kAlways});
      const auto abi = conformance::MakePolicyOf(setting, host)->Abi(mode);
      if (!abi.ok()) continue;
      const GuestOptions options = DefaultGuestOptions(*abi, mode);
      setting.ops = options.ops;
      setting.pin = options.pin;
      settings.push_back(setting);
    }
  }
  return settings;
}

// A world whose failure to boot fails the running test.
class World final : public conformance::World {
 public:
  explicit World(const Setting& setting, uint64_t memory_mib = 32,
                 uint64_t quantum_ops = GuestOptions().quantum_ops)
      : conformance::World(WithFactory(setting), memory_mib, quantum_ops) {
    EXPECT_TRUE(status().ok()) << status();
  }

  void Do(TaskId task, const GuestOp& op) {
    const absl::Status status = kernel().Perform(task, op);
    ASSERT_TRUE(status.ok()) << status;
  }
};

// Operations on a region of `pages` pages at `va`.
inline constexpr VirtAddr kRegion{0x10000000};

inline GuestOp MapOp(uint64_t pages, Backing backing = Backing::kAnonymous,
                     uint8_t rights = kMapRead | kMapWrite,
                     VirtAddr va = kRegion) {
  return {.kind = GuestOpKind::kMap,
          .rights = rights,
          .backing = backing,
          .va = va,
          .length = pages * kPageSize,
          .file = 7};
}
inline GuestOp AccessOp(GuestOpKind kind, uint64_t page,
                        VirtAddr va = kRegion) {
  return {.kind = kind, .va = va + page * kPageSize, .length = 8};
}
inline GuestOp StoreOp(uint64_t page) {
  return AccessOp(GuestOpKind::kStore, page);
}
inline GuestOp LoadOp(uint64_t page) {
  return AccessOp(GuestOpKind::kLoad, page);
}
inline GuestOp RangeOp(GuestOpKind kind, uint64_t pages, uint8_t rights = 0,
                       VirtAddr va = kRegion) {
  return {
      .kind = kind, .rights = rights, .va = va, .length = pages * kPageSize};
}
inline GuestOp TaskOp(GuestOpKind kind, TaskId child = 0) {
  return {.kind = kind, .child = child};
}

}  // namespace xmmu

#endif  // XMMU_TESTS_GUEST_WORLD_H_
