#ifndef XMMU_STUDY_STUDIES_H_
#define XMMU_STUDY_STUDIES_H_

// Studies: what takes many simulations to answer. Each is a row of a table, has
// a question for its help, and gives a Document.
//
//   StudyRequest request;
//   request.bases = {{.machine = "skylake-2017", .mode = PagingMode::k4Level}};
//   const auto document = FindStudy("crossover")->run(request);
//   if (document.ok()) std::cout << Render(*document, ReportFormat::kText);
//
// Called by one thread; runs as many simulations at a time as Jobs::threads says,
// and calls the workload factories accordingly (xmmu/sim/compare.h).

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "xmmu/base/jobs.h"
#include "xmmu/report/document.h"
#include "xmmu/sim/compare.h"
#include "xmmu/sim/options.h"
#include "xmmu/study/sweep_options.h"

namespace xmmu {

// What is asked. A study reads what its row says and nothing else.
struct StudyRequest {
  // The machines and modes, in the order of the report; of each, machine, mode,
  // timing, memory and vcpus count.
  std::vector<SimulatorOptions> bases = {};
  std::vector<WorkloadFactory> workloads = {};
  bool variants = false;  // variants of strategies are measured, too
  // Says as well what the answers rest on, by moving prices.
  std::optional<SweepOptions> sweep = std::nullopt;
  // Names of published tables; all of them if empty.
  std::vector<std::string> tables = {};
  // How the study's simulations are run; every study reads it. The document does
  // not depend on the number of threads.
  Jobs jobs = {};
};

struct Study {
  std::string_view name;   // "crossover"
  std::string_view help;   // the question, in a line
  std::string_view reads;  // members of StudyRequest that it reads
  // Errors: InvalidArgument if what it reads is missing or names nothing, or if
  // a sweep is asked of several vCPUs; those of Simulator::Create and Run;
  // Cancelled if a stop was requested.
  absl::StatusOr<Document> (*run)(const StudyRequest& request);
};

// All studies, in the order of their listing.
std::span<const Study> Studies();

// The study with that name, or nullptr.
const Study* FindStudy(std::string_view name);

}  // namespace xmmu

#endif  // XMMU_STUDY_STUDIES_H_
