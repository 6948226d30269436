#ifndef XMMU_EXAMPLES_COMPARE_REQUEST_H_
#define XMMU_EXAMPLES_COMPARE_REQUEST_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "compare/machines.h"
#include "xmmu/report/report.h"
#include "xmmu/sim/compare.h"
#include "xmmu/sim/results.h"
#include "xmmu/workload/workload.h"

namespace xmmu::compare {

// What the command line asks for, each flag as it was given.
struct Flags {
  std::vector<std::string> traces;  // the arguments that are no flags
  std::string workload;
  std::vector<std::string> policies;
  std::string machine;  // empty: by the levels
  MachineFlags own_machine;
  std::optional<int> levels;  // not given: by the machine
  int vcpus = 1;
  int domains = 1;
  std::vector<std::string> guest_ops;
  std::vector<std::string> pin;
  std::vector<std::string> linear_map;
  bool flush_filter = false;
  bool share_file_pages = false;
  uint64_t memory_mib = 0;
  std::string timing;
  int walkers = 1;
  double overlap = 0;
  uint64_t quantum = 0;        // 0: the default
  int fault_around = 0;        // 0: the default
  int64_t flush_ceiling = 0;   // -1: the default
  int migrate = 0;             // rounds; 0: none
  uint64_t migrate_every = 0;  // operations
  std::string format;
};

// The same, checked.
struct Request {
  ComparisonOptions options;
  ReportFormat format = ReportFormat::kText;
  std::vector<std::string> traces;  // empty: `workload`
  std::string workload;
};

// Errors: InvalidArgument naming the flag, what it was and what would do.
absl::StatusOr<Request> CheckFlags(const Flags& flags);

// What --list-costs prints: every value of the machine that `flags` name, as
// --format has it.
// Errors: InvalidArgument naming the flag, what it was and what would do.
absl::StatusOr<std::string> ListCosts(const Flags& flags);

// The workload of `request` for a guest of `mode`.
// Errors: those of OpenLackeyTrace and MakeSyntheticWorkload.
absl::StatusOr<std::unique_ptr<Workload>> OpenWorkload(const Request& request,
                                                       PagingMode mode);

// All names that flags take, with a line on each.
std::string ListNames();

}  // namespace xmmu::compare

#endif  // XMMU_EXAMPLES_COMPARE_REQUEST_H_
