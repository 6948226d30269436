#include "study/claims.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/job_list.h"
#include "xmmu/base/check.h"

namespace xmmu {
namespace {

double RatioOr1(uint64_t more, uint64_t fewer) {
  if (fewer == 0) return 1;  // then `more` is 0, too
  return static_cast<double>(more) / static_cast<double>(fewer);
}

void SetRatios(const CostTally& fewer, const CostTally& more,
               const PriceSweep& sweep, OrderVerdict& order) {
  order.ratio =
      RatioOr1(Reprice(more, sweep.prices), Reprice(fewer, sweep.prices));
  order.ratio_least = order.ratio_most = order.ratio;
  for (const PriceList& prices : sweep.samples) {
    const double ratio =
        RatioOr1(Reprice(more, prices), Reprice(fewer, prices));
    order.ratio_least = std::min(order.ratio_least, ratio);
    order.ratio_most = std::max(order.ratio_most, ratio);
  }
}

void JudgeOrder(const std::vector<ReportRow>& rows, const PriceSweep& sweep,
                OrderVerdict& order) {
  const CostTally& fewer = rows[order.fewer].cost.tally;
  const CostTally& more = rows[order.more].cost.tally;
  order.verdict = JudgeSign(Difference(fewer, more), sweep);
  SetRatios(fewer, more, sweep, order);
}

// A sweep varies the machine's prices, by CostEvent; a policy's own have no
// place in it.
absl::Status CheckNoOwnEvents(const std::vector<ReportRow>& rows) {
  for (const ReportRow& row : rows) {
    if (row.own_events.empty()) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "sensitivity is of the machine's prices: policy ", row.policy,
        " has priced events of its own; want a comparison without it"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Sensitivity> SweepComparison(const Comparison& comparison,
                                            const SweepOptions& options,
                                            const Jobs& jobs) {
  if (comparison.options.vcpus != 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "sensitivity is of one vCPU, not of ", comparison.options.vcpus,
        ": with several, what happens depends on the prices"));
  }
  if (comparison.options.timing == MemoryTiming::kAllCaches) {
    return absl::InvalidArgumentError(
        "sensitivity is of timing flat or pte-caches: with all-caches, what "
        "was "
        "prefetched arrives by the clock");
  }
  if (absl::Status status = CheckSweep(comparison.costs, options); !status.ok())
    return status;
  if (absl::Status status = CheckNoOwnEvents(comparison.rows); !status.ok())
    return status;
  Sensitivity sensitivity;
  sensitivity.sweep = MakePriceSweep(comparison.costs, options);
  const std::vector<ReportRow>& rows = comparison.rows;
  for (size_t i = 0; i < rows.size(); ++i) {
    XMMU_CHECK(Reprice(rows[i].cost.tally, sensitivity.sweep.prices) ==
               rows[i].cost.cycles.count());
    for (size_t j = i + 1; j < rows.size(); ++j) {
      const bool in_order = rows[i].cost.cycles <= rows[j].cost.cycles;
      OrderVerdict& order = sensitivity.orders.emplace_back();
      order.fewer = in_order ? i : j;
      order.more = in_order ? j : i;
    }
  }
  absl::Status judged = ParallelFor(
      jobs, sensitivity.orders.size(), [&](size_t i, const std::stop_token&) {
        JudgeOrder(rows, sensitivity.sweep, sensitivity.orders[i]);
        return absl::OkStatus();
      });
  if (!judged.ok()) return judged;
  return sensitivity;
}

}  // namespace xmmu
