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
// Source: Xen 3.0.3, xen/arch/x86/mm/shadow/{common,multi}.c. Where another is
// named, it stands there. Single-threaded.

#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
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
  // The guest writes to the table in sync at `gfn`. Whether it may from now on.
  virtual bool LetWrite(VcpuContext&, Gfn) { return false; }
  // The entry at `slot` follows the guest's, `guest`.
  virtual void Propagate(VcpuContext& vcpu, const ShadowSlot& slot, Pte guest);
  // Makes the shadows of the path that `walk` took. REQUIRES: A and D set.
  virtual void Map(VcpuContext& vcpu, const GuestWalk& walk, VirtAddr va);
  // `size` bytes of the table `gfn` have been written at `addr` by emulation.
  virtual void Emulated(VcpuContext& vcpu, Gfn gfn, MachineAddr addr, int size);

  // --- What they share.

  // By a walk of the guest's tables.
  FaultOutcome AnswerByWalk(VcpuContext& vcpu, const Access& access,
                            MemoryOperand& operand);
  // Performs the instruction on the table `walk.gfn` and makes the shadows
  // follow. Charges all but the walk.
  void EmulateStore(VcpuContext& vcpu, const GuestWalk& walk,
                    const Access& access, MemoryOperand& operand);
  // Counts a zero written to the table `gfn`; the second running is the end of
  // its shadows.
  void CountZero(VcpuContext& vcpu, Gfn gfn);
  // A fault of another kind: the next zero is the first.
  void ForgetZeros(const VcpuContext& vcpu) {
    states_[vcpu.id].zeroed = kInvalidGfn;
  }
  // The second zero has been written to `gfn`.
  virtual void UnshadowEarly(VcpuContext& vcpu, Gfn gfn);
  bool IsTop(Gfn gfn) const;
  // Where `va` is looked up last in the shadows of `vcpu`, as far as they are
  // there: the L1 entry, or the highest that leads nowhere. Charges a read a
  // level, the L1 entry's excepted.
  std::optional<ShadowSlot> SlotFor(const VcpuContext& vcpu, VirtAddr va);
  // Takes the lock of the domain's shadows.
  void Lock(Cpu& cpu) const { Charge(cpu, CostEvent::kLockedOp); }
  // The entries that lead to `child`; adds how many had to be looked at for
  // that. Charges nothing.
  std::vector<ShadowSlot> FindLinks(ShadowId child, uint64_t& looked_at) const;
  // The writable mappings of `gfn` there are. Charges nothing.
  uint32_t WritableCount(Gfn gfn) const;

  void EntryChanged(Cpu& cpu, const ShadowSlot& slot, Pte old,
                    Pte now) override;
  std::vector<ShadowSlot> LinksTo(Cpu& cpu, ShadowId id) override;
  absl::Status AuditMore() const override;

 private:
  struct VcpuState {
    // Table that the last emulated store of a zero was to.
    Gfn zeroed = kInvalidGfn;
    // A root has been emptied since the last MOV CR3.
    bool unhooked = false;
  };

  bool IsCurrent(Cpu& cpu, const ShadowSlot& slot, Pte guest) override;
  std::vector<ShadowSlot> WritableMappingsOf(Cpu& cpu, Gfn gfn) override;
  bool LargeAllowed() const override { return false; }
  bool FillsSplinters() const override { return false; }
  bool MakeRoom(Cpu& cpu) override;

  FaultOutcome WriteToTable(VcpuContext& vcpu, const GuestWalk& walk,
                            const Access& access, MemoryOperand& operand);
  bool CanUnshadow(const GuestWalk& walk) const;
  void Validate(VcpuContext& vcpu, Gfn gfn, uint64_t offset, uint64_t size);
  void PropagateLink(VcpuContext& vcpu, const ShadowSlot& slot, Pte guest);

  // The pool has room for the rest of the path to `va`.
  void Reserve(VcpuContext& vcpu, const GuestWalk& walk, VirtAddr va);
  uint32_t MissingOn(const VcpuContext& vcpu, const GuestWalk& walk,
                     VirtAddr va) const;
  void Unhook(Cpu& cpu, ShadowId root);
  bool Reap(Cpu& cpu);
  bool IsTopShadow(ShadowId id) const {
    const ShadowKey& key = pages()[id].key;
    return !key.splinter && key.level == shape().top_level();
  }

  std::vector<VirtAddr> GuessesFor(Gfn gfn) const;
  void SearchAll(Cpu& cpu, Gfn gfn, uint32_t left,
                 std::vector<ShadowSlot>& found);
  void CountMapping(Cpu& cpu, const ShadowSlot& slot, Pte entry, bool added);

  const Shadow2006Options options_;
  std::vector<VcpuState> states_;  // by vCPU
  // Address of the fault in progress.
  std::optional<VirtAddr> fault_va_;
  // Shadows that may have lost their last reference.
  std::vector<ShadowId> unlinked_;
  // Only looked up, never iterated.
  absl::flat_hash_map<Mfn, uint32_t> writable_;
};

}  // namespace xmmu

#endif  // XMMU_LIB_POLICY_SHADOW_SHADOW_2006_PAGING_H_
