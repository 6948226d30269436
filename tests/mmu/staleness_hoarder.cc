// A CPU that keeps every translation and every non-leaf entry until an
// operation drops it, and prefers the oldest: nothing stale escapes notice.

#include "mmu/staleness_machines.h"

namespace xmmu::staleness {
namespace {

class HoardingCpu : public Cpu {
 public:
  HoardingCpu(const Cripple& cripple, const Cpuid& cpuid, PhysMemory& memory,
              const Registers& registers, uint64_t seed)
      : cripple_(cripple),
        cpuid_(cpuid),
        memory_(memory),
        registers_(registers),
        random_(seed) {
    Execute(Operation{.op = Op::kReset}, cpuid_, memory_, registers_);
  }

  Outcome Perform(const Access& access) override {
    const uint64_t va = access.va.value();
    if (!registers_.paging) return {Outcome::kOk, 0, va};
    if (!IsCanonical(registers_.levels, va)) {
      return {Outcome::kGeneralProtection, 0, 0};
    }
    if (Has(Quirk::kPdptesReadByWalks)) RereadPdptes();
    if (const std::optional<Outcome> cached = FromPages(access)) return *cached;
    for (const CachedFault& fault : faults_) {
      if (fault.vpn == va >> 12 && fault.kind == access.kind &&
          fault.user == access.user) {
        return {Outcome::kPageFault, fault.error, 0};
      }
    }
    return FromTables(access);
  }

  Outcome Probe(const Access& access) override {
    const uint64_t va = access.va.value();
    if (!registers_.paging) return {Outcome::kOk, 0, va};
    if (!IsCanonical(registers_.levels, va)) {
      return {Outcome::kGeneralProtection, 0, 0};
    }
    const Variant walk = Walk(cpuid_, registers_, memory_, access, nullptr);
    if (Has(Quirk::kProbesSetAccessed)) SetFlags(walk);
    return walk.outcome;
  }

  bool Perform(const Operation& operation) override {
    const Registers before = registers_;
    Operation seen = operation;
    if (Has(Quirk::kClearBit63TakenForSet)) seen.no_flush = true;
    Drops drops = DropsOf(seen, cpuid_, registers_);
    if (!Execute(operation, cpuid_, memory_, registers_)) return false;
    if (KeepsPdptes(operation.op)) registers_.pdpte = before.pdpte;
    for (Drop& drop : drops) {
      Misdirect(operation.op, before.pcid, drop);
      Apply(drop);
    }
    return true;
  }

 private:
  // What a CPU must not keep.
  struct CachedFault {
    uint64_t vpn;
    AccessKind kind;
    bool user;
    uint32_t error;
  };

  bool Has(Quirk quirk) const { return cripple_.quirk == quirk; }

  bool KeepsPdptes(Op op) const {
    switch (op) {
      case Op::kMovCr3:
      case Op::kFlushNonGlobal:
        return Has(Quirk::kPdptesKeptByMovCr3);
      case Op::kPge:
      case Op::kPse:
      case Op::kSmep:
        return Has(Quirk::kPdptesKeptByMovCr4);
      case Op::kCd:
      case Op::kPaging:
        return Has(Quirk::kPdptesKeptByMovCr0);
      default:
        return false;
    }
  }

  void Misdirect(Op op, uint16_t current, Drop& drop) const {
    const bool by_invpcid =
        op == Op::kInvpcidAddress || op == Op::kInvpcidContext;
    if ((Has(Quirk::kMovCr3FlushesThePcidItLeaves) && op == Op::kMovCr3) ||
        (Has(Quirk::kInvpcidFlushesTheCurrentPcid) && by_invpcid)) {
      drop.pcid = current;
    }
  }

  void Apply(const Drop& drop) {
    if (cripple_.without == drop.row) return;
    cached_.Apply(drop);
    const bool by_fault =
        Row::kFaultPage <= drop.row && drop.row <= Row::kFaultTables;
    if (!by_fault) faults_.clear();
  }

