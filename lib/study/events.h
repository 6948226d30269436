#ifndef XMMU_LIB_STUDY_EVENTS_H_
#define XMMU_LIB_STUDY_EVENTS_H_

// What one event of memory management costs under a strategy: a fault, a
// page-table write, an address-space switch and so on, each met in a guest that
// is warm, split by component. Everything counts that guest, hypervisor and
// hardware do from the instruction that starts it until the program goes on.
//
// Single-threaded.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "absl/status/statusor.h"
#include "xmmu/sim/cost.h"
#include "xmmu/sim/options.h"

namespace xmmu {

enum class GuestEvent : uint8_t {
  kRefusedAccess,
  kDemandFault,
  kFirstWrite,
  kCopyFault,
  kTableWrite,
  kTableWrites,
  kUnmap,
  kSwitch,
  kFork,
  kExit,
};
inline constexpr size_t kGuestEventCount =
    static_cast<size_t>(GuestEvent::kExit) + 1;

struct GuestEventEntry {
  GuestEvent event;
  std::string_view name;  // in reports: "demand-fault"
  std::string_view help;  // one line
};

// All events, in report order.
std::span<const GuestEventEntry> GuestEvents();

struct EventCost {
  Cost cost;           // of `times` such events in a row
  uint64_t times = 1;  // never 0

  // Cycles of one event, rounded down.
  uint64_t cycles() const { return cost.cycles.count() / times; }
  uint64_t component(Component c) const {
    return cost.component(c).count() / times;
  }
};

// The costs of all events, by GuestEvent.
using EventCosts = std::array<EventCost, kGuestEventCount>;

// Measures one event, in a guest of its own. The guest acts on its first vCPU,
// others are idle. Errors: those of Simulator::Create.
absl::StatusOr<EventCost> MeasureEvent(GuestEvent event,
                                       const SimulatorOptions& options);

// Measures all events, each as MeasureEvent() does.
absl::StatusOr<EventCosts> MeasureEvents(const SimulatorOptions& options);

}  // namespace xmmu

#endif  // XMMU_LIB_STUDY_EVENTS_H_
