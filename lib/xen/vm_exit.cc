#include "xmmu/xen/vm_exit.h"

#include <algorithm>

#include "xmmu/base/span_log.h"

namespace xmmu {

void ChargeVmExit(Cpu& cpu, uint64_t times) {
  Span span(cpu.clock, Actor::kProcessor, "VM exit");
  if (times > 1) span.Arg("times", times);
  for (uint64_t i = 0; i < times; ++i) cpu.mmu.VmExit();
  cpu.clock.Charge(CostEvent::kVmExitWork, times);
}

void InjectPageFault(VcpuContext& vcpu) {
  vcpu.cpu->clock.Charge(CostEvent::kExceptionEntry);
  vcpu.kernel_mode = true;
}

VmControls ShadowControls(const MachineModel& model) {
  VmControls controls;
  controls.shadowed = true;
  controls.keeps_entries = model.nested.tags;
  return controls;
}

GuestShootdown::GuestShootdown(Host& host, VcpuContext& vcpu, CpuMask others,
                               std::optional<uint64_t> exits)
    : host_(host), initiator_(*vcpu.cpu) {
  bool sent = false;
  for (uint32_t id = 0; id < vcpu.domain->vcpu_count(); ++id) {
    const VcpuContext& other = vcpu.domain->vcpu(id);
    if ((others & MaskOf(id)) == 0 || &other == &vcpu) continue;
    sent = true;
    if (other.cpu->current == &other) cpus_ |= MaskOf(other.cpu->id);
  }
  if (sent && exits.has_value()) ChargeVmExit(initiator_);
  for (uint32_t id = 0; id < host_.cpu_count(); ++id) {
    before_.push_back(host_.cpu(id).clock.busy());
    if (!exits.has_value() || (cpus_ & MaskOf(id)) == 0) continue;
    ChargeVmExit(host_.cpu(id), 1 + *exits);
  }
}

void GuestShootdown::Wait() {
  if (cpus_ == 0) return;
  Cycles slowest;
  for (uint32_t id = 0; id < host_.cpu_count(); ++id) {
    if ((cpus_ & MaskOf(id)) == 0) continue;
    slowest = std::max(slowest, host_.cpu(id).clock.busy() - before_[id]);
  }
  initiator_.clock.Charge(CostEvent::kIpiWait, slowest.count());
}

}  // namespace xmmu
