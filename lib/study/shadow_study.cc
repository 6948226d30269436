#include "study/shadow_study.h"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "base/job_list.h"
#include "sim/comparison_run.h"

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

// One study on its way: its jobs write into it, each at a place of its own.
class ShadowStudyRun {
 public:
  // This outlives the jobs.
  absl::Status AddJobs(const SimulatorOptions& base,
                       std::span<const WorkloadFactory> workloads,
                       const Jobs& jobs, JobList& list) {
    const absl::StatusOr<MachineModel> machine = MachineOf(base);
    if (!machine.ok()) return machine.status();
    study_.mode = base.mode;
    study_.vcpus = base.vcpus;
    study_.policies = PoliciesStudied();
    study_.machine = std::string(machine->name);
    study_.machine_description = std::string(machine->description);
    study_.costs = machine->costs;
    for (CostConstant& cost : study_.costs) cost.source = {};
    AddEvents(base, list);
    return AddWorkloads(base, workloads, jobs, list);
  }

  // REQUIRES: the jobs have been run without an error.
  absl::StatusOr<ShadowStudy> Finish() {
    for (const auto& run : workloads_) {
      absl::StatusOr<Comparison> rows = run->Finish();
      if (!rows.ok()) return rows.status();
      study_.workloads.push_back(*std::move(rows));
    }
    return std::move(study_);
  }

 private:
  void AddEvents(const SimulatorOptions& base, JobList& list) {
    study_.events.resize(study_.policies.size());
    for (size_t i = 0; i < study_.policies.size(); ++i) {
      list.Add([this, base, i](const std::stop_token& stop) {
        SimulatorOptions options = base;
        options.policy = study_.policies[i];
        options.stop = stop;
        absl::StatusOr<EventCosts> costs = MeasureEvents(options);
        if (costs.ok()) study_.events[i] = *std::move(costs);
        return costs.status();
      });
    }
  }

  absl::Status AddWorkloads(const SimulatorOptions& base,
                            std::span<const WorkloadFactory> workloads,
                            const Jobs& jobs, JobList& list) {
    if (workloads.empty()) return absl::OkStatus();
    ComparisonOptions comparison;
    comparison.base = base;
    comparison.jobs = jobs;
    comparison.policies.clear();
    for (const std::string& policy : study_.policies) {
      comparison.policies.push_back({policy, {}});
    }
    const absl::StatusOr<ComparisonPlan> plan = PlanComparison(comparison);
    if (!plan.ok()) return plan.status();
    for (const WorkloadFactory& workload : workloads) {
      workloads_.push_back(std::make_unique<ComparisonRun>(*plan, workload));
      workloads_.back()->AddJobs(list);
    }
    return absl::OkStatus();
  }

  ShadowStudy study_;
  std::vector<std::unique_ptr<ComparisonRun>> workloads_;
};

}  // namespace

std::span<const ShadowPair> ShadowPairs() { return kPairs; }

absl::StatusOr<ShadowStudy> MeasureShadowStudy(
    const SimulatorOptions& base, std::span<const WorkloadFactory> workloads,
    const Jobs& jobs) {
  absl::StatusOr<std::vector<ShadowStudy>> all =
      MeasureShadowStudies({&base, 1}, workloads, jobs);
  if (!all.ok()) return all.status();
  return std::move(all->front());
}

absl::StatusOr<std::vector<ShadowStudy>> MeasureShadowStudies(
    std::span<const SimulatorOptions> bases,
    std::span<const WorkloadFactory> workloads, const Jobs& jobs) {
  std::vector<std::unique_ptr<ShadowStudyRun>> runs;
  JobList list;
  for (const SimulatorOptions& base : bases) {
    runs.push_back(std::make_unique<ShadowStudyRun>());
    absl::Status status = runs.back()->AddJobs(base, workloads, jobs, list);
    if (!status.ok()) return status;
  }
  absl::Status status = list.Run(jobs);
  if (!status.ok()) return status;
  std::vector<ShadowStudy> studies;
  for (const auto& run : runs) {
    auto study = run->Finish();
    if (!study.ok()) return study.status();
    studies.push_back(*std::move(study));
  }
  return studies;
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
