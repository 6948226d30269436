#include "xmmu/machine/machine_model.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <limits>
#include <string>
#include <tuple>
#include <utility>

#include "machine/presets/presets.h"
#include "xmmu/base/check.h"

namespace xmmu {
namespace presets {

void SetCosts(std::initializer_list<std::span<const CostRow>> tables,
              MachineModel& machine) {
  CostTable& table = machine.costs;
  for (const std::span<const CostRow> rows : tables) {
    std::array<bool, kCostEventCount> stated{};
    for (const CostRow& row : rows) {
      const auto index = static_cast<size_t>(row.event);
      XMMU_CHECK(!stated[index]);
      stated[index] = true;
      // Tables come in the order of their precedence: an earlier one has the
      // event.
      if (!table[index].source.empty()) continue;
      table[index] = row.constant;
      machine.price_rules[index] = row.rule;
    }
  }
  for (const CostConstant& constant : table) {
    XMMU_CHECK(!constant.source.empty());
  }
}

}  // namespace presets

std::string_view MarkName(Mark mark) {
  switch (mark) {
    case Mark::kRead:
      return "read";
    case Mark::kMeasured:
      return "measured";
    case Mark::kDerived:
      return "derived";
    case Mark::kRemembered:
      return "remembered";
    case Mark::kEstimated:
      return "estimated";
  }
  return "";
}

std::string_view MarkHelp(Mark mark) {
  switch (mark) {
    case Mark::kRead:
      return "the value stands in the source that is named with it";
    case Mark::kMeasured:
      return "the value was measured on such a machine";
    case Mark::kDerived:
      return "the value follows from read or measured ones, as its source says";
    case Mark::kRemembered:
      return "the value is from a publication that was not read again";
    case Mark::kEstimated:
      return "the value is assumed: an engineering estimate";
  }
  return "";
}

// A difference may be negative where a changed price is below the one
// subtracted; a price is at least 0.
uint32_t PriceRule::ValueIn(const CostTable& costs) const {
  const auto price = [&](CostEvent event) {
    return int64_t{costs[static_cast<size_t>(event)].value};
  };
  int64_t value = plus;
  if (of.has_value()) value += int64_t{times} * price(*of);
  if (less.has_value()) value -= price(*less);
  constexpr int64_t kMost = std::numeric_limits<uint32_t>::max();
  return static_cast<uint32_t>(std::clamp(value, int64_t{0}, kMost));
}

std::string PriceRule::Text() const {
  std::string text;
  if (times != 1) text = std::to_string(times) + " * ";
  if (of.has_value()) text += CostEventName(*of);
  if (plus != 0) {
    if (!text.empty()) text += plus > 0 ? " + " : " - ";
    text += std::to_string(std::abs(plus));
  }
  if (less.has_value()) text.append(" - ").append(CostEventName(*less));
  return text;
}

void FollowPriceRules(MachineModel& machine) {
  for (size_t i = 0; i < kCostEventCount; ++i) {
    const PriceRule& rule = machine.price_rules[i];
    if (!rule.exists()) continue;
    CostConstant& cost = machine.costs[i];
    const uint32_t value = rule.ValueIn(machine.costs);
    if (value == cost.value) continue;
    // The new price is no better known than the prices that it follows from.
    bool estimated = false;
    for (const std::optional<CostEvent> other : {rule.of, rule.less}) {
      estimated |= other.has_value() && IsEstimate(machine.cost(*other).mark);
    }
    const std::string_view source = machine.Keep(
        (estimated ? "assumed: " : "") + rule.Text() + ", which was changed");
    cost = {value, value, value, estimated ? Mark::kEstimated : Mark::kDerived,
            source};
  }
}

PriceList MachineModel::prices() const {
  PriceList prices{};
  for (size_t i = 0; i < kCostEventCount; ++i) prices[i] = costs[i].value;
  return prices;
}

std::string_view MachineModel::Keep(std::string text) {
  texts.push_back(std::make_shared<const std::string>(std::move(text)));
  return *texts.back();
}

bool operator==(const MachineModel& a, const MachineModel& b) {
  const auto all = [](const MachineModel& m) {
    // price_rules and texts are left out: see their declarations.
    return std::tie(m.name, m.description, m.clock_ghz, m.clock_from,
                    m.features, m.features_from, m.maxphyaddr_from,
                    m.registers_from, m.tlb, m.psc, m.flush_filter, m.nested,
                    m.l1, m.l2, m.l3, m.cache_rules, m.l1_prefetcher,
                    m.l2_prefetcher, m.dram, m.costs);
  };
  return all(a) == all(b);
}

std::span<const MachineModel* const> Machines() {
  static const std::array machines = {
      &presets::Xeon2003(),     &presets::Opteron2005(),
      &presets::Core2_2006(),   &presets::Nehalem2009(),
      &presets::Westmere2010(), &presets::Skylake2017(),
      &presets::Zen2_2019(),    &presets::Zen3_2020(),
      &presets::Zen5_2024()};
  return machines;
}

const MachineModel* FindMachine(std::string_view name) {
  for (const MachineModel* machine : Machines()) {
    if (machine->name == name) return machine;
  }
  return nullptr;
}

bool HasMode(const MachineModel& model, PagingMode mode) {
  if (mode == PagingMode::k5Level) return model.features.la57;
  return mode != PagingMode::k4Level || model.features.long_mode;
}

}  // namespace xmmu
