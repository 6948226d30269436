#ifndef XMMU_XEN_SHADOW_SHADOW_PAGING_H_
#define XMMU_XEN_SHADOW_SHADOW_PAGING_H_

// Shadow page tables of one domain, as far as the strategies agree: the
// processor walks tables of the hypervisor's that are made, entry by entry,
// from those of a guest which knows nothing of it (Xen 3.0.3,
// xen/arch/x86/mm/shadow/{common,multi}.c).
//
//  * An entry of a shadow grants no more than the guest's entry: P only once
//    the guest's has A, RW only once its leaf has D, so that the hypervisor
//    sees the accesses for which a processor would have set them. G is clear.
//  * A guest frame that is shadowed is a table. While it is in sync, no shadow
//    entry and no TLB entry lets the guest write to it. A strategy may let it
//    go out of sync: then the guest writes to it freely, and what shadows say
//    of it counts as cached until the guest flushes.
//  * A large page of the guest's stays large in the shadow where the machine
//    frames are contiguous and aligned and no table lies in it; else it is
//    splintered into 4 KiB entries, all made at once.
//  * Where the shadow mode is PAE, each vCPU has four L3 entries of the
//    hypervisor's (Xen: arch.paging.shadow.l3table).
//
// What strategies disagree on is virtual: how the guest entry behind a shadow
// entry is known (a snapshot, or the guest's memory), how the entries that lead
// to a frame are found (backlinks, or a search of all shadows), what a shadow
// consists of. A fault, a MOV CR3 and a flush are each strategy's own.
//
// While the domain's writes are logged (xmmu/xen/dirty_log.h), no page is large
// and an entry is writable only for a page that is marked already, or for the
// write that it is made for, which marks it (Xen 4.17: multi.c,
// _sh_propagate). Unless a strategy knows better, logging begins, and goes on
// after each kClean, with no shadows but the roots in use, and those empty
// (shadow_blow_tables). When it ends, entries become writable by faults.
//
// A flush that a change owes is collected; FlushOwed() executes it before the
// guest goes on. The strategy's public functions call it last.
//
// Single-threaded.

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "xmmu/mmu/page_walker.h"
#include "xmmu/xen/host.h"
#include "xmmu/xen/physmap.h"
#include "xmmu/xen/shadow/guest_walk.h"
#include "xmmu/xen/shadow/shadow_pages.h"
#include "xmmu/xen/shadow/shadow_shape.h"
#include "xmmu/xen/write_logging.h"

namespace xmmu {

class ShadowPaging : public WriteLogging, public PhysmapUser {
 public:
  // A pool of `shadows` shadows; CheckPool(shadows) is OK. Both outlive it.
  ShadowPaging(Host& host, Domain& domain, const ShadowShape& shape,
               uint32_t shadows);
  ~ShadowPaging() override;

  // The fewest shadows that any guest makes progress with: a path, and the
  // roots of the other vCPUs where roots are shadowed.
  static uint32_t FewestShadows(const Domain& domain, const ShadowShape& shape);

  // `vcpu` starts on the tables at `root`, under registers of the shadow mode.
  // Charges nothing. Errors: InvalidArgument if MOV CR3 would get a #GP.
  absl::Status StartVcpu(VcpuContext& vcpu, Gfn root);

  // What is behind `gfn` is about to change: nothing leads there any more, and
  // it is no table (XI: xi_invld_mfn). Only the root of a vCPU remains one,
  // nothing in it. Charges the search and kXenPteWrite an entry; FlushLeft()
  // flushes the domain's dirty CPUs.
  void FrameLeaves(Cpu& cpu, Gfn gfn) override;
  void FlushLeft(Cpu& cpu) override { FlushOwed(cpu); }

  // Checks pool, hash, references, each entry against what it was made from and
  // against the P2M, what the processors' TLBs hold, and what the strategy
  // adds.
  absl::Status Audit() const;

