#ifndef XMMU_LIB_STUDY_SHADOW_FIELDS_H_
#define XMMU_LIB_STUDY_SHADOW_FIELDS_H_

// The fields of a shadow study, for programs: a line of CSV or an object of
// JSON for each event and workload under each strategy.
//
// Any thread.

#include <vector>

#include "study/shadow_study.h"
#include "xmmu/report/records.h"

namespace xmmu {

// All of `study` as one object: its strategies, and what each of them took.
Record ShadowRecord(const ShadowStudy& study);

// A line for each event and workload of each of `studies` under each strategy.
Table ShadowCostTable(const std::vector<ShadowStudy>& studies);

}  // namespace xmmu

#endif  // XMMU_LIB_STUDY_SHADOW_FIELDS_H_
