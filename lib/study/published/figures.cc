// Single figures: commits of Xen and KVM by their hash (read, unless said
// otherwise), posts to xen-devel, papers. What can be run is; of the others the
// reason why not is given.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "study/published/lmbench.h"
#include "study/published/published_studies.h"
#include "xmmu/machine/machine_model.h"
#include "xmmu/sim/simulator.h"

namespace xmmu {
namespace {

SimulatorOptions OptionsOf(std::string_view machine, PagingMode mode,
                           std::string_view policy) {
  SimulatorOptions options;
  options.machine = std::string(machine);
  options.mode = mode;
  options.policy = std::string(policy);
  return options;
}

SimulatorOptions Pae2003(std::string_view policy) {
  return OptionsOf("xeon-2003", PagingMode::kPae, policy);
}

absl::StatusOr<double> CyclesOf(LmbenchTest test,
                                const SimulatorOptions& options) {
  const auto cost = MeasureLmbench(test, options);
  if (!cost.ok()) return cost.status();
  return static_cast<double>(cost->cost.cycles.count()) /
         static_cast<double>(cost->times);
}

// How many times the cycles of `test` the guest of `first` takes.
absl::StatusOr<double> Ratio(LmbenchTest test, const SimulatorOptions& first,
                             const SimulatorOptions& second) {
  const auto dividend = CyclesOf(test, first);
  if (!dividend.ok()) return dividend.status();
  const auto divisor = CyclesOf(test, second);
  if (!divisor.ok()) return divisor.status();
  return *dividend / *divisor;
}

absl::StatusOr<double> EventRatio(GuestEvent event,
                                  const SimulatorOptions& first,
                                  const SimulatorOptions& second) {
  const auto dividend = MeasureEvent(event, first);
  if (!dividend.ok()) return dividend.status();
  const auto divisor = MeasureEvent(event, second);
  if (!divisor.ok()) return divisor.status();
  return static_cast<double>(dividend->cost.cycles.count()) /
         static_cast<double>(divisor->cost.cycles.count());
}

SimulatorOptions Linux2612(std::string_view policy) {
  SimulatorOptions options = Pae2003(policy);
  options.guest_ops = GuestOps::kLinux2612;
  options.pin = PinWhen::kLate;
  return options;
}

// Entries changed one by one under trap-and-emulate, by the table under
// writable page tables.
absl::StatusOr<double> BatchingGain(LmbenchTest test) {
  return Ratio(test, Linux2612("trap-and-emulate"),
               Linux2612("writable-page-tables"));
}
absl::StatusOr<double> BatchingInPrograms() {
  return BatchingGain(LmbenchTest::kExec);
}
absl::StatusOr<double> BatchingInFork() {
  return EventRatio(GuestEvent::kTableWrites, Linux2612("trap-and-emulate"),
                    Linux2612("writable-page-tables"));
}

absl::StatusOr<double> SearchGain(PagingMode mode) {
  return Ratio(LmbenchTest::kExec,
               OptionsOf("xeon-2003", mode, "shadow-2005-search"),
               OptionsOf("xeon-2003", mode, "shadow-2005"));
}
absl::StatusOr<double> SearchGain32() {
  return SearchGain(PagingMode::k2Level);
}
absl::StatusOr<double> SearchGain64() {
  return SearchGain(PagingMode::k4Level);
}

absl::StatusOr<double> FastEmulations() {
  const auto cost = MeasureLmbench(
      LmbenchTest::kExec,
      OptionsOf("skylake-2017", PagingMode::k4Level, "shadow-2008-no-oos"));
  if (!cost.ok()) return cost.status();
  return 100 *
         static_cast<double>(cost->cost.count(Counter::kShadowFastEmulations)) /
         static_cast<double>(cost->cost.count(Counter::kShadowEmulations));
}

absl::StatusOr<double> NullHvmHypercall() {
  const MachineModel& machine = *FindMachine("opteron-2005");
  double cycles = 0;
  for (const CostEvent event : {CostEvent::kVmExit, CostEvent::kVmExitWork,
                                CostEvent::kHypercallWork}) {
    cycles += machine.cost(event).value;
  }
  return cycles;
}

absl::StatusOr<double> EarlyUnpinning() {
  SimulatorOptions early = Pae2003("pinning");
  early.guest_ops = GuestOps::kUpdateVaMapping;
  SimulatorOptions late = early;
  early.pin = PinWhen::kEarly;
  late.pin = PinWhen::kLate;
  return EventRatio(GuestEvent::kExit, early, late);
}

absl::StatusOr<double> XiDemandFault() {
  return EventRatio(GuestEvent::kDemandFault, Pae2003("shadow-2005"),
                    Pae2003("xi-shadow"));
}
absl::StatusOr<double> XiRefusedAccess() {
  return EventRatio(GuestEvent::kRefusedAccess, Pae2003("shadow-2005"),
                    Pae2003("xi-shadow"));
}

absl::StatusOr<double> XiMemory() {
  const SimulatorOptions options = Pae2003("xi-shadow");
  const auto simulator = Simulator::Create(options);
  if (!simulator.ok()) return simulator.status();
  uint64_t bytes = 0;
  for (const MemoryPart& part : (*simulator)->Row().memory_parts) {
    bytes += part.reserved_bytes;
  }
  return 100 * static_cast<double>(bytes) /
         static_cast<double>(options.guest_memory_bytes);
}

absl::StatusOr<double> ExitsOfFault(std::string_view policy) {
  const auto cost =
      MeasureLmbench(LmbenchTest::kPageFault,
                     OptionsOf("core2-2006", PagingMode::k2Level, policy));
  if (!cost.ok()) return cost.status();
  return static_cast<double>(cost->cost.count(Counter::kVmExits)) /
         static_cast<double>(cost->times);
}
absl::StatusOr<double> Exits2005() { return ExitsOfFault("shadow-2005"); }
absl::StatusOr<double> Exits2006() { return ExitsOfFault("shadow-2006"); }

// Entries loaded by one walk with nothing cached.
absl::StatusOr<double> NestedLoads() {
  MachineModel machine = *FindMachine("skylake-2017");
  machine.psc = {};
  machine.nested.psc = {};
  machine.nested.tlb_entries = 0;
  SimulatorOptions options;
  options.custom_machine = std::make_shared<const MachineModel>(machine);
  options.mode = PagingMode::k4Level;
  options.policy = "nested-paging-4k";
  auto guest = GuestDriver::Create(options);
  if (!guest.ok()) return guest.status();
  // So many pages are written after the first that no TLB holds it any more.
  constexpr uint64_t kPages = 4096;
  guest->Map(kPages);
  guest->Write(kPages);
  const Cost cost = guest->Measure([&] { guest->Read(1); });
  if (!guest->status().ok()) return guest->status();
  return static_cast<double>(cost.count(Counter::kPteLoads)) /
         static_cast<double>(cost.count(Counter::kPageWalks));
}

absl::StatusOr<double> NestedGain(GuestEvent event) {
  const auto with = [](std::string_view policy) {
    return OptionsOf("skylake-2017", PagingMode::k4Level, policy);
  };
  return EventRatio(event, with("shadow-2008"), with("nested-paging"));
}
absl::StatusOr<double> NestedGainMicro() {
  return NestedGain(GuestEvent::kTableWrite);
}
absl::StatusOr<double> NestedGainPrograms() {
  return Ratio(LmbenchTest::kExec,
               OptionsOf("skylake-2017", PagingMode::k4Level, "shadow-2008"),
               OptionsOf("skylake-2017", PagingMode::k4Level, "nested-paging"));
}

struct Figure {
  const char* name;
  const char* unit;
  std::optional<double> theirs;
  absl::StatusOr<double> (*run)();
  const char* note;
};

const Figure kFigures[] = {
    {"ptwr batching: programs",
     "x",
     {},
     &BatchingInPrograms,
     "trap-and-emulate : writable-page-tables, fork+exec, xeon-2003, PAE, "
     "linux-2.6.12. In words: little or no benefit except in synthetic "
     "benchmarks (Xen 228f081e08, 2006)"},
    {"ptwr batching: synthetic",
     "x",
     {},
     &BatchingInFork,
     "the same, for 128 entries of a table made read-only at a time"},
    {"back-pointers: 32-bit", "x", 1.20, &SearchGain32,
     "shadow-2005-search : shadow-2005, fork+exec alone; theirs is a whole "
     "kernel build, with what the compiler computes (Xen 1843c48dd1, 2005), "
     "and lists of over 500 shadows; ours are short"},
    {"back-pointers: 64-bit", "x", 1.40, &SearchGain64, ""},
    {"emulations on last frame", "%", 89, &FastEmulations,
     "shadow-2008-no-oos, fork+exec, 4-level; theirs a kernel build on SMP "
     "(Xen ce7887f778, 2008)"},
    {"null HVM hypercall", "cycles", 3300, &NullHvmHypercall,
     "opteron-2005: vm_exit, vm_exit_work and hypercall_work, all assumed; "
     "theirs on a later AMD X2, from 5000 (Xen db82fef5d6, f64b7618e1, 2007)"},
    {"exit: pinned to unpinned",
     "x",
     {},
     &EarlyUnpinning,
     "exit of a process whose tables are pinned to the last : unpinned first. "
     "In words: enormously better (Xen 40873a6637, 2005)"},
    {"XI demand fault", "x", 4, &XiDemandFault,
     "shadow-2005 : xi-shadow, xeon-2003, PAE. \"Page fault is 4 times "
     "faster\" (xen-devel, July 2006), nobody says which; xmmu shadows has "
     "all events"},
    {"XI reflected fault", "x", 4, &XiRefusedAccess,
     "a fault that the guest has asked for by mprotect: not the one meant"},
    {"XI memory", "%", 5, &XiMemory,
     "what is reserved for shadows, snapshots and backlinks, of the guest's "
     "512 MiB; theirs \"about\", of all memory (xen-devel, 2006)"},
    {"exits a page fault", "", 3, &Exits2005,
     "shadow-2005, lmbench's page fault, core2-2006, 2-level: the fault, the "
     "first store to the table since it was in sync, the missing shadow; and "
     "two tables made for 32 faults. Theirs KVM's shadows, which emulated each "
     "store and dropped the shadow's entry"},
    {"the same in place", "", 2, &Exits2006,
     "shadow-2006: the emulated store makes the shadow's entry, too, as in KVM "
     "since 0028425f64"},
    {"loads of a 2-D walk", "", 24, &NestedLoads,
     "nested-paging-4k, 4 levels on 4, without any paging-structure cache "
     "(R. Bhargava et al., ASPLOS 2008)"},
    {"nested paging: programs", "x", 1.48, &NestedGainPrograms,
     "shadow-2008 : nested-paging, fork+exec, skylake-2017; theirs \"up to\" "
     "42 % (RVI) and 48 % (EPT) for programs of whole benchmarks under "
     "VMware's shadows (white papers, 2009; remembered): sign only"},
    {"nested paging: micro", "x", 6, &NestedGainMicro,
     "one entry made read-only; theirs \"up to\" 500 % and 600 %"},
};

struct LeftOut {
  const char* name;
  const char* unit;
  double theirs;
  const char* why;
};

constexpr LeftOut kLeftOut[] = {
    {"no lock for entries", "%", 5,
     "kernel build without the domain's lock (Xen 95f9581198, 2008): nobody "
     "waits for locks here"},
    {"PIC in the hypervisor", "%", 14,
     "kernel build (Xen 3f450621b6): there are no devices"},
    {"walks checked again", "%", 3.7,
     "of guest walks without a lock (Xen 948397ecb8, 2008): the tables do not "
     "change under a walk here"},
    {"32-on-64 null call", "us", 0.55,
     "lmbench, by a ring-0 handler; 0.87 by #GP, 0.33 direct (Xen 3e1b9525de, "
     "2007): there is no 32-bit guest of a 64-bit Xen here, and the machine is "
     "not named"},
    {"flush of 32 vCPUs", "us", 112,
     "with a virtual x2APIC, 8.3 by hypercall (Xen 17b997aa1e, 2020): a "
     "virtual APIC is no part of the model, and guests have no threads"},
    {"null hypercall: RSB", "%", -13.9,
     "less without the RSB overwritten (Xen afab477fba, 2021): mitigations of "
     "speculation are left out"},
    {"set_memory_wc", "us", 47,
     "from 4097 with WBINVD (Xen dff593c7b6, 2016): caches are flushed by "
     "nothing here"},
    {"highmem page cleared", "%", 20,
     "gained by a hypercall (Xen 043e01a4f8, 2008): guests have no high "
     "memory"},
    {"writes of A and D only", "%", 95,
     "of those to tables, Windows 10 under introspection (Xen 3e828f882a): a "
     "figure of that guest, not of a strategy"},
    {"memory dirtied again", "%", 47.5,
     "more slowly under KVM's log without its fast page fault (kvm list, "
     "2012): KVM's; what logging costs Xen's strategies is in xmmu compare "
     "--migrate"},
    {"frames of one mapping", "%", 97.9,
     "of those that are mapped at all in a 6 GiB guest (KVM dc1cff9691, 2021): "
     "a figure of what that guest ran"},
    {"page shared by content", "us", 6.2,
     "Difference Engine, OSDI 2008 (remembered): its own hypervisor, with a "
     "scan; make_ro_and_share is asked by the guest"},
};

// Adds figures that nothing can be run for, each with the reason.
void AddFiguresLeftOut(PublishedTable& table) {
  for (const LeftOut& figure : kLeftOut) {
    table.rows.push_back(
        {figure.name, figure.unit, {{figure.theirs, {}}}, false, figure.why});
  }
}

}  // namespace

void AddFigures(PublishedTable& table, JobList& jobs) {
  table.name = "figures";
  table.title = "single figures; without ours what the model leaves out";
  table.columns = {"figure"};
  for (const Figure& figure : kFigures) {
    const size_t row = table.rows.size();
    table.rows.push_back(
        {figure.name, figure.unit, {{figure.theirs, {}}}, false, figure.note});
    // A figure takes no longer than a piece of a workload may.
    jobs.Add([&table, &figure, row](const std::stop_token&) {
      const absl::StatusOr<double> ours = figure.run();
      if (ours.ok()) table.rows[row].cells.front().ours = *ours;
      return ours.status();
    });
  }
  AddFiguresLeftOut(table);
}

}  // namespace xmmu
