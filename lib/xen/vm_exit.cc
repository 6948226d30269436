#include "xmmu/xen/vm_exit.h"

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

void ChargeGuestShootdown(Host& host, VcpuContext& vcpu, CpuMask others) {
  constexpr uint64_t kTargetExits = 2;
  Cpu& own = *vcpu.cpu;
  const CpuMask cpus = vcpu.domain->CpusOf(others) & ~MaskOf(own.id);
  if (cpus == 0) return;
  ChargeVmExit(own);
  for (uint32_t id = 0; id < host.cpu_count(); ++id) {
    if ((cpus & MaskOf(id)) != 0) ChargeVmExit(host.cpu(id), kTargetExits);
  }
  const uint64_t exit = own.clock.price(CostEvent::kVmExit) +
                        own.clock.price(CostEvent::kVmExitWork);
  own.clock.Charge(CostEvent::kIpiWait, kTargetExits * exit);
}

}  // namespace xmmu
