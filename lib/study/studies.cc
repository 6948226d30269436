#include "xmmu/study/studies.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "study/batches.h"
#include "study/crossing_sensitivity.h"
#include "study/crossover.h"
#include "study/published/published.h"
#include "study/shadow_claims.h"
#include "study/shadow_study.h"

namespace xmmu {
namespace {

absl::Status WantsBases(const StudyRequest& request) {
  if (!request.bases.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError("want a machine and mode at least");
}

// Each base with all ways that there are on it.
std::vector<BaseWays> AllWaysOf(const StudyRequest& request) {
  std::vector<BaseWays> all;
  for (const SimulatorOptions& base : request.bases) {
    all.push_back({base, AllUpdateWays(base.mode, request.variants)});
  }
  return all;
}

// What is no simulation is not counted beside them.
Jobs WithoutProgress(Jobs jobs) {
  jobs.progress = nullptr;
  return jobs;
}

absl::StatusOr<Document> RunCrossover(const StudyRequest& request) {
  if (absl::Status status = WantsBases(request); !status.ok()) return status;
  const auto all = MeasureCrossovers(AllWaysOf(request), request.jobs);
  if (!all.ok()) return all.status();
  if (!request.sweep.has_value()) return CrossoverDocument(*all);
  std::vector<SweptCrossover> swept;
  for (const Crossover& crossover : *all) {
    absl::Status status = CheckSweep(crossover.costs, *request.sweep);
    if (!status.ok()) return status;
    auto sensitivity = SweepCrossings(crossover, *request.sweep,
                                      WithoutProgress(request.jobs));
    if (!sensitivity.ok()) return sensitivity.status();
    swept.push_back({&crossover, *std::move(sensitivity)});
  }
  return CrossingSensitivityDocument(swept);
}

absl::StatusOr<Document> RunBatches(const StudyRequest& request) {
  if (absl::Status status = WantsBases(request); !status.ok()) return status;
  if (request.workloads.size() != 1) {
    return absl::InvalidArgumentError("want one workload");
  }
  const auto all = MeasureAllBatches(AllWaysOf(request),
                                     request.workloads.front(), request.jobs);
  if (!all.ok()) return all.status();
  return BatchesDocument(*all);
}

absl::StatusOr<Document> RunShadows(const StudyRequest& request) {
  if (absl::Status status = WantsBases(request); !status.ok()) return status;
  const auto studies =
      MeasureShadowStudies(request.bases, request.workloads, request.jobs);
  if (!studies.ok()) return studies.status();
  if (!request.sweep.has_value()) return ShadowStudyDocument(*studies);
  std::vector<SweptShadowStudy> swept;
  for (const ShadowStudy& study : *studies) {
    auto sensitivity =
        SweepShadowStudy(study, *request.sweep, WithoutProgress(request.jobs));
    if (!sensitivity.ok()) return sensitivity.status();
    swept.push_back({&study, *std::move(sensitivity)});
  }
  return ShadowSensitivityDocument(swept);
}

absl::StatusOr<Document> RunPublished(const StudyRequest& request) {
  std::vector<PublishedStudy> wanted;
  for (const std::string& name : request.tables) {
    const std::optional<PublishedStudy> study = ParsePublishedStudy(name);
    if (!study.has_value()) {
      return UnknownName(
          "table", name, PublishedStudies(),
          [](const PublishedStudyEntry& entry) { return entry.name; });
    }
    wanted.push_back(*study);
  }
  if (request.tables.empty()) {
    for (const PublishedStudyEntry& entry : PublishedStudies()) {
      wanted.push_back(entry.study);
    }
  }
  const auto tables = MeasurePublishedTables(wanted, request.jobs);
  if (!tables.ok()) return tables.status();
  return PublishedDocument(*tables);
}

constexpr Study kTable[] = {
    {"crossover",
     "what does a page-table update cost, and from how many updates on is "
     "which way of making them cheaper?",
     "bases, variants, sweep", &RunCrossover},
    {"batches",
     "how many page-table updates does a program make at a time, and which way "
     "of making them is cheaper for it?",
     "bases, variants, one of workloads", &RunBatches},
    {"shadows",
     "what do events and workloads cost under each kind of shadow page "
     "tables, and is the newer of two the faster one?",
     "bases, workloads, sweep", &RunShadows},
    {"published", "how do figures that others have measured compare with ours?",
     "tables", &RunPublished},
};

}  // namespace

std::span<const Study> Studies() { return kTable; }

const Study* FindStudy(std::string_view name) {
  const auto* const found =
      std::find_if(std::begin(kTable), std::end(kTable),
                   [&](const Study& study) { return study.name == name; });
  return found == std::end(kTable) ? nullptr : found;
}

}  // namespace xmmu