  const ShadowPages& pages() const { return pages_; }
  const ShadowShape& shape() const { return shape_; }

 protected:
  struct Root {
    Gfn gfn;
    PagingContext guest;  // as the guest's registers say
    // L3 entries of the hypervisor's own, or none.
    MachineAddr l3;
    // Shadows of the topmost level: four under an L3, else the first is the
    // root. kNoShadow: not there yet.
    std::array<ShadowId, 4> top;
  };

  // --- What strategies disagree on.

  // The guest entry that a shadow entry was made from, 0 if it was not. Not
  // charged. Not asked of splinters. The guest's memory, if nothing else.
  virtual Pte SourceOf(const ShadowSlot& slot) const;
  // Whether SourceOf() is right of shadows that no root leads to, either: not
  // if it is the guest's memory, to which a device may have written since
  // without asking.
  virtual bool KeepsSources() const { return false; }
  // Whether the entry at `slot` is the one for `guest`. Charges the look.
  virtual bool IsCurrent(Cpu& cpu, const ShadowSlot& slot, Pte guest);
  // It is made from `guest` from now on.
  virtual void SetSource(Cpu& cpu, const ShadowSlot& slot, Pte guest);
  // The entry has changed. `old` or `now` may be 0.
  virtual void EntryChanged(Cpu& cpu, const ShadowSlot& slot, Pte old, Pte now);
  // `id` has been taken from the pool: what belongs to it is to be zeroed.
  // Charges that.
  virtual void ShadowTaken(Cpu& cpu, ShadowId id);
  // All leaf entries that lead to `gfn`, large ones that contain it as well.
  // Charges the search; here one of all entries of the lowest two levels.
  virtual std::vector<ShadowSlot> MappingsOf(Cpu& cpu, Gfn gfn);
  // Those of them that are writable or large, at least. Charges the search; by
  // default all.
  virtual std::vector<ShadowSlot> WritableMappingsOf(Cpu& cpu, Gfn gfn);
  // All entries that lead to the shadow `id`. Charges the search.
  virtual std::vector<ShadowSlot> LinksTo(Cpu& cpu, ShadowId id);
  // The shadow `id`, which may have been unreachable for long, is about to be
  // linked on behalf of `vcpu`. May do away with it.
  virtual void BeforeLink(VcpuContext& vcpu, ShadowId id);
  // Whether a writable mapping of `gfn` may be made; by default, unless it is a
  // table in sync.
  virtual bool MayWrite(Gfn gfn) const;
  // Whether one may be there: MayWrite(), unless the strategy makes some in
  // other ways.
  virtual bool MayStayWritable(Gfn gfn) const { return MayWrite(gfn); }
  // No entry is writable from here on save for marked pages. `marked`: there
  // were none but for these; nullptr: there may have been any. Charges what it
  // does; owes the flush.
  virtual void RevokeWrites(Cpu& cpu, const DirtyBitmap* marked);
  // Whether large pages may be large, when writes are not logged.
  virtual bool LargeAllowed() const { return true; }
  // Whether the entries of a splinter are all made at once, or as needed.
  virtual bool FillsSplinters() const { return true; }
  // Whether `entry` has P but leads nowhere: a mark of the strategy's own, in
  // an L1 shadow, which no processor can use.
  virtual bool IsMark(Pte) const { return false; }
  // `id`, intact so far, is about to be given up.
  virtual void ShadowGoes(Cpu&, ShadowId) {}
  // The pool is used up: gives up some shadow that is not guarded; here the
  // least recently used. Whether there was one. Charges what it takes.
  virtual bool MakeRoom(Cpu& cpu);
  // The strategy's own part of Audit().
  virtual absl::Status AuditMore() const { return absl::OkStatus(); }

  // --- What they share.

