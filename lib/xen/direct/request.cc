#include "xen/direct/request.h"

#include "xen/direct/direct_write_logging.h"

namespace xmmu {

PvRequest::PvRequest(Host& on_host, VcpuContext& of_vcpu,
                     const PvRules& by_rules)
    : PvRequest(on_host, of_vcpu, by_rules, *of_vcpu.cpu) {}

PvRequest::PvRequest(Host& on_host, VcpuContext& of_vcpu,
                     const PvRules& by_rules, Cpu& payer)
    : host(on_host),
      vcpu(of_vcpu),
      domain(*of_vcpu.domain),
      cpu(payer),
      rules(by_rules) {}

void RequestPart::FlushPage(CpuMask cpus, VirtAddr va) {
  if (IsHypervisorAddress(rules_.mode, va)) return;
  if (rules_.invlpg_mask_is_full_here && (cpus & own_cpu()) != 0) {
    FlushNow(own_cpu(), FullFlush());
    cpus &= ~own_cpu();
  }
  FlushNow(cpus, TlbFlush::Page(va));
}

void RequestPart::NoteStore(MachineAddr entry, Pte value) {
  MarkDirty(cpu_, domain_, FrameOf(entry));
  if (walks_shadows())
    direct_.write_logging()->EntryWritten(cpu_, entry, value);
}

}  // namespace xmmu
