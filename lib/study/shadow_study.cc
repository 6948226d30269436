#include "study/shadow_study.h"

#include <algorithm>
#include <array>
#include <utility>

namespace xmmu {
namespace {

constexpr std::array<ShadowPair, 3> kPairs = {{
    {"shadow-2005", "xi-shadow"},
    {"shadow-2006", "shadow-2008"},
    {"xi-shadow-search", "xi-shadow"},
}};

// Returns bare hardware, both of each pair, and nested paging, which came after
// all of them.
std::vector<std::string> PoliciesStudied() {
  std::vector<std::string> names = {"native"};
  const auto add = [&](std::string_view name) {
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      names.emplace_back(name);
    }
  };
  for (const ShadowPair& pair : kPairs) {
    add(pair.older);
    add(pair.newer);
  }
  add("nested-paging");
  return names;
}

size_t IndexOfPolicy(const ShadowStudy& study, std::string_view name) {
  const auto it = std::find(study.policies.begin(), study.policies.end(), name);
  return static_cast<size_t>(it - study.policies.begin());
}

double Quotient(uint64_t a, uint64_t b) {
  return b == 0 ? 0 : static_cast<double>(a) / static_cast<double>(b);
}

}  // namespace

std::span<const ShadowPair> ShadowPairs() { return kPairs; }

absl::StatusOr<ShadowStudy> MeasureShadowStudy(
    const SimulatorOptions& base, std::span<const WorkloadFactory> workloads) {
  ShadowStudy study;
  study.mode = base.mode;
  study.vcpus = base.vcpus;
  study.policies = PoliciesStudied();
  const absl::StatusOr<MachineModel> machine = MachineOf(base);
  if (!machine.ok()) return machine.status();
  study.machine = std::string(machine->name);
  study.machine_description = std::string(machine->description);
  study.costs = machine->costs;
  for (CostConstant& cost : study.costs) cost.source = {};
  ComparisonOptions comparison;
  comparison.base = base;
  comparison.policies.clear();
  for (const std::string& policy : study.policies) {
    SimulatorOptions options = base;
    options.policy = policy;
    absl::StatusOr<EventCosts> costs = MeasureEvents(options);
    if (!costs.ok()) return costs.status();
    study.events.push_back(*std::move(costs));
    comparison.policies.push_back({policy, {}});
  }
  for (const WorkloadFactory& workload : workloads) {
    absl::StatusOr<Comparison> rows = Compare(comparison, workload);
    if (!rows.ok()) return rows.status();
    study.workloads.push_back(*std::move(rows));
  }
  return study;
}

double ShadowRatio::total() const { return Quotient(older, newer); }

double ShadowRatio::beyond_native() const {
  const uint64_t less = newer > native ? newer - native : 0;
  return Quotient(older > native ? older - native : 0, less);
}

std::vector<ShadowRatio> RatiosOf(const ShadowStudy& study,
                                  const ShadowPair& pair) {
  const size_t older = IndexOfPolicy(study, pair.older);
  const size_t newer = IndexOfPolicy(study, pair.newer);
  std::vector<ShadowRatio> ratios;
  for (const GuestEventEntry& entry : GuestEvents()) {
    const auto event = static_cast<size_t>(entry.event);
    ratios.push_back({std::string(entry.name),
                      study.events.front()[event].cycles(),
                      study.events[older][event].cycles(),
                      study.events[newer][event].cycles()});
  }
  for (const Comparison& workload : study.workloads) {
    const auto cycles = [&](size_t row) {
      return workload.rows[row].cost.cycles.count();
    };
    ratios.push_back(
        {workload.workload, cycles(0), cycles(older), cycles(newer)});
  }
  return ratios;
}

}  // namespace xmmu
