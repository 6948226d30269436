#include "sim/tree_check.h"

#include <deque>
#include <fstream>
#include <iterator>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "xmmu/policy/policies.h"
#include "xmmu/sim/compare.h"
#include "xmmu/workload/lackey_trace.h"

namespace xmmu {
namespace {

std::vector<std::string> WriteLogs(const TreeLogs& tree,
                                   const std::string& directory) {
  std::vector<std::string> files;
  for (const TreeLogs::Log& log : tree.logs) {
    files.push_back(absl::StrCat(directory, "/", log.name));
    std::ofstream(files.back(), std::ios::binary) << log.text;
  }
  return files;
}

ComparisonOptions AnyOptions(Choices& choices) {
  constexpr PagingMode kModes[] = {PagingMode::k2Level, PagingMode::kPae,
                                   PagingMode::k4Level};
  constexpr const char* kMachines[] = {"xeon-2003", "opteron-2005",
                                       "skylake-2017", "zen3-2020"};
  constexpr int kVcpus[] = {1, 1, 2, 4};
  constexpr int kFaultAround[] = {1, 4, 16};
  ComparisonOptions options;
  options.policies.clear();
  for (const PolicyEntry& policy : Policies()) {
    options.policies.push_back({std::string(policy.name), {}});
  }
  options.leave_out_unsupported = true;
  SimulatorOptions& base = options.base;
  base.mode = kModes[choices.Below(std::size(kModes))];
  base.machine = kMachines[choices.Below(std::size(kMachines))];
  base.guest_memory_bytes = uint64_t{64} << 20;
  base.vcpus = kVcpus[choices.Below(std::size(kVcpus))];
  base.quantum_ops = choices.OneIn(2) ? 7 : 5000;
  base.fault_around_pages =
      kFaultAround[choices.Below(std::size(kFaultAround))];
  base.fork_copies_all = choices.OneIn(4);
  base.keeps_tables = choices.OneIn(4);
  base.domains = choices.OneIn(4) ? 2 : 1;
  options.share_file_pages = choices.OneIn(2);
  if (choices.OneIn(2)) {
    options.guest_ops.assign(AllGuestOps().begin(), AllGuestOps().end());
  }
  if (choices.OneIn(2)) {
    options.pins.assign(AllPinWhen().begin(), AllPinWhen().end());
  }
  return options;
}

std::string Describe(const ComparisonOptions& options) {
  return absl::StrCat(LevelCount(options.base.mode), " levels, ",
                      options.base.machine, ", ", options.base.vcpus,
                      " vCPUs, ", options.base.domains, " domains, ",
                      *options.base.fault_around_pages, " around, quantum ",
                      *options.base.quantum_ops);
}

// Reads all streams, one span of each in turn, to the first error.
absl::Status ReadToEnd(const std::vector<std::string>& files) {
  const auto workload = OpenLackeyTrace(files, {});
  if (!workload.ok()) return workload.status();
  std::deque<TaskId> ready{(*workload)->first_task()};
  while (!ready.empty()) {
    const TaskId task = ready.front();
    ready.pop_front();
    const auto ops = (*workload)->Next(task);
    if (!ops.ok()) return ops.status();
    if (ops->back().kind != GuestOpKind::kExit) ready.push_back(task);
    for (const GuestOp& op : *ops) {
      if (StartsTask(op.kind)) ready.push_back(op.child);
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::string CheckTree(Choices& choices, const std::string& directory) {
  const ComparisonOptions options = AnyOptions(choices);
  const auto files = WriteLogs(MakeTreeLogs(choices, false), directory);
  const absl::StatusOr<Comparison> comparison =
      Compare(options, [&](const SimulatorOptions& row) {
        TraceOptions lackey;
        if (row.mode != PagingMode::k4Level) lackey.address_limit = 0xC0000000;
        return OpenLackeyTrace(files, lackey);
      });
  if (!comparison.ok()) {
    return absl::StrCat(Describe(options), ": ",
                        comparison.status().ToString());
  }
  for (const ReportRow& row : comparison->rows) {
    const auto& first = comparison->rows.front().not_compared;
    if (row.not_compared.accesses != first.accesses ||
        row.not_compared.pages != first.pages ||
        row.not_compared.threaded_spaces != first.threaded_spaces) {
      return absl::StrCat(Describe(options), ": ", RowLabel(row),
                          " leaves out something else");
    }
  }
  return "";
}

std::string CheckImpossibleTree(Choices& choices,
                                const std::string& directory) {
  const TreeLogs tree = MakeTreeLogs(choices, true);
  const auto files = WriteLogs(tree, directory);
  const TreeLogs::Impossible& impossible = *tree.impossible;
  const std::string where =
      absl::StrCat(files[impossible.log], ":", impossible.line, ": ");
  const absl::Status status = ReadToEnd(files);
  if (status.code() == absl::StatusCode::kInvalidArgument &&
      absl::StartsWith(status.message(), where) &&
      !absl::StrContains(status.message(), '\n')) {
    return "";
  }
  return absl::StrCat(where, impossible.what, ": ", status.ToString());
}

}  // namespace xmmu
