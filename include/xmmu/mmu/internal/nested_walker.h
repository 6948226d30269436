#ifndef XMMU_MMU_INTERNAL_NESTED_WALKER_H_
#define XMMU_MMU_INTERNAL_NESTED_WALKER_H_

// The second dimension of the page walker: it translates a guest-physical
// address to a machine address by the tables that the hypervisor keeps. With it
// are the processor's caches of those tables: a nested TLB of guest-physical
// pages, and paging-structure caches of non-leaf entries by guest-physical
// address. It owns both; it refers to the machine as the PageWalker does.
//
// EPT (Intel): an entry grants R, W and X, and is present if it grants any. A
// and D (bits 8 and 9) exist only if they are switched on, and then each access
// to a table of the guest counts as a write. W without R is a misconfiguration,
// and so is X without R where the processor has no execute-only translations.
// With mode-based execute control X counts for supervisor-mode linear addresses
// alone, and bit 10 for user-mode ones. Large pages exist where the machine has
// them. Nested paging (AMD): entries are ordinary ones and are judged as for
// user accesses, so that U/S must be 1 at each level. Accesses to tables of the
// guest always count as writes. Before a violation is reported, what is cached
// on the way is dropped and the walk is repeated from the root, as natively
// (APM Vol. 2, "Use of Cached Entries When Reporting a Page Fault Exception").
// Source: SDM Vol. 3C, "EPT Translation Mechanism", "EPT Misconfigurations",
// "EPT Violations", "Accessed and Dirty Flags for EPT"; AMD APM Vol. 2, "Nested
// Paging".
//
// Single-threaded.

#include <array>
#include <cstdint>
#include <vector>

#include "absl/base/attributes.h"
#include "xmmu/base/address.h"
#include "xmmu/base/counters.h"
#include "xmmu/base/cycles.h"
#include "xmmu/machine/machine_model.h"
#include "xmmu/machine/memory_hierarchy.h"
#include "xmmu/machine/phys_memory.h"
#include "xmmu/machine/pte.h"
#include "xmmu/mmu/access.h"
#include "xmmu/mmu/internal/nested_tlb.h"
#include "xmmu/mmu/internal/paging_structure_cache.h"
#include "xmmu/mmu/vm_controls.h"

namespace xmmu {

// Bits of an EPT entry. Source: SDM Vol. 3C, the formats of EPT entries.
namespace ept {
inline constexpr uint64_t kRead = uint64_t{1} << 0;
inline constexpr uint64_t kWrite = uint64_t{1} << 1;
inline constexpr uint64_t kExecute = uint64_t{1} << 2;
inline constexpr uint64_t kRights = kRead | kWrite | kExecute;
inline constexpr uint64_t kMemoryType = uint64_t{7} << 3;  // in a leaf
inline constexpr uint64_t kWriteBack = uint64_t{6} << 3;
inline constexpr uint64_t kPageSize = uint64_t{1} << 7;
inline constexpr uint64_t kAccessed = uint64_t{1} << 8;
inline constexpr uint64_t kDirty = uint64_t{1} << 9;
// Used with mode-based execute control.
inline constexpr uint64_t kUserExecute = uint64_t{1} << 10;
}  // namespace ept

// The rights that nested tables grant to a page.
namespace nested_rights {
inline constexpr uint8_t kRead = 1u << 0;
inline constexpr uint8_t kWrite = 1u << 1;
inline constexpr uint8_t kExecute = 1u << 2;
// A write needs no update of the leaf's D first.
inline constexpr uint8_t kDirty = 1u << 3;
// The right of user-mode linear addresses, which equals kExecute without
// mode-based execute control.
inline constexpr uint8_t kUserExecute = 1u << 4;
inline constexpr uint8_t kAll = kRead | kWrite | kExecute | kUserExecute;
}  // namespace nested_rights

// Accesses to guest-physical addresses, as bits of namespace nested.
struct NestedAccess {
  GuestAddr gpa;
  uint32_t bits = nested::kRead;  // kRead, kWrite, kFetch
  // The linear address is a user-mode one: U/S is 1 all along the guest's walk.
  bool user = false;
};

class NestedWalker {
 public:
  // The arguments are those of PageWalker and outlive this object.
  NestedWalker(const MachineModel& model, PhysMemory& memory,
               MemoryHierarchy* hierarchy, CycleClock& clock,
               Counters& counters);

  // Puts the tables of `controls` in force, which belong to `tag`.
  void Enter(const VmControls& controls, VmTag tag);

  // The right that a fetch needs.
  static constexpr uint8_t ExecuteRight(bool user) {
    return user ? nested_rights::kUserExecute : nested_rights::kExecute;
  }

  // Whether accesses to the guest's tables count as writes.
  bool table_reads_write() const { return table_reads_write_; }
  // The access to guest-physical memory by which a walk reads a table at `gpa`.
  NestedAccess TableAccess(GuestAddr gpa) const {
    return {gpa, nested::kRead | (table_reads_write_ ? nested::kWrite : 0)};
  }

