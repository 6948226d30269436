#ifndef XMMU_LIB_STUDY_BATCHES_H_
#define XMMU_LIB_STUDY_BATCHES_H_

// How many page-table updates a program makes at a time, and which way of
// making them is the cheaper one for it: the other half of the question that
// study/crossover.h answers.
//
// A batch is what a guest changes in one L1 table before anything makes Xen
// look at it again, which is what writable page tables are about: the entries
// found changed when a table that was open is closed.
//
// Called by one thread; runs as many simulations at a time as Jobs::threads says.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "study/crossover.h"
#include "xmmu/base/counters.h"
#include "xmmu/report/document.h"
#include "xmmu/sim/by_mark.h"
#include "xmmu/sim/compare.h"

namespace xmmu {

inline constexpr size_t kBatchBuckets =
    static_cast<size_t>(Counter::kPtwrClosed1024) -
    static_cast<size_t>(Counter::kPtwrClosed0) + 1;

// A workload done one way.
struct BatchRow {
  UpdateWay way;
  uint64_t cycles = 0;
  // Tables closed, by the entries found changed: kBatchBuckets of them, for
  // none, 1, 2, 3 to 4, 5 to 8 and so on. Empty for a way that opens none, or
  // that keeps no snapshot to tell by.
  std::vector<uint64_t> closed;
  uint64_t updates = 0;  // entries found changed in all
  // The cycles by what is known of their prices.
  MarkCycles by_mark{};
};

struct Batches {
  std::string machine;
  std::string machine_description;
  PagingMode mode = PagingMode::kPae;
  std::string workload;
  std::vector<BatchRow> rows;
};

// Runs `workload` each of `ways`. Of `base`, machine, mode, timing and vcpus
// count. Errors: those of RunComparison.
absl::StatusOr<Batches> MeasureBatches(const SimulatorOptions& base,
                                       const std::vector<UpdateWay>& ways,
                                       const WorkloadFactory& workload,
                                       const Jobs& jobs = {});

// Runs it on each of `all`, a job a way. Errors: as MeasureBatches(), that of the
// first one that has any.
absl::StatusOr<std::vector<Batches>> MeasureAllBatches(
    std::span<const BaseWays> all, const WorkloadFactory& workload,
    const Jobs& jobs = {});

// The document of batches.
//   text   a table of the batches and one of the cycles; and in words, for each
//          way that opens tables, how it stands to emulation of the same
//          guest's stores
//   data   an object for each of `all`
//   table  a line a way
Document BatchesDocument(const std::vector<Batches>& all);

}  // namespace xmmu

#endif  // XMMU_LIB_STUDY_BATCHES_H_
