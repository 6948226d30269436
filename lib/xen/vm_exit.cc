#include "xmmu/xen/vm_exit.h"

#include <algorithm>

namespace xmmu {

void ChargeVmExit(Cpu& cpu, uint64_t times) {
  cpu.clock.Charge(CostEvent::kVmExit, times);
  cpu.clock.Charge(CostEvent::kVmExitWork, times);
  cpu.counters.Add(Counter::kVmExits, times);
}

void InjectPageFault(VcpuContext& vcpu) {
  vcpu.cpu->clock.Charge(CostEvent::kExceptionEntry);
  vcpu.kernel_mode = true;
}

GuestShootdown::GuestShootdown(Host& host, VcpuContext& vcpu, CpuMask others)
    : host_(host),
      initiator_(*vcpu.cpu),
      cpus_(vcpu.domain->CpusOf(others) & ~MaskOf(initiator_.id)) {
  if (cpus_ == 0) return;
  ChargeVmExit(initiator_);
  for (uint32_t id = 0; id < host_.cpu_count(); ++id) {
    before_.push_back(host_.cpu(id).clock.busy());
    if ((cpus_ & MaskOf(id)) != 0) ChargeVmExit(host_.cpu(id), 2);
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
