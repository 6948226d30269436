#ifndef XMMU_LIB_XEN_DIRECT_PV_CONTEXT_H_
#define XMMU_LIB_XEN_DIRECT_PV_CONTEXT_H_

// One hypercall or fault of a paravirtual guest while Xen works on it: who
// asked, under which rules, and the TLB work it will owe at the end. All rules
// of direct paging are member functions of it, a file a group.
//
// Validation is not preempted. Where Xen parks a half validated or no longer
// used table in vcpu->arch.old_guest_table and finishes with it later in the
// same hypercall, it is finished with at once; what the guest sees is the same.
//
// Made on the stack for each request; charges the CPU of the vCPU.
// Single-threaded.

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "pv_rules.h"
#include "xmmu/machine/pte.h"
#include "xmmu/mmu/access.h"
#include "xmmu/mmu/memory_operand.h"
#include "xmmu/mmu/pending_invalidation.h"
#include "xmmu/xen/domain.h"
#include "xmmu/xen/errno.h"
#include "xmmu/xen/host.h"
#include "xmmu/xen/hypercall.h"
#include "xmmu/xen/internal/page_info.h"
#include "xmmu/xen/internal/ptwr.h"

namespace xmmu {

// A page that a guest wants to share, and the entries that map it.
struct ShareCandidate {
  Mfn frame = kInvalidMfn;
  std::vector<MachineAddr> entries;
};

// A page type as it is asked for.
struct TypeRequest {
  PageType type;
  bool kernel_l2 = false;  // PGT_pae_xen_l2
  // The entry that asks: its slot, and the table that it is in.
  uint16_t l2_slot = kL2SlotMutable;
  Mfn parent = kInvalidMfn;
};

class PvContext {
 public:
  PvContext(Host& host, VcpuContext& vcpu, const PvRules& rules);
  // The same for what another CPU does in the vCPU's name, and pays for.
  PvContext(Host& host, VcpuContext& vcpu, const PvRules& rules, Cpu& cpu);

  // Does the TLB work that is owed. To be called once, at the end.
  void Finish() { host_.Apply(cpu_, pending_); }

  // The Status of `error`, with the reason given where it was found.
  absl::Status StatusOf(XenErrno error) const {
    return error == XenErrno::kOk ? absl::OkStatus() : XenError(error, why_);
  }

  // --- page_refs.cc: general references. kLockedOp each.
  // Xen: get_page, mfn_valid included. False if `mfn` is not `owner`'s.
  bool GetPage(Mfn mfn, DomainId owner);
  // Frees the frame with the last reference.
  void PutPage(Mfn mfn);
  // Xen: is_iomem_page: not RAM, or a device's.
  bool IsIoMemory(Mfn mfn) const;

  // --- page_type.cc: type references. kLockedOp each, plus validation.
  XenErrno GetPageType(Mfn mfn, const TypeRequest& request);
  // Drops a type reference that `parent`, the table that refers to it, held;
  // kInvalidMfn if it was no table.
  void PutPageType(Mfn mfn, Mfn parent = kInvalidMfn);
  XenErrno GetPageAndType(Mfn mfn, const TypeRequest& request);
  void PutPageAndType(Mfn mfn, Mfn parent = kInvalidMfn);
  // Xen: page_lock: a reference for as long as a table is worked on. False,
  // and free, if it is not in use as something validated.
  bool LockPage(Mfn mfn);
  void UnlockPage(Mfn mfn);

  // --- entry_refs.cc: what an entry refers to.
  // Xen: get_page_from_l1e; takes the references that `entry` needs, and sets
  // the flags that Xen insists on. `page_owner` is whose page it may be.
  XenErrno GetPageFromL1e(Pte& entry, DomainId page_owner);
  void PutPageFromL1e(Pte entry);
  // Xen: get_page_from_l2e.. l4e, for slot `slot` of `table`.
  XenErrno GetPageFromUpper(Pte entry, int level, Mfn table, int slot);
  // Returns whether there was something to put.
  bool PutPageFromUpper(Pte entry, Mfn table);
  // `entry` as Xen stores it: adjust_guest_l1e.. l4e.
  Pte Adjust(Pte entry, int level) const;
  // Flags that `entry` of `level` must not have; 0 if it may be.
  uint64_t BadFlags(Pte entry, int level) const;