  // Translates. Returns true with the page in `page`, or false with the reason
  // in `why` (bits of namespace nested; the caller adds kFinalAddress and
  // kLinearAddressValid). A hit in the nested TLB charges nothing (assumed: it
  // is looked up in parallel). A walk charges each entry load at the level that
  // served it (flat: kPteLoadFlat), and kAdUpdate for each A/D update.
  bool Translate(const NestedAccess& access, NestedPage& page, uint32_t& why);
  // As Translate(), but by a fresh walk of the tables in memory, without any
  // effect.
  bool Probe(const NestedAccess& access, NestedPage& page, uint32_t& why) const;

  // Drop what is cached for an address under the tables in force / of one root
  // / of one VPID (AMD: ASID) / all.
  void DropAddress(GuestAddr gpa);
  void DropRoot(uint8_t root);
  void DropVpid(uint16_t vpid);
  void DropAll();

  // What the caches hold, for tests and audits. In the paging-structure entries
  // `va` is a guest-physical address and `rights` are nested_rights.
  std::vector<NestedPage> TlbEntries() const { return tlb_.Entries(); }
  std::vector<PagingStructureEntry> PagingStructureEntries() const {
    return psc_.Entries();
  }

 private:
  // An entry decoded from either format.
  struct Decoded {
    bool present = false;
    bool misconfigured = false;
    bool leaf = false;
    uint8_t rights = 0;
  };

  // Whether a cached page serves the access at once: it grants the rights, and
  // a write need not set D first.
  static bool Serves(const NestedPage& page, const NestedAccess& access);
  static uint8_t RightsFor(const NestedAccess& access);

  // What tells at one comparison each that an entry of one level is a usual one:
  // it grants all rights, nothing is wrong with it, and a link has A. Decode()
  // would say no more. link_also_ and leaf_also_ add the bits that the rules of
  // the virtual machine ask for.
  struct UsualLevel {
    uint64_t link_mask = 0;
    uint64_t link = ~uint64_t{0};  // no entry, where there is no mask
    uint64_t leaf_mask = 0;
    uint64_t leaf = ~uint64_t{0};
  };
  UsualLevel UsualEptLevel(int level) const;
  UsualLevel UsualNptLevel(int level) const;

  // The bits of an EPT entry of one level that decide what it is on this
  // machine.
  struct EptLevel {
    uint64_t leaf = 0;  // those of which one set makes a present entry a leaf
    uint64_t reserved_in_leaf = 0;
    uint64_t reserved_in_table = 0;
  };
  EptLevel EptLevelOf(int level) const;

  Decoded Decode(Pte entry, int level) const;
  Decoded DecodeEpt(uint64_t raw, int level) const;
  uint8_t EptRights(uint64_t raw) const;
  // The bits that an entry of NPT must not have, as a leaf or as a link.
  uint64_t ReservedInNpt(int level, bool leaf) const;
  Decoded DecodeNpt(Pte entry, int level) const;
  // Whether an entry of `level`, 2 or more, can be a leaf on this machine.
  bool MayMap(int level) const;
  // Ends a walk at an entry that stops it: sets `why` and returns false.
  bool Fail(const NestedAccess& access, uint8_t rights, bool misconfigured,
            uint32_t& why) const;
  template <bool kProbe>
  bool Walk(const NestedAccess& access, NestedPage& page, uint32_t& why);
  // Walk() with its effects, of which the clock's log is told.
  ABSL_ATTRIBUTE_NOINLINE bool WalkAndTell(const NestedAccess& access,
                                           NestedPage& page, uint32_t& why);
  // Sets A or D as the processor does, if they are kept at all.
  template <bool kProbe>
  void SetFlags(MachineAddr addr, Pte entry, uint64_t flags);
  void ChargeLoad(MachineAddr addr);
  int top_level() const { return LevelCount(controls_.nested_mode); }

  const MachineModel& model_;
  PhysMemory& memory_;
  MemoryHierarchy* hierarchy_;
  CycleClock& clock_;
  Counters& counters_;
  VmControls controls_;
  VmTag tag_;
  bool ept_;
  std::array<EptLevel, 6> ept_levels_;      // by level
  std::array<UsualLevel, 6> usual_levels_;  // by level
  uint64_t link_also_ = 0;
  uint64_t leaf_also_ = 0;
  bool flags_ = false;  // whether A and D are kept
  bool table_reads_write_ = false;
  uint64_t accessed_;
  uint64_t dirty_;
  PagingStructureCache psc_;
  NestedTlb tlb_;
  bool used_cache_ = false;  // the last walk started from a cached entry
};

}  // namespace xmmu

#endif  // XMMU_MMU_INTERNAL_NESTED_WALKER_H_
