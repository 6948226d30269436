#ifndef XMMU_LIB_XEN_DIRECT_DIRECT_WRITE_LOGGING_H_
#define XMMU_LIB_XEN_DIRECT_DIRECT_WRITE_LOGGING_H_

// Log-dirty mode of a paravirtual domain. Its page tables stay what direct
// paging has made of them: validated, counted, the guest's own. But while the
// log is on no processor walks them: processors walk shadows, which grant less
// (Xen: PV live migration is shadow mode "enable + log_dirty"; Xen 2.0, 3.0:
// xen/arch/x86/shadow.c; 4.17: xen/arch/x86/mm/shadow/{common,multi,pv}.c).
//
//  * A shadow is of one table as it is met at one level, in the format that the
//    processor walks. Its frames are machine frames, as the table's are: there
//    is no P2M in between.
//  * An entry is made when an access needs it: P only once the guest's entry
//    has A, RW only once that has D and the page is marked. So a processor
//    writes to no page that is not marked, and never to a guest's table; the
//    flags that it would have set there, Xen sets, and marks the table.
//  * Each store of Xen's to a table is followed by the shadows of it; when a
//    table loses its last use they are gone. What else the guest does to its
//    tables faults, or is a hypercall, as ever.
//  * Besides pages that are stored to, these are marked: a table whose type
//    count becomes non-zero or zero, whoever is the cause, and before it is
//    validated; a page of descriptors that is validated; the page that a
//    MMU_MACHPHYS_UPDATE names; and from 4.17 on a table whose pin is set or
//    cleared. A further use of what is in use marks nothing.
//  * A page that changes its type owes a flush only if processors could write
//    to it; a table that had shadows owes one when it is none any more (both
//    4.17; 3.0.0 flushes as ever).
//  * Xen itself walks the guest's tables in software, instead of its linear
//    map: through that the processor would set A where nobody sees it
//    (assumed; Xen kept its linear map and did not think of this).
//  * Writable page tables: all that is open is closed when the log goes on;
//    until it goes off, stores are emulated one at a time (Xen 3.0: ptwr is
//    off for a domain in shadow mode).
//  * The shadows come from a ShadowPages pool. When it is empty, all shadows
//    but the roots in use are given up (assumed; Xen goes by age). A kClean
//    gives them up, too (Xen: shadow_blow_tables).
//
// Faults cost what a fault of the domain's costs: they reach Xen by exception,
// not by a VM exit. Single-threaded.

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "xmmu/machine/pte.h"
#include "xmmu/mmu/page_walker.h"
#include "xmmu/xen/host.h"
#include "xmmu/xen/shadow/shadow_pages.h"
#include "xmmu/xen/write_logging.h"

namespace xmmu {

class DirectWriteLogging final : public WriteLogging {
 public:
  // `host` and `domain` outlive the object.
  DirectWriteLogging(Host& host, Domain& domain);
  ~DirectWriteLogging() override;

  // Shadows that Start() takes, unless it is told otherwise: 128 a vCPU and one
  // a MiB of memory (Xen 4.17: sh_min_allocation).
  static uint32_t DefaultPool(const Domain& domain);
  // The fewest shadows with which any guest makes progress: the vCPUs' roots,
  // another one, and a path below it.
  uint32_t FewestShadows() const;
  // Lets the next Start() take `shadows` shadows. REQUIRES: at least
  // FewestShadows().
  void set_pool(uint32_t shadows) { pool_ = shadows; }

  // Whether processors walk shadows.
  bool on() const { return shadows_.has_value(); }

  // Returns the frame that `vcpu` has to load into CR3 in place of `root`, a
  // table of the processor's topmost level. Charges `cpu` the look-up, and a
  // new shadow.
  Mfn LoadedFor(Cpu& cpu, const VcpuContext& vcpu, Mfn root);

  // Handles a page fault of an access of `vcpu`, which runs. Returns nothing if
  // the cause is gone, otherwise the fault that the guest's own tables answer.
  // Sets A and D in those as a processor does, and marks the page that the
  // access writes to. Charges kLockedOp for the shadows' lock, kTempMap and
  // kXenPteRead a level, kXenPteCas for each flag set, new shadows and
  // kXenPteWrite for each entry of theirs that changes.
  std::optional<PageFault> HandleFault(VcpuContext& vcpu,
                                       const PageFault& fault,
                                       const Access& access);

  // Whether the guest's own tables allow the access; sets A and D in them as a
  // processor does. Charges the walk.
  bool Allows(VcpuContext& vcpu, const Access& access);

  // Called when Xen has stored `value` to an entry of some page, maybe a table:
  // makes entries of L1 shadows anew, and drops others until they are needed.
  // Charges kXenPteWrite for each entry that changes (Xen:
  // shadow_validate_guest_entry).
  void EntryWritten(Cpu& cpu, MachineAddr entry, Pte value);

