// Roots of shadow paging: what a MOV CR3 of the guest becomes. shadow_fill.cc
// makes entries below them, shadow_remove.cc takes entries away.

#include "xmmu/xen/shadow/shadow_paging.h"

#include "absl/strings/str_format.h"
#include "xmmu/base/check.h"
#include "xmmu/xen/vm_exit.h"

namespace xmmu {
namespace {

constexpr uint64_t kL3Bytes = 4 * sizeof(uint64_t);

// The features that the guest's CPUID shows: no 1 GiB pages, which no shadow
// could hold.
CpuFeatures GuestFeatures(const Host& host) {
  CpuFeatures features = host.model().features;
  features.pages_1g = false;
  return features;
}

}  // namespace

ShadowPaging::ShadowPaging(Host& host, Domain& domain, const ShadowShape& shape,
                           uint32_t shadows)
    : WriteLogging(host, domain),
      host_(host),
      domain_(domain),
      shape_(shape),
      l3_frame_(shape.own_l3() ? host.AllocXenFrame() : kInvalidMfn),
      pages_(host, shape.shadow(), shadows),
      roots_(domain.vcpu_count()) {
  XMMU_CHECK(domain.vcpu_count() * kL3Bytes <= kPageSize);
  const CpuFeatures features = GuestFeatures(host);
  for (size_t i = 0; i < roots_.size(); ++i) {
    Root& root = roots_[i];
    root.gfn = kInvalidGfn;
    root.guest = PagingContext(KernelControlRegisters(shape.guest(), features),
                               features);
    if (shape.own_l3()) root.l3 = AddressOf(l3_frame_) + i * kL3Bytes;
    root.top.fill(kNoShadow);
  }
  // No shadow entry is global, so a flush that spares global ones spares none.
  domain.ForbidGlobal();
}

ShadowPaging::~ShadowPaging() {
  if (shape_.own_l3()) host_.FreeXenFrame(l3_frame_);
}

uint32_t ShadowPaging::FewestShadows(const Domain& domain,
                                     const ShadowShape& shape) {
  const auto path = static_cast<uint32_t>(shape.top_level());
  if (shape.own_l3()) return path;
  return path + static_cast<uint32_t>(domain.vcpu_count()) - 1;
}

absl::Status ShadowPaging::StartVcpu(VcpuContext& vcpu, Gfn root) {
  if (shape_.own_l3() && AddressOf(l3_frame_).value() >> 32 != 0) {
    return absl::ResourceExhaustedError(
        "no frame below 4 GiB is left for a PAE L3");
  }
  ControlRegisters registers =
      KernelControlRegisters(shape_.shadow(), host_.model().features);
  VcpuContext* const current = vcpu.cpu->current;
  // SetRoot() leaves the CPU alone: its registers are yet to be set.
  vcpu.cpu->current = nullptr;
  free_of_charge_ = true;
  const absl::Status status = SetRoot(vcpu, root);
  free_of_charge_ = false;
  vcpu.cpu->current = current;
  owed_ = 0;  // nothing has run yet
  if (!status.ok()) return status;
  registers.cr3 = vcpu.cr3;
  vcpu.registers = registers;
  vcpu.vm = ShadowControls(host_.model());
  if (current == &vcpu) {
    XMMU_CHECK(!vcpu.cpu->mmu.EnterVm(vcpu.vm, registers).has_value());
  }
  return absl::OkStatus();
}

absl::Status ShadowPaging::CheckRoot(const VcpuContext& vcpu, Gfn gfn,
                                     std::array<uint64_t, 4>& pdpte) const {
  pdpte = {};
  const Mfn mfn = domain_.MfnOf(gfn);
  if (mfn == kInvalidMfn) {
    return absl::InvalidArgumentError("MOV to CR3: no frame of the domain's");
  }
  if (shape_.guest() != PagingMode::kPae) return absl::OkStatus();
  Charge(*vcpu.cpu, CostEvent::kTempMap);
  Charge(*vcpu.cpu, CostEvent::kXenPteRead, pdpte.size());
  const uint64_t reserved = PdpteReservedBits(host_.model().features);
  for (size_t i = 0; i < pdpte.size(); ++i) {
    pdpte[i] = host_.memory().Read64(AddressOf(mfn) + i * sizeof(uint64_t));
    if (Pte(pdpte[i]).present() && (pdpte[i] & reserved) != 0) {
      return absl::InvalidArgumentError("#GP on MOV to CR3");
    }
  }
  return absl::OkStatus();
}

absl::Status ShadowPaging::ReadRoot(VcpuContext& vcpu, Gfn gfn) {
  std::array<uint64_t, 4> pdpte;
  const absl::Status status = CheckRoot(vcpu, gfn, pdpte);
  if (!status.ok()) return status;
  Root& root = RootOf(vcpu);
  root.gfn = gfn;
  root.guest.root = MachineAddr(gfn.value() << kPageShift);
  root.guest.pdpte = pdpte;
  vcpu.guest_table = domain_.MfnOf(gfn);
  SetTops(vcpu);
  vcpu.cr3 = shape_.own_l3() ? root.l3.value()
                             : AddressOf(pages_[root.top[0]].mfn).value();
  return absl::OkStatus();
}

void ShadowPaging::ReloadPdptes(VcpuContext& vcpu) {
  if (shape_.guest() != PagingMode::kPae) return;
  ReadRoot(vcpu, RootOf(vcpu).gfn).IgnoreError();
}

absl::Status ShadowPaging::SetRoot(VcpuContext& vcpu, Gfn gfn) {
  const Span span = XenSpan(*vcpu.cpu, &ShadowWords::load_root);
  const absl::Status status = ReadRoot(vcpu, gfn);
  if (!status.ok()) return status;
  Cpu& cpu = *vcpu.cpu;
  if (cpu.current != &vcpu) return absl::OkStatus();
  XMMU_CHECK(!host_.LoadCr3(cpu, vcpu.cr3).has_value());
  FlushOwed(cpu, MaskOf(cpu.id));
  return absl::OkStatus();
}

ShadowKey ShadowPaging::TopKey(const Root& root, int index) const {
  const auto level = static_cast<uint8_t>(shape_.top_level());
  if (!shape_.own_l3()) return {root.gfn, level};
  if (shape_.guest() == PagingMode::k2Level) {
    return {root.gfn, level, static_cast<uint8_t>(index)};
  }
  const Pte pdpte(root.guest.pdpte[static_cast<size_t>(index)]);
  return {pdpte.present() ? Gfn(pdpte.frame().value()) : kInvalidGfn, level};
}

// A shadow that is the root itself must be there. Under an L3 of Xen's own, the
// shadows that are there already are hooked up, and faults make the others.
void ShadowPaging::SetTops(VcpuContext& vcpu) {
  Root& root = RootOf(vcpu);
  if (shape_.own_l3()) {
    for (int i = 0; i < 4; ++i) {
      Charge(*vcpu.cpu, CostEvent::kXenPteRead);
      SetTop(vcpu, i, pages_.Find(TopKey(root, i)));
    }
    return;
  }
  guards_.clear();
  const ShadowId id = FindOrMake(vcpu, TopKey(root, 0));
  XMMU_CHECK(id != kNoShadow);
  SetTop(vcpu, 0, id);
}

void ShadowPaging::SetTop(VcpuContext& vcpu, int index, ShadowId id) {
  Root& root = RootOf(vcpu);
  ShadowId& top = root.top[static_cast<size_t>(index)];
  if (id != kNoShadow) pages_.Touch(id);
  if (top == id) return;
  const uint32_t pins = shape_.own_l3() ? 0 : 1;
  if (id != kNoShadow) {
    ++pages_[id].refs;
    pages_[id].pins += pins;
  }
  if (top != kNoShadow) {
    --pages_[top].refs;
    pages_[top].pins -= pins;
  }
  top = id;
  if (!shape_.own_l3()) return;
  Charge(*vcpu.cpu, CostEvent::kXenPteWrite);
  const Pte entry =
      id == kNoShadow ? Pte() : Pte(pages_[id].mfn, pte::kPresent);
  host_.memory().Write64(
      root.l3 + static_cast<uint64_t>(index) * sizeof(uint64_t), entry.raw());
  // The PDPTE registers are loaded anew by what flushes.
  if (vcpu.cpu->current == &vcpu) owed_ |= MaskOf(vcpu.cpu->id);
}

ShadowId ShadowPaging::TopOf(const VcpuContext& vcpu, VirtAddr va) const {
  const Root& root = roots_[vcpu.id];
  const int index = shape_.own_l3() ? IndexOf(PagingMode::kPae, 3, va) : 0;
  return root.top[static_cast<size_t>(index)];
}

ShadowId ShadowPaging::MakeTop(VcpuContext& vcpu, VirtAddr va) {
  const ShadowId there = TopOf(vcpu, va);
  if (there != kNoShadow) return there;
  const int index = IndexOf(PagingMode::kPae, 3, va);
  const ShadowId id = FindOrMake(vcpu, TopKey(RootOf(vcpu), index));
  XMMU_CHECK(id != kNoShadow);
  SetTop(vcpu, index, id);
  return id;
}

GuestWalk ShadowPaging::Walk(VcpuContext& vcpu, const Access& access) {
  const Span span = XenSpan(*vcpu.cpu, &ShadowWords::walk);
  return WalkGuest(host_, domain_, *vcpu.cpu, RootOf(vcpu).guest, access);
}

void ShadowPaging::Emulate(Cpu& cpu, const GuestWalk& walk,
                           const Access& access, MemoryOperand& operand) {
  const Span span = XenSpan(cpu, &ShadowWords::emulate);
  cpu.clock.Charge(CostEvent::kEmulate);
  const Mfn mfn = domain_.MfnOf(walk.gfn);
  if (mfn == kInvalidMfn) {
    operand.seen = operand.mask();
  } else {
    if (operand.writes()) MarkDirty(cpu, domain_, mfn);
    operand.Perform(host_.memory(), AddressOf(mfn) + PageOffset(access.va));
  }
}

void ShadowPaging::Charge(Cpu& cpu, CostEvent event, uint64_t times) const {
  if (!free_of_charge_) cpu.clock.Charge(event, times);
}

void ShadowPaging::FlushOwed(Cpu& cpu, CpuMask done) {
  const CpuMask cpus = owed_ & ~done;
  owed_ = 0;
  if (cpus != 0) host_.Flush(cpu, cpus, TlbFlush::NonGlobal());
}

// The answers of strategies that know no better.

Pte ShadowPaging::SourceOf(const ShadowSlot& slot) const {
  return GuestEntry(slot);
}

bool ShadowPaging::IsCurrent(Cpu&, const ShadowSlot&, Pte) { return false; }
void ShadowPaging::SetSource(Cpu&, const ShadowSlot&, Pte) {}
void ShadowPaging::EntryChanged(Cpu&, const ShadowSlot&, Pte, Pte) {}
void ShadowPaging::BeforeLink(VcpuContext&, ShadowId) {}

void ShadowPaging::ShadowTaken(Cpu& cpu, ShadowId) {
  Charge(cpu, CostEvent::kZeroPage);
}

bool ShadowPaging::IsTableInSync(Gfn gfn) const {
  const GuestTable* const table = pages_.FindTable(gfn);
  return table != nullptr && !table->out_of_sync;
}

bool ShadowPaging::MayWrite(Gfn gfn) const { return !IsTableInSync(gfn); }

}  // namespace xmmu
