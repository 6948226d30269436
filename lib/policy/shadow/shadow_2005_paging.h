#ifndef XMMU_LIB_POLICY_SHADOW_SHADOW_2005_PAGING_H_
#define XMMU_LIB_POLICY_SHADOW_SHADOW_2005_PAGING_H_

// The shadows of Xen 3.0, "shadow1": which tables are out of sync, what they
// were when they went so, and how the mappings are found that let the guest
// write to a frame.
//
//  * A table in sync is write-protected, and its shadows say what it says. One
//    out of sync has a snapshot; its shadows say what the snapshot says.
//  * Each L1 shadow knows the range of its entries that have ever been used;
//    only that range is copied and compared.
//  * Each entry that makes a table out of sync writable is recorded with it, so
//    that it is found again without a search.
//  * Frames are reference-counted by the shadow entries that lead to them:
//    each entry is a general reference, a writable one also a writable one.
//  * A shadow lives as long as something leads to it; those of roots until they
//    turn out to be dead (all entries zero, or one that no table has).
//
// Source: Xen 3.0.0 to 3.0.2, xen/arch/x86/shadow32.c, shadow.c,
// shadow_public.c, include/asm-x86/shadow.h. Where the guest could tell it from
// a processor, Xen's way is not followed, and a comment says so.
//
// Single-threaded.

