#include "testing/explain.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"

namespace xmmu::testing {
namespace {

// So many components fit in one line and hold nearly all cycles.
constexpr size_t kComponentsShown = 4;

// Counters of one kind stand one after the other in the table; this is the
// first of each kind.
constexpr std::array kKinds = {
    Counter::kAccesses,        // translations and walks
    Counter::kHardwareFaults,  // faults
    Counter::kPtwrEmulations,  // writes to tables of direct paging
    Counter::kShadowFills,     // shadows
    Counter::kHypercalls,
    Counter::kPins,  // tables and their types
    Counter::kCallsToMakeRoAndShare,
    Counter::kTlbFlushes,   // flushes and switches
    Counter::kSyscalls,     // what the program asked for
    Counter::kDemandZero};  // what the kernel did
static_assert(std::is_sorted(kKinds.begin(), kKinds.end()));

absl::string_view Abs(std::string_view text) {
  return absl::string_view(text.data(), text.size());
}

std::string Share(Cycles part, Cycles whole) {
  if (whole == Cycles()) return "0.0 %";
  return absl::StrFormat("%.1f %%", 100.0 * static_cast<double>(part.count()) /
                                        static_cast<double>(whole.count()));
}

void Append(std::string& list, std::string_view name, uint64_t value,
            std::string_view more = "") {
  absl::StrAppend(&list, list.empty() ? "" : ", ", Abs(name), " ", value,
                  Abs(more));
}

}  // namespace

std::string ExplainCycles(const Cost& cost) {
  std::vector<Component> components;
  for (size_t i = 0; i < kComponentCount; ++i) {
    const auto component = static_cast<Component>(i);
    if (cost.component(component) != Cycles()) components.push_back(component);
  }
  std::stable_sort(components.begin(), components.end(),
                   [&](Component a, Component b) {
                     return cost.component(a) > cost.component(b);
                   });
  if (components.size() > kComponentsShown) components.resize(kComponentsShown);
  std::string list;
  for (const Component component : components) {
    const Cycles cycles = cost.component(component);
    Append(list, ComponentName(component), cycles.count(),
           absl::StrCat(" (", Share(cycles, cost.cycles), ")"));
  }
  return list.empty() ? "" : "most of them " + list;
}

std::string ExplainElapsed(const Cost& cost) {
  return absl::StrCat(cost.cycles.count(), " cycles were charged on all CPUs, ",
                      cost.hidden.count(), " of them hidden by others");
}

std::string ExplainComponent(const Cost& cost, Component component) {
  std::string list;
  for (size_t i = 0; i < kCostEventCount; ++i) {
    const auto event = static_cast<CostEvent>(i);
    if (ComponentOf(event) != component || cost.count(event) == 0) continue;
    Append(list, CostEventName(event), cost.count(event), " times");
  }
  if (list.empty()) return absl::StrCat("of ", cost.cycles.count(), " in all");
  return absl::StrCat("for ", list, "; ",
                      Share(cost.component(component), cost.cycles), " of ",
                      cost.cycles.count());
}

std::string ExplainEvent(const Cost& cost, CostEvent event) {
  const Component component = ComponentOf(event);
  return absl::StrCat("charged to ", Abs(ComponentName(component)),
                      ", whose "
                      "cycles are ",
                      cost.component(component).count());
}

std::string ExplainCounter(const Cost& cost, Counter counter) {
  const auto next = std::upper_bound(kKinds.begin(), kKinds.end(), counter);
  const size_t end =
      next == kKinds.end() ? kCounterCount : static_cast<size_t>(*next);
  std::string list;
  for (auto i = static_cast<size_t>(*std::prev(next)); i < end; ++i) {
    const auto other = static_cast<Counter>(i);
    if (other == counter || cost.count(other) == 0) continue;
    Append(list, CounterName(other), cost.count(other));
  }
  return absl::StrCat("counting ", Abs(CounterHelp(counter)),
                      list.empty() ? "" : "; beside it ", list);
}

}  // namespace xmmu::testing
