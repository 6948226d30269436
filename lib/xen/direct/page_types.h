#ifndef XMMU_LIB_XEN_DIRECT_PAGE_TYPES_H_
#define XMMU_LIB_XEN_DIRECT_PAGE_TYPES_H_

// References and types of frames, and the entries that hold them: the heart of
// direct paging (Xen 4.17, xen/arch/x86/mm.c). A frame has a count of general
// references, which keep it, and a count of references to its type, which keep
// it what it is. A frame becomes a table by the first reference to such a type,
// which validates all its entries; each present entry then holds a reference
// to what it leads to.
//
// Every reference taken or dropped charges kLockedOp, also one that fails
// after the fact. Single-threaded.

#include <cstdint>

#include "xen/direct/request.h"
#include "xmmu/base/check.h"

namespace xmmu {

// A page type as it is asked for.
struct TypeRequest {
  PageType type;
  bool kernel_l2 = false;  // PGT_pae_xen_l2
  // The entry that asks: its slot, and the table that it is in.
  uint16_t l2_slot : kL2SlotBits = kL2SlotMutable;
  Mfn parent = kInvalidMfn;
};

class PageTypes : private RequestPart {
 public:
  explicit PageTypes(PvRequest& request) : RequestPart(request) {}

  // --- page_refs.cc: general references.
  // Takes a reference to `mfn`; false if it is not RAM of `owner` (Xen:
  // get_page, mfn_valid included).
  bool GetPage(Mfn mfn, DomainId owner) {
    return host_.frames().Valid(mfn) && GetPage(Page(mfn), owner);
  }
  // Drops a reference; the last one frees the frame.
  void PutPage(Mfn mfn) { PutPage(mfn, Page(mfn)); }
  // The same where the PageInfo, `page`, is at hand.
  bool GetPage(PageInfo& page, DomainId owner);
  void PutPage(Mfn mfn, PageInfo& page);
  // Whether `mfn` is not RAM, or a device's (Xen: is_iomem_page).
  bool IsIoMemory(Mfn mfn) const;
  // The PageInfo of `mfn`, or nullptr for such a frame.
  PageInfo* FindRam(Mfn mfn) {
    PageInfo* const own = host_.frames().FindOwn(mfn);
    if (ABSL_PREDICT_FALSE(own == nullptr)) {
      return IsIoMemory(mfn) ? nullptr : &Page(mfn);
    }
    return own->is_ram && own->owner != kDomIo ? own : nullptr;
  }

  // --- page_type.cc: type references, and what validation adds to their price.
  // Takes a reference to the type asked for. The first one flushes whoever may
  // hold entries of the frame's earlier use, and validates it.
  XenErrno GetPageType(Mfn mfn, const TypeRequest& request) {
    return GetPageType(mfn, Page(mfn), request);
  }
  XenErrno GetPageType(Mfn mfn, PageInfo& page, const TypeRequest& request);
  // Drops a type reference that `parent`, the table that refers to it, held;
  // kInvalidMfn if it was no table.
  void PutPageType(Mfn mfn, Mfn parent = kInvalidMfn);
  // Takes a reference of either kind to a frame of the domain's, or none; drops
  // both.
  XenErrno GetPageAndType(Mfn mfn, const TypeRequest& request);
  void PutPageAndType(Mfn mfn, Mfn parent = kInvalidMfn);
  // Takes a type reference for as long as Xen works on a table (Xen:
  // page_lock). False, and free, if the frame is not in use as something
  // validated.
  bool LockPage(Mfn mfn) { return LockPage(Page(mfn)); }
  void UnlockPage(Mfn mfn) { UnlockPage(Page(mfn)); }
  bool LockPage(PageInfo& page);
  void UnlockPage(PageInfo& page);
  // Marks `table`, whose pin has been set or cleared, if the rules send pins
  // with the page.
  void NotePinChange(Mfn table);

  // --- entry_refs.cc: what an entry refers to.
  // Takes the references that `entry` needs, and sets the flags that Xen
  // insists on (Xen: get_page_from_l1e). `page_owner` is whose page it may be.
  XenErrno GetPageFromL1e(Pte& entry, DomainId page_owner);
  // Drops the references that `entry` holds; none if it is not present.
  void PutPageFromL1e(Pte entry) {
    if (entry.present()) PutPageOfPresent(entry);
  }
  // `entry` as Xen stores it at `level` (Xen: adjust_guest_l1e.. l4e).
  Pte Adjust(Pte entry, int level) const;

