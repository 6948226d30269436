#include "xmmu/base/cycles.h"

namespace xmmu {
namespace {

struct ComponentText {
  std::string_view name;
  std::string_view help;
};

constexpr std::array<ComponentText, kComponentCount> kComponents = {{
#define XMMU_ROW(id, name, help) {name, help},
    XMMU_COMPONENTS(XMMU_ROW)
#undef XMMU_ROW
}};

struct CostEventText {
  Component component;
  std::string_view name;
  std::string_view help;
};

constexpr std::array<CostEventText, kCostEventCount> kCostEvents = {{
#define XMMU_ROW(id, component, name, help) {Component::component, name, help},
    XMMU_COST_EVENTS(XMMU_ROW)
#undef XMMU_ROW
}};

}  // namespace

std::string_view ComponentName(Component component) {
  return kComponents[static_cast<size_t>(component)].name;
}

std::string_view ComponentHelp(Component component) {
  return kComponents[static_cast<size_t>(component)].help;
}

std::string_view CostEventName(CostEvent event) {
  return kCostEvents[static_cast<size_t>(event)].name;
}

std::string_view CostEventHelp(CostEvent event) {
  return kCostEvents[static_cast<size_t>(event)].help;
}

Component ComponentOf(CostEvent event) {
  return kCostEvents[static_cast<size_t>(event)].component;
}

std::array<Cycles, kComponentCount> CycleClock::by_component() const {
  std::array<Cycles, kComponentCount> sums{};
  for (size_t i = 0; i < kCostEventCount; ++i) {
    const auto event = static_cast<CostEvent>(i);
    sums[static_cast<size_t>(ComponentOf(event))] += charged(event);
  }
  return sums;
}

}  // namespace xmmu
