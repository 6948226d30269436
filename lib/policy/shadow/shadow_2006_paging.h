#ifndef XMMU_LIB_POLICY_SHADOW_SHADOW_2006_PAGING_H_
#define XMMU_LIB_POLICY_SHADOW_SHADOW_2006_PAGING_H_

// The shadows of Xen 3.0.3 ("shadow2"), which are always in sync: a table that
// is shadowed is never writable, each store to it faults, is emulated, and what
// it changed is made anew in each shadow of that table.
//
//   shadow of the topmost level   stays in memory when nothing uses it, until
//                                 room is needed (Xen: pinned)
//   any other                     is given up with the last entry that leads
//                                 to it
//
// What may write to a guest frame is counted (Xen: the type count of
// PGT_writable_page), so that a search knows when it has found all.
//
// Source: Xen 3.0.3, xen/arch/x86/mm/shadow/{common,multi}.c, unless a comment
// names another. Single-threaded.

#include <optional>
#include <vector>

#include "xmmu/base/internal/sparse_array.h"
#include "xmmu/policy/shadow/shadow_policy.h"
#include "xmmu/policy/shadow_options.h"

namespace xmmu {

class Shadow2006Paging : public ShadowStrategy {
 public:
  Shadow2006Paging(Host& host, Domain& domain, const ShadowShape& shape,
                   const Shadow2006Options& options, uint32_t shadows);

 protected:
  // --- Steps of ShadowStrategy.
  void BeforeCr3(VcpuContext& vcpu) override;
  void AfterCr3(VcpuContext& vcpu) override;
  FlushReach FollowFlush(VcpuContext& vcpu, const TlbFlush& flush) override;
  FaultOutcome Answer(VcpuContext& vcpu, const PageFault& fault,
                      const Access& access, MemoryOperand& operand) final;
  // Gives up what nothing leads to any more, and executes the flushes owed.
  void Finish(Cpu& cpu, CpuMask flushed = 0) override;

  // --- What later versions do otherwise.

  // The guest of `vcpu` executes INVLPG for the page of the L1 entry at `slot`.
  virtual void PageFlushed(VcpuContext&, const ShadowSlot&) {}
  // See Answer(), which notes the address first.
  virtual FaultOutcome AnswerFault(VcpuContext& vcpu, const PageFault& fault,
                                   const Access& access,
                                   MemoryOperand& operand);
  // The guest writes to the table `gfn`, which is in sync. Returns whether it
  // may from now on: the table has gone out of sync.
  virtual bool LetWrite(VcpuContext&, Gfn) { return false; }
  // Makes the entry at `slot` follow the guest's, `guest`.
  virtual void Propagate(VcpuContext& vcpu, const ShadowSlot& slot, Pte guest);
  // Makes the shadows of the path that `walk` took. REQUIRES: A and D set.
  virtual void Map(VcpuContext& vcpu, const GuestWalk& walk, VirtAddr va);
  // The emulator has written `size` bytes of the table `gfn` at `addr`.
  virtual void Emulated(VcpuContext& vcpu, Gfn gfn, MachineAddr addr, int size);

  // --- What they share.

  // Answers a fault by a walk of the guest's tables, as Answer() does.
  FaultOutcome AnswerByWalk(VcpuContext& vcpu, const Access& access,
                            MemoryOperand& operand);
  // Performs the instruction on the table `walk.gfn` and makes the shadows
  // follow. Charges all but the walk.
  void EmulateStore(VcpuContext& vcpu, const GuestWalk& walk,
                    const Access& access, MemoryOperand& operand);
  // Notes that a zero was written to the table `gfn`; the second one running is
  // the end of its shadows.
  void CountZero(VcpuContext& vcpu, Gfn gfn);
  // Called for any other fault: two zeros count as running only if nothing came
  // between.
  void ForgetZeros(const VcpuContext& vcpu) {
    states_[vcpu.id].zeroed = kInvalidGfn;
  }
  // The second zero running has been written to `gfn`: it is being emptied.
  virtual void UnshadowEarly(VcpuContext& vcpu, Gfn gfn);
  // Whether the table `gfn` is shadowed at the topmost level.
  bool IsTop(Gfn gfn) const;
  // The last entry on the way to `va` in the shadows of `vcpu`: the L1 entry,
  // or the highest one that leads nowhere; nothing if not even a root is there.
  // Charges a read for each entry but the L1's.
  std::optional<ShadowSlot> SlotFor(const VcpuContext& vcpu, VirtAddr va);
  // Takes the lock of the domain's shadows.
  void Lock(Cpu& cpu) const { Charge(cpu, CostEvent::kLockedOp); }
  // The entries that lead to `child`. Adds to `looked_at` how many entries were
  // looked at to find them. Charges nothing.
  std::vector<ShadowSlot> FindLinks(ShadowId child, uint64_t& looked_at) const;
  // How many writable mappings of `gfn` there are. Charges nothing.
  uint32_t WritableCount(Gfn gfn) const;

