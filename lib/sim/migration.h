#ifndef XMMU_LIB_SIM_MIGRATION_H_
#define XMMU_LIB_SIM_MIGRATION_H_

#include <span>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "xmmu/policy/policy.h"
#include "xmmu/sim/migration.h"
#include "xmmu/workload/workload.h"
#include "xmmu/xen/host.h"

namespace xmmu {

// A workload during which the domain that it runs on is migrated: the same
// operations, in smaller pieces, and between two of them the toolstack's work.
// That is done on CPU 0 (assumed: where the toolstack's domain runs), and no
// vCPU goes on before it is done.
class MigratingWorkload final : public Workload {
 public:
  // All outlive it; what happens is added to `report`.
  MigratingWorkload(Workload& workload, Host& host, Policy& policy,
                    Domain& domain, const MigrationOptions& options,
                    MigrationReport& report)
      : workload_(workload),
        host_(host),
        policy_(policy),
        domain_(domain),
        options_(options),
        report_(report) {}

  std::string name() const override { return workload_.name(); }
  TaskId first_task() const override { return workload_.first_task(); }
  absl::StatusOr<std::span<const GuestOp>> Next(TaskId task) override;

  // The workload is over: so is the migration.
  void Finish();

 private:
  enum class State : uint8_t { kBefore, kLogging, kAfter };

  void Start();
  void Round();
  void Stop();
  // `call(cpu)` is made by the toolstack.
  template <typename Call>
  void Domctl(Call call);

  Workload& workload_;
  Host& host_;
  Policy& policy_;
  Domain& domain_;
  const MigrationOptions options_;
  MigrationReport& report_;
  State state_ = State::kBefore;
  LogDirty* log_ = nullptr;
  int rounds_ = 0;
  uint64_t until_round_ = 0;  // operations
  // What is left of the pieces handed on. Only looked up.
  absl::flat_hash_map<TaskId, std::span<const GuestOp>> rest_;
};

}  // namespace xmmu

#endif  // XMMU_LIB_SIM_MIGRATION_H_
