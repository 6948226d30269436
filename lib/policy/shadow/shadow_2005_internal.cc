#include "policy/shadow/shadow_2005_internal.h"

#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "xmmu/base/check.h"

// shadow-2005-internal: shadow1 with translation, but not external: the
// hypervisor keeps its own part of the address space, in the shadows. It is the
// fourth way of giving Xen a linear map of a PAE guest's tables that I. Pratt's
// message to xen-devel names ("understanding __linear_l2_table and friends",
// 2005): the linear slots are in the shadows, and the guest shares its kernel
// L2 among all roots as on bare hardware.
//
// The guest is a paravirtual one that knows it is translated (XenLinux:
// XENFEAT_auto_translated_physmap, XENFEAT_writable_page_tables): its kernel
// runs in ring 1, it writes to its tables by plain stores and pins nothing; it
// loads CR3 and flushes by mmuext_op, which the shadows charge for where a
// virtual machine would exit. Its page faults come to Xen first, which bounces
// what is the guest's own; its system calls do not.
//
// 32-bit guests only: a 64-bit one's kernel is in ring 3 and has two roots,
// which nobody is known to have run so.

namespace xmmu {
namespace {

class ShadowInternal final : public Policy {
 public:
  explicit ShadowInternal(std::unique_ptr<Policy> shadows)
      : shadows_(std::move(shadows)) {}

  std::string_view name() const override { return shadows_->name(); }

  absl::StatusOr<GuestAbi> Abi(PagingMode mode) const override {
    if (LevelCount(mode) >= 4) {
      return absl::UnimplementedError(
          absl::StrFormat("%s has 2-level and PAE guests", name()));
    }
    GuestAbi abi;
    abi.translated = true;
    abi.large_pages = false;
    abi.global_pages = false;
    return abi;
  }

  absl::Status StartVcpu(VcpuContext& vcpu, Gfn root, Gfn user) override {
    const absl::Status status = shadows_->StartVcpu(vcpu, root, user);
    if (!status.ok()) return status;
    vcpu.vm = {};
    if (vcpu.cpu->current == &vcpu) {
      XMMU_CHECK(!vcpu.cpu->mmu.EnterVm({}, *vcpu.registers).has_value());
    }
    return status;
  }

  HypercallResult Hypercall(VcpuContext& vcpu,
                            const xmmu::Hypercall& call) override {
    return shadows_->Hypercall(vcpu, call);
  }
  absl::Status MovePage(VcpuContext& vcpu, Gfn gfn) override {
    return shadows_->MovePage(vcpu, gfn);
  }
  absl::Status LoadCr3(VcpuContext& vcpu, Gfn root) override {
    return shadows_->LoadCr3(vcpu, root);
  }
  void FlushTlb(VcpuContext& vcpu, CpuMask vcpus,
                const TlbFlush& flush) override {
    shadows_->FlushTlb(vcpu, vcpus, flush);
  }
  FaultOutcome HandlePageFault(VcpuContext& vcpu, const PageFault& fault,
                               const Access& access,
                               MemoryOperand& operand) override {
    return shadows_->HandlePageFault(vcpu, fault, access, operand);
  }

  // An INT 0x80 gate leads straight to ring 1; interrupts come by way of Xen.
  void SwitchMode(VcpuContext& vcpu, ModeSwitch how) override {
    if (how == ModeSwitch::kInterrupt) {
      vcpu.cpu->clock.Charge(CostEvent::kBounce);
      vcpu.cpu->clock.Charge(CostEvent::kIret);
    }
    shadows_->SwitchMode(vcpu, how);
  }

  absl::StatusOr<WriteLogging*> WriteLoggingOf(Domain& domain) override {
    return shadows_->WriteLoggingOf(domain);
  }
  uint64_t BookkeepingBytes() const override {
    return shadows_->BookkeepingBytes();
  }
  std::vector<MemoryPart> MemoryParts() const override {
    return shadows_->MemoryParts();
  }
  absl::Status Audit() const override { return shadows_->Audit(); }

 private:
  const std::unique_ptr<Policy> shadows_;
};

}  // namespace

std::unique_ptr<Policy> MakeShadowInternal(std::unique_ptr<Policy> shadows) {
  return std::make_unique<ShadowInternal>(std::move(shadows));
}

}  // namespace xmmu
