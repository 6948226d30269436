#include "study/published/published.h"

#include <array>

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

absl::StatusOr<PublishedTable> MeasurePublished(PublishedStudy study) {
  switch (study) {
    case PublishedStudy::kSosp03:
      return MeasureSosp03();
    case PublishedStudy::kAsplos06:
      return MeasureAsplos06();
    case PublishedStudy::kVmExit:
      return MeasureVmExits();
    case PublishedStudy::kFigures:
      return MeasureFigures();
  }
  XMMU_CHECK(false && "all studies are above");
  return PublishedTable();
}

}  // namespace xmmu
