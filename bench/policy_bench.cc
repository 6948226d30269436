// Measures one event of memory management at a time under each policy. The time
// is the host's; the counter "cycles" is what the event takes on the simulated
// machine.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include "xmmu/base/check.h"
#include "xmmu/policy/policies.h"
#include "xmmu/sim/guest_driver.h"
#include "xmmu/sim/simulator.h"

namespace xmmu {
namespace {

constexpr uint64_t kPages = 256;

// A guest that is driven by hand; guest(TASK) is what one of its processes does.
class Guest {
 public:
  explicit Guest(const SimulatorOptions& options)
      : driver_(*GuestDriver::Create(options)) {}
  ~Guest() { XMMU_CHECK(driver_.status().ok()); }
  Guest(const Guest&) = delete;
  Guest& operator=(const Guest&) = delete;

  GuestDriver& operator()(TaskId task) {
    driver_.Act(task);
    return driver_;
  }
  void Fork(TaskId task, TaskId child) {
    (*this)(task).Perform({.kind = GuestOpKind::kFork, .child = child});
  }
  void Exit(TaskId task) {
    (*this)(task).Perform({.kind = GuestOpKind::kExit});
  }

  uint64_t cycles() { return driver_.simulator().cost().cycles.count(); }

 private:
  GuestDriver driver_;
};

// Measures `event`, which happens `times` times in one call; `prepare` and
// `clean` are not measured.
template <typename Prepare, typename Event, typename Clean>
void Measure(benchmark::State& state, Guest& guest, uint64_t times,
             Prepare prepare, Event event, Clean clean) {
  uint64_t cycles = 0;
  uint64_t events = 0;
  for (auto _ : state) {
    state.PauseTiming();
    prepare();
    const uint64_t before = guest.cycles();
    state.ResumeTiming();
    event();
    state.PauseTiming();
    cycles += guest.cycles() - before;
    events += times;
    clean();
    state.ResumeTiming();
  }
  state.counters["cycles"] = static_cast<double>(cycles) /
                             static_cast<double>(std::max<uint64_t>(events, 1));
  state.SetItemsProcessed(static_cast<int64_t>(events));
}

void DemandZero(benchmark::State& state, const SimulatorOptions& options) {
  Guest guest(options);
  Measure(
      state, guest, kPages, [&] { guest(1).Map(kPages); },
      [&] { guest(1).Write(kPages); }, [&] { guest(1).Unmap(kPages); });
}

void CowBreak(benchmark::State& state, const SimulatorOptions& options) {
  Guest guest(options);
  guest(1).Map(kPages);
  guest(1).Write(kPages);
  TaskId child = 1;
  Measure(
      state, guest, kPages,
      [&] {
        guest.Fork(1, ++child);
        guest(child).Write(1, 0);
      },
      [&] { guest(child).Write(kPages - 1, /*first=*/1); },
      [&] { guest.Exit(child); });
}

// Measures the fork of a process with kPages pages.
void Fork(benchmark::State& state, const SimulatorOptions& options) {
  Guest guest(options);
  guest(1).Map(kPages);
  TaskId child = 1;
  Measure(
      state, guest, 1, [&] { guest(1).Write(kPages); },
      [&] { guest.Fork(1, ++child); }, [&] { guest.Exit(child); });
}

void ForkAndExit(benchmark::State& state, const SimulatorOptions& options) {
  Guest guest(options);
  guest(1).Map(kPages);
  TaskId child = 1;
  Measure(
      state, guest, 1, [&] { guest(1).Write(kPages); },
      [&] {
        guest.Fork(1, ++child);
        guest.Exit(child);
      },
      [] {});
}

// Counts each page twice: made read-only, and writable again.
void Protect(benchmark::State& state, const SimulatorOptions& options) {
  Guest guest(options);
  guest(1).Map(kPages);
  guest(1).Write(kPages);
  Measure(
      state, guest, 2 * kPages, [] {},
      [&] {
        guest(1).Protect(kPages, kMapRead);
        guest(1).Protect(kPages, kMapRead | kMapWrite);
      },
      [&] { guest(1).Write(kPages); });
}

// Counts each page.
void Unmap(benchmark::State& state, const SimulatorOptions& options) {
  Guest guest(options);
  Measure(
      state, guest, kPages,
      [&] {
        guest(1).Map(kPages);
        guest(1).Write(kPages);
      },
      [&] { guest(1).Unmap(kPages); }, [] {});
}

// Counts two switches: to another process and back.
void Switch(benchmark::State& state, const SimulatorOptions& options) {
  Guest guest(options);
  guest(1).Map(kPages);
  guest(1).Write(1, 0);
  guest.Fork(1, 2);
  guest(2).Write(1, 0);
  Measure(
      state, guest, 2, [&] { guest(1).Write(1, 0); },
      [&] {
        guest(2).Write(1, 0);
        guest(1).Write(1, 0);
      },
      [] {});
}

void Syscall(benchmark::State& state, const SimulatorOptions& options) {
  Guest guest(options);
  constexpr uint64_t kCalls = 64;
  Measure(
      state, guest, kCalls, [] {},
      [&] {
        for (uint64_t i = 0; i < kCalls; ++i) {
          guest(1).Syscall();
        }
      },
      [] {});
}

// Registers each policy with what the guest of its time did, and pinning also
// without pins.
void RegisterAll() {
  using Event = void (*)(benchmark::State&, const SimulatorOptions&);
  constexpr std::pair<const char*, Event> kEvents[] = {
      {"demand_zero", &DemandZero},
      {"cow_break", &CowBreak},
      {"fork", &Fork},
      {"fork_and_exit", &ForkAndExit},
      {"mprotect", &Protect},
      {"munmap", &Unmap},
      {"context_switch", &Switch},
      {"syscall", &Syscall}};
  for (const auto& [event, run] : kEvents) {
    for (const PolicyEntry& policy : Policies()) {
      SimulatorOptions options;
      options.policy = std::string(policy.name);
      if (!Simulator::Create(options).ok()) continue;
      const std::string name = std::string(event) + "/" + options.policy;
      benchmark::RegisterBenchmark(name.c_str(), run, options);
      if (options.policy != "pinning") continue;
      options.pin = PinWhen::kNever;
      benchmark::RegisterBenchmark((name + "/never").c_str(), run, options);
    }
  }
}

// Registration must precede main(), which is the benchmark library's.
[[maybe_unused]] const bool kRegistered = [] {
  RegisterAll();
  return true;
}();

}  // namespace
}  // namespace xmmu
