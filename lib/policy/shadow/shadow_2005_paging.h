#ifndef XMMU_LIB_POLICY_SHADOW_SHADOW_2005_PAGING_H_
#define XMMU_LIB_POLICY_SHADOW_SHADOW_2005_PAGING_H_

// The shadows of Xen 3.0, "shadow1": which tables are out of sync, what they
// were when they went so, and how the mappings are found that let the guest
// write to a frame.
//
//  * A table in sync is write-protected, and its shadows say what it says. One
//    out of sync has a snapshot; its shadows say what the snapshot says.
//  * Of each L1 shadow the range of entries is known that have ever been used;
//    only that range is copied and compared.
//  * Each entry that makes a table out of sync writable is recorded with it, so
//    that it is found again without a search.
//  * Frames are reference-counted by the shadow entries that lead to them:
//    a general reference each, a writable one each that is writable.
//  * A shadow lives as long as something leads to it; those of roots until they
//    turn out to be dead (all entries zero, or one that no table has).
//
// Source: Xen 3.0.0 to 3.0.2, xen/arch/x86/shadow32.c, shadow.c,
// shadow_public.c, include/asm-x86/shadow.h. Where the guest could tell it from
// a processor, Xen's way is not followed, and it says so. Single-threaded.

#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "xmmu/policy/shadow/shadow_policy.h"
#include "xmmu/policy/shadow_options.h"

namespace xmmu {

class Shadow2005Paging final : public ShadowStrategy {
 public:
  Shadow2005Paging(Host& host, Domain& domain, const ShadowShape& shape,
                   const Shadow2005Options& options, uint32_t shadows);
  ~Shadow2005Paging() override;

  // By which door the guests of a strategy with `options` come.
  static const GuestDoor& DoorOf(const Shadow2005Options& options) {
    return options.internal ? Ring1Door() : VmDoor();
  }

  uint64_t BookkeepingBytes() const override;

 private:
  // Indices of a table's entries, both included; none if last < first.
  struct Range {
    int first = 0;
    int last = -1;
    bool Has(int index) const { return first <= index && index <= last; }
    uint64_t size() const { return static_cast<uint64_t>(last + 1 - first); }
    void Add(int index);
  };

  // A table out of sync (Xen: struct out_of_sync_entry, one a mapping).
  struct OpenTable {
    Gfn gfn;
    Mfn snapshot;  // zero outside `range`
    Range range;
    std::vector<ShadowSlot> writable;  // entries that let the guest write to it
  };

  // What is known of a shadow beside its entries.
  struct Extra {
    Range used;             // entries that have been present (Xen: min, max)
    bool was_l1 = false;    // its frame is zero when it is given up
    Mfn hl2 = kInvalidMfn;  // see HasHl2()
  };

  // What the frame table says of a guest frame.
  struct FrameInfo {
    uint32_t refs = 0;      // entries that lead to it
    uint32_t writable = 0;  // those that are writable
    ShadowSlot last;        // the one made last
  };

  // Which L1 table the mappings of a group of frames were found in.
  struct Prediction {
    Gfn table;
    uint32_t score = 0;
  };

  // --- Steps of ShadowStrategy.
  void BeforeCr3(VcpuContext& vcpu) override;
  FlushReach FollowFlush(VcpuContext& vcpu, const TlbFlush& flush) override;
  void AfterFollow(VcpuContext& vcpu, const TlbFlush& flush) override;
  FaultOutcome Answer(VcpuContext& vcpu, const PageFault& fault,
                      const Access& access, MemoryOperand& operand) override;
  void Finish(Cpu& cpu, CpuMask flushed = 0) override;

  // --- Hooks of ShadowPaging.
  Pte SourceOf(const ShadowSlot& slot) const override;
  bool IsCurrent(Cpu& cpu, const ShadowSlot& slot, Pte guest) override;
  void EntryChanged(Cpu& cpu, const ShadowSlot& slot, Pte old,
                    Pte now) override;
  void ShadowTaken(Cpu& cpu, ShadowId id) override;
  std::vector<ShadowSlot> WritableMappingsOf(Cpu& cpu, Gfn gfn) override;
  std::vector<ShadowSlot> LinksTo(Cpu& cpu, ShadowId id) override;
  void BeforeLink(VcpuContext& vcpu, ShadowId id) override;
  void ShadowGoes(Cpu& cpu, ShadowId id) override;
  // A table is only mapped writable by the fault that opens it.
  bool MayWrite(Gfn gfn) const override;
  bool MayStayWritable(Gfn gfn) const override { return !IsTableInSync(gfn); }
  bool LargeAllowed() const override { return false; }
  absl::Status AuditMore() const override;

