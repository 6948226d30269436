#ifndef XMMU_LIB_POLICY_SHADOW_SHADOW_2008_PAGING_H_
#define XMMU_LIB_POLICY_SHADOW_SHADOW_2008_PAGING_H_

// The shadows of Xen 3.3 ("shadow3"): those of 3.0.3, whose L1 tables may go
// out of sync.
//
// Each vCPU has three places for such tables, each with a snapshot of what the
// table was when its shadow was last right, and with the two mappings that are
// writable because of it ("fixups"). A table's home is the place whose index is
// its machine frame's number modulo 3. When a new table needs its home:
//
//   who is there         what happens
//   -------------------  ----------------------------------------------------
//   nobody               the new table takes it
//   a table not at home  that table is made in sync
//   a table at home      that table moves on to the next place; whoever is
//                        there is made in sync
//
// An entry of a shadow whose table is out of sync follows the snapshot's. Only
// a frame that is used as an L1 and nothing else may be out of sync.
//
// Source: Xen 3.3, xen/arch/x86/mm/shadow/{common,multi}.c (Guida, June 2008);
// what came with 3.1 and 3.2 stands in the same files there. Single-threaded.

#include <array>
#include <optional>
#include <vector>

#include "policy/shadow/shadow_2006_paging.h"
#include "xmmu/policy/shadow_options.h"

namespace xmmu {

class Shadow2008Paging final : public Shadow2006Paging {
 public:
  // Xen: SHADOW_OOS_PAGES, SHADOW_OOS_FIXUPS, PREFETCH_DISTANCE.
  static constexpr size_t kPlaces = 3;
  static constexpr size_t kFixups = 2;
  static constexpr int kPrefetchDistance = 32;

  Shadow2008Paging(Host& host, Domain& domain, const ShadowShape& shape,
                   const Shadow2008Options& options, uint32_t shadows);
  ~Shadow2008Paging() override;

  std::vector<MemoryPart> MemoryParts() const override;

 private:
  // A place for a table out of sync.
  struct Place {
    Gfn gfn = kInvalidGfn;
    Mfn snapshot;
    std::array<std::optional<ShadowSlot>, kFixups> fixups;
    size_t next = 0;  // index of the fixup to be replaced next

    bool free() const { return gfn == kInvalidGfn; }
  };
  // The last store that was emulated, as long as it is a guess at the next.
  struct LastStore {
    bool valid = false;
    VirtAddr page;
    Gfn gfn;
  };

  // --- Steps of ShadowStrategy.
  void BeforeCr3(VcpuContext& vcpu) override;
  void AfterCr3(VcpuContext& vcpu) override;
  void BeforeFlush(VcpuContext& vcpu, CpuMask vcpus,
                   const TlbFlush& flush) override;

  // --- What 2008 does otherwise than 2006.
  void PageFlushed(VcpuContext& vcpu, const ShadowSlot& slot) override;
  FaultOutcome AnswerFault(VcpuContext& vcpu, const PageFault& fault,
                           const Access& access,
                           MemoryOperand& operand) override;
  bool LetWrite(VcpuContext& vcpu, Gfn gfn) override;
  void Propagate(VcpuContext& vcpu, const ShadowSlot& slot, Pte guest) override;
  void Map(VcpuContext& vcpu, const GuestWalk& walk, VirtAddr va) override;
  void Emulated(VcpuContext& vcpu, Gfn gfn, MachineAddr addr,
                int size) override;
  void UnshadowEarly(VcpuContext& vcpu, Gfn gfn) override;

  // --- Hooks of ShadowPaging.
  Pte SourceOf(const ShadowSlot& slot) const override;
  void SetSource(Cpu& cpu, const ShadowSlot& slot, Pte guest) override;
  void EntryChanged(Cpu& cpu, const ShadowSlot& slot, Pte old,
                    Pte now) override;
  std::vector<ShadowSlot> LinksTo(Cpu& cpu, ShadowId id) override;
  void BeforeLink(VcpuContext& vcpu, ShadowId id) override;
  void ShadowTaken(Cpu& cpu, ShadowId id) override;
  void ShadowGoes(Cpu& cpu, ShadowId id) override;
  bool IsMark(Pte entry) const override;
  absl::Status AuditMore() const override;

  // Answers a fault without a walk, if that can be done.
  std::optional<FaultOutcome> AnswerFast(VcpuContext& vcpu,
                                         const PageFault& fault,
                                         const Access& access,
                                         MemoryOperand& operand);
  // Emulates the instructions that follow `last`, which was a store to a table.
  void GoOn(VcpuContext& vcpu, const Access& last);
  // Makes the entries that follow that of `va`, which has just been made.
  void Prefetch(VcpuContext& vcpu, const GuestWalk& walk, VirtAddr va);
  // Makes the entry at `slot`, `distance` further on. Returns false where
  // prefetching has to end.
  bool PrefetchOne(VcpuContext& vcpu, const GuestWalk& walk,
                   const ShadowSlot& slot, int distance);

  // --- Out of sync (shadow_2008_sync.cc).
  bool IsOutOfSync(Gfn gfn) const;
  // The place that the table `gfn` has, or nullptr if it is in sync.
  Place* PlaceOf(Gfn gfn);
  const Place* PlaceOf(Gfn gfn) const;
  size_t HomeOf(Gfn gfn) const;
  // Where the snapshot has the guest's entry of `slot`.
  MachineAddr SnapshotAt(const Place& place, const ShadowSlot& slot) const;
  // Lets the table `gfn` go out of sync, in a place of `vcpu`.
  void Unsync(VcpuContext& vcpu, Gfn gfn);
  // Makes the table at `place` in sync, and the place free.
  void Resync(VcpuContext& vcpu, Place& place);
  // Makes the shadows of the table follow what has changed since the snapshot.
  void ResyncEntries(VcpuContext& vcpu, const Place& place);
  // Notes that the entry at `slot` lets the guest write to the table `gfn`.
  void AddFixup(Cpu& cpu, Gfn gfn, const ShadowSlot& slot);
  // Takes write access from the entry at `slot`, if it is for `gfn` still.
  void RemoveWrite(Cpu& cpu, Gfn gfn, const ShadowSlot& slot);
  // Whether `vcpu` cannot see what the table `gfn` maps.
  bool SafeToSkip(const VcpuContext& vcpu, Gfn gfn) const;
  bool LeadsElsewhere(const VcpuContext& vcpu, ShadowId id) const;
  // The vCPU of this domain that runs on `cpu`, or else the first one.
  VcpuContext& VcpuOn(Cpu& cpu);

  const Shadow2008Options options_;
  bool marks_;  // whether entries are marked: the format has bits to do it
  std::vector<std::array<Place, kPlaces>> places_;  // by vCPU
  std::vector<LastStore> last_;                     // by vCPU
};

}  // namespace xmmu

#endif  // XMMU_LIB_POLICY_SHADOW_SHADOW_2008_PAGING_H_
