#ifndef XMMU_LIB_STUDY_PUBLISHED_PUBLISHED_STUDIES_H_
#define XMMU_LIB_STUDY_PUBLISHED_PUBLISHED_STUDIES_H_

// One function a published table, see study/published/published.h. It fills in
// what is known of the table, and adds jobs that fill in the rest, each a row.
// The table outlives them.

#include "base/job_list.h"
#include "study/published/published.h"

namespace xmmu {

void AddSosp03(PublishedTable& table, JobList& jobs);
void AddAsplos06(PublishedTable& table, JobList& jobs);
void AddVmExits(PublishedTable& table, JobList& jobs);
void AddFigures(PublishedTable& table, JobList& jobs);

}  // namespace xmmu

#endif  // XMMU_LIB_STUDY_PUBLISHED_PUBLISHED_STUDIES_H_
