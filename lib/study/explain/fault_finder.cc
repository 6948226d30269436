#include "study/explain/fault_finder.h"

#include <span>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "workload/inspect/op_names.h"
#include "workload/inspect/op_words.h"

namespace xmmu {
namespace {

// Operations between two looks at the counters, and at whether to stop; assumed.
constexpr uint64_t kPieceOps = 8192;

// Hands out a workload one operation at a time, and keeps the last of them.
class StepwiseWorkload final : public Workload {
 public:
  explicit StepwiseWorkload(std::unique_ptr<Workload> workload)
      : workload_(std::move(workload)) {}

  std::string name() const override { return workload_->name(); }
  TaskId first_task() const override { return workload_->first_task(); }
  absl::StatusOr<std::span<const GuestOp>> Next(TaskId task) override {
    std::span<const GuestOp>& rest = rest_[task];
    if (rest.empty()) {
      auto more = workload_->Next(task);
      if (!more.ok()) return more.status();
      rest = *more;
    }
    const std::span<const GuestOp> one = rest.first(rest.empty() ? 0 : 1);
    rest = rest.subspan(one.size());
    if (one.empty()) return one;
    task_ = task;
    op_ = one.front();
    return one;
  }

  std::string Words() const {
    return absl::StrCat(Abs(OpKindName(op_.kind)), ", ", OpWords(op_),
                        ", of task ", task_);
  }

 private:
  std::unique_ptr<Workload> workload_;
  std::map<TaskId, std::span<const GuestOp>> rest_;
  TaskId task_ = 0;
  GuestOp op_;
};

uint64_t GuestFaultsOf(const Simulator& simulator) {
  return simulator.cost().count(Counter::kGuestFaults);
}

absl::StatusOr<std::unique_ptr<Workload>> MakeStepwise(
    const WorkloadFactory& factory, const SimulatorOptions& options) {
  if (!factory) return absl::InvalidArgumentError("want a workload");
  auto workload = factory(options);
  if (workload.ok() && *workload == nullptr) {
    return absl::InvalidArgumentError("the factory made no workload");
  }
  return workload;
}

// Executes `operations`, in pieces; `enough` may end it after each.
template <typename Enough>
absl::StatusOr<uint64_t> RunUntil(Simulator& simulator, Workload& workload,
                                  uint64_t operations, uint64_t piece,
                                  Enough enough) {
  uint64_t done = 0;
  while (done < operations && simulator.guest().has_tasks() && !enough()) {
    if (simulator.options().stop.stop_requested()) {
      return absl::CancelledError("stopped");
    }
    const auto ran =
        simulator.guest().RunFor(workload, std::min(piece, operations - done));
    if (!ran.ok()) return ran.status();
    done += *ran;
  }
  return done;
}

}  // namespace

absl::StatusOr<GuestAtOperation> GuestAtOperation::Create(
    const SimulatorOptions& options, const WorkloadFactory& factory,
    uint64_t number) {
  auto workload = MakeStepwise(factory, options);
  if (!workload.ok()) return workload.status();
  auto simulator = Simulator::Create(options);
  if (!simulator.ok()) return simulator.status();
  absl::Status status = (*simulator)->guest().Begin(**workload);
  if (!status.ok()) return status;
  const auto ran = RunUntil(**simulator, **workload, number, kPieceOps,
                            [] { return false; });
  if (!ran.ok()) return ran.status();
  return GuestAtOperation(*std::move(workload), *std::move(simulator));
}

// The first run finds the piece that has the fault, the second one goes through
// it step by step.
absl::StatusOr<FoundOperation> FindFault(const SimulatorOptions& options,
                                         const WorkloadFactory& factory,
                                         uint64_t fault) {
  uint64_t before = 0;
  for (const uint64_t piece : {kPieceOps, uint64_t{1}}) {
    auto inner = MakeStepwise(factory, options);
    if (!inner.ok()) return inner.status();
    StepwiseWorkload workload(*std::move(inner));
    auto simulator = Simulator::Create(options);
    if (!simulator.ok()) return simulator.status();
    absl::Status status = (*simulator)->guest().Begin(workload);
    if (!status.ok()) return status;
    const auto skipped = RunUntil(**simulator, workload, before, kPieceOps,
                                  [] { return false; });
    if (!skipped.ok()) return skipped.status();
    const auto ran = RunUntil(**simulator, workload, ~uint64_t{0}, piece, [&] {
      return GuestFaultsOf(**simulator) >= fault;
    });
    if (!ran.ok()) return ran.status();
    const uint64_t faults = GuestFaultsOf(**simulator);
    if (faults < fault) {
      return absl::InvalidArgumentError(
          absl::StrCat("the workload has ", faults, " fault",
                       faults == 1 ? "" : "s", ", want one of them"));
    }
    if (piece == 1) return FoundOperation{before + *ran - 1, workload.Words()};
    before = (*ran - 1) / kPieceOps * kPieceOps;
  }
  return absl::InternalError("the fault is gone");
}

}  // namespace xmmu
