#include "xmmu/machine/machine_model.h"

#include <array>
#include <tuple>
#include <utility>

#include "machine/presets/presets.h"
#include "xmmu/base/check.h"

namespace xmmu {
namespace presets {

CostTable MakeCostTable(
    std::initializer_list<std::span<const CostRow>> tables) {
  CostTable table{};
  for (const std::span<const CostRow> rows : tables) {
    std::array<bool, kCostEventCount> stated{};
    for (const CostRow& row : rows) {
      const auto index = static_cast<size_t>(row.event);
      XMMU_CHECK(!stated[index]);
      stated[index] = true;
      if (table[index].source.empty()) table[index] = row.constant;
    }
  }
  for (const CostConstant& constant : table) {
    XMMU_CHECK(!constant.source.empty());
  }
  return table;
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
    return std::tie(m.name, m.description, m.clock_ghz, m.clock_from,
                    m.features, m.features_from, m.maxphyaddr_from, m.tlb,
                    m.psc, m.flush_filter, m.nested, m.l1, m.l2, m.l3,
                    m.cache_rules, m.l1_prefetcher, m.l2_prefetcher, m.dram,
                    m.costs);
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

}  // namespace xmmu
