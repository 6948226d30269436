#include "xmmu/machine/machine_model.h"

#include "machine/presets/presets.h"
#include "xmmu/base/check.h"

namespace xmmu {
namespace presets {

CostTable MakeCostTable(std::span<const CostRow> rows) {
  XMMU_CHECK(rows.size() == kCostEventCount);
  CostTable table{};
  for (const CostRow& row : rows) {
    CostConstant& constant = table[static_cast<size_t>(row.event)];
    XMMU_CHECK(constant.source.empty() && !row.constant.source.empty());
    constant = row.constant;
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

std::span<const MachineModel* const> Machines() {
  static const std::array<const MachineModel*, 3> machines = {
      &presets::Xeon2003(), &presets::Opteron2005(), &presets::Skylake2017()};
  return machines;
}

const MachineModel* FindMachine(std::string_view name) {
  for (const MachineModel* machine : Machines()) {
    if (machine->name == name) return machine;
  }
  return nullptr;
}

}  // namespace xmmu