  // --- promote.cc: whole tables.
  // Xen: promote_l1_table.. l4. On an error nothing is referred to any more;
  // `keeps_type`: a table that failed after its first slot stays of its type.
  XenErrno Promote(Mfn table, int level, bool& keeps_type);
  void Demote(Mfn table, int level);
  bool IsGuestSlot(const PageInfo& table, int level, int slot) const;

  // --- linear_slots.cc: Xen's linear map in the kernel L2s of PAE roots;
  // nothing under other rules.
  // A root has been validated; its slots are its own L2's.
  void WriteOwnLinearSlots(Mfn root);
  // A root is about to be loaded; the slots of the shared L2 follow.
  void WriteLoadedLinearSlots(Mfn root);
  // A slot of a root in use has changed.
  void FollowRootChange(Mfn root);

  // --- mod_entry.cc: one entry of a table in use.
  // Xen: mod_l1_entry; mod_l2_entry.. l4.
  XenErrno ModL1Entry(MachineAddr entry, Pte value, bool preserve_ad,
                      DomainId page_owner);
  XenErrno ModUpperEntry(MachineAddr entry, Pte value, int level,
                         bool preserve_ad);

  // --- mmu_update.cc, mmuext.cc, update_va.cc: hypercalls.
  HypercallResult MmuUpdates(const MmuUpdateCall& call);
  HypercallResult MmuextOps(const MmuextCall& call);
  absl::Status UpdateVaMapping(const UpdateVaMappingCall& call);

  // --- base_pointer.cc
  // Xen: new_guest_cr3. Charges the CR3 load.
  XenErrno NewBasePointer(Mfn root);
  XenErrno NewUserBasePointer(Mfn root);
  // Xen: arch_set_info_guest: pins the roots and makes them the vCPU's.
  absl::Status Boot(Mfn root, Mfn user_root);
  // Takes the pin reference of `table`; Xen: the pin operations of mmuext_op.
  XenErrno Pin(Mfn table, int level);
  XenErrno Unpin(Mfn table);

  // --- pte_emulator.cc
  bool EmulatePteWrite(const PageFault& fault, const Access& access,
                       MemoryOperand& operand);

  // --- ptwr.cc: opening tables for the guest's own stores; see Mm.
  bool MeetsUnhooked(const Access& access) const;
  TableWrite FindTableWrite(const PageFault& fault, const Access& access);
  void OpenTable(const TableWrite& write, PtwrSlot slot, PtwrMethod method);
  // --- ptwr_close.cc
  void CloseTable(PtwrSlot which);
  void CloseTables();
  void CloseInactiveTables();
  // Closes what is open and is `table` or is mapped by an entry of it.
  void CloseTouching(Mfn table);

  // --- reservation.cc
  uint32_t DecreaseReservation(std::span<const Mfn> frames);
  uint32_t PopulatePhysmap(std::span<const Pfn> pfns);
  XenErrno SetGdt(std::span<const Mfn> frames);
  XenErrno ValidateDescriptors(Mfn page);

  // --- sharing.cc
  HypercallResult MakeRoAndShare(const MakeRoAndShareCall& call);
  // References of read-only mappings to a shared frame: only for a domain that
  // has it by sharing.
  bool GetSharedPage(Mfn mfn);
  void PutSharedPage(Mfn mfn);

 private:
  int entry_bytes() const { return EntryBytes(rules_.mode); }
  PageInfo& Page(Mfn mfn) { return host_.frames()[mfn]; }
  const PageInfo& Page(Mfn mfn) const {
    return std::as_const(host_).frames()[mfn];
  }
  void Charge(CostEvent event, uint64_t times = 1) {
    cpu_.clock.Charge(event, times);
  }
  void Count(Counter counter, uint64_t times = 1) {
    cpu_.counters.Add(counter, times);
  }
  // Notes why a request is refused.
  XenErrno Refuse(XenErrno error, std::string_view why) {
    why_ = why;
    return rules_.detailed_errors ? error : XenErrno::kEINVAL;
  }

