#ifndef XMMU_SIM_GUEST_DRIVER_H_
#define XMMU_SIM_GUEST_DRIVER_H_

// A guest that is driven by hand to measure what single pieces of work cost.
// The first failure ends all that follows and is what status() says.

#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "xmmu/sim/simulator.h"

namespace xmmu {

class BenchGuest {
 public:
  // The first page of an L1 table in every mode, clear of the null page
  // (assumed: any such would do).
  static constexpr VirtAddr kRegion{0x10000000};
  static constexpr TaskId kFirstTask = 1;

  // Boots a guest with one process, kFirstTask, which acts.
  static absl::StatusOr<BenchGuest> Create(const SimulatorOptions& options);

  // The process that acts from now on.
  void Act(TaskId task) { task_ = task; }
  // A new process from nothing, which acts from now on.
  void Start(TaskId task);
  void Perform(const GuestOp& op);

  // `pages` pages at kRegion: mapped readable and writable; gone. From the
  // `first` one on: other rights.
  void Map(uint64_t pages, Backing backing = Backing::kAnonymous);
  void Protect(uint64_t pages, uint8_t rights, uint64_t first = 0);
  void Unmap(uint64_t pages);
  // One access of 4 bytes to each of `pages` pages from the `first` one of
  // kRegion on.
  void Write(uint64_t pages, uint64_t first = 0);
  void Read(uint64_t pages, uint64_t first = 0);
  // A system call that does nothing.
  void Syscall() { Perform({.kind = GuestOpKind::kSyscall}); }

  // What `work` costs on all CPUs.
  template <typename Work>
  Cost Measure(Work&& work) {
    const Cost before = simulator_->cost();
    std::forward<Work>(work)();
    return simulator_->cost() - before;
  }

  // The first L1 entry of kRegion is stored to by the kernel, `times` times,
  // with a bit that neither processor nor hypervisor looks at on and off in
  // turns; what the stores cost. REQUIRES: the page is there.
  Cost StoreToEntry(uint64_t times);

  Simulator& simulator() { return *simulator_; }
  const absl::Status& status() const { return status_; }
  const SimulatorOptions& options() const { return simulator_->options(); }

 private:
  explicit BenchGuest(std::unique_ptr<Simulator> simulator)
      : simulator_(std::move(simulator)) {}

  void Access(GuestOpKind kind, uint64_t pages, uint64_t first);

  std::unique_ptr<Simulator> simulator_;
  TaskId task_ = kFirstTask;
  absl::Status status_;
};

}  // namespace xmmu

#endif  // XMMU_SIM_GUEST_DRIVER_H_
