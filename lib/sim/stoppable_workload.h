#ifndef XMMU_LIB_SIM_STOPPABLE_WORKLOAD_H_
#define XMMU_LIB_SIM_STOPPABLE_WORKLOAD_H_

#include <cstddef>
#include <span>
#include <stop_token>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "xmmu/workload/workload.h"

namespace xmmu {

// Passes the same operations of a workload on in pieces that do not take long,
// and ends with Cancelled at the first piece after a stop is requested.
class StoppableWorkload final : public Workload {
 public:
  // Assumed: such a piece takes a tenth of a second at most, 5 us an operation.
  static constexpr size_t kMostPiece = 16384;

  // Both outlive the workload.
  StoppableWorkload(Workload& workload, const std::stop_token& stop)
      : workload_(workload), stop_(stop) {}

  std::string name() const override { return workload_.name(); }
  TaskId first_task() const override { return workload_.first_task(); }
  absl::StatusOr<std::span<const GuestOp>> Next(TaskId task) override;

 private:
  Workload& workload_;
  const std::stop_token& stop_;
  // What is left of the spans that were too long, by task.
  absl::flat_hash_map<TaskId, std::span<const GuestOp>> rest_;
};

}  // namespace xmmu

#endif  // XMMU_LIB_SIM_STOPPABLE_WORKLOAD_H_