  // Called when `table` has lost its last use: gives up its shadows, and
  // returns whether there were any. Either the caller flushes, or the next use
  // of these shadows does.
  bool TableGone(Mfn table);

  // Whether `frame` is one of the pool.
  bool IsShadow(Mfn frame) const {
    return on() && shadows_->FindFrame(frame) != kNoShadow;
  }

  // Holds each entry against the guest's and the log, the vCPUs' CR3 against
  // the shadows of their roots, and what the processors' TLBs let the domain
  // write to against the log. Not charged.
  absl::Status Audit() const;

 private:
  absl::Status EnableLogging(Cpu& cpu) override;
  void CleanLog(Cpu& cpu, const DirtyBitmap& marked) override;
  void DisableLogging(Cpu& cpu) override;

  // Closes all tables that are open for writing, at the cost of `cpu`. Errors:
  // an entry was refused and the domain has crashed.
  absl::Status CloseTables(Cpu& cpu);
  // Takes the pool's frames. Errors: ENOMEM if the processor cannot reach one
  // of them; then all are given back.
  absl::Status TakePool();
  // Gives the frames back; processors walk the guest's own tables again.
  void ReturnPool();
  // Loads the CR3 of all vCPUs that run, and flushes all CPUs of the domain.
  void Reload(Cpu& cpu);

  // direct_write_logging_fill.cc
  // What a shadow of `table`, met at `level`, is called in the pool: frame
  // numbers of a paravirtual guest are machine frames.
  static ShadowKey KeyOf(Mfn table, int level) {
    return {.gfn = Gfn(table.value()), .level = static_cast<uint8_t>(level)};
  }
  Mfn TableOf(ShadowId id) const {
    return Mfn((*shadows_)[id].key.gfn.value());
  }
  int ShadowLevel(ShadowId id) const { return (*shadows_)[id].key.level; }
  // The shadow of `table` at `level`; kNoShadow if there is none.
  ShadowId Find(Mfn table, int level) const {
    return shadows_->Find(KeyOf(table, level));
  }
  // Find(), or an empty shadow from the pool; kNoShadow if the pool is used up.
  // Charges kXenPteRead for the hash and, for a new shadow, kZeroPage and the
  // flush that its frame still owes.
  ShadowId FindOrMake(Cpu& cpu, Mfn table, int level);
  // Whether a vCPU's CR3 names the shadow.
  bool IsLoaded(ShadowId id) const;
  // Gives up all shadows but the roots in use, which it empties, and flushes.
  void DropAll(Cpu& cpu);
  // DropAll() because the pool is empty; counted as a recycle.
  void Recycle(Cpu& cpu);
  // Makes the entries on the path to `va`. False if the pool is used up.
  bool TryFill(VcpuContext& vcpu, VirtAddr va);
  // Stores `now`, if it is not there already; charges kXenPteWrite then.
  void SetEntry(Cpu& cpu, const ShadowSlot& slot, Pte now);
  // The L1 entry of a shadow for the guest's entry: without RW as long as a
  // write has to be noticed, and none before the page has been accessed.
  Pte LeafFor(Pte guest) const;
  // The entry of `level` that leads to the shadow in `frame`, with the rights
  // of the guest's entry.
  Pte LinkTo(Mfn frame, Pte guest, int level) const;
  Pte GuestEntry(Mfn table, int slot) const;
  // The guest's own tables walked for `access`, A and D set on the way.
  // Charges kTempMap and kXenPteRead a level, and kXenPteCas a flag.
  WalkResult WalkGuest(VcpuContext& vcpu, const Access& access);
  // The registers of the vCPU's processor with the guest's own root in CR3.
  PagingContext GuestContext(const VcpuContext& vcpu) const;
  // Sets A and D as a processor would on `walk`, and marks the tables.
  void SetUsed(Cpu& cpu, const Access& access, const WalkResult& walk);
  int entry_bytes() const { return EntryBytes(mode_); }
  int top_level() const { return LevelCount(mode_); }

  // direct_write_logging_audit.cc: the parts of Audit().
  absl::Status AuditRoots() const;
  absl::Status AuditShadow(ShadowId id) const;
  // Whether `entry` of the shadow is one that `guest` may have led to.
  bool IsFaithful(ShadowId id, Pte entry, Pte guest) const;
  absl::Status AuditTlbs() const;

  Host& host_;
  Domain& domain_;
  const PagingMode mode_;  // the processor's
  const PageWalker walker_;
  uint32_t pool_;           // shadows that the next Start() takes
  std::vector<Mfn> roots_;  // by vCPU: the root that it would have loaded
  // Taken while the log is on.
  std::optional<ShadowPages> shadows_;
};

}  // namespace xmmu

#endif  // XMMU_LIB_XEN_DIRECT_DIRECT_WRITE_LOGGING_H_
