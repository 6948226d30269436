// P. Barham et al., "Xen and the Art of Virtualization", SOSP 2003, tables of
// lmbench: L-UP and Xen; all remembered.

#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "study/published/lmbench.h"
#include "study/published/published_studies.h"
#include "xmmu/machine/machine_model.h"

namespace xmmu {
namespace {

struct ProcessRow {
  LmbenchTest test;
  double native_us;
  double xen_us;
  bool anchor;
  std::string_view leaves_out;
};

// The first three are what guest paths and crossings of xeon-2003 are derived
// from; nothing else is.
constexpr std::array<ProcessRow, 7> kProcessRows = {{
    {LmbenchTest::kNullCall, 0.45, 0.46, true, "its trap goes past Xen"},
    {LmbenchTest::kPageFault, 1.42, 2.73, true, ""},
    {LmbenchTest::kProtectionFault, 1.06, 1.40, true, ""},
    {LmbenchTest::kMmap, 68.0, 139, false, ""},
    {LmbenchTest::kFork, 110, 198, false,
     "left out: what of a fork is no memory management (task, files, signals, "
     "/proc), and cold caches, half of the time; so that Xen less native "
     "compares and Xen / native does not. A process of 2003 had fewer pages"},
    {LmbenchTest::kExec, 530, 768, false,
     "left out: looking up and opening files, the linker's computing, reads of "
     "ELF headers"},
    {LmbenchTest::kShell, 4000, 4800, false,
     "left out: what bash computes, its files and its environment, most of a "
     "time of milliseconds"},
}};

struct SwitchRow {
  std::string_view name;
  ContextSwitchTest test;
  double native_us;
  double xen_us;
};

constexpr uint64_t kKib = 1024;
constexpr std::array<SwitchRow, 7> kSwitchRows = {{
    {"ctx 2p/0K", {2, 0}, 0.77, 1.97},
    {"ctx 2p/16K", {2, 16 * kKib}, 0.91, 2.22},
    {"ctx 2p/64K", {2, 64 * kKib}, 1.06, 2.67},
    {"ctx 8p/16K", {8, 16 * kKib}, 1.03, 3.07},
    {"ctx 8p/64K", {8, 64 * kKib}, 24.3, 28.7},
    {"ctx 16p/16K", {16, 16 * kKib}, 3.61, 7.08},
    {"ctx 16p/64K", {16, 64 * kKib}, 37.6, 39.4},
}};

constexpr std::string_view kPlainSwitch =
    "left out: Xen 1.x took a second hypercall at each switch, for the ring-1 "
    "stack (stack_switch), and a third after floating point (fpu_taskswitch)";
constexpr std::string_view kArraySwitch =
    "each process adds up an array, all data going through the caches. Misses "
    "are serial here; the sum is no chain of loads, and the processor overlaps "
    "and prefetches: only Xen less native means something";

SimulatorOptions NativeOptions() {
  SimulatorOptions options;
  options.machine = "xeon-2003";
  options.mode = PagingMode::k2Level;
  options.policy = "native";
  // Linux 2.4.
  options.fork_copies_all = true;
  options.keeps_tables = true;
  return options;
}

// Xen 1.x: 32-bit without PAE; Linux 2.4's one queue of 2048 requests with
// update_va_mapping for what a fault installs, tables pinned when allocated.
SimulatorOptions XenOptions() {
  SimulatorOptions options = NativeOptions();
  options.policy = "pinning";
  options.guest_ops = GuestOps::kLinux24;
  options.pin = PinWhen::kEarly;
  return options;
}

SimulatorOptions Stoppable(SimulatorOptions options,
                           const std::stop_token& stop) {
  options.stop = stop;
  return options;
}

double CyclesPerMicrosecond() {
  return FindMachine("xeon-2003")->clock_ghz * 1000;
}

PublishedRow RowOf(std::string_view name, double native_us, double xen_us,
                   double our_native, double our_xen) {
  PublishedRow row;
  row.name = std::string(name);
  row.unit = "us";
  row.cells = {{native_us, our_native},
               {xen_us, our_xen},
               {xen_us - native_us, our_xen - our_native},
               {xen_us / native_us, our_xen / our_native}};
  return row;
}

absl::StatusOr<PublishedRow> ProcessRowOf(const ProcessRow& published,
                                          const std::stop_token& stop) {
  const auto native =
      MeasureLmbench(published.test, Stoppable(NativeOptions(), stop));
  if (!native.ok()) return native.status();
  const auto xen =
      MeasureLmbench(published.test, Stoppable(XenOptions(), stop));
  if (!xen.ok()) return xen.status();
  const auto us = [](const EventCost& cost) {
    return static_cast<double>(cost.cost.cycles.count()) /
           static_cast<double>(cost.times) / CyclesPerMicrosecond();
  };
  const auto index = static_cast<size_t>(published.test);
  const LmbenchTestEntry& entry = LmbenchTests()[index];
  PublishedRow row = RowOf(entry.name, published.native_us, published.xen_us,
                           us(*native), us(*xen));
  row.anchor = published.anchor;
  row.note = std::string(entry.does);
  if (!published.leaves_out.empty()) {
    absl::StrAppend(&row.note, "; ", Abs(published.leaves_out));
  }
  return row;
}

absl::StatusOr<PublishedRow> SwitchRowOf(const SwitchRow& published,
                                         const std::stop_token& stop) {
  const bool arrays = published.test.array_bytes != 0;
  std::array<double, 2> us{};
  for (const bool xen : {false, true}) {
    SimulatorOptions options =
        Stoppable(xen ? XenOptions() : NativeOptions(), stop);
    if (arrays) options.timing = MemoryTiming::kAllCaches;
    const auto cycles = MeasureContextSwitch(published.test, options);
    if (!cycles.ok()) return cycles.status();
    us[xen ? 1 : 0] = *cycles / CyclesPerMicrosecond();
  }
  PublishedRow row = RowOf(published.name, published.native_us,
                           published.xen_us, us[0], us[1]);
  if (!arrays) row.note = std::string(kPlainSwitch);
  if (published.test.array_bytes == 16 * kKib &&
      published.test.processes == 2) {
    row.note = std::string(kArraySwitch);
  }
  return row;
}

}  // namespace

void AddSosp03(PublishedTable& table, JobList& jobs) {
  table.name = "sosp03";
  table.title =
      "lmbench, Linux 2.4 on the processor and on Xen 1.x (xeon-2003, 2-level; "
      "pinning/linux-2.4/early; pte-caches, pages zeroed and copied as if "
      "cached)";
  table.columns = {"native", "Xen", "Xen - native", "Xen / native"};
  table.rows.resize(kProcessRows.size() + kSwitchRows.size());
  for (size_t i = 0; i < table.rows.size(); ++i) {
    jobs.Add([&table, i](const std::stop_token& stop) {
      const size_t processes = kProcessRows.size();
      auto row = i < processes ? ProcessRowOf(kProcessRows[i], stop)
                               : SwitchRowOf(kSwitchRows[i - processes], stop);
      if (row.ok()) table.rows[i] = *std::move(row);
      return row.status();
    });
  }
}

}  // namespace xmmu