  // Loads `gfn` as the root of `vcpu`, and the guest's PDPTEs from it. Charges
  // the reads, new shadows and Host::LoadCr3, which flushes the vCPU's CPU.
  // Errors: InvalidArgument (#GP), nothing changed.
  absl::Status SetRoot(VcpuContext& vcpu, Gfn gfn);
  // Reads the PDPTEs of a PAE guest anew, as every MOV CR3 does; owes the
  // flush. Keeps what it has if they would get a #GP.
  void ReloadPdptes(VcpuContext& vcpu);
  // Remakes what has changed on the path that `walk` took to `va`, without
  // making anything that was not there. Whether the processor may hold pieces
  // of a large page of the guest's, so that dropping one page is not enough.
  bool Freshen(VcpuContext& vcpu, const GuestWalk& walk, VirtAddr va);
  // The guest's tables walked for `access`. Charges as WalkGuest().
  GuestWalk Walk(VcpuContext& vcpu, const Access& access);
  // Makes the shadows of the path that `walk` took to `va`, entry by entry what
  // is not current. REQUIRES: walk.ok, A and D set.
  void Fill(VcpuContext& vcpu, const GuestWalk& walk, VirtAddr va);
  // Remakes one entry from `guest`: an L1 entry at once, a link or large page
  // is dropped until it is needed. Charges the P2M look-up and the writes.
  void Remake(VcpuContext& vcpu, const ShadowSlot& slot, Pte guest);
  // The shadow table of the topmost level that `va` is in, or kNoShadow.
  ShadowId TopOf(const VcpuContext& vcpu, VirtAddr va) const;

  // No mapping of `gfn` is writable from here on, and no large page contains
  // it.
  void Protect(Cpu& cpu, Gfn gfn);
  // Gives up a shadow: nothing links to it, it links to nothing.
  void Evict(Cpu& cpu, ShadowId id);
  // All of `gfn`'s, loaded roots excepted.
  void EvictTable(Cpu& cpu, Gfn gfn);
  // Gives up all shadows but the roots in use, which become empty. Charges
  // kXenPteRead for each entry there is and kXenPteWrite for each present.
  void DropShadows(Cpu& cpu);
  // No entry for 4 KiB is writable from here on, no page is large: one pass
  // over all shadows. Charges as a search of all, and the writes.
  void ProtectAll(Cpu& cpu);
  // Performs the instruction on the guest's memory where `walk` led; nothing
  // there, it loads ones and stores nowhere. Charges kEmulate; a write marks
  // the page. REQUIRES: `walk`
  // is of `access`. A program's store of data is not for this.
  void Emulate(Cpu& cpu, const GuestWalk& walk, const Access& access,
               MemoryOperand& operand);
  // The TLBs of `cpus` have to be flushed.
  void Owe(CpuMask cpus) { owed_ |= cpus; }
  // Executes the flushes owed, save on `done`, which have flushed everything.
  void FlushOwed(Cpu& cpu, CpuMask done = 0);

  // The shadow that an entry made at `slot` from `guest`, which names a table,
  // leads to; and that entry.
  ShadowKey ChildKey(const ShadowSlot& slot, Pte guest) const;
  void Link(Cpu& cpu, const ShadowSlot& slot, Pte guest, ShadowId child);
  // A 4 KiB entry for what `guest` grants on `gfn`; `write`: it is made for
  // one. Charges the P2M look-up.
  void MapPage(Cpu& cpu, const ShadowSlot& slot, Pte guest, Gfn gfn,
               bool write = false);
  // Its entries lead to `gfn` and on; the rights of the large page are in the
  // links to the splinter.
  void MapInSplinter(Cpu& cpu, const ShadowSlot& slot, Gfn gfn,
                     bool write = false);

  void SetEntry(Cpu& cpu, const ShadowSlot& slot, Pte now);
  // SetEntry() to nothing, made from nothing.
  void Clear(Cpu& cpu, const ShadowSlot& slot);

