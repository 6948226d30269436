#include "mmu/staleness_checker.h"

#include <sstream>
#include <utility>

#include "xmmu/base/check.h"

namespace xmmu::staleness {
namespace {

uint64_t WordOf(uint64_t address) { return address & ~uint64_t{7}; }
uint64_t BitsInWord(const FlagUpdate& update) {
  return update.bits << (update.address % 8 * 8);
}

}  // namespace

Checker::Checker(const Cpuid& cpuid, const PhysMemory& memory,
                 const Registers& registers)
    : cpuid_(cpuid), memory_(memory), registers_(registers) {
  XMMU_CHECK(Follow(Operation{.op = Op::kReset}));
}

void Checker::Prepare(const Access& access) {
  variants_.clear();
  strays_.clear();
  const uint64_t va = access.va.value();
  if (!registers_.paging || !IsCanonical(registers_.levels, va)) {
    variants_.emplace_back().outcome = Fresh(access);
    return;
  }
  PrepareFromPages(access);
  variants_.push_back(Walk(cpuid_, registers_, memory_, access, nullptr));
  PrepareFromTables(access);
}

void Checker::PrepareFromPages(const Access& access) {
  const uint64_t va = access.va.value();
  for (const CachedPage& page : cached_.pages()) {
    if (!page.Serves(va, registers_.pcid)) continue;
    const uint32_t error = Violation(registers_, page.rights, page.key, access);
    if (error != 0) {
      if (cpuid_.amd) continue;
      variants_.emplace_back().outcome = {Outcome::kPageFault, error, 0};
    } else if (page.dirty || access.kind != AccessKind::kWrite) {
      variants_.emplace_back().outcome = {Outcome::kOk, 0,
                                          page.base + (va - page.first)};
    }  // else D must be set in memory first, by a walk
  }
}

void Checker::PrepareFromTables(const Access& access) {
  const uint64_t va = access.va.value();
  for (const CachedTable& table : cached_.tables()) {
    if (!table.Serves(va, registers_.pcid)) continue;
    Variant walk = Walk(cpuid_, registers_, memory_, access, &table);
    if (cpuid_.amd && walk.outcome.kind == Outcome::kPageFault) {
      strays_.insert(strays_.end(), walk.updates.begin(), walk.updates.end());
    } else {
      variants_.push_back(std::move(walk));
    }
  }
}

bool Checker::MayChange(const Variant& variant,
                        std::span<const Change> changes) const {
  for (const Change& change : changes) {
    uint64_t allowed = 0;
    for (const FlagUpdate& update : variant.updates) {
      if (WordOf(update.address) == change.address) {
        allowed |= BitsInWord(update);
      }
    }
    for (const FlagUpdate& update : strays_) {
      if (WordOf(update.address) == change.address) {
        allowed |= BitsInWord(update);
      }
    }
    if (((change.before ^ change.after) & ~allowed) != 0) return false;
    if ((change.before & ~change.after) != 0) return false;
  }
  for (const FlagUpdate& update : variant.updates) {
    if (!update.required) continue;
    const uint64_t word = memory_.Read64(MachineAddr(WordOf(update.address)));
    if ((BitsInWord(update) & ~word) != 0) return false;
  }
  return true;
}

bool Checker::Accepts(const Access& access, const Outcome& outcome,
                      std::span<const Change> changes) {
  bool accepted = false;
  for (const Variant& variant : variants_) {
    if (variant.outcome != outcome || !MayChange(variant, changes)) continue;
    accepted = true;
    if (outcome.kind == Outcome::kOk) cached_.Add(variant);
  }
  if (outcome.kind == Outcome::kOk) {
    pages_.insert(access.va.value() & ~kPageOffsetMask);
  }
  if (outcome.kind == Outcome::kPageFault) {
    for (const Drop& drop : DropsOfFault(access.va.value(), registers_.pcid)) {
      cached_.Apply(drop);
    }
  }
  return accepted;
}

void Checker::Speculate() {
  if (!registers_.paging) return;
  strays_.clear();
  // Rights are judged at the access, by what is cached.
  Registers lenient = registers_;
  lenient.pkru = 0;
  lenient.smap = false;
  for (const uint64_t va : pages_) {
    if (!IsCanonical(registers_.levels, va)) continue;
    for (const bool user : {false, true}) {
      for (const AccessKind kind : {AccessKind::kRead, AccessKind::kExecute}) {
        const Variant variant =
            Walk(cpuid_, lenient, memory_, {VirtAddr(va), kind, user}, nullptr);
        if (variant.outcome.kind != Outcome::kOk) continue;
        if (MayChange(variant, {})) cached_.Add(variant);
      }
    }
  }
}

std::string Checker::Permitted() const {
  std::ostringstream out;
  for (const Variant& variant : variants_) {
    out << "  " << Describe(variant.outcome) << std::hex;
    for (const FlagUpdate& update : variant.updates) {
      out << (update.required ? ", sets " : ", may set ") << update.bits
          << " at " << update.address;
    }
    out << "\n";
  }
  return out.str();
}

Outcome Checker::Fresh(const Access& access) const {
  const uint64_t va = access.va.value();
  if (!registers_.paging) return {Outcome::kOk, 0, va};
  if (!IsCanonical(registers_.levels, va)) {
    return {Outcome::kGeneralProtection, 0, 0};
  }
  return Walk(cpuid_, registers_, memory_, access, nullptr).outcome;
}

bool Checker::Follow(const Operation& operation) {
  const Drops drops = DropsOf(operation, cpuid_, registers_);
  if (!Execute(operation, cpuid_, memory_, registers_)) return false;
  for (const Drop& drop : drops) cached_.Apply(drop);
  return true;
}

std::string Describe(const Outcome& outcome) {
  std::ostringstream out;
  out << std::hex;
  if (outcome.kind == Outcome::kOk) out << "address " << outcome.address;
  if (outcome.kind == Outcome::kPageFault) out << "#PF " << outcome.error;
  if (outcome.kind == Outcome::kGeneralProtection) out << "#GP";
  return out.str();
}

}  // namespace xmmu::staleness
