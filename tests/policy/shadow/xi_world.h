#ifndef XMMU_TESTS_POLICY_SHADOW_XI_WORLD_H_
#define XMMU_TESTS_POLICY_SHADOW_XI_WORLD_H_

// A guest on XI's shadows, or another strategy's, alone on its machine.

#include <functional>
#include <memory>
#include <string_view>

#include "policy/shadow/translated_guest.h"
#include "xmmu/policy/shadow_options.h"

namespace xmmu {

struct XiMachine {
  using Make = std::function<std::unique_ptr<Policy>(Host&)>;

  XiMachine(std::string_view machine, int cpus, const Make& make)
      : host(*FindMachine(machine), {.cpus = cpus}), policy(make(host)) {}

  Host host;
  std::unique_ptr<Policy> policy;
};

class XiWorld : public XiMachine, public TranslatedGuest {
 public:
  explicit XiWorld(PagingMode mode, const XiShadowOptions& options = {},
                   int vcpus = 1, std::string_view machine = "skylake-2017")
      : XiWorld(
            mode, vcpus, [&](Host& on) { return MakeXiShadow(on, options); },
            machine) {}
  // Makes the guest on another strategy's shadows.
  XiWorld(PagingMode mode, int vcpus, const Make& make,
          std::string_view machine = "skylake-2017")
      : XiMachine(machine, vcpus, make),
        TranslatedGuest(host, *policy, mode, vcpus) {}

  // Returns where a slot can be seen by the large pages, apart from the tables
  // it belongs to.
  VirtAddr Aside(MachineAddr slot) const {
    return kLarge + (Seen(slot) - kBase);
  }
  uint64_t exits() { return Count(Counter::kVmExits); }
  uint64_t emulated() { return Count(Counter::kShadowEmulations); }
};

}  // namespace xmmu

#endif  // XMMU_TESTS_POLICY_SHADOW_XI_WORLD_H_
