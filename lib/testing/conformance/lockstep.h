#ifndef XMMU_TESTING_CONFORMANCE_LOCKSTEP_H_
#define XMMU_TESTING_CONFORMANCE_LOCKSTEP_H_

// The same guest twice, on bare hardware and under a policy, one operation at a
// time; after each, everything that the guest could see is compared:
//
//   * each page of each process: there or not, its rights as the levels add up,
//     its accessed and dirty flags, which pages share a frame, and its content;
//   * what the programs have loaded and which faults the kernel got (digest);
//   * what the processors would let the running program do, by their tables and
//     TLBs: no more than the guest's tables say, and no less;
//   * that the policy's own counts are right and that nobody can escape.
//
// There are no exemptions: no strategy here may differ.

#include <cstdint>
#include <span>
#include <string>

#include "testing/conformance/guest_script.h"
#include "testing/conformance/guest_view.h"
#include "testing/conformance/world.h"

namespace xmmu::conformance {

class Lockstep {
 public:
  // Process 1 lives in both worlds.
  explicit Lockstep(const Setting& tested);

  // Why one of the worlds could not be made; then nothing below may be called.
  const absl::Status& status() const { return status_; }

  // Performs `step` in both worlds; `live` are the processes that live then.
  // "" or what is wrong. `check` compares everything, else only whether both
  // kernels accept the operation.
  std::string Perform(const ScriptStep& step, const std::set<TaskId>& live,
                      bool check = true);

  // The world under the policy, for what the guest is not to see.
  World& tested() { return tested_; }

  // How much was compared.
  uint64_t pages_compared() const { return pages_compared_; }

 private:
  std::string Compare(const std::set<TaskId>& live);

  World tested_;
  World bare_;
  absl::Status status_;
  uint64_t pages_compared_ = 0;
};

// `steps` steps of a script made by `choice` under `setting`, everything
// compared after each `check_every`-th and the last, then the end of all
// processes. "" or which step went wrong and how.
struct LockstepRun {
  std::string wrong;
  uint64_t pages_compared = 0;
};
LockstepRun RunLockstep(const Setting& setting, const Choice& choice, int steps,
                        int check_every);

// The same for one address space that is loaded on all vCPUs at once, by a
// chain of vforks: each process in turn does its share of `steps`, while the
// processors of those before it keep what their TLBs hold. So a shootdown that
// misses one of them shows.
LockstepRun RunSharedSpace(const Setting& setting, const Choice& choice,
                           int steps, int check_every);

}  // namespace xmmu::conformance

#endif  // XMMU_TESTING_CONFORMANCE_LOCKSTEP_H_
