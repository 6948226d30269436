#ifndef XMMU_LIB_STUDY_PUBLISHED_PUBLISHED_STUDIES_H_
#define XMMU_LIB_STUDY_PUBLISHED_PUBLISHED_STUDIES_H_

// One function a published table, see study/published/published.h.

#include "absl/status/statusor.h"
#include "study/published/published.h"

namespace xmmu {

absl::StatusOr<PublishedTable> MeasureSosp03();
absl::StatusOr<PublishedTable> MeasureAsplos06();
absl::StatusOr<PublishedTable> MeasureVmExits();
absl::StatusOr<PublishedTable> MeasureFigures();

}  // namespace xmmu

#endif  // XMMU_LIB_STUDY_PUBLISHED_PUBLISHED_STUDIES_H_
