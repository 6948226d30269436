#ifndef XMMU_XEN_NESTED_TABLES_H_
#define XMMU_XEN_NESTED_TABLES_H_

// The P2M of a translated domain as tables that the processor walks: EPT on
// Intel, ordinary entries on AMD (Xen 4.17, xen/arch/x86/mm/p2m-ept.c,
// p2m-pt.c). Owns its table frames, which are Xen's. The map of record is the
// domain's P2m; these tables hold what the hardware knows of it: all of it, or
// what was asked for so far.
//
// Nothing here flushes: whoever makes an entry grant less owes FlushNested of
// the domain before a frame that it led to is anybody else's.
//
// Charges the clock it is given kZeroPage for a new table, kXenPteWrite for
// each entry written and kXenPteRead for each looked at. Single-threaded.

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "xmmu/base/cycles.h"
#include "xmmu/mmu/vm_controls.h"
#include "xmmu/xen/host.h"
#include "xmmu/xen/internal/frame_runs.h"

namespace xmmu {

class NestedTables {
 public:
  // Leaves are at most of `max_leaf`: 1, 2 (2 MiB) or 3 (1 GiB, where the
  // machine has them). Both outlive the tables, which begin empty.
  NestedTables(Host& host, const Domain& domain, int max_leaf);
  NestedTables(const NestedTables&) = delete;
  NestedTables& operator=(const NestedTables&) = delete;
  ~NestedTables();

  // The controls by which a guest is run on these tables.
  VmControls Controls(uint16_t tag) const;

  // While the domain's writes are logged, a page that is not marked in its log
  // is mapped read-only.

  // Maps all that the P2M has, each page by the largest leaf that its extent
  // allows: frames as contiguous and as aligned as the leaf.
  void MapAll(CycleClock& clock);
  // Maps the page of `pfn` as MapAll() does; false if the P2M has none. Nothing
  // changes if the page is mapped already.
  bool Map(Pfn pfn, CycleClock& clock);
  // Unmaps `pfn`, splitting a large leaf. Returns whether it was mapped.
  bool Unmap(Pfn pfn, CycleClock& clock);

  // Takes write access from all pages, large ones whole, or gives it to all:
  // one pass over all tables.
  void SetAllWritable(bool writable, CycleClock& clock);
  // Makes `pfn` writable, splitting a large leaf that is not. Returns whether
  // `pfn` is mapped.
  bool MakeWritable(Pfn pfn, CycleClock& clock);

  // The level of the leaf that maps `pfn`; 0 if none does.
  int LeafLevelOf(Pfn pfn) const;

  // Returns how many leaves of `level`, 1 to 3, there are.
  uint64_t LeavesOf(int level) const {
    return leaves_[static_cast<size_t>(level)];
  }

  // Host bytes in use beside the frames.
  uint64_t host_bytes() const { return tables_.host_bytes(); }

  // Whether `mfn` is one of the tables.
  bool Owns(Mfn mfn) const;

  // Recounts: each leaf leads where the P2M does, each table is in one place,
  // none is lost. With `complete` each page of the P2M is mapped.
  absl::Status Audit(bool complete) const;

 private:
  struct Place {
    MachineAddr slot;
    int level = 0;
  };
  // By level. No leaf is at [0], and at [4] only a fault that an audit finds.
  using LeafCounts = std::array<uint64_t, 5>;
  struct Recount {
    uint64_t tables = 1;
    uint64_t pages = 0;
    LeafCounts leaves{};
  };
  // Allocates a table, empty; charges kZeroPage.
  Mfn NewTable(CycleClock& clock);
  Mfn root() const { return tables_.front(); }
  uint64_t& leaves(int level) { return leaves_[static_cast<size_t>(level)]; }

  // What Map() does page by page, for the pages from `pfn` on in one piece, if
  // there they fill whole tables and are as regular as a rule can tell:
  // changes, counts and charges are the same, host time and memory do not
  // depend on the pages. Returns how many pages it has mapped; often none.
  uint64_t MapByRule(Pfn pfn, CycleClock& clock);
  // MapByRule() of one table of leaves of `level` at `place`, empty yet, or of
  // one of L1 tables.
  void MapTable(Pfn pfn, int level, const Place& place, CycleClock& clock);
  bool MapTables(Pfn pfn, const Place& place, CycleClock& clock);
  uint64_t Read(MachineAddr slot) const;
  void Write(MachineAddr slot, uint64_t entry, CycleClock& clock);
  // The entries, in the machine's format, that lead to a table or map a page.
  uint64_t TableEntry(Mfn table) const;
  uint64_t LeafEntry(Mfn first, int level, bool writable) const;
  bool IsLeaf(uint64_t entry, int level) const;
  static MachineAddr SlotOf(Mfn table, int level, Pfn pfn);
  // Where the leaf of `pfn` is, or the empty entry at which its path ends.
  Place Find(Pfn pfn) const;
  // The level of the largest leaf that can map `pfn`.
  int LargestLeaf(Pfn pfn) const;
  // Whether the P2M has the whole page of `level` that contains `pfn` in one
  // aligned piece.
  bool Fits(Pfn pfn, int level) const;
  // Replaces a large leaf by a table of leaves one level lower.
  void Split(const Place& place, CycleClock& clock);
  // Gives or takes write access in all leaves below `table`.
  void SetWritableBelow(Mfn table, int level, bool writable, CycleClock& clock);
  // Whether the log lets the whole page of `level` from `first` on be writable.
  bool MayBeWritable(Pfn first, int level) const;
  // Audit() of what is below `table`, adding up what it finds in `recount`.
  absl::Status AuditTable(Mfn table, int level, Pfn first,
                          Recount& recount) const;

  Host& host_;
  const Domain& domain_;
  const int max_leaf_;
  const bool ept_;
  FrameRuns tables_;  // the root first
  LeafCounts leaves_{};
};

}  // namespace xmmu

#endif  // XMMU_XEN_NESTED_TABLES_H_
