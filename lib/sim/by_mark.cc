#include "xmmu/sim/by_mark.h"

#include <algorithm>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "xmmu/base/check.h"

namespace xmmu {
namespace {

constexpr uint64_t kMaxCycles = 1'000'000'000'000'000'000;

uint64_t PowerOfTen(int exponent) {
  uint64_t power = 1;
  while (exponent-- > 0) power *= 10;
  return power;
}

// A share in whole units, and its remainder in units of 1 / whole.
struct Part {
  uint64_t units = 0;
  uint64_t rest = 0;
};

// Divides digit by digit, as the product with 10^decimals might not fit.
Part Divide(uint64_t part, uint64_t whole, int decimals) {
  Part result{part / whole, part % whole};
  for (int i = 0; i < decimals; ++i) {
    result.rest *= 10;
    result.units = result.units * 10 + result.rest / whole;
    result.rest %= whole;
  }
  return result;
}

// Writes `number` units of 10^-decimals as a decimal number.
std::string Fixed(uint64_t number, int decimals) {
  const uint64_t one = PowerOfTen(decimals);
  if (decimals == 0) return absl::StrCat(number);
  return absl::StrFormat("%d.%0*d", number / one, decimals, number % one);
}

}  // namespace

MarkCycles CyclesByMark(const CostTally& tally, const CostTable& costs) {
  MarkCycles cycles;
  for (size_t i = 0; i < kCostEventCount; ++i) {
    cycles[static_cast<size_t>(costs[i].mark)] +=
        Cycles(tally[i] * costs[i].value);
  }
  return cycles;
}

MarkCycles CyclesByMark(const Cost& cost, const CostTable& costs) {
  MarkCycles cycles = CyclesByMark(cost.tally, costs);
  for (size_t i = 0; i < kMarkCount; ++i) cycles[i] += cost.own_by_mark[i];
  return cycles;
}

std::array<uint64_t, kMarkCount> SharesByMark(const MarkCycles& cycles,
                                              int decimals) {
  XMMU_CHECK(decimals >= 0 && decimals <= 9);
  std::array<uint64_t, kMarkCount> shares{};
  const uint64_t sum =
      std::accumulate(cycles.begin(), cycles.end(), Cycles()).count();
  if (sum == 0) return shares;
  XMMU_CHECK(sum < kMaxCycles);
  std::array<uint64_t, kMarkCount> rests{};
  uint64_t missing = PowerOfTen(decimals);
  for (size_t i = 0; i < kMarkCount; ++i) {
    const Part part = Divide(cycles[i].count(), sum, decimals);
    shares[i] = part.units;
    rests[i] = part.rest;
    missing -= part.units;
  }
  // Rounding down lost at most one unit a mark. Give the units back where most
  // was cut off.
  for (; missing > 0; --missing) {
    const auto most = std::max_element(rests.begin(), rests.end());
    ++shares[static_cast<size_t>(most - rests.begin())];
    *most = 0;
  }
  return shares;
}

Cycles EstimatedCycles(const MarkCycles& cycles) {
  Cycles sum;
  for (size_t i = 0; i < kMarkCount; ++i) {
    if (IsEstimate(static_cast<Mark>(i))) sum += cycles[i];
  }
  return sum;
}

std::string ShareText(uint64_t share, int decimals) {
  return Fixed(share, decimals);
}

std::string PercentText(uint64_t share, int decimals) {
  if (decimals < 2) return Fixed(share * PowerOfTen(2 - decimals), 0);
  return Fixed(share, decimals - 2);
}

}  // namespace xmmu
