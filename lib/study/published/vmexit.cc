// VM exits: O. Agesen et al., "Software Techniques for Avoiding Hardware
// Virtualization Exits", USENIX ATC 2012, table 1; Adams & Agesen, ASPLOS 2006
// (both remembered); A. Landau et al., SplitX, HotOS 2011 (read). Flushes: N.
// Amit's deferred flushes of PTI, linux-kernel 2019; D. Hansen on INVPCID,
// linux-mm (both read).

#include <iterator>
#include <string_view>

#include "study/published/published_studies.h"
#include "xmmu/machine/machine_model.h"
#include "xmmu/sim/guest_driver.h"

namespace xmmu {
namespace {

struct ExitRow {
  const char* name;
  const char* machine;  // nullptr: no preset
  double cycles;
  bool with_work;
  bool anchor;
  const char* note;
};

constexpr char kConstant[] =
    "the constant of the preset is this figure: nothing was measured";

constexpr ExitRow kExits[] = {
    {"Prescott", "xeon-2003", 3963, false, true, kConstant},
    {"Pentium 4 672 entry + #PF exit", "xeon-2003", 4340, false, false,
     "of ASPLOS'06, which the upper end of that constant's band is"},
    {"Merom", "core2-2006", 1579, false, true, kConstant},
    {"Core 2 entry + #PF exit", "core2-2006", 2123, false, false,
     "937 and 1186 of ASPLOS'06, of an earlier Core 2; the round trips of "
     "ATC'12 were exits for cheaper reasons"},
    {"Penryn", nullptr, 1266, false, false, "no preset"},
    {"Nehalem", "nehalem-2009", 1009, false, true, kConstant},
    {"Nehalem: a whole exit to KVM", "nehalem-2009", 2000, true, true,
     "SplitX on an X5570: vm_exit and vm_exit_work together, the second of "
     "which is what is left of it"},
    {"Westmere", "westmere-2010", 761, false, true, kConstant},
    {"Sandy Bridge", nullptr, 784, false, false, "no preset"},
};

struct FlushRow {
  const char* name;
  double theirs;
  double ours;
  const char* note;
};

PublishedRow RowOf(const ExitRow& exit) {
  PublishedRow row;
  row.name = exit.name;
  row.unit = "cycles";
  row.anchor = exit.anchor;
  row.note = exit.note;
  PublishedCell cell{.theirs = exit.cycles, .ours = {}};
  const MachineModel* const machine =
      exit.machine == nullptr ? nullptr : FindMachine(exit.machine);
  if (machine != nullptr) {
    cell.ours = machine->cost(CostEvent::kVmExit).value;
    if (exit.with_work) {
      *cell.ours += machine->cost(CostEvent::kVmExitWork).value;
    }
  }
  row.cells = {cell};
  return row;
}

// Cycles of madvise(MADV_DONTNEED) of `pages` pages that have been written to.
absl::StatusOr<double> Madvise(uint64_t pages, const std::stop_token& stop) {
  constexpr uint64_t kMadviseRounds = 8;
  SimulatorOptions options;
  options.machine = "skylake-2017";
  options.mode = PagingMode::k4Level;
  options.policy = "native";
  options.stop = stop;
  auto guest = GuestDriver::Create(options);
  if (!guest.ok()) return guest.status();
  guest->Map(pages);
  uint64_t cycles = 0;
  for (uint64_t i = 0; i < kMadviseRounds; ++i) {
    guest->Write(pages);
    const Cost cost = guest->Measure([&] {
      guest->Perform({.kind = GuestOpKind::kDiscard,
                      .va = GuestDriver::kRegion,
                      .length = pages * kPageSize});
    });
    cycles += cost.cycles.count();
  }
  if (!guest->status().ok()) return guest->status();
  return static_cast<double>(cycles) / kMadviseRounds;
}

// Appends the rows of flushes, all of which come from the same two figures.
absl::Status AddFlushes(PublishedTable& table, const std::stop_token& stop) {
  const auto one = Madvise(1, stop);
  if (!one.ok()) return one.status();
  const auto ten = Madvise(10, stop);
  if (!ten.ok()) return ten.status();
  const double slope = (*ten - *one) / 9;
  const FlushRow flushes[] = {
      {"madvise of 1 page", 1986, *one,
       "Linux on Skylake, its flush of the user's tables deferred; left out: "
       "most of a system call's kernel work, and page isolation (PTI) with it"},
      {"madvise of 10 pages", 5417, *ten, ""},
      {"a page more: flush deferred", 381, slope,
       "INVLPG, the entry cleared, and what the kernel does for a page, which "
       "is nearly left out here; invlpg is derived from this as its upper "
       "bound"},
      {"a page more: with PTI's flush", 519, slope,
       "with one INVPCID more for the user's tables, which there are none of "
       "here"},
      {"a page flushed (Hansen)", 350, slope, "of the same time, with PTI"},
  };
  for (const FlushRow& flush : flushes) {
    table.rows.push_back({flush.name,
                          "cycles",
                          {{flush.theirs, flush.ours}},
                          false,
                          flush.note});
  }
  return absl::OkStatus();
}

}  // namespace

void AddVmExits(PublishedTable& table, JobList& jobs) {
  table.name = "vmexit";
  table.title =
      "VM exit and entry by generation; page flushes on skylake-2017, native";
  table.columns = {"round trip or flush"};
  for (const ExitRow& exit : kExits) table.rows.push_back(RowOf(exit));
  jobs.Add([&table](const std::stop_token& stop) {
    table.rows.resize(std::size(kExits));
    return AddFlushes(table, stop);
  });
}

}  // namespace xmmu
