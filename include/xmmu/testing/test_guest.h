#ifndef XMMU_TESTING_TEST_GUEST_H_
#define XMMU_TESTING_TEST_GUEST_H_

// A simulated guest to drive by hand in a test: one process runs at a time, and
// each call is something that it does. What goes wrong is a failure of the
// running test, with the reason, so that a test needs no status of its own.
//
//   TestGuest guest({.mode = PagingMode::kPae, .policy = "pinning"});
//   const VirtAddr buffer = guest.Map(16);
//   const Cost cost = guest.Measure([&] { guest.Write(buffer, 16); });
//
// Owns its Simulator. Single-threaded.

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "xmmu/base/address.h"
#include "xmmu/guest/workload.h"
#include "xmmu/sim/simulator.h"
#include "xmmu/testing/measure.h"

namespace xmmu::testing {

class TestGuest {
 public:
  // Boots the guest and starts a first process, task 1. CHECKs that `options`
  // can be simulated.
  explicit TestGuest(const SimulatorOptions& options);

  Simulator& simulator() { return *simulator_; }
  GuestKernel& kernel() { return simulator_->guest(); }

  // The process that acts.
  TaskId task() const { return task_; }

  // A new process from nothing, which acts from now on.
  TaskId Start();
  // The process that acts forks; the parent goes on.
  TaskId Fork();
  // Another process acts from its next call on; the guest kernel switches to it
  // then.
  void Switch(TaskId task) { task_ = task; }
  // The process ends. Switch() or Start() before the next call.
  void Exit();

  // Maps `pages` pages where nothing has been mapped by this call, reading and
  // writing allowed.
  VirtAddr Map(uint64_t pages, Backing backing = Backing::kAnonymous);
  void Unmap(VirtAddr va, uint64_t pages);
  // `rights` are MapRights.
  void Protect(VirtAddr va, uint64_t pages, uint8_t rights);

  // One load, or store, of 4 bytes at the start of each page.
  void Read(VirtAddr va, uint64_t pages = 1);
  void Write(VirtAddr va, uint64_t pages = 1);

  // A system call that does nothing.
  void Syscall();

  // Any operation of the process that acts.
  void Perform(const GuestOp& op);

  // What `work` costs; see testing::Measure.
  template <typename Work>
  Cost Measure(Work&& work) {
    return testing::Measure(*simulator_, std::forward<Work>(work));
  }

 private:
  void Touch(GuestOpKind kind, VirtAddr va, uint64_t pages);

  std::unique_ptr<Simulator> simulator_;
  TaskId task_ = 0;
  TaskId last_task_ = 0;
  VirtAddr next_va_;
};

}  // namespace xmmu::testing

#endif  // XMMU_TESTING_TEST_GUEST_H_
