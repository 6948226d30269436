// The periodic tick of a policy: when it is due, and what it costs.

#include "xmmu/policy/tick.h"

#include <limits>
#include <optional>

#include "xmmu/base/check.h"
#include "xmmu/xen/vm_exit.h"

namespace xmmu {
namespace {

constexpr uint64_t kNever = std::numeric_limits<uint64_t>::max();

// The first end of a period after `now`, of those that a multiple of `period`
// lies between them and `last`; never, if that is beyond the end of time.
Cycles NextTick(Cycles last, Cycles now, Cycles period) {
  XMMU_CHECK(period.count() != 0);
  const uint64_t passed = (now - last).count() / period.count();
  const uint64_t begin = last.count() + passed * period.count();
  if (period.count() > kNever - begin) return Cycles(kNever);
  return Cycles(begin + period.count());
}

}  // namespace

void StartTicks(const Policy& policy, Host& host) {
  const std::optional<TickRequest> request = policy.tick();
  for (uint32_t id = 0; id < host.cpu_count(); ++id) {
    Cpu& cpu = host.cpu(id);
    const Cycles now = cpu.clock.now();
    cpu.next_tick =
        request ? NextTick(now, now, request->period) : Cycles(kNever);
  }
}

void DeliverTick(Policy& policy, VcpuContext& vcpu) {
  Cpu& cpu = *vcpu.cpu;
  const Cycles due = cpu.next_tick;
  XMMU_CHECK(cpu.current == &vcpu && cpu.clock.now() >= due);
  if (cpu.mmu.vm() != VmControls()) {
    ChargeVmExit(cpu);
  } else {
    cpu.clock.Charge(CostEvent::kExceptionEntry);
    cpu.clock.Charge(CostEvent::kIret);
  }
  policy.Tick(vcpu);
  const std::optional<TickRequest> request = policy.tick();
  cpu.next_tick = request ? NextTick(due, cpu.clock.now(), request->period)
                          : Cycles(kNever);
}

}  // namespace xmmu
