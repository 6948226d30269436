#include "testing/conformance/world.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "testing/conformance/hardware_view.h"
#include "xmmu/policy/tick.h"

namespace xmmu::conformance {
namespace {

// Processes of a script with large pages, of which each may fill its windows.
constexpr size_t kMostWithLargePages = 3;

MachineModel MachineFor(const Setting& setting) {
  MachineModel machine = *FindMachine("skylake-2017");
  if (setting.linear_map != LinearMap::kDefault) {
    machine.flush_filter = FindMachine("opteron-2005")->flush_filter;
    machine.flush_filter.enabled = true;
  }
  return machine;
}

}  // namespace

std::string NameOf(const Setting& setting) {
  std::string name = absl::StrFormat(
      "%s_%dlevels_%s_%s_%dcpus", setting.policy, LevelCount(setting.mode),
      GuestOpsName(setting.ops), PinWhenName(setting.pin), setting.vcpus);
  if (setting.linear_map != LinearMap::kDefault) {
    absl::StrAppend(&name, "_", std::string(LinearMapName(setting.linear_map)));
  }
  if (setting.thp.has_value()) {
    absl::StrAppend(&name, "_thp_", std::string(ThpName(*setting.thp)));
  }
  for (char& c : name) {
    if (c == '-' || c == '.') c = '_';
  }
  return name;
}

GuestScript ScriptOf(const Setting& setting, Choice choice, TaskId first,
                     size_t most) {
  if (!setting.thp.has_value()) {
    return GuestScript(setting.mode, std::move(choice), first, most);
  }
  return GuestScript(setting.mode, std::move(choice), first,
                     std::min(most, kMostWithLargePages),
                     ScriptMemory::kLargePages);
}

uint64_t ScriptMib(const Setting& setting) {
  if (!setting.thp.has_value()) return 8;
  return setting.mode == PagingMode::k2Level ? 192 : 96;
}

std::unique_ptr<Policy> MakePolicyOf(const Setting& setting, Host& host) {
  if (setting.make) return setting.make(host);
  const PolicyEntry* const entry = FindPolicy(setting.policy);
  return entry == nullptr ? nullptr : entry->make(host);
}

void AddWays(const GuestAbi& abi, const Setting& setting,
             std::vector<Setting>& settings) {
  GuestAbi without_stores = abi;
  without_stores.stores_to_l1 = false;
  for (const GuestOps ops : AllGuestOps()) {
    // Only 32-bit kernels of these versions are modelled.
    if (IsLinuxOfATime(ops) && LevelCount(setting.mode) > 3) continue;
    const bool stores = !CheckGuestOptions(without_stores, {.ops = ops}).ok();
    const bool one_pin = !abi.paravirtual || (abi.stores_to_l1 && !stores);
    for (const PinWhen pin : AllPinWhen()) {
      if (one_pin && pin != setting.pin) continue;
      if (!CheckGuestOptions(abi, {.ops = ops, .pin = pin}).ok()) continue;
      settings.push_back(setting);
      settings.back().ops = ops;
      settings.back().pin = pin;
    }
  }
}

absl::StatusOr<std::unique_ptr<GuestKernel>> BootGuest(Host& host,
                                                       Policy& policy,
                                                       const Setting& setting,
                                                       uint64_t memory_mib,
                                                       uint64_t quantum_ops) {
  const absl::StatusOr<GuestAbi> abi = policy.Abi(setting.mode);
  if (!abi.ok()) return abi.status();
  const absl::StatusOr<Domain*> domain =
      host.CreateDomain({.mode = setting.mode,
                         .memory_frames = memory_mib << 8,
                         .vcpus = setting.vcpus,
                         .translated = abi->translated});
  if (!domain.ok()) return domain.status();
  GuestOptions options = DefaultGuestOptions(*abi, setting.mode);
  options.ops = setting.ops;
  options.pin = setting.pin;
  options.quantum_ops = quantum_ops;
  options.thp = setting.thp.value_or(options.thp);
  options.digest_thp = setting.digest_thp.value_or(options.thp);
  auto kernel = GuestKernel::Boot(host, policy, **domain, options);
  if (!kernel.ok()) return kernel;
  policy.BootEnded();
  StartTicks(policy, host);
  return kernel;
}

World::World(const Setting& setting, uint64_t memory_mib, uint64_t quantum_ops)
    : machine_(MachineFor(setting)),
      host_(machine_,
            {.cpus = setting.vcpus, .linear_map = setting.linear_map}),
      policy_(MakePolicyOf(setting, host_)) {
  if (policy_ == nullptr) {
    status_ = absl::NotFoundError(
        absl::StrFormat("there is no policy %s", setting.policy));
    return;
  }
  auto kernel = BootGuest(host_, *policy_, setting, memory_mib, quantum_ops);
  status_ = kernel.status();
  if (kernel.ok()) kernel_ = *std::move(kernel);
}

std::string World::FirstEscape() {
  const bool nested = domain().vcpu(0).vm.nested;
  if (kernel_->abi().translated && !nested) return FirstShadowEscape(host_);
  const bool guarded = kernel_->abi().paravirtual || nested;
  return guarded ? conformance::FirstEscape(host_) : "";
}

}  // namespace xmmu::conformance
