// The library's Mmu as a CPU under test.

#include "mmu/staleness_machines.h"
#include "xmmu/base/check.h"
#include "xmmu/mmu/mmu.h"

namespace xmmu::staleness {
namespace {

uint64_t If(bool on, uint64_t bit) { return on ? bit : 0; }

ControlRegisters ControlRegistersOf(const Registers& r) {
  ControlRegisters registers;
  registers.cr0 = cr0::kPe | If(r.paging, cr0::kPg) | If(r.wp, cr0::kWp);
  registers.cr3 = r.root | r.pcid;
  registers.cr4 = If(r.levels > 2, cr4::kPae) | If(r.pge, cr4::kPge) |
                  If(r.pcide, cr4::kPcide) | If(r.pse, cr4::kPse) |
                  If(r.smep, cr4::kSmep) | If(r.smap, cr4::kSmap) |
                  If(r.pke, cr4::kPke) | If(r.levels == 5, cr4::kLa57);
  registers.efer = If(r.nxe, efer::kNxe) | If(r.tce, efer::kTce) |
                   If(r.levels > 3, efer::kLme | efer::kLma);
  registers.pkru = r.pkru;
  registers.ac = r.ac;
  return registers;
}

Outcome OutcomeOf(const TranslateResult& result) {
  if (result.ok()) return {Outcome::kOk, 0, result.addr().value()};
  if (result.fault().vector == FaultVector::kGeneralProtection) {
    return {Outcome::kGeneralProtection, 0, 0};
  }
  return {Outcome::kPageFault, result.fault().error_code, 0};
}

class MmuCpu : public Cpu {
 public:
  MmuCpu(const MachineModel& model, PhysMemory& memory,
         const Registers& registers)
      : model_(model),
        clock_(model_.prices()),
        mmu_(model_, memory, nullptr, clock_, counters_) {
    XMMU_CHECK(!mmu_.Reset(ControlRegistersOf(registers)).has_value());
  }

  Outcome Perform(const Access& access) override {
    return OutcomeOf(mmu_.Translate(access));
  }
  Outcome Probe(const Access& access) override {
    return OutcomeOf(mmu_.Probe(access));
  }
  bool Perform(const Operation& operation) override {
    const VirtAddr va(operation.va);
    switch (operation.op) {
      case Op::kInvlpg:
        mmu_.Invlpg(va);
        return true;
      case Op::kInvpcidAddress:
        return Invpcid(InvpcidType::kAddress, operation);
      case Op::kInvpcidContext:
        return Invpcid(InvpcidType::kContext, operation);
      case Op::kInvpcidAllWithGlobals:
        return Invpcid(InvpcidType::kAllWithGlobals, operation);
      case Op::kInvpcidAllWithoutGlobals:
        return Invpcid(InvpcidType::kAllWithoutGlobals, operation);
      case Op::kFlushNonGlobal:
        return !mmu_.FlushNonGlobal().has_value();
      case Op::kFlushAll:
        return !mmu_.FlushAll().has_value();
      case Op::kReset:
        return !mmu_.Reset(ControlRegisters(mmu_.registers())).has_value();
      default:
        return MoveToRegister(operation);
    }
  }

  uint64_t CacheDigest() const override {
    uint64_t digest = 0;
    for (const TlbEntry& entry : mmu_.TlbEntries()) {
      digest = MixHash(digest, entry.vpn << 8 | entry.rights);
      digest = MixHash(digest, entry.base.value() | entry.pcid);
    }
    for (const PagingStructureEntry& entry : mmu_.PagingStructureEntries()) {
      digest = MixHash(digest, entry.va.value() | entry.pcid);
      digest = MixHash(digest, entry.table.value() | entry.rights);
    }
    digest = MixHash(digest, clock_.busy().count());
    return MixHash(digest, counters_[Counter::kPteLoads]);
  }
  uint64_t Filtered() const override {
    return counters_[Counter::kTlbFlushesFiltered];
  }

 private:
  bool Invpcid(InvpcidType type, const Operation& operation) {
    return !mmu_.Invpcid(type, operation.pcid, VirtAddr(operation.va))
                .has_value();
  }

  static uint64_t Changed(uint64_t value, uint64_t bit, bool on) {
    return (value & ~bit) | (on ? bit : 0);
  }
  bool SetCr4(uint64_t bit, bool on) {
    const uint64_t value = Changed(mmu_.registers().cr4, bit, on);
    return !mmu_.LoadCr4(value).has_value();
  }
  bool SetEfer(uint64_t bit, bool on) {
    const uint64_t value = Changed(mmu_.registers().efer, bit, on);
    return !mmu_.LoadEfer(value).has_value();
  }
  bool SetCr0(uint64_t bit, bool on) {
    const uint64_t value = Changed(mmu_.registers().cr0, bit, on);
    return !mmu_.LoadCr0(value).has_value();
  }

  bool MoveToRegister(const Operation& operation) {
    switch (operation.op) {
      case Op::kMovCr3:
        return !mmu_.LoadCr3(operation.root | operation.pcid |
                             If(operation.no_flush, cr3::kNoFlush))
                    .has_value();
      case Op::kPge:
        return SetCr4(cr4::kPge, operation.on);
      case Op::kPcide:
        return SetCr4(cr4::kPcide, operation.on);
      case Op::kPae:
        return SetCr4(cr4::kPae, operation.on);
      case Op::kSmep:
        return SetCr4(cr4::kSmep, operation.on);
      case Op::kPse:
        return SetCr4(cr4::kPse, operation.on);
      case Op::kSmap:
        return SetCr4(cr4::kSmap, operation.on);
      case Op::kPaging:
        return SetCr0(cr0::kPg, operation.on);
      case Op::kWp:
        return SetCr0(cr0::kWp, operation.on);
      case Op::kCd:
        return SetCr0(cr0::kCd, operation.on);
      case Op::kPke:
        return SetCr4(cr4::kPke, operation.on);
      case Op::kNxe:
        return SetEfer(efer::kNxe, operation.on);
      case Op::kTce:
        return SetEfer(efer::kTce, operation.on);
      case Op::kAc:
        mmu_.set_ac(operation.on);
        return true;
      default:
        mmu_.set_pkru(operation.pkru);
        return true;
    }
  }

  MachineModel model_;
  Counters counters_;
  CycleClock clock_;
  Mmu mmu_;
};

}  // namespace

std::unique_ptr<Cpu> MakeMmuCpu(const MachineModel& model, PhysMemory& memory,
                                const Registers& registers) {
  return std::make_unique<MmuCpu>(model, memory, registers);
}

}  // namespace xmmu::staleness