  // --- Out of sync and back (shadow_2005_sync.cc).
  const OpenTable* FindOpen(Gfn gfn) const;
  OpenTable* FindOpen(Gfn gfn);
  Pte SnapshotEntry(const OpenTable& open, int index) const;
  MachineAddr SnapshotAt(const OpenTable& open, int index) const;
  Range RangeOf(Gfn gfn) const;
  // The guest may write to `gfn` by the entry at `slot`.
  void Open(Cpu& cpu, Gfn gfn, const ShadowSlot& slot);
  // Walks for `access`; where what it meets has changed since the snapshots
  // were taken, all tables are made in sync (Xen: __shadow_sync_va).
  GuestWalk SyncVa(VcpuContext& vcpu, const Access& access);
  bool HasChanged(Cpu& cpu, const GuestWalk& walk) const;
  void SyncAll(VcpuContext& vcpu);
  void ProtectOpen(Cpu& cpu);
  void Resync(VcpuContext& vcpu, ShadowId id, const OpenTable& open);
  void FreeSnapshot(Cpu& cpu, const OpenTable& open);
  void Forget(Cpu& cpu, Gfn gfn);
  void Repropagate(VcpuContext& vcpu, const ShadowSlot& slot, Pte guest);
  // Drops what no longer follows from a table in sync: a device has written to
  // it, which Xen did not notice.
  void Recheck(Cpu& cpu, ShadowId id);
  bool Follows(const ShadowSlot& slot, Pte entry, Pte guest) const;
  // A and D that have been set on behalf of the guest are no change of its.
  void NoteFlags(Cpu& cpu, const GuestWalk& walk);
  int HighestOf(Gfn gfn) const;

  // Internal mode walks the guest's tables where the linear map has them: it
  // leads through an HL2, a copy of the guest's L2 with machine frames, which
  // each L2 shadow has.
  GuestWalk Look(VcpuContext& vcpu, const Access& access);
  bool HasHl2(ShadowId id) const;

  // --- Faults (shadow_2005_paging.cc).
  void Map(VcpuContext& vcpu, const Access& access, GuestWalk& walk);
  bool WouldShadowOpenTable(const GuestWalk& walk) const;
  void Prefetch(VcpuContext& vcpu, ShadowId id, int index);
  void OpenLargePage(Cpu& cpu, ShadowId splinter);
  std::optional<ShadowSlot> LeafSlot(const VcpuContext& vcpu,
                                     VirtAddr va) const;
  // Gives up what nothing leads to any more.
  void Reap(Cpu& cpu);

  // --- Frames (shadow_2005_frames.cc).
  FrameInfo& InfoOf(Mfn mfn);
  void Get(Cpu& cpu, const ShadowSlot& slot, Pte entry);
  void Put(Cpu& cpu, const ShadowSlot& slot, Pte entry);
  bool IsWritableMapping(const ShadowSlot& slot, Mfn mfn) const;
  // Those in one L1 shadow, at most as many as are still missing.
  void SearchPage(Cpu& cpu, ShadowId id, Gfn gfn, uint32_t wanted,
                  std::vector<ShadowSlot>& found);
  void Promise(Gfn gfn, Gfn table, bool kept);
  absl::Status AuditFrames() const;
  absl::Status AuditOpen(const OpenTable& open) const;

  const Shadow2005Options options_;
  std::vector<Extra> extras_;      // by shadow
  std::vector<FrameInfo> frames_;  // by guest frame
  std::vector<OpenTable> open_;    // in the order in which they went so
  absl::flat_hash_map<uint64_t, Prediction> predictions_;  // only looked up
  std::vector<ShadowId> unlinked_;  // lost a link since the last Reap()
  std::vector<ShadowId> dead_;      // roots that are none any more
  ShadowId new_l1_ = kNoShadow;     // taken in the fill in progress
  uint64_t copied_ = 0;             // bytes not charged yet
};

}  // namespace xmmu

#endif  // XMMU_LIB_POLICY_SHADOW_SHADOW_2005_PAGING_H_
