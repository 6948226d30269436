#ifndef XMMU_SIM_GUEST_DRIVER_H_
#define XMMU_SIM_GUEST_DRIVER_H_

// A guest that is driven by hand to measure what single pieces of work cost.
// After the first failure nothing more is done, and status() returns it. In a
// test xmmu/testing/test_guest.h says more of what went wrong, and where.
//
// Owns its Simulator. Single-threaded.

#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "xmmu/sim/simulator.h"

namespace xmmu {

class GuestDriver {
 public:
  // In every mode this is the first page of an L1 table, away from the null
  // page (assumed: any such address would do).
  static constexpr VirtAddr kRegion{0x10000000};
  static constexpr TaskId kFirstTask = 1;

  // Boots a guest with one process, kFirstTask, which acts.
  static absl::StatusOr<GuestDriver> Create(const SimulatorOptions& options);

  // Makes `task` the process that acts from now on.
  void Act(TaskId task) { task_ = task; }
  TaskId task() const { return task_; }
  // Creates a new process, which acts from now on.
  void Start(TaskId task);
  void Perform(const GuestOp& op);

  // Map and unmap `pages` readable and writable pages at kRegion; give `pages`
  // pages from the `first` one on other rights.
  void Map(uint64_t pages, Backing backing = Backing::kAnonymous);
  void Protect(uint64_t pages, uint8_t rights, uint64_t first = 0);
  void Unmap(uint64_t pages);
  // Access 4 bytes in each of `pages` pages from the `first` one of kRegion on.
  void Write(uint64_t pages, uint64_t first = 0);
  void Read(uint64_t pages, uint64_t first = 0);
  // Makes a system call that does nothing.
  void Syscall() { Perform({.kind = GuestOpKind::kSyscall}); }

  // Returns what `work` costs on all CPUs.
  template <typename Work>
  Cost Measure(Work&& work) {
    const Cost before = simulator_->cost();
    std::forward<Work>(work)();
    return simulator_->cost() - before;
  }

  // An entry of an L1 table of the process that acts.
  struct L1Entry {
    MachineAddr at = {};  // in machine memory
    VirtAddr va = {};     // in the kernel's direct map
    int bytes = 0;        // 4 or 8
    uint64_t value = 0;   // as the guest has written it
  };
  // Returns the entry of page `page` of kRegion. Charges nothing. REQUIRES: the
  // page is mapped.
  L1Entry FindEntry(uint64_t page = 0);

  // The kernel stores to the first L1 entry of kRegion `times` times, switching
  // a bit that neither processor nor hypervisor looks at on and off in turns.
  // Returns what the stores cost. REQUIRES: the page is mapped.
  Cost StoreToEntry(uint64_t times);

  Simulator& simulator() { return *simulator_; }
  const absl::Status& status() const { return status_; }
  const SimulatorOptions& options() const { return simulator_->options(); }

 private:
  explicit GuestDriver(std::unique_ptr<Simulator> simulator)
      : simulator_(std::move(simulator)) {}

  void Access(GuestOpKind kind, uint64_t pages, uint64_t first);

  std::unique_ptr<Simulator> simulator_;
  TaskId task_ = kFirstTask;
  absl::Status status_;
};

}  // namespace xmmu

#endif  // XMMU_SIM_GUEST_DRIVER_H_
