// K. Adams, O. Agesen, "A Comparison of Software and Hardware Techniques for
// x86 Virtualization", ASPLOS 2006: nanobenchmarks; all remembered.

#include <iterator>
#include <memory>
#include <utility>

#include "study/published/published_studies.h"
#include "xmmu/machine/machine_model.h"
#include "xmmu/sim/guest_driver.h"

namespace xmmu {
namespace {

constexpr uint64_t kTimes = 16;

// The Pentium 4 672 of the paper: xeon-2003 with VT-x, 64 bits, and a guest
// that does nothing in its handlers.
MachineModel Pentium4_672() {
  MachineModel machine = *FindMachine("xeon-2003");
  machine.name = "pentium4-672";
  machine.description = "3.8 GHz Pentium 4 672 (Prescott), from xeon-2003";
  machine.clock_ghz = 3.8;
  machine.features.long_mode = true;
  machine.features.nx = true;
  machine.cost(CostEvent::kVmExit) = {
      4340, 3963, 4340, Mark::kRemembered,
      "ASPLOS'06: VM entry 2409 and page-fault exit 1931; 3963 by ATC'12"};
  const CostConstant none = {0, 0, 0, Mark::kEstimated,
                             "assumed: the test kernel's handlers return"};
  machine.cost(CostEvent::kGuestFaultPath) = none;
  machine.cost(CostEvent::kGuestSyscallPath) = none;
  return machine;
}

SimulatorOptions OptionsOf(const MachineModel& machine, PagingMode mode,
                           std::string_view policy) {
  SimulatorOptions options;
  options.custom_machine = std::make_shared<const MachineModel>(machine);
  options.mode = mode;
  options.policy = std::string(policy);
  return options;
}

double Each(const Cost& cost) {
  return static_cast<double>(cost.cycles.count()) / kTimes;
}

double Syscalls(GuestDriver& guest) {
  guest.Syscall();
  return Each(guest.Measure([&] {
    for (uint64_t i = 0; i < kTimes; ++i) guest.Syscall();
  }));
}

// The guest's own fault: a store that it has forbidden.
double PageFaults(GuestDriver& guest) {
  guest.Map(1);
  guest.Write(1);
  guest.Protect(1, kMapRead);
  guest.Write(1);
  return Each(guest.Measure([&] {
    for (uint64_t i = 0; i < kTimes; ++i) guest.Write(1);
  }));
}

double EntryStores(GuestDriver& guest) {
  guest.Map(1);
  guest.Write(1);
  return Each(guest.StoreToEntry(kTimes));
}

struct Nanobenchmark {
  const char* name;
  PagingMode mode;
  double (*run)(GuestDriver&);
  double native;
  double hardware_vmm;
  bool anchor;
  const char* note;
};

constexpr Nanobenchmark kRows[] = {
    {"syscall", PagingMode::k4Level, &Syscalls, 242, 242, false,
     "no exit; SYSCALL in a 64-bit guest, by a constant that is assumed"},
    {"pgfault", PagingMode::k2Level, &PageFaults, 1093, 11242, false,
     "a fault that is the guest's own: an exit, a walk of the guest's tables "
     "and of the shadows, and the fault injected. The native one is what the "
     "machine's fault is derived from"},
    {"ptemod", PagingMode::k2Level, &EntryStores, 1, 12733, false,
     "a store to an entry of a table that is shadowed: an exit, the "
     "instruction emulated, and the shadow's entry made anew. shadow-2005 lets "
     "all but the first through and is no such strategy"},
};

absl::StatusOr<PublishedRow> RowOfNano(const Nanobenchmark& nano,
                                       const std::stop_token& stop) {
  PublishedRow row;
  row.name = nano.name;
  row.unit = "cycles";
  row.note = nano.note;
  row.anchor = nano.anchor;
  for (const char* policy : {"native", "shadow-2006"}) {
    SimulatorOptions options = OptionsOf(Pentium4_672(), nano.mode, policy);
    options.stop = stop;
    auto guest = GuestDriver::Create(options);
    if (!guest.ok()) return guest.status();
    const double ours = nano.run(*guest);
    if (!guest->status().ok()) return guest->status();
    row.cells.push_back(
        {row.cells.empty() ? nano.native : nano.hardware_vmm, ours});
  }
  return row;
}

}  // namespace

void AddAsplos06(PublishedTable& table, JobList& jobs) {
  table.name = "asplos06";
  table.title =
      "nanobenchmarks on a Pentium 4 672 (xeon-2003 with its VM exit); their "
      "hardware VMM is shadow-2006 here, which emulates each store to a table";
  table.columns = {"native", "hardware VMM"};
  table.rows.resize(std::size(kRows));
  table.rows.push_back(
      {"in; cr8wr; call/ret; divzero",
       "cycles",
       {{}, {}},
       false,
       "left out: there are no devices, no TPR, no branches and no divisions"});
  for (size_t i = 0; i < std::size(kRows); ++i) {
    jobs.Add([&table, i](const std::stop_token& stop) {
      auto row = RowOfNano(kRows[i], stop);
      if (row.ok()) table.rows[i] = *std::move(row);
      return row.status();
    });
  }
}

}  // namespace xmmu
