#ifndef XMMU_EXAMPLES_ADAPTIVE_POLICY_H_
#define XMMU_EXAMPLES_ADAPTIVE_POLICY_H_

// A strategy of one's own: nested paging that turns to shadows and back. Under
// nested paging each TLB miss loads entries of two tables; under shadows it
// loads those of one, but each change of a page table takes an exit. Which is
// better depends on what the guest is doing, so the hypervisor looks at what it
// pays from time to time:
//
//   nested paging --nested loads take a tenth of the time--> shadows
//   shadows --exits take half of the time--> nested paging
//
// Both are strategies of the library. Nested tables are kept, as they depend on
// nothing that the guest does. Shadows are made anew at each turn: what was
// kept would be stale by the stores that nobody has seen in between.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "xmmu/policy/policies.h"
#include "xmmu/policy/policy.h"

class AdaptivePolicy final : public xmmu::Policy {
 public:
  // All defaults are assumed.
  struct Options {
    // The hypervisor's timer fires on each CPU once in so many cycles.
    xmmu::Cycles period{1'000'000};
    // Ticks from one turn to the next: shadows take many faults at first, until
    // they are filled.
    int patience = 20;
    // One in so many cycles is too much for nested loads, and for exits.
    uint64_t nested_share = 10;
    uint64_t exit_share = 2;
  };

  explicit AdaptivePolicy(xmmu::Host& host) : AdaptivePolicy(host, Options()) {}
  AdaptivePolicy(xmmu::Host& host, const Options& options)
      : host_(host),
        options_(options),
        nested_(xmmu::FindPolicy("nested-paging-4k")->make(host)),
        turn_(host.AddOwnEvent(
            {.name = "turn",
             .help = "All vCPUs stop, and go on under the other strategy.",
             .component = xmmu::Component::kVmExit,
             .price = 20'000,
             .low = 5'000,
             .high = 80'000,
             .mark = xmmu::Mark::kEstimated,
             .source = "assumed: an exit of each vCPU and new controls"})),
        spent_(host.cpu_count()) {}

  std::string_view name() const override { return "adaptive"; }

  // A guest must find the same under both, and shadows have fewer modes.
  absl::StatusOr<xmmu::GuestAbi> Abi(xmmu::PagingMode mode) const override {
    return MakeShadows()->Abi(mode);
  }

  std::optional<xmmu::TickRequest> tick() const override {
    return xmmu::TickRequest{.period = options_.period};
  }
  void Tick(xmmu::VcpuContext& vcpu) override {
    xmmu::Cpu& cpu = *vcpu.cpu;
    const xmmu::Cycles spent = Spent(cpu);
    const xmmu::Cycles since = spent - std::exchange(spent_[cpu.id], spent);
    if (++ticks_ < options_.patience) return;
    const uint64_t share =
        shadows_ != nullptr ? options_.exit_share : options_.nested_share;
    if (since.count() > options_.period.count() / share) Turn(cpu);
  }

  // A figure that is no time, for reports.
  std::vector<xmmu::OwnFigure> Figures() const override {
    return {{.name = "turns",
             .unit = "",
             .help = "How often the guests changed their strategy.",
             .value = turns_}};
  }

  // All else is the business of the strategy in force. Hypercalls and MovePage
  // are left as Policy has them, refused: the memory of a guest stays the same.
  absl::Status StartVcpu(xmmu::VcpuContext& vcpu, xmmu::Gfn root,
                         xmmu::Gfn user_root) override {
    return active().StartVcpu(vcpu, root, user_root);
  }
  absl::Status LoadCr3(xmmu::VcpuContext& vcpu, xmmu::Gfn root) override {
    return active().LoadCr3(vcpu, root);
  }
  void FlushTlb(xmmu::VcpuContext& vcpu, xmmu::CpuMask vcpus,
                const xmmu::TlbFlush& flush) override {
    active().FlushTlb(vcpu, vcpus, flush);
  }
  void SwitchMode(xmmu::VcpuContext& vcpu, xmmu::ModeSwitch how) override {
    active().SwitchMode(vcpu, how);
  }
  xmmu::FaultOutcome HandlePageFault(xmmu::VcpuContext& vcpu,
                                     const xmmu::PageFault& fault,
                                     const xmmu::Access& access,
                                     xmmu::MemoryOperand& operand) override {
    return active().HandlePageFault(vcpu, fault, access, operand);
  }
  absl::Status Audit() const override { return active().Audit(); }

 private:
  std::unique_ptr<xmmu::Policy> MakeShadows() const {
    return xmmu::FindPolicy("shadow-2008")->make(host_);
  }
  xmmu::Policy& active() const {
    return shadows_ != nullptr ? *shadows_ : *nested_;
  }

  // What `cpu` has spent so far on that which the other strategy would save:
  // exits, or the loads of nested tables, each of which takes this at least.
  xmmu::Cycles Spent(const xmmu::Cpu& cpu) const {
    if (shadows_ != nullptr) return cpu.clock.charged(xmmu::CostEvent::kVmExit);
    return xmmu::Cycles(cpu.counters[xmmu::Counter::kNestedPteLoads] *
                        cpu.clock.price(xmmu::CostEvent::kPteLoadL1));
  }

  void Turn(xmmu::Cpu& cpu) {
    cpu.clock.Charge(turn_);
    ++turns_;
    ticks_ = 0;
    shadows_ = shadows_ == nullptr ? MakeShadows() : nullptr;
    for (size_t i = 0; i < host_.domain_count(); ++i) {
      xmmu::Domain& domain = host_.domain(i);
      for (uint32_t id = 0; id < domain.vcpu_count(); ++id) {
        Restart(domain.vcpu(id));
      }
    }
    for (uint32_t id = 0; id < host_.cpu_count(); ++id) {
      spent_[id] = Spent(host_.cpu(id));
    }
  }

  // `vcpu` goes on where it was, on the guest's own root.
  void Restart(xmmu::VcpuContext& vcpu) {
    if (vcpu.guest_table == xmmu::kInvalidMfn) return;  // it has never run
    // A VM entry with a tag keeps what is cached under it. What nested tables
    // have left there must not be met by the next turn to them.
    if (vcpu.vm.tag != 0) vcpu.cpu->mmu.FlushTag(vcpu.vm.tag);
    xmmu::Domain& domain = *vcpu.domain;
    const xmmu::Pfn root = domain.p2m().PfnOf(vcpu.guest_table);
    const absl::Status status =
        active().StartVcpu(vcpu, xmmu::Gfn(root.value()), xmmu::kInvalidGfn);
    if (!status.ok()) domain.Crash(std::string(status.message()));
  }

  xmmu::Host& host_;
  const Options options_;
  const std::unique_ptr<xmmu::Policy> nested_;
  std::unique_ptr<xmmu::Policy> shadows_;  // while they are in force
  const xmmu::OwnEventId turn_;
  std::vector<xmmu::Cycles> spent_;  // at the last tick, by CPU
  int ticks_ = 0;                    // since the last turn
  uint64_t turns_ = 0;
};

#endif  // XMMU_EXAMPLES_ADAPTIVE_POLICY_H_