  MachineAddr EntryOf(Mfn table, int slot) const {
    return EntryAddress(rules_.mode, AddressOf(table), slot);
  }
  int SlotOf(MachineAddr entry) const {
    return static_cast<int>(PageOffset(entry)) / entry_bytes();
  }
  Pte Load(MachineAddr entry) const {
    return Pte(host_.memory().ReadEntry(entry, entry_bytes()));
  }
  void Store(MachineAddr entry, Pte value) {
    host_.memory().WriteEntry(entry, entry_bytes(), value.raw());
    if (domain_.dirty_log().enabled()) NoteStore(entry, value);
  }
  // Stores to an entry of a table that becomes one just now, or ceases to be
  // one: it has been marked as a whole, and there is no shadow of it.
  void StoreUnlogged(MachineAddr entry, Pte value) {
    host_.memory().WriteEntry(entry, entry_bytes(), value.raw());
  }
  // A value as an entry of the guest's mode holds it.
  Pte EntryValue(uint64_t value) const {
    return Pte(entry_bytes() == 8 ? value : value & 0xffffffffu);
  }
  // Xen's own read and locked write of an entry, charged.
  Pte ReadEntry(MachineAddr entry);
  void UpdateEntry(MachineAddr entry, Pte old, Pte value, bool preserve_ad);

  TlbFlush FullFlush() const { return {rules_.full_flush, VirtAddr()}; }
  void FlushNow(CpuMask cpus, const TlbFlush& flush) {
    host_.Flush(cpu_, cpus, flush);
  }
  CpuMask own_cpu() const { return MaskOf(cpu_.id); }

  // pv_logging.cc: while the domain is being logged.
  // Xen: paging_write_guest_entry.
  void NoteStore(MachineAddr entry, Pte value);
  // The type count of `page`, a table or a page of descriptors, is about to
  // become non-zero, or a table's zero: the toolstack sends the type with the
  // page (Xen 4.17: validate_page, devalidate_page; 3.0.0: alloc_page_type,
  // free_page_type, "Raw page tables are rewritten during save/restore").
  void NoteTypeChange(Mfn page) { MarkDirty(cpu_, domain_, page); }
  // The pin of `table`, sent with the page too, has been set or cleared.
  void NotePinChange(Mfn table);
  // A table has lost its last use.
  void ForgetTable(Mfn table);
  // What CR3 has to name for the processor's root `root`.
  Mfn LoadedFor(Mfn root);
  // Whether processors walk shadows, and Xen the guest's tables by software.
  bool walks_shadows() const { return domain_.pv_log_dirty() != nullptr; }

