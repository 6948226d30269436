#ifndef XMMU_MMU_MMU_H_
#define XMMU_MMU_MMU_H_

// The memory-management unit of one simulated CPU: control registers, L1 and L2
// TLBs, paging-structure caches and the page walker. It owns all of these; it
// refers to machine memory, the CPU's caches, its clock and its counters.
//
// It is the only translator: policies change tables, registers and call for
// invalidations, and never replace any part of it.
//
// Staleness is real: what a TLB or paging-structure cache holds stays until one
// of the invalidations below removes it or it is evicted.
// Source: SDM Vol. 3A, ch. "Paging".
//
// Single-threaded.

#include <optional>

#include "xmmu/base/counters.h"
#include "xmmu/base/cycles.h"
#include "xmmu/machine/control_registers.h"
#include "xmmu/machine/machine_model.h"
#include "xmmu/machine/memory_hierarchy.h"
#include "xmmu/machine/phys_memory.h"
#include "xmmu/mmu/access.h"
#include "xmmu/mmu/page_walker.h"
#include "xmmu/mmu/paging_structure_cache.h"
#include "xmmu/mmu/tlb.h"

namespace xmmu {

// INVPCID types (SDM Vol. 2, "INVPCID").
enum class InvpcidType : uint8_t {
  kAddress = 0,
  kContext = 1,
  kAllWithGlobals = 2,
  kAllWithoutGlobals = 3,
};

class Mmu {
 public:
  // `hierarchy` may be null: flat timing, every entry load costs
  // CostEvent::kPteLoadFlat. All arguments outlive the Mmu.
  Mmu(const MachineModel& model, PhysMemory& memory, MemoryHierarchy* hierarchy,
      CycleClock& clock, Counters& counters);

  // Translates `access` under the current registers. Sets A and D in the tables
  // as the processor does. On a fault nothing else of the access happens; a
  // page fault drops what the TLB and the paging-structure caches hold for its
  // address (SDM Vol. 3A, "Operations that Invalidate TLBs and
  // Paging-Structure Caches").
  // Charges: nothing for an L1 TLB hit; kTlbL2Hit for an L2 hit; kWalkOverhead,
  // each entry load at the level that served it, and kAdUpdate for each A/D
  // update of a walk. The fault itself is charged by who takes it.
  TranslateResult Translate(const Access& access) {
    if (const std::optional<MachineAddr> addr = LookupL1(access)) {
      counters_.Add(Counter::kTlbL1Hits);
      return TranslateResult(*addr);
    }
    return TranslateBeyondL1(access);
  }

  // MOV to CR3; bit 63 is the no-flush bit where CR4.PCIDE = 1. Loads the four
  // PDPTE registers in PAE mode. Charges kMovCr3 and kCr3Refill, or
  // kMovCr3NoFlush.
  // Returns a general-protection fault, and changes nothing, for a value with
  // reserved bits or (PAE) a present PDPTE with reserved bits.
  std::optional<PageFault> LoadCr3(uint64_t value);

  // MOV to CR0, CR4, WRMSR EFER, WRPKRU, POPF. The moves charge kMovCr4; the
  // others nothing. The invalidations are those of the SDM's list: none for
  // EFER, PKRU, CR0.WP, CR4.SMAP and AC, which are judged at each access.
  // A PAE guest's PDPTE registers are reloaded where the SDM says so.
  std::optional<PageFault> LoadCr0(uint64_t value);
  std::optional<PageFault> LoadCr4(uint64_t value);
  void LoadEfer(uint64_t value);
  void set_pkru(uint32_t value) { SetKeyRights(value, registers_.pkrs); }
  void set_pkrs(uint32_t value) { SetKeyRights(registers_.pkru, value); }
  void set_ac(bool ac);

  // Puts the whole register file in place as after reset and start-up code:
  // empties every TLB and cache, loads the PDPTE registers in PAE mode. Charges
  // nothing. Returns a #GP as LoadCr3 does.
  std::optional<PageFault> Reset(const ControlRegisters& registers);

  // INVLPG: the page of `va` in the current PCID and globals under any, and all
  // paging-structure-cache entries of the current PCID. A non-canonical address
  // does nothing. Charges kInvlpg.
  void Invlpg(VirtAddr va);

  // INVPCID. `pcid` and `va` count only for the types that name them. Charges
  // kInvpcid.
  void Invpcid(InvpcidType type, uint16_t pcid, VirtAddr va);

  // Drops all non-global entries of the current PCID / everything: what MOV CR3
  // with its own value and toggling CR4.PGE do. Charge kMovCr3 + kCr3Refill /
  // two kMovCr4.
  void FlushNonGlobal();
  void FlushAll();

  const ControlRegisters& registers() const { return registers_; }
  PagingMode mode() const { return mode_; }
  const CpuFeatures& features() const { return model_.features; }

  // The physical address `access` would go to by a fresh walk of the tables in
  // memory: no TLB, no cache, no A/D update, no charge. For tests and audits.
  TranslateResult Probe(const Access& access) const;

  // Everything the TLBs hold, for tests and audits. No charge.
  std::vector<TlbEntry> TlbEntries() const;
};

}  // namespace xmmu

#endif  // XMMU_MMU_MMU_H_
