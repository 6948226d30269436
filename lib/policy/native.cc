// native: bare hardware, the baseline of every comparison.
//
// There is no hypervisor, and so no state machine: the guest's tables are those
// that the processor walks, its stores to them are plain stores, and each fault
// goes from the processor to the guest's own handler.

#include <memory>
#include <span>

#include "xmmu/machine/control_registers.h"
#include "xmmu/policy/policies.h"

namespace xmmu {
namespace {

class Native final : public Policy {
 public:
  explicit Native(Host& host) : host_(host) {}

  std::string_view name() const override { return "native"; }

  absl::StatusOr<GuestAbi> Abi(PagingMode) const override {
    return GuestAbi{.pages_1g = host_.model().features.pages_1g};
  }
  bool has_hypervisor() const override { return false; }

  absl::Status StartVcpu(VcpuContext& vcpu, Gfn root, Gfn) override {
    const Mfn table = vcpu.domain->MfnOf(root);
    ControlRegisters registers =
        KernelControlRegisters(vcpu.domain->mode(), host_.model().features);
    registers.cr3 = AddressOf(table).value();
    vcpu.guest_table = table;
    vcpu.cr3 = registers.cr3;
    vcpu.registers = registers;
    // If another vCPU has the CPU, this one starts with Host::SwitchVcpu.
    if (vcpu.cpu->current != &vcpu) return absl::OkStatus();
    if (vcpu.cpu->mmu.Reset(registers).has_value()) {
      return absl::InvalidArgumentError("boot tables: #GP on MOV to CR3");
    }
    return absl::OkStatus();
  }

  absl::Status LoadCr3(VcpuContext& vcpu, Gfn root) override {
    const Mfn table = vcpu.domain->MfnOf(root);
    const uint64_t cr3 = AddressOf(table).value();
    if (vcpu.cpu->mmu.LoadCr3(cr3).has_value()) {
      return absl::InvalidArgumentError("#GP on MOV to CR3");
    }
    vcpu.guest_table = table;
    vcpu.cr3 = cr3;
    return absl::OkStatus();
  }

  void FlushTlb(VcpuContext& vcpu, CpuMask vcpus,
                const TlbFlush& flush) override {
    host_.Flush(*vcpu.cpu, vcpu.domain->CpusOf(vcpus), flush);
  }

  void SwitchMode(VcpuContext& vcpu, ModeSwitch how) override {
    CycleClock& clock = vcpu.cpu->clock;
    switch (how) {
      case ModeSwitch::kSyscall:  // priced with its return
        clock.Charge(LevelCount(vcpu.domain->mode()) >= 4
                         ? CostEvent::kSyscallFast
                         : CostEvent::kSyscallInt);
        vcpu.kernel_mode = true;
        break;
      case ModeSwitch::kSysret:
        vcpu.kernel_mode = false;
        break;
      case ModeSwitch::kInterrupt:
        clock.Charge(CostEvent::kExceptionEntry);
        vcpu.kernel_mode = true;
        break;
      case ModeSwitch::kFaultReturn:
        clock.Charge(CostEvent::kIret);
        vcpu.kernel_mode = false;
        break;
      case ModeSwitch::kFaultReturnToKernel:
        clock.Charge(CostEvent::kIret);
        break;
    }
  }

  FaultOutcome HandlePageFault(VcpuContext& vcpu, const PageFault& fault,
                               const Access&, MemoryOperand&) override {
    vcpu.cpu->clock.Charge(CostEvent::kExceptionEntry);
    vcpu.kernel_mode = true;
    return {FaultAction::kReflect, fault};
  }

 private:
  Host& host_;
};

}  // namespace

std::span<const PolicyEntry> NativeRows() {
  static constexpr PolicyEntry kRows[] = {
      {"native", "bare hardware: no hypervisor, the baseline",
       [](Host& host) -> std::unique_ptr<Policy> {
         return std::make_unique<Native>(host);
       }},
  };
  return kRows;
}

}  // namespace xmmu
