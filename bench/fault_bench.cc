// Measures what demand faults, forks, exits and unmappings of many pages cost
// the host, under the strategies that most comparisons have. Each page is
// touched once, so that neither the host's caches nor the simulated ones hold
// what comes next. The counter "cycles" is what one page takes on the simulated
// machine. The largest footprint is for those who set XMMU_BENCH_FULL=1.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "xmmu/sim/guest_driver.h"
#include "xmmu/sim/simulator.h"

namespace xmmu {
namespace {

constexpr uint64_t kPagesPerMib = 256;

// What of a process's life is measured.
enum class Phase : uint8_t { kFault, kForkAndExit, kUnmap };

struct Case {
  const char* name;
  Phase phase;
  uint64_t mib;  // of pages touched
};

constexpr std::array kCases = {
    Case{"demand_fault/64MiB", Phase::kFault, 64},
    Case{"demand_fault/1GiB", Phase::kFault, 1024},
    Case{"fork_and_exit/64MiB", Phase::kForkAndExit, 64},
    Case{"munmap/64MiB", Phase::kUnmap, 64},
};

constexpr std::array kPolicies = {
    "native",    "pinning",     "trap-and-emulate", "writable-page-tables",
    "xi-shadow", "shadow-2008", "nested-paging"};

// Measures one phase for each page of a process that is made, touched in order,
// forked and unmapped in each round.
void Run(benchmark::State& state, const Case& what,
         const SimulatorOptions& options) {
  const uint64_t pages = what.mib * kPagesPerMib;
  auto driver = GuestDriver::Create(options);
  if (!driver.ok()) {
    return state.SkipWithError(driver.status().ToString().c_str());
  }
  uint64_t cycles = 0;
  TaskId child = 1;
  const auto measured = [&](Phase phase, auto work) {
    if (phase != what.phase) return work();
    const uint64_t before = driver->simulator().cost().cycles.count();
    state.ResumeTiming();
    work();
    state.PauseTiming();
    cycles += driver->simulator().cost().cycles.count() - before;
  };
  for (auto _ : state) {
    state.PauseTiming();
    driver->Map(pages);
    measured(Phase::kFault, [&] { driver->Write(pages); });
    if (what.phase == Phase::kForkAndExit) {
      measured(Phase::kForkAndExit, [&] {
        driver->Perform({.kind = GuestOpKind::kFork, .child = ++child});
        driver->Act(child);
        driver->Perform({.kind = GuestOpKind::kExit});
        driver->Act(GuestDriver::kFirstTask);
      });
    }
    measured(Phase::kUnmap, [&] { driver->Unmap(pages); });
    state.ResumeTiming();
  }
  if (!driver->status().ok()) {
    state.SkipWithError(driver->status().ToString().c_str());
  }
  const auto events = static_cast<double>(
      pages * std::max<uint64_t>(static_cast<uint64_t>(state.iterations()), 1));
  state.counters["cycles"] = static_cast<double>(cycles) / events;
  // The time of one page: ns a fault.
  state.counters["s_per_page"] = benchmark::Counter(
      events, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void RegisterAll() {
  const bool full = std::getenv("XMMU_BENCH_FULL") != nullptr;
  for (const Case& what : kCases) {
    if (what.mib >= 1024 && !full) continue;
    for (const char* policy : kPolicies) {
      SimulatorOptions options;
      options.policy = policy;
      if (what.mib >= 1024) {  // is more than a 32-bit kernel can map
        options.machine = "skylake-2017";
        options.mode = PagingMode::k4Level;
      }
      options.guest_memory_bytes = (what.mib + what.mib / 8 + 64) << 20;
      benchmark::RegisterBenchmark(
          (std::string(what.name) + "/" + policy).c_str(),
          [what, options](benchmark::State& state) {
            Run(state, what, options);
          })
          ->Unit(benchmark::kMillisecond);
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
