#ifndef XMMU_TESTS_SIM_FORWARDING_POLICY_H_
#define XMMU_TESTS_SIM_FORWARDING_POLICY_H_

// A policy that does what a built-in one does; tests derive from it what a
// user's own would add.

#include <memory>
#include <string_view>

#include "xmmu/policy/policies.h"

namespace xmmu {

class ForwardingPolicy : public Policy {
 public:
  ForwardingPolicy(Host& host, std::string_view base)
      : base_(FindPolicy(base)->make(host)) {}

  std::string_view name() const override { return "own"; }
  absl::StatusOr<GuestAbi> Abi(PagingMode mode) const override {
    return base_->Abi(mode);
  }
  absl::Status StartVcpu(VcpuContext& vcpu, Gfn root, Gfn user_root) override {
    return base_->StartVcpu(vcpu, root, user_root);
  }
  HypercallResult Hypercall(VcpuContext& vcpu,
                            const xmmu::Hypercall& call) override {
    return base_->Hypercall(vcpu, call);
  }
  absl::Status LoadCr3(VcpuContext& vcpu, Gfn root) override {
    return base_->LoadCr3(vcpu, root);
  }
  void FlushTlb(VcpuContext& vcpu, CpuMask vcpus,
                const TlbFlush& flush) override {
    base_->FlushTlb(vcpu, vcpus, flush);
  }
  void Deschedule(VcpuContext& vcpu) override { base_->Deschedule(vcpu); }
  void SwitchMode(VcpuContext& vcpu, ModeSwitch how) override {
    base_->SwitchMode(vcpu, how);
  }
  FaultOutcome HandlePageFault(VcpuContext& vcpu, const PageFault& fault,
                               const Access& access,
                               MemoryOperand& operand) override {
    return base_->HandlePageFault(vcpu, fault, access, operand);
  }
  bool has_hypervisor() const override { return base_->has_hypervisor(); }
  absl::Status Audit() const override { return base_->Audit(); }

 private:
  std::unique_ptr<Policy> base_;
};

}  // namespace xmmu

#endif  // XMMU_TESTS_SIM_FORWARDING_POLICY_H_