#include <deque>
#include <list>
#include <optional>
#include <span>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "xmmu/base/internal/sparse_array.h"
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
  uint64_t HostBytes() const override {
    return ShadowStrategy::HostBytes() + extras_.size() * sizeof(Extra) +
           frames_.host_bytes();
  }

 private:
  // The entries `first` to `last` of a table, or none if last < first.
  struct Range {
    int first = 0;
    int last = -1;
    bool Has(int index) const { return first <= index && index <= last; }
    uint64_t size() const { return static_cast<uint64_t>(last + 1 - first); }
    void Add(int index);
  };

  // A table out of sync. (Xen has a struct out_of_sync_entry for each mapping.)
  struct OpenTable {
    Gfn gfn;
    Mfn snapshot;  // zero outside `range`
    Range range;
    std::vector<ShadowSlot> writable;  // entries that let the guest write to it
  };

  // What is known of a shadow beside its entries.
  struct Extra {
    Range used;             // entries that have been present (Xen: min, max)
    bool was_l1 = false;    // its frame is zero whenever it is given up
    Mfn hl2 = kInvalidMfn;  // its HL2, if it has one: see HasHl2()
  };

  // What the frame table says of a guest frame.
  class FrameInfo {
   public:
    // The entry that leads to it that was made last.
    ShadowSlot last() const {
      if (last_page_ == kNone) return {};
      return {static_cast<ShadowId>(last_page_), static_cast<int>(last_index_)};
    }
    // REQUIRES: fewer than 2^26 shadows are in use, which take 256 GiB.
    void set_last(const ShadowSlot& slot) {
      last_page_ = slot.page & kNone;
      last_index_ = static_cast<uint64_t>(slot.index) & 0x3ff;
    }
    // How many entries let the guest write to it.
    uint32_t writable() const { return static_cast<uint32_t>(writable_); }
    void add_writable() { ++writable_; }
    void drop_writable() { --writable_; }

   private:
    static constexpr uint64_t kNone = (1u << 26) - 1;
    uint64_t writable_ : 28 = 0;
    uint64_t last_page_ : 26 = kNone;
    uint64_t last_index_ : 10 = 0;
  };
  static_assert(sizeof(FrameInfo) == 8);

  // In which L1 table the mappings of a group of frames were found.
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
  // Open() alone maps a table writable; no other entry for one is.
  bool MayWrite(Gfn gfn) const override;
  bool MayStayWritable(Gfn gfn) const override { return !IsTableInSync(gfn); }
  bool LargeAllowed() const override { return false; }
  absl::Status AuditMore() const override;
  // Where Xen 3.0 has no function for a step, words stand for it.
  ShadowWords Words() const override {
    return {.fault = "shadow_fault",
            .walk = "__guest_get_l1e",
            .fill = "shadow_set_l1e",
            .make = "alloc_shadow_page",
            .make_room = "recycle",
            .protect = "shadow_remove_all_write_access",
            .evict = "free_shadow_page",
            .evict_table = "shadow_unpin",
            .frame_leaves = "shadow_remove_all_access",
            .drop_all = "free_shadow_pages",
            .emulate = "handle_mmio",
            .load_root = "__update_pagetables",
            .flush = "shadow_invlpg"};
  }

  // --- Out of sync and back (shadow_2005_sync.cc).
  // The record of the table `gfn`, or nullptr if it is not out of sync.
  const OpenTable* FindOpen(Gfn gfn) const;
  OpenTable* FindOpen(Gfn gfn);
  // Guest entry `index` as it was when the table went out of sync, and where.
  Pte SnapshotEntry(const OpenTable& open, int index) const;
  MachineAddr SnapshotAt(const OpenTable& open, int index) const;
  // The entries of the table `gfn` that a snapshot has to hold.
  Range RangeOf(Gfn gfn) const;
  // Lets the guest write to the table `gfn` by the entry at `slot`: takes a
  // snapshot of the table, unless it has one, and makes the entry writable.
  void Open(Cpu& cpu, Gfn gfn, const ShadowSlot& slot);
  // Whether `range` is all of a guest's table.
  bool IsWhole(const Range& range) const {
    return range.size() ==
           static_cast<uint64_t>(EntryCount(shape().guest(), 1));
  }
  // Copies the range of the table to its snapshot, which is zero.
  void CopyTo(const OpenTable& open);
  // Walks for `access`. If an entry on the way has changed since the snapshots
  // were taken, makes all tables in sync first (Xen: __shadow_sync_va).
  GuestWalk SyncVa(VcpuContext& vcpu, const Access& access);
  // Whether an entry that `walk` met differs from its table's snapshot.
  bool HasChanged(Cpu& cpu, const GuestWalk& walk) const;
  // Makes all tables in sync.
  void SyncAll(VcpuContext& vcpu);
  // Takes write access to all tables out of sync from the guest.
  void ProtectOpen(Cpu& cpu);
  // Makes the entries of the shadow `id` follow what has changed in its table
  // since the snapshot `open`.
  void Resync(VcpuContext& vcpu, ShadowId id, const OpenTable& open);
  void FreeSnapshot(Cpu& cpu, const OpenTable& open);
  // Drops the record of the table `gfn` with its snapshot, if there is one.
  void Forget(Cpu& cpu, Gfn gfn);
  // Makes one entry anew from the guest's changed entry, `guest`.
  void Repropagate(VcpuContext& vcpu, const ShadowSlot& slot, Pte guest);
  // Drops the entries of the shadow `id` that no longer follow from its table,
  // which is in sync: a device may have written to it. (Xen did not notice.)
  void Recheck(Cpu& cpu, ShadowId id);
  // Whether the entry `entry` at `slot` grants nothing that `guest` does not.
  bool Follows(const ShadowSlot& slot, Pte entry, Pte guest) const;
  // Enters A and D that have been set on behalf of the guest, on the way of
  // `walk`, into the snapshots: they are no change of the guest's.
  void NoteFlags(Cpu& cpu, const GuestWalk& walk);

  // Walks the guest's tables for `access`; through the linear map, if the
  // hypervisor has one in the shadows.
  GuestWalk Look(VcpuContext& vcpu, const Access& access);
  // Whether the shadow `id` has an HL2: the linear map leads through a copy of
  // the guest's L2 with machine frames, which belongs to each L2 shadow.
  bool HasHl2(ShadowId id) const;

  // --- Faults (shadow_2005_paging.cc).
  // Makes the shadows of the path that `walk` took for `access`, and opens the
  // table that it writes to, if it does.
  void Map(VcpuContext& vcpu, const Access& access, GuestWalk& walk);
  // Whether a table on the way is out of sync and not shadowed at that level.
  bool WouldShadowOpenTable(const GuestWalk& walk) const;
  void Prefetch(VcpuContext& vcpu, ShadowId id, int index);
  void OpenLargePage(Cpu& cpu, ShadowId splinter);
  // The L1 entry of `va` in the shadows of `vcpu`, if they reach that far.
  std::optional<ShadowSlot> LeafSlot(const VcpuContext& vcpu,
                                     VirtAddr va) const;
  // Gives up the shadows that nothing leads to any more, and dead roots.
  void Reap(Cpu& cpu);

  // --- Frames (shadow_2005_frames.cc).
  FrameInfo& InfoOf(Mfn mfn);
  // Count the references of `entry`, which has come to stand at `slot`, or no
  // longer does.
  void Get(Cpu& cpu, const ShadowSlot& slot, Pte entry);
  void Put(Cpu& cpu, const ShadowSlot& slot, Pte entry);
  bool IsWritableMapping(const ShadowSlot& slot, Mfn mfn) const;
  // Some writable mappings of a frame, by shadow and then by index.
  using WritableSlots = std::span<const ShadowSlot>;
  // Adds the writable mappings of `gfn` in the L1 shadow `id`, which are
  // `there`, to `found`, until there are `wanted`.
  void SearchPage(Cpu& cpu, ShadowId id, Gfn gfn, WritableSlots there,
                  uint32_t wanted, std::vector<ShadowSlot>& found);
  void SearchPool(Cpu& cpu, Gfn gfn, WritableSlots all, ShadowId guess,
                  uint32_t wanted, std::vector<ShadowSlot>& found);
  void ChargeVainSearches(Cpu& cpu, ShadowId begin, ShadowId end,
                          ShadowId guess);
  // The prediction for `gfn` was right, and led to `table`, or was wrong.
  void Predicted(Gfn gfn, Gfn table, bool right);
  absl::Status AuditFrames() const;
  absl::Status AuditOpen(const OpenTable& open) const;

  const Shadow2005Options options_;
  std::deque<Extra> extras_;       // by shadow, as far as they were in use
  SparseArray<FrameInfo> frames_;  // by guest frame
  uint64_t refs_ = 0;  // entries that lead to frames, of all frames together
  std::list<OpenTable> open_;  // in the order in which they went so
  absl::flat_hash_map<Gfn, std::list<OpenTable>::iterator> open_at_;
  absl::flat_hash_map<uint64_t, Prediction> predictions_;  // only looked up
  std::vector<ShadowId> unlinked_;  // lost a link since the last Reap()
  std::vector<ShadowId> dead_;   // roots that the guest seems to be done with
  ShadowId new_l1_ = kNoShadow;  // the one taken in the fill in progress
  uint64_t copied_ = 0;          // bytes copied and not charged yet
};

}  // namespace xmmu

#endif  // XMMU_LIB_POLICY_SHADOW_SHADOW_2005_PAGING_H_
