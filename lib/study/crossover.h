#ifndef XMMU_LIB_STUDY_CROSSOVER_H_
#define XMMU_LIB_STUDY_CROSSOVER_H_

// What one page-table update costs, by how many there are to make in one L1
// table: few favour a way that costs the same for each, many one that has its
// price at the beginning.
//
// The updates are those of an mprotect that takes away writing: each entry of
// present pages is read, changed and written, and the TLB flushed at the end. A
// figure is the call less an empty system call: everything that the guest, the
// hypervisor and the hardware do for it.
//
// Called by one thread; runs as many simulations at a time as Jobs::threads says.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "study/price_sweep.h"
#include "xmmu/base/jobs.h"
#include "xmmu/guest/guest_options.h"
#include "xmmu/report/document.h"
#include "xmmu/sim/by_mark.h"
#include "xmmu/sim/options.h"

namespace xmmu {

// A way for a guest to have its page tables updated.
struct UpdateWay {
  std::string policy;
  GuestOps ops = GuestOps::kStores;
};

// The name of `way` in reports: "pinning/queue".
std::string UpdateWayName(const UpdateWay& way);

// Every way there is for guests of `mode`, in the order of the table of
// policies: by stores where stores to L1 tables work, else by each kind of
// hypercall. With `variants`, variants of strategies have their ways, too.
std::vector<UpdateWay> AllUpdateWays(PagingMode mode, bool variants = false);

struct UpdateCosts {
  UpdateWay way;
  // Cycles of making i + 1 updates.
  std::vector<uint64_t> cycles;
  // How often each priced event is part of these cycles.
  std::vector<PriceForm> forms;
  // The cycles of all these calls together, system calls included, by the marks
  // of their prices.
  MarkCycles by_mark{};
};

// From `updates` of them on, `cheaper` takes fewer cycles than `dearer`, up to
// the next crossing of the same two; below it took as many or more.
struct Crossing {
  UpdateWay cheaper;
  UpdateWay dearer;
  uint64_t updates = 0;
};

struct Crossover {
  std::string machine;
  std::string machine_description;
  PagingMode mode = PagingMode::kPae;
  std::vector<UpdateCosts> ways;
  std::vector<Crossing> crossings;  // bare hardware takes part in none
  // The pairs of ways, by index, that crossings were looked for in.
  std::vector<std::pair<size_t, size_t>> compared;
  CostTable costs{};  // what the cycles were charged by, no sources
};

// Measures 1 to as many updates as an L1 table has entries, with each of
// `ways`. Of `base`, machine, mode, timing and vcpus count.
// Errors: InvalidArgument if there is no way; those of Simulator::Create;
// Cancelled if a stop was requested.
absl::StatusOr<Crossover> MeasureCrossover(const SimulatorOptions& base,
                                           const std::vector<UpdateWay>& ways,
                                           const Jobs& jobs = {});

// A base and the ways that are measured on it.
struct BaseWays {
  SimulatorOptions base;
  std::vector<UpdateWay> ways;
};

// Measures each of `all`, a job a way. Errors: as MeasureCrossover(), that of
// the first one that has any.
absl::StatusOr<std::vector<Crossover>> MeasureCrossovers(
    std::span<const BaseWays> all, const Jobs& jobs = {});

// The document of crossovers.
//   text   a table of cycles an update for powers of two, and the crossings
//   data   an object a crossover
//   table  a line a way and number of updates; shares by mark are the way's
Document CrossoverDocument(const std::vector<Crossover>& crossovers);

}  // namespace xmmu

#endif  // XMMU_LIB_STUDY_CROSSOVER_H_
