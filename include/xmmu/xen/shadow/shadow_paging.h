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
#include "xmmu/base/span_log.h"
#include "xmmu/mmu/page_walker.h"
#include "xmmu/xen/host.h"
#include "xmmu/xen/physmap.h"
#include "xmmu/xen/shadow/guest_walk.h"
#include "xmmu/xen/shadow/shadow_pages.h"
#include "xmmu/xen/shadow/shadow_shape.h"
#include "xmmu/xen/shadow/shadow_words.h"
#include "xmmu/xen/write_logging.h"

namespace xmmu {

class ShadowPaging : public WriteLogging, public PhysmapUser {
 public:
  // Takes a pool of `shadows` shadows, at least FewestShadows(). `host` and
  // `domain` outlive the object.
  ShadowPaging(Host& host, Domain& domain, const ShadowShape& shape,
               uint32_t shadows);
  ~ShadowPaging() override;

  // The fewest shadows that any guest makes progress with: a path, and the
  // roots of the other vCPUs where roots are shadowed.
  static uint32_t FewestShadows(const Domain& domain, const ShadowShape& shape);

  // `vcpu` starts on the tables at `root`, under registers of the shadow mode.
  // Charges nothing. Errors: InvalidArgument if MOV CR3 would get a #GP.
  absl::Status StartVcpu(VcpuContext& vcpu, Gfn root);

  // Called before the frame behind `gfn` changes: clears all that leads there,
  // and lets the frame be no table (XI: xi_invld_mfn). Only the root of a vCPU
  // remains one, emptied. Charges the search and kXenPteWrite an entry;
  // FlushLeft() flushes the domain's dirty CPUs.
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

  // The guest entry that a shadow entry was made from, 0 if it was not; by
  // default what the guest's memory holds. Not charged; not called for
  // splinters.
  virtual Pte SourceOf(const ShadowSlot& slot) const;
  // Whether SourceOf() is also right for shadows that no root leads to. It is
  // not if it reads the guest's memory, to which a device may have written
  // since unnoticed.
  virtual bool KeepsSources() const { return false; }
  // Whether the entry at `slot` was made from `guest`. Charges the look.
  virtual bool IsCurrent(Cpu& cpu, const ShadowSlot& slot, Pte guest);
  // The entry at `slot` is made from `guest` from now on.
  virtual void SetSource(Cpu& cpu, const ShadowSlot& slot, Pte guest);
  // Called when the entry at `slot` has changed. `old` or `now` may be 0.
  virtual void EntryChanged(Cpu& cpu, const ShadowSlot& slot, Pte old, Pte now);
  // Called when `id` has been taken from the pool: zeroes what belongs to it,
  // and charges that.
  virtual void ShadowTaken(Cpu& cpu, ShadowId id);
  // All leaf entries that lead to `gfn`, large ones that contain it as well.
  // Charges the search; by default that of all entries of the lowest two
  // levels.
  virtual std::vector<ShadowSlot> MappingsOf(Cpu& cpu, Gfn gfn);
  // Those of MappingsOf() that are writable or large, at least; by default all
  // of them. Charges the search.
  virtual std::vector<ShadowSlot> WritableMappingsOf(Cpu& cpu, Gfn gfn);
  // All entries that lead to the shadow `id`. Charges the search.
  virtual std::vector<ShadowSlot> LinksTo(Cpu& cpu, ShadowId id);
  // Called before `id`, which may have been unreachable for long, is linked on
  // behalf of `vcpu`. May do away with the shadow.
  virtual void BeforeLink(VcpuContext& vcpu, ShadowId id);
  // Whether a writable mapping of `gfn` may be made; by default, unless it is a
  // table in sync.
  virtual bool MayWrite(Gfn gfn) const;
  // Whether a writable mapping of `gfn` may exist: MayWrite(), unless the
  // strategy makes some in other ways.
  virtual bool MayStayWritable(Gfn gfn) const { return MayWrite(gfn); }
  // Makes all entries read-only save those of marked pages. `marked` holds the
  // only pages that entries may have been writable for; nullptr says that it
  // may have been any. Charges what it does; owes the flush.
  virtual void RevokeWrites(Cpu& cpu, const DirtyBitmap* marked);
  // Whether shadows may map large pages while writes are not logged.
  virtual bool LargeAllowed() const { return true; }
  // Whether the entries of a splinter are all made at once; if not, as faults
  // need them.
  virtual bool FillsSplinters() const { return true; }
  // Whether `entry` of an L1 shadow is a mark of the strategy's own: it has P
  // but leads nowhere, and no processor can use it.
  virtual bool IsMark(Pte) const { return false; }
  // Called before `id`, intact so far, is given up.
  virtual void ShadowGoes(Cpu&, ShadowId) {}
  // Called when the pool is used up: gives up some shadow that is not guarded,
  // by default the least recently used. Returns whether there was one. Charges
  // what it takes.
  virtual bool MakeRoom(Cpu& cpu);
  // The strategy's own part of Audit().
  virtual absl::Status AuditMore() const { return absl::OkStatus(); }
  // What spans call the steps.
  virtual ShadowWords Words() const { return {}; }