  // The oldest translation that serves the access, seven times out of eight.
  std::optional<Outcome> FromPages(const Access& access) {
    if (random_() % 8 == 0) return std::nullopt;
    for (const CachedPage& page : cached_.pages()) {
      const uint64_t va = access.va.value();
      const uint16_t pcid =
          Has(Quirk::kPcidIsNoPartOfTheTag) ? page.pcid : registers_.pcid;
      if (!page.Serves(va, pcid)) continue;
      const uint32_t error =
          Violation(registers_, page.rights, page.key, access);
      if (error != 0 && !Has(Quirk::kCachedRightsAreNotJudged)) {
        if (!cpuid_.amd || Has(Quirk::kPagesFaultAtOnce)) {
          return RaiseFault(va, error);
        }
        DropFaulting(va);
        return WalkFrom(nullptr, access);
      }
      const bool write = access.kind == AccessKind::kWrite;
      if (write && !page.dirty && !Has(Quirk::kWriteThroughCleanEntryLeavesD)) {
        return std::nullopt;  // the walk sets D
      }
      return Outcome{Outcome::kOk, 0, page.base + (va - page.first)};
    }
    return std::nullopt;
  }

  Outcome FromTables(const Access& access) {
    const uint64_t va = access.va.value();
    const CachedTable* start = nullptr;
    for (const CachedTable& table : cached_.tables()) {
      if (!table.Serves(va, registers_.pcid)) continue;
      if (start == nullptr || random_() % 2 == 0) start = &table;
      if (random_() % 4 == 0) break;
    }
    return WalkFrom(start, access);
  }

  Outcome WalkFrom(const CachedTable* start, const Access& access) {
    const uint64_t va = access.va.value();
    Registers registers = registers_;
    if (Has(Quirk::kGlobalWithoutPge)) registers.pge = true;
    Variant walk = Walk(cpuid_, registers, memory_, access, start);
    if (Has(Quirk::kRightsAboveAreForgotten)) {
      for (CachedTable& table : walk.tables) table.rights = Rights();
    }
    SetFlags(walk);
    if (walk.outcome.kind == Outcome::kOk) {
      Keep(walk, va);
      return walk.outcome;
    }
    if (cpuid_.amd && start != nullptr && !Has(Quirk::kTablesFaultAtOnce)) {
      DropFaulting(va);
      return WalkFrom(nullptr, access);
    }
    const uint32_t error = walk.outcome.error;
    const bool absent = (error & 1) == 0 && Has(Quirk::kNotPresentIsCached);
    const bool reserved =
        (error & 8) != 0 && Has(Quirk::kReservedBitsAreCached);
    if (absent || reserved) {
      faults_.push_back({va >> 12, access.kind, access.user, error});
    }
    return RaiseFault(va, error);
  }

  void Keep(Variant& walk, uint64_t va) {
    if (Has(Quirk::kFragmentsOfALargePageStay)) {
      CachedPage& page = *walk.page;
      const uint64_t first = va & ~uint64_t{0xfff};
      page.base += first - page.first;
      page.first = first;
      page.shift = 12;
    }
    cached_.Add(walk);
  }

  void DropFaulting(uint64_t va) {
    for (const Drop& drop : DropsOfFault(va, registers_.pcid)) Apply(drop);
  }

  Outcome RaiseFault(uint64_t va, uint32_t error) {
    DropFaulting(va);
    return {Outcome::kPageFault, error, 0};
  }

  void SetFlags(const Variant& walk) {
    for (const FlagUpdate& update : walk.updates) {
      if (!update.required) continue;
      uint64_t bits = update.bits;
      if (Has(Quirk::kAccessedIsNotSet)) bits &= ~uint64_t{0x20};
      const bool leaf = &update == &walk.updates.back();
      if (Has(Quirk::kReadsSetDirty) && leaf) bits |= 0x40;
      const MachineAddr address(update.address);
      const int bytes = EntryBytes(registers_.levels);
      memory_.WriteEntry(address, bytes,
                         memory_.ReadEntry(address, bytes) | bits);
    }
  }

  void RereadPdptes() {
    for (size_t i = 0; i < registers_.pdpte.size(); ++i) {
      registers_.pdpte[i] =
          memory_.Read64(MachineAddr(registers_.root) + 8 * i);
    }
  }

  Cripple cripple_;
  Cpuid cpuid_;
  PhysMemory& memory_;
  Registers registers_;
  CachedState cached_;
  std::vector<CachedFault> faults_;
  std::mt19937_64 random_;
};

}  // namespace

std::unique_ptr<Cpu> MakeHoardingCpu(const Cripple& cripple, const Cpuid& cpuid,
                                     PhysMemory& memory,
                                     const Registers& registers,
                                     uint64_t seed) {
  return std::make_unique<HoardingCpu>(cripple, cpuid, memory, registers, seed);
}

}  // namespace xmmu::staleness
