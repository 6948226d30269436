#ifndef XMMU_TESTING_CONFORMANCE_WORLD_H_
#define XMMU_TESTING_CONFORMANCE_WORLD_H_

// A machine with one guest under one policy, put together by hand, and the
// check of what the hardware would let that guest do.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "testing/conformance/guest_script.h"
#include "xmmu/guest/guest_kernel.h"
#include "xmmu/guest/guest_options.h"
#include "xmmu/machine/machine_model.h"
#include "xmmu/policy/policies.h"
#include "xmmu/xen/host.h"

namespace xmmu::conformance {

// One way to run a guest.
struct Setting {
  // The strategy's name. It outlives the setting.
  std::string_view policy = "native";
  PagingMode mode = PagingMode::k4Level;
  GuestOps ops = GuestOps::kStores;
  PinWhen pin = PinWhen::kLate;
  int vcpus = 1;
  // A linear map other than the default is run on a machine whose TLB flush
  // filter is on.
  LinearMap linear_map = LinearMap::kDefault;
  // GuestOptions::thp and digest_thp; if not set, the default and `thp`. A
  // setting with `thp` runs scripts of large pages: see GuestScript.
  std::optional<Thp> thp = std::nullopt;
  std::optional<Thp> digest_thp = std::nullopt;
  // What makes the strategy; if it is empty, the table of built-in policies
  // has `policy`.
  PolicyFactory make = {};
};

// A name for `setting` of letters, digits and '_'.
std::string NameOf(const Setting& setting);

// A script for guests of `setting`, and the memory in MiB that is enough for
// it, and little to be recounted after each step.
GuestScript ScriptOf(const Setting& setting, Choice choice, TaskId first = 1,
                     size_t most = 5);
uint64_t ScriptMib(const Setting& setting);

// A policy of `setting` for `host`, or nullptr if its name is unknown.
std::unique_ptr<Policy> MakePolicyOf(const Setting& setting, Host& host);

// Adds to `settings` a copy of `setting` for each way in which a guest that
// finds `abi` may write and pin its page tables. A guest with no hypervisor to
// ask pins nothing. Hypercalls in place of stores are the same under each
// policy that also takes stores, so there one way to pin is enough.
void AddWays(const GuestAbi& abi, const Setting& setting,
             std::vector<Setting>& settings);

// A guest kernel that has booted in a new domain of `host`, with `memory_mib`
// of memory. `quantum_ops` is GuestOptions::quantum_ops.
// Errors: those of Policy::Abi, Host::CreateDomain and GuestKernel::Boot.
absl::StatusOr<std::unique_ptr<GuestKernel>> BootGuest(
    Host& host, Policy& policy, const Setting& setting, uint64_t memory_mib,
    uint64_t quantum_ops = GuestOptions().quantum_ops);

class World {
 public:
  // Makes the machine and boots the guest; see BootGuest().
  explicit World(const Setting& setting, uint64_t memory_mib = 32,
                 uint64_t quantum_ops = GuestOptions().quantum_ops);
  virtual ~World() = default;
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // Why there is no such world; then nothing below may be called.
  const absl::Status& status() const { return status_; }

  Host& host() { return host_; }
  Policy& policy() { return *policy_; }
  Domain& domain() { return host_.domain(0); }
  GuestKernel& kernel() { return *kernel_; }
  const GuestKernel& kernel() const { return *kernel_; }
  Cpu& cpu(uint32_t id = 0) { return host_.cpu(id); }

  // How the hardware would let this guest out, or "" if it does not. A guest
  // on bare hardware may reach everything.
  std::string FirstEscape();

 private:
  const MachineModel machine_;
  Host host_;
  std::unique_ptr<Policy> policy_;
  std::unique_ptr<GuestKernel> kernel_;
  absl::Status status_;
};

}  // namespace xmmu::conformance

#endif  // XMMU_TESTING_CONFORMANCE_WORLD_H_
