#include <memory>

#include "policy/builtin.h"
#include "policy/paravirtual.h"

// pinning: direct paging as Xen began with it. The guest changes its page
// tables by mmu_update, update_va_mapping and mmuext_op alone; whether it also
// pins them is its own choice and only a matter of cost.
//
// State of a table, kept in its PageInfo by Mm:
//
//   plain page --first use as a table: all entries validated--> typed
//   typed --last use dropped: all entries' references dropped--> plain page
//
// A pin is one more use. Without it each change of CR3 may be a table's first
// or last use. A store to a typed table faults, and the fault is the guest's.

namespace xmmu {
namespace {

class Pinning final : public Policy {
 public:
  explicit Pinning(Host& host) : host_(host), mm_(host) {}

  std::string_view name() const override { return "pinning"; }

  absl::StatusOr<GuestAbi> Abi(PagingMode mode) const override {
    return paravirtual::Abi(mode);
  }

  absl::Status StartVcpu(VcpuContext& vcpu, Gfn root, Gfn user_root) override {
    return mm_.StartVcpu(vcpu, Mfn(root.value()), Mfn(user_root.value()));
  }

  HypercallResult Hypercall(VcpuContext& vcpu,
                            const xmmu::Hypercall& call) override {
    return mm_.Execute(vcpu, call);
  }

  absl::Status LoadCr3(VcpuContext& vcpu, Gfn root) override {
    return paravirtual::LoadCr3(mm_, vcpu, root);
  }

  void FlushTlb(VcpuContext& vcpu, CpuMask vcpus,
                const TlbFlush& flush) override {
    paravirtual::FlushTlb(mm_, vcpu, vcpus, flush);
  }

  void SwitchMode(VcpuContext& vcpu, ModeSwitch how) override {
    paravirtual::SwitchMode(mm_, vcpu, how);
  }

  FaultOutcome HandlePageFault(VcpuContext& vcpu, const PageFault& fault,
                               const Access&, MemoryOperand&) override {
    vcpu.cpu->clock.Charge(CostEvent::kExceptionEntry);
    return paravirtual::Reflect(mm_, vcpu, fault);
  }

  uint64_t BookkeepingBytes() const override {
    return paravirtual::BookkeepingBytes(host_);
  }

  absl::Status Audit() const override { return paravirtual::Audit(host_); }

 private:
  Host& host_;
  Mm mm_;
};

}  // namespace

std::unique_ptr<Policy> MakePinning(Host& host) {
  return std::make_unique<Pinning>(host);
}

}  // namespace xmmu
