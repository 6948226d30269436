#ifndef XMMU_LIB_STUDY_EXPLAIN_FAULT_FINDER_H_
#define XMMU_LIB_STUDY_EXPLAIN_FAULT_FINDER_H_

// Finds a fault of a workload, and brings a guest to it.
//
// Single-threaded.

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "xmmu/sim/compare.h"
#include "xmmu/sim/options.h"
#include "xmmu/sim/simulator.h"
#include "xmmu/workload/workload.h"

namespace xmmu {

// An operation of a workload, in the order in which a guest of one vCPU executes
// them. kPost and kAwait are none.
struct FoundOperation {
  uint64_t number = 0;  // how many come before it
  std::string words;    // "store, 4 bytes at 0x10000000, of task 1"
};

// Returns the operation in which the guest's kernel handles the `fault`-th fault,
// from 1 on, since the boot.
// Errors: InvalidArgument if there are fewer; those of the factory, of
// Simulator::Create and of GuestKernel::RunFor.
absl::StatusOr<FoundOperation> FindFault(const SimulatorOptions& options,
                                         const WorkloadFactory& workload,
                                         uint64_t fault);

// A guest that has come to where an operation of a workload is next.
class GuestAtOperation {
 public:
  // Errors: those of FindFault().
  static absl::StatusOr<GuestAtOperation> Create(
      const SimulatorOptions& options, const WorkloadFactory& workload,
      uint64_t number);

  Simulator& simulator() { return *simulator_; }
  // Executes it.
  absl::Status Act() {
    return simulator_->guest().RunFor(*workload_, 1).status();
  }

 private:
  GuestAtOperation(std::unique_ptr<Workload> workload,
                   std::unique_ptr<Simulator> simulator)
      : workload_(std::move(workload)), simulator_(std::move(simulator)) {}

  std::unique_ptr<Workload> workload_;
  std::unique_ptr<Simulator> simulator_;
};

}  // namespace xmmu

#endif  // XMMU_LIB_STUDY_EXPLAIN_FAULT_FINDER_H_
