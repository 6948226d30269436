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

// A workload during which the domain that it runs on is migrated. It passes the
// same operations on in smaller pieces, and between two pieces does the
// toolstack's work. That is done on CPU 0 (assumed: the toolstack's domain runs
// there), and no vCPU goes on before it is done.
class MigratingWorkload final : public Workload {
 public:
  // All arguments outlive the workload. What happens is added to `report`.
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

  // Ends the migration, as the workload is over.
  void Finish();

 private:
  enum class State : uint8_t { kBefore, kLogging, kAfter };

  // Switches logging on and sends all pages; or notes why that is refused.
  void Start();
  // Fetches and clears the log and sends the pages found.
  void Round();
  void Stop();
  // Makes the toolstack's call `call(cpu)` and adds up what it costs.
  template <typename Call>
  void Domctl(Call call);

  Workload& workload_;
  Host& host_;
  Policy& policy_;
  Domain& domain_;
  const MigrationOptions options_;
  MigrationReport& report_;
  State state_ = State::kBefore;
  WriteLogging* log_ = nullptr;
  int rounds_ = 0;
  uint64_t until_round_ = 0;  // operations until the next round
  // The operations fetched and not yet passed on. The map is only looked up.
  absl::flat_hash_map<TaskId, std::span<const GuestOp>> rest_;
};

}  // namespace xmmu

#endif  // XMMU_LIB_SIM_MIGRATION_H_
