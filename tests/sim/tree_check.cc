#include "sim/tree_check.h"

#include <deque>
#include <fstream>
#include <iterator>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
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

using VisitOps = absl::FunctionRef<void(TaskId, std::span<const GuestOp>)>;

// Reads all streams, one span of each in turn, to the first error.
absl::Status ReadToEnd(const std::vector<std::string>& files, VisitOps visit) {
  const auto workload = OpenLackeyTrace(files, {});
  if (!workload.ok()) return workload.status();
  std::deque<TaskId> ready{(*workload)->first_task()};
  while (!ready.empty()) {
    const TaskId task = ready.front();
    ready.pop_front();
    const auto ops = (*workload)->Next(task);
    if (!ops.ok()) return ops.status();
    visit(task, *ops);
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
  const absl::Status status = ReadToEnd(files, [](TaskId, auto) {});
  if (status.code() == absl::StatusCode::kInvalidArgument &&
      absl::StartsWith(status.message(), where) &&
      !absl::StrContains(status.message(), '\n')) {
    return "";
  }
  return absl::StrCat(where, impossible.what, ": ", status.ToString());
}

// All that TreeProcess maps is above; clone writes a child's number below, into
// what exec has mapped.
constexpr VirtAddr kImagesEnd{0x5000000};

// A mapping that a copy has shown is an operation of the same call, before it.
std::string CheckCopiesOfTree(Choices& choices, const std::string& directory) {
  const auto files = WriteLogs(MakeTreeLogs(choices, false), directory);
  std::string found;
  std::map<TaskId, GuestOp> last;
  const absl::Status status =
      ReadToEnd(files, [&](TaskId task, std::span<const GuestOp> ops) {
        for (const GuestOp& op : ops) {
          const GuestOp before = std::exchange(last[task], op);
          const bool copies = op.kind == GuestOpKind::kCopyIn ||
                              op.kind == GuestOpKind::kCopyOut;
          const bool shows = copies && before.kind == GuestOpKind::kMap &&
                             (before.flags & kCallGoesOn) != 0;
          if (!shows || before.va < kImagesEnd) continue;
          found = absl::StrFormat("process %d copies at 0x%x in a hole", task,
                                  before.va.value());
        }
      });
  return status.ok() ? found : status.ToString();
}

}  // namespace xmmu
