#ifndef XMMU_LIB_STUDY_CLAIMS_H_
#define XMMU_LIB_STUDY_CLAIMS_H_

// How far the conclusions of a comparison stand when prices lie elsewhere in
// their bands: for each two rows, which of them takes fewer cycles. The cycles
// are serialised ones, whatever overlap is switched on.
//
// Charges nothing. Plain values; any thread.

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "study/price_sweep.h"
#include "xmmu/base/jobs.h"
#include "xmmu/report/report.h"
#include "xmmu/sim/results.h"

namespace xmmu {

// Two rows of a comparison, by their index.
struct OrderVerdict {
  size_t fewer = 0;  // takes fewer cycles, or as many
  size_t more = 0;
  // How far the sign of the difference stands: -1 where `fewer` takes fewer
  // cycles, 0 where it takes as many.
  SignVerdict verdict;
  // Cycles of `more` by cycles of `fewer`: as they are, and the least and the
  // most in any sample.
  double ratio = 0;
  double ratio_least = 0;
  double ratio_most = 0;
};

struct Sensitivity {
  PriceSweep sweep;
  std::vector<OrderVerdict> orders;  // of all pairs of rows
};

// Judges the order of each two rows of `comparison` at other prices, a job a
// pair.
// Errors: InvalidArgument for a comparison on several vCPUs, or with data
// through the caches, where what was prefetched arrives by the clock: there
// what happens depends on what it costs, and tallies cannot be priced anew; for
// a policy with priced events of its own, which no sweep varies. Cancelled if a
// stop was requested.
// REQUIRES: the rows were charged at the prices of comparison.costs.
absl::StatusOr<Sensitivity> SweepComparison(const Comparison& comparison,
                                            const SweepOptions& options,
                                            const Jobs& jobs = {});

// The document of a comparison with what it rests on.
//   text   that of ComparisonDocument(), then the conclusions in words
//   data   that of ComparisonDocument() with one key more, "sensitivity"
//   table  a line a pair of rows, instead of a line a row
Document SensitivityDocument(const Comparison& comparison,
                             const Sensitivity& sensitivity,
                             const RunIdentity& identity = {});
// Render() of it.
std::string FormatSensitivity(const Comparison& comparison,
                              const Sensitivity& sensitivity,
                              ReportFormat format,
                              const RunIdentity& identity = {});

}  // namespace xmmu

#endif  // XMMU_LIB_STUDY_CLAIMS_H_
