#ifndef XMMU_TESTING_TEST_GUEST_H_
#define XMMU_TESTING_TEST_GUEST_H_

// A simulated guest to drive by hand in a test: one process runs at a time, and
// each call is something that it does. What goes wrong fails the running test,
// with the reason, at the line of the call, so that a test needs no status of
// its own.
//
//   TestGuest guest({.mode = PagingMode::kPae, .policy = "pinning"});
//   const VirtAddr buffer = guest.Map(16);
//   const Cost cost = guest.Measure([&] { guest.Write(buffer, 16); });
//
// The failure is not fatal, but the guest's first is its last: from then on no
// call does anything, nor fails, and what is measured costs nothing. A test
// that is not to go on then says ASSERT_TRUE(guest.ok()).
//
// An access that its kernel refuses gets a signal and is left out. That is a
// failure, too, unless it happens within ExpectSignal():
//
//   guest.Protect(buffer, 1, kMapRead);
//   guest.ExpectSignal([&] { guest.Write(buffer); });
//
// Owns its Simulator. Single-threaded.

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "xmmu/base/address.h"
#include "xmmu/sim/guest_driver.h"
#include "xmmu/sim/simulator.h"
#include "xmmu/testing/measure.h"
#include "xmmu/testing/source_location.h"
#include "xmmu/workload/workload.h"

namespace xmmu::testing {

class TestGuest {
 public:
  // Boots the guest and starts a first process, task 1. Fails for options that
  // cannot be simulated, with what would do; and for a migration or a region,
  // which only Simulator::Run carries out.
  explicit TestGuest(const SimulatorOptions& options,
                     SourceLocation where = SourceLocation::current());

  // Whether nothing has failed so far.
  bool ok() const { return !failed_; }

  // If the options cannot be simulated, this is the simulator of a guest with
  // little memory and otherwise default options.
  Simulator& simulator() { return driver_.simulator(); }
  GuestKernel& kernel() { return simulator().guest(); }

  // The process that acts.
  TaskId task() const { return driver_.task(); }

  // A new process from nothing, which acts from now on.
  TaskId Start(SourceLocation where = SourceLocation::current());
  // The process that acts forks; the parent goes on. The child.
  TaskId Fork(SourceLocation where = SourceLocation::current());
  // Another process acts from its next call on; the guest kernel switches to it
  // then. Fails if there is no such process, or no more.
  void Switch(TaskId task, SourceLocation where = SourceLocation::current());
  // The process ends. Switch() or Start() before the next call.
  void Exit(SourceLocation where = SourceLocation::current());

  // Maps `pages` pages where nothing has been mapped by this call, reading and
  // writing allowed; of a file that is always the same, from its beginning. At
  // least one page, and as many as the program's memory has room for.
  VirtAddr Map(uint64_t pages, Backing backing = Backing::kAnonymous,
               SourceLocation where = SourceLocation::current());
  // Both take whole mapped pages, at least one; Perform() also takes
  // what munmap(2) and mprotect(2) take besides. `rights` are MapRights.
  void Unmap(VirtAddr va, uint64_t pages,
             SourceLocation where = SourceLocation::current());
  void Protect(VirtAddr va, uint64_t pages, uint8_t rights,
               SourceLocation where = SourceLocation::current());

  // One load, or store, of 4 bytes at `va`, and at each multiple of 4 KiB
  // beyond it until there are `pages`, at least one.
  void Read(VirtAddr va, uint64_t pages = 1,
            SourceLocation where = SourceLocation::current());
  void Write(VirtAddr va, uint64_t pages = 1,
             SourceLocation where = SourceLocation::current());

  // A system call that does nothing.
  void Syscall(SourceLocation where = SourceLocation::current());

  // Any operation of the process that acts; accesses are of 1 to 4096 bytes.
  void Perform(const GuestOp& op,
               SourceLocation where = SourceLocation::current());

  // Makes the next access of each page a cold one: all TLBs, paging-structure
  // caches and nested TLBs of all CPUs are empty from now on, and no cache, L3
  // included, holds any line, of page tables or of data. What is software's
  // stays: tables, shadows, the guest's page cache, the process that is loaded
  // and, of a PAE guest, the PDPTE registers. Charges and counts nothing.
  void MakeCold(SourceLocation where = SourceLocation::current());

  // What `work` costs; see testing::Measure. Without effect, not even `work`'s,
  // once something has failed.
  template <typename Work>
  Cost Measure(Work&& work, SourceLocation where = SourceLocation::current()) {
    if (!CanRun(internal::IsCallable(work), "Measure", where)) return Cost();
    const Cost cost = driver_.Measure(std::forward<Work>(work));
    CheckSignals("in the work measured", where);
    return cost;
  }

  // Exactly one access of `work`, or `times` of them, gets a signal: no failure
  // here, but if they are fewer or more. Within another ExpectSignal() the
  // inner one's count for it alone.
  template <typename Work>
  void ExpectSignal(Work&& work,
                    SourceLocation where = SourceLocation::current()) {
    ExpectSignals(1, std::forward<Work>(work), where);
  }
  template <typename Work>
  void ExpectSignals(uint64_t times, Work&& work,
                     SourceLocation where = SourceLocation::current()) {
    if (!CanRun(internal::IsCallable(work), "ExpectSignal", where)) return;
    const uint64_t outer = std::exchange(signals_to_come_, times);
    std::forward<Work>(work)();
    CheckSignals("more than expected", where);
    CheckNoneLeft(times, where);
    signals_to_come_ = outer;
  }

 private:
  // Nothing that stands in braces becomes one: for a TestGuest({.policy = ...})
  // some compilers try constructors of several arguments as well.
  struct FromDriver {
    explicit FromDriver() = default;
  };

  // Takes the guest, or has failed for want of it.
  TestGuest(FromDriver, absl::StatusOr<GuestDriver> created,
            const SourceLocation& where);

  void Fail(const std::string& why, const SourceLocation& where);
  void FailUnlessOk(const absl::Status& status, const std::string& what,
                    const SourceLocation& where);
  // Whether an operation of the process that acts can be tried.
  bool CanAct(const char* what, const SourceLocation& where);
  bool CanRun(bool callable, const char* what, const SourceLocation& where);
  // Whether `pages` pages from `va` on are pages, and all mapped.
  bool AreMapped(const char* what, VirtAddr va, uint64_t pages,
                 const SourceLocation& where);
  // Whether there were more signals since this was asked last than expected.
  bool GotUnexpectedSignal();
  void CheckSignals(const char* when, const SourceLocation& where);
  void CheckNoneLeft(uint64_t times, const SourceLocation& where);
  // Why an access gets a signal.
  std::string SignalReason(const GuestOp& op);
  void Touch(GuestOpKind kind, VirtAddr va, uint64_t pages,
             const SourceLocation& where);

  GuestDriver driver_;
  bool failed_ = false;
  TaskId last_task_;
  VirtAddr next_va_;
  uint64_t signals_seen_ = 0;
  uint64_t signals_to_come_ = 0;
};

}  // namespace xmmu::testing

#endif  // XMMU_TESTING_TEST_GUEST_H_
