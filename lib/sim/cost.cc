#include "xmmu/sim/cost.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "sim/text.h"

namespace xmmu {

Cost Cost::operator-(const Cost& earlier) const {
  Cost since;
  since.cycles = cycles - earlier.cycles;
  since.elapsed = elapsed - earlier.elapsed;
  for (size_t i = 0; i < kComponentCount; ++i) {
    since.by_component[i] = by_component[i] - earlier.by_component[i];
  }
  for (size_t i = 0; i < kCostEventCount; ++i) {
    since.tally[i] = tally[i] - earlier.tally[i];
  }
  since.counters = counters - earlier.counters;
  return since;
}

Cost CostOf(const Host& host) {
  Cost cost;
  for (uint32_t i = 0; i < host.cpu_count(); ++i) {
    const Cpu& cpu = host.cpu(i);
    const auto by_component = cpu.clock.by_component();
    for (size_t c = 0; c < kComponentCount; ++c) {
      cost.by_component[c] += by_component[c];
    }
    for (size_t e = 0; e < kCostEventCount; ++e) {
      cost.tally[e] += cpu.clock.tallies()[e];
    }
    cost.cycles += cpu.clock.busy();
    cost.elapsed = std::max(cost.elapsed, cpu.clock.now());
    cost.counters += cpu.counters;
  }
  return cost;
}

double EstimatedShare(const Cost& cost, const MachineModel& model) {
  if (cost.cycles.count() == 0) return 0;
  uint64_t estimated = 0;
  for (size_t i = 0; i < kCostEventCount; ++i) {
    if (!IsEstimate(model.costs[i].mark)) continue;
    estimated += cost.tally[i] * model.costs[i].value;
  }
  const double share =
      static_cast<double>(estimated) / static_cast<double>(cost.cycles.count());
  return std::round(share * 1e6) / 1e6;
}

std::string ToString(const Cost& cost) {
  std::string text = absl::StrCat(cost.cycles.count(), " cycles");
  const char* separator = " (";
  for (size_t i = 0; i < kComponentCount; ++i) {
    if (cost.by_component[i].count() == 0) continue;
    const std::string_view name = ComponentName(static_cast<Component>(i));
    absl::StrAppend(&text, separator, Abs(name), " ",
                    cost.by_component[i].count());
    separator = ", ";
  }
  if (separator[0] == ',') text += ")";
  separator = "; ";
  for (size_t i = 0; i < kCounterCount; ++i) {
    const auto counter = static_cast<Counter>(i);
    if (cost.counters[counter] == 0) continue;
    const std::string_view name = CounterName(counter);
    absl::StrAppend(&text, separator, Abs(name), " ", cost.counters[counter]);
    separator = ", ";
  }
  return text;
}

}  // namespace xmmu
