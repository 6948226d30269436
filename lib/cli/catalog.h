#ifndef XMMU_LIB_CLI_CATALOG_H_
#define XMMU_LIB_CLI_CATALOG_H_

// What the program offers: the built-in policies, workloads and machines, and
// behind them those that Extensions add.

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "xmmu/cli/main.h"
#include "xmmu/machine/machine_model.h"
#include "xmmu/policy/policies.h"
#include "xmmu/sim/compare.h"
#include "xmmu/workload/workload.h"

namespace xmmu::cli {

struct PolicyRow {
  std::string name;
  std::string help;
  std::string variant_of;  // empty for a strategy of its own
  PolicyFactory make;      // null for a built-in one
};

struct WorkloadRow {
  std::string name;
  std::string help;
  std::span<const SyntheticParameter> parameters;
  const OwnWorkload* own = nullptr;  // nullptr for a built-in one
};

using SharedMachine = std::shared_ptr<const MachineModel>;

class Catalog {
 public:
  // `extensions` outlives the catalog.
  // Errors: InvalidArgument for a name that is taken or can be none, and for
  // what lacks its factory.
  static absl::StatusOr<Catalog> Make(const Extensions& extensions);

  std::span<const PolicyRow> policies() const { return policies_; }
  std::span<const WorkloadRow> workloads() const { return workloads_; }
  std::span<const SharedMachine> machines() const { return machines_; }

  std::vector<std::string_view> PolicyNames() const;
  std::vector<std::string_view> MachineNames() const;

  // The one of that name, or nullptr.
  const PolicyRow* FindPolicy(std::string_view name) const;
  SharedMachine FindMachine(std::string_view name) const;

  // The workload that `spec`, "NAME[:PARAMETER=NUMBER,...]", describes.
  // Errors: InvalidArgument with the word that is wrong and what would do.
  absl::StatusOr<std::unique_ptr<Workload>> MakeWorkload(
      const std::string& spec) const;

 private:
  absl::Status Add(const Extensions& extensions);

  std::vector<PolicyRow> policies_;
  std::vector<WorkloadRow> workloads_;
  std::vector<SharedMachine> machines_;
};

}  // namespace xmmu::cli

#endif  // XMMU_LIB_CLI_CATALOG_H_
