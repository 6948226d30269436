// Models what operations change and what they make the processor forget.
// Source: SDM Vol. 3A, "Operations that Invalidate TLBs and Paging-Structure
// Caches", "PDPTE Registers"; AMD APM Vol. 2, "TLB Management", "Extended
// Feature Enable Register (EFER)".

#include <algorithm>
#include <sstream>

#include "mmu/staleness_model.h"

namespace xmmu::staleness {
namespace {

constexpr auto kAnyPcid = std::nullopt;
constexpr auto kAnywhere = std::nullopt;

Drops All(Row pages, Row globals, Row tables) {
  return {{pages, Drop::kPages, kAnyPcid, kAnywhere},
          {globals, Drop::kGlobals, kAnyPcid, kAnywhere},
          {tables, Drop::kTables, kAnyPcid, kAnywhere}};
}

// A PCID; its global pages stay.
Drops Context(Row pages, Row tables, uint16_t pcid) {
  return {{pages, Drop::kPages, pcid, kAnywhere},
          {tables, Drop::kTables, pcid, kAnywhere}};
}

// A PCID and the global pages made in it.
Drops Whole(Row pages, Row tables, uint16_t pcid) {
  return {{pages, Drop::kPagesAndGlobals, pcid, kAnywhere},
          {tables, Drop::kTables, pcid, kAnywhere}};
}

bool* FlagOf(Op op, Registers& registers) {
  switch (op) {
    case Op::kPge:
      return &registers.pge;
    case Op::kPcide:
      return &registers.pcide;
    case Op::kSmep:
      return &registers.smep;
    case Op::kPaging:
      return &registers.paging;
    case Op::kPse:
      return &registers.pse;
    case Op::kSmap:
      return &registers.smap;
    case Op::kWp:
      return &registers.wp;
    case Op::kCd:
      return &registers.cd;
    case Op::kNxe:
      return &registers.nxe;
    case Op::kPke:
      return &registers.pke;
    case Op::kTce:
      return &registers.tce;
    case Op::kAc:
      return &registers.ac;
    default:
      return nullptr;
  }
}

// Whether the PDPTE registers are loaded afresh.
bool ReloadsPdptes(const Operation& operation, const Cpuid& cpuid,
                   Registers before) {
  switch (operation.op) {
    case Op::kMovCr3:
    case Op::kFlushNonGlobal:
    case Op::kFlushAll:
    case Op::kReset:
      return true;
    case Op::kPae:
      return (before.levels == 3) != operation.on;
    case Op::kSmep:
    case Op::kCd:
      return !cpuid.amd && *FlagOf(operation.op, before) != operation.on;
    case Op::kPge:
    case Op::kPse:
    case Op::kPaging:
      return *FlagOf(operation.op, before) != operation.on;
    default:
      return false;
  }
}

bool LoadPdptes(const Cpuid& cpuid, const PhysMemory& memory,
                Registers& registers) {
  const uint64_t reserved = 0x1e6 | ~uint64_t{0} << cpuid.maxphyaddr;
  for (size_t i = 0; i < registers.pdpte.size(); ++i) {
    const uint64_t pdpte = memory.Read64(MachineAddr(registers.root) + 8 * i);
    if ((pdpte & 1) != 0 && (pdpte & reserved) != 0) return false;
    registers.pdpte[i] = pdpte;
  }
  return true;
}

// AMD: a page that is invalidated takes all upper levels along, unless TCE says
// only those on the way to it.
Drops DropsOfInvlpg(const Cpuid& cpuid, const Registers& registers,
                    uint64_t va) {
  const uint16_t pcid = registers.pcid;
  Drops drops = {{Row::kInvlpgPage, Drop::kPages, pcid, va},
                 {Row::kInvlpgGlobals, Drop::kGlobals, kAnyPcid, va}};
  if (cpuid.amd && registers.tce) {
    drops.push_back({Row::kInvlpgTables, Drop::kTables, pcid, va});
    return drops;
  }
  drops.push_back({Row::kInvlpgTables, Drop::kTables, pcid, kAnywhere});
  if (cpuid.amd) {
    drops.push_back(
        {Row::kInvlpgForeignTables, Drop::kTables, kAnyPcid, kAnywhere});
  }
  return drops;
}

// Returns what a flag of CR4 drops when it changes to `on`.
Drops DropsOfCr4(const Operation& operation, const Cpuid& cpuid,
                 const Registers& registers) {
  switch (operation.op) {
    case Op::kPge:
      return All(Row::kPgePages, Row::kPgeGlobals, Row::kPgeTables);
    case Op::kPcide:
      if (operation.on) return {};
      return All(Row::kPcidePages, Row::kPcideGlobals, Row::kPcideTables);
    case Op::kPae:
      return Whole(Row::kPaePages, Row::kPaeTables, registers.pcid);
    case Op::kSmep:
      if (!operation.on || cpuid.amd) return {};
      return Whole(Row::kSmepPages, Row::kSmepTables, registers.pcid);
    case Op::kPse:
      if (!cpuid.amd) return {};
      return All(Row::kPsePages, Row::kPseGlobals, Row::kPseTables);
    case Op::kPke:
      if (!operation.on || !cpuid.amd) return {};
      return All(Row::kPkePages, Row::kPkeGlobals, Row::kPkeTables);
    default:
      return {};
  }
}

}  // namespace

Drops DropsOf(const Operation& operation, const Cpuid& cpuid,
              const Registers& registers) {
  const uint16_t pcid = registers.pcid;
  const uint64_t va = operation.va;
  switch (operation.op) {
    case Op::kInvlpg:
      if (!IsCanonical(registers.levels, va)) return {};
      return DropsOfInvlpg(cpuid, registers, va);
    case Op::kInvpcidAddress:
      if (cpuid.amd && !registers.tce) {
        return {
            {Row::kInvpcidAddressPage, Drop::kPages, operation.pcid, va},
            {Row::kInvpcidAddressTables, Drop::kTables, kAnyPcid, kAnywhere}};
      }
      return {{Row::kInvpcidAddressPage, Drop::kPages, operation.pcid, va},
              {Row::kInvpcidAddressTables, Drop::kTables, operation.pcid, va}};
    case Op::kInvpcidContext:
      return Context(Row::kInvpcidContextPages, Row::kInvpcidContextTables,
                     operation.pcid);
    case Op::kInvpcidAllWithGlobals:
      return All(Row::kInvpcidAllPages, Row::kInvpcidAllGlobals,
                 Row::kInvpcidAllTables);
    case Op::kInvpcidAllWithoutGlobals:
      return {
          {Row::kInvpcidNonGlobalPages, Drop::kPages, kAnyPcid, kAnywhere},
          {Row::kInvpcidNonGlobalTables, Drop::kTables, kAnyPcid, kAnywhere}};
    case Op::kMovCr3:
      if (registers.pcide && operation.no_flush) return {};
      return Context(Row::kMovCr3Pages, Row::kMovCr3Tables,
                     registers.pcide ? operation.pcid : uint16_t{0});
    case Op::kPae:
      if ((registers.levels == 3) == operation.on) return {};
      return DropsOfCr4(operation, cpuid, registers);
    case Op::kPge:
    case Op::kPcide:
    case Op::kSmep:
    case Op::kPse:
    case Op::kPke: {
      Registers flags = registers;
      if (*FlagOf(operation.op, flags) == operation.on) return {};
      return DropsOfCr4(operation, cpuid, registers);
    }
    case Op::kPaging:
      if (!registers.paging || operation.on) return {};
      return All(Row::kPagingPages, Row::kPagingGlobals, Row::kPagingTables);
    case Op::kFlushNonGlobal:
      return Context(Row::kFlushNonGlobalPages, Row::kFlushNonGlobalTables,
                     pcid);
    case Op::kFlushAll:
      return All(Row::kFlushAllPages, Row::kFlushAllGlobals,
                 Row::kFlushAllTables);
    case Op::kReset:
      return All(Row::kResetPages, Row::kResetGlobals, Row::kResetTables);
    default:
      return {};
  }
}

// The fault must not recur on what is cached alone, hence the globals of any
// PCID.
Drops DropsOfFault(uint64_t va, uint16_t pcid) {
  return {{Row::kFaultPage, Drop::kPages, pcid, va},
          {Row::kFaultGlobals, Drop::kGlobals, kAnyPcid, va},
          {Row::kFaultTables, Drop::kTables, pcid, va}};
}

bool Execute(const Operation& operation, const Cpuid& cpuid,
             const PhysMemory& memory, Registers& registers) {
  Registers next = registers;
  if (bool* const flag = FlagOf(operation.op, next)) *flag = operation.on;
  if (operation.op == Op::kPae) next.levels = operation.on ? 3 : 2;
  if (operation.op == Op::kPkru) next.pkru = operation.pkru;
  if (operation.op == Op::kMovCr3) {
    next.root = operation.root;
    next.pcid = registers.pcide ? operation.pcid : uint16_t{0};
    next.cr3_low = next.pcid;
  }
  if (!next.pcide) next.pcid = 0;
  const bool pae = next.levels == 3 && next.paging && !cpuid.walks_pdptes;
  if (pae && ReloadsPdptes(operation, cpuid, registers) &&
      !LoadPdptes(cpuid, memory, next)) {
    return false;
  }
  registers = next;
  return true;
}

void CachedState::Add(const Variant& variant) {
  if (variant.page.has_value() &&
      std::find(pages_.begin(), pages_.end(), *variant.page) == pages_.end()) {
    pages_.push_back(*variant.page);
  }
  for (const CachedTable& table : variant.tables) {
    if (std::find(tables_.begin(), tables_.end(), table) == tables_.end()) {
      tables_.push_back(table);
    }
  }
}

void CachedState::Apply(const Drop& drop) {
  const auto hit = [&](const auto& cached) {
    return (!drop.pcid || cached.pcid == *drop.pcid) &&
           (!drop.va ||
            cached.first >> cached.shift == *drop.va >> cached.shift);
  };
  if (drop.target == Drop::kTables) {
    std::erase_if(tables_, hit);
    return;
  }
  std::erase_if(pages_, [&](const CachedPage& page) {
    if (drop.target == Drop::kPages && page.global) return false;
    if (drop.target == Drop::kGlobals && !page.global) return false;
    return hit(page);
  });
}

std::string Describe(const Operation& operation) {
  static constexpr const char* kNames[] = {
      "INVLPG",         "INVPCID 0", "INVPCID 1", "INVPCID 2", "INVPCID 3",
      "MOV CR3",        "CR4.PGE",   "CR4.PCIDE", "CR4.PAE",   "CR4.SMEP",
      "CR0.PG",         "CR4.PSE",   "CR4.SMAP",  "CR0.WP",    "CR0.CD",
      "EFER.NXE",       "CR4.PKE",   "EFER.TCE",  "EFLAGS.AC", "PKRU",
      "FlushNonGlobal", "FlushAll",  "Reset"};
  std::ostringstream out;
  out << kNames[static_cast<size_t>(operation.op)] << std::hex;
  if (operation.op <= Op::kInvpcidAddress) out << " va " << operation.va;
  if (operation.op >= Op::kInvpcidAddress && operation.op <= Op::kMovCr3) {
    out << " pcid " << operation.pcid;
  }
  if (operation.op == Op::kMovCr3) {
    out << " root " << operation.root << " bit 63 " << operation.no_flush;
  }
  if (operation.op >= Op::kPge && operation.op <= Op::kAc) {
    out << " = " << operation.on;
  }
  if (operation.op == Op::kPkru) out << " = " << operation.pkru;
  return out.str();
}

}  // namespace xmmu::staleness
