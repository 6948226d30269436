#ifndef XMMU_TESTING_CONFORMANCE_TRANSLATED_HOSTILE_H_
#define XMMU_TESTING_CONFORMANCE_TRANSLATED_HOSTILE_H_

// Translated guests whose kernels write anything into their tables, flush when
// they please or never, use tables at any level, give memory back that they
// still use, while their pages are moved under them. Nothing but their own
// memory may be reached, no table in sync may be writable, and the hypervisor
// stays up.
//
// Two domains of two vCPUs each take turns on two CPUs, so that what one gives
// back is what the other one gets.

#include <array>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <string_view>

#include "testing/conformance/translated_guest.h"
#include "xmmu/machine/machine_model.h"
#include "xmmu/policy/policies.h"
#include "xmmu/xen/host.h"

namespace xmmu::conformance {

class TranslatedHostile {
 public:
  // Guests of `mode` under the policy that `make` makes, on a machine like
  // `machine` with small TLBs. REQUIRES: the policy has translated guests of
  // this mode.
  TranslatedHostile(PagingMode mode, std::string_view machine,
                    const PolicyFactory& make);

  // Has the guests that `seed` makes do `events` things, and judges after each
  // `judge_every`-th, and at the end. "" or what is wrong.
  std::string Run(uint64_t seed, int events, int judge_every);

  // How far the guests got, over all runs.
  struct Progress {
    uint64_t given = 0;
    uint64_t taken = 0;
    uint64_t moved = 0;
    uint64_t reached = 0;  // accesses that came to an end
    uint64_t compared = 0;
    uint64_t crashes = 0;
  };
  const Progress& progress() const { return progress_; }

 private:
  class Machine;

  // One guest's vCPU at its next event.
  struct Actor {
    Machine& machine;
    TranslatedGuest& guest;
    uint32_t id;
    std::mt19937_64& random;
  };

  std::unique_ptr<Machine> NewMachine(bool audits) const;
  uint64_t AnyEntry(std::mt19937_64& random) const;
  VirtAddr AnySlot(Actor& actor) const;
  // Any address, or now and then one that the guest has accessed lately.
  VirtAddr AnyAddress(Actor& actor);
  // What is wrong after an event: "" or the first of it.
  std::string Step(Actor actor);
  void LoadRoot(Actor& actor);
  void ChangeMemory(Actor& actor);
  std::string CheckAllAsWalked(Actor& actor);
  std::string CheckAsWalked(Actor& actor, VirtAddr va);

  const PagingMode mode_;
  const MachineModel model_;
  const PolicyFactory make_;
  Progress progress_;
};

}  // namespace xmmu::conformance

#endif  // XMMU_TESTING_CONFORMANCE_TRANSLATED_HOSTILE_H_