  // Notes how many shadows are in use.
  void NoteInUse(const Cpu& cpu) const {
    NoteCounter(cpu.clock, "shadows in use", pages_.in_use());
  }
  // A step of this class, by its word; a step of a strategy's own, by its name.
  Span XenSpan(const Cpu& cpu, const char* ShadowWords::*word) const {
    const bool told = cpu.clock.spans() != nullptr;
    return Span(cpu.clock, Actor::kXen, told ? Words().*word : nullptr);
  }
  static Span XenSpan(const Cpu& cpu, const char* name) {
    return Span(cpu.clock, Actor::kXen, name);
  }

  // --- What they share.

  // Loads `gfn` as the root of `vcpu`, and the guest's PDPTEs from it. Charges
  // the reads, new shadows and Host::LoadCr3, which flushes the vCPU's CPU.
  // Errors: InvalidArgument (#GP), nothing changed.
  absl::Status SetRoot(VcpuContext& vcpu, Gfn gfn);
  // Reads the PDPTEs of a PAE guest anew, as every MOV CR3 does; owes the
  // flush. Keeps what it has if they would get a #GP.
  void ReloadPdptes(VcpuContext& vcpu);
  // Remakes what has changed on the path that `walk` took to `va`, without
  // making anything that was not there. Returns whether the processor may hold
  // pieces of a large page of the guest's, so that dropping one page is not
  // enough.
  bool Freshen(VcpuContext& vcpu, const GuestWalk& walk, VirtAddr va);
  // Walks the guest's tables for `access`. Charges as WalkGuest().
  GuestWalk Walk(VcpuContext& vcpu, const Access& access);
  // Makes the shadows of the path that `walk` took to `va`, and each entry on
  // it that is not current. REQUIRES: walk.ok, A and D set.
  void Fill(VcpuContext& vcpu, const GuestWalk& walk, VirtAddr va);
  // Remakes one entry from `guest`: an L1 entry at once, a link or large page
  // is dropped until it is needed. Charges the P2M look-up and the writes.
  void Remake(VcpuContext& vcpu, const ShadowSlot& slot, Pte guest);
  // The shadow table of the topmost level that `va` is in, or kNoShadow.
  ShadowId TopOf(const VcpuContext& vcpu, VirtAddr va) const;

