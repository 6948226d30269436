// Measures one event of memory management at a time under each policy. The time
// is the host's; the counter "cycles" is what the event takes on the simulated
// machine.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "xmmu/base/check.h"
#include "xmmu/policy/policies.h"
#include "xmmu/sim/simulator.h"

namespace xmmu {
namespace {

constexpr VirtAddr kBuffer{0x10000000};
constexpr uint64_t kPages = 256;

// A guest with one process, task 1.
class Guest {
 public:
  explicit Guest(const SimulatorOptions& options)
      : simulator_(*Simulator::Create(options)) {
    XMMU_CHECK(simulator_->guest().CreateProcess(1).ok());
  }

  void Perform(TaskId task, const GuestOp& op) {
    XMMU_CHECK(simulator_->guest().Perform(task, op).ok());
  }
  void Map(TaskId task) {
    Perform(task, {.kind = GuestOpKind::kMap,
                   .rights = kMapRead | kMapWrite,
                   .va = kBuffer,
                   .length = kPages * kPageSize});
  }
  void Unmap(TaskId task) {
    Perform(task, {.kind = GuestOpKind::kUnmap,
                   .va = kBuffer,
                   .length = kPages * kPageSize});
  }
  void Protect(TaskId task, uint8_t rights) {
    Perform(task, {.kind = GuestOpKind::kProtect,
                   .rights = rights,
                   .va = kBuffer,
                   .length = kPages * kPageSize});
  }
  void Store(TaskId task, uint64_t page) {
    Perform(task, {.kind = GuestOpKind::kStore,
                   .va = kBuffer + page * kPageSize,
                   .length = 4});
  }
  void StoreAll(TaskId task) {
    for (uint64_t i = 0; i < kPages; ++i) Store(task, i);
  }
  void Fork(TaskId task, TaskId child) {
    Perform(task, {.kind = GuestOpKind::kFork, .child = child});
  }
  void Exit(TaskId task) { Perform(task, {.kind = GuestOpKind::kExit}); }

  uint64_t cycles() const { return simulator_->cost().cycles.count(); }

 private:
  std::unique_ptr<Simulator> simulator_;
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
      state, guest, kPages, [&] { guest.Map(1); }, [&] { guest.StoreAll(1); },
      [&] { guest.Unmap(1); });
}

void CowBreak(benchmark::State& state, const SimulatorOptions& options) {
  Guest guest(options);
  guest.Map(1);
  guest.StoreAll(1);
  TaskId child = 1;
  Measure(
      state, guest, kPages,
      [&] {
        guest.Fork(1, ++child);
        guest.Store(child, 0);
      },
      [&] {
        for (uint64_t i = 1; i < kPages; ++i) guest.Store(child, i);
      },
      [&] { guest.Exit(child); });
}

// Measures the fork of a process with kPages pages.
void Fork(benchmark::State& state, const SimulatorOptions& options) {
  Guest guest(options);
  guest.Map(1);
  TaskId child = 1;
  Measure(
      state, guest, 1, [&] { guest.StoreAll(1); },
      [&] { guest.Fork(1, ++child); }, [&] { guest.Exit(child); });
}

void ForkAndExit(benchmark::State& state, const SimulatorOptions& options) {
  Guest guest(options);
  guest.Map(1);
  TaskId child = 1;
  Measure(
      state, guest, 1, [&] { guest.StoreAll(1); },
      [&] {
        guest.Fork(1, ++child);
        guest.Exit(child);
      },
      [] {});
}

// Counts each page twice: made read-only, and writable again.
void Protect(benchmark::State& state, const SimulatorOptions& options) {
  Guest guest(options);
  guest.Map(1);
  guest.StoreAll(1);
  Measure(
      state, guest, 2 * kPages, [] {},
      [&] {
        guest.Protect(1, kMapRead);
        guest.Protect(1, kMapRead | kMapWrite);
      },
      [&] { guest.StoreAll(1); });
}

// Counts each page.
void Unmap(benchmark::State& state, const SimulatorOptions& options) {
  Guest guest(options);
  Measure(
      state, guest, kPages,
      [&] {
        guest.Map(1);
        guest.StoreAll(1);
      },
      [&] { guest.Unmap(1); }, [] {});
}

// Counts two switches: to another process and back.
void Switch(benchmark::State& state, const SimulatorOptions& options) {
  Guest guest(options);
  guest.Map(1);
  guest.Store(1, 0);
  guest.Fork(1, 2);
  guest.Store(2, 0);
  Measure(
      state, guest, 2, [&] { guest.Store(1, 0); },
      [&] {
        guest.Store(2, 0);
        guest.Store(1, 0);
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
          guest.Perform(1, {.kind = GuestOpKind::kSyscall});
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
