#ifndef XMMU_SIM_OPTIONS_H_
#define XMMU_SIM_OPTIONS_H_

// The options of one simulation: a machine, a paging mode, a guest and the
// strategy that virtualizes its memory. Every field has a default, so that a
// test or an experiment names only what it is about.
//
// Plain values; any thread.

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "absl/status/statusor.h"
#include "xmmu/base/overlap.h"
#include "xmmu/base/span_log.h"
#include "xmmu/guest/guest_options.h"
#include "xmmu/machine/machine_model.h"
#include "xmmu/machine/memory_timing.h"
#include "xmmu/machine/paging_mode.h"
#include "xmmu/policy/policies.h"
#include "xmmu/sim/migration.h"
#include "xmmu/sim/region.h"
#include "xmmu/xen/linear_map.h"

namespace xmmu {

// Assumed: no comparison needs more.
inline constexpr int kMaxDomains = 64;

// By what a row's cycles and counters are given besides as a whole.
enum class Per : uint8_t { kNothing, kVcpu, kTask };

struct SimulatorOptions {
  // The preset of the machine, see Machines(). The default is the machine of
  // the first Xen paper.
  std::string machine = "xeon-2003";

  // A user's own machine, which wins over `machine`. Its costs should say where
  // they are from.
  std::shared_ptr<const MachineModel> custom_machine = nullptr;

  // The paging mode of the guest, and so of the hypervisor. A mode that the
  // machine lacks is simulated all the same, with the machine's costs and
  // geometry, and reports say that it is hypothetical.
  PagingMode mode = PagingMode::kPae;

  // Whether the machine's TLB flush filter works, if it has one: see
  // FlushFilterGeometry.
  bool flush_filter = false;

  // The vCPUs of the guest, each on a CPU of its own; 1 to 64.
  int vcpus = 1;

  // Whether page-table entries, or all data, go through the caches.
  MemoryTiming timing = MemoryTiming::kPteCaches;

  // Which work overlaps; without it cycles are serialised.
  Overlap overlap = {};

  // The guest's memory in bytes, a multiple of 4 MiB. The default (assumed) is
  // what SOSP'03 gave its guests. A 32-bit guest kernel maps all of its memory
  // and takes about 800 MiB at most; GuestKernel::Boot says so.
  uint64_t guest_memory_bytes = uint64_t{512} << 20;

  // The strategy, see Policies().
  std::string policy = "pinning";

  // A user's own strategy, which wins over `policy`. Its name() goes into
  // reports and has letters, digits, '.', '_', '-' and '+'.
  PolicyFactory custom_policy = {};

  // How Xen reaches the page tables of a paravirtual guest. kSharedL2 is for a
  // PAE guest of one vCPU.
  LinearMap linear_map = LinearMap::kDefault;

  // The guest kernel. Options that are not set are what the Linux of the time
  // did, see DefaultGuestOptions().
  std::optional<GuestOps> guest_ops = std::nullopt;
  std::optional<PinWhen> pin = std::nullopt;
  std::optional<uint64_t> quantum_ops = std::nullopt;
  std::optional<int> fault_around_pages = std::nullopt;
  std::optional<uint64_t> flush_ceiling_pages = std::nullopt;
  std::optional<Thp> thp = std::nullopt;
  // See GuestOptions; if not set, it is `thp`. A comparison whose rows differ
  // by `thp` sets it.
  std::optional<Thp> digest_thp = std::nullopt;
  Reclaim reclaim = Reclaim::kNone;
  // These two are explained at GuestOptions. They are off, as in Linux since
  // 2.6.
  bool fork_copies_all = false;
  bool keeps_tables = false;
  // Whether domains share pages by content, see GuestOptions. With one domain
  // it costs cycles and saves nothing.
  bool share_file_pages = false;

  // Domains with such a guest, 1 to kMaxDomains, all on the same CPUs. They run
  // the workload one after the other, and each keeps its page cache.
  int domains = 1;

  // How each domain is migrated while it runs its workload. A strategy that
  // cannot log writes runs the workload all the same, and its row says so.
  MigrationOptions migration = {};

  // Which part of the workload Simulator::Run measures. Not beside a migration,
  // unless the region is the whole.
  RegionOptions region = {};

  // What of the spans of the run ReportRow::spans keeps; if not set, nothing.
  // Times are cycles since the end of the boot. It changes no figure. Not beside
  // an overlap, where time steps back.
  std::optional<SpanOptions> spans = std::nullopt;

  // By what ReportRow::parts gives what the region took. Not beside intervals.
  // It changes no figure.
  Per per = Per::kNothing;

  // Once a stop is requested, by any thread, no simulator is made of these
  // options any more, and one that runs a workload ends within some ten thousand
  // operations. Simulator and GuestDriver return Cancelled. Comparisons and
  // studies set it for each run: they are stopped by Jobs::stop.
  std::stop_token stop = {};
};

// Returns the machine that `options` name, with the features that
// `options.mode` needs and the flush filter on if that is wanted.
// Errors: InvalidArgument with the nearest and the names of all presets, for a
// flush filter that the machine lacks, or what CheckMachine() says of a user's
// own machine; ResourceExhausted for caches that no memory could hold.
absl::StatusOr<MachineModel> MachineOf(const SimulatorOptions& options);

// Checks that guests of this mode and number of vCPUs can have the linear map.
// Errors: InvalidArgument.
absl::Status CheckLinearMap(const SimulatorOptions& options);

// Returns the machine that `options` name, as it was built, or nullptr.
const MachineModel* OwnMachineOf(const SimulatorOptions& options);

}  // namespace xmmu

#endif  // XMMU_SIM_OPTIONS_H_