  // Makes all mappings of `gfn` read-only, and divides the large pages that
  // contain it.
  void Protect(Cpu& cpu, Gfn gfn);
  // Gives up a shadow, after clearing all links to it and all that it holds.
  void Evict(Cpu& cpu, ShadowId id);
  // Gives up all shadows of `gfn`, loaded roots excepted.
  void EvictTable(Cpu& cpu, Gfn gfn);
  // Gives up all shadows but the roots in use, which it empties. Charges
  // kXenPteRead for each entry there is and kXenPteWrite for each present.
  void DropShadows(Cpu& cpu);
  // Takes RW from all entries for 4 KiB and drops the large ones, in one pass
  // over all shadows. Charges the search of all, and the writes.
  void ProtectAll(Cpu& cpu);
  // Performs the instruction on the guest's memory where `walk`, which is that
  // of `access`, has led. Where no memory is, it loads ones and stores nowhere.
  // Charges kEmulate; a write marks the page. REQUIRES: the instruction is not
  // a program's store of data.
  void Emulate(Cpu& cpu, const GuestWalk& walk, const Access& access,
               MemoryOperand& operand);
  // Notes that the TLBs of `cpus` have to be flushed before the guest goes on.
  void Owe(CpuMask cpus) { owed_ |= cpus; }
  // Executes the flushes owed, save on the CPUs `done`, which have flushed
  // everything since.
  void FlushOwed(Cpu& cpu, CpuMask done = 0);

  // The key of the shadow to which an entry made at `slot` leads, if `guest`
  // names a table.
  ShadowKey ChildKey(const ShadowSlot& slot, Pte guest) const;
  // Makes the entry at `slot` lead to `child`, with the rights of `guest`.
  void Link(Cpu& cpu, const ShadowSlot& slot, Pte guest, ShadowId child);
  // Makes a 4 KiB entry for what `guest` grants on `gfn`; `write` says that it
  // is made for a write. Charges the P2M look-up.
  void MapPage(Cpu& cpu, const ShadowSlot& slot, Pte guest, Gfn gfn,
               bool write = false);
  // Makes one entry of a splinter, which leads to `gfn`. The rights of the
  // large page are in the links to the splinter, so the entry has them all.
  void MapInSplinter(Cpu& cpu, const ShadowSlot& slot, Gfn gfn,
                     bool write = false);

  // Stores `now` and keeps counts of references; charges kXenPteWrite. Owes the
  // flush if the entry granted more before.
  void SetEntry(Cpu& cpu, const ShadowSlot& slot, Pte now);
  // Empties the entry, and forgets what it was made from.
  void Clear(Cpu& cpu, const ShadowSlot& slot);

  // Whether `gfn` is a table that the guest cannot write to unnoticed.
  bool IsTableInSync(Gfn gfn) const;
  // The guest entry that governs `slot`, read from memory; not charged.
  Pte GuestEntry(const ShadowSlot& slot) const;
  // Whether `entry`, at `slot`, leads to another shadow, not to memory.
  bool IsLink(const ShadowSlot& slot, Pte entry) const;
  ShadowId Child(Pte link) const { return pages_.FindFrame(link.frame()); }
  void Charge(Cpu& cpu, CostEvent event, uint64_t times = 1) const;
  // All entries that lead to the shadow `child`, which is in use; by shadow and
  // then by index. Not charged: see LinksTo().
  std::vector<ShadowSlot> LinksOf(ShadowId child) const;
  // Charges a look at all entries of as many shadows.
  void ChargeSearch(Cpu& cpu, uint64_t shadows) const;
  // Whether the leaf `entry`, at `slot`, maps the frame `mfn`.
  bool Contains(const ShadowSlot& slot, Pte entry, Mfn mfn) const;

  Host& host() const { return host_; }
  Domain& domain() const { return domain_; }
  Root& RootOf(const VcpuContext& vcpu) { return roots_[vcpu.id]; }
  const std::vector<Root>& roots() const { return roots_; }
  ShadowPages& mutable_pages() { return pages_; }

