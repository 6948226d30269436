// Stores of the guest kernel to L1 tables that it has mapped read-only:
// Xen 4.17, xen/arch/x86/pv/ro-page-fault.c; Xen 3.0.0, the emulation path of
// ptwr in xen/arch/x86/mm.c.

#include "xen/direct/pte_emulator.h"

#include "xen/direct/direct_write_logging.h"

namespace xmmu {

bool PteEmulator::EmulatePteWrite(const PageFault& fault, const Access& access,
                                  MemoryOperand& operand) {
  const Span span = XenSpan("pv_ro_page_fault", "ptwr_do_page_fault");
  const bool may_be = operand.writes() && operand.size <= entry_bytes();
  if (!may_be || !tables_.IsTableWriteFault(fault)) return false;
  const std::optional<MachineAddr> mapping = lookup_.FindMapping(access.va);
  if (!mapping.has_value()) return false;
  const Pte mapped = ReadEntry(*mapping);
  // Only a mapping that is read-only at the last level counts; if it is so
  // further up, the fault is the guest's own affair.
  if (!mapped.present() || mapped.writable()) return false;
  const Mfn table = mapped.frame();
  if (!types_.GetPage(table, domain_.id())) return false;
  tables_.CloseTouching(table);
  bool done = false;
  if (types_.LockPage(table)) {
    if (Page(table).type == PageType::kL1) {
      const Span emulation = XenSpan("x86_emulate", "x86_emulate_memop");
      Charge(CostEvent::kEmulate);
      const MachineAddr addr = AddressOf(table) + PageOffset(access.va);
      done = EmulateStore(addr, access, operand);
      Count(done ? Counter::kPtwrEmulations : Counter::kPtwrRefused);
    }
    types_.UnlockPage(table);
  }
  types_.PutPage(table);
  return done;
}

bool PteEmulator::EmulateStore(MachineAddr addr, const Access& access,
                               MemoryOperand& operand) {
  // Xen reads the guest's memory through the guest's mapping for instructions
  // that read what they change, and for those narrower than an entry.
  const bool plain = operand.kind == OperandKind::kStore;
  if (!plain || operand.size < entry_bytes()) {
    if (!ReadAsGuest(access)) return false;
  }
  const auto bytes = static_cast<uint64_t>(entry_bytes());
  const uint64_t offset = addr.value() & (bytes - 1);
  const uint64_t shift = offset * 8;
  const uint64_t old = Load(addr - offset).raw();
  const uint64_t field = operand.mask() << shift;
  const uint64_t computed = operand.Compute((old & field) >> shift);
  // An instruction that writes nothing back has nothing to validate (Xen 4.17,
  // xen/arch/x86/x86_emulate/x86_emulate.c, writeback of OP_MEM).
  if (operand.kind == OperandKind::kCmpxchg) {
    if (!operand.zf) return true;
  } else if (!plain && computed == (old & field) >> shift) {
    return true;
  }
  return ReplaceEmulated(addr, (old & ~field) | (computed << shift), operand);
}

bool PteEmulator::ReadAsGuest(const Access& access) {
  Access read = access;
  read.kind = AccessKind::kRead;
  if (walks_shadows()) return direct_.write_logging()->Allows(vcpu_, read);
  return cpu_.mmu.Translate(read).ok();
}

// There is no fast path: even a change of flags takes references for the new
// value and drops those of the old.
bool PteEmulator::ReplaceEmulated(MachineAddr addr, uint64_t value,
                                  const MemoryOperand& operand) {
  const Span span = XenSpan("ptwr_emulated_update");
  const bool plain = operand.kind == OperandKind::kStore;
  const auto bytes = static_cast<uint64_t>(entry_bytes());
  const MachineAddr where(addr.value() & ~(bytes - 1));
  Pte entry(value);
  if (entry.present() &&
      types_.GetPageFromL1e(entry, domain_.id()) != XenErrno::kOk) {
    // The guest has written the upper half of an entry first, and the lower
    // half will follow.
    const bool upper_half = operand.size == 4 && (addr.value() & 4) != 0;
    if (!rules_.upper_half_fixup || !plain || !upper_half) return false;
    entry = entry.Without(pte::kPresent);
  }
  const Pte old = ReadEntry(where);
  Charge(CostEvent::kTempMap);
  Charge(plain && rules_.plain_emulated_store ? CostEvent::kXenPteWrite
                                              : CostEvent::kXenPteCas);
  Store(where, types_.Adjust(entry, 1));
  types_.PutPageFromL1e(old);
  return true;
}

}  // namespace xmmu
