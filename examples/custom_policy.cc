// A memory-virtualization strategy of your own, compared with the built-in
// ones, without a line changed in the library.
//
// The strategy: the guest runs on the real tables, as on bare hardware, but a
// monitor watches it. Each MOV to CR3, each TLB flush and each page fault
// leaves the guest for the monitor and comes back, as on the first processors
// with hardware virtualization, less any shadow paging. It is the floor under
// every strategy that intercepts these events.

#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "xmmu/policy/policies.h"
#include "xmmu/report/report.h"
#include "xmmu/sim/compare.h"
#include "xmmu/workload/synthetic.h"

namespace {

class Watched final : public xmmu::Policy {
 public:
  explicit Watched(xmmu::Host& host)
      : bare_(xmmu::FindPolicy("native")->make(host)) {}

  std::string_view name() const override { return "watched"; }

  // What the guest finds: bare hardware.
  absl::StatusOr<xmmu::GuestAbi> Abi(xmmu::PagingMode mode) const override {
    return bare_->Abi(mode);
  }
  absl::Status StartVcpu(xmmu::VcpuContext& vcpu, xmmu::Gfn root,
                         xmmu::Gfn user_root) override {
    return bare_->StartVcpu(vcpu, root, user_root);
  }
  void SwitchMode(xmmu::VcpuContext& vcpu, xmmu::ModeSwitch how) override {
    bare_->SwitchMode(vcpu, how);
  }

  // The events that the monitor intercepts.
  absl::Status LoadCr3(xmmu::VcpuContext& vcpu, xmmu::Gfn root) override {
    Exit(vcpu);
    return bare_->LoadCr3(vcpu, root);
  }
  void FlushTlb(xmmu::VcpuContext& vcpu, xmmu::CpuMask vcpus,
                const xmmu::TlbFlush& flush) override {
    Exit(vcpu);
    bare_->FlushTlb(vcpu, vcpus, flush);
  }
  xmmu::FaultOutcome HandlePageFault(xmmu::VcpuContext& vcpu,
                                     const xmmu::PageFault& fault,
                                     const xmmu::Access& access,
                                     xmmu::MemoryOperand& operand) override {
    Exit(vcpu);
    return bare_->HandlePageFault(vcpu, fault, access, operand);
  }

 private:
  // Out of the guest, the monitor's dispatch, and back in. Assumed: as far as a
  // hypercall on the same machine; the real thing took longer.
  static void Exit(xmmu::VcpuContext& vcpu) {
    vcpu.cpu->clock.Charge(xmmu::CostEvent::kHypercallInt);
    vcpu.cpu->clock.Charge(xmmu::CostEvent::kHypercallWork);
  }

  std::unique_ptr<xmmu::Policy> bare_;
};

}  // namespace

int main(int argc, char** argv) {
  const std::string spec = argc > 1 ? argv[1] : "fork";
  xmmu::ComparisonOptions options;
  options.policies = {
      {"native"},
      {"watched",
       [](xmmu::Host& host) { return std::make_unique<Watched>(host); }},
      {"pinning"},
      {"trap-and-emulate"}};
  const absl::StatusOr<xmmu::Comparison> comparison =
      xmmu::Compare(options, [&](const xmmu::SimulatorOptions&) {
        return xmmu::MakeSyntheticWorkload(spec);
      });
  if (!comparison.ok()) {
    std::fprintf(stderr, "custom_policy: %s\n",
                 comparison.status().ToString().c_str());
    return 1;
  }
  const std::string report =
      xmmu::FormatReport(*comparison, xmmu::ReportFormat::kText);
  const bool written =
      std::fputs(report.c_str(), stdout) >= 0 && std::fflush(stdout) == 0;
  if (!written) std::perror("custom_policy: standard output");
  return written ? 0 : 1;
}
