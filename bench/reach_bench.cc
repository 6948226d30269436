// Measures how far TLBs reach: a process loads from each of N pages in turn,
// over and over, from pages of 4 KiB or of 2 MiB, under strategies that give
// its processor different tables to walk. The time is the host's, a load;
// "cycles" and "walks" are what a load takes on the simulated machine.

#include <benchmark/benchmark.h>

#include <string>

#include "xmmu/base/check.h"
#include "xmmu/policy/policies.h"
#include "xmmu/sim/guest_driver.h"

namespace xmmu {
namespace {

void Reach(benchmark::State& state, const SimulatorOptions& options) {
  const auto pages = static_cast<uint64_t>(state.range(0));
  GuestDriver guest = *GuestDriver::Create(options);
  guest.Map(pages);
  guest.Perform({.kind = GuestOpKind::kAdvise,
                 .advice = Advice::kHugePage,
                 .va = GuestDriver::kRegion,
                 .length = pages * kPageSize});
  guest.Write(pages);
  guest.Read(pages);
  uint64_t loads = 0;
  const Cost cost = guest.Measure([&] {
    for (auto _ : state) {
      guest.Read(pages);
      loads += pages;
    }
  });
  XMMU_CHECK(guest.status().ok());
  const auto each = static_cast<double>(loads);
  state.counters["cycles"] = static_cast<double>(cost.cycles.count()) / each;
  state.counters["walks"] =
      static_cast<double>(cost.count(Counter::kPageWalks)) / each;
  state.SetItemsProcessed(static_cast<int64_t>(loads));
}

void Register() {
  for (const std::string policy :
       {"native", "nested-paging", "nested-paging-4k", "xi-shadow",
        "shadow-2008", "trap-and-emulate"}) {
    for (const Thp thp : {Thp::kNever, Thp::kMadvise}) {
      // A guest of direct paging has no large pages.
      if (policy == "trap-and-emulate" && thp != Thp::kNever) continue;
      SimulatorOptions options{.machine = "skylake-2017",
                               .mode = PagingMode::k4Level,
                               .policy = policy,
                               .thp = thp};
      options.guest_memory_bytes = uint64_t{512} << 20;
      const std::string name =
          "reach/" + policy + (thp == Thp::kNever ? "/4k" : "/2m");
      benchmark::RegisterBenchmark(name.c_str(), Reach, options)
          // 256 KiB, the reach of the second TLB with pages of 4 KiB (6 MiB),
          // and 256 MiB.
          ->Arg(64)
          ->Arg(1536)
          ->Arg(65536);
    }
  }
}

// Registration must precede main(), which is the benchmark library's.
[[maybe_unused]] const bool kRegistered = [] {
  Register();
  return true;
}();

}  // namespace
}  // namespace xmmu
