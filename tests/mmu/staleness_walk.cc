// The staleness checker's walk of the tables and its judgement of rights.
// Source: SDM Vol. 3A, "32-Bit Paging", "PAE Paging", "4-Level Paging and
// 5-Level Paging", "Access Rights", "Page-Fault Exceptions", "Accessed and
// Dirty Flags".

#include <algorithm>

#include "mmu/staleness_model.h"

namespace xmmu::staleness {
namespace {

constexpr uint64_t kP = 1, kRw = 2, kUs = 4, kA = 0x20, kD = 0x40, kPs = 0x80;
constexpr uint64_t kG = 0x100, kXd = uint64_t{1} << 63;
constexpr uint64_t kFrame = 0x000ffffffffff000;

// Bits high:low.
uint64_t Mask(int high, int low) {
  uint64_t mask = 0;
  for (int bit = low; bit <= high; ++bit) mask |= uint64_t{1} << bit;
  return mask;
}

bool UserAccess(const Access& access) {
  return access.user && access.kind != AccessKind::kImplicitRead;
}

uint32_t ErrorOfAccess(const Registers& registers, const Access& access) {
  uint32_t error = 0;
  if (access.kind == AccessKind::kWrite) error |= 2;
  if (UserAccess(access)) error |= 4;
  const bool fetch_shows =
      registers.smep || (registers.nxe && registers.levels > 2);
  if (access.kind == AccessKind::kExecute && fetch_shows) error |= 16;
  return error;
}

bool IsLeaf(const Cpuid& cpuid, const Registers& registers, int level,
            uint64_t entry) {
  if (level == 1) return true;
  if ((entry & kPs) == 0) return false;
  if (level == 2) return registers.levels > 2 || registers.pse;
  return level == 3 && registers.levels > 3 && cpuid.pages_1g;
}

uint64_t ReservedBits(const Cpuid& cpuid, const Registers& registers, int level,
                      bool leaf) {
  const int shift = LevelShift(registers.levels, level);
  if (registers.levels == 2) {
    const int width = std::min(40, cpuid.maxphyaddr);
    return leaf && level == 2 ? Mask(21, width - 19) : 0;
  }
  const int top = registers.levels == 3 ? 62 : 51;
  uint64_t mask = Mask(top, cpuid.maxphyaddr);
  if (!registers.nxe) mask |= kXd;
  if (leaf && level > 1) mask |= Mask(shift - 1, 13);
  if (!leaf && level > 2) mask |= kPs;
  if (level > 3 && cpuid.amd) mask |= kG;
  return mask;
}

uint64_t BaseOf(const Registers& registers, int level, uint64_t entry) {
  const int shift = LevelShift(registers.levels, level);
  const uint64_t base = entry & kFrame & ~((uint64_t{1} << shift) - 1);
  if (registers.levels > 2 || level == 1) return base;
  return base | (entry >> 13 & 0xff) << 32;
}

bool KeyRefuses(const Registers& registers, bool user_page, int key,
                const Access& access) {
  if (registers.levels < 4 || !registers.pke || !user_page) return false;
  if (access.kind == AccessKind::kExecute) return false;
  if ((registers.pkru >> (2 * key) & 1) != 0) return true;
  const bool write_disable = (registers.pkru >> (2 * key + 1) & 1) != 0;
  return write_disable && access.kind == AccessKind::kWrite &&
         (UserAccess(access) || registers.wp);
}

bool RightsRefuse(const Registers& registers, const Rights& rights,
                  const Access& access) {
  const bool write = access.kind == AccessKind::kWrite;
  const bool fetch = access.kind == AccessKind::kExecute;
  if (fetch && rights.no_execute && registers.nxe && registers.levels > 2) {
    return true;
  }
  if (UserAccess(access)) {
    return !rights.user || (write && !rights.writable);
  }
  if (fetch) return rights.user && registers.smep;
  if (rights.user && registers.smap) {
    if (access.kind == AccessKind::kImplicitRead || !registers.ac) return true;
  }
  return write && !rights.writable && registers.wp;
}

// A fault before the leaf: the A flags above may have been set or not.
Variant Faulted(Variant variant, const Registers& registers,
                const Access& access, uint32_t why) {
  variant.outcome = {Outcome::kPageFault,
                     why | ErrorOfAccess(registers, access), 0};
  variant.tables.clear();
  for (FlagUpdate& update : variant.updates) update.required = false;
  return variant;
}

// The walk has come to a valid leaf of `level` at `address`.
Variant AtLeaf(Variant variant, const Registers& registers,
               const Access& access, uint64_t address, int level,
               uint64_t entry, const Rights& rights) {
  const uint64_t va = access.va.value();
  const int shift = LevelShift(registers.levels, level);
  const uint64_t offset = va & ((uint64_t{1} << shift) - 1);
  const int key = registers.levels > 3 ? static_cast<int>(entry >> 59 & 15) : 0;
  const uint32_t error = Violation(registers, rights, key, access);
  if (error != 0) {
    variant.outcome = {Outcome::kPageFault, error, 0};
    variant.tables.clear();
    // Whether a refused access sets A in the leaf is model-specific.
    variant.updates.push_back({address, kA, false});
    return variant;
  }
  const bool write = access.kind == AccessKind::kWrite;
  variant.updates.push_back({address, kA | (write ? kD : 0), true});
  CachedPage page;
  page.first = va - offset;
  page.shift = shift;
  page.base = BaseOf(registers, level, entry);
  page.rights = rights;
  page.key = key;
  page.dirty = write || (entry & kD) != 0;
  page.global = registers.pge && (entry & kG) != 0;
  page.pcid = registers.pcid;
  variant.outcome = {Outcome::kOk, 0, page.base + offset};
  variant.page = page;
  return variant;
}

}  // namespace

int EntryBytes(int levels) { return levels == 2 ? 4 : 8; }

int LevelShift(int levels, int level) {
  return 12 + (level - 1) * (levels == 2 ? 10 : 9);
}

uint64_t EntryAddress(int levels, int level, uint64_t table, uint64_t va) {
  const uint64_t entries = levels == 2                 ? 1024
                           : levels == 3 && level == 3 ? 4
                                                       : 512;
  const uint64_t index = (va >> LevelShift(levels, level)) % entries;
  return table + index * static_cast<uint64_t>(EntryBytes(levels));
}

bool IsCanonical(int levels, uint64_t va) {
  if (levels <= 3) return va < uint64_t{1} << 32;
  const int bits = levels == 4 ? 48 : 57;
  const uint64_t top = va >> (bits - 1);
  return top == 0 || top == ~uint64_t{0} >> (bits - 1);
}

uint32_t Violation(const Registers& registers, const Rights& rights, int key,
                   const Access& access) {
  const bool by_key = KeyRefuses(registers, rights.user, key, access);
  if (!by_key && !RightsRefuse(registers, rights, access)) return 0;
  return ErrorOfAccess(registers, access) | 1 | (by_key ? 32 : 0);
}

Variant Walk(const Cpuid& cpuid, const Registers& registers,
             const PhysMemory& memory, const Access& access,
             const CachedTable* start) {
  const int levels = registers.levels;
  const uint64_t va = access.va.value();
  Variant variant;
  Rights rights = start == nullptr ? Rights() : start->rights;
  uint64_t table = start == nullptr ? registers.root : start->table;
  int level = start == nullptr ? levels : start->level - 1;
  if (levels == 3 && level == 3) {
    uint64_t pdpte = registers.pdpte[va >> 30 & 3];
    if (cpuid.walks_pdptes) {
      pdpte = memory.Read64(MachineAddr(EntryAddress(3, 3, table, va)));
    }
    if ((pdpte & kP) == 0) return Faulted(variant, registers, access, 0);
    if (cpuid.walks_pdptes) {
      const uint64_t reserved =
          Mask(2, 1) | Mask(8, 5) | Mask(63, cpuid.maxphyaddr);
      if ((pdpte & reserved) != 0) {
        return Faulted(variant, registers, access, 1 | 8);
      }
    }
    table = pdpte & kFrame;
    level = 2;
    if (cpuid.walks_pdptes) {
      variant.tables.push_back(
          {3, 30, va >> 30 << 30, table, rights, registers.pcid});
    }
  }
  for (;; --level) {
    const uint64_t address = EntryAddress(levels, level, table, va);
    const uint64_t entry =
        memory.ReadEntry(MachineAddr(address), EntryBytes(levels));
    if ((entry & kP) == 0) return Faulted(variant, registers, access, 0);
    const bool leaf = IsLeaf(cpuid, registers, level, entry);
    if ((entry & ReservedBits(cpuid, registers, level, leaf)) != 0) {
      return Faulted(variant, registers, access, 1 | 8);
    }
    rights.writable = rights.writable && (entry & kRw) != 0;
    rights.user = rights.user && (entry & kUs) != 0;
    rights.no_execute = rights.no_execute || (entry & kXd) != 0;
    if (leaf) {
      return AtLeaf(variant, registers, access, address, level, entry, rights);
    }
    variant.updates.push_back({address, kA, true});
    table = entry & kFrame;
    const int shift = LevelShift(levels, level);
    variant.tables.push_back(
        {level, shift, va >> shift << shift, table, rights, registers.pcid});
  }
}

}  // namespace xmmu::staleness