  // page_refs.cc
  void FreePage(Mfn mfn);
  // page_type.cc
  XenErrno FirstUse(Mfn mfn, PageInfo& page, const TypeRequest& request);
  XenErrno FurtherUse(PageInfo& page, const TypeRequest& request);
  void FlushForTypeChange(const PageInfo& page);
  void LastUse(Mfn mfn, PageInfo& page);
  // entry_refs.cc
  XenErrno GetIoMemory(Pte& entry, DomainId page_owner);
  bool MayMapIoMemory(Mfn mfn) const;
  bool GetLinear(Pte entry, int level, Mfn table);
  TypeRequest ChildRequest(int level, Mfn table, int slot) const;
  // promote.cc
  XenErrno PromoteL1(Mfn table);
  XenErrno PromoteUpper(Mfn table, int level, bool& keeps_type);
  XenErrno PromoteSlot(Mfn table, int level, int slot, bool& child_keeps_type);
  void TakeBack(MachineAddr entry);
  void WriteXenSlots(Mfn table, int level);
  void FailPromotion(Mfn table, int level, int slot, bool child_keeps_type);
  // linear_slots.cc
  bool LinearInKernelL2() const {
    return rules_.hardware == PagingMode::kPae && rules_.linear_slot >= 0;
  }
  void WriteLinearSlots(Mfn root);
  int CountSlots(int level) const { return EntryCount(rules_.mode, level); }
  // mmu_update.cc
  XenErrno OneUpdate(const MmuUpdate& request, DomainId page_owner);
  XenErrno UpdateTable(MachineAddr entry, const MmuUpdate& request,
                       DomainId page_owner);
  XenErrno UpdateMachphys(const MmuUpdate& request, DomainId page_owner);
  bool ResolveOwner(DomainId named, DomainId& owner, XenErrno& error);
  void OweUpperUpdateFlush();
  // mmuext.cc
  XenErrno OneOp(const MmuextOp& op, DomainId owner);
  XenErrno FlushOp(const MmuextOp& op);
  XenErrno PageOp(const MmuextOp& op, DomainId owner);
  XenErrno PinOp(const MmuextOp& op, DomainId owner, int level);
  void FlushPage(CpuMask cpus, VirtAddr va);
  // update_va.cc
  std::optional<MachineAddr> FindL1Entry(VirtAddr va);
  std::optional<MachineAddr> ThroughLinearMap(VirtAddr va, int level);
  std::optional<MachineAddr> WalkToL1Entry(VirtAddr va);
  XenErrno UpdateFoundEntry(MachineAddr entry, Pte value, DomainId page_owner);
  void FlushAfterUpdate(const UpdateVaMappingCall& call);
  // base_pointer.cc
  XenErrno NewHiddenRoot(Mfn root);
  XenErrno BootRoot(Mfn root, Mfn& base);
  void LoadCr3(Mfn root);
  // pte_emulator.cc
  // A write of the guest kernel to a present mapping, by one that has asked for
  // such writes to be handled.
  bool IsTableWriteFault(const PageFault& fault) const;
  bool EmulateStore(MachineAddr addr, const Access& access,
                    MemoryOperand& operand);
  bool ReadAsGuest(const Access& access);
  bool ReplaceEmulated(MachineAddr addr, uint64_t value,
                       const MemoryOperand& operand);
  // ptwr.cc
  std::optional<MachineAddr> FindMapping(VirtAddr va);
  bool OpensByRw(MachineAddr mapping, Pte mapped, const Access& access);
  bool MayBeOpened(const TableWrite& write) const;
  // Where the tree below `root` refers to a table: nothing if nowhere. Sets
  // `known` to false where that cannot be told.
  std::optional<MachineAddr> HookBelow(Mfn root, Mfn table, int level,
                                       bool& known) const;
  bool PlaceInLoadedRoots(TableWrite& write);
  void KeepTypeFor(PtwrInfo& open, bool active);
  void Unhook(MachineAddr l2_entry);
  // ptwr_type.cc: makes a table an ordinary writable page, and back.
  void DropTypeFor(PtwrInfo& open, bool active);
  void RetakeTypeFor(const PtwrInfo& open, bool active);
  XenErrno TryRetakeType(const PtwrInfo& open, bool active);
  // ptwr_close.cc
  bool HasOnePlace(Mfn table) const;
  void CloseMapping(const PtwrInfo& open);
  uint64_t Revalidate(const PtwrInfo& open);
  bool RevalidateEntry(MachineAddr where, Pte old, Pte value);
  void CrashOn(const PtwrInfo& open, int slot);

  // sharing.cc
  size_t NextPage(std::span<const VirtAddr> mappings, size_t first,
                  ShareCandidate& page, XenErrno& error);
  std::optional<MachineAddr> FindMappedEntry(VirtAddr va);
  XenErrno MakeReadOnly(ShareCandidate& page);
  XenErrno CheckSoleMappings(const ShareCandidate& page);
  void SharePage(const ShareCandidate& page);
  std::optional<Mfn> FindSame(Mfn mfn, uint64_t hash);
  void Donate(Mfn mfn);
  void GiveUp(const ShareCandidate& page);

  Host& host_;
  VcpuContext& vcpu_;
  Domain& domain_;
  Cpu& cpu_;
  const PvRules& rules_;
  PendingInvalidation pending_;
  // Set by Promote for the caller of GetPageType.
  bool table_keeps_type_ = false;
  // The table mapped last: a further request to it needs no mapping.
  Mfn mapped_ = kInvalidMfn;
  std::string_view why_ = "refused";
};

}  // namespace xmmu

#endif  // XMMU_LIB_XEN_DIRECT_PV_CONTEXT_H_