 private:
  // Reads the PDPTEs of a PAE root; InvalidArgument if loading them gets a #GP.
  absl::Status CheckRoot(const VcpuContext& vcpu, Gfn gfn,
                         std::array<uint64_t, 4>& pdpte) const;
  // CheckRoot(), then makes `gfn` the vCPU's root, without shadows yet.
  absl::Status ReadRoot(VcpuContext& vcpu, Gfn gfn);
  // Finds the shadows of the topmost level for the vCPU's root, and counts
  // their pins.
  void SetTops(VcpuContext& vcpu);
  // Puts `id` at `index` of them, and into the L3 entry of Xen's own, if any.
  void SetTop(VcpuContext& vcpu, int index, ShadowId id);
  ShadowKey TopKey(const Root& root, int index) const;
  // TopOf(), made if there is none.
  ShadowId MakeTop(VcpuContext& vcpu, VirtAddr va);

  // The shadow of `key`, made if there is none; kNoShadow if the pool is used
  // up by shadows that must stay.
  ShadowId FindOrMake(VcpuContext& vcpu, const ShadowKey& key);
  // Makes the shadow of `key`; kNoShadow if the pool is used up.
  ShadowId TryMake(Cpu& cpu, const ShadowKey& key);
  // Clears all entries of `id`.
  void Empty(Cpu& cpu, ShadowId id);
  // Makes all entries of the splinter `id`.
  void FillSplinter(Cpu& cpu, ShadowId id);
  // Makes the entry at `slot` lead to the shadow of the table `guest` names.
  void LinkTable(VcpuContext& vcpu, const ShadowSlot& slot, Pte guest);
  // Maps a large page of the guest's at `slot`: whole, or by a splinter.
  void MapLarge(VcpuContext& vcpu, const ShadowSlot& slot, Pte guest,
                const GuestWalk& walk, VirtAddr va);
  // Whether the log lets the page at `gfn` be writable; marks it for a write.
  bool LogAllows(Cpu& cpu, Gfn gfn, bool write);
  // Replaces the large page at `slot` by a splinter from `gfn` on.
  void Divide(Cpu& cpu, const ShadowSlot& slot, Gfn gfn);
  // Whether the frames from `first` on can be mapped as one large page.
  bool CanBeLarge(Gfn first) const;
  // The first frame of the large page that contains `gfn`.
  Gfn LargeBase(Gfn gfn) const;
  // Remembers that TLBs may hold `old` for longer than the tables do.
  void NoteLoss(const ShadowSlot& slot, Pte old, Pte now);

  absl::Status EnableLogging(Cpu& cpu) final;
  void CleanLog(Cpu& cpu, const DirtyBitmap& marked) final;
  void DisableLogging(Cpu&) final {}

  // The parts of Audit(): pool and hash, index, references, entries. `live`
  // says that a root leads to the entry's shadow.
  absl::Status AuditPool() const;
  absl::Status AuditIndex() const;
  absl::Status AuditRefs() const;
  absl::Status AuditEntry(const ShadowSlot& slot, bool live) const;
  // SourceOf(), or the least that it can have been where that is unknown.
  Pte SourceAsMade(const ShadowSlot& slot, bool live) const;
  absl::Status AuditLeaf(const ShadowSlot& slot, Pte entry, Pte source) const;
  // What is wrong with a mapping of `pfn`; "" if nothing is.
  std::string_view WrongTarget(Pfn pfn, bool writable) const;
  absl::Status AuditTlbs() const;
  // Tells for each shadow whether a root leads to it.
  std::vector<bool> LiveShadows() const;

  Host& host_;
  Domain& domain_;
  const ShadowShape shape_;
  // The frame of the L3s of Xen's own, 32 bytes a vCPU. It is taken before the
  // pool, as it must be below 4 GiB.
  Mfn l3_frame_ = kInvalidMfn;
  ShadowPages pages_;
  std::vector<Root> roots_;  // by vCPU
  // Shadows that the change in progress is at work on, which must not be
  // recycled.
  std::vector<ShadowId> guards_;
  CpuMask owed_ = 0;
  // The TLB clock when a writable large page was last taken away.
  uint32_t large_stamp_ = 0;
  bool free_of_charge_ = false;
};

}  // namespace xmmu

#endif  // XMMU_XEN_SHADOW_SHADOW_PAGING_H_
