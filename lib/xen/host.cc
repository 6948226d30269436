#include "xmmu/xen/host.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "xmmu/base/check.h"
#include "xmmu/base/span_log.h"
#include "xmmu/machine/control_registers.h"

namespace xmmu {
namespace {

// The hypervisor, its heap and the legacy areas lie below all domains (assumed:
// Xen is linked to run below 16 MiB; xen/arch/x86/setup.c relocates it).
constexpr uint64_t kReservedFrames = (uint64_t{16} << 20) >> kPageShift;
// First megabyte: BIOS, VGA and I/O; never handed out.
constexpr uint64_t kLegacyFrames = (uint64_t{1} << 20) >> kPageShift;

// Whether a guest's flush has failed: it loads the pointers of the guest's PAE
// root, whatever the guest has made of them by now. What the processor then
// keeps leads to the guest's own pages only; all other tables are Xen's.
bool RefusesFlush(const Cpu& cpu, const std::optional<PageFault>& fault) {
  XMMU_CHECK(!fault.has_value() || cpu.mmu.vm().nested);
  return fault.has_value();
}

// What is sent, by its name in spans.
constexpr char kIpi[] = "IPI";

// What a processor executes to flush.
const char* SpanName(const TlbFlush& flush) {
  switch (flush.scope) {
    case FlushScope::kNone:
      break;
    case FlushScope::kPage:
      return "INVLPG";
    case FlushScope::kNonGlobal:
      return "flush of non-global entries";
    case FlushScope::kAll:
      return "flush of all entries";
  }
  return "no flush";
}

// What a machine has if nobody asks for more: 1 TiB (assumed).
constexpr uint64_t kUsualFrames = uint64_t{1} << 28;

// The frames that the machine can have: as asked for, as far as addresses
// reach.
uint64_t MostFrames(const MachineModel& model, const HostOptions& options) {
  const uint64_t reach = uint64_t{1}
                         << (model.features.maxphyaddr - kPageShift);
  return std::min(options.memory_frames.value_or(reach), reach);
}

}  // namespace

Cpu::Cpu(uint32_t number, const MachineModel& model, PhysMemory& memory,
         MemoryTiming timing, CacheArray* l3)
    : id(number),
      clock(model.prices()),
      hierarchy(model, l3),
      mmu(model, memory, timing == MemoryTiming::kFlat ? nullptr : &hierarchy,
          clock, counters),
      data_through_caches(timing == MemoryTiming::kAllCaches) {}

void Cpu::TouchData(MachineAddr addr, VirtAddr va) {
  if (!data_through_caches) return;
  hierarchy.Load(addr, va, clock.now()).Charge(clock);
}

Host::Host(const MachineModel& model, const HostOptions& options)
    : model_(model),
      linear_map_(options.linear_map),
      most_frames_(MostFrames(model, options)),
      frames_(
          std::min(most_frames_, options.memory_frames.value_or(kUsualFrames))),
      l3_(model.l3, model.cache_rules.thrash_resistant_l3),
      next_extent_(kReservedFrames),
      next_xen_frame_(kLegacyFrames),
      xen_extent_end_(kReservedFrames) {
  XMMU_CHECK(options.cpus >= 1 && options.cpus <= kMaxCpus);
  for (int i = 0; i < options.cpus; ++i) {
    cpus_.push_back(std::make_unique<Cpu>(static_cast<uint32_t>(i), model,
                                          memory_, options.timing, &l3_));
  }
}

OwnEventId Host::AddOwnEvent(OwnEvent event) {
  for (const auto& cpu : cpus_) {
    cpu->clock.AddOwnEvent(event.component, event.price);
  }
  own_events_.push_back(std::move(event));
  return static_cast<OwnEventId>(own_events_.size() - 1);
}

template <typename FlushOne>
void Host::OnCpus(Cpu& initiator, CpuMask cpus, FlushOne flush) {
  const CpuMask own = MaskOf(initiator.id);
  if ((cpus & own) != 0) flush(initiator);
  const CpuMask others = cpus & ~own;
  if (others == 0) return;
  initiator.clock.Charge(CostEvent::kIpiSend,
                         static_cast<uint64_t>(std::popcount(others)));
  initiator.clock.Charge(CostEvent::kIpiDelivery);
  const Cycles arrival = initiator.clock.now();
  Cycles slowest = arrival;
  for (const auto& cpu : cpus_) {
    if ((others & MaskOf(cpu->id)) == 0) continue;
    cpu->clock.AdvanceTo(arrival);
    // A target whose clock is ahead took the interrupt in its past: only the
    // interrupt itself keeps the initiator waiting.
    const Cycles before = cpu->clock.now();
    const uint64_t flow = NoteFlowOut(initiator.clock, kIpi);
    Span span(cpu->clock, Actor::kProcessor, kIpi);
    NoteFlowIn(cpu->clock, kIpi, flow);
    if (cpu->mmu.vm() != VmControls()) {
      cpu->mmu.VmExit();
      cpu->clock.Charge(CostEvent::kVmExitWork);
    }
    cpu->clock.Charge(CostEvent::kIpiHandler);
    cpu->counters.Add(Counter::kIpis);
    flush(*cpu);
    slowest = std::max(slowest, arrival + (cpu->clock.now() - before));
  }
  initiator.clock.Charge(CostEvent::kIpiWait, (slowest - arrival).count());
}

void Host::Flush(Cpu& initiator, CpuMask cpus, const TlbFlush& flush) {
  if (flush.scope == FlushScope::kNone) return;
  Span span(initiator.clock, Actor::kProcessor, SpanName(flush));
  OnCpus(initiator, cpus, [&](Cpu& cpu) { FlushHere(cpu, flush); });
}

void Host::FlushNested(Cpu& initiator, Domain& domain) {
  Span span(initiator.clock, Actor::kProcessor, "INVEPT");
  OnCpus(initiator, domain.dirty_cpus(),
         [&](Cpu& cpu) { FlushNestedHere(cpu, domain); });
}

void Host::FlushNestedHere(Cpu& cpu, Domain& domain) {
  const bool by_asid = model_.features.vendor == Vendor::kAmd;
  for (uint32_t id = 0; id < domain.vcpu_count(); ++id) {
    const VcpuContext& vcpu = domain.vcpu(id);
    if (!vcpu.vm.nested || vcpu.cpu != &cpu) continue;
    cpu.mmu.FlushNested(vcpu.vm);
    if (!by_asid) return;  // one root serves all
  }
}

void Host::FlushHere(Cpu& cpu, const TlbFlush& flush) {
  switch (flush.scope) {
    case FlushScope::kNone:
      return;
    case FlushScope::kPage:
      return flush.ForEach(
          [&](const TlbFlush& page) { cpu.mmu.Invlpg(page.va); });
    case FlushScope::kNonGlobal:
      if (RefusesFlush(cpu, cpu.mmu.FlushNonGlobal())) return;
      if (!MayHoldGlobals(cpu)) Stamp(cpu);
      return;
    case FlushScope::kAll:
      if (RefusesFlush(cpu, cpu.mmu.FlushAll())) return;
      Stamp(cpu);
      return;
  }
}

// Whether a flush that spares global entries may spare some of the guest's.
bool Host::MayHoldGlobals(const Cpu& cpu) const {
  if ((cpu.mmu.registers().cr4 & cr4::kPge) == 0) return false;
  return cpu.current == nullptr || cpu.current->domain->may_use_global();
}

// The clock stops at zero when it wraps: from then on every type change
// flushes (Xen restarts it behind a machine-wide flush).
void Host::Stamp(Cpu& cpu) {
  if (tlb_clock_ != 0) ++tlb_clock_;
  cpu.tlbflush_time = tlb_clock_;
}

void Host::Apply(Cpu& initiator, PendingInvalidation& pending) {
  if (!pending.empty()) Flush(initiator, pending.cpus(), pending.flush());
  pending.Consume();
}

std::optional<PageFault> Host::LoadCr3(Cpu& cpu, uint64_t value) {
  std::optional<PageFault> fault = cpu.mmu.LoadCr3(value);
  if (fault.has_value()) return fault;
  if (MayHoldGlobals(cpu)) {
    FlushHere(cpu, TlbFlush::All());
  } else {
    Stamp(cpu);
  }
  return fault;
}

void Host::SwitchVcpu(Cpu& cpu, VcpuContext& next) {
  VcpuContext* const last = cpu.current;
  if (last == &next) return;
  const ControlRegisters now = cpu.mmu.registers();
  ControlRegisters wanted = next.registers.value_or(now);
  wanted.cr3 = now.cr3;
  const bool same = wanted == now;
  wanted.cr3 = next.cr3;
  if (last != nullptr) last->registers = now;
  if (cpu.mmu.vm() != VmControls() || next.vm != VmControls()) {
    return SwitchVm(cpu, next);
  }
  const bool same_domain = last != nullptr && last->domain == next.domain;
  if (!same) {
    XMMU_CHECK(!cpu.mmu.Reset(wanted).has_value());
    Stamp(cpu);
  } else if (!same_domain || now.cr3 != next.cr3) {
    XMMU_CHECK(!LoadCr3(cpu, next.cr3).has_value());
    // Global entries of one domain are not another's.
    if (!same_domain) FlushHere(cpu, TlbFlush::All());
  }
  Occupy(cpu, next);
}

void Host::SwitchVm(Cpu& cpu, VcpuContext& next) {
  ControlRegisters wanted = next.registers.value_or(cpu.mmu.registers());
  wanted.cr3 = next.cr3;
  cpu.mmu.VmExit();
  cpu.clock.Charge(CostEvent::kVmExitWork);
  if (cpu.current != nullptr) {
    cpu.current->pdptes = cpu.mmu.pdpte_registers();
  }
  // A guest whose root has become bad since is run all the same.
  if (cpu.mmu.EnterVm(next.vm, wanted).has_value()) {
    XMMU_CHECK(!cpu.mmu.EnterVm(next.vm, wanted, &next.pdptes).has_value());
  }
  // VM entry of a shadowed guest flushes the TLB (it has no tag): note it in
  // the flush clock.
  if (next.vm.shadowed) Stamp(cpu);
  Occupy(cpu, next);
}

// TLB entries with a tag outlive the switch, so the CPU stays one of the
// domain's dirty ones.
void Host::Occupy(Cpu& cpu, VcpuContext& next) {
  VcpuContext* const last = cpu.current;
  const bool leaves = last != nullptr && last->domain != next.domain;
  if (leaves && last->vm.tag == 0) {
    last->domain->set_dirty_cpus(last->domain->dirty_cpus() & ~MaskOf(cpu.id));
  }
  cpu.current = &next;
  next.domain->set_dirty_cpus(next.domain->dirty_cpus() | MaskOf(cpu.id));
}

void Host::MakeCold() {
  l3_.Clear();
  for (const auto& cpu : cpus_) {
    cpu->mmu.ForgetTranslations();
    cpu->hierarchy = MemoryHierarchy(model_, &l3_);
  }
}

CpuMask Host::NeedFlush(CpuMask candidates, uint32_t timestamp) const {
  if (tlb_clock_ == 0) return candidates;
  CpuMask need = 0;
  for (const auto& cpu : cpus_) {
    const bool old = cpu->tlbflush_time <= timestamp && timestamp <= tlb_clock_;
    if (old) need |= candidates & MaskOf(cpu->id);
  }
  return need;
}

}  // namespace xmmu
