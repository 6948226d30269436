// pinning: direct paging as Xen began with it. The guest changes its page
// tables by mmu_update, update_va_mapping and mmuext_op alone; whether it also
// pins them is its own choice and only a matter of cost.
//
// The state of a table is kept in its PageInfo by DirectPaging:
//
//   plain page --first use as a table: all entries validated--> typed
//   typed --last use dropped: all entries' references dropped--> plain page
//
// A pin is one more use. Without it each change of CR3 may be a table's first
// or last use. A store to a typed table faults, and the fault is handed to the
// guest.

#include <memory>
#include <span>

#include "xmmu/policy/direct/paravirtual.h"
#include "xmmu/policy/policies.h"

namespace xmmu {
namespace {

class Pinning final : public ParavirtualPolicy {
 public:
  explicit Pinning(Host& host)
      : ParavirtualPolicy(host, /*stores_to_l1=*/false,
                          /*stores_trap=*/false) {}

  std::string_view name() const override { return "pinning"; }

  FaultOutcome HandleGuestFault(VcpuContext& vcpu, const PageFault& fault,
                                const Access&, MemoryOperand&) override {
    return Reflect(vcpu, fault);
  }
};

}  // namespace

std::span<const PolicyEntry> PinningRows() {
  static constexpr PolicyEntry kRows[] = {
      {"pinning",
       "direct paging by hypercalls (mmu_update, update_va_mapping, "
       "mmuext_op)",
       [](Host& host) -> std::unique_ptr<Policy> {
         return std::make_unique<Pinning>(host);
       }},
  };
  return kRows;
}

}  // namespace xmmu
