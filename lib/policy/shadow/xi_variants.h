#ifndef XMMU_LIB_POLICY_SHADOW_XI_VARIANTS_H_
#define XMMU_LIB_POLICY_SHADOW_XI_VARIANTS_H_

// XI as it was asked to be instead (zhu, "Re: Page fault is 4 times faster with
// XI shadow mechanism", xen-devel, July 2006): with backlinks for page tables
// alone, with snapshots for tables out of sync alone. Neither was built; what
// the answers foresee of them is followed, the rest is assumed.
//
// Single-threaded.

#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "policy/shadow/xi_paging.h"

namespace xmmu {

// Backlinks only for entries that lead to a guest page table or to its shadow.
// They have to be "organized and dynamically allocated and freed, and in the
// critical page fault path": nodes of 16 bytes, an entry and the next node, in
// frames that are taken from the hypervisor as needed and kept. A page that
// becomes a table is searched for in all shadows, once; so is one that leaves.
class XiTableBacklinks final : public XiPaging {
 public:
  // REQUIRES: !options.backlinks.
  using XiPaging::XiPaging;
  ~XiTableBacklinks() override;

  std::vector<MemoryPart> MemoryParts() const override;

 private:
  using List = std::vector<ShadowSlot>;

  void EntryChanged(Cpu& cpu, const ShadowSlot& slot, Pte old,
                    Pte now) override;
  std::vector<ShadowSlot> MappingsOf(Cpu& cpu, Gfn gfn) override;
  std::vector<ShadowSlot> LinksTo(Cpu& cpu, ShadowId id) override;
  void ShadowGoes(Cpu& cpu, ShadowId id) override;
  absl::Status AuditMore() const override;

  // The key of the list of the entries that map the table `gfn`, or of those
  // that lead to the shadow `id`.
  static uint64_t KeyOf(Gfn gfn) { return gfn.value() * 2; }
  static uint64_t KeyOf(ShadowId id) { return uint64_t{id} * 2 + 1; }
  // The key of the list that records `entry` at `slot`, or nullopt if no list
  // does.
  std::optional<uint64_t> KeyOf(const ShadowSlot& slot, Pte entry) const;
  void Add(Cpu& cpu, List& list, const ShadowSlot& slot);
  void Remove(Cpu& cpu, List& list, const ShadowSlot& slot);

  absl::flat_hash_map<uint64_t, List> lists_;  // never iterated over
  uint64_t nodes_ = 0;                         // how many are in use
  std::vector<Mfn> node_frames_;
};

// Snapshots in a pool of their own, one for each shadow of a table that is out
// of sync. A table in sync needs none, its entries being what shadows were made
// from; in return a shadow of an L1 is made in sync, all of it at once. When
// the pool is used up, the table that went out of sync first is made in sync
// again.
class XiSnapshotPool final : public XiPaging {
 public:
  // REQUIRES: options.snapshots_on_demand.
  XiSnapshotPool(Host& host, Domain& domain, const ShadowShape& shape,
                 const XiShadowOptions& options, uint32_t shadows);
  ~XiSnapshotPool() override;

  void FrameLeaves(Cpu& cpu, Gfn gfn) override;
  std::vector<MemoryPart> MemoryParts() const override;

 private:
  Pte SourceOf(const ShadowSlot& slot) const override;
  bool KeepsSources() const override { return false; }
  bool IsCurrent(Cpu& cpu, const ShadowSlot& slot, Pte guest) override;
  void SetSource(Cpu& cpu, const ShadowSlot& slot, Pte guest) override;
  void ShadowTaken(Cpu& cpu, ShadowId id) override;
  void ShadowGoes(Cpu& cpu, ShadowId id) override;
  void OpenTable(VcpuContext& vcpu, Gfn gfn) override;
  void TableSynced(Gfn gfn) override;
  absl::Status AuditMore() const override;

  bool HasSnapshot(ShadowId id) const { return snapshot(id) != kInvalidMfn; }
  // Takes a snapshot from the pool for the shadow `id`, or gives it back.
  void TakeSnapshot(ShadowId id);
  void GiveSnapshot(ShadowId id);
  // Makes all entries of the L1 shadow `id`.
  void FillAll(Cpu& cpu, ShadowId id);

  const uint64_t count_;
  const uint64_t most_a_table_;  // the most shadows that one table can have
  FrameRuns free_;
  uint64_t peak_ = 0;  // the most snapshots that were in use at a time
};

}  // namespace xmmu

#endif  // XMMU_LIB_POLICY_SHADOW_XI_VARIANTS_H_
