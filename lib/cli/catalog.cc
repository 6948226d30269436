#include "cli/catalog.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "xmmu/workload/synthetic.h"

namespace xmmu::cli {
namespace {

// Names stand in CSV, so only these characters are allowed, as in those that
// Simulator takes.
bool IsName(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
           (c >= 'a' && c <= 'z') ||
           std::string_view("._-+").find(c) != std::string_view::npos;
  });
}

// Errors: InvalidArgument if `name` can be none, or is one of `taken`.
absl::Status CheckNew(std::string_view what, std::string_view name,
                      std::span<const std::string_view> taken) {
  if (!IsName(name) || name == "all" || name == "all+variants") {
    return absl::InvalidArgumentError(absl::StrCat(
        "extension: ", Abs(what), " '", Abs(name),
        "': want a name of letters, digits, '.', '_', '-' and '+'"));
  }
  if (std::find(taken.begin(), taken.end(), name) == taken.end()) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "extension: ", Abs(what), " '", Abs(name), "': want a name not taken"));
}

absl::Status LacksFactory(std::string_view what, std::string_view name) {
  return absl::InvalidArgumentError(absl::StrCat(
      "extension: ", Abs(what), " '", Abs(name), "': want a factory"));
}

std::vector<std::string_view> WorkloadNames(
    std::span<const WorkloadRow> workloads) {
  std::vector<std::string_view> names;
  for (const WorkloadRow& row : workloads) names.push_back(row.name);
  return names;
}

}  // namespace

absl::StatusOr<Catalog> Catalog::Make(const Extensions& extensions) {
  Catalog catalog;
  for (const PolicyEntry& entry : Policies()) {
    catalog.policies_.push_back({std::string(entry.name),
                                 std::string(entry.help),
                                 std::string(entry.variant_of),
                                 {}});
  }
  for (const SyntheticWorkload& workload : SyntheticWorkloads()) {
    catalog.workloads_.push_back({std::string(workload.name),
                                  std::string(workload.help),
                                  workload.parameters});
  }
  for (const MachineModel* machine : Machines()) {
    // Presets live as long as the program.
    catalog.machines_.emplace_back(SharedMachine(), machine);
  }
  absl::Status status = catalog.Add(extensions);
  if (!status.ok()) return status;
  return catalog;
}

absl::Status Catalog::Add(const Extensions& extensions) {
  for (const OwnPolicy& own : extensions.policies) {
    absl::Status status = CheckNew("policy", own.name, PolicyNames());
    if (!status.ok()) return status;
    if (!own.make) return LacksFactory("policy", own.name);
    policies_.push_back({own.name, own.help, "", own.make});
  }
  for (const OwnWorkload& own : extensions.workloads) {
    absl::Status status =
        CheckNew("workload", own.name, WorkloadNames(workloads_));
    if (!status.ok()) return status;
    if (!own.make) return LacksFactory("workload", own.name);
    workloads_.push_back({own.name, own.help, own.parameters, &own});
  }
  for (const MachineModel& own : extensions.machines) {
    absl::Status status = CheckNew("machine", own.name, MachineNames());
    if (!status.ok()) return status;
    machines_.push_back(std::make_shared<const MachineModel>(own));
  }
  return absl::OkStatus();
}

std::vector<std::string_view> Catalog::PolicyNames() const {
  std::vector<std::string_view> names;
  for (const PolicyRow& row : policies_) names.push_back(row.name);
  return names;
}

std::vector<std::string_view> Catalog::MachineNames() const {
  std::vector<std::string_view> names;
  for (const SharedMachine& machine : machines_) names.push_back(machine->name);
  return names;
}

const PolicyRow* Catalog::FindPolicy(std::string_view name) const {
  for (const PolicyRow& row : policies_) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

SharedMachine Catalog::FindMachine(std::string_view name) const {
  for (const SharedMachine& machine : machines_) {
    if (machine->name == name) return machine;
  }
  return nullptr;
}

absl::StatusOr<std::unique_ptr<Workload>> Catalog::MakeWorkload(
    const std::string& spec) const {
  const std::string name = spec.substr(0, spec.find(':'));
  for (const WorkloadRow& row : workloads_) {
    if (row.name != name) continue;
    if (row.own == nullptr) return MakeSyntheticWorkload(spec);
    auto values = WorkloadValues({row.name, row.help, row.parameters}, spec);
    if (!values.ok()) return values.status();
    return row.own->make(*values);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("no workload '", name,
                   "': ", WantedName(name, WorkloadNames(workloads_))));
}

}  // namespace xmmu::cli
