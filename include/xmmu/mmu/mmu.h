#ifndef XMMU_MMU_MMU_H_
#define XMMU_MMU_MMU_H_

// The memory-management unit of one simulated CPU: control registers, L1 and L2
// TLBs, paging-structure caches and the page walker. It owns all of these; it
// refers to machine memory, the CPU's caches, its clock and its counters.
//
// In a virtual machine it translates twice: the guest's tables give a
// guest-physical address, which the hypervisor's tables translate
// (mmu/internal/nested_walker.h). The TLBs then hold combined mappings,
// straight from linear to machine addresses, each tagged as the guest's; a hit
// costs what it costs on bare hardware.
//
// It is the only translator: policies change tables, registers and call for
// invalidations, and never replace any part of it.
//
// Staleness is real: what a TLB or paging-structure cache holds stays until one
// of the invalidations below removes it or it is evicted.
// Source: SDM Vol. 3A, ch. "Paging".
//
// Single-threaded.

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/base/attributes.h"
#include "xmmu/base/counters.h"
#include "xmmu/base/cycles.h"
#include "xmmu/machine/control_registers.h"
#include "xmmu/machine/machine_model.h"
#include "xmmu/machine/memory_hierarchy.h"
#include "xmmu/machine/phys_memory.h"
#include "xmmu/mmu/access.h"
#include "xmmu/mmu/internal/flush_filter.h"
#include "xmmu/mmu/internal/paging_structure_cache.h"
#include "xmmu/mmu/internal/tlb.h"
#include "xmmu/mmu/page_walker.h"
#include "xmmu/mmu/vm_controls.h"

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
  // `hierarchy` may be null: with flat timing every entry load costs
  // CostEvent::kPteLoadFlat. All arguments outlive the Mmu. The Mmu starts with
  // the registers of KernelControlRegisters() for the model's best mode.
  Mmu(const MachineModel& model, PhysMemory& memory, MemoryHierarchy* hierarchy,
      CycleClock& clock, Counters& counters);
  Mmu(const Mmu&) = delete;
  Mmu& operator=(const Mmu&) = delete;

  // Translates `access` under the current registers. Sets A and D in the tables
  // as the processor does. On a fault the access has no other effect. A page
  // fault drops what the TLB and the paging-structure caches hold for its
  // address (SDM Vol. 3A, "Operations that Invalidate TLBs and Paging-Structure
  // Caches"). AMD's processors drop it first, and report the fault only after a
  // walk of the tables in memory from the root, so that an entry which grants
  // more than before needs no invalidation (APM Vol. 2, "Use of Cached Entries
  // When Reporting a Page Fault Exception"). With CR0.PG = 0 linear addresses
  // are physical. Charges: nothing for an L1 TLB hit; kTlbL2Hit for an L2 hit;
  // kWalkOverhead, each entry load at the level that served it, and kAdUpdate
  // for each A/D update of a walk. Whoever takes the fault charges it. In a
  // virtual machine the answer may also be a nested violation, which drops what
  // is cached of the linear and of the guest-physical address (SDM Vol. 3C,
  // "Operations that Invalidate Cached Mappings").
  TranslateResult Translate(const Access& access) {
    // Most accesses are hits that the hint finds at the first attempt.
    const size_t index = tlb_.Guess(SideOf(access), access.va);
    const TlbSlot slot = tlb_.slot(index);
    if (ABSL_PREDICT_TRUE(
            slot.Matches(TlbSlot::Key(access.va, context_.pcid)) &&
            context_.rules.Serves(slot.rights(), access))) {
      tlb_.Touch(index);
      counters_.Add(Counter::kTlbL1Hits);
      return TranslateResult(slot.Translate(access.va));
    }
    return TranslateBeyondL1(access);
  }

  // Asks the host to bring into its caches what a walk for `va` would read, as
  // whoever knows accesses to come may do some of them ahead. Nothing that is
  // simulated changes, and no answer depends on it.
  void PrefetchHost(VirtAddr va) const {
    if (ABSL_PREDICT_FALSE(!paging())) return;
    ahead_ = kTrustAhead;
    walker_.PrefetchHost(context_, va);
  }

  // MOV to CR3; bit 63 is the no-flush bit where CR4.PCIDE = 1. Loads the four
  // PDPTE registers in PAE mode, if the processor has them (CpuFeatures,
  // walks_pdptes). A flush filter may keep it from flushing, while CR4.PCIDE =
  // 0. Charges kMovCr3 and kCr3Refill, or kMovCr3NoFlush. Counts kCr3Loads and,
  // if it flushes, kTlbFlushes; kTlbFlushesFiltered if the filter forbids.
  // Returns a general-protection fault, and changes and charges nothing, for a
  // value with reserved bits or (PAE) a present PDPTE with reserved bits.
  std::optional<PageFault> LoadCr3(uint64_t value);

  // MOV to CR0, CR4, WRMSR EFER, WRPKRU, POPF. The moves charge kMovCr4, the
  // others nothing. Invalidations follow the vendor's list: EFER, PKRU, CR0.WP,
  // CR4.SMAP and AC cause none, as they are judged at each access. A PAE
  // guest's PDPTE registers are reloaded where the SDM says so. Return a
  // general-protection fault, and change and charge nothing, for a combination
  // that the processor refuses, a reserved bit or a feature that it lacks.
  // Reserved bits of CR0[31:0] and, AMD, EFER[7:1] are ignored.
  std::optional<PageFault> LoadCr0(uint64_t value);
  std::optional<PageFault> LoadCr4(uint64_t value);
  std::optional<PageFault> LoadEfer(uint64_t value);
  void set_pkru(uint32_t value) { SetKeyRights(value, registers_.pkrs); }
  void set_pkrs(uint32_t value) { SetKeyRights(registers_.pkru, value); }
  void set_ac(bool ac);

  // Puts the whole register file in place as after reset and start-up code:
  // empties every TLB and cache, loads the PDPTE registers in PAE mode. Charges
  // nothing. Returns a #GP for registers that no sequence of moves can produce,
  // or as LoadCr3() does. Long mode and 5-level paging are accepted whether the
  // machine has them or not.
  std::optional<PageFault> Reset(const ControlRegisters& registers);

  // Drops all that the TLBs, the paging-structure caches and the nested TLB
  // hold, of any guest; registers, PAE's PDPTE registers among them, stay. No
  // instruction does this; it is for experiments and neither charges nor
  // counts.
  void ForgetTranslations() { DropAllVms(); }

  // INVLPG drops the page of `va` in the current PCID and globals under any,
  // and all paging-structure-cache entries of the current PCID. AMD's drops
  // those of all PCIDs, or with EFER.TCE = 1 those on the way to the page
  // alone, in the current PCID. A non-canonical address drops nothing. Charges
  // kInvlpg, counts kTlbPageFlushes.
  void Invlpg(VirtAddr va);

  // INVPCID. `pcid` and `va` matter only for the types that use them. Charges
  // kInvpcid; counts kTlbPageFlushes for kAddress, else kTlbFlushes. Returns an
  // invalid-opcode fault where there is no such instruction, and a
  // general-protection fault for a type above 3, a PCID of more than 12 bits, a
  // PCID other than 0 while CR4.PCIDE = 0, and an address that is not canonical
  // (the last two only for the types that use them). A fault changes and
  // charges nothing.
  std::optional<PageFault> Invpcid(InvpcidType type, uint16_t pcid,
                                   VirtAddr va);

  // FlushNonGlobal() drops all non-global entries of the current PCID, as MOV
  // CR3 with its own value does: it charges kMovCr3 and kCr3Refill and counts
  // kTlbFlushes and kCr3Loads. FlushAll() drops everything, as toggling CR4.PGE
  // does: it charges two kMovCr4 and counts kTlbFlushes. Both reload PAE's
  // PDPTE registers, and may therefore return a #GP as LoadCr3() does.
  std::optional<PageFault> FlushNonGlobal();
  std::optional<PageFault> FlushAll();

  // VM entry of another guest, or of the same under other controls: `registers`
  // and `controls` are in force from now on. Without a tag it drops what is
  // cached without one; with a tag it drops nothing. PAE's PDPTE registers
  // become `pdptes` (Intel: from the VMCS), or are loaded from memory if that
  // is null, as the guest's MOV to CR3 would do. Charges nothing but nested
  // entry loads, as VmExit() charges exit and entry. Returns a failed entry,
  // for registers, controls or PDPTEs that the processor refuses, or a nested
  // violation; the registers then stay as they were. Default controls are bare
  // hardware.
  std::optional<PageFault> EnterVm(
      const VmControls& controls, const ControlRegisters& registers,
      const std::array<uint64_t, 4>* pdptes = nullptr);
  const VmControls& vm() const { return vm_; }

  // A VM exit, and the entry that resumes the guest. Without a tag (nor
  // VmControls::keeps_entries) both drop all that is cached without one,
  // guest-physical mappings excepted (SDM Vol. 3C, "Operations that Invalidate
  // Cached Mappings"; without ASIDs AMD's flush takes those too). Charges
  // kVmExit, counts kVmExits.
  void VmExit();

  // INVEPT drops the guest-physical and combined mappings of the tables at
  // `root`, or of all. Charges kInvept, counts kTlbFlushes. Fails for another
  // type, and for a root that no VM entry would accept. Returns #UD on AMD's
  // processors.
  VmOutcome Invept(InveptType type, MachineAddr root);
  // INVVPID drops linear and combined mappings: those of a VPID for an address
  // in any PCID, all of a VPID, its non-global ones, or those of all VPIDs but
  // 0. Guest-physical mappings stay. Charges kInvvpid; counts kTlbPageFlushes
  // for kAddress, else kTlbFlushes. Fails for another type, for VPID 0 save
  // with kAllContexts, and for an address that is not canonical. Returns #UD
  // where there are no VPIDs.
  VmOutcome Invvpid(InvvpidType type, uint16_t vpid, VirtAddr va);
  // AMD's INVLPGA drops a page of an ASID; guest-physical mappings stay.
  // Charges kInvvpid, counts kTlbPageFlushes. Returns #UD on Intel's
  // processors.
  VmOutcome Invlpga(VirtAddr va, uint16_t asid);
  // The flush of a VMRUN whose TLB_CONTROL says to flush all of an ASID.
  // Charges kInvept, counts kTlbFlushes.
  void FlushAsid(uint16_t asid);
  // Drops all linear and combined mappings of a VPID or ASID as the vendor's
  // hypervisors do: by Invvpid() of the context, or by FlushAsid().
  void FlushTag(uint16_t tag);
  // Drops what a hypervisor must drop once a guest's nested tables grant less
  // than before: Invept() of its root on Intel, FlushAsid() on AMD.
  void FlushNested(const VmControls& controls);

  // Returns the page behind a guest-physical address by a fresh walk of the
  // nested tables, without effect or charge. REQUIRES: vm().nested.
  std::optional<NestedPage> ProbeNested(const NestedAccess& access) const;
  // What the nested TLB and the caches of nested entries hold, for tests and
  // audits.
  std::vector<NestedPage> NestedTlbEntries() const {
    return nested_.TlbEntries();
  }
  std::vector<PagingStructureEntry> NestedStructureEntries() const {
    return nested_.PagingStructureEntries();
  }

  const ControlRegisters& registers() const { return registers_; }
  // The mode in force; with CR0.PG = 0, the one that was last in force.
  PagingMode mode() const { return context_.mode; }
  const CpuFeatures& features() const { return model_.features; }

  // The physical address `access` would go to by a fresh walk of the tables in
  // memory: no TLB, no cache, no A/D update, no charge. For tests and audits.
  TranslateResult Probe(const Access& access) const;
  // The entries of that walk, root first. REQUIRES: a canonical address.
  WalkResult ProbeWalk(const Access& access) const;

  // All entries of the TLBs, for tests and audits; no charge. With a flush
  // filter entries that a MOV to CR3 spared are among them, with the number of
  // the address space as their PCID.
  std::vector<TlbEntry> TlbEntries() const;
  // Whether an entry of the caches serves the address space in force.
  bool Serves(const PagingStructureEntry& entry) const {
    return entry.pcid == context_.pcid;
  }
  bool Serves(const TlbEntry& entry) const {
    return entry.global || entry.pcid == context_.pcid;
  }
  // All entries of the paging-structure caches, under the same terms.
  std::vector<PagingStructureEntry> PagingStructureEntries() const;
  // PAE's PDPTE registers, as last loaded; zero where walks read the PDPTEs.
  const std::array<uint64_t, 4>& pdpte_registers() const {
    return context_.pdpte;
  }

 private:
  using PdpteRegisters = std::array<uint64_t, 4>;

  static TlbSide SideOf(const Access& access) {
    return access.is_fetch() ? TlbSide::kInstruction : TlbSide::kData;
  }

  // Translate by the usual hit of L2, or else by a search of L1, L2 and tables.
  TranslateResult TranslateBeyondL1(Access access);
  ABSL_ATTRIBUTE_NOINLINE TranslateResult TranslateBySearch(Access access);
  ABSL_ATTRIBUTE_NOINLINE TranslateResult WalkAfterMiss(Access access);
  // Translates as TranslateBySearch(), and does so in fewer instructions where
  // the tables are as a walk would leave them: see mmu_settled_walk.cc.
  ABSL_ATTRIBUTE_NOINLINE TranslateResult TranslateAfterWalk(Access access);
  struct SettledWalk;
  template <bool kMissed>
  bool FindSettled(const Access& access, SettledWalk& walk);
  TranslateResult TakeSettled(const Access& access, const SettledWalk& walk);
  // As PrefetchHost(), unless whoever makes the accesses has done so lately.
  void PrefetchUnlessAhead(VirtAddr va);
  // Walks, and caches what the walk found.
  TranslateResult WalkFor(const Access& access);
  // Walks where something overlaps, or where the clock's log is told what the
  // walk finds.
  ABSL_ATTRIBUTE_NOINLINE void WalkAndMore(const Access& access,
                                           const WalkStart& start,
                                           WalkResult& walk);
  // Caches the upper entries of `walk`, which started with `rights`.
  void FillStructureCaches(VirtAddr va, uint8_t rights, const WalkResult& walk);
  // Takes a hit of the second level, which goes into L1.
  void TakeL2Hit(size_t hit, const Access& access, const Tlb::Probe& probe);
  // Walk or fault, as a cached page does not serve the access: its rights
  // refuse it, or it is a write that has to set D first.
  ABSL_ATTRIBUTE_NOINLINE TranslateResult RefuseFromL1(uint8_t rights,
                                                       const Access& access);
  ABSL_ATTRIBUTE_NOINLINE TranslateResult RefuseFromL2(size_t hit,
                                                       const Access& access,
                                                       const Tlb::Probe& probe);
  // Walks if such an access goes to the tables, whose cached page refuses it
  // with the error code `why`, or 0.
  std::optional<TranslateResult> WalkInstead(const Access& access,
                                             uint32_t why);
  TranslateResult RaisePageFault(const Access& access, uint32_t error_code);
  // Walks because a cached page does not serve the access, which its rights
  // have `refused` or not. In a virtual machine only a walk tells whose tables
  // are to blame, or whether only D is missing in one of them. AMD's processors
  // never report a fault from a cached page.
  TranslateResult WalkAnew(const Access& access, bool refused);
  // Drops what is cached for the address of a page fault.
  void DropFaulting(VirtAddr va);
  // As FillStructureCaches(), of a two-dimensional walk.
  void FillFromNestedWalk(VirtAddr va, uint8_t rights, const WalkResult& walk);
  // Drops what is cached for both addresses of the violation, and returns it.
  TranslateResult RaiseViolation(const Access& access, const WalkResult& walk);
  // With CR0.PG = 0 linear addresses are physical, or for a guest
  // guest-physical.
  TranslateResult TranslateWithoutPaging(const Access& access);
  TranslateResult ProbeWithoutPaging(const Access& access) const;
  TranslateResult ResultOf(const Access& access, const WalkResult& walk) const;

  // IsCanonical() in the mode in force, in fewer instructions.
  bool IsCanonicalNow(VirtAddr va) const {
    return (va.value() + linear_half_) >> linear_bits_ == 0;
  }
  bool paging() const { return (registers_.cr0 & cr0::kPg) != 0; }
  // Reads the PDPTE registers as `registers` would load them, or zeros outside
  // PAE mode and where there are none. Returns the fault that this raises, if
  // any.
  std::optional<PageFault> ReadPdptes(const ControlRegisters& registers,
                                      PdpteRegisters& loaded);
  bool AppliesNested() const { return context_.nested != nullptr; }
  bool HasReservedBits(const PdpteRegisters& pdptes) const;
  // Whether walks read PAE's PDPTEs, so that there are no registers for them.
  bool WalksPdptes() const {
    return model_.features.walks_pdptes ||
           (vm_.nested && vendor() == Vendor::kAmd);
  }
  Vendor vendor() const { return model_.features.vendor; }
  // How much a MOV to CR4 drops.
  enum class Cr4Flush : uint8_t { kNothing, kPcid, kAll };
  Cr4Flush FlushOfCr4(uint64_t value) const;
  // Puts `registers` in force; `pdpte` goes into the PDPTE registers.
  void Install(const ControlRegisters& registers, PdpteRegisters pdpte);
  // Gives the TLBs the size of large pages in force.
  void ShapeCaches();
  // Whether a VM entry uses the PDPTE registers that it is given.
  bool UsesPdptes(const ControlRegisters& registers,
                  const VmControls& controls) const;
  void ApplyControls(const VmControls& controls);
  // Makes the context that of the virtual machine in force.
  void AttachNested();
  // Drops what is cached without a VPID or ASID.
  void DropUntagged();
  void DropAllVms();
  // Returns the number of a nested root, a new one if it has none yet.
  uint8_t NumberOf(const VmControls& controls);
  std::optional<uint8_t> KnownRoot(MachineAddr root) const;
  void SetKeyRights(uint32_t pkru, uint32_t pkrs);
  // Drops all of the guest in force but guest-physical mappings.
  void DropEverything();
  // Drops the upper-level entries that an invalidation of a page takes along on
  // AMD's processors.
  void DropUpperLevels(VirtAddr va, uint16_t pcid);
  // Returns the fault of an INVPCID that the processor refuses, or nothing.
  std::optional<PageFault> RefuseInvpcid(InvpcidType type, uint16_t pcid,
                                         VirtAddr va) const;
  void DropPcid(uint16_t pcid, bool globals);

  // Whether the flush filter's tags tell address spaces apart.
  bool filters() const {
    return filter_.active() && (registers_.cr4 & cr4::kPcide) == 0 &&
           vm_ == VmControls();
  }
  void WatchEntries(const WalkResult& walk);
  // Drops what a MOV to CR3 with the value in force drops. Returns whether that
  // is a flush.
  bool FlushThroughFilter();

  const MachineModel& model_;
  const PhysMemory& memory_;
  CycleClock& clock_;
  Counters& counters_;
  ControlRegisters registers_;
  PagingContext context_;
  // Bits of a linear address, and half of their range where it is signed.
  int linear_bits_ = 0;
  uint64_t linear_half_ = 0;
  PageWalker walker_;
  PagingStructureCache psc_;
  FlushFilter filter_;
  Tlb tlb_;
  VmControls vm_;
  NestedWalker nested_;
  // Whether WalkAnew() applies: on AMD's processors, and in virtual machines.
  bool walks_anew_ = false;
  // What the host is asked to fetch depends on these two, and nothing else
  // does: whether the last access that missed the L1 TLBs has walked without a
  // page fault, and for how many such accesses PrefetchHost() is taken to be
  // called ahead of them.
  bool walked_ = false;
  static constexpr uint32_t kTrustAhead = 64;
  mutable uint32_t ahead_ = 0;
  // The nested roots that entries may be tagged with; number n is at n - 1.
  std::vector<MachineAddr> nested_roots_;
};

}  // namespace xmmu

#endif  // XMMU_MMU_MMU_H_
