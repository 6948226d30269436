#ifndef XMMU_TESTS_GUEST_WORLD_H_
#define XMMU_TESTS_GUEST_WORLD_H_

// A machine with one guest, put together by hand, and the checks of what the
// hardware would let it do.

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "gtest/gtest.h"
#include "guest/hardware_view.h"
#include "guest/virtual_tlb.h"
#include "xmmu/guest/guest_kernel.h"
#include "xmmu/policy/policies.h"
#include "xmmu/policy/shadow_2005.h"
#include "xmmu/policy/shadow_2006.h"
#include "xmmu/policy/shadow_2008.h"
#include "xmmu/policy/xi_shadow.h"

namespace xmmu {

// One way to run a guest.
struct Setting {
  std::string_view policy = "native";
  PagingMode mode = PagingMode::k4Level;
  GuestOps ops = GuestOps::kStores;
  PinWhen pin = PinWhen::kLate;
  int vcpus = 1;
  // Other than the default: on a machine whose TLB flush filter is on.
  LinearMap linear_map = LinearMap::kDefault;
};

// Setting::policy of strategies of shadows with the smallest pool that they can
// do with.
inline constexpr std::string_view kSmallestPools[] = {
    "xi-shadow-smallest-pool", "shadow-2006-smallest-pool",
    "shadow-2005-smallest-pool", "shadow-2008-smallest-pool"};

inline std::string NameOf(const Setting& setting) {
  std::string name = absl::StrFormat(
      "%s_%dlevels_%s_%s_%dcpus", setting.policy, LevelCount(setting.mode),
      GuestOpsName(setting.ops), PinWhenName(setting.pin), setting.vcpus);
  if (setting.linear_map != LinearMap::kDefault) {
    absl::StrAppend(&name, "_", std::string(LinearMapName(setting.linear_map)));
  }
  for (char& c : name) {
    if (c == '-' || c == '.') c = '_';
  }
  return name;
}

// Adds the ways in which a guest of `setting`'s policy and mode may issue its
// page-table writes. What has no hypervisor to ask pins nothing; hypercalls
// where stores would do are the same under each such policy, so one way to pin
// is enough there.
inline void AddWays(const GuestAbi& abi, Setting setting,
                    std::vector<Setting>& settings) {
  const PinWhen usual = setting.pin;
  GuestAbi without_stores = abi;
  without_stores.stores_to_l1 = false;
  for (const GuestOps ops : AllGuestOps()) {
    // What is known of these kernels is of 32-bit ones.
    if (IsLinuxOfATime(ops) && LevelCount(setting.mode) > 3) continue;
    const bool stores = !CheckGuestOptions(without_stores, {.ops = ops}).ok();
    const bool one_pin = !abi.paravirtual || (abi.stores_to_l1 && !stores);
    for (const PinWhen pin : AllPinWhen()) {
      if (one_pin && pin != usual) continue;
      setting.ops = ops;
      setting.pin = pin;
      if (CheckGuestOptions(abi, {.ops = ops, .pin = pin}).ok()) {
        settings.push_back(setting);
      }
    }
  }
}

// Ways of Xen to reach the tables of PAE guests that the machine's Xen does not
// go. How the guest writes its tables matters little to them.
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

// Every setting of every policy in the table, and of a policy for translated
// guests, in all modes; and linear maps.
inline std::vector<Setting> AllSettings(int vcpus = 1) {
  std::vector<Setting> settings;
  Host host(*FindMachine("skylake-2017"), {});
  const auto add = [&](Policy& policy, std::string_view name) {
    for (const PagingMode mode : kAllPagingModes) {
      const absl::StatusOr<GuestAbi> abi = policy.Abi(mode);
      if (!abi.ok()) continue;
      AddWays(*abi, {.policy = name, .mode = mode, .vcpus = vcpus}, settings);
    }
  };
  for (const PolicyEntry& entry : Policies()) {
    const size_t first = settings.size();
    add(*entry.make(host), entry.name);
    if (entry.variant_of.empty()) continue;
    // Those that a strategy is made in variants for.
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

class World {
 public:
  explicit World(const Setting& setting, uint64_t memory_mib = 32,
                 uint64_t quantum_ops = GuestOptions().quantum_ops)
      : machine_(MachineFor(setting)),
        host_(machine_,
              {.cpus = setting.vcpus, .linear_map = setting.linear_map}) {
    policy_ = MakePolicy(setting);
    const absl::StatusOr<GuestAbi> abi = policy_->Abi(setting.mode);
    EXPECT_TRUE(abi.ok()) << abi.status();
    auto domain = host_.CreateDomain({.mode = setting.mode,
                                      .memory_frames = memory_mib << 8,
                                      .vcpus = setting.vcpus,
                                      .translated = abi->translated});
    EXPECT_TRUE(domain.ok()) << domain.status();
    domain_ = *domain;
    GuestOptions options = DefaultGuestOptions(*abi, setting.mode);
    options.ops = setting.ops;
    options.pin = setting.pin;
    options.quantum_ops = quantum_ops;
    auto kernel = GuestKernel::Boot(host_, *policy_, *domain_, options);
    EXPECT_TRUE(kernel.ok()) << kernel.status();
    kernel_ = *std::move(kernel);
  }

  Host& host() { return host_; }
  Policy& policy() { return *policy_; }
  Domain& domain() { return *domain_; }
  GuestKernel& kernel() { return *kernel_; }
  Cpu& cpu(uint32_t id = 0) { return host_.cpu(id); }

  void Do(TaskId task, const GuestOp& op) {
    const absl::Status status = kernel_->Perform(task, op);
    ASSERT_TRUE(status.ok()) << status;
  }

  // How the hardware would let this guest out; "" if it does not. What other
  // policies than paravirtual ones guard is theirs to say.
  std::string FirstEscape() {
    const bool nested = domain_->vcpu(0).vm.nested;
    if (kernel_->abi().translated && !nested) return FirstShadowEscape(host_);
    return kernel_->abi().paravirtual || nested ? xmmu::FirstEscape(host_) : "";
  }

 private:
  std::unique_ptr<Policy> MakePolicy(const Setting& setting) {
    const bool roots = LevelCount(setting.mode) >= 4;
    const auto fewest = static_cast<uint32_t>(roots ? 3 + setting.vcpus : 2);
    if (setting.policy == kSmallestPools[0]) {
      return MakeXiShadow(host_, {.pool_shadows = fewest});
    }
    if (setting.policy == kSmallestPools[1]) {
      return MakeShadow2006(host_, {.pool_shadows = fewest});
    }
    if (setting.policy == kSmallestPools[2]) {
      // 2-level guests have 2-level shadows, root and all.
      const bool two = setting.mode == PagingMode::k2Level;
      const auto with_root = static_cast<uint32_t>(1 + setting.vcpus);
      return MakeShadow2005(host_, {.pool_shadows = two ? with_root : fewest});
    }
    if (setting.policy == kSmallestPools[3]) {
      return MakeShadow2008(host_, {.pool_shadows = fewest});
    }
    const PolicyEntry* const entry = FindPolicy(setting.policy);
    return entry != nullptr ? entry->make(host_)
                            : std::make_unique<VirtualTlb>(host_);
  }
  static MachineModel MachineFor(const Setting& setting) {
    MachineModel machine = *FindMachine("skylake-2017");
    if (setting.linear_map != LinearMap::kDefault) {
      machine.flush_filter = FindMachine("opteron-2005")->flush_filter;
      machine.flush_filter.enabled = true;
    }
    return machine;
  }

  const MachineModel machine_;
  Host host_;
  std::unique_ptr<Policy> policy_;
  Domain* domain_ = nullptr;
  std::unique_ptr<GuestKernel> kernel_;
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
