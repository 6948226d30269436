#ifndef XMMU_LIB_STUDY_PRICE_SWEEP_H_
#define XMMU_LIB_STUDY_PRICE_SWEEP_H_

// What becomes of a statement about cycles when prices lie elsewhere in their
// bands. On one CPU, with no data through the caches, what happens does not
// depend on what it costs, so cycles are the tally times the prices, and "this
// takes fewer cycles than that" is the sign of a sum that is linear in each
// price: nothing is run again, and the price at which a statement turns is
// found exactly.
//
// Prices are swept independently of one another, also where one is derived from
// another's source (an L1 hit of the walker's and one of the guest kernel's):
// what holds throughout would hold if they were tied. What is not a price is
// not swept: geometry, features.
//
// Charges nothing. Plain values; any thread.

#include <array>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "xmmu/base/cycles.h"
#include "xmmu/machine/machine_model.h"
#include "xmmu/study/sweep_options.h"

namespace xmmu {

// A price that is swept from `low` to `high`, both included.
struct SweptPrice {
  CostEvent event = CostEvent::kAccess;
  uint32_t low = 0;
  uint32_t value = 0;
  uint32_t high = 0;
};

struct PriceSweep {
  SweepOptions options;
  PriceList prices{};             // the machine's own
  std::vector<SweptPrice> swept;  // in the order of events
  // Samples of all swept prices at once, a Latin hypercube: the band of a price
  // is cut into as many equal parts as there are samples, and each part is
  // drawn from once. They are made with std::mt19937_64, whose numbers the C++
  // standard fixes, and whole numbers, so that they are the same everywhere.
  std::vector<PriceList> samples;
};

// Errors: InvalidArgument for more samples than kMaxSweepSamples, and for a
// price that is not within the band to sweep.
absl::Status CheckSweep(const CostTable& costs, const SweepOptions& options);

// REQUIRES: CheckSweep() is OK.
PriceSweep MakePriceSweep(const CostTable& costs, const SweepOptions& options);

// Returns the cycles of `tally` at `prices`.
uint64_t Reprice(const CostTally& tally, const PriceList& prices);

// Coefficients of a linear form of the prices, by CostEvent.
using PriceForm = std::array<int64_t, kCostEventCount>;

// Returns times_a * a - times_b * b.
// REQUIRES: it fits into 63 bits, also once priced.
PriceForm Difference(const CostTally& a, const CostTally& b,
                     int64_t times_a = 1, int64_t times_b = 1);
int64_t ValueOf(const PriceForm& form, const PriceList& prices);
// Returns -1, 0 or 1.
int SignOf(int64_t value);

// One price that is not the machine's own.
struct PriceChange {
  CostEvent event = CostEvent::kAccess;
  uint32_t price = 0;
  bool operator==(const PriceChange&) const = default;
};

// How far the sign of a form stands.
struct SignVerdict {
  int sign = 0;  // at the machine's own prices
  // For each price that alone can make the sign another one: the first price
  // that does, from the machine's own on.
  std::vector<PriceChange> flips;
  // If no price can alone: the fewest that can together, each at the end of its
  // band. Empty if not even all can: the sign is the same whatever the prices.
  std::vector<PriceChange> together;
  uint32_t samples_against = 0;  // samples with another sign

  bool holds() const { return flips.empty() && together.empty(); }
};

SignVerdict JudgeSign(const PriceForm& form, const PriceSweep& sweep);

}  // namespace xmmu

#endif  // XMMU_LIB_STUDY_PRICE_SWEEP_H_
