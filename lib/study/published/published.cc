#include "study/published/published.h"

#include <array>
#include <utility>

#include "base/job_list.h"
#include "study/published/published_studies.h"
#include "xmmu/base/check.h"

namespace xmmu {
namespace {

constexpr std::array<PublishedStudyEntry, 4> kStudies = {{
    {PublishedStudy::kSosp03, "sosp03",
     "lmbench on Linux and on the first Xen, 2.4 GHz Xeon (SOSP'03)"},
    {PublishedStudy::kAsplos06, "asplos06",
     "nanobenchmarks of a hypervisor with shadows on VT-x (ASPLOS'06)"},
    {PublishedStudy::kVmExit, "vmexit",
     "VM exits by generation of processors; flushes of pages"},
    {PublishedStudy::kFigures, "figures",
     "single figures from Xen's history and from papers"},
}};

void AddJobs(PublishedStudy study, PublishedTable& table, JobList& jobs) {
  switch (study) {
    case PublishedStudy::kSosp03:
      return AddSosp03(table, jobs);
    case PublishedStudy::kAsplos06:
      return AddAsplos06(table, jobs);
    case PublishedStudy::kVmExit:
      return AddVmExits(table, jobs);
    case PublishedStudy::kFigures:
      return AddFigures(table, jobs);
  }
  XMMU_CHECK(false && "all studies are above");
}

}  // namespace

std::span<const PublishedStudyEntry> PublishedStudies() { return kStudies; }

std::optional<PublishedStudy> ParsePublishedStudy(std::string_view name) {
  for (const PublishedStudyEntry& entry : kStudies) {
    if (entry.name == name) return entry.study;
  }
  return std::nullopt;
}

std::optional<double> PublishedCell::gap() const {
  if (!theirs.has_value() || !ours.has_value() || *theirs == 0) {
    return std::nullopt;
  }
  return 100 * (*ours - *theirs) / *theirs;
}

absl::StatusOr<PublishedTable> MeasurePublished(PublishedStudy study,
                                                const Jobs& jobs) {
  auto tables = MeasurePublishedTables({&study, 1}, jobs);
  if (!tables.ok()) return tables.status();
  return std::move(tables->front());
}

absl::StatusOr<std::vector<PublishedTable>> MeasurePublishedTables(
    std::span<const PublishedStudy> studies, const Jobs& jobs) {
  std::vector<PublishedTable> tables(studies.size());
  JobList list;
  for (size_t i = 0; i < studies.size(); ++i) {
    AddJobs(studies[i], tables[i], list);
  }
  absl::Status status = list.Run(jobs);
  if (!status.ok()) return status;
  return tables;
}

}  // namespace xmmu
