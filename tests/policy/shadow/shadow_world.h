#ifndef XMMU_TESTS_POLICY_SHADOW_SHADOW_WORLD_H_
#define XMMU_TESTS_POLICY_SHADOW_SHADOW_WORLD_H_

// A translated guest on the shadows of any strategy, alone on its machine. The
// tests drive it by hand, access by access; see translated_guest.h.

#include <functional>
#include <memory>
#include <string_view>

#include "policy/shadow/translated_guest.h"
#include "xmmu/policy/shadow_options.h"

namespace xmmu {

// In the L2 table of kBase; nothing is there.
inline constexpr VirtAddr kUpper = kBase + (uint64_t{64} << 20);

struct ShadowMachine {
  using Make = std::function<std::unique_ptr<Policy>(Host&)>;

  ShadowMachine(std::string_view machine, int cpus, const Make& make)
      : host(*FindMachine(machine), {.cpus = cpus}), policy(make(host)) {}

  Host host;
  std::unique_ptr<Policy> policy;
};

class ShadowWorld : public ShadowMachine, public TranslatedGuest {
 public:
  explicit ShadowWorld(PagingMode mode, const XiShadowOptions& options = {},
                       int vcpus = 1, std::string_view machine = "skylake-2017")
      : ShadowWorld(
            mode, vcpus, [&](Host& on) { return MakeXiShadow(on, options); },
            machine) {}
  // Makes the guest on the shadows of the strategy that `make` makes.
  ShadowWorld(PagingMode mode, int vcpus, const Make& make,
              std::string_view machine = "skylake-2017")
      : ShadowMachine(machine, vcpus, make),
        TranslatedGuest(host, *policy, mode, vcpus) {}

  // Returns where a slot can be seen by the large pages, apart from the tables
  // it belongs to.
  VirtAddr Aside(MachineAddr slot) const {
    return kLarge + (Seen(slot) - kBase);
  }
  uint64_t exits() { return Count(Counter::kVmExits); }
  uint64_t emulated() { return Count(Counter::kShadowEmulations); }
};

inline ShadowWorld MakeWorld(PagingMode mode,
                             const Shadow2005Options& options = {},
                             int vcpus = 1) {
  return ShadowWorld(
      mode, vcpus, [options](Host& on) { return MakeShadow2005(on, options); });
}

}  // namespace xmmu

#endif  // XMMU_TESTS_POLICY_SHADOW_SHADOW_WORLD_H_