  void EntryChanged(Cpu& cpu, const ShadowSlot& slot, Pte old,
                    Pte now) override;
  std::vector<ShadowSlot> LinksTo(Cpu& cpu, ShadowId id) override;
  absl::Status AuditMore() const override;

 private:
  struct VcpuState {
    // The table that the last emulated store wrote a zero to; none if it wrote
    // something else.
    Gfn zeroed = kInvalidGfn;
    // Whether a root has been emptied since the last MOV CR3.
    bool unhooked = false;
  };

  bool IsCurrent(Cpu& cpu, const ShadowSlot& slot, Pte guest) override;
  std::vector<ShadowSlot> WritableMappingsOf(Cpu& cpu, Gfn gfn) override;
  bool LargeAllowed() const override { return false; }
  bool FillsSplinters() const override { return false; }
  bool MakeRoom(Cpu& cpu) override;

  // `access` writes to the table that `walk` led to, which stays in sync.
  FaultOutcome WriteToTable(VcpuContext& vcpu, const GuestWalk& walk,
                            const Access& access, MemoryOperand& operand);
  // Whether the frame that `walk` led to may cease to be a table.
  bool CanUnshadow(const GuestWalk& walk) const;
  // Makes all shadows of the table `gfn` follow the entries in the `size` bytes
  // at `offset`, which the guest has written.
  void Validate(VcpuContext& vcpu, Gfn gfn, uint64_t offset, uint64_t size);
  void PropagateLink(VcpuContext& vcpu, const ShadowSlot& slot, Pte guest);

  // Makes room in the pool for the rest of the path to `va`.
  void Reserve(VcpuContext& vcpu, const GuestWalk& walk, VirtAddr va);
  // How many shadows that path lacks, at most: one that is not linked yet may
  // be there all the same.
  uint32_t MissingOn(const VcpuContext& vcpu, const GuestWalk& walk,
                     VirtAddr va) const;
  void Unhook(Cpu& cpu, ShadowId root);
  // Gives up the shadows that have lost their last reference. Returns whether
  // there were any: others may have lost theirs by that.
  bool Reap(Cpu& cpu);
  bool IsTopShadow(ShadowId id) const {
    const ShadowKey& key = pages()[id].key;
    return !key.splinter && key.level == shape().top_level();
  }

  std::vector<VirtAddr> GuessesFor(Gfn gfn) const;
  uint64_t LookedAt(int level, const ShadowSlot& last) const;
  // Adds the `left` writable mappings of `gfn` that there are to `found`, which
  // is empty. REQUIRES: there are some.
  void SearchAll(Cpu& cpu, Gfn gfn, uint32_t left,
                 std::vector<ShadowSlot>& found);
  void CountMapping(Cpu& cpu, const ShadowSlot& slot, Pte entry, bool added);

  const Shadow2006Options options_;
  std::vector<VcpuState> states_;  // by vCPU
  // The address of the fault in progress, which guesses go by.
  std::optional<VirtAddr> fault_va_;
  // Shadows that may have lost their last reference.
  std::vector<ShadowId> unlinked_;
  // How many writable mappings each frame has, and all of them.
  SparseArray<uint32_t> writable_;
  uint64_t all_writable_ = 0;
};

}  // namespace xmmu

#endif  // XMMU_LIB_POLICY_SHADOW_SHADOW_2006_PAGING_H_
