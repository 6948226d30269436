#ifndef XMMU_SIM_RESULTS_H_
#define XMMU_SIM_RESULTS_H_

// The results of simulations: a row for each, and several rows over the same
// workload side by side. Results are values; xmmu/report/ shows them.
//
// Plain values; any thread.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "xmmu/base/cycles.h"
#include "xmmu/base/span_log.h"
#include "xmmu/guest/guest_options.h"
#include "xmmu/guest/not_compared.h"
#include "xmmu/guest/task_account.h"
#include "xmmu/machine/machine_model.h"
#include "xmmu/policy/policy.h"
#include "xmmu/sim/by_mark.h"
#include "xmmu/sim/cost.h"
#include "xmmu/sim/migration.h"
#include "xmmu/sim/options.h"
#include "xmmu/xen/own_event.h"

namespace xmmu {

// The count and cycles of an event of the policy's own.
struct OwnEventCost {
  OwnEvent event;
  uint64_t count = 0;  // how often it was charged, as in ReportRow::cost
  Cycles cycles;       // count * event.price
};

// A piece of the region of a workload: see RegionOptions::interval.
struct Interval {
  int domain = 0;           // whose workload it is a piece of, from 0 on
  uint64_t first = 0;       // its first operation; the workload's first is 1
  uint64_t operations = 0;  // how many there are
  Cost cost;
};

// What one vCPU or one task took of a row: see SimulatorOptions::per.
struct RowPart {
  // Whose vCPU or task it is, from 0 on.
  int domain = 0;
  std::optional<uint32_t> vcpu;  // from 0 on
  std::optional<TaskName> task;
  uint64_t operations = 0;  // of a task
  // `elapsed` is how far the vCPU's time went on, idle time included; 0 for a
  // task.
  Cost cost;

  // Whether it is what belongs to nobody: what is left of the row.
  bool rest() const { return !vcpu.has_value() && !task.has_value(); }
};

// Whether `counter` counts what a task does, or has done for it. The others
// count what comes to a CPU from elsewhere, between turns: no task has any.
bool CountsByTask(Counter counter);

// The results of one simulation.
struct ReportRow {
  std::string policy;
  // Whether the guest calls a hypervisor at all; if not, `pin` means nothing
  // and is reported as "-".
  bool paravirtual = false;
  GuestOps guest_ops = GuestOps::kStores;
  PinWhen pin = PinWhen::kLate;
  bool shares_file_pages = false;  // GuestOptions::share_file_pages
  LinearMap linear_map = LinearMap::kDefault;
  // The guest's GuestOptions::thp, and whether it was asked for; then
  // RowLabel() says it.
  Thp thp = Thp::kNever;
  bool thp_chosen = false;
  // Whether programs of the guest have large pages: GuestAbi::large_pages.
  bool large_pages = true;
  // Policy::NestedPageCounts() at the end.
  std::vector<NestedPages> nested_pages;
  // What the machine lacks and this row has used all the same, with the costs
  // and the geometry that the model has for it: "VM extension", "nested
  // paging", or nothing.
  std::string hypothetical;

  // Cycles, components, tallies and counters since the boot, over all CPUs; or
  // of the region, if there is one, summed over the domains. Everything else is
  // of the whole run, but for what is made of these: `own_events`, `by_mark`.
  Cost cost;
  // The operations that those are of.
  uint64_t operations = 0;
  // The region piece by piece, one domain after the other, if that was asked
  // for. Their costs add up to `cost`.
  std::vector<Interval> intervals;

  // What each vCPU or task took of that, if it was asked for: domain by domain,
  // in the order of the vCPUs or of the tasks. The costs, but for `elapsed`, add
  // up to `cost`; what belongs to no vCPU or task is the last one, if there is
  // any.
  std::vector<RowPart> parts;

  // Guest memory in use as page tables at the peak, in bytes. Differs between
  // policies where the ABI asks for more tables (a user root, a kernel L2).
  uint64_t page_table_bytes = 0;

  // Page tables for each address space, in bytes: the guest's at the peak, less
  // those that the boot made for the kernel, and the hypervisor's frames at
  // their peak (hidden roots, snapshots, shadows), divided by the address
  // spaces at the guest's peak; 0 if there were none.
  uint64_t page_table_bytes_per_space = 0;

