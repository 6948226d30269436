#include "xmmu/xen/emulator.h"

namespace xmmu {
namespace {

// Performs a load, if it does not fault; charges kEmulate either way.
bool EmulateLoad(Host& host, Cpu& cpu, const Access& access,
                 MemoryOperand& operand) {
  cpu.clock.Charge(CostEvent::kEmulate);
  const TranslateResult source = cpu.mmu.Translate(access);
  if (source.ok()) operand.Perform(host.memory(), source.addr());
  return source.ok();
}

}  // namespace

void EmulateFollowing(Host& host, VcpuContext& vcpu, const Access& last,
                      TableStore store) {
  CycleClock& clock = vcpu.cpu->clock;
  Access access = last;
  size_t looked_at = 0;
  for (Instruction& next : vcpu.following) {
    if (looked_at++ == kInstructionsMore) return;
    access.va = next.va;
    if (next.operand.writes()) {
      access.kind = AccessKind::kWrite;
      const uint64_t before = clock.tally(CostEvent::kEmulate);
      next.done = store(access, next.operand);
      // `store` has charged the instruction if it found a table there, even if
      // it refused the store.
      if (clock.tally(CostEvent::kEmulate) == before) {
        clock.Charge(CostEvent::kEmulate);
      }
      return;
    }
    access.kind = AccessKind::kRead;
    next.done = EmulateLoad(host, *vcpu.cpu, access, next.operand);
    if (!next.done) return;
  }
  if (looked_at < kInstructionsMore) clock.Charge(CostEvent::kEmulate);
}

}  // namespace xmmu
