#include "guest/kernel_mappings.h"

#include "absl/strings/str_cat.h"
#include "xen/layout.h"

namespace xmmu {
namespace {

// Linux leaves a hole after the direct map (include/asm-i386/pgtable.h,
// VMALLOC_OFFSET).
constexpr uint64_t kHole = uint64_t{8} << 20;
// The start of vmalloc space (Linux, Documentation/x86/x86_64/mm.txt).
constexpr VirtAddr kVmalloc4Level{0xffffc90000000000};
constexpr VirtAddr kVmalloc5Level{0xffa0000000000000};
// The first try may fault to copy an entry; the second must go through.
constexpr int kTries = 2;

VirtAddr RoundUp(VirtAddr va, uint64_t span) {
  return VirtAddr((va.value() + span - 1) / span * span);
}

}  // namespace

VirtAddr KernelMappings::First() const {
  if (core_.mode() == PagingMode::k4Level) return kVmalloc4Level;
  if (core_.mode() == PagingMode::k5Level) return kVmalloc5Level;
  return core_.layout.direct_map + (core_.domain.p2m().size() << kPageShift) +
         kHole;
}

// Writes to the reference tables alone: other address spaces fault the upper
// entries in when they need them.
absl::StatusOr<VirtAddr> KernelMappings::Map(Vcpu& vcpu, uint64_t pages) {
  const uint64_t span = uint64_t{1} << LevelShift(core_.mode(), 2);
  const VirtAddr next = core_.layout.direct_map + core_.kernel_bytes;
  const VirtAddr start = RoundUp(std::max(First(), next), span);
  const VirtAddr end = start + (pages << kPageShift);
  const bool narrow = LinearAddressBits(core_.mode()) == 32;
  if (narrow && end > HypervisorStart(core_.mode())) {
    return absl::ResourceExhaustedError(
        absl::StrCat("no room for ", pages, " pages of the kernel's"));
  }
  for (VirtAddr va = start; va < end; va += kPageSize) {
    absl::StatusOr<Pfn> page = core_.AllocFrame();
    if (!page.ok()) return page.status();
    vcpu.ZeroPage(core_.layout.DirectVa(*page));
    absl::StatusOr<PteSlot> slot = tables_.Make(vcpu, core_.init_mm, va);
    if (!slot.ok()) return slot.status();
    ops_.SetPte(vcpu, core_.init_mm, *slot,
                core_.MakeKernelEntry(*page, /*writable=*/true));
  }
  ops_.FinishKernelWork(vcpu);
  core_.kernel_bytes = end - core_.layout.direct_map;
  return start;
}

// Source: vmalloc_fault. An entry that is equal already means that the fault
// has another cause.
bool KernelMappings::FaultIn(Vcpu& vcpu, AddressSpace& mm, VirtAddr va) {
  const int level = copied_level();
  const auto reference = tables_.FindDownTo(vcpu, core_.init_mm, level, va);
  const auto own = tables_.FindDownTo(vcpu, mm, level, va);
  if (!reference.has_value() || !own.has_value()) return false;
  const int index = IndexOf(core_.mode(), level, va);
  const uint64_t entry = tables_.LoadEntry(vcpu, *reference, index);
  if (entry == 0 || tables_.LoadEntry(vcpu, *own, index) == entry) return false;
  ops_.SetTableEntry(vcpu, mm, level, *own, index, entry);
  ops_.FinishKernelWork(vcpu);
  return true;
}

absl::StatusOr<uint64_t> KernelMappings::Exchange(Vcpu& vcpu, AddressSpace& mm,
                                                  VirtAddr va, uint64_t value) {
  for (int i = 0; i < kTries; ++i) {
    MemoryOperand operand{
        .kind = OperandKind::kXchg, .size = 4, .value = value};
    const auto fault = vcpu.Execute(va, /*user=*/false, operand);
    if (!fault.has_value()) return operand.seen;
    vcpu.cpu().clock.Charge(CostEvent::kGuestFaultPath);
    const bool done = FaultIn(vcpu, mm, va);
    vcpu.SwitchMode(ModeSwitch::kFaultReturnToKernel);
    if (!done) break;
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "the kernel has nothing mapped at 0x", absl::Hex(va.value())));
}

}  // namespace xmmu
