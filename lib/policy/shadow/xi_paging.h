#ifndef XMMU_LIB_POLICY_SHADOW_XI_PAGING_H_
#define XMMU_LIB_POLICY_SHADOW_XI_PAGING_H_

// The shadows of XI: what one consists of, how the entries that lead to a frame
// are found, and when an entry follows the guest's.
//
// A shadow is an SPTI, four frames that are reserved together: the shadow
// table, its snapshot and two pages of backlinks, 512 each.
//
//   snapshot[i]  the guest entry that shadow entry i was made from; 0: not
//                made. In sync means: the guest's entry is the snapshot's.
//   backlink[i]  links entry i into the list of all entries that lead where it
//                leads: a guest frame or another shadow. Entry and backlink
//                have the same index, so the one is found from the other by
//                arithmetic. Two references of 8 bytes each (assumed).
//
// Each guest frame has a list head (8 bytes, beside the pool), and so has each
// shadow. The pool belongs to the domain for life; nothing else is allocated
// while it runs.
//
// Source: R. Phillips, "Re: Page fault is 4 times faster with XI shadow
// mechanism", xen-devel, July 2006. What it leaves open is assumed here and
// says so. Single-threaded.

#include <array>
#include <vector>

#include "absl/base/optimization.h"
#include "xmmu/base/internal/sparse_array.h"
#include "xmmu/policy/shadow/shadow_policy.h"
#include "xmmu/policy/shadow_options.h"
#include "xmmu/xen/internal/frame_runs.h"

namespace xmmu {

class XiPaging : public ShadowStrategy {
 public:
  // Frames that one shadow takes.
  static uint32_t FramesOfShadow(const XiShadowOptions& options) {
    return (options.snapshots_on_demand ? 1 : 2) + (options.backlinks ? 2 : 0);
  }

  XiPaging(Host& host, Domain& domain, const ShadowShape& shape,
           const XiShadowOptions& options, uint32_t shadows);
  ~XiPaging() override;

  uint64_t BookkeepingBytes() const override;
  std::vector<MemoryPart> MemoryParts() const override;
  uint64_t HostBytes() const override;

 protected:
  // The message names no functions, so these are words.
  ShadowWords Words() const override {
    return {.fault = "page fault",
            .walk = "walk of the guest's tables",
            .fill = "fill",
            .make = "new shadow",
            .make_room = "recycle",
            .protect = "revoke write access",
            .evict = "give up shadow",
            .evict_table = "give up shadows of table",
            .frame_leaves = "unmap everywhere",
            .drop_all = "drop all shadows",
            .emulate = "emulate",
            .load_root = "new root",
            .flush = "flush for the guest"};
  }

  // --- Steps of ShadowStrategy.
  void BeforeCr3(VcpuContext& vcpu) override;
  void BeforeFlush(VcpuContext& vcpu, CpuMask vcpus,
                   const TlbFlush& flush) override;
  FlushReach FollowFlush(VcpuContext& vcpu, const TlbFlush& flush) override;
  void AfterFollow(VcpuContext& vcpu, const TlbFlush& flush) override;
  FaultOutcome Answer(VcpuContext& vcpu, const PageFault& fault,
                      const Access& access, MemoryOperand& operand) override;

  // --- Hooks of ShadowPaging.
  Pte SourceOf(const ShadowSlot& slot) const override;
  bool KeepsSources() const override { return true; }
  bool IsCurrent(Cpu& cpu, const ShadowSlot& slot, Pte guest) override;
  void SetSource(Cpu& cpu, const ShadowSlot& slot, Pte guest) override;
  void EntryChanged(Cpu& cpu, const ShadowSlot& slot, Pte old,
                    Pte now) override;
  void ShadowTaken(Cpu& cpu, ShadowId id) override;
  std::vector<ShadowSlot> MappingsOf(Cpu& cpu, Gfn gfn) override;
  std::vector<ShadowSlot> LinksTo(Cpu& cpu, ShadowId id) override;
  void BeforeLink(VcpuContext& vcpu, ShadowId id) override;
  // Finds the writable entries by backlinks, so that no shadow is thrown away;
  // without them, by one pass over all shadows.
  void RevokeWrites(Cpu& cpu, const DirtyBitmap* marked) override;
  absl::Status AuditMore() const override;

  // The guest writes to the table `gfn`, which is in sync: it goes out of sync,
  // if it is still a table.
  virtual void OpenTable(VcpuContext& vcpu, Gfn gfn);
  // The table has been made in sync again.
  virtual void TableSynced(Gfn) {}

  // Where the snapshot of the shadow has the source of the entry at `slot`.
  MachineAddr SnapshotAt(const ShadowSlot& slot) const;
  Mfn snapshot(ShadowId id) const { return ExtrasOf(id).snapshot; }
  void set_snapshot(ShadowId id, Mfn frame) { ExtrasOf(id).snapshot = frame; }
  // Makes a table out of sync in sync again, or no table if nothing uses it.
  void SyncTable(VcpuContext& vcpu, Gfn gfn);

 private:
  // A reference to the backlink of a slot; 0 stands for none.
  using Ref = uint64_t;
  static constexpr int kIndexBits = 9;
  static Ref RefOf(const ShadowSlot& slot) {
    return (uint64_t{slot.page} << kIndexBits |
            static_cast<uint64_t>(slot.index)) +
           1;
  }
  static ShadowSlot SlotOf(Ref ref) {
    return {static_cast<ShadowId>((ref - 1) >> kIndexBits),
            static_cast<int>((ref - 1) & ((1u << kIndexBits) - 1))};
  }

  MachineAddr BacklinkAt(Ref ref) const;
  Ref Next(Ref ref) const;
  Ref Previous(Ref ref) const;
  void SetNext(Ref ref, Ref next);
  void SetPrevious(Ref ref, Ref previous);
  // The head of the list that `entry`, at `slot`, belongs in.
  Ref& HeadOf(const ShadowSlot& slot, Pte entry);
  // Puts the entry into that list, or takes it out.
  void LinkBack(Cpu& cpu, const ShadowSlot& slot, Pte entry);
  void UnlinkBack(Cpu& cpu, const ShadowSlot& slot, Pte entry);
  absl::Status AuditList(Ref head, uint64_t target, bool to_shadow,
                         uint64_t& listed) const;

  // Makes every table out of sync whose level is `lowest` or higher in sync
  // again, or no table if nothing uses it.
  void SyncTables(VcpuContext& vcpu, int lowest);
  // Whether nothing leads to any shadow of the table `gfn`.
  bool Unused(Gfn gfn) const;

  struct Extras {
    Mfn snapshot = kInvalidMfn;
    std::array<Mfn, 2> backlinks{kInvalidMfn, kInvalidMfn};
  };

  // The reference is valid until the next shadow is asked for.
  Extras& ExtrasOf(ShadowId id) const {
    if (ABSL_PREDICT_FALSE(extras_made_ <= id)) MakeExtras(id);
    return extras_[id];
  }
  // Gives all shadows up to `id` what they have of them.
  void MakeExtras(ShadowId id) const;

  const XiShadowOptions options_;
  const FrameRuns pool_;  // the frames of all extras, in the order of shadows
  mutable std::vector<Extras> extras_;  // by shadow, as far as asked for
  mutable ShadowId extras_made_ = 0;    // how many those are
  SparseArray<Ref> frame_heads_;        // by guest frame
  uint64_t heads_;                      // how many there are
  SparseArray<Ref> shadow_heads_;       // by shadow
};

}  // namespace xmmu

#endif  // XMMU_LIB_POLICY_SHADOW_XI_PAGING_H_
