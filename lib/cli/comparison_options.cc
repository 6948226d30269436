#include "cli/comparison_options.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "cli/run_options.h"
#include "xmmu/sim/run_fields.h"

namespace xmmu::cli {
namespace {

constexpr char kAll[] = "all";
constexpr char kAllAndVariants[] = "all+variants";
constexpr std::string_view kDefaultPolicies[] = {"native", "pinning",
                                                 "trap-and-emulate"};

// Reads the list of the option with that key into `values`: what `member` of
// the options of a row becomes by each name. "all" stands for all names.
template <typename Member, typename T>
absl::Status ReadNames(const Arguments& arguments, std::string_view key,
                       Member SimulatorOptions::*member,
                       std::vector<T>& values) {
  const RunField& field = *FindRunField(key);
  const std::string flag(field.flag);
  auto list = arguments.List(flag);
  if (!list.ok()) return list.status();
  if (*list == std::vector<std::string>{kAll}) {
    list->clear();
    for (const std::string_view name : field.names()) list->emplace_back(name);
  }
  for (const std::string& name : *list) {
    SimulatorOptions row;
    const absl::Status status = field.set(name, row);
    if (!status.ok()) {
      return arguments.Refuse(flag, name, std::string(status.message()));
    }
    const std::optional<T> value = row.*member;
    values.push_back(*value);
  }
  return absl::OkStatus();
}

absl::Status SetPolicies(const Arguments& arguments, const Catalog& catalog,
                         ComparisonOptions& options) {
  const auto given = arguments.List("policies");
  if (!given.ok()) return given.status();
  std::vector<std::string> names = *given;
  if (names.empty()) {
    names.assign(std::begin(kDefaultPolicies), std::end(kDefaultPolicies));
  }
  options.policies.clear();
  const bool variants = names.front() == kAllAndVariants;
  if (names.front() == kAll || variants) {
    options.leave_out_unsupported = true;
    names.clear();
    for (const PolicyRow& row : catalog.policies()) {
      if (row.variant_of.empty() || variants) names.push_back(row.name);
    }
  }
  for (const std::string& name : names) {
    const PolicyRow* const row = catalog.FindPolicy(name);
    if (row == nullptr) {
      std::vector<std::string_view> known = catalog.PolicyNames();
      known.insert(known.end(), {kAll, kAllAndVariants});
      return arguments.Refuse("policies", name, WantedName(name, known));
    }
    options.policies.push_back({row->name, row->make});
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ComparisonOptions> ComparisonOf(const Arguments& arguments,
                                               const Catalog& catalog) {
  ComparisonOptions options;
  auto base = BaseOf(arguments, catalog);
  if (!base.ok()) return base.status();
  options.base = *std::move(base);
  absl::Status status = SetPolicies(arguments, catalog, options);
  if (!status.ok()) return status;
  const auto shares = arguments.IsOn("share-file-pages");
  if (!shares.ok()) return shares.status();
  options.share_file_pages = *shares;
  status = ReadNames(arguments, "guest_ops", &SimulatorOptions::guest_ops,
                     options.guest_ops);
  if (status.ok()) {
    status = ReadNames(arguments, "pin", &SimulatorOptions::pin, options.pins);
  }
  if (status.ok()) {
    status = ReadNames(arguments, "linear_map", &SimulatorOptions::linear_map,
                       options.linear_maps);
  }
  if (status.ok()) {
    status = ReadNames(arguments, "thp", &SimulatorOptions::thp, options.thps);
  }
  if (!status.ok()) return status;
  return options;
}

absl::Status CheckEffects(const Arguments& arguments,
                          const ComparisonPlan& plan) {
  const bool paravirtual = std::any_of(
      plan.rows.begin(), plan.rows.end(),
      [](const SimulatorOptions& row) { return row.pin.has_value(); });
  if (paravirtual) return absl::OkStatus();
  constexpr std::string_view kOfParavirtual[] = {
      "guest-ops", "pin", "linear-map", "share-file-pages"};
  return arguments.WantsFor(
      "a policy that has paravirtual guests, see xmmu list policies",
      kOfParavirtual);
}

}  // namespace xmmu::cli
