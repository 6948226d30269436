#ifndef XMMU_XEN_OWN_EVENT_H_
#define XMMU_XEN_OWN_EVENT_H_

// An event of a policy's own: something that takes time and that no CostEvent
// stands for. A policy registers it with Host::AddOwnEvent() and charges it on
// the clock of a CPU; its cycles count under the component that it names, and
// under its mark, so that components, marks and totals of a report add up as
// they do without it.
//
// Plain values; any thread.

#include <cstdint>
#include <string>

#include "xmmu/base/cycles.h"
#include "xmmu/machine/machine_model.h"

namespace xmmu {

struct OwnEvent {
  // Letters, digits, '.', '_', '-' and '+'; no name of a CostEvent, a
  // component, a counter or anything else of the policy's.
  std::string name;
  std::string help;  // one sentence
  Component component = Component::kEmulation;
  // Cycles, and the band that they may lie in. `high` 0: no other number is in
  // question.
  uint32_t price = 0;
  uint32_t low = 0;
  uint32_t high = 0;
  Mark mark = Mark::kEstimated;
  // Where the price is from; "assumed: ..." if from nowhere.
  std::string source;
};

}  // namespace xmmu

#endif  // XMMU_XEN_OWN_EVENT_H_