  // Memory spent on managing memory, in bytes: the guest's page tables at the
  // peak (page_table_bytes), the hypervisor's frames at the peak (shadows,
  // snapshots, nested tables), its frame table and machine-to-physical map of
  // the guest's frames, which are the same for every strategy, and the
  // strategy's own Policy::BookkeepingBytes() at the end. Bare hardware has
  // only its page tables.
  uint64_t memory_overhead_bytes = 0;

  // What the simulator itself takes of the simulating computer's memory for
  // that of the guests, at the end: the contents of page tables and the tokens
  // of pages, the frame table, the maps of frames, the guest kernels' page
  // allocators, what strategies keep of frames and shadows. It is a count of
  // these structures, the same in every run; the program itself, its caches and
  // TLBs, and the workload are not in it.
  uint64_t host_bytes = 0;

  // What the strategy uses its part of memory_overhead_bytes for, as far as it
  // says: see Policy::MemoryParts().
  std::vector<MemoryPart> memory_parts;

  // The policy's own figures at the end: see Policy::Figures(). Empty for the
  // built-in policies. All rows of one policy have the same names in the same
  // order; other rows have others, or none.
  std::vector<OwnFigure> figures;
  // The policy's own events that take time, in the order in which it registered
  // them: see Host::AddOwnEvent(). Their cycles are part of cost.cycles, of
  // cost.by_component under the component of each, and of `by_mark`. A name
  // stands in one of `figures` and `own_events` at the most, and is that of no
  // CostEvent, component or counter.
  std::vector<OwnEventCost> own_events;

  // The vCPUs of all domains, and how many of them never ran a task: their
  // clocks stood still, and they cost the others only the shootdowns.
  int vcpus = 1;
  int idle_vcpus = 0;

  // Set if SimulatorOptions::migration was wanted.
  std::optional<MigrationReport> migration;

  // The cycles by the marks of their prices; their sum is cost.cycles.
  MarkCycles by_mark{};

  // What happened on each CPU, if SimulatorOptions::spans asked for it. A track
  // is a CPU: vCPU N of each domain runs on CPU N.
  std::shared_ptr<const SpanLog> spans;

  // See GuestKernel::digest().
  uint64_t guest_digest = 0;
  // See GuestKernel::not_compared(), summed over the guests.
  NotCompared not_compared;
};

// Returns "pinning/queue/late", with "/shared" if the row shares file pages and
// with the name of a linear map other than the default; or "native", with
// "/thp=always" if that was asked for and the guest has large pages.
std::string RowLabel(const ReportRow& row);
// Returns "/per-table", or nothing for the default.
std::string LinearMapSuffix(LinearMap linear_map);
// Returns "/thp=always", or nothing if it is not set.
std::string ThpSuffix(std::optional<Thp> thp);
// Returns `row.thp` if the row is to be told from others by it.
std::optional<Thp> ChosenThp(const ReportRow& row);
// Returns a line for each number of vCPUs that idled in some rows, each
// beginning with `indent`; or nothing if none idled.
std::string IdleVcpuLines(std::span<const ReportRow> rows,
                          std::string_view indent);
// Returns "late", or "-" where there is nothing to pin.
std::string_view PinCell(const ReportRow& row);

// Rows over the same workload, guest and machine.
struct Comparison {
  std::string version;  // of xmmu
  // What all rows share, with what was left to the defaults of the guest or the
  // machine filled in. What rows differ by (RunScope::kEachRow) is not set
  // here: it is in the rows.
  SimulatorOptions options;
  std::string machine_description;
  // Whether the machine lacks the paging mode, and its costs and geometry were
  // used as if it had it.
  bool hypothetical = false;
  CostTable costs{};  // what the rows were charged by, no sources
  std::string workload;
  std::vector<std::string> left_out;  // policies left out, each with the reason
  std::vector<ReportRow> rows;
};

// Whether all rows have one digest, as they must have.
bool DigestsAgree(const Comparison& comparison);

// The version of the library, e.g. "0.1.0".
std::string_view Version();

}  // namespace xmmu

#endif  // XMMU_SIM_RESULTS_H_
