#include "study/price_sweep.h"

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <optional>
#include <random>

#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "xmmu/base/check.h"

namespace xmmu {
namespace {

// Into how many steps a part of a band is cut: times the samples it fits into
// 32 bits.
constexpr uint64_t kFineness = uint64_t{1} << 15;
static_assert(kMaxSweepSamples * kFineness < uint64_t{1} << 32);

bool IsSwept(const CostConstant& cost, bool all_bands) {
  return cost.low != cost.high && (all_bands || IsEstimate(cost.mark));
}

// Draws a number below `bound`, each as likely. The distributions of the C++
// library are not used, as they differ between libraries.
uint64_t Draw(std::mt19937_64& random, uint64_t bound) {
  const uint64_t fair = ~uint64_t{0} - ~uint64_t{0} % bound;
  uint64_t number = random();
  while (number >= fair) number = random();
  return number % bound;
}

// Returns the numbers below `count` in a random order (Fisher and Yates).
std::vector<uint64_t> Shuffled(std::mt19937_64& random, uint64_t count) {
  std::vector<uint64_t> order(count);
  std::iota(order.begin(), order.end(), uint64_t{0});
  for (uint64_t i = count; i > 1; --i) {
    std::swap(order[i - 1], order[Draw(random, i)]);
  }
  return order;
}

void AddSamples(PriceSweep& sweep) {
  const uint64_t count = sweep.options.samples;
  sweep.samples.assign(count, sweep.prices);
  std::mt19937_64 random(sweep.options.seed);
  for (const SweptPrice& price : sweep.swept) {
    const uint64_t wide = uint64_t{price.high} - price.low + 1;
    const std::vector<uint64_t> parts = Shuffled(random, count);
    for (uint64_t i = 0; i < count; ++i) {
      const uint64_t point = parts[i] * kFineness + Draw(random, kFineness);
      sweep.samples[i][static_cast<size_t>(price.event)] =
          price.low + point * wide / (count * kFineness);
    }
  }
}

// Returns the first price, from its own on, that turns the sign of a form; the
// form is `value` at the price's own value and gains `slope` with each cycle
// more. Nothing if no price within the band does.
std::optional<uint32_t> FlippingPrice(int64_t value, int64_t slope,
                                      const SweptPrice& price) {
  if (slope == 0) return std::nullopt;
  if (value == 0) {
    return price.value < price.high ? price.value + 1 : price.value - 1;
  }
  const bool up = (value < 0) == (slope > 0);
  const int64_t distance = value < 0 ? -value : value;
  const int64_t speed = slope < 0 ? -slope : slope;
  const int64_t steps = (distance + speed - 1) / speed;
  const int64_t room =
      up ? int64_t{price.high} - price.value : int64_t{price.value} - price.low;
  if (steps > room) return std::nullopt;
  return static_cast<uint32_t>(price.value + (up ? steps : -steps));
}

// A price at the end of its band that takes a form towards the other sign, and
// how far.
struct Push {
  PriceChange change;
  int64_t gain = 0;
};

std::vector<Push> PushesAgainst(int sign, const PriceForm& form,
                                const PriceSweep& sweep) {
  std::vector<Push> pushes;
  for (const SweptPrice& price : sweep.swept) {
    const int64_t slope = form[static_cast<size_t>(price.event)];
    const bool up = (slope > 0) == (sign < 0);
    const uint32_t end = up ? price.high : price.low;
    const int64_t gain = slope * (int64_t{end} - price.value);
    if (gain != 0) pushes.push_back({{price.event, end}, gain});
  }
  std::stable_sort(pushes.begin(), pushes.end(),
                   [](const Push& a, const Push& b) {
                     return std::abs(a.gain) > std::abs(b.gain);
                   });
  return pushes;
}

// Returns the fewest changes of prices that turn the sign of `form` together:
// those that push furthest come first, so no fewer would do.
std::vector<PriceChange> FewestTogether(int64_t value, const PriceForm& form,
                                        const PriceSweep& sweep) {
  const int sign = SignOf(value);
  std::vector<PriceChange> changes;
  for (const Push& push : PushesAgainst(sign, form, sweep)) {
    value += push.gain;
    changes.push_back(push.change);
    if (SignOf(value) != sign) return changes;
  }
  return {};
}

}  // namespace

absl::Status CheckSweep(const CostTable& costs, const SweepOptions& options) {
  if (options.samples > kMaxSweepSamples) {
    return absl::InvalidArgumentError(absl::StrCat(
        options.samples, " samples: want 0 to ", kMaxSweepSamples));
  }
  for (size_t i = 0; i < kCostEventCount; ++i) {
    const CostConstant& cost = costs[i];
    if (!IsSwept(cost, options.all_bands)) continue;
    if (cost.low <= cost.value && cost.value <= cost.high) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "price of ", Abs(CostEventName(static_cast<CostEvent>(i))), " of ",
        cost.value, " is not in the band of ", cost.low, " to ", cost.high));
  }
  return absl::OkStatus();
}

PriceSweep MakePriceSweep(const CostTable& costs, const SweepOptions& options) {
  XMMU_CHECK(options.samples <= kMaxSweepSamples);
  PriceSweep sweep;
  sweep.options = options;
  for (size_t i = 0; i < kCostEventCount; ++i) {
    const CostConstant& cost = costs[i];
    sweep.prices[i] = cost.value;
    if (!IsSwept(cost, options.all_bands)) continue;
    XMMU_CHECK(cost.low <= cost.value && cost.value <= cost.high);
    sweep.swept.push_back(
        {static_cast<CostEvent>(i), cost.low, cost.value, cost.high});
  }
  AddSamples(sweep);
  return sweep;
}

uint64_t Reprice(const CostTally& tally, const PriceList& prices) {
  uint64_t cycles = 0;
  for (size_t i = 0; i < kCostEventCount; ++i) cycles += tally[i] * prices[i];
  return cycles;
}

PriceForm Difference(const CostTally& a, const CostTally& b, int64_t times_a,
                     int64_t times_b) {
  PriceForm form;
  for (size_t i = 0; i < kCostEventCount; ++i) {
    form[i] = times_a * static_cast<int64_t>(a[i]) -
              times_b * static_cast<int64_t>(b[i]);
  }
  return form;
}

int64_t ValueOf(const PriceForm& form, const PriceList& prices) {
  int64_t value = 0;
  for (size_t i = 0; i < kCostEventCount; ++i) {
    value += form[i] * static_cast<int64_t>(prices[i]);
  }
  return value;
}

int SignOf(int64_t value) { return value < 0 ? -1 : value > 0 ? 1 : 0; }

SignVerdict JudgeSign(const PriceForm& form, const PriceSweep& sweep) {
  const int64_t value = ValueOf(form, sweep.prices);
  SignVerdict verdict;
  verdict.sign = SignOf(value);
  for (const SweptPrice& price : sweep.swept) {
    const auto flip =
        FlippingPrice(value, form[static_cast<size_t>(price.event)], price);
    if (flip.has_value()) verdict.flips.push_back({price.event, *flip});
  }
  if (verdict.flips.empty()) {
    verdict.together = FewestTogether(value, form, sweep);
  }
  for (const PriceList& prices : sweep.samples) {
    if (SignOf(ValueOf(form, prices)) != verdict.sign) {
      ++verdict.samples_against;
    }
  }
  return verdict;
}

}  // namespace xmmu
