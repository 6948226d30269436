#ifndef XMMU_TESTS_MMU_STALENESS_MODEL_H_
#define XMMU_TESTS_MMU_STALENESS_MODEL_H_

// What the staleness checker knows of the architecture: how a walk of the
// tables in memory goes from any start, who may access what, and what each
// operation makes the processor forget. Written from the SDM (Vol. 3A, "Caching
// Translation Information", and the sections on the paging modes) without the
// library's own walker, TLB, caches or rules; from the library it uses only
// plain values and machine memory. Where AMD's rules differ (APM Vol. 2, "TLB
// Management") the model follows Cpuid::amd.

#include <array>
#include <boost/container/static_vector.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "xmmu/machine/phys_memory.h"
#include "xmmu/mmu/access.h"

namespace xmmu::staleness {

struct Cpuid {
  int maxphyaddr = 40;
  bool pages_1g = true;
  bool amd = false;
  bool walks_pdptes = false;  // PAE's PDPTEs are in no registers
};

struct Registers {
  int levels = 4;  // 2, 3 (PAE), 4 or 5
  uint64_t root = 0;
  uint16_t pcid = 0;                // 0 while pcide is off
  uint16_t cr3_low = 0;             // CR3 bits 11:0
  std::array<uint64_t, 4> pdpte{};  // PAE
  uint32_t pkru = 0;                // counts in long mode with pke
  bool paging = true, wp = true, pge = true, pcide = false, pse = true;
  bool smep = false, smap = false, ac = false, nxe = true, cd = false;
  bool pke = false, tce = false;
};

// How an access ends.
struct Outcome {
  enum Kind : uint8_t { kOk, kPageFault, kGeneralProtection };
  Kind kind = kOk;
  uint32_t error = 0;    // kPageFault
  uint64_t address = 0;  // kOk
  bool operator==(const Outcome&) const = default;
};

struct Rights {
  bool writable = true, user = true, no_execute = false;
  bool operator==(const Rights&) const = default;
};

// A translation that may be cached.
struct CachedPage {
  uint64_t first = 0;  // linear address
  int shift = 12;
  uint64_t base = 0;
  Rights rights;
  int key = 0;
  bool dirty = false;
  bool global = false;
  uint16_t pcid = 0;
  bool operator==(const CachedPage&) const = default;
  bool Serves(uint64_t va, uint16_t in_pcid) const {
    return va >> shift == first >> shift && (global || pcid == in_pcid);
  }
};

// A non-leaf entry that may be cached.
struct CachedTable {
  int level = 0;
  int shift = 0;       // of what the entry maps
  uint64_t first = 0;  // linear address
  uint64_t table = 0;  // the table below
  Rights rights;       // accumulated
  uint16_t pcid = 0;
  bool operator==(const CachedTable&) const = default;
  bool Serves(uint64_t va, uint16_t in_pcid) const {
    return va >> shift == first >> shift && pcid == in_pcid;
  }
};

// A or D flags that an access sets in memory, or may set.
struct FlagUpdate {
  uint64_t address = 0;
  uint64_t bits = 0;
  bool required = true;
};

// One way in which an access may go.
struct Variant {
  Outcome outcome;
  boost::container::static_vector<FlagUpdate, 6> updates;
  // What the access may leave cached; nothing if it faults.
  std::optional<CachedPage> page;
  boost::container::static_vector<CachedTable, 5> tables;
};

int EntryBytes(int levels);
int LevelShift(int levels, int level);
// Returns the address of the entry of `level` for `va` in `table`.
uint64_t EntryAddress(int levels, int level, uint64_t table, uint64_t va);
bool IsCanonical(int levels, uint64_t va);

// Walks for `access` below `start`, or from the root.
Variant Walk(const Cpuid& cpuid, const Registers& registers,
             const PhysMemory& memory, const Access& access,
             const CachedTable* start);

// Returns the error code of the fault that the rights demand, or 0.
uint32_t Violation(const Registers& registers, const Rights& rights, int key,
                   const Access& access);

// The operations that change registers or invalidate. The moves to control
// registers change one flag each.
enum class Op : uint8_t {
  kInvlpg,
  kInvpcidAddress,
  kInvpcidContext,
  kInvpcidAllWithGlobals,
  kInvpcidAllWithoutGlobals,
  kMovCr3,
  kPge,
  kPcide,
  kPae,
  kSmep,
  kPaging,
  kPse,
  kSmap,
  kWp,
  kCd,
  kNxe,
  kPke,
  kTce,
  kAc,
  kPkru,
  kFlushNonGlobal,
  kFlushAll,
  kReset,
};

struct Operation {
  Op op = Op::kInvlpg;
  uint64_t va = 0;
  uint16_t pcid = 0;
  uint64_t root = 0;      // kMovCr3
  bool no_flush = false;  // kMovCr3: bit 63
  bool on = false;        // the flag's new value
  uint32_t pkru = 0;
};

std::string Describe(const Operation& operation);

// The effects in the manuals' lists of invalidations, one for each row.
enum class Row : uint8_t {
  kInvlpgPage,
  kInvlpgGlobals,
  kInvlpgTables,
  kInvlpgForeignTables,
  kInvpcidAddressPage,
  kInvpcidAddressTables,
  kInvpcidContextPages,
  kInvpcidContextTables,
  kInvpcidAllPages,
  kInvpcidAllGlobals,
  kInvpcidAllTables,
  kInvpcidNonGlobalPages,
  kInvpcidNonGlobalTables,
  kMovCr3Pages,
  kMovCr3Tables,
  kPgePages,
  kPgeGlobals,
  kPgeTables,
  kPcidePages,
  kPcideGlobals,
  kPcideTables,
  kPaePages,
  kPaeTables,
  kSmepPages,
  kSmepTables,
  kPsePages,
  kPseGlobals,
  kPseTables,
  kPkePages,
  kPkeGlobals,
  kPkeTables,
  kPagingPages,
  kPagingGlobals,
  kPagingTables,
  kFaultPage,
  kFaultGlobals,
  kFaultTables,
  kFlushNonGlobalPages,
  kFlushNonGlobalTables,
  kFlushAllPages,
  kFlushAllGlobals,
  kFlushAllTables,
  kResetPages,
  kResetGlobals,
  kResetTables,
};

// What one row drops.
struct Drop {
  enum Target : uint8_t { kPages, kGlobals, kPagesAndGlobals, kTables };
  Row row;
  Target target;
  std::optional<uint16_t> pcid;  // nullopt: of any
  std::optional<uint64_t> va;    // nullopt: at any address
};
using Drops = boost::container::static_vector<Drop, 4>;

// What `operation` must drop under `registers`, which it has not changed yet.
Drops DropsOf(const Operation& operation, const Cpuid& cpuid,
              const Registers& registers);
// What a page fault at `va` must drop.
Drops DropsOfFault(uint64_t va, uint16_t pcid);

// Changes `registers` as `operation` does, PDPTE registers included. Returns
// false and changes nothing if it raises #GP because PAE's PDPTEs in memory
// have reserved bits. The caller avoids other reasons for #GP.
bool Execute(const Operation& operation, const Cpuid& cpuid,
             const PhysMemory& memory, Registers& registers);

// All that may be cached: each entry in every version since it was last
// invalidated, oldest first.
class CachedState {
 public:
  const std::vector<CachedPage>& pages() const { return pages_; }
  const std::vector<CachedTable>& tables() const { return tables_; }
  // Adds what `variant` leaves behind.
  void Add(const Variant& variant);
  void Apply(const Drop& drop);

 private:
  std::vector<CachedPage> pages_;
  std::vector<CachedTable> tables_;
};

}  // namespace xmmu::staleness

#endif  // XMMU_TESTS_MMU_STALENESS_MODEL_H_