  // --- mod_entry.cc: one entry of a table in use.
  // Replaces an L1 entry, or refuses `value` (Xen: mod_l1_entry).
  XenErrno ModL1Entry(MachineAddr entry, Pte value, bool preserve_ad,
                      DomainId page_owner);
  // Replaces an entry of a table of `level` 2 to 4 (Xen: mod_l2_entry.. l4).
  XenErrno ModUpperEntry(MachineAddr entry, Pte value, int level,
                         bool preserve_ad);

  // --- linear_slots.cc: Xen's linear map in the kernel L2s of PAE roots;
  // nothing under other rules.
  // Lets the slots of the shared L2 follow `root`, which is about to be loaded.
  void WriteLoadedLinearSlots(Mfn root);

 private:
  // page_refs.cc
  // Gives back to the host a frame without references.
  void FreePage(Mfn mfn);
  // References of read-only mappings to a shared frame: only for a domain that
  // has the frame by sharing.
  bool GetSharedPage(Mfn mfn);
  void PutSharedPage(Mfn mfn);

  // page_type.cc
  // GetPageType() of a frame whose type count is zero, or is not.
  XenErrno FirstUse(Mfn mfn, PageInfo& page, const TypeRequest& request);
  XenErrno FurtherUse(Mfn mfn, PageInfo& page, const TypeRequest& request);
  // Flushes the owner's CPUs that may hold entries of the frame's earlier use.
  void FlushForTypeChange(const PageInfo& page);
  // PutPageType() of the last reference, which devalidates a table.
  void LastUse(Mfn mfn, PageInfo& page);
  // Says that the count of a type has become `count`, if anybody listens.
  void StepOfType(const char* name, Mfn mfn, PageType type,
                  uint64_t count) const {
    if (ABSL_PREDICT_TRUE(cpu_.clock.spans() == nullptr)) return;
    WriteTypeStep(name, mfn, type, count);
  }
  void WriteTypeStep(const char* name, Mfn mfn, PageType type,
                     uint64_t count) const;
  // Counts validated tables, `more` of them.
  void NoteTables(int64_t more);
  // Marks `page`, a table or a page of descriptors, whose type count is about
  // to become non-zero, or a table whose count is about to become zero: the
  // toolstack sends the type with the page (Xen 4.17: validate_page,
  // devalidate_page; 3.0.0: alloc_page_type, free_page_type, "Raw page tables
  // are rewritten during save/restore").
  void NoteTypeChange(Mfn page) { MarkDirty(cpu_, domain_, page); }
  // Gives up the shadows of `table`, which has lost its last use.
  void ForgetTable(Mfn table);
  // Checks that each descriptor of `page` is one that a guest may have.
  XenErrno ValidateDescriptors(Mfn page);

  // entry_refs.cc
  void PutPageOfPresent(Pte entry);
  // GetPageFromL1e() of an entry whose flags may be.
  XenErrno GetPageOfL1e(Pte& entry, DomainId page_owner);
  // GetPageFromL1e() of device memory, which takes no references.
  XenErrno GetIoMemory(Pte& entry, DomainId page_owner);
  // Whether the domain has rights on the device memory at `mfn`.
  bool MayMapIoMemory(Mfn mfn) const;
  // Takes the references of an entry of `level` 2 to 4 in slot `slot` of
  // `table` (Xen: get_page_from_l2e.. l4e).
  XenErrno GetPageFromUpper(Pte entry, int level, Mfn table, int slot);
  // Drops them; returns whether there was something to drop.
  bool PutPageFromUpper(Pte entry, Mfn table);
  // Takes the reference of a linear entry, which leads to a table of its own
  // level (Xen: define_get_linear_pagetable). False if it may not.
  bool GetLinear(Pte entry, int level, Mfn table);
  // The type that slot `slot` of `table` asks of what it leads to.
  TypeRequest ChildRequest(int level, Mfn table, int slot) const;
  // Flags that `entry` of `level` must not have; 0 if it may be.
  uint64_t BadFlags(Pte entry, int level) const;

