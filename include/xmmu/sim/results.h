#ifndef XMMU_SIM_RESULTS_H_
#define XMMU_SIM_RESULTS_H_

// What simulations come to: a row for each, and several rows over the same
// workload side by side. Results are values; xmmu/report/ shows them.
//
// Plain values; any thread.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "xmmu/base/cycles.h"
#include "xmmu/guest/guest_options.h"
#include "xmmu/guest/not_compared.h"
#include "xmmu/machine/machine_model.h"
#include "xmmu/policy/policy.h"
#include "xmmu/sim/by_mark.h"
#include "xmmu/sim/cost.h"
#include "xmmu/sim/migration.h"
#include "xmmu/sim/options.h"
#include "xmmu/xen/own_event.h"

namespace xmmu {

// What an event of the policy's own came to.
struct OwnEventCost {
  OwnEvent event;
  uint64_t count = 0;  // how often it was charged since the boot, on all CPUs
  Cycles cycles;       // count * event.price
};

// One simulation.
struct ReportRow {
  std::string policy;
  // Whether the guest asks a hypervisor at all; if not, `pin` means nothing and
  // is reported as "-".
  bool paravirtual = false;
  GuestOps guest_ops = GuestOps::kStores;
  PinWhen pin = PinWhen::kLate;
  bool shares_file_pages = false;  // GuestOptions::share_file_pages
  LinearMap linear_map = LinearMap::kDefault;
  // What the machine has not and this row has used all the same, with the costs
  // and the geometry that the model has for it: "VM extension", "nested
  // paging", or nothing.
  std::string hypothetical;

  // Cycles, components, tallies and counters since the boot, over all CPUs.
  Cost cost;

  // Guest memory in use as page tables at the peak, in bytes. Differs between
  // policies where the ABI asks for more tables (a user root, a kernel L2).
  uint64_t page_table_bytes = 0;

  // Page tables an address space, in bytes: the guest's at the peak, less those
  // that the boot made for the kernel, and the hypervisor's frames at their
  // peak (hidden roots, snapshots, shadows), over the address spaces there were
  // at the guest's peak; 0 if there were none.
  uint64_t page_table_bytes_per_space = 0;

  // Memory spent on managing memory, in bytes: the guest's page tables at the
  // peak (page_table_bytes), the hypervisor's frames at the peak (shadows,
  // snapshots, nested tables), its frame table and machine-to-physical map of
  // the guest's frames, which every strategy has alike, and the strategy's own
  // Policy::BookkeepingBytes() at the end. Bare hardware has its page tables
  // alone.
  uint64_t memory_overhead_bytes = 0;

  // What the strategy's part of it is for, as far as it says: see
  // Policy::MemoryParts().
  std::vector<MemoryPart> memory_parts;

  // What the policy reports of its own, as of the end: see Policy::Figures().
  // Empty for the built-in policies. All rows of one policy have the same names
  // in the same order; other rows have others, or none.
  std::vector<OwnFigure> figures;
  // The policy's own events that take time, in the order in which it registered
  // them: see Host::AddOwnEvent(). Their cycles are part of cost.cycles, of
  // cost.by_component under the component of each, and of `by_mark`. A name
  // stands in one of `figures` and `own_events` at the most, and is that of no
  // CostEvent, component or counter.
  std::vector<OwnEventCost> own_events;

  // vCPUs of all domains, and how many of them never ran a task: their clocks
  // stood still, and they cost the others only what shootdowns do.
  int vcpus = 1;
  int idle_vcpus = 0;

  // If SimulatorOptions::migration was wanted.
  std::optional<MigrationReport> migration;

  // The cycles by what is known of their prices; the sum is cost.cycles.
  MarkCycles by_mark{};

  // See GuestKernel::digest().
  uint64_t guest_digest = 0;
  // See GuestKernel::not_compared(), summed over the guests.
  NotCompared not_compared;
};

// "pinning/queue/late", with "/shared" if it shares file pages and with the
// name of a linear map other than the default, or "native".
std::string RowLabel(const ReportRow& row);
// "/per-table", or nothing for the default.
std::string LinearMapSuffix(LinearMap linear_map);
// A line for each number of vCPUs that idled in some rows, each beginning with
// `indent`; empty if none did.
std::string IdleVcpuLines(std::span<const ReportRow> rows,
                          std::string_view indent);
// "late", or "-" where there is nothing to pin.
std::string_view PinCell(const ReportRow& row);

// Rows over the same workload, guest and machine.
struct Comparison {
  std::string version;  // of xmmu
  // What all rows share, with what was left to the defaults of the guest or the
  // machine filled in. What rows differ by (RunScope::kEachRow) is not set
  // here: it is in the rows.
  SimulatorOptions options;
  std::string machine_description;
  // The machine has no such paging mode; its costs and geometry were used as
  // if.
  bool hypothetical = false;
  CostTable costs{};  // what the rows were charged by, no sources
  std::string workload;
  std::vector<std::string> left_out;  // policies left out, each with the reason
  std::vector<ReportRow> rows;
};

// Whether all rows have one digest, as they must.
bool DigestsAgree(const Comparison& comparison);

// Version of the library, e.g. "0.1.0".
std::string_view Version();

}  // namespace xmmu

#endif  // XMMU_SIM_RESULTS_H_
