#ifndef XMMU_LIB_STUDY_SHADOW_STUDY_H_
#define XMMU_LIB_STUDY_SHADOW_STUDY_H_

// The questions that were asked about shadow page tables, answered by
// measuring: "Page fault is 4 times faster with XI shadow mechanism"
// (xen-devel, July 2006) - which fault, in which workload, on which machine,
// and what else is faster or slower; what Xen's own shadows gained from 2006 to
// 2008; what backlinks are worth against searching.
//
// Each strategy is measured by single events (study/events.h) and over whole
// workloads, and held against its predecessor.
//
// Called by one thread; runs as many simulations at a time as Jobs::threads says.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "study/events.h"
#include "xmmu/report/document.h"
#include "xmmu/sim/compare.h"

namespace xmmu {

// Two strategies of which the second was to be the better one.
struct ShadowPair {
  std::string_view older;
  std::string_view newer;
};

// All pairs that a study holds against each other.
std::span<const ShadowPair> ShadowPairs();

struct ShadowStudy {
  std::string machine;
  std::string machine_description;
  PagingMode mode = PagingMode::kPae;
  int vcpus = 1;
  std::vector<std::string> policies;  // bare hardware first
  std::vector<EventCosts> events;     // by policy
  std::vector<Comparison> workloads;  // a row each by policy
  CostTable costs{};                  // what was charged by, no sources
};

// Measures all events and runs all workloads under each strategy. Of `base`,
// machine, mode, timing, memory and vcpus count.
// Errors: those of MeasureEvents and of RunComparison.
absl::StatusOr<ShadowStudy> MeasureShadowStudy(
    const SimulatorOptions& base, std::span<const WorkloadFactory> workloads,
    const Jobs& jobs = {});

// Measures the same on each of `bases`: a job for a strategy's events, and one
// for a strategy and workload. Errors: as MeasureShadowStudy(), that of the first
// base and job that has any.
absl::StatusOr<std::vector<ShadowStudy>> MeasureShadowStudies(
    std::span<const SimulatorOptions> bases,
    std::span<const WorkloadFactory> workloads, const Jobs& jobs = {});

// Cycles of both of a pair, for one event or workload.
struct ShadowRatio {
  std::string name;
  uint64_t native = 0;
  uint64_t older = 0;
  uint64_t newer = 0;

  // How many times the newer one's cycles the older one takes.
  double total() const;
  // As total(), counting only the cycles beyond bare hardware's; 0 if the newer
  // one takes none.
  double beyond_native() const;
};

// Returns the ratio of each event, then of each workload.
std::vector<ShadowRatio> RatiosOf(const ShadowStudy& study,
                                  const ShadowPair& pair);

// The document of studies.
//   text   tables of events, components, workloads and memory, and the answers
//          in words
//   data   an object a study
//   table  a line for each policy and event or workload; cycles of a component
//          as cycles_<name>
Document ShadowStudyDocument(const std::vector<ShadowStudy>& studies);

}  // namespace xmmu

#endif  // XMMU_LIB_STUDY_SHADOW_STUDY_H_
