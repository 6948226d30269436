#ifndef XMMU_LIB_STUDY_STUDY_CHARTS_H_
#define XMMU_LIB_STUDY_STUDY_CHARTS_H_

// What pages show of studies as charts.
//
// Any thread.

#include "study/batches.h"
#include "study/claims.h"
#include "study/crossing_sensitivity.h"
#include "study/crossover.h"
#include "study/shadow_claims.h"
#include "study/shadow_study.h"
#include "xmmu/report/chart.h"

namespace xmmu {

// Cycles an update by the number of updates, a line a way, with the numbers at
// which ways cross.
Chart CrossoverChart(const Crossover& crossover);
// Between which numbers of updates each crossing lies, whatever the prices.
Chart CrossingChart(const SweptCrossover& swept);
// How many times the cycles of one row another one takes, over all samples.
Chart OrderChart(const Comparison& comparison, const Sensitivity& sensitivity);
// Tables closed, by the updates that were found in them.
Chart BatchChart(const Batches& batches);
// Cycles of each event, and of each workload as a multiple of bare hardware's.
Chart ShadowEventChart(const ShadowStudy& study);
Chart ShadowWorkloadChart(const ShadowStudy& study);
// How many answers to each claim of each pair stand whatever the prices.
Chart ShadowClaimChart(const SweptShadowStudy& swept);

}  // namespace xmmu

#endif  // XMMU_LIB_STUDY_STUDY_CHARTS_H_