  bool IsTableInSync(Gfn gfn) const;
  // Guest entry that governs `slot`, read from memory; not charged.
  Pte GuestEntry(const ShadowSlot& slot) const;
  // Whether the entry of a shadow like that of `slot` leads to another shadow.
  bool IsLink(const ShadowSlot& slot, Pte entry) const;
  ShadowId Child(Pte link) const { return pages_.FindFrame(link.frame()); }
  void Charge(Cpu& cpu, CostEvent event, uint64_t times = 1) const;
  bool Contains(const ShadowSlot& slot, Pte entry, Mfn mfn) const;

  Host& host() const { return host_; }
  Domain& domain() const { return domain_; }
  Root& RootOf(const VcpuContext& vcpu) { return roots_[vcpu.id]; }
  const std::vector<Root>& roots() const { return roots_; }
  ShadowPages& mutable_pages() { return pages_; }

 private:
  absl::Status CheckRoot(const VcpuContext& vcpu, Gfn gfn,
                         std::array<uint64_t, 4>& pdpte) const;
  absl::Status ReadRoot(VcpuContext& vcpu, Gfn gfn);
  void SetTops(VcpuContext& vcpu);
  void SetTop(VcpuContext& vcpu, int index, ShadowId id);
  ShadowKey TopKey(const Root& root, int index) const;
  ShadowId MakeTop(VcpuContext& vcpu, VirtAddr va);

  // The shadow of `key`, made if there is none. kNoShadow: the pool is used up
  // by what must stay.
  ShadowId FindOrMake(VcpuContext& vcpu, const ShadowKey& key);
  ShadowId TryMake(Cpu& cpu, const ShadowKey& key);
  void Empty(Cpu& cpu, ShadowId id);
  void FillSplinter(Cpu& cpu, ShadowId id);
  void LinkTable(VcpuContext& vcpu, const ShadowSlot& slot, Pte guest);
  void MapLarge(VcpuContext& vcpu, const ShadowSlot& slot, Pte guest,
                const GuestWalk& walk, VirtAddr va);
  // Whether the log lets a page be writable; marks it for a write.
  bool LogAllows(Cpu& cpu, Gfn gfn, bool write);
  void Divide(Cpu& cpu, const ShadowSlot& slot, Gfn gfn);
  bool CanBeLarge(Gfn first) const;
  Gfn LargeBase(Gfn gfn) const;
  void NoteLoss(const ShadowSlot& slot, Pte old, Pte now);

  absl::Status EnableLogging(Cpu& cpu) final;
  void CleanLog(Cpu& cpu, const DirtyBitmap& marked) final;
  void DisableLogging(Cpu&) final {}

  absl::Status AuditPool() const;
  absl::Status AuditRefs() const;
  absl::Status AuditEntry(const ShadowSlot& slot, bool live) const;
  Pte SourceAsMade(const ShadowSlot& slot, bool live) const;
  absl::Status AuditLeaf(const ShadowSlot& slot, Pte entry, Pte source) const;
  // What is wrong with a mapping of `pfn`; nothing: "".
  std::string_view WrongTarget(Pfn pfn, bool writable) const;
  absl::Status AuditTlbs() const;
  std::vector<bool> LiveShadows() const;

  Host& host_;
  Domain& domain_;
  const ShadowShape shape_;
  // 32 bytes a vCPU; taken before the pool, as it must be below 4 GiB.
  Mfn l3_frame_ = kInvalidMfn;
  ShadowPages pages_;
  std::vector<Root> roots_;  // by vCPU
  // Shadows that the change in progress is at work on: not to be recycled.
  std::vector<ShadowId> guards_;
  CpuMask owed_ = 0;
  // TLB clock when a writable large page was last taken away.
  uint32_t large_stamp_ = 0;
  bool free_of_charge_ = false;
};

}  // namespace xmmu

#endif  // XMMU_XEN_SHADOW_SHADOW_PAGING_H_