  // promote.cc: whole tables.
  // Validates a table (Xen: promote_l1_table.. l4). After an error nothing is
  // referred to any more; `keeps_type`: a table that failed after its first
  // slot stays of its type.
  XenErrno Promote(Mfn table, int level, bool& keeps_type);
  XenErrno PromoteL1(Mfn table);
  XenErrno PromoteUpper(Mfn table, int level, bool& keeps_type);
  XenErrno PromoteSlot(Mfn table, int level, int slot, bool& child_keeps_type);

  // promote_by_rule.cc: many alike tables at once.
  // L1 tables that follow a rule, and what all their entries lead to.
  struct LeafTables {
    Mfn tables;
    uint64_t count = 0;  // 0: there are none
    Pte entry;           // the first one's first
    uint64_t pages() const { return count * 512; }
  };
  // What PromoteSlot() does for the slots of `table` from `slot` on whose
  // tables follow rules (PhysMemory::DescribeTables), as a guest's boot tables
  // do: state, counts, charges are the same. Returns how many slots are done;
  // none where anything is out of the ordinary.
  int PromoteByRule(Mfn table, int level, int slot);
  // Whether the machine has the frames [first, first + count).
  bool HasFrames(Mfn first, uint64_t count) const;
  // Whether a frame can become a table of `level` by its first use, by an entry
  // like `entry`, and nothing need be flushed.
  bool CanBecomeTable(const PageInfo& page, int level, Pte entry) const;
  // The L1 tables from slot `slot` of `table`, an L2 table, on that
  // PromoteByRule() can do.
  LeafTables FindLeafTables(Mfn table, int slot) const;
  bool CanBeLeaves(const LeafTables& leaves) const;
  // Validates them, hooked in `table` from `slot` on.
  void PromoteLeafTables(const LeafTables& leaves, Mfn table, int slot);
  // Undoes the slots of a table whose slot `slot` was refused.
  void FailPromotion(Mfn table, int level, int slot, bool child_keeps_type);
  // Takes back the flags that Adjust() has added to an L3 entry.
  void TakeBack(MachineAddr entry);
  // Writes Xen's own entries to a table that has just been validated.
  void WriteXenSlots(Mfn table, int level);
  // Drops the references of all entries (Xen: demote_l1_table.. l4).
  void Demote(Mfn table, int level);
  // Whether `slot` of `table` is the guest's to fill.
  bool IsGuestSlot(const PageInfo& table, int level, int slot) const;

  // linear_slots.cc
  bool LinearInKernelL2() const {
    return rules_.hardware == PagingMode::kPae && rules_.linear_slot >= 0;
  }
  // Writes the four slots in the kernel L2 of `root`, and charges for them.
  void WriteLinearSlots(Mfn root);
  // Writes the slots of a root's own L2 once the root has been validated.
  void WriteOwnLinearSlots(Mfn root);
  // Writes the slots anew after an entry of a root in use has changed.
  void FollowRootChange(Mfn root);

  // Set by Promote() for the caller of GetPageType().
  bool table_keeps_type_ = false;
};

// Each change of an entry comes by these several times.

inline bool PageTypes::GetPage(PageInfo& page, DomainId owner) {
  if (page.ref_count == 0 || !page.is_ram) return false;
  if (page.owner != owner) {
    // Xen reads the owner only after it has taken the reference, which it drops
    // again.
    Charge(CostEvent::kLockedOp, 2);
    return false;
  }
  XenStep("get_page").Arg("references", page.ref_count + 1);
  Charge(CostEvent::kLockedOp);
  ++page.ref_count;
  return true;
}

inline void PageTypes::PutPage(Mfn mfn, PageInfo& page) {
  XMMU_CHECK(page.ref_count > 0);
  XenStep("put_page")
      .Hex("frame", mfn.value())
      .Arg("references", page.ref_count - 1);
  Charge(CostEvent::kLockedOp);
  if (--page.ref_count == 0) FreePage(mfn);
}

inline bool PageTypes::LockPage(PageInfo& page) {
  if (!page.validated || page.type_count == 0) return false;
  XenStep("page_lock");
  Charge(CostEvent::kLockedOp);
  ++page.type_count;
  return true;
}

inline void PageTypes::UnlockPage(PageInfo& page) {
  // No operation on a table under its lock drops the reference that keeps its
  // type.
  XMMU_CHECK(page.type_count > 1);
  XenStep("page_unlock");
  Charge(CostEvent::kLockedOp);
  --page.type_count;
}

}  // namespace xmmu

#endif  // XMMU_LIB_XEN_DIRECT_PAGE_TYPES_H_
