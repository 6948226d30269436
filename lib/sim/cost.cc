#include "xmmu/sim/cost.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/text.h"

namespace xmmu {

Cost Cost::operator-(const Cost& earlier) const {
  Cost since;
  since.cycles = cycles - earlier.cycles;
  since.hidden = hidden - earlier.hidden;
  since.elapsed = elapsed - earlier.elapsed;
  for (size_t i = 0; i < kComponentCount; ++i) {
    since.by_component[i] = by_component[i] - earlier.by_component[i];
  }
  for (size_t i = 0; i < kCostEventCount; ++i) {
    since.tally[i] = tally[i] - earlier.tally[i];
  }
  since.counters = counters - earlier.counters;
  since.own_tally = own_tally;
  for (size_t i = 0; i < earlier.own_tally.size(); ++i) {
    since.own_tally[i] -= earlier.own_tally[i];
  }
  for (size_t i = 0; i < kMarkCount; ++i) {
    since.own_by_mark[i] = own_by_mark[i] - earlier.own_by_mark[i];
  }
  return since;
}

Cost& Cost::operator+=(const Cost& other) {
  cycles += other.cycles;
  hidden += other.hidden;
  elapsed += other.elapsed;
  for (size_t i = 0; i < kComponentCount; ++i) {
    by_component[i] += other.by_component[i];
  }
  for (size_t i = 0; i < kCostEventCount; ++i) tally[i] += other.tally[i];
  counters += other.counters;
  own_tally.resize(std::max(own_tally.size(), other.own_tally.size()));
  for (size_t i = 0; i < other.own_tally.size(); ++i) {
    own_tally[i] += other.own_tally[i];
  }
  for (size_t i = 0; i < kMarkCount; ++i) {
    own_by_mark[i] += other.own_by_mark[i];
  }
  return *this;
}

namespace {

// A policy's own events have marks of their own, so their cycles are kept apart
// by mark.
void AddOwnMarks(const Host& host, Cost& cost) {
  for (size_t i = 0; i < cost.own_tally.size(); ++i) {
    const OwnEvent& event = host.own_events()[i];
    cost.own_by_mark[static_cast<size_t>(event.mark)] +=
        Cycles(cost.own_tally[i] * event.price);
  }
}

}  // namespace

Cost CostOf(const Host& host, uint32_t cpu) {
  const CycleClock& clock = host.cpu(cpu).clock;
  Cost cost = CostOf(host, WorkOf(host, host.cpu(cpu)));
  cost.elapsed = clock.now();
  return cost;
}

Cost CostOf(const Host& host, const CpuWork& work) {
  Cost cost;
  cost.cycles = work.cycles;
  cost.hidden = work.hidden;
  cost.tally = work.tally;
  cost.counters = work.counters;
  cost.own_tally = work.own_tally;
  cost.own_tally.resize(host.own_events().size());  // if nothing has run
  // All CPUs have the same prices.
  const CycleClock& clock = host.cpu(0).clock;
  for (size_t i = 0; i < kCostEventCount; ++i) {
    const auto event = static_cast<CostEvent>(i);
    cost.by_component[static_cast<size_t>(ComponentOf(event))] +=
        Cycles(work.tally[i] * clock.price(event));
  }
  for (size_t i = 0; i < cost.own_tally.size(); ++i) {
    const OwnEvent& event = host.own_events()[i];
    cost.by_component[static_cast<size_t>(event.component)] +=
        Cycles(cost.own_tally[i] * event.price);
  }
  AddOwnMarks(host, cost);
  return cost;
}

Cost CostOf(const Host& host) {
  Cost cost;
  cost.own_tally.resize(host.own_events().size());
  Cycles furthest;
  for (uint32_t i = 0; i < host.cpu_count(); ++i) {
    cost += CostOf(host, i);
    furthest = std::max(furthest, host.cpu(i).clock.now());
  }
  cost.elapsed = furthest;
  return cost;
}

std::string_view HypotheticalPart(const Cost& cost, const MachineModel& model) {
  // Work shows what it needed: nested entries were loaded, or a guest exited.
  const bool nested = cost.count(Counter::kNestedPteLoads) != 0;
  const bool in_vm = nested || cost.count(CostEvent::kVmExit) != 0;
  if (in_vm && !model.nested.vm_extension) return "VM extension";
  return nested && !model.nested.present ? "nested paging" : "";
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
