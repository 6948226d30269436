#ifndef XMMU_LIB_STUDY_GRID_LOAD_CHASE_H_
#define XMMU_LIB_STUDY_GRID_LOAD_CHASE_H_

// The one workload whose cycles should be a machine's to the cycle: a chase of
// pointers, in which each load waits for the one before. It runs as a program
// would on the bare processor: page tables, TLBs, paging-structure caches,
// walks, data caches with their prefetchers, DRAM.
//
// The operating system below it is a sketch. Only pages that the chase touches
// have frames, dealt out in ascending order of the pages: of each colour (the
// pages of a way of the last cache; on AMD's with an L3 of the L2) in turn, and
// beyond that at random by the seed. That is what an allocator with page
// colouring does, as Windows' has: it fills the cache without a conflict, and
// neighbouring pages are not neighbours in DRAM.
//
// Single-threaded.

#include <cstdint>
#include <stop_token>
#include <string_view>

#include "absl/status/statusor.h"
#include "xmmu/base/cycles.h"
#include "xmmu/machine/machine_model.h"

namespace xmmu {

enum class ChaseOrder : uint8_t {
  kLinear,      // ascending
  kRandom,      // at random all over the working set
  kPageRandom,  // at random in a window of 256 pages, windows ascending
};

// Pages of a window of ChaseOrder::kPageRandom. 256, because the measured
// chases of that name miss L1 TLBs of 64 entries three times in four, yet walk
// once a page where no L2 TLB holds the working set (InstLatx64: i9-7900X,
// X6800).
inline constexpr uint64_t kChaseWindowPages = 256;

// "linear", "random", "page-random".
std::string_view ChaseOrderName(ChaseOrder order);

struct ChaseOptions {
  ChaseOrder order = ChaseOrder::kLinear;
  uint64_t working_set_bytes = 4096;  // at most kMaxChaseBytes
  uint64_t stride_bytes = 64;         // a multiple of 8; two loads a lap
  uint64_t seed = 1;
  std::stop_token stop = {};  // the chase ends soon once it is requested
};

inline constexpr uint64_t kMaxChaseBytes = uint64_t{1} << 30;

struct ChaseResult {
  uint64_t loads = 0;
  Cycles cycles;
  CostTally tally{};  // of what they consist

  double cycles_per_load() const {
    return static_cast<double>(cycles.count()) / static_cast<double>(loads);
  }
};

// Runs the chase on `model`: one lap to warm up, then one, or of a small
// working set as many as make 4096 loads, that count. In 2-level paging on a
// machine without long mode, else with four levels.
// Errors: InvalidArgument for options out of the ranges given there, and what
// CheckMachine() says; Cancelled if a stop was requested.
absl::StatusOr<ChaseResult> RunLoadChase(const MachineModel& model,
                                         const ChaseOptions& options);

// `model` with another clock: what of a load from DRAM is not the core's takes
// the same time, hence another number of cycles (DramModel::core_cycles).
// REQUIRES: the model has a clock.
MachineModel AtClock(MachineModel model, double clock_ghz);

}  // namespace xmmu

#endif  // XMMU_LIB_STUDY_GRID_LOAD_CHASE_H_
