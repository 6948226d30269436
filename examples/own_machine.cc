// A machine of one's own: a preset with a smaller TLB and dearer traps, from
// the text of a machine file. A file on disk is read by LoadMachine().

#include <cstdio>
#include <memory>
#include <string>

#include "xmmu/xmmu.h"

namespace {

// What is not said here is as in the base. A price carries where it is from; a
// report says how much of its cycles rest on which kind of source.
constexpr char kMachine[] = R"(
base = "skylake-2017"
name = "small-tlb"

[tlb.data_l2.1]          # instead of 1536 entries
entries = 128
ways = 4
page_sizes = "4k+2m"

[cost.exception_entry]   # instead of 800 cycles
value = 1600
low = 1200
high = 2400
mark = "estimated"
source = "assumed: twice the preset, to see what faults are worth"
)";

// The cycles of `spec` on a machine, on bare hardware.
absl::StatusOr<xmmu::Cost> CostOn(xmmu::SimulatorOptions options,
                                  const char* spec) {
  options.policy = "native";
  options.mode = xmmu::PagingMode::k4Level;
  const auto simulator = xmmu::Simulator::Create(options);
  if (!simulator.ok()) return simulator.status();
  const auto workload = xmmu::MakeSyntheticWorkload(spec);
  if (!workload.ok()) return workload.status();
  const auto row = (*simulator)->Run(**workload);
  if (!row.ok()) return row.status();
  return row->cost;
}

}  // namespace

int main() {
  // An error names the line of the text, and what would have been right.
  const auto machine = xmmu::ParseMachine(kMachine, "own_machine.cc");
  if (!machine.ok()) {
    std::fprintf(stderr, "%s\n",
                 std::string(machine.status().message()).c_str());
    return 1;
  }
  const auto own = std::make_shared<const xmmu::MachineModel>(*machine);
  for (const char* spec : {"touch:pages=1000", "fork:pages=100"}) {
    const auto preset = CostOn({.machine = "skylake-2017"}, spec);
    const auto mine = CostOn({.custom_machine = own}, spec);
    if (!preset.ok() || !mine.ok()) return 1;
    std::printf("%s: %llu cycles on skylake-2017, %llu on %s\n", spec,
                static_cast<unsigned long long>(preset->cycles.count()),
                static_cast<unsigned long long>(mine->cycles.count()),
                std::string(own->name).c_str());
  }
}
